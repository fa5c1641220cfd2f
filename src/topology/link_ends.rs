//! Several node files: whether the two ends of each link agree.
//!
//! A topology file knows its links. Node files do not, so here they are found: two nodes are linked where each names
//! the other as a peer, where one logs in by a name and to a node that fit, or where both hold the same secret.
//! Any other peer counts as a node outside the files, and is not judged.

use std::collections::HashMap;

use super::network::{NetworkReport, compare_ends, peer_place};
use super::network_file::inverse;
use super::reachability;
use super::simulation::{DialledLink, LinkEnd};
use crate::account::{AccountId, Relation};
use crate::config::{
    Diagnostic, DiagnosticSink, FileForm, Loaded, Location, NodeConfig, PeerConfig, ValuePath,
};
use crate::net::PeerUrl;

/// Mistakes and warnings between files; each names its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkFindings {
    /// The nodes cannot work together, or count different money.
    pub mistakes: Vec<Diagnostic>,
    /// Allowed, but probably not intended.
    pub warnings: Vec<Diagnostic>,
}

/// One end of a link: a node and its entry for the other one.
#[derive(Clone, Copy)]
struct NodeEnd<'a> {
    node: &'a Loaded,
    peer: &'a PeerConfig,
}

/// Compares the ends of all links between the nodes of node files.
pub fn check_link_ends(nodes: &[&Loaded]) -> LinkFindings {
    let nodes: Vec<&Loaded> =
        nodes.iter().copied().filter(|node| node.form == FileForm::NodeFile).collect();
    let mut found = LinkFindings::default();
    let mut links = Vec::new();
    let mut files_of_id: HashMap<&AccountId, usize> = HashMap::new();
    for node in &nodes {
        *files_of_id.entry(&node.config.settings.node_id).or_default() += 1;
    }
    for (index, a) in nodes.iter().enumerate() {
        for (other, b) in nodes.iter().enumerate().skip(index + 1) {
            // Two files with one node id are two versions of a node, or belong to two networks.
            if a.config.settings.node_id == b.config.settings.node_id {
                continue;
            }
            let is_unique =
                |node: &Loaded| files_of_id.get(&node.config.settings.node_id) == Some(&1);
            let by_name = is_unique(a) && is_unique(b);
            if let Some((a, b)) = find_link(a, b, by_name) {
                check_link(a, b, &mut found);
                links.extend(dialled((index, a), (other, b)));
                links.extend(dialled((other, b), (index, a)));
            }
        }
    }
    let configs: Vec<&NodeConfig> = nodes.iter().map(|node| &node.config).collect();
    let routing_loops = match reachability::loops(&configs, &links) {
        Ok(routing_loops) => routing_loops,
        Err(reason) => {
            if let Some(first) = nodes.first().filter(|_| !links.is_empty()) {
                let mut report = sink_for(first);
                report.warn(Location::file(), reason.to_string(), reason.help());
                add(report, &mut found);
            }
            return found;
        }
    };
    for routing_loop in routing_loops {
        let Some(first) = nodes.get(routing_loop.first()) else { continue };
        let what = routing_loop.describe(|number| {
            nodes.get(number).map_or("", |n| n.config.settings.node_id.as_str())
        });
        let root = ValuePath::root(&first.tree.at);
        let routes = first.tree.get("routes");
        let place = routes
            .map_or_else(|| root.missing("routes"), |routes| root.key("routes", &routes.at))
            .place();
        let mut report = sink_for(first);
        report.problem(place, None, what, reachability::LOOP_HELP);
        add(report, &mut found);
    }
    found
}

/// The link over which one end dials the other.
fn dialled<'n>(
    (node, from): (usize, NodeEnd<'n>),
    (other, to): (usize, NodeEnd<'n>),
) -> Option<DialledLink<'n>> {
    let url = from.peer.url.as_ref()?;
    Some(DialledLink {
        dialler: LinkEnd { node, account: &from.peer.account.id },
        listener: LinkEnd { node: other, account: &to.peer.account.id },
        http: matches!(url, PeerUrl::Http(_)),
    })
}

/// The two ends of the link between two nodes, if there is one.
fn find_link<'a>(
    a: &'a Loaded,
    b: &'a Loaded,
    by_name: bool,
) -> Option<(NodeEnd<'a>, NodeEnd<'a>)> {
    let pairs = || {
        let peers = a.config.peers.iter();
        peers.flat_map(|here| b.config.peers.iter().map(move |there| (here, there)))
    };
    let mutual = |(here, there): &(&PeerConfig, &PeerConfig)| {
        is_named_after(here, &b.config) && is_named_after(there, &a.config)
    };
    let by_login = |(here, there): &(&PeerConfig, &PeerConfig)| {
        logs_in_at(&a.config, here, &b.config, there)
            || logs_in_at(&b.config, there, &a.config, here)
    };
    // A token of more than two peers does not identify a link.
    let mut holders: HashMap<&str, usize> = HashMap::new();
    for peer in a.config.peers.iter().chain(&b.config.peers) {
        for token in tokens(peer) {
            *holders.entry(token).or_default() += 1;
        }
    }
    let by_token = |(here, there): &(&PeerConfig, &PeerConfig)| {
        let shared = |token: &&str| tokens(there).any(|other| other == *token);
        tokens(here).filter(shared).any(|token| holders.get(token) == Some(&2))
    };
    let named = pairs().filter(|_| by_name);
    let found = named.clone().find(mutual).or_else(|| named.clone().find(by_login));
    let (here, there) = found.or_else(|| {
        // Two nodes that log in at a third one may do so with one token: then neither dials the other.
        pairs().find(|pair| by_token(pair) && (pair.0.url.is_some() != pair.1.url.is_some()))
    })?;
    Some((NodeEnd { node: a, peer: here }, NodeEnd { node: b, peer: there }))
}

