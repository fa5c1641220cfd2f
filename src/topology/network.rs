//! Checks across the nodes of a topology: addresses, ports, both ends of each link, and that all nodes reach each
//! other.

use std::collections::HashMap;
use std::path::PathBuf;

use super::deployment::Deployment;
use super::listeners::{BTP, HTTP};
use super::network_file::{Topology, TopologyNode, inverse};
use super::reachability;
use super::simulation::{DialledLink, LinkEnd};
use crate::account::Relation;
use crate::config::{
    Credentials, DiagnosticSink, LinkTransport, Location, MASK, NodeConfig, NodeSettings,
    PeerConfig, Unset, Value, ValuePath, node_file, redact,
};
use crate::net::{PeerUrl, StorePlace};
use crate::wire::{Network, Scheme};

/// How severe a mistake of the network is, as opposed to a mistake of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strictness {
    /// `check`: all are problems.
    All,
    /// `up`: a conflict that keeps nodes from running on one host is a problem; the others are warnings.
    Startable,
    /// `run` and reload: all are warnings, because a node runs whatever the others do.
    Warn,
}

/// All nodes as read.
pub(super) struct NetworkNodes {
    pub(super) trees: Vec<Value>,
    pub(super) configs: Vec<Option<NodeConfig>>,
}

/// Collects findings of one severity.
pub(super) struct NetworkReport<'r> {
    pub(super) report: &'r mut DiagnosticSink,
    pub(super) strict: bool,
}

impl NetworkReport<'_> {
    pub(super) fn add(&mut self, place: Location, what: String, help: &str) {
        match self.strict {
            true => self.report.problem(place, None, what, help),
            false => self.report.warn(place, what, help),
        }
    }
}

impl NetworkNodes {
    /// Whether a node sends or receives routes.
    pub(super) fn exchanges_routes(&self) -> bool {
        let mut peers = self.configs.iter().flatten().flat_map(|config| &config.peers);
        peers.any(|peer| peer.account.routes.send || peer.account.routes.receive)
    }
}

impl Topology {
    /// Whether all nodes can run side by side on this machine.
    #[cfg(test)]
    pub(super) fn is_startable(&self) -> bool {
        let mut report = DiagnosticSink::new(None);
        let nodes = self.read_all(Deployment::Loopback, &mut report);
        self.judge(&nodes, Strictness::Startable, &mut report);
        !report.has_problems()
    }

    /// Validates every node, and warns of what is wrong with the network, before one node of it runs.
    pub(super) fn validate_all(&self, with_routes: bool, report: &mut DiagnosticSink) {
        let nodes = self.read_all(Deployment::Spread, report);
        if with_routes {
            self.judge(&nodes, Strictness::Warn, report);
        } else {
            self.judge_without_routes(&nodes, Strictness::Warn, report);
        }
    }

    /// Reads all nodes, without computed routes: they are correct by construction, and many.
    pub(super) fn read_all(&self, mode: Deployment, report: &mut DiagnosticSink) -> NetworkNodes {
        let mut nodes = NetworkNodes { trees: Vec::new(), configs: Vec::new() };
        for number in 0..self.nodes.len() {
            let Some(tree) = self.tree(number, mode, false) else { continue };
            let mut own = DiagnosticSink::new(Some(&self.file));
            nodes.configs.push(node_file::read(&tree, self.directory(), &mut own));
            nodes.trees.push(tree);
            report.absorb(own);
        }
        nodes
    }

    /// Judges the network as a whole.
    pub(super) fn judge(
        &self,
        nodes: &NetworkNodes,
        strictness: Strictness,
        report: &mut DiagnosticSink,
    ) {
        self.judge_without_routes(nodes, strictness, report);
        if self.complete {
            let strict = strictness == Strictness::All;
            reachability::check(self, nodes, &mut NetworkReport { strict, report });
        }
    }

    fn judge_without_routes(
        &self,
        nodes: &NetworkNodes,
        strictness: Strictness,
        report: &mut DiagnosticSink,
    ) {
        self.check_addresses(report);
        self.check_parents(report);
        self.check_dialled_ports(report);
        let mut found = NetworkReport { strict: strictness != Strictness::Warn, report };
        self.check_ports(strictness, &mut found);
        self.check_guest_ports(nodes, strictness, &mut found);
        self.check_files(nodes, strictness, &mut found);
        found.strict = strictness == Strictness::All;
        self.check_ends(nodes, &mut found);
    }

    /// The place of a node's key, whether or not the file has it.
    pub(super) fn place(&self, number: usize, key: &str) -> Location {
        match self.node_at(number).keys.get(key) {
            Some(value) => ValuePath::root(&value.at).place(),
            None => {
                let node = self.node_place(number);
                Location { text: format!("{}.{key}", node.text), ..node }
            }
        }
    }

