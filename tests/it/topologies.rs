//! Networks as wholes: `up --ping` shows that packets go every way, and those with two ways go on without a node.

use crate::network::Topology;
use crate::running::Running;

#[test]
fn up_with_ping_shows_what_arrives() {
    for name in ["linear-3", "star"] {
        let network = Topology::copy(&format!("examples/{name}.yaml"));
        let nodes = network.nodes();
        let up = ["up", network.file(), "--ping", "--for", "0.1"];
        let (status, lines) = Running::start(&up, []).ended();
        let said = lines.join("\n");
        assert_eq!(status.code(), Some(0), "{name}: {said}");
        let total = nodes.len() * (nodes.len() - 1) * 5;
        let sum = format!("{total} packets sent, {total} fulfilled");
        assert!(said.contains(&sum), "{name}: {said}");
        for from in &nodes {
            let rows = lines.iter().filter(|line| line.split_whitespace().next() == Some(from));
            assert_eq!(rows.count(), nodes.len() - 1, "{name}: {said}");
        }
    }
}

/// What does not arrive is shown, and the exit code says so.
#[test]
fn up_with_ping_shows_what_does_not_arrive() {
    let network = Topology::copy("examples/two-nodes.yaml");
    network.edit(|text| format!("{text}  maxPacketAmount: 0\n"));
    let (status, lines) = Running::start(&["up", network.file(), "--ping"], []).ended();
    let said = lines.join("\n");
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("F08") && said.contains("10 packets sent, 0 fulfilled"), "{said}");
}

#[test]
fn a_mesh_and_a_ring_go_on_without_a_node() {
    for (name, lost) in [("mesh-4", "b"), ("ring", "c")] {
        let network = Topology::copy(&format!("examples/{name}.yaml"));
        let nodes = network.nodes();
        let mut running: Vec<(&str, Running)> =
            nodes.iter().map(|node| (node.as_str(), network.run(node))).collect();
        let all: Vec<&str> = nodes.iter().map(String::as_str).collect();
        network.all_reach_all(&all);

        // Killed, not stopped: nobody is told.
        running.retain(|(node, _)| *node != lost);
        let left: Vec<&str> = all.iter().copied().filter(|node| *node != lost).collect();
        network.all_reach_all(&left);
        // Whoever asks for the lost one is told so, after every way was tried.
        let refused = network.ping("a", &format!("test.{lost}")).unwrap_err();
        assert!(refused.contains("T01"), "{name}: {refused}");

        running.push((lost, network.run(lost)));
        network.all_reach_all(&all);
    }
}
