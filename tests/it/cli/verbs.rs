//! `suspend`, `resume`, `reconnect`, `reconcile` and `log-level` on running nodes.

use serde_json::Value;

use super::{check_ended, command, ended};
use crate::network::TestNetwork;
use crate::peer::{TestNode, ask};
use crate::process::{Process, path_text, temp_folder, write_file};

const FILE: &str = "nodeId: n\nilpAddress: test.n\napiToken: an-operators-token\npeers:\n  \
                    - { id: alice, relation: child, authToken: t }\n  \
                    - { id: off, relation: child, authToken: u, enabled: false }\n";

fn url(node: &TestNode) -> String {
    format!("http://127.0.0.1:{}", node.health_port)
}

#[test]
fn an_operator_needs_no_curl() {
    let node = TestNode::start(FILE);
    let (url, folder) = (url(&node), temp_folder());
    let token = write_file(&folder, "token", "an-operators-token\n");
    let at = ["--via", &url, "--token-file", path_text(&token)];
    let run = |arguments: &[&str], code: i32, expected: &[&str]| {
        check_ended(ended(&command(&[arguments, &at].concat())), code, expected)
    };
    run(
        &["suspend", "alice", "--for", "30m"],
        0,
        &["n: alice is suspended until ", "(override n~1)"],
    );
    let text = run(&["resume", "alice"], 0, &["n: alice is no longer suspended (override n~1)"]);
    assert_eq!(text.lines().count(), 1);
    run(&["resume", "alice"], 1, &["error: n: peer alice is not suspended (HTTP 409)"]);
    run(&["resume", "off", "--reason", "a test"], 0, &["n: off is enabled until "]);
    let alice = crate::peer::Peer::log_in(node.port, "alice", "t");
    run(
        &["reconnect", "alice"],
        0,
        &["n: 1 session of alice closed; alice connects to this node by itself"],
    );
    drop(alice);
    run(
        &["reconnect", "nobody"],
        1,
        &["node n has no peer", "show those that it has", "(HTTP 404)"],
    );
    run(&["log-level", "lots"], 1, &["is no level; it is off, error, warn"]);
    run(
        &["log-level", "debug,h2=debug", "--for", "90"],
        0,
        &["n: the log level is debug,h2=debug until ", "note: h2 log less than this"],
    );
    run(&["log-level", "loud"], 1, &["level", "(HTTP 400)"]);
    let json = run(&["suspend", "alice", "--json", "--reason", "x y"], 0, &[]);
    let made: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&made["reason"], &made["by"]), (&"x y".into(), &"apiToken".into()));
}

#[test]
fn the_books_of_two_nodes_are_compared() {
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let node = TestNode::start(&format!(
        "nodeId: n\nilpAddress: test.n\napiToken: an-operators-token\nstore: {}\npeers:\n  \
         - {{ id: m, authToken: t }}\n  - {{ id: off, authToken: u, required: false }}\n",
        path_text(&store)
    ));
    let other = TestNode::start(&format!(
        "nodeId: m\nilpAddress: test.m\npeers:\n  \
         - {{ id: n, authToken: t, url: 'ws://127.0.0.1:{}' }}\n",
        node.port
    ));
    other.wait_connected("n");
    let (url, token) = (url(&node), write_file(&folder, "token", "an-operators-token\n"));
    let at = ["--via", &url, "--token-file", path_text(&token)];
    let compare = |peer: &str, code: i32, expected: &[&str]| {
        check_ended(ended(&command(&[&["reconcile", peer][..], &at].concat())), code, expected)
    };
    assert_eq!(compare("m", 0, &[]), "m: the books agree\n");
    let change = r#"{"account": "m", "writeOff": "-5", "reason": "a test"}"#;
    let (code, made) =
        ask(node.health_port, "POST /ledger/changes", Some("an-operators-token"), change);
    assert_eq!((code, made["balance"].as_str()), (200, Some("5")), "{made}");
    compare(
        "m",
        0,
        &[
            "m: this node claims 0.000000005 USD (5 units) more than the peer accepts for its packets (answers",
        ],
    );
    compare("off", 1, &["error: n: the peer has not answered: ", "(HTTP 502)"]);
    compare("nobody", 1, &["node n has no peer", "(HTTP 404)"]);
    drop(other);
}

