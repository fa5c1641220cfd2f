//! Which node of `up` has which ports, for as long as the process runs.
//!
//! A known node keeps its ports. If a node disappears from the file, no other node gets its ports; if a port changes in
//! the file, the node moves at its next start. A port that is in use when a node starts is replaced by the next free
//! one. No IO: the caller says whether a port is free.

use std::collections::{HashMap, HashSet};

use super::deployment::Deployment;
use super::listeners::ListenerKeys;
use super::network_file::Topology;
use crate::account::AccountId;

/// Ports that are tried behind one that is in use.
const TRIES_MAX: u16 = 1000;

/// The ports of every node that the process has seen. The node with the offset `i` has 3000 + i, 7770 + i, 8080 + i and
/// 7100 + i, unless the file sets other ports or these are in use.
#[derive(Clone, Debug, Default)]
pub struct PortAssignments {
    port_offsets: HashMap<AccountId, usize>,
    ports: HashMap<(AccountId, &'static str), AssignedPort>,
    /// The first port of BTP servers, if it is not that of the file; the others move with it.
    base_port: Option<u16>,
}

/// A port of a node that runs or is about to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AssignedPort {
    /// From the file, or by the offset; 0: any free port.
    wanted: u16,
    actual: u16,
}

/// A port that was in use, and its replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortReplacement {
    /// The node that has the port.
    pub node: AccountId,
    /// The key that sets it, such as `btpServerPort`.
    pub key: &'static str,
    /// The port that was in use.
    pub wanted: u16,
    /// The port that replaces it.
    pub instead: u16,
}

/// A port that a node of a running network has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunningPort {
    pub(super) key: &'static str,
    /// The port that it listens on and that other nodes dial.
    pub(super) port: u16,
    /// The port that it would listen on after a restart.
    pub(super) next: u16,
}

impl PortAssignments {
    /// No nodes yet; the first one gets `base_port`, or that of the file.
    pub fn from(base_port: Option<u16>) -> Self {
        Self { base_port, ..Self::default() }
    }

    /// Known nodes keep their ports; new ones get the first free offsets, in the order of the file. `probe` returns the
    /// port if it is free, any free one for 0, and otherwise `None`.
    pub fn assign(
        &mut self,
        topology: &mut Topology,
        probe: impl Fn(u16) -> Option<u16>,
    ) -> Vec<PortReplacement> {
        let taken: HashSet<usize> = self.port_offsets.values().copied().collect();
        let mut free = (0..).filter(|port_offset| !taken.contains(port_offset));
        topology.base_port = self.base_port.or(topology.base_port);
        for node in &mut topology.nodes {
            let port_offset = self.port_offsets.get(&node.id).copied().or_else(|| free.next());
            node.port_offset = port_offset.unwrap_or(usize::MAX);
            self.port_offsets.insert(node.id.clone(), node.port_offset);
            node.running_ports.clear();
        }
        let wanted =
            |number: usize| topology.listeners(number).map(move |listener| (number, listener));
        let wanted: Vec<(usize, &ListenerKeys, u16)> = (0..topology.nodes.len())
            .flat_map(wanted)
            .map(|(number, listener)| {
                (number, listener, topology.port_of(number, listener, Deployment::Loopback))
            })
            .collect();
        let mut reserved: HashSet<u16> = self.ports.values().map(|port| port.actual).collect();
        reserved.extend(wanted.iter().map(|(.., port)| *port));
        let mut replacements = Vec::new();
        for (number, listener, wanted) in wanted {
            let Some(node) = topology.nodes.get_mut(number) else { continue };
            let key = (node.id.clone(), listener.key);
            let known = self.ports.get(&key).copied();
            let port = known.unwrap_or_else(|| {
                let actual = choose(wanted, &reserved, &probe);
                AssignedPort { wanted, actual }
            });
            reserved.insert(port.actual);
            if known.is_none() && wanted != 0 && port.actual != wanted {
                let (node, key) = (node.id.clone(), listener.key);
                replacements.push(PortReplacement { node, key, wanted, instead: port.actual });
            }
            let next = if port.wanted == wanted { port.actual } else { wanted };
            node.running_ports.push(RunningPort { key: listener.key, port: port.actual, next });
            self.ports.insert(key, port);
        }
        replacements
    }
}

