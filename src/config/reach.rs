//! Whether everybody in a topology can reach everybody, and no packet runs in a circle.
//!
//! Where nodes tell each other their routes, it is worked out what they will know (`told.rs`).
//!
//! Computed routes are right by construction, so there only links can be missing. As soon as a node has routes of its
//! own, packets are walked from every node to every other, as the connector would send them with everything connected.

use std::collections::BTreeMap;

use crate::account::Relation;
use crate::wire::{Address, Prefix};

use super::network::{Findings, Nodes, is_parent};
use super::paths::Graph;
use super::settings::NodeConfig;
use super::show;
use super::told::Telling;
use super::topology::Topology;

/// Packets are walked in networks of at most this many nodes.
const WALKED_NODES_MAX: usize = 200;

/// Looks for nodes that cannot be reached, and for circles.
pub(super) fn check(topology: &Topology, nodes: &Nodes, found: &mut Findings<'_>) {
    let graph = topology.graph();
    let groups = groups(topology, &graph);
    apart(topology, &groups, found);
    let own_routes = topology.nodes.iter().any(|node| node.keys.names("routes"));
    let telling = Telling::new(topology, nodes);
    if (own_routes || telling.is_some()) && topology.nodes.len() <= WALKED_NODES_MAX {
        let walker = Walker::new(topology, nodes, &graph, telling.as_ref());
        walker.check(&groups, found);
    }
}

/// For every node the number of its group of linked nodes.
fn groups(topology: &Topology, graph: &Graph) -> Vec<usize> {
    let mut groups = vec![usize::MAX; topology.nodes.len()];
    for start in 0..topology.nodes.len() {
        if groups.get(start) == Some(&usize::MAX) {
            for (group, distance) in groups.iter_mut().zip(graph.distances(start, None)) {
                if distance.is_some() {
                    *group = start;
                }
            }
        }
    }
    groups
}

fn apart(topology: &Topology, groups: &[usize], found: &mut Findings<'_>) {
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (number, group) in groups.iter().enumerate() {
        members.entry(*group).or_default().push(number);
    }
    // The largest group is the network, the others are what is missing from it.
    let Some(main) = members.iter().max_by_key(|(first, list)| (list.len(), usize::MAX - **first))
    else {
        return;
    };
    let names = |list: &[usize]| show::list(list.iter().map(|number| topology.id(*number)));
    for (first, list) in members.iter().filter(|(first, _)| *first != main.0) {
        let what = match list.len() {
            1 => format!(
                "{} cannot be reached: no link leads to it from {}",
                names(list),
                names(main.1)
            ),
            _ => format!(
                "{} cannot be reached: no link leads to them from {}",
                names(list),
                names(main.1)
            ),
        };
        found.add(topology.node_place(*first), what, "add a link, or remove what is not connected");
    }
}

/// The routes of every node, as far as the walk needs them.
struct Walker<'t> {
    topology: &'t Topology,
    /// For every node: prefix, priority, next hop as number of a node.
    routes: Vec<Vec<(Prefix, i32, Option<usize>)>>,
    /// Nodes with mistakes of their own.
    unknown: Vec<usize>,
}

enum Outcome {
    Arrived,
    /// It leaves the network, or a node has mistakes of its own.
    Unknown,
    NoRoute(usize),
    Circle(Vec<usize>),
}

impl<'t> Walker<'t> {
    fn new(
        topology: &'t Topology,
        nodes: &Nodes,
        graph: &Graph,
        telling: Option<&Telling<'_>>,
    ) -> Self {
        let count = topology.nodes.len();
        let number = |id: &str| topology.node_ids().position(|known| known == id);
        let mut routes: Vec<Vec<(Prefix, i32, Option<usize>)>> = vec![Vec::new(); count];
        for (own, config) in routes.iter_mut().zip(&nodes.configs) {
            if let Some(config) = config {
                let configured = config.routes.iter();
                own.extend(configured.map(|route| {
                    (route.prefix.clone(), route.priority, number(route.next_hop.as_str()))
                }));
                own.extend(implied(config).map(|(prefix, id)| (prefix, 0, number(id))));
            }
        }
        for to in 0..count {
            let Some(prefix) = topology.address(to).map(|address| Prefix::from(&address)) else {
                continue;
            };
            for (from, choices) in graph.choices(to).into_iter().enumerate() {
                let own = topology.nodes.get(from).is_none_or(|node| node.keys.names("routes"));
                let computed = !own && !topology.is_dynamic(from);
                if let Some(own) = routes.get_mut(from).filter(|_| computed) {
                    own.extend(
                        choices
                            .iter()
                            .map(|choice| (prefix.clone(), choice.priority, Some(choice.next_hop))),
                    );
                }
            }
        }
        let learned = telling.map(Telling::learned).unwrap_or_default();
        for (own, learned) in routes.iter_mut().zip(learned) {
            // Behind all others.
            own.extend(learned.into_iter().map(|(prefix, next)| (prefix, i32::MIN, Some(next))));
        }
        let broken = nodes.configs.iter().enumerate().filter(|(_, config)| config.is_none());
        Walker { topology, routes, unknown: broken.map(|(number, _)| number).collect() }
    }