#[test]
fn mistakes_and_missing_rights_are_explained() {
    let node = TestNode::start(&FILE.replace("apiToken: an-operators-token\n", ""));
    let url = url(&node);
    let run = |arguments: &[&str], code: i32, expected: &[&str]| {
        check_ended(ended(&command(arguments)), code, expected);
    };
    run(
        &["suspend", "alice", "--via", &url],
        1,
        &["n takes no changes, because it has no token", "--via"],
    );
    run(
        &["suspend", "alice", "--via", &url, "--node", "x"],
        64,
        &["--node: no node x answers at http://127.0.0.1:", "; there is n"],
    );
    run(&["suspend", "alice", "--via", &url, "--for", "2d"], 64, &["--for"]);
    run(&["suspend", "alice", "--via", &url, "--for", "0.5"], 64, &["whole seconds"]);
    run(&["suspend", "alice", "--via", &url, "--reason", " "], 64, &["--reason is empty"]);
    run(&["suspend", "alice", "--via", "x.yaml"], 64, &["write --config x.yaml"]);
    run(
        &["suspend", "b", "--config", "examples/linear-3.yaml"],
        64,
        &["--node is needed: one of a, b, c"],
    );
    run(
        &["suspend", "b", "--via", "http://127.0.0.1:1"],
        1,
        &["no answer", "is the node running?"],
    );
    run(&["suspend"], 64, &["<PEER>"]);
}

/// The nodes of `up` have no tokens, so the command finds the page of `up`, which takes changes.
#[test]
fn a_node_of_up_is_found_by_its_file() {
    let network = TestNetwork::from_example("examples/linear-3.yaml");
    let process = Process::start(&["up", network.file(), "--plain"], []);
    let url = process.wait_for_log("the page of the network is served", "url");
    let url = url.as_str().unwrap().trim_end_matches('/').to_owned();
    for node in network.nodes() {
        network.wait_health(&node, 200);
    }
    let port: u16 = url.rsplit_once(':').unwrap().1.parse().unwrap();
    let at = ["--node", "b", "--config", network.file()];
    let said = ended(&command(&[&["suspend", "c"][..], &at].concat()));
    if (8000..=8009).contains(&port) {
        check_ended(said, 0, &["b: c is suspended until ", "(override b~1)"]);
    } else {
        // Other programs have the ports that are tried.
        check_ended(said, 1, &["with `up`, give the URL of the page"]);
        let at = ["suspend", "c", "--node", "b", "--via", &url];
        check_ended(ended(&command(&at)), 0, &["b: c is suspended until "]);
    }
    let status = ended(&command(&["status", network.file()]));
    check_ended(status, 0, &["suspended by an operator until "]);
    check_ended(
        ended(&command(&["resume", "c", "--via", &url])),
        64,
        &["--node is needed: one of a, b, c"],
    );
    let resume = ["resume", "c", "--node", "b", "--via", &url];
    check_ended(ended(&command(&resume)), 0, &["b: c is no longer suspended (override b~1)"]);
    let level = ["log-level", "debug", "--node", "a", "--via", &url];
    check_ended(ended(&command(&level)), 0, &["note: the level is that of the process"]);
}

/// `settlement record` and `ledger adjust` need no token there either, by the same rule.
#[test]
fn books_of_a_node_of_up_are_changed_without_a_token() {
    let network = TestNetwork::from_example("examples/with-store.yaml");
    let process = Process::start(&["up", network.file(), "--plain"], []);
    let url = process.wait_for_log("the page of the network is served", "url");
    let port: u16 =
        url.as_str().unwrap().trim_end_matches('/').rsplit_once(':').unwrap().1.parse().unwrap();
    for node in network.nodes() {
        network.wait_health(&node, 200);
    }
    let at = ["--node", "b", "--config", network.file()];
    let adjust = ["ledger", "adjust", "c", "5", "--reason", "a fee", "--id", "fee-1"];
    let record = ["settlement", "record", "c", "--sent", "7", "--reference", "x"];
    let said = [&adjust[..], &record].map(|verb| ended(&command(&[verb, &at].concat())));
    let [adjusted, recorded] = said;
    if (8000..=8009).contains(&port) {
        check_ended(adjusted, 0, &["c (USD/9): ", "the balance was 0 and is 5"]);
        check_ended(recorded, 0, &["b: c was paid by us 7 units of USD/9"]);
    } else {
        // Other programs have the ports that are tried.
        check_ended(adjusted, 1, &["set an apiToken in its configuration"]);
        check_ended(recorded, 1, &["with `up`, give the URL of the page"]);
    }
}
