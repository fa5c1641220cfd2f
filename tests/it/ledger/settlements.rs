//! `settlement`: what operators record, list and pause while the node runs.

use super::*;
use crate::peer::ask;
use crate::process::{free_port, write_file};

const TOKEN: &str = "an-operators-token";

fn start(store: &Path) -> TestNode {
    let config = config_with_store(store, "batched");
    TestNode::start(&format!("apiToken: {TOKEN}\n{config}"))
}

/// Runs the command at the node; whether it succeeded, and what it printed.
fn settlement(node: &TestNode, arguments: &[&str]) -> (bool, String) {
    let url = format!("http://127.0.0.1:{}", node.health_port);
    let mut command = Command::new(PROGRAM);
    command.arg("settlement").args(arguments).args(["--via", &url]);
    let output = run(command.env_clear().env("API_TOKEN", TOKEN));
    (output.status.success(), combined_output(&output))
}

fn get_with_token(node: &TestNode, path: &str) -> Value {
    ask(node.health_port, &format!("GET {path}"), Some(TOKEN), "").1
}

/// An account of `/peers`.
fn peer_of<'p>(page: &'p Value, id: &str) -> &'p Value {
    page["peers"].as_array().unwrap().iter().find(|one| one["id"] == id).unwrap()
}

fn listed(node: &TestNode) -> Value {
    let (ok, text) = settlement(node, &["list", "--json"]);
    assert!(ok, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn what_operators_have_settled_is_booked_once_and_survives_kill_9() {
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let node = start(&store);
    assert_eq!(settlement(&node, &["list"]), (true, "there are no settlements\n".to_owned()));

    let sent = ["record", "bob", "--sent", "10 USD", "--reference", "SEPA-77", "--id", "first"];
    let (ok, text) = settlement(&node, &sent);
    let expected = "n: bob was paid by us 10000000000 units of USD/9 (first)\n";
    assert_eq!((ok, text.as_str()), (true, expected));
    let again = "n: already recorded, and not again: bob was paid by us 10000000000 units of USD/9 (first)\n";
    assert_eq!(settlement(&node, &sent), (true, again.to_owned()), "the same settlement");
    let reworded = ["record", "bob", "--sent", "10 USD", "--reference", "SEPA-78", "--id", "first"];
    let (ok, text) = settlement(&node, &reworded);
    let expected = format!("{again}its reference stays \"SEPA-77\"; \"SEPA-78\" is not kept\n");
    assert_eq!((ok, text), (true, expected));
    for (way, units) in [("--sent", "11"), ("--received", "10000000000")] {
        let other = ["record", "bob", way, units, "--reference", "SEPA-77", "--id", "first"];
        let (ok, text) = settlement(&node, &other);
        let expected =
            "the key first belongs to another settlement: sent to bob, 10000000000 at scale 9";
        assert!(!ok && text.contains(expected), "{text}");
        // Nothing is booked, so there is nothing to repeat.
        assert!(!text.contains("--id") && !text.contains("repeat"), "{text}");
    }
    let received = ["record", "alice", "--received", "250", "--reference", "cash"];
    assert!(settlement(&node, &received).0);
    for (wrong, expected) in [
        (["record", "bob", "--sent", "10 EUR", "--reference", "x"], "the account pays in USD"),
        (["record", "zoe", "--sent", "10", "--reference", "x"], "has no peer zoe"),
        (["record", "bob", "--sent", "10", "--reference", " "], "--reference is empty"),
        (["record", "bob", "--sent", "-5", "--reference", "x"], "an amount is a whole number"),
    ] {
        let (ok, text) = settlement(&node, &wrong);
        assert!(!ok && text.contains(expected) && !text.contains("repeat"), "{text}");
    }

    node.stop("KILL");
    let balances = |account: &str| saved(&store, account).balance;
    assert_eq!((balances("bob"), balances("alice")), (10_000_000_000, -250));
    let node = start(&store);
    assert_eq!(settlement(&node, &sent), (true, again.to_owned()), "also after a restart");
    let reversed = ["record", "bob", "--received", "10 USD", "--reference", "x", "--id", "first"];
    let (ok, text) = settlement(&node, &reversed);
    assert!(!ok && text.contains("another settlement: sent to bob"), "{text}");
    let page = listed(&node);
    let [newest, oldest] = page["settlements"].as_array().unwrap().as_slice() else {
        panic!("{page}");
    };
    let shown = |one: &Value| {
        ["peer", "direction", "units", "state", "by"]
            .map(|key| one[key].as_str().unwrap().to_owned())
    };
    assert_eq!(shown(newest), ["alice", "received", "250", "done", "apiToken"]);
    assert_eq!(shown(oldest), ["bob", "sent", "10000000000", "done", "apiToken"]);
    let (_, text) = settlement(&node, &["list", "bob"]);
    assert!(text.contains("SEPA-77") && !text.contains("alice"), "{text}");
}

#[test]
fn settlements_with_a_peer_are_paused_for_a_time() {
    let folder = temp_folder();
    let node = start(&folder.path().join("n.db"));
    let (ok, text) = settlement(&node, &["resume", "bob"]);
    assert!(!ok && text.contains("settlements with peer bob are not paused"), "{text}");
    let (ok, text) = settlement(&node, &["pause", "bob", "--for", "1h", "--reason", "a holiday"]);
    assert!(ok && text.starts_with("n: no settlement with bob begins until "), "{text}");
    assert_eq!(listed(&node)["paused"], serde_json::json!(["bob"]));
    let (_, text) = settlement(&node, &["list"]);
    assert!(text.contains("settlements with bob are paused until 2"), "{text}");
    let page = get_with_token(&node, "/peers");
    let bob = peer_of(&page, "bob");
    assert_eq!(bob["settlement"]["pausedUntil"], listed(&node)["pausedUntil"]["bob"]);
    let (ok, text) = settlement(&node, &["pause", "bob", "--for", "5d"]);
    assert!(!ok && text.contains("from one second to one day"), "{text}");
    let (ok, text) = settlement(&node, &["resume", "bob"]);
    assert!(ok && text.contains("settlements with bob are no longer paused"), "{text}");
    assert_eq!(listed(&node)["paused"], serde_json::json!([]));
    let (ok, text) = settlement(&node, &["retry", "bob"]);
    assert!(!ok && text.contains("no settlement with bob waits for its engine"), "{text}");
}

#[test]
fn a_node_without_a_store_records_no_settlement() {
    let node = TestNode::start(&format!(
        "nodeId: n\napiToken: {TOKEN}\npeers:\n  - {{ id: bob, relation: child, authToken: t }}\n"
    ));
    assert_eq!(listed(&node)["settlements"], serde_json::json!([]));
    let (ok, text) = settlement(&node, &["record", "bob", "--sent", "1", "--reference", "x"]);
    assert!(!ok && text.contains("this node has no store"), "{text}");
}

/// A node that owes bob, whose engine does not answer. `bob`: keys of the peer.
fn config_with_dead_engine(store: &Path, bob: &str) -> String {
    format!(
        "nodeId: n\napiToken: {TOKEN}\nstore: {}\nsettlementPort: 0\npeers:\n  - {{ id: alice, relation: child, \
         authToken: alice-token }}\n{bob}",
        store.display()
    )
}

#[test]
fn operators_see_what_no_engine_pays_and_why() {
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let peer = |keys: &str| format!("  - {{ id: bob, relation: child, authToken: t{keys} }}\n");
    let engine = format!(
        ", settleThreshold: -100, settlement: {{ engine: 'http://127.0.0.1:{}' }}",
        free_port()
    );
    let node = TestNode::start(&config_with_dead_engine(&store, &peer(&engine)));
    let status = || {
        let mut command = Command::new(PROGRAM);
        command.arg("status").arg(format!("http://127.0.0.1:{}", node.health_port));
        let output = run(command.env_clear().env("API_TOKEN", TOKEN));
        assert!(output.status.success(), "{output:?}");
        combined_output(&output)
    };
    let owe = r#"{"account":"bob","adjust":"-150","reason":"a test"}"#;
    assert_eq!(ask(node.health_port, "POST /ledger/changes", Some(TOKEN), owe).0, 200);
    eventually("the engine fails", TIMEOUT, || {
        let page = listed(&node);
        match page["underWay"][0]["lastError"].is_string() {
            true => Ok(()),
            false => Err(page.to_string()),
        }
    });
    // The balance is 0, but the account is not hidden.
    let shown = status();
    assert!(shown.contains("\nn owes bob a settlement of 150 USD/9 since 2"), "{shown}");
    assert!(shown.contains("gives no answer") && shown.contains("  bob  "), "{shown}");
    let page = get_with_token(&node, "/peers");
    let settlement_of_bob = &peer_of(&page, "bob")["settlement"];
    assert_eq!(settlement_of_bob["mode"], "engine");
    assert_eq!(settlement_of_bob["settled"], serde_json::json!({ "received": "0", "sent": "150" }));
    assert_eq!(settlement_of_bob["pending"]["units"], "150");
    assert!(peer_of(&page, "alice").get("settlement").is_none(), "{page}");
    let health = get_json(node.health_port, "/health");
    let reason = health["reasons"][0].as_str().unwrap();
    assert!(
        reason.contains("its engine has not accepted it") && !reason.contains("150"),
        "{reason}"
    );
    assert_eq!(health["status"], "healthy");

    assert!(settlement(&node, &["pause", "bob", "--for", "1h"]).0);
    let refused = |expected: &str| {
        let (ok, text) = settlement(&node, &["retry", "bob"]);
        assert!(!ok && text.contains(expected), "{text}");
        let (_, text) = settlement(&node, &["list"]);
        assert!(text.contains(expected) && !text.contains("asked again at"), "{text}");
        assert!(status().contains(expected), "{}", status());
    };
    refused("settlements with this peer are paused until 2");
    assert!(settlement(&node, &["resume", "bob"]).0);
    assert!(settlement(&node, &["retry", "bob"]).0);

    // The configuration takes the engine away, and then the whole peer.
    let warned = "its peer has no settlement engine any more";
    let count_log = |node: &TestNode, text: &str, expected: usize| {
        eventually(text, TIMEOUT, || match node.log() {
            log if log.matches(text).count() == expected => Ok(()),
            log => Err(log),
        });
    };
    for (number, bob) in [(1, peer("")), (2, String::new())] {
        node.rewrite_config(&config_with_dead_engine(&store, &bob));
        node.process.signal("HUP");
        let expected = "the configuration gives this peer no settlement engine";
        count_log(&node, "\"configuration reloaded\"", number);
        let page = listed(&node);
        assert_eq!(page["underWay"][0]["heldUp"], expected, "{page}");
        if bob.is_empty() {
            assert!(status().contains(expected), "{}", status());
        } else {
            refused(expected);
        }
    }
    assert_eq!(node.log().matches(warned).count(), 1, "{}", node.log());
    node.stop("KILL");
    let node = TestNode::start(&config_with_dead_engine(&store, ""));
    count_log(&node, warned, 1);
}

#[test]
fn a_settlement_is_recorded_in_the_store_of_a_stopped_node() {
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let config = format!("apiToken: {TOKEN}\n{}", config_with_store(&store, "strict"));
    let file = write_file(&folder, "n.yaml", &config);
    let record = |arguments: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.args(["settlement", "record"]).args(arguments).args(["--config", path_text(&file)]);
        // Another node of this machine may have the port of the default.
        command.env("HEALTH_CHECK_PORT", free_port().to_string());
        let output = run(command.env("USER", "ann"));
        (output.status.success(), combined_output(&output))
    };
    let refused = |arguments: &[&str], expected: &str| {
        let (ok, text) = record(arguments);
        assert!(!ok && text.contains(expected), "{text}");
    };
    let cash = ["bob", "--received", "40", "--reference", "cash", "--id", "off"];
    // Without a store there are no books yet, and a mistyped path begins none.
    refused(&cash, "no answer");
    assert!(!store.exists());

    // It dies with a packet of 100 at bob.
    let node = TestNode::start(&config);
    assert!(settlement(&node, &["record", "bob", "--sent", "500", "--reference", "x"]).0);
    let (mut alice, bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    alice.send_prepare(1, &prepare_to("test.bob.x").amount(100));
    let mut reader = bob.reader;
    let received = reader.next_event(Instant::now() + TIMEOUT);
    assert!(matches!(received, Some(SocketEvent::Binary(_))));
    node.stop("KILL");

    let (ok, text) = record(&cash);
    assert!(ok && text.contains("n: bob has paid us 40 units of USD/9 (off)"), "{text}");
    assert!(text.contains("the node does not run: this is in its store"), "{text}");
    // As the next start would.
    assert!(text.contains("warning: bob (USD/9): 100 is uncertain now"), "{text}");
    let expected = Saved { balance: 460, uncertain: 100 };
    assert_eq!(saved(&store, "bob"), expected);
    let (ok, text) = record(&cash);
    assert!(ok && text.contains("already recorded, and not again: bob has paid us 40"), "{text}");
    refused(
        &["bob", "--sent", "40", "--reference", "cash", "--id", "off"],
        "the key off belongs to another settlement: received from bob, 40 at scale 9",
    );
    refused(&["zoe", "--sent", "1", "--reference", "x"], "the configuration has no peer zoe");
    refused(&["bob", "--sent", "1 EUR", "--reference", "x"], "the account pays in USD");
    assert_eq!(saved(&store, "bob"), expected);

    // The running node has the lock, and knows what was recorded.
    let node = TestNode::start(&config);
    let (ok, text) = settlement(&node, &[&["record"][..], &cash].concat());
    assert!(ok && text.contains("n: already recorded, and not again"), "{text}");
    let page = listed(&node);
    assert_eq!(
        (&page["settlements"][0]["key"], &page["settlements"][0]["by"]),
        (&"off".into(), &"ann".into())
    );
    assert_eq!(saved(&store, "bob"), expected);
}