    fn check(&self, groups: &[usize], found: &mut Findings<'_>) {
        let count = self.topology.nodes.len();
        for to in 0..count {
            let Some(address) = self.topology.address(to) else { continue };
            let mut cut_off: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            let mut circles: Vec<Vec<usize>> = Vec::new();
            for from in (0..count).filter(|from| *from != to && groups.get(*from) == groups.get(to))
            {
                match self.walk(from, to, &address) {
                    Outcome::Arrived | Outcome::Unknown => {}
                    Outcome::NoRoute(at) => cut_off.entry(at).or_default().push(from),
                    Outcome::Circle(circle) => {
                        let mut key = circle.clone();
                        key.sort_unstable();
                        key.dedup();
                        let same = |other: &Vec<usize>| {
                            let mut other = other.clone();
                            other.sort_unstable();
                            other.dedup();
                            other == key
                        };
                        if !circles.iter().any(same) {
                            circles.push(circle);
                        }
                    }
                }
            }
            let name = |number: &usize| self.topology.id(*number);
            for (at, from) in cut_off {
                let what = format!(
                    "{} cannot be reached from {}: {} has no route to {address}",
                    name(&to),
                    show::list(from.iter().map(name)),
                    name(&at)
                );
                let help = match self.topology.is_dynamic(at) {
                    true => {
                        "nobody tells it one: a parent hears of children only, children hear and tell nothing; see sendRoutes and receiveRoutes"
                    }
                    false => "add a route there; a node with routes of its own gets none computed",
                };
                found.add(self.topology.place(at, "routes"), what, help);
            }
            for circle in circles {
                let names: Vec<&str> = circle.iter().map(name).collect();
                let what = format!("packets to {address} run in a circle: {}", names.join(" -> "));
                let first = circle.first().copied().unwrap_or_default();
                let help = "a routing loop; change the route of one of these nodes";
                found.add(self.topology.place(first, "routes"), what, help);
            }
        }
    }

    /// Follows a packet as the connector sends it: longest prefix, highest priority, never back.
    fn walk(&self, from: usize, to: usize, address: &Address) -> Outcome {
        let mut way = vec![from];
        let mut at = from;
        while at != to {
            if self.unknown.contains(&at) {
                return Outcome::Unknown;
            }
            let came = way.len().checked_sub(2).and_then(|index| way.get(index)).copied();
            let routes = self.routes.get(at).map(Vec::as_slice).unwrap_or_default();
            let matching = routes.iter().filter(|(prefix, ..)| prefix.matches(address.view()));
            let longest = matching.clone().map(|(prefix, ..)| prefix.as_str().len()).max();
            let best = matching
                .filter(|(prefix, _, next)| {
                    Some(prefix.as_str().len()) == longest && (next.is_none() || *next != came)
                })
                .max_by_key(|(_, priority, _)| *priority);
            let Some((_, _, next)) = best else { return Outcome::NoRoute(at) };
            let Some(next) = *next else { return Outcome::Unknown };
            // The same link in the same direction twice: it goes on like that for ever.
            let again = way.windows(2).position(|link| link == [at, next]);
            way.push(next);
            if let Some(start) = again {
                return Outcome::Circle(
                    way.split_off(start).into_iter().rev().skip(1).rev().collect(),
                );
            }
            at = next;
        }
        Outcome::Arrived
    }
}

/// Routes that follow from relations: a child's address, and everything else to the parent.
fn implied(config: &NodeConfig) -> impl Iterator<Item = (Prefix, &str)> {
    config.peers.iter().filter_map(|peer| {
        let id = peer.account.id.as_str();
        if is_parent(peer) {
            return Some((Prefix::default(), id));
        }
        let address =
            config.address.as_ref().filter(|_| peer.account.relation == Relation::Child)?;
        Some((Prefix::from(&address.child(peer.account.segment()).ok()?), id))
    })
}
