//! Editing the file of a running network: the topology follows, and a mistake changes nothing.

use crate::network::TestNetwork;
use crate::process::{Process, TIMEOUT};
use crate::support::eventually;

/// How many sessions the two nodes have had.
fn session_count(network: &TestNetwork, node: &str, peer: &str) -> i64 {
    let (_, body) = network.get_json(node, "/peers").unwrap();
    let peers = body["peers"].as_array().unwrap();
    let peer = peers.iter().find(|one| one["id"] == peer).unwrap();
    peer["counters"]["sessions"].as_i64().unwrap()
}

fn wait_for_log(network: &Process, words: &str) {
    eventually(&format!("the log says {words:?}"), TIMEOUT, || {
        let lines = network.output_lines();
        lines.iter().any(|line| line.contains(words)).then_some(()).ok_or_else(|| lines.join("\n"))
    });
}

fn wait_for_next_hop(network: &TestNetwork, node: &str, address: &str, expected: &str) {
    eventually(&format!("{node} sends {address} to {expected}"), TIMEOUT, || {
        let (_, body) = network.get_json(node, &format!("/routes?destination={address}"))?;
        if body["nextHop"] == expected { Ok(()) } else { Err(body.to_string()) }
    });
}

/// Removes the node `b`, which waits to be named again.
fn remove_b(network: &TestNetwork) {
    network.edit(|text| {
        let kept = text.lines().filter(|line| {
            *line != "  - id: b" && !line.contains("from: b") && !line.contains("to: b")
        });
        kept.map(|line| format!("{line}\n")).collect()
    });
    // Before b reads the file itself, it may be unhealthy because a neighbour has removed it.
    eventually("b says that it is no longer named", TIMEOUT, || {
        let (status, body) = network.get_json("b", "/health")?;
        let says_so = body["reasons"].to_string().contains("no longer names this node");
        if status == 503 && says_so { Ok(()) } else { Err(format!("{status}: {body}")) }
    });
}

#[test]
fn the_network_follows_its_file() {
    let network = TestNetwork::from_example("examples/linear-3.yaml");
    let running = network.start_all();
    network.wait_all_reachable(&["a", "b", "c"]);
    let sessions = session_count(&network, "a", "b");
    wait_for_next_hop(&network, "a", "test.c", "b");

    // Another node and link.
    network.edit(|text| {
        text.replace("  - id: c\n", "  - id: c\n  - id: d\n")
            .replace("\n\n# For every", "\n  - { from: c, to: d, secret: cd }\n\n# For every")
    });
    network.wait_health("d", 200);
    network.wait_all_reachable(&["a", "b", "c", "d"]);

    // A shorter route.
    network.edit(|text| {
        text.replace("\n\n# For every", "\n  - { from: a, to: c, secret: ac }\n\n# For every")
    });
    wait_for_next_hop(&network, "a", "test.c", "c");
    network.wait_all_reachable(&["a", "b", "c", "d"]);

    // A mistake.
    network.edit(|text| text.replace("from: a, to: c", "from: a, to: missing"));
    wait_for_log(&running, "missing");
    wait_for_log(&running, "the configuration is not valid; nothing was changed");
    wait_for_next_hop(&network, "a", "test.c", "c");
    network.wait_all_reachable(&["a", "c", "d"]);
    network.edit(|text| text.replace("from: a, to: missing", "from: a, to: c"));

    assert_eq!(session_count(&network, "a", "b"), sessions, "no change concerned a and b");

    // One node less.
    remove_b(&network);
    network.wait_all_reachable(&["a", "c", "d"]);
    network.wait_health("a", 200);

    running.signal("TERM");
    let (status, lines) = running.wait_exit();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    assert!(!lines.concat().contains("demo-"), "a secret is in the log");
}

#[test]
fn each_process_follows_the_same_file() {
    let network = TestNetwork::from_example("examples/linear-3.yaml");
    let running = ["a", "b", "c"].map(|node| network.start_node(node));
    network.wait_all_reachable(&["a", "b", "c"]);
    network.edit(|text| {
        text.replace("\n\n# For every", "\n  - { from: a, to: c, secret: ac }\n\n# For every")
    });
    wait_for_next_hop(&network, "a", "test.c", "c");
    wait_for_next_hop(&network, "c", "test.a", "a");
    // SIGHUP makes a node read the file at once, although nothing changed.
    running[0].signal("HUP");
    wait_for_log(&running[0], "SIGHUP: reading the configuration again");
    network.wait_all_reachable(&["a", "b", "c"]);
    remove_b(&network);
    network.wait_all_reachable(&["a", "c"]);
    for node in running {
        node.signal("TERM");
        assert_eq!(node.wait_exit().0.code(), Some(0));
    }
}
