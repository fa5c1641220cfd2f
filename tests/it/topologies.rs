//! Whole networks: `up --ping` sends packets between all nodes, and networks with two paths survive the loss of a node.

use crate::network::TestNetwork;
use crate::process::Process;

#[test]
fn up_with_ping_counts_fulfilled_packets() {
    for name in ["linear-3", "star"] {
        let network = TestNetwork::from_example(&format!("examples/{name}.yaml"));
        let nodes = network.nodes();
        let up = ["up", network.file(), "--ping", "--for", "0.1"];
        let (status, lines) = Process::start(&up, []).wait_exit();
        let output = lines.join("\n");
        assert_eq!(status.code(), Some(0), "{name}: {output}");
        let total = nodes.len() * (nodes.len() - 1) * 5;
        let sum = format!("{total} packets sent, {total} fulfilled");
        assert!(output.contains(&sum), "{name}: {output}");
        for from in &nodes {
            let rows = lines.iter().filter(|line| line.split_whitespace().next() == Some(from));
            assert_eq!(rows.count(), nodes.len() - 1, "{name}: {output}");
        }
    }
}

#[test]
fn up_with_ping_fails_when_a_packet_is_rejected() {
    let network = TestNetwork::from_example("examples/two-nodes.yaml");
    network.edit(|text| format!("{text}  maxPacketAmount: 0\n"));
    let (status, lines) = Process::start(&["up", network.file(), "--ping"], []).wait_exit();
    let output = lines.join("\n");
    assert_eq!(status.code(), Some(1), "{output}");
    assert!(output.contains("F08") && output.contains("10 packets sent, 0 fulfilled"), "{output}");
}

#[test]
fn a_mesh_and_a_ring_route_around_a_dead_node() {
    for (name, lost) in [("mesh-4", "b"), ("ring", "c")] {
        let network = TestNetwork::from_example(&format!("examples/{name}.yaml"));
        let nodes = network.nodes();
        let mut running: Vec<(&str, Process)> =
            nodes.iter().map(|node| (node.as_str(), network.start_node(node))).collect();
        let all: Vec<&str> = nodes.iter().map(String::as_str).collect();
        network.wait_all_reachable(&all);

        // Killed, not stopped: no peer is notified.
        running.retain(|(node, _)| *node != lost);
        let left: Vec<&str> = all.iter().copied().filter(|node| *node != lost).collect();
        network.wait_all_reachable(&left);
        // Packets to the lost node are rejected, after every path was tried.
        let refused = network.ping("a", &format!("test.{lost}")).unwrap_err();
        assert!(refused.contains("T01"), "{name}: {refused}");

        running.push((lost, network.start_node(lost)));
        network.wait_all_reachable(&all);
    }
}