    /// The place of a node as a whole.
    pub(super) fn node_place(&self, number: usize) -> Location {
        let node = self.node_at(number);
        let text = format!("nodes[{}]", node.file_index);
        Location { line: Some(node.at.line), text, ..Location::file() }
    }

    pub(super) fn node_at(&self, number: usize) -> &TopologyNode {
        self.nodes.get(number).expect("numbers of nodes are positions in this list")
    }

    pub(super) fn id(&self, number: usize) -> &str {
        self.node_at(number).id.as_str()
    }

    /// One address each, all on one network.
    fn check_addresses(&self, report: &mut DiagnosticSink) {
        let mut known: HashMap<String, usize> = HashMap::new();
        let mut network: Option<(Scheme, usize)> = None;
        for number in 0..self.nodes.len() {
            let Some(address) = self.address(number) else { continue };
            let shown = Some(redact::name(address.as_str()));
            if let Some(other) = known.insert(address.as_str().to_owned(), number) {
                let what = format!("is the address of the node {} as well", self.id(other));
                let help = "every node has an address of its own";
                report.problem(self.place(number, "ilpAddress"), shown.clone(), what, help);
            }
            let scheme = address.scheme();
            if scheme.network() == Network::Other {
                continue;
            }
            match network {
                None => network = Some((scheme, number)),
                Some((other, _)) if other == scheme => {}
                Some((other, first)) => {
                    let what = format!(
                        "mixes two networks: {scheme}. here, {other}. in the node {}",
                        self.id(first)
                    );
                    let help =
                        "nodes are on the live network (g.) or on one test network, never on two";
                    report.problem(self.place(number, "ilpAddress"), shown, what, help);
                }
            }
        }
    }

    /// No node is its own ancestor.
    fn check_parents(&self, report: &mut DiagnosticSink) {
        for start in 0..self.nodes.len() {
            let mut way = vec![start];
            while let Some(parent) = way.last().and_then(|last| self.parent(*last)) {
                // Reported once, at the first node of the cycle.
                if parent == start && way.iter().all(|number| start <= *number) {
                    way.push(start);
                    let names: Vec<&str> = way.iter().map(|number| self.id(*number)).collect();
                    let what = format!("is its own ancestor: {}", names.join(" -> "));
                    let help =
                        "of two linked nodes at most one is the parent, and parents make no circle";
                    report.problem(self.node_place(start), None, what, help);
                }
                if way.contains(&parent) {
                    break;
                }
                way.push(parent);
            }
        }
    }

    /// No node can dial a port that the system picks at start.
    fn check_dialled_ports(&self, report: &mut DiagnosticSink) {
        for link in &self.links {
            let listener = match link.transport {
                LinkTransport::Btp => &BTP,
                LinkTransport::Http => &HTTP,
            };
            let mut dialled = vec![(link.from, link.to)];
            if link.transport == LinkTransport::Http {
                dialled.push((link.to, link.from));
            }
            for (from, to) in dialled {
                // `up` knows the port that the system chose.
                let is_known = !self.node_at(to).running_ports.is_empty();
                if !is_known && self.port_of(to, listener, Deployment::Spread) == 0 {
                    let what = format!(
                        "the node {} dials this one, and cannot know the port",
                        self.id(from)
                    );
                    let (place, value) = (self.place(to, listener.key), Some("0".to_owned()));
                    report.problem(place, value, what, "give it a fixed port");
                }
            }
        }
    }