/// The wanted port, or the next free one that no node has. If there is none, the start fails and reports it.
fn choose(wanted: u16, reserved: &HashSet<u16>, probe: impl Fn(u16) -> Option<u16>) -> u16 {
    if wanted == 0 {
        let found = (0..TRIES_MAX).find_map(|_| probe(0).filter(|port| !reserved.contains(port)));
        return found.unwrap_or(0);
    }
    if probe(wanted).is_some() {
        return wanted;
    }
    let next = (1..=TRIES_MAX).filter_map(|step| wanted.checked_add(step));
    let mut free = next.filter(|port| !reserved.contains(port) && probe(*port).is_some());
    free.next().unwrap_or(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::tests::{on_loopback, topology};

    #[test]
    fn nodes_keep_their_ports() {
        let mut assignments = PortAssignments::default();
        let mut check = |ids: &str, expected: &[u16], dialled: u16| {
            let (first, last) = (ids.split(", ").next().unwrap(), ids.split(", ").last().unwrap());
            let nodes: String = ids.split(", ").map(|id| format!("{{id: {id}}}, ")).collect();
            let yaml =
                format!("nodes: [{nodes}]\nlinks: [{{from: {first}, to: {last}, secret: s}}]\n");
            let mut topology = topology(&yaml);
            assignments.assign(&mut topology, Some);
            let config = |id: &str| on_loopback(&topology, id);
            let ports: Vec<u16> =
                topology.node_ids().map(|id| config(id).settings.btp_server_port).collect();
            assert_eq!(ports, expected, "{ids}");
            let health: Vec<u16> = topology
                .node_ids()
                .map(|id| config(id).settings.health_check_port - 5080)
                .collect();
            assert_eq!(health, expected, "{ids}");
            let url = config(first).peer(last).unwrap().url.clone().unwrap();
            assert_eq!(url.port(), dialled, "{ids}");
        };
        check("a, b, c", &[3000, 3001, 3002], 3002);
        check("a, c", &[3000, 3002], 3002);
        check("d, a, c", &[3003, 3000, 3002], 3002);
        check("c, b", &[3002, 3001], 3001);
    }

    /// Every node with its ports: BTP, perhaps HTTP, health; and the port that `first` dials.
    fn ports(topology: &Topology, first: &str) -> (Vec<(String, Vec<u16>)>, u16) {
        let config = |id: &str| on_loopback(topology, id);
        let of = |id: &str| {
            let node = config(id);
            let ports = [
                Some(node.settings.btp_server_port),
                node.settings.http_server_port,
                Some(node.settings.health_check_port),
            ];
            (id.to_owned(), ports.into_iter().flatten().collect())
        };
        let url = config(first).peers[0].url.clone().unwrap();
        (topology.node_ids().map(of).collect(), url.port())
    }

    #[test]
    fn ports_in_use_are_replaced_and_reported() {
        let text = "nodes: [{id: a}, {id: b, btpServerPort: 0, httpServerPort: 9000}]\n\
            links: [{from: a, to: b, secret: s}]\n";
        let (mut topology, mut assignments) = (topology(text), PortAssignments::from(Some(4000)));
        let busy = [4000, 4001, 9080, 9000];
        let probe = |port: u16| match port {
            0 => Some(50_000),
            port => (!busy.contains(&port)).then_some(port),
        };
        let replacements = assignments.assign(&mut topology, probe);
        let expected = [("a", vec![4002, 9082]), ("b", vec![50_000, 9001, 9081])];
        let expected = expected.map(|(id, ports)| (id.to_owned(), ports)).to_vec();
        assert_eq!(ports(&topology, "a"), (expected, 50_000));
        let reported: Vec<_> =
            replacements.iter().map(|n| (n.node.as_str(), n.key, n.wanted, n.instead)).collect();
        assert_eq!(
            reported,
            [
                ("a", "btpServerPort", 4000, 4002),
                ("a", "healthCheckPort", 9080, 9082),
                ("b", "httpServerPort", 9000, 9001)
            ]
        );
        assert!(topology.is_startable());
    }

    #[test]
    fn each_node_has_a_port_of_its_own_for_settlement_engines() {
        let text = "defaults: {settlementPort: 6190, settlementHost: 172.17.0.1}\n\
            nodes: [{id: a}, {id: b, settlementPort: 6000}, {id: c}]\n\
            links: [{from: a, to: b, secret: s}, {from: b, to: c, secret: t}]\n";
        let mut topology = topology(text);
        let ports = |topology: &Topology| {
            ["a", "b", "c"].map(|id| on_loopback(topology, id).settings.settlement_port.unwrap())
        };
        assert_eq!(ports(&topology), [7100, 6000, 7102]);
        assert_eq!(on_loopback(&topology, "a").settings.settlement_host, "172.17.0.1");
        let probe = |port: u16| (port != 7102).then_some(port);
        let replaced = PortAssignments::default().assign(&mut topology, probe);
        let expected = PortReplacement {
            node: "c".parse().unwrap(),
            key: "settlementPort",
            wanted: 7102,
            instead: 7103,
        };
        assert_eq!((ports(&topology), replaced), ([7100, 6000, 7103], vec![expected]));
        let without = "nodes: [{id: a}, {id: b}]\nlinks: [{from: a, to: b, secret: s}]\n";
        let without = super::super::tests::topology(without);
        assert_eq!(on_loopback(&without, "a").settings.settlement_port, None);
    }

    #[test]
    fn others_dial_the_port_that_is_in_force_until_the_node_starts_again() {
        let text = |port: u16| {
            format!(
                "nodes: [{{id: a}}, {{id: b, btpServerPort: {port}}}]\nlinks: [{{from: a, to: b, secret: s}}]\n"
            )
        };
        let mut assignments = PortAssignments::default();
        assignments.assign(&mut topology(&text(5000)), Some);
        let mut changed = topology(&text(6000));
        assert_eq!(assignments.assign(&mut changed, Some), []);
        // The node itself sees the new port, so that it can report that it needs a restart.
        let expected = [("a", vec![3000, 8080]), ("b", vec![6000, 8081])];
        let expected = expected.map(|(id, ports)| (id.to_owned(), ports)).to_vec();
        assert_eq!(ports(&changed, "a"), (expected, 5000));
        // Once more the same file: the ports in use count, not those of the last file.
        assignments.assign(&mut changed, Some);
        assert_eq!(ports(&changed, "a").1, 5000);
    }
}