/// Whether a peer has the name of a node.
fn is_named_after(peer: &PeerConfig, node: &NodeConfig) -> bool {
    peer.account.id == node.settings.node_id || peer.username == node.settings.node_id.as_str()
}

/// Whether `here` dials `other` by the name that `there` expects.
fn logs_in_at(
    node: &NodeConfig,
    here: &PeerConfig,
    other: &NodeConfig,
    there: &PeerConfig,
) -> bool {
    let login = here.credentials(node.settings.node_id.as_str());
    login.is_some_and(|login| login.username == there.username)
        && here.account.id == other.settings.node_id
        && here.url.as_ref().is_some_and(|url| Some(url.port()) == port(other, url))
}

/// The port on which a node serves the protocol of a URL.
fn port(node: &NodeConfig, url: &PeerUrl) -> Option<u16> {
    match url {
        PeerUrl::Btp(_) => Some(node.settings.btp_server_port),
        PeerUrl::Http(_) => node.settings.http_server_port,
    }
}

/// The tokens that are sent to a peer or accepted from it.
fn tokens(peer: &PeerConfig) -> impl Iterator<Item = &str> {
    let sent = peer.url.as_ref().and_then(|url| url.token());
    let accepted = peer.tokens().map(crate::config::Secret::expose);
    accepted.filter(move |token| sent != Some(token)).chain(sent)
}

fn check_link(a: NodeEnd<'_>, b: NodeEnd<'_>, found: &mut LinkFindings) {
    let mut report = sink_for(a.node);
    let mut other = sink_for(b.node);
    let dials = |end: NodeEnd<'_>| end.peer.url.is_some();
    // Reported once, in the file of the node that dials.
    let (first, second, report_of) = match (dials(a), dials(b)) {
        (false, true) => (b, a, &mut other),
        _ => (a, b, &mut report),
    };
    let place = peer_place(&first.node.tree, first.peer);
    if !dials(a) && !dials(b) {
        let what = format!(
            "{} and {} are peers, and neither dials the other",
            a.node.config.settings.node_id, b.node.config.settings.node_id
        );
        report_of.warn(place("id"), what, "give one of them the url of the other");
    } else {
        let mut findings = NetworkReport { report: report_of, strict: true };
        let (this, that) = (&first.node.config, &second.node.config);
        compare_ends((this, first.peer), (that, second.peer), &place, &mut findings);
        check_url_port(first, second, &place, report_of);
    }
    if dials(a) && dials(b) {
        let place = peer_place(&b.node.tree, b.peer);
        let mut findings = NetworkReport { report: &mut other, strict: true };
        let (this, that) = (&b.node.config, &a.node.config);
        super::network::compare_secrets((this, b.peer), (that, a.peer), &place, &mut findings);
        check_url_port(b, a, &place, &mut other);
    }
    check_addresses(a, b, &mut report);
    add(report, found);
    add(other, found);
}

fn sink_for(node: &Loaded) -> DiagnosticSink {
    DiagnosticSink::new(node.file.as_deref())
}

fn add(report: DiagnosticSink, found: &mut LinkFindings) {
    match report.finish() {
        Ok(warnings) => found.warnings.extend(warnings),
        Err(problems) => {
            found.mistakes.extend(problems.problems);
            found.warnings.extend(problems.warnings);
        }
    }
}

/// Warns of a URL with a port that the other node does not listen on. A proxy may do that on purpose.
fn check_url_port(
    from: NodeEnd<'_>,
    to: NodeEnd<'_>,
    place: &impl Fn(&str) -> Location,
    report: &mut DiagnosticSink,
) {
    let Some(url) = &from.peer.url else { return };
    let id = &to.node.config.settings.node_id;
    match port(&to.node.config, url) {
        None => {
            let what = format!("the node {id} has no HTTP server");
            report.warn(
                place("url"),
                what,
                "set its httpServerPort, or dial it by ws:// or wss://",
            );
        }
        Some(0) => {}
        Some(port) if port != url.port() => {
            let what = format!("leads to port {}, but {id} listens on {port}", url.port());
            report.warn(place("url"), what, "right only where something in between forwards it");
        }
        Some(_) => {}
    }
}

/// Compares the addresses of both nodes; a child's is below its parent's.
fn check_addresses(a: NodeEnd<'_>, b: NodeEnd<'_>, report: &mut DiagnosticSink) {
    let (Some(one), Some(two)) = (&a.node.config.address, &b.node.config.address) else { return };
    let place = peer_place(&a.node.tree, a.peer)("id");
    let (this, that) = (&a.node.config.settings.node_id, &b.node.config.settings.node_id);
    if one == two {
        let what = format!("{this} and {that} have one address, {one}");
        return report.problem(place, None, what, "every node has an address of its own");
    }
    if one.scheme() != two.scheme() {
        let what =
            format!("{this} is on the network {}., {that} on {}.", one.scheme(), two.scheme());
        return report.problem(place, None, what, "linked nodes are on one network");
    }
    // Relations that do not fit are reported by `compare_ends`.
    if a.peer.account.relation != inverse(b.peer.account.relation) {
        return;
    }
    let (parent, child, segment) = match a.peer.account.relation {
        Relation::Child => (one, two, a.peer.account.address_segment()),
        Relation::Parent => (two, one, b.peer.account.address_segment()),
        Relation::Peer => return,
    };
    if parent.child(segment).ok().as_ref() != Some(child) {
        let what =
            format!("the child's address is {child}, but its parent calls it {parent}.{segment}");
        let help =
            "leave out ilpAddress of the child, or set childAddressSegment of the parent's entry";
        report.warn(place, what, help);
    }
}