    /// Two listeners on one host need two ports. Nodes with different `host`s are apart, except when `up` runs them
    /// all on one machine.
    fn check_ports(&self, strictness: Strictness, found: &mut NetworkReport<'_>) {
        let mut known: HashMap<u16, Vec<(usize, &'static str)>> = HashMap::new();
        for number in 0..self.nodes.len() {
            for listener in self.listeners(number) {
                let key = listener.key;
                let port = self.port_of(number, listener, Deployment::Loopback);
                if port == 0 {
                    continue;
                };
                let others = known.entry(port).or_default();
                let clash = others.iter().find(|(other, _)| {
                    *other != number && !self.are_apart(*other, number, strictness)
                });
                if let Some((other, other_key)) = clash {
                    let what = format!(
                        "port {port} is {other_key} of the node {} as well",
                        self.id(*other)
                    );
                    let help = "ilp-connector up runs all nodes on one host: give every node ports of its own, or \
                        set one for all under defaults, which up replaces by 3000, 3001, ...";
                    found.add(self.place(number, key), what, help);
                }
                others.push((number, key));
            }
        }
    }

    /// Whether two nodes run on different machines: they have different `host`s, and `up` does not run them all here.
    pub(super) fn are_apart(&self, one: usize, two: usize, strictness: Strictness) -> bool {
        let host = |number: usize| self.node_at(number).host.as_deref();
        let differ = host(one).is_some() && host(two).is_some() && host(one) != host(two);
        differ && strictness != Strictness::Startable
    }

    /// A store belongs to one node, and so does an audit log.
    fn check_files(
        &self,
        nodes: &NetworkNodes,
        strictness: Strictness,
        found: &mut NetworkReport<'_>,
    ) {
        // A database has the books of any number of nodes.
        self.check_own_files(
            nodes,
            strictness,
            ("store", "store"),
            found,
            |settings| match settings.store_place() {
                Some(StorePlace::File(file)) => Some(file),
                _ => None,
            },
        );
        self.check_own_files(nodes, strictness, ("auditLog", "audit log"), found, |settings| {
            settings.audit_log_place()
        });
    }

    fn check_own_files(
        &self,
        nodes: &NetworkNodes,
        strictness: Strictness,
        (key, name): (&str, &str),
        found: &mut NetworkReport<'_>,
        file_of: impl Fn(&NodeSettings) -> Option<PathBuf>,
    ) {
        let mut known: HashMap<PathBuf, Vec<usize>> = HashMap::new();
        for (number, config) in nodes.configs.iter().enumerate() {
            let file = config.as_ref().and_then(|config| file_of(&config.settings));
            let Some(file) = file else { continue };
            let file = std::path::absolute(&file).unwrap_or(file);
            let others = known.entry(file).or_default();
            let clash = others.iter().find(|other| !self.are_apart(**other, number, strictness));
            if let Some(other) = clash {
                let what = format!("the node {} has the same {name}", self.id(*other));
                let help =
                    "name a directory, with a / at the end: each node has a file of its own in it";
                found.add(self.place(number, key), what, help);
            }
            others.push(number);
        }
    }

    /// The node that dials is a peer of the other node, with the same secret, the inverse relation and the same asset.
    fn check_ends(&self, nodes: &NetworkNodes, found: &mut NetworkReport<'_>) {
        for (number, peer, other) in self.dialled_peers(nodes) {
            let (Some(Some(config)), Some(Some(other)), Some(tree)) =
                (nodes.configs.get(number), nodes.configs.get(other), nodes.trees.get(number))
            else {
                continue;
            };
            check_end(config, peer, other, &peer_place(tree, peer), found);
        }
    }

    /// The peers that nodes dial inside the network: the dialling node, its peer, and the other node.
    fn dialled_peers<'n>(&self, nodes: &'n NetworkNodes) -> Vec<(usize, &'n PeerConfig, usize)> {
        let configs = nodes.configs.iter().enumerate();
        let peers = configs.flat_map(|(number, config)| {
            config.iter().flat_map(|config| &config.peers).map(move |peer| (number, peer))
        });
        let dialled_peers = peers.filter_map(|(number, peer)| {
            let other = self.dialled(peer).filter(|other| *other != number)?;
            Some((number, peer, other))
        });
        dialled_peers.collect()
    }

    /// The links between nodes, found by login. If no login fits, which is reported elsewhere, by name.
    pub(super) fn dialled_links<'n>(&self, nodes: &'n NetworkNodes) -> Vec<DialledLink<'n>> {
        let links = self.dialled_peers(nodes).into_iter().filter_map(|(number, peer, other)| {
            let config = nodes.configs.get(number)?.as_ref()?;
            let other_config = nodes.configs.get(other)?.as_ref()?;
            let login = peer.credentials(config.settings.node_id.as_str());
            let known = login.and_then(|login| accepting_peer(&login, other_config));
            let known = known.or_else(|| other_config.peer(config.settings.node_id.as_str()))?;
            Some(DialledLink {
                dialler: LinkEnd { node: number, account: &peer.account.id },
                listener: LinkEnd { node: other, account: &known.account.id },
                http: matches!(peer.url, Some(PeerUrl::Http(_))),
            })
        });
        links.collect()
    }

    /// The node of this network that a peer's url leads to.
    fn dialled(&self, peer: &PeerConfig) -> Option<usize> {
        let url = peer.url.as_ref()?;
        let by_id = |number: &usize| self.id(*number) == peer.account.id.as_str();
        self.node_at_url(url).or_else(|| (0..self.nodes.len()).find(by_id))
    }
}

