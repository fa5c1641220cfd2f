//! The exchange of routes (CCP) as a neighbour sees it: a scripted peer beside a running node. Checklist rows 36, 37,
//! 100 to 117 and 142; what the rules are for is in `src/routing/ccp`.

mod choice;
mod neighbour;
mod refusals;
mod told;

use serde_json::Value;

use crate::network::Topology;
use crate::peer::{Daemon, PATIENCE, json};
use crate::running::Running;
use crate::support::eventually;

/// A node at `test.n` whose peers exchange routes with it: `relation id`, such as `peer bob`. Times are short.
fn node(peers: &[&str], more: &str) -> Daemon {
    Daemon::start(&yaml(peers, more))
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

/// What the node would do with a packet to this address: the next hop, or the code of the Reject.
fn way(node: &Daemon, address: &str) -> Result<String, String> {
    let explained = json(node.health, &format!("/routes?destination={address}"));
    match explained["action"].as_str() {
        Some("forward") => Ok(explained["nextHop"].as_str().unwrap_or("?").to_owned()),
        _ => Err(explained["code"].as_str().unwrap_or("?").to_owned()),
    }
}

fn becomes(node: &Daemon, address: &str, expected: Result<&str, &str>) {
    let expected = expected.map(str::to_owned).map_err(str::to_owned);
    eventually(&format!("{address}: {expected:?}"), PATIENCE, || {
        let found = way(node, address);
        if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

/// Routes of this peer that were refused for this reason.
fn refused(node: &Daemon, peer: &str, reason: &str) -> u64 {
    let (_, metrics) = crate::peer::get(node.health, "/metrics");
    let start = format!("ilp_refused_routes_total{{peer=\"{peer}\",reason=\"{reason}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&start));
    line.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{start}: {metrics}"))
}

/// A network file in the form of the examples.
fn network(
    nodes: usize,
    links: impl IntoIterator<Item = (usize, usize, &'static str)>,
) -> Topology {
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
    Topology::of(&text)
}

/// Everybody pings everybody, once the routes are found.
#[test]
fn lines_rings_and_stars_find_their_routes_row_142() {
    let line = network(5, (1..5).map(|node| (node, node - 1, "peer")));
    let ring = network(5, (0..5).map(|node| (node, (node + 1) % 5, "peer")));
    let star = network(5, (1..5).map(|node| (node, 0, "peer")));
    let tree = network(5, [(1, 0, "parent"), (2, 0, "parent"), (3, 1, "parent"), (4, 0, "peer")]);
    for (name, network) in [("line", line), ("ring", ring), ("star", star), ("tree", tree)] {
        let up = ["up", network.file(), "--ping", "--for", "0.1"];
        let (status, lines) = Running::start(&up, []).ended();
        let said = lines.join("\n");
        assert_eq!(status.code(), Some(0), "{name}: {said}");
        assert!(said.contains("100 packets sent, 100 fulfilled"), "{name}: {said}");
    }
}

/// The hub of a star is killed: its neighbours are told so at once. It comes back, and all is as before.
#[test]
fn nobody_waits_for_a_dead_hub_row_142() {
    let star = network(4, (1..4).map(|node| (node, 0, "peer")));
    let ids = ["n0", "n1", "n2", "n3"];
    let mut running: Vec<Running> = ids.iter().map(|id| star.run(id)).collect();
    star.all_reach_all(&ids);
    drop(running.remove(0));
    let gone = || match star.get("n1", "/routes?destination=test.n2")?.1["code"].as_str() {
        Some("F02") => Ok(()),
        other => Err(format!("{other:?}")),
    };
    eventually("the route is gone", PATIENCE, gone);
    assert!(star.ping("n1", "test.n2").unwrap_err().contains("F02"));
    running.push(star.run("n0"));
    star.all_reach_all(&ids);
}

/// What `/routes` says of one prefix.
fn route(node: &Daemon, address: &str) -> Value {
    json(node.health, &format!("/routes?destination={address}"))["route"].clone()
}
