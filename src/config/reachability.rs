//! Whether everybody in a topology can reach everybody, and no packet runs in a circle.
//!
//! Where nodes tell each other their routes, it is worked out what they will know (`route_forecast.rs`).
//!
//! Computed routes are right by construction, so there only links can be missing. As soon as a node has routes of its
//! own, packets are walked, as the connector would send them with everything connected: from every node to every other, and
//! to an unknown address below every prefix of a route, the default route included.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::account::Relation;
use crate::wire::Prefix;

use super::network::{NetworkReport, Nodes, is_parent};
use super::paths::Graph;
use super::redact;
use super::route_forecast::RouteForecast;
use super::settings::NodeConfig;
use super::topology::Topology;

/// Packets are walked in networks of at most this many nodes.
const WALKED_NODES_MAX: usize = 200;

/// Prefixes that are walked besides the addresses of nodes.
const WALKED_PREFIXES_MAX: usize = 20_000;

/// Looks for nodes that cannot be reached, and for circles.
pub(super) fn check(topology: &Topology, nodes: &Nodes, found: &mut NetworkReport<'_>) {
    let graph = topology.graph();
    let groups = groups(topology, &graph);
    apart(topology, &groups, found);
    let own_routes = topology.nodes.iter().any(|node| node.keys.names("routes"));
    let telling = RouteForecast::new(topology, nodes);
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

fn apart(topology: &Topology, groups: &[usize], found: &mut NetworkReport<'_>) {
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (number, group) in groups.iter().enumerate() {
        members.entry(*group).or_default().push(number);
    }
    // The largest group is the network, the others are what is missing from it.
    let Some(main) = members.iter().max_by_key(|(first, list)| (list.len(), usize::MAX - **first))
    else {
        return;
    };
    let names = |list: &[usize]| redact::list(list.iter().map(|number| topology.id(*number)));
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
    nodes: Vec<Routes>,
    /// Nodes with mistakes of their own.
    unknown: Vec<usize>,
}

/// One node's next hops by prefix, best first. `None`: a peer that is no node of the topology.
#[derive(Default)]
struct Routes(HashMap<String, Vec<(i32, Option<usize>)>>);

impl Routes {
    fn add(&mut self, prefix: &Prefix, priority: i32, next: Option<usize>) {
        self.0.entry(prefix.as_str().to_owned()).or_default().push((priority, next));
    }

    /// Highest priority first; of equal ones the order in which they were added.
    fn sort(&mut self) {
        for choices in self.0.values_mut() {
            choices.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
        }
    }

    /// The next hops of the longest prefix that covers the address.
    fn lookup(&self, address: &str) -> &[(i32, Option<usize>)] {
        let mut prefix = address;
        loop {
            if let Some(choices) = self.0.get(prefix) {
                return choices;
            }
            if prefix.is_empty() {
                return &[];
            }
            prefix = prefix.rsplit_once('.').map_or("", |(shorter, _)| shorter);
        }
    }
}

enum Outcome {
    Arrived,
    /// It leaves the network, or a node has mistakes of its own.
    Unknown,
    NoRoute(usize),
    /// The nodes of the circle; the first is the last again.
    Circle(Vec<usize>),
}

/// Where one packet goes next.
enum Step {
    To(usize),
    Outside,
    NoRoute,
}

impl<'t> Walker<'t> {
    fn new(
        topology: &'t Topology,
        nodes: &Nodes,
        graph: &Graph,
        telling: Option<&RouteForecast<'_>>,
    ) -> Self {
        let count = topology.nodes.len();
        let numbers: HashMap<&str, usize> =
            topology.node_ids().enumerate().map(|(number, id)| (id, number)).collect();
        let number = |id: &str| numbers.get(id).copied();
        let mut routes: Vec<Routes> = Vec::new();
        routes.resize_with(count, Routes::default);
        for (own, config) in routes.iter_mut().zip(&nodes.configs) {
            if let Some(config) = config {
                for route in &config.routes {
                    own.add(&route.prefix, route.priority, number(route.next_hop.as_str()));
                }
                implied(config).for_each(|(prefix, id)| own.add(&prefix, 0, number(id)));
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
                    for choice in choices {
                        own.add(&prefix, choice.priority, Some(choice.next_hop));
                    }
                }
            }
        }
        let learned = telling.map(RouteForecast::learned).unwrap_or_default();
        for (own, learned) in routes.iter_mut().zip(learned) {
            // Behind all others.
            learned.iter().for_each(|(prefix, next)| own.add(prefix, i32::MIN, Some(*next)));
        }
        routes.iter_mut().for_each(Routes::sort);
        let broken = nodes.configs.iter().enumerate().filter(|(_, config)| config.is_none());
        Walker { topology, nodes: routes, unknown: broken.map(|(number, _)| number).collect() }
    }

    fn check(&self, groups: &[usize], found: &mut NetworkReport<'_>) {
        let mut circles = Circles::default();
        for to in 0..self.topology.nodes.len() {
            self.check_node(to, groups, &mut circles, found);
        }
        self.check_prefixes(&mut circles, found);
    }

    /// Packets from everybody to one node.
    fn check_node(
        &self,
        to: usize,
        groups: &[usize],
        circles: &mut Circles,
        found: &mut NetworkReport<'_>,
    ) {
        let Some(address) = self.topology.address(to) else { return };
        let mut cut_off: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let linked = |from: &usize| *from != to && groups.get(*from) == groups.get(to);
        for from in (0..self.topology.nodes.len()).filter(linked) {
            match self.walk(from, Some(to), address.as_str()) {
                Outcome::Arrived | Outcome::Unknown => {}
                Outcome::NoRoute(at) => cut_off.entry(at).or_default().push(from),
                Outcome::Circle(circle) => {
                    self.report(&circle, &format!("packets to {address}"), circles, found);
                }
            }
        }
        for (at, from) in cut_off {
            let what = format!(
                "{} cannot be reached from {}: {} has no route to {address}",
                self.topology.id(to),
                redact::list(from.iter().map(|number| self.topology.id(*number))),
                self.topology.id(at)
            );
            let help = match self.topology.is_dynamic(at) {
                true => {
                    "nobody tells it one: a parent hears of children only, children hear and tell nothing; see sendRoutes and receiveRoutes"
                }
                false => "add a route there; a node with routes of its own gets none computed",
            };
            found.add(self.topology.place(at, "routes"), what, help);
        }
    }

    /// Packets to addresses that are no node's. All addresses of which a prefix is the longest of all routes go the same way,
    /// so one of them is walked for each prefix: one that nothing else covers.
    fn check_prefixes(&self, circles: &mut Circles, found: &mut NetworkReport<'_>) {
        let prefixes: BTreeSet<&str> =
            self.nodes.iter().flat_map(|routes| routes.0.keys().map(String::as_str)).collect();
        let own: HashMap<String, usize> = (0..self.topology.nodes.len())
            .filter_map(|number| Some((self.topology.address(number)?.as_str().to_owned(), number)))
            .collect();
        // Longest first would name the most special prefix of a circle; the shortest says more.
        for prefix in prefixes.iter().copied().take(WALKED_PREFIXES_MAX) {
            let Some(address) = below(prefix, &prefixes) else { continue };
            // What a node does with unknown addresses below its own is its own matter.
            let to = own.get(prefix).copied();
            let of = match prefix {
                "" => format!("packets to addresses without a route, such as {address},"),
                _ => format!("packets to addresses below {prefix}, such as {address},"),
            };
            for circle in self.circles(to, &address) {
                self.report(&circle, &of, circles, found);
            }
        }
    }

    /// One circle is one mistake, whatever runs in it.
    fn report(
        &self,
        circle: &[usize],
        packets: &str,
        circles: &mut Circles,
        found: &mut NetworkReport<'_>,
    ) {
        if !circles.0.insert(circle.iter().copied().collect()) {
            return;
        }
        let names: Vec<&str> = circle.iter().map(|number| self.topology.id(*number)).collect();
        let what = format!("{packets} run in a circle: {}", names.join(" -> "));
        let first = circle.first().copied().unwrap_or_default();
        let help = "a routing loop; change the route of one of these nodes";
        found.add(self.topology.place(first, "routes"), what, help);
    }

    /// As the connector sends a packet: longest prefix, highest priority, never back.
    fn step(&self, came: Option<usize>, at: usize, address: &str) -> Step {
        let choices = self.nodes.get(at).map(|routes| routes.lookup(address)).unwrap_or_default();
        match choices.iter().find(|(_, next)| next.is_none() || *next != came) {
            None => Step::NoRoute,
            Some((_, None)) => Step::Outside,
            Some((_, Some(next))) => Step::To(*next),
        }
    }

    /// Follows one packet.
    fn walk(&self, from: usize, to: Option<usize>, address: &str) -> Outcome {
        let mut way = vec![from];
        let mut links: HashMap<(usize, usize), usize> = HashMap::new();
        let (mut came, mut at) = (None, from);
        while Some(at) != to {
            if self.unknown.contains(&at) {
                return Outcome::Unknown;
            }
            let next = match self.step(came, at, address) {
                Step::NoRoute => return Outcome::NoRoute(at),
                Step::Outside => return Outcome::Unknown,
                Step::To(next) => next,
            };
            // The same link in the same direction twice: it goes on like that for ever.
            if let Some(start) = links.insert((at, next), way.len() - 1) {
                return Outcome::Circle(way.split_off(start));
            }
            way.push(next);
            (came, at) = (Some(at), next);
        }
        Outcome::Arrived
    }

    /// All circles that packets to an address can run in, from whatever node they start.
    fn circles(&self, to: Option<usize>, address: &str) -> Vec<Vec<usize>> {
        let mut circles = Vec::new();
        // A packet's fate depends on the link that it came over, so each link is followed once.
        let mut seen: HashMap<(Option<usize>, usize), usize> = HashMap::new();
        for from in 0..self.nodes.len() {
            let mut way = Vec::new();
            let (mut came, mut at) = (None, from);
            while Some(at) != to && !self.unknown.contains(&at) {
                if let Some(walker) = seen.insert((came, at), from) {
                    let start = way.iter().position(|link| *link == (came, at));
                    if let Some(start) = start.filter(|_| walker == from) {
                        let mut circle: Vec<usize> =
                            way.iter().skip(start).map(|(_, at)| *at).collect();
                        // From its first node in the file, as it reads best.
                        let first = circle.iter().enumerate().min_by_key(|(_, node)| **node);
                        let first = first.map_or(0, |(place, _)| place);
                        circle.rotate_left(first);
                        circle.extend(circle.first().copied());
                        circles.push(circle);
                    }
                    break;
                }
                way.push((came, at));
                let Step::To(next) = self.step(came, at, address) else { break };
                (came, at) = (Some(at), next);
            }
        }
        circles
    }
}

/// The circles that were reported, each by its nodes.
#[derive(Default)]
struct Circles(HashSet<BTreeSet<usize>>);

/// An address that a prefix covers, and no longer one.
fn below(prefix: &str, prefixes: &BTreeSet<&str>) -> Option<String> {
    let covered = |address: &str| {
        let mut longer = address;
        while longer.len() > prefix.len() {
            if prefixes.contains(longer) {
                return true;
            }
            longer = longer.rsplit_once('.').map_or("", |(shorter, _)| shorter);
        }
        false
    };
    let bases: Vec<&str> = match prefix {
        // Packets of other networks are routed like all others.
        "" => vec!["test", "g", "private", "example", "local", "test1", "test2", "test3", "self"],
        _ => vec![prefix],
    };
    let names = std::iter::once("unknown".to_owned()).chain((0..64).map(|n| format!("unknown{n}")));
    let mut addresses = names.flat_map(|name| {
        bases.iter().map(move |base| format!("{base}.{name}")).collect::<Vec<_>>()
    });
    addresses.find(|address| !covered(address))
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
        Some((Prefix::from(&address.child(peer.account.address_segment()).ok()?), id))
    })
}