fn check_end(
    config: &NodeConfig,
    peer: &PeerConfig,
    other: &NodeConfig,
    place: &impl Fn(&str) -> Location,
    found: &mut NetworkReport<'_>,
) {
    let Some(login) = peer.credentials(config.settings.node_id.as_str()) else { return };
    let (this, that) = (&config.settings.node_id, &other.settings.node_id);
    let Some(counterpart) = accepting_peer(&login, other) else {
        let what = match login.username.is_empty() {
            true => format!("the node {that} has no peer with the token that {this} logs in with"),
            false => {
                // A token in the place of the name is still a token.
                let secret = config.secrets().any(|secret| secret == login.username);
                let name = if secret { MASK } else { &login.username };
                format!("the node {that} has no peer {name}, as which {this} logs in")
            }
        };
        found.add(place("id"), what, "add it to the peers of that node, or make it a link");
        return;
    };
    compare_ends((config, peer), (other, counterpart), place, found);
}

/// The peer that a login names, or, without a name, the one with its token.
fn accepting_peer<'n>(login: &Credentials, node: &'n NodeConfig) -> Option<&'n PeerConfig> {
    let by_name = |known: &&PeerConfig| known.username == login.username;
    let by_token = |known: &&PeerConfig| known.tokens().any(|token| *token == login.token);
    match login.username.is_empty() {
        true => node.peers.iter().find(by_token),
        false => node.peers.iter().find(by_name),
    }
}

/// A node, and its entry for another one.
pub(super) type LinkEndConfig<'a> = (&'a NodeConfig, &'a PeerConfig);

/// Compares the two ends of a link, as `from` dials `to`.
pub(super) fn compare_ends(
    from: LinkEndConfig<'_>,
    to: LinkEndConfig<'_>,
    place: &impl Fn(&str) -> Location,
    found: &mut NetworkReport<'_>,
) {
    compare_secrets(from, to, place, found);
    let ((config, peer), (other, counterpart)) = (from, to);
    let (this, that) = (&config.settings.node_id, &other.settings.node_id);
    if counterpart.account.relation != inverse(peer.account.relation) {
        let what = format!(
            "{that} is {} to {this}, but {this} is {} to {that}",
            peer.account.relation, counterpart.account.relation
        );
        let help = "the other side of parent is child; peers are peers to each other";
        found.add(place("relation"), what, help);
    }
    if assets_differ(from, to) {
        let (here, there) = (&peer.account.asset, &counterpart.account.asset);
        let what = format!("{this} counts in {here} what {that} counts in {there}");
        let help = "both sides of a link have one asset and scale: set assetCode and assetScale of the peer on one side";
        found.add(place("assetCode"), what, help);
    }
}

/// `to` must accept the secret that `from` logs in with.
pub(super) fn compare_secrets(
    (config, peer): LinkEndConfig<'_>,
    (other, counterpart): LinkEndConfig<'_>,
    place: &impl Fn(&str) -> Location,
    found: &mut NetworkReport<'_>,
) {
    let login = peer.credentials(config.settings.node_id.as_str());
    if login.is_some_and(|login| !counterpart.tokens().any(|token| *token == login.token)) {
        let what = format!(
            "the secrets of {} and {} for each other do not match",
            config.settings.node_id, other.settings.node_id
        );
        found.add(place("authToken"), what, "both sides of a link have the same secret");
    }
}

/// Whether two ends use different assets. A child that sets none adopts its parent's.
fn assets_differ(one: LinkEndConfig<'_>, two: LinkEndConfig<'_>) -> bool {
    let open = |(config, peer): LinkEndConfig<'_>| match peer.account.relation {
        Relation::Parent => config.asset_unset.and(peer.asset_of_node),
        _ => Unset::default(),
    };
    let (open_one, open_two) = (open(one), open(two));
    let (here, there) = (&one.1.account.asset, &two.1.account.asset);
    (here.code != there.code && !open_one.code && !open_two.code)
        || (here.scale != there.scale && !open_one.scale && !open_two.scale)
}

/// The place of a key of a peer in a node's tree.
pub(super) fn peer_place<'t>(
    tree: &'t Value,
    peer: &'t PeerConfig,
) -> impl Fn(&str) -> Location + use<'t> {
    move |key| {
        let root = ValuePath::root(&tree.at);
        let Some(peers) = tree.get("peers") else { return root.place() };
        let id = |value: &Value| value.text_of("id") == Some(peer.account.id.as_str());
        let list = peers.as_list().unwrap_or_default();
        let Some((index, value)) = list.iter().enumerate().find(|(_, value)| id(value)) else {
            return root.place();
        };
        let path = root.key("peers", &peers.at);
        let path = path.index(index, &value.at);
        match value.get(key) {
            Some(value) => path.key(key, &value.at).place(),
            None => path.place(),
        }
    }
}
