//! The guests' doors of a network whose nodes share a host.

use std::collections::HashMap;

use super::deployment::Deployment;
use super::network::{NetworkNodes, NetworkReport, Strictness};
use super::network_file::Topology;

const HELP: &str = "programs look for one door on a host: set guests on one node, or give each door a port of its own";

impl Topology {
    /// A door has the port that programs look for, so no other one is taken in its place: nodes on one host need two.
    pub(super) fn check_guest_ports(
        &self,
        nodes: &NetworkNodes,
        strictness: Strictness,
        found: &mut NetworkReport<'_>,
    ) {
        let mut known: HashMap<u16, Vec<(usize, &'static str)>> = HashMap::new();
        for number in 0..self.nodes.len() {
            for listener in self.listeners(number) {
                let port = self.port_of(number, listener, Deployment::Loopback);
                known.entry(port).or_default().push((number, listener.key));
            }
        }
        for (number, config) in nodes.configs.iter().enumerate() {
            let guests = config.as_ref().and_then(|config| config.settings.guests.as_ref());
            let Some(port) = guests.map(|guests| guests.port).filter(|port| *port != 0) else {
                continue;
            };
            let others = known.entry(port).or_default();
            let clash = others
                .iter()
                .find(|(other, _)| *other != number && !self.are_apart(*other, number, strictness));
            if let Some((other, key)) = clash {
                let what = format!("port {port} is {key} of the node {} as well", self.id(*other));
                found.add(self.place(number, "guests"), what, HELP);
            }
            others.push((number, "guests"));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::topology::tests::{messages_of_check, source_of_file};

    #[test]
    fn two_doors_of_one_host_have_two_ports() {
        let check = |nodes: &str, expected: &[&str]| {
            let text =
                format!("{nodes}\nlinks: [{{from: a, to: b, secret: long-enough-secret}}]\n");
            let folder = tempfile::tempdir().unwrap();
            let found = messages_of_check(&source_of_file(folder.path(), &text), folder.path());
            let found: Vec<_> = found.iter().filter(|line| line.contains("port ")).collect();
            assert_eq!(found.len(), expected.len(), "{nodes}: {found:#?}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.contains(expected), "{nodes}: {found}");
            }
        };
        let as_well =
            "port 7768 is guests of the node a as well; programs look for one door on a host";
        check("defaults: {guests: {}}\nnodes: [{id: a}, {id: b}]", &[as_well]);
        check("nodes: [{id: a, guests: {}}, {id: b, guests: {}}]", &[as_well]);
        check("nodes: [{id: a, guests: {}}, {id: b}]", &[]);
        check("nodes: [{id: a, guests: {}}, {id: b, guests: {port: 7769}}]", &[]);
        check("nodes: [{id: a, guests: {port: 0}}, {id: b, guests: {port: 0}}]", &[]);
        check("nodes: [{id: a, guests: {}, host: x}, {id: b, guests: {}, host: y}]", &[]);
        check(
            "nodes: [{id: a, guests: {port: 3001}}, {id: b}]",
            &["port 3001 is btpServerPort of the node b as well"],
        );
    }
}
