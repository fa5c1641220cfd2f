//! Who may change something, and what the audit log has of it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{TOKEN, file, get, long, overrides, peer, verb, verify, wait_until};
use crate::peer::{TestNode, ask, try_ask};
use crate::process::{path_text, temp_folder};

struct AuditedNode {
    node: TestNode,
    log: PathBuf,
    _folder: TempDir,
}

/// A token that may only read.
const READER: &str = "a-token-that-reads";

fn config(log: &Path, more: &str) -> String {
    let reader = format!("apiTokens: [{{ id: monitor, token: {READER}, scopes: [read] }}]\n");
    let log = format!("auditLog: {}\n", log.display());
    file(&(peer("alice") + &peer("bob")), &(log + &reader + more))
}

impl AuditedNode {
    fn start() -> Self {
        let folder = temp_folder();
        let log = folder.path().join("n.jsonl");
        Self { node: TestNode::start(&config(&log, "")), log, _folder: folder }
    }
}

fn lines(log: &Path) -> Vec<Value> {
    let text = fs::read_to_string(log).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The newest line of this kind, once it is there.
fn wait_for_line(log: &Path, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let found = std::cell::RefCell::new(Value::Null);
    wait_until(what, || {
        let lines = lines(log);
        let line = lines.iter().rev().find(|line| wanted(line)).cloned();
        line.map(|line| drop(found.replace(line))).ok_or_else(|| format!("{lines:#?}"))
    });
    found.into_inner()
}

#[test]
fn each_verb_has_a_line_and_so_has_each_refused_one() {
    let AuditedNode { node, log, _folder } = AuditedNode::start();
    verb(&node, "bob", "suspend", &long("their disk is full"));
    let line = lines(&log).pop().unwrap();
    for (key, expected) in [
        ("kind", "verb"),
        ("who", "apiToken"),
        ("verb", "peer.suspend"),
        ("target", "bob"),
        ("reason", "their disk is full"),
        ("outcome", "accepted"),
    ] {
        assert_eq!(line[key], expected, "{line}");
    }
    assert_eq!(line["parameters"]["ttlSeconds"], 3600);
    assert!(line["remote"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    // What the node refuses.
    verb(&node, "carol", "suspend", &long("x"));
    let line = wait_for_line(&log, "refused", |line| line["outcome"] == "refused");
    assert_eq!((&line["target"], &line["kind"]), (&"carol".into(), &"verb".into()));
    assert!(line["detail"].as_str().unwrap().contains("no peer"), "{line}");
    verb(&node, "alice", "resume", &long("x"));
    let line = wait_for_line(&log, "failed", |line| line["outcome"] == "failed");
    let of = lines(&log).into_iter().find(|one| one["seq"] == line["of"]).unwrap();
    assert_eq!((&of["verb"], &of["outcome"]), (&"peer.resume".into(), &"accepted".into()));
    // Clients without the right.
    let suspend = "POST /api/v1/nodes/n/peers/bob/suspend";
    let body = long("x").to_string();
    let (status, _) = ask(node.health_port, suspend, Some("a-guess"), &body);
    assert_eq!(status, 401);
    wait_for_line(&log, "a wrong token", |line| line["kind"] == "access" && line["who"] == "-");
    let (status, problem) = ask(node.health_port, suspend, Some(READER), &body);
    assert_eq!(status, 403, "{problem}");
    let line = wait_for_line(&log, "a token without the scope", |line| line["who"] == "monitor");
    assert_eq!((&line["kind"], &line["target"]), (&"access".into(), &suspend.into()));
    assert_eq!(ask(node.health_port, "GET /api/v1/audit", Some(READER), "").0, 403);
    // A wrong token of a page that only reads.
    ask(node.health_port, "GET /peers", Some("a-guess"), "");
    wait_for_line(&log, "a wrong token", |line| line["target"] == "GET /peers");

    // No guess can fill the disk.
    for _ in 0..30 {
        ask(node.health_port, suspend, Some("a-guess"), &body);
    }
    let before = lines(&log).len();
    assert!(before < 20, "{before}");
    let page = get(&node, "/api/v1/audit?limit=2&after=1");
    assert_eq!(page["lines"].as_array().unwrap().len(), 2, "{page}");
    assert_eq!((&page["node"], &page["lines"][0]["seq"]), (&"n".into(), &2.into()));
    let secret = fs::read_to_string(&log).unwrap();
    assert!(!secret.contains(TOKEN) && !secret.contains(READER) && !secret.contains("a-guess"));
    node.stop("TERM");
    let all = lines(&log);
    let summary = &all[all.len() - 2];
    assert!(summary["parameters"]["count"].as_u64().unwrap() >= 20, "{summary}");
    assert_eq!(all.last().unwrap()["kind"], "closed");
    let (ok, text) = verify(&[path_text(&log)]);
    assert!(ok && text.starts_with(&format!("ok: {} lines", all.len())), "{text}");
}

#[test]
fn without_a_token_a_node_takes_no_verb() {
    let folder = temp_folder();
    let log = folder.path().join("n.jsonl");
    let open = config(&log, "").replace(&format!("apiToken: {TOKEN}\n"), "");
    let open: String = open
        .lines()
        .filter(|line| !line.starts_with("apiTokens"))
        .fold(String::new(), |text, line| text + line + "\n");
    let node = TestNode::start(&open);
    let suspend = "POST /api/v1/nodes/n/peers/bob/suspend";
    let (status, problem) = ask(node.health_port, suspend, None, &long("x").to_string());
    assert_eq!(status, 403);
    assert!(problem["detail"].as_str().unwrap().contains("set an apiToken"), "{problem}");
    wait_for_line(&log, "it is noted", |line| line["target"] == suspend);
    assert_eq!(node.account("bob")["enabled"], true);
}

#[test]
fn nothing_changes_while_the_log_cannot_be_written() {
    let folder = temp_folder();
    let log = folder.path().join("missing/n.jsonl");
    let node = TestNode::start(&config(&log, ""));
    let _alice = node.connect_peer("alice");
    let check_refused = || {
        for (name, body) in
            [("suspend", long("x")), ("resume", long("x")), ("reconnect", json!({ "reason": "x" }))]
        {
            let (status, problem) = verb(&node, "alice", name, &body);
            let detail = problem["detail"].as_str().unwrap_or_default();
            let is_refused = status == 503 && detail.contains("nothing has changed");
            assert!(is_refused && detail.contains("missing"), "{name}: {status} {problem}");
        }
    };
    check_refused();
    let level = json!({ "level": "debug", "ttlSeconds": 60, "reason": "x" }).to_string();
    let log_level = "POST /api/v1/nodes/n/log-level";
    assert_eq!(ask(node.health_port, log_level, Some(TOKEN), &level).0, 503);
    let change = r#"{"account":"alice","adjust":"5","reason":"x"}"#;
    let (status, body) = ask(node.health_port, "POST /ledger/changes", Some(TOKEN), change);
    assert!(status == 503 && body["error"].as_str().unwrap().contains("recorded"), "{body}");
    let alice = get(&node, "/peers")["peers"][0].clone();
    assert_eq!((&alice["state"], overrides(&node).len()), (&"connected".into(), 0));
    node.process.wait_for_line("the audit log cannot be written", |line| {
        line.contains("the audit log cannot be written").then_some(())
    });
    // A disk that is full.
    if Path::new("/dev/full").exists() {
        node.rewrite_config(&config(Path::new("/dev/full"), ""));
        node.process.signal("HUP");
        wait_until("the reload", || {
            let (status, problem) = verb(&node, "alice", "suspend", &long("x"));
            let is_full = problem["detail"].as_str().unwrap_or_default().contains("/dev/full");
            if status == 503 && is_full { Ok(()) } else { Err(problem.to_string()) }
        });
        node.rewrite_config(&config(&log, ""));
        node.process.signal("HUP");
        wait_until("the reload", || {
            let (_, problem) = verb(&node, "alice", "suspend", &long("x"));
            let is_back = problem["detail"].as_str().unwrap_or_default().contains("missing");
            if is_back { Ok(()) } else { Err(problem.to_string()) }
        });
    }
    // It is repaired without a restart, and works at once.
    fs::create_dir(log.parent().unwrap()).unwrap();
    assert_eq!(verb(&node, "alice", "suspend", &long("x")).0, 200);
    assert_eq!(lines(&log).last().unwrap()["verb"], "peer.suspend");
}

#[test]
fn a_reload_moves_the_log() {
    let AuditedNode { node, log, _folder } = AuditedNode::start();
    verb(&node, "bob", "suspend", &long("x"));
    let other = log.with_file_name("other.jsonl");
    node.rewrite_config(&config(&other, ""));
    node.process.signal("HUP");
    wait_for_closed(&log);
    wait_until("the new log", || if other.exists() { Ok(()) } else { Err(node.log()) });
    assert_eq!(verb(&node, "bob", "resume", &long("x")).0, 200);
    assert_eq!(lines(&other).last().unwrap()["verb"], "peer.resume");
    node.stop("TERM");
    for file in [&log, &other] {
        let (ok, text) = verify(&[path_text(file)]);
        assert!(ok, "{text}");
    }
}

fn wait_for_closed(log: &Path) {
    wait_for_line(log, "the log is closed", |line| line["kind"] == "closed");
}

/// What was answered is in the log, and the log verifies, however the process ends.
#[test]
fn kill_9_leaves_a_log_that_verifies() {
    let folder = temp_folder();
    let log = folder.path().join("n.jsonl");
    let mut answered = Vec::new();
    for round in 0..5_u32 {
        let node = TestNode::start(&config(&log, ""));
        let port = node.health_port;
        let client = std::thread::spawn(move || {
            let mut done = Vec::new();
            for number in 0.. {
                let reason = format!("round {round} number {number}");
                let request = format!(
                    "POST /api/v1/nodes/n/peers/{}/suspend",
                    if number % 2 == 0 { "alice" } else { "bob" }
                );
                let body = json!({ "ttlSeconds": 60, "reason": reason }).to_string();
                match try_ask(port, &request, Some(TOKEN), &body) {
                    Ok((200, _)) => done.push(reason),
                    _ => return done,
                }
            }
            done
        });
        wait_until("some verbs", || {
            let lines = fs::read_to_string(&log).unwrap_or_default().lines().count();
            let wanted = answered.len() + 20 + 7 * round as usize;
            if lines > wanted { Ok(()) } else { Err(lines.to_string()) }
        });
        node.stop("KILL");
        answered.extend(client.join().unwrap());
        let (ok, text) = verify(&[path_text(&log)]);
        assert!(ok, "round {round}: {text}");
    }
    let text = fs::read_to_string(&log).unwrap();
    for reason in &answered {
        assert!(text.contains(&format!("\"reason\":\"{reason}\"")), "{reason} is not in the log");
    }
    assert!(answered.len() > 50, "{}", answered.len());
}
