//! Whether packets arrive: each node of a network reaches every other one, and no packet loops.
//!
//! Computed routes are right by construction; where there are no others, only links can be missing. As soon as a node
//! has routes of its own, or learns some, packets are followed through a [`Simulation`]: from each node to every other
//! one, and to an unknown address below each prefix of a route, the default route included.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::network::{NetworkNodes, NetworkReport};
use super::network_file::Topology;
use super::paths::Graph;
use super::simulation::{DialledLink, Hop, Position, Simulation};
use crate::account::AccountId;
use crate::config::{Location, NodeConfig, redact};
use crate::connector::{ConnectorSettings, NextHopFailure, Refusal};
use crate::routing::ccp::PATH_HOPS_MAX;
use crate::routing::{Route, RouteOrigin};
use crate::stream::SECRET_LEN;
use crate::wire::{Address, AddressRef, Prefix};

/// Networks of more nodes are not simulated.
const SIMULATED_NODES_MAX: usize = 200;
/// Nor are networks whose nodes would advertise more routes than this to each other.
const ADVERTISEMENTS_MAX: usize = 300_000;
/// Prefixes that packets are followed to, besides the addresses of nodes.
const PREFIXES_MAX: usize = 20_000;

/// Looks for nodes that cannot be reached, and for loops.
pub(super) fn check(topology: &Topology, nodes: &NetworkNodes, found: &mut NetworkReport<'_>) {
    let graph = topology.graph();
    let groups = groups(topology, &graph);
    report_separate_groups(topology, &groups, found);
    let all_computed = (0..nodes.configs.len()).all(|node| topology.has_computed_routes(node));
    let configs: Vec<&NodeConfig> = nodes.configs.iter().flatten().collect();
    if all_computed && !nodes.exchanges_routes() {
        return;
    }
    let simulation =
        match simulate(&configs, || settings(topology, nodes), &topology.dialled_links(nodes)) {
            Ok(simulation) => simulation,
            Err(reason) => {
                return found.report.warn(Location::file(), reason.to_string(), reason.help());
            }
        };
    let mut tracer = Tracer::new(&simulation);
    for to in 0..topology.nodes.len() {
        let Some(address) = topology.address(to) else { continue };
        let deliveries = tracer.follow(&address);
        let linked = |from: &usize| *from != to && groups.get(*from) == groups.get(to);
        let stuck = deliveries.into_iter().enumerate().filter(|(from, _)| linked(from));
        report_unreachable(topology, to, &address, stuck, found);
    }
    tracer.follow_prefixes();
    for routing_loop in tracer.loops {
        let what = routing_loop.describe(|node| topology.id(node));
        found.add(topology.place(routing_loop.first(), "routes"), what, LOOP_HELP);
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

fn report_separate_groups(topology: &Topology, groups: &[usize], found: &mut NetworkReport<'_>) {
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
        let pronoun = if list.len() == 1 { "it" } else { "them" };
        let what = format!(
            "{} cannot be reached: no link leads to {pronoun} from {}",
            names(list),
            names(main.1)
        );
        found.add(topology.node_place(*first), what, "add a link, or remove what is not connected");
    }
}

/// What to do about a [`RoutingLoop`].
pub(super) const LOOP_HELP: &str = "change the route of one of these nodes";

/// Nodes that a packet passes again and again.
pub(super) struct RoutingLoop {
    /// The first one stands first in the file.
    nodes: Vec<usize>,
    packets: String,
}

impl RoutingLoop {
    /// The node that the loop is reported at.
    pub(super) fn first(&self) -> usize {
        self.nodes.first().copied().unwrap_or_default()
    }

    /// `packets to test.d loop: a -> b -> c -> a`
    pub(super) fn describe<'n>(&self, id: impl Fn(usize) -> &'n str) -> String {
        let nodes = self.nodes.iter().chain(self.nodes.first());
        let names: Vec<&str> = nodes.map(|node| id(*node)).collect();
        format!("{} loop: {}", self.packets, names.join(" -> "))
    }
}

/// Why the routes of a network are not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotJudged {
    /// More than [`SIMULATED_NODES_MAX`] nodes, or [`ADVERTISEMENTS_MAX`] advertised routes.
    #[error(
        "unreachable nodes and routing loops were not looked for: the network is too large to simulate"
    )]
    TooLarge,
    /// See [`Simulation::is_settled`].
    #[error(
        "unreachable nodes and routing loops were not looked for: the simulated routes never stop changing"
    )]
    Unsettled,
}

impl NotJudged {
    pub(super) const fn help(self) -> &'static str {
        match self {
            Self::TooLarge => "check a part of it, or ping between the running nodes",
            Self::Unsettled => {
                "compare the relations at both ends of each link, and acceptPrefixes"
            }
        }
    }
}

