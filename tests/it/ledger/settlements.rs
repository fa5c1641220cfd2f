//! `settlement`: what operators record, list and pause while the node runs.

use super::*;

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
    assert_eq!(settlement(&node, &sent), (ok, text), "the same settlement");
    let other = ["record", "bob", "--sent", "11", "--reference", "SEPA-77", "--id", "first"];
    let (ok, text) = settlement(&node, &other);
    let expected = "the key first belongs to another settlement: bob, 10000000000 at scale 9";
    assert!(!ok && text.contains(expected), "{text}");
    let received = ["record", "alice", "--received", "250", "--reference", "cash"];
    assert!(settlement(&node, &received).0);
    for (wrong, expected) in [
        (["record", "bob", "--sent", "10 EUR", "--reference", "x"], "the account pays in USD"),
        (["record", "zoe", "--sent", "10", "--reference", "x"], "has no peer zoe"),
    ] {
        let (ok, text) = settlement(&node, &wrong);
        assert!(!ok && text.contains(expected), "{text}");
    }

    node.stop("KILL");
    let balances = |account: &str| saved(&store, account).balance;
    assert_eq!((balances("bob"), balances("alice")), (10_000_000_000, -250));
    let node = start(&store);
    assert!(settlement(&node, &sent).0, "also after a restart");
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
    assert!(text.contains("settlements with bob are paused"), "{text}");
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
