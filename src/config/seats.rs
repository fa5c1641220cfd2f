//! Which ports of `up` belong to whom, for as long as the process runs: a file without one of its nodes must not give
//! the ports of that node to its neighbours, who listen elsewhere already.

use std::collections::{HashMap, HashSet};

use super::topology::Topology;
use crate::account::AccountId;

/// The seat of every node that the process has seen: seat `i` has the ports 3000 + i and 8080 + i.
#[derive(Clone, Debug, Default)]
pub struct Seats(HashMap<AccountId, usize>);

impl Seats {
    /// Nodes that are known keep their seats, others take the first free ones, in the order of the file.
    pub fn assign(&mut self, topology: &mut Topology) {
        let taken: HashSet<usize> = self.0.values().copied().collect();
        let mut free = (0..).filter(|seat| !taken.contains(seat));
        for node in &mut topology.nodes {
            let seat = self.0.get(&node.id).copied().or_else(|| free.next());
            node.seat = seat.unwrap_or(usize::MAX);
            self.0.insert(node.id.clone(), node.seat);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Content, Mode, Source};

    #[test]
    fn nodes_keep_their_ports() {
        let mut seats = Seats::default();
        let mut check = |ids: &str, expected: &[u16], dialled: u16| {
            let (first, last) = (ids.split(", ").next().unwrap(), ids.split(", ").last().unwrap());
            let nodes: String = ids.split(", ").map(|id| format!("{{id: {id}}}, ")).collect();
            let yaml =
                format!("nodes: [{nodes}]\nlinks: [{{from: {first}, to: {last}, secret: s}}]\n");
            let content = Content { path: "n.yaml".into(), bytes: yaml.into_bytes() };
            let mut topology = Topology::of_content(&Source::default(), &content).unwrap();
            seats.assign(&mut topology);
            let config = |id: &str| topology.node(id, Mode::Loopback).unwrap().config;
            let ports: Vec<u16> = topology.node_ids().map(|id| config(id).server.port).collect();
            assert_eq!(ports, expected, "{ids}");
            let health: Vec<u16> =
                topology.node_ids().map(|id| config(id).health.port - 5080).collect();
            assert_eq!(health, expected, "{ids}");
            let url = config(first).peer(last).unwrap().url.clone().unwrap();
            assert_eq!(url.port(), dialled, "{ids}");
        };
        check("a, b, c", &[3000, 3001, 3002], 3002);
        check("a, c", &[3000, 3002], 3002);
        check("d, a, c", &[3003, 3000, 3002], 3002);
        check("c, b", &[3002, 3001], 3001);
    }
}
