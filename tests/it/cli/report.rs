//! `report` about real nodes, and about what does not answer.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{Line, check_ended, command, ended, via};
use crate::peer::TestNode;
use crate::process::{path_text, temp_folder, write_file};
use crate::support::{PROGRAM, run, run_successfully, text};

/// The files of a report by their names, as the system's `tar` unpacks them.
pub(crate) fn unpack_report(archive: &Path) -> BTreeMap<String, String> {
    let folder = temp_folder();
    run_successfully(Command::new("tar").args([
        "-xzf",
        path_text(archive),
        "-C",
        path_text(folder.path()),
    ]));
    let mut files = BTreeMap::new();
    let root = folder.path().join("ilp-connector-report");
    let mut folders = vec![root.clone()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            files.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
    files
}

fn json(files: &BTreeMap<String, String>, name: &str) -> Value {
    let text = files.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", files.keys()));
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_archive_has_what_nodes_say_and_names_what_is_missing() {
    let line = Line::start("", "", "");
    let via = via(&line.a);
    // One packet arrives, one is rejected; its destination looks like that of a receiver with a token.
    let token = "Qz7xKv2RtW9LmB4nYd8HsJ6gVcF3pU1o";
    line.ping("test.c");
    let lost = format!("test.b.nowhere.{token}");
    command(&["ping", &lost, "-c", "1", "--via", &via]);
    let folder = temp_folder();
    let archive = folder.path().join("r.tar.gz");
    let urls =
        [&line.a, &line.b, &line.c].map(|node| format!("http://127.0.0.1:{}", node.health_port));
    let (gone, _) = line.c.stop("TERM");
    assert_eq!(gone.code(), Some(0));
    let output = ["-o", path_text(&archive)];
    let arguments = [&["report", &urls[0], &urls[1], &urls[2]][..], &output].concat();
    let said = check_ended(
        ended(&command(&arguments)),
        0,
        &[
            "  nodes/b/rejects.json: the last 100 rejected packets",
            "not in it: node 127.0.0.1:",
            "wrote ",
        ],
    );
    assert!(said.contains("Connection refused"), "{said}");
    let mode = fs::metadata(&archive).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only its owner may read it");

    let files = unpack_report(&archive);
    assert_eq!(json(&files, "nodes/a/health.json")["nodeId"], "a");
    assert_eq!(json(&files, "nodes/b/peers.json")["peers"][0]["id"], "a");
    assert!(json(&files, "nodes/b/links.json")["links"].as_array().unwrap().len() >= 2);
    assert_eq!(json(&files, "nodes/a/config.json")["node"], "a");
    let metrics = &files["nodes/b/metrics.txt"];
    assert!(metrics.contains("\nilp_build_info{node=\"b\""), "{metrics}");
    assert!(metrics.contains("\nprocess_max_fds "), "the last one: {metrics}");
    assert!(files["nodes/b/routes.json"].contains("test.c"), "{}", files["nodes/b/routes.json"]);
    let rejects = json(&files, "nodes/b/rejects.json");
    assert_eq!(rejects["packets"][0]["code"], "F02", "{rejects:#}");
    assert!(!rejects["packets"][0]["condition"].as_str().unwrap().contains('*'), "{rejects:#}");
    // The lines of the log, as the node wrote them.
    let log = &files["nodes/b/log.txt"];
    let logged = line.b.process.output_lines();
    let of_start = logged.iter().find(|line| line.contains("BTP server listening")).unwrap();
    assert!(log.lines().any(|line| line == of_start), "{of_start}\nin\n{log}");
    let all: String = files.values().map(String::as_str).collect();
    assert!(!all.contains(token) && all.contains("test.b.nowhere.***"), "{all}");
    assert_eq!(json(&files, "system.json")["program"]["version"], env!("CARGO_PKG_VERSION"));
    let manifest = json(&files, "manifest.json");
    let listed: Vec<&str> = manifest["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["name"].as_str().unwrap())
        .collect();
    let mut expected: Vec<&str> = files.keys().map(String::as_str).collect();
    expected.retain(|name| !["README.txt", "manifest.json"].contains(name));
    for name in &expected {
        assert!(
            listed.contains(name) && files["README.txt"].contains(name),
            "{name} is not listed"
        );
    }
    assert_eq!(listed.len(), expected.len());
    assert!(manifest["missing"].to_string().contains("Connection refused"), "{manifest:#}");

    // It does not overwrite.
    let before = fs::read(&archive).unwrap();
    check_ended(ended(&command(&arguments)), 1, &["it exists already; name another file with -o"]);
    assert_eq!(fs::read(&archive).unwrap(), before);
    // To standard output, and by default into the current folder.
    let output = command(&["report", &urls[1], "-o", "-"]);
    assert!(text(&output.stderr).contains("nodes/b/health.json"), "{}", text(&output.stderr));
    fs::write(&archive, &output.stdout).unwrap();
    assert!(unpack_report(&archive).contains_key("nodes/b/health.json"));
    let mut here = Command::new(PROGRAM);
    let output = run(here.args(["report", &urls[1]]).env_clear().current_dir(folder.path()));
    check_ended(ended(&output), 0, &["wrote ilp-connector-report-20"]);
}

#[test]
fn files_tokens_and_other_nodes() {
    let folder = temp_folder();
    let audit = folder.path().join("n.jsonl");
    let yaml = |port: &str| {
        format!(
            "nodeId: n # a remark\nilpAddress: test.n\n{port}apiToken: an-operators-token\n\
             store: {}\nauditLog: {}\nreceiverSecret: 0123456789-0123456789-0123456789\n",
            folder.path().join("n.db").display(),
            audit.display()
        )
    };
    let node = TestNode::start(&yaml(""));
    let port = format!("healthCheckPort: {}\n", node.health_port);
    let file = write_file(&folder, "n.yaml", &yaml(&port));
    let report = |arguments: &[&str], code: i32, expected: &[&str]| {
        let archive = folder.path().join("r.tar.gz");
        let _ = fs::remove_file(&archive);
        let arguments = [&["report"], arguments, &["-o", path_text(&archive)]].concat();
        check_ended(ended(&command(&arguments)), code, expected);
        if code == 0 { unpack_report(&archive) } else { BTreeMap::new() }
    };
    // The token of the file.
    let files = report(&[path_text(&file)], 0, &["nodes/n/log.txt"]);
    let values = &files["configuration/n.yaml/n.yaml"];
    assert!(values.contains("apiToken: \"***\"") && !values.contains("remark"), "{values}");
    assert_eq!(files["configuration/n.yaml/findings.txt"], "ok\n");
    let state = json(&files, "configuration/n.yaml/n.files.json");
    assert!(state["store"]["version"].as_u64().unwrap() > 0, "{state:#}");
    assert!(state["auditLog"]["verified"].as_str().unwrap().starts_with("ok: "), "{state:#}");
    assert!(files.values().all(|text| !text.contains("an-operators-token")));
    // Without it.
    let url = format!("http://127.0.0.1:{}", node.health_port);
    let files = report(&[&url], 0, &["not in it: peers.json of n: it has an apiToken"]);
    assert!(files.contains_key("nodes/n/health.json") && !files.contains_key("nodes/n/log.txt"));
    // Another node at the port of the file does not get its token.
    let other = write_file(&folder, "m.yaml", &yaml(&port).replace("nodeId: n", "nodeId: m"));
    let files = report(&[path_text(&other)], 0, &["the node n answers at http://127.0.0.1:"]);
    assert!(!files.keys().any(|name| name.starts_with("nodes/")), "{:?}", files.keys());
    // A mistake elsewhere does not hide where the node is.
    let mistaken = format!("{}maxPaketAmount: 1\n", yaml(&port));
    let mistaken = write_file(&folder, "e.yaml", &mistaken);
    let files = report(&[path_text(&mistaken)], 0, &["nodes/n/log.txt"]);
    assert!(files["configuration/e.yaml/findings.txt"].starts_with("error: "));
    // One in the place of the node does; then the node is found by its URL.
    let broken = write_file(&folder, "b.yaml", "nodeId: n\nhealthCheckPort: many\n");
    let said = ["the configuration has mistakes", "nodes/n/health.json"];
    let files = report(&[path_text(&broken), &url], 0, &said);
    assert!(files["configuration/b.yaml/findings.txt"].starts_with("error: "));
    report(&["/nowhere.yaml"], 64, &["/nowhere.yaml: no such file"]);
    report(&["http://h:1/x"], 64, &["it ends with the port"]);
    report(&["--token-file", "/nowhere", &url], 64, &["--token-file /nowhere"]);
}
