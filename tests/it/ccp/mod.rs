//! The exchange of routes (CCP) between a running node and scripted peers, and in whole networks. Checklist rows 36,
//! 37, 100 to 117 and 142.

mod advertising;
mod neighbour;
mod refusals;
mod selection;

use serde_json::Value;

use crate::network::TestNetwork;
use crate::peer::{TIMEOUT, TestNode, get_json};
use crate::process::Process;
use crate::support::eventually;

/// Starts a node at `test.n` with short times, whose peers exchange routes with it: `relation id`, such as `peer bob`.
fn node(peers: &[&str], more: &str) -> TestNode {
    TestNode::start(&yaml(peers, more))
}

/// Its file.
fn yaml(peers: &[&str], more: &str) -> String {
    let mut yaml =
        "nodeId: n\nilpAddress: test.n\nrouting: dynamic\nrouteBroadcastIntervalMs: 400\n\
                    routeHoldDownMs: 800\npeers:\n"
            .to_owned();
    for peer in peers {
        let (relation, rest) = peer.split_once(' ').unwrap();
        let (id, policy) = rest.split_once(' ').unwrap_or((rest, ""));
        yaml +=
            &format!("  - {{ id: {id}, relation: {relation}, authToken: {id}-token{policy} }}\n");
    }
    yaml + more
}

/// The next hop of a packet to this address, or the code of the Reject.
fn next_hop(node: &TestNode, address: &str) -> Result<String, String> {
    let explained = get_json(node.health_port, &format!("/routes?destination={address}"));
    match explained["action"].as_str() {
        Some("forward") => Ok(explained["nextHop"].as_str().unwrap_or("?").to_owned()),
        _ => Err(explained["code"].as_str().unwrap_or("?").to_owned()),
    }
}

fn wait_for_next_hop(node: &TestNode, address: &str, expected: Result<&str, &str>) {
    let expected = expected.map(str::to_owned).map_err(str::to_owned);
    eventually(&format!("{address}: {expected:?}"), TIMEOUT, || {
        let found = next_hop(node, address);
        if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

/// The number of this peer's routes that were refused for this reason.
fn refused_routes(node: &TestNode, peer: &str, reason: &str) -> u64 {
    let (_, metrics) = crate::peer::http_get(node.health_port, "/metrics");
    let start = format!("ilp_refused_routes_total{{peer=\"{peer}\",reason=\"{reason}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&start));
    line.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{start}: {metrics}"))
}

/// A network file in the form of the examples.
fn network(
    nodes: usize,
    links: impl IntoIterator<Item = (usize, usize, &'static str)>,
) -> TestNetwork {
    let mut text = "routing: dynamic\nnodes:\n".to_owned();
    for node in 0..nodes {
        text += &format!("  - id: n{node}\n");
    }
    text += "links:\n";
    for (from, to, relation) in links {
        text += &format!(
            "  - {{ from: n{from}, to: n{to}, secret: s{from}-{to}, relation: {relation} }}\n"
        );
    }
    text += "defaults:\n  peers:\n    - { id: cli, relation: child, authToken: demo-cli-token }\n";
    TestNetwork::from_text(&text)
}

/// Each node pings each other one after the routes are found.
#[test]
fn lines_rings_and_stars_find_their_routes_row_142() {
    let line = network(5, (1..5).map(|node| (node, node - 1, "peer")));
    let ring = network(5, (0..5).map(|node| (node, (node + 1) % 5, "peer")));
    let star = network(5, (1..5).map(|node| (node, 0, "peer")));
    let tree = network(5, [(1, 0, "parent"), (2, 0, "parent"), (3, 1, "parent"), (4, 0, "peer")]);
    for (name, network) in [("line", line), ("ring", ring), ("star", star), ("tree", tree)] {
        let up = ["up", network.file(), "--ping", "--for", "0.1"];
        let (status, lines) = Process::start(&up, []).wait_exit();
        let output = lines.join("\n");
        assert_eq!(status.code(), Some(0), "{name}: {output}");
        assert!(output.contains("100 packets sent, 100 fulfilled"), "{name}: {output}");
    }
}

/// The hub of a star is killed, and its neighbours withdraw routes at once. It returns, and all nodes are reachable
/// again.
#[test]
fn routes_through_a_dead_hub_are_withdrawn_at_once_row_142() {
    let star = network(4, (1..4).map(|node| (node, 0, "peer")));
    let ids = ["n0", "n1", "n2", "n3"];
    let mut running: Vec<Process> = ids.iter().map(|id| star.start_node(id)).collect();
    star.wait_all_reachable(&ids);
    drop(running.remove(0));
    let is_withdrawn =
        || match star.get_json("n1", "/routes?destination=test.n2")?.1["code"].as_str() {
            Some("F02") => Ok(()),
            other => Err(format!("{other:?}")),
        };
    eventually("the route is gone", TIMEOUT, is_withdrawn);
    assert!(star.ping("n1", "test.n2").unwrap_err().contains("F02"));
    running.push(star.start_node("n0"));
    star.wait_all_reachable(&ids);
}

/// The route in `/routes` for an address.
fn route(node: &TestNode, address: &str) -> Value {
    get_json(node.health_port, &format!("/routes?destination={address}"))["route"].clone()
}