fn simulate(
    nodes: &[&NodeConfig],
    settings: impl FnOnce() -> Vec<Option<ConnectorSettings>>,
    links: &[DialledLink<'_>],
) -> Result<Simulation, NotJudged> {
    if is_too_large(nodes) {
        return Err(NotJudged::TooLarge);
    }
    let simulation = Simulation::new(settings(), links);
    if simulation.is_settled() { Ok(simulation) } else { Err(NotJudged::Unsettled) }
}

/// All loops in a network of node files.
pub(super) fn loops(
    nodes: &[&NodeConfig],
    links: &[DialledLink<'_>],
) -> Result<Vec<RoutingLoop>, NotJudged> {
    let settings = || {
        let settings = nodes.iter().map(|node| Some(node.connector_settings(&[0; SECRET_LEN])));
        settings.collect()
    };
    let simulation = simulate(nodes, settings, links)?;
    let mut tracer = Tracer::new(&simulation);
    for node in 0..simulation.len() {
        if let Some(address) = simulation.address(node) {
            tracer.follow(&address);
        }
    }
    tracer.follow_prefixes();
    Ok(tracer.loops)
}

fn is_too_large(nodes: &[&NodeConfig]) -> bool {
    let prefixes = nodes.iter().map(|config| 1 + config.routes.len()).sum::<usize>();
    let peers = nodes.iter().flat_map(|config| &config.peers);
    let receivers = peers.filter(|peer| peer.account.routes.receive).count();
    nodes.len() > SIMULATED_NODES_MAX || prefixes.saturating_mul(receivers) > ADVERTISEMENTS_MAX
}

/// The settings of all nodes, with the routes that are computed for them.
fn settings(topology: &Topology, nodes: &NetworkNodes) -> Vec<Option<ConnectorSettings>> {
    let settings = nodes.configs.iter().map(|config| {
        // Where packets go does not depend on the secret of receivers.
        config.as_ref().map(|config| config.connector_settings(&[0; SECRET_LEN]))
    });
    let mut settings: Vec<Option<ConnectorSettings>> = settings.collect();
    for to in 0..topology.nodes.len() {
        let Some(address) = topology.address(to) else { continue };
        for (from, choices) in topology.choices(to).iter().enumerate() {
            let Some(Some(settings)) = settings.get_mut(from) else { continue };
            if !topology.has_computed_routes(from) {
                continue;
            }
            settings.routes.extend(choices.iter().map(|choice| Route {
                prefix: Prefix::from(&address),
                next_hop: topology.node_at(choice.next_hop).id.clone(),
                priority: choice.priority,
                origin: RouteOrigin::Computed,
            }));
        }
    }
    settings
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Delivery {
    Arrived,
    Looped,
    /// A node does not forward it.
    Stuck(usize, Obstacle),
    /// It leaves the network, or meets a node with mistakes of its own.
    Unknown,
}

/// Why a node does not forward a packet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Obstacle {
    NoRoute,
    BackToSender,
    NotConnected(AccountId),
}

/// Reports the nodes that cannot reach `to`, by the node where their packets are stuck.
fn report_unreachable(
    topology: &Topology,
    to: usize,
    address: &Address,
    deliveries: impl Iterator<Item = (usize, Delivery)>,
    found: &mut NetworkReport<'_>,
) {
    let mut stuck: BTreeMap<(usize, Obstacle), Vec<&str>> = BTreeMap::new();
    for (from, delivery) in deliveries {
        if let Delivery::Stuck(at, obstacle) = delivery {
            stuck.entry((at, obstacle)).or_default().push(topology.id(from));
        }
    }
    for ((at, obstacle), from) in stuck {
        let node = topology.id(at);
        let why = match &obstacle {
            Obstacle::NoRoute => format!("{node} has no route to {address}"),
            Obstacle::BackToSender => {
                format!("the only route of {node} to {address} leads back to the sender")
            }
            Obstacle::NotConnected(peer) => format!("{node} cannot send to {peer}"),
        };
        let help = match obstacle {
            Obstacle::NotConnected(_) => {
                "one of the two must dial the other, over HTTP both, and neither may be suspended"
                    .to_owned()
            }
            _ if topology.is_dynamic(at) => format!(
                "no peer advertises one to it: a parent gets routes to children only, children exchange none, and a \
                path has at most {PATH_HOPS_MAX} nodes; see sendRoutes and receiveRoutes"
            ),
            _ => "add a route there; a node with routes of its own gets none computed".to_owned(),
        };
        let what =
            format!("{} cannot be reached from {}: {why}", topology.id(to), redact::list(from));
        found.add(topology.place(at, "routes"), what, &help);
    }
}

/// Follows packets through a network, and collects the loops.
struct Tracer<'s> {
    simulation: &'s Simulation,
    loops: Vec<RoutingLoop>,
    /// The nodes of each loop: it is reported once, whatever packets loop there.
    reported: HashSet<BTreeSet<usize>>,
}

impl<'s> Tracer<'s> {
    fn new(simulation: &'s Simulation) -> Self {
        Tracer { simulation, loops: Vec::new(), reported: HashSet::new() }
    }

    /// What becomes of packets to an address, for each node that they start from.
    fn follow(&mut self, destination: &Address) -> Vec<Delivery> {
        self.follow_all(destination.view(), || format!("packets to {destination}"))
    }

    /// Follows packets to addresses of no node. Addresses with the same longest prefix of all take the same
    /// way, so one address for each prefix suffices.
    fn follow_prefixes(&mut self) {
        let prefixes: BTreeSet<String> = self.simulation.prefixes().collect();
        let networks: BTreeSet<&'static str> = (0..self.simulation.len())
            .filter_map(|node| Some(self.simulation.address(node)?.scheme().name()))
            .collect();
        for prefix in prefixes.iter().take(PREFIXES_MAX) {
            let Some(address) = unassigned_address(prefix, &prefixes, &networks) else { continue };
            self.follow_all(address.view(), || match prefix.as_str() {
                "" => format!("packets to addresses without a route, such as {address},"),
                _ => format!("packets to addresses below {prefix}, such as {address},"),
            });
        }
    }

    fn follow_all(
        &mut self,
        destination: AddressRef<'_>,
        packets: impl Fn() -> String,
    ) -> Vec<Delivery> {
        let (simulation, mut loops) = (self.simulation, Vec::new());
        // What becomes of a packet depends on where it is and where it came from, and on nothing else. `None`: the
        // packet that is being followed has been here.
        let mut deliveries: HashMap<Position, Option<Delivery>> = HashMap::new();
        let follow_from = |node: usize| {
            let mut path: Vec<Position> = Vec::new();
            let mut at = Position { node, from: None };
            let delivery = loop {
                match deliveries.get(&at) {
                    Some(Some(delivery)) => break delivery.clone(),
                    Some(None) => {
                        let nodes = path.iter().skip_while(|position| **position != at);
                        loops.push(nodes.map(|position| position.node).collect());
                        break Delivery::Looped;
                    }
                    None => {}
                }
                deliveries.insert(at, None);
                path.push(at);
                match simulation.next_hop(at, destination) {
                    Hop::To(next) => at = next,
                    Hop::Arrived => break Delivery::Arrived,
                    Hop::Outside | Hop::Refused(Refusal::NoAddressYet) => break Delivery::Unknown,
                    Hop::Refused(refusal) => break Delivery::Stuck(at.node, obstacle_of(refusal)),
                }
            };
            deliveries.extend(path.into_iter().map(|position| (position, Some(delivery.clone()))));
            delivery
        };
        let deliveries = (0..simulation.len()).map(follow_from).collect();
        loops.into_iter().for_each(|nodes| self.add_loop(nodes, &packets));
        deliveries
    }

    fn add_loop(&mut self, mut nodes: Vec<usize>, packets: impl Fn() -> String) {
        if self.reported.insert(nodes.iter().copied().collect()) {
            let first = nodes.iter().enumerate().min_by_key(|(_, node)| **node);
            let first = first.map_or(0, |(index, _)| index);
            nodes.rotate_left(first);
            self.loops.push(RoutingLoop { nodes, packets: packets() });
        }
    }
}

fn obstacle_of(refusal: Refusal) -> Obstacle {
    match refusal {
        Refusal::NextHop { next_hop, failure: NextHopFailure::NotConnected } => {
            Obstacle::NotConnected(next_hop)
        }
        Refusal::BackToSender => Obstacle::BackToSender,
        _ => Obstacle::NoRoute,
    }
}

/// An address that a prefix covers, and no longer prefix.
fn unassigned_address(
    prefix: &str,
    prefixes: &BTreeSet<String>,
    networks: &BTreeSet<&'static str>,
) -> Option<Address> {
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
        // A default route takes packets of the node's own network only.
        "" => networks.iter().copied().collect(),
        _ => vec![prefix],
    };
    let names = std::iter::once("unknown".to_owned()).chain((0..64).map(|n| format!("unknown{n}")));
    let mut addresses = names.flat_map(|name| {
        bases.iter().map(move |base| format!("{base}.{name}")).collect::<Vec<_>>()
    });
    addresses.find(|address| !covered(address))?.parse().ok()
}
