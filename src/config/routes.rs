//! `routes`: next hops, and whether amounts can be converted on their way.

use std::collections::{HashMap, HashSet};

use super::diagnostics::DiagnosticSink;
use super::exchange_rates::KnownRates;
use super::key_types::{KeySet, RowType};
use super::location::{Location, ValueOrigin};
use super::mapping::Mapping;
use super::node_keys::NODE;
use super::peer_keys::PEER;
use super::peers::BrokenPeers;
use super::redact;
use super::route_keys::{ROUTE, RouteSettings};
use super::settings::PeerConfig;
use super::value::Value;
use crate::account::{AccountId, Relation};
use crate::routing::{Route, RouteOrigin};
use crate::wire::{Address, Network, Scheme};

/// The peers that routes may name. A million routes share their few ids.
struct Peers<'a> {
    by_id: HashMap<&'a str, &'a PeerConfig>,
    broken: &'a BrokenPeers,
    /// The place of the key `peers`.
    place: Location,
}

/// Reads `routes`.
pub fn read(
    peers: &[PeerConfig],
    broken: &BrokenPeers,
    mapping: Mapping<'_>,
    report: &mut DiagnosticSink,
) -> Vec<Route> {
    let list = mapping.list(&NODE.routes, report);
    let path = mapping.path_of(&NODE.routes);
    let by_id = peers.iter().map(|peer| (peer.account.id.as_str(), peer)).collect();
    let peers = Peers { by_id, broken, place: mapping.key_place(&NODE.peers) };
    let mut routes = Vec::with_capacity(list.len());
    // The first route of each prefix and priority, with its index.
    let mut known: HashMap<(&str, i32), (usize, &Value)> = HashMap::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        let item_path = path.index(index, &value.at);
        let Some(item) = Mapping::of_item(value, &item_path, RouteSettings::KEYS.iter(), report)
        else {
            continue;
        };
        let Some(route) = read_route(&peers, item, value, report) else { continue };
        let text = prefix_text(value);
        if let Some((first, at)) = known.insert((text, route.priority), (index, value)) {
            let first = path.index(first, &at.at).place().within_sentence();
            item.problem(
                &ROUTE.prefix,
                format!("a second route of priority {}; the first is {first}", route.priority),
                "routes of one prefix need different priorities",
                report,
            );
        }
        routes.push(route);
    }
    routes
}

/// The prefix of a route as it is written, without a dot at its end.
fn prefix_text(route: &Value) -> &str {
    let text = route.text_of(ROUTE.prefix.name).unwrap_or("");
    text.strip_suffix('.').unwrap_or(text)
}

fn read_route(
    peers: &Peers<'_>,
    mapping: Mapping<'_>,
    value: &Value,
    report: &mut DiagnosticSink,
) -> Option<Route> {
    let draft = RouteSettings::read(mapping, report);
    let next_hop = next_hop(peers, mapping, report);
    if draft.prefix.as_ref()?.scheme() == Some(Scheme::Peer) {
        let help =
            "addresses below peer. are for direct neighbours and never forwarded; remove the route";
        mapping.problem(&ROUTE.prefix, "peer. cannot be routed", help, report);
        return None;
    }
    let RouteSettings { prefix, priority } = RouteSettings::finish(draft)?;
    let computed = value.at.origin() == ValueOrigin::Computed;
    let origin = if computed { RouteOrigin::Computed } else { RouteOrigin::Configured };
    Some(Route { prefix, next_hop: next_hop?, priority, origin })
}

fn next_hop(
    peers: &Peers<'_>,
    mapping: Mapping<'_>,
    report: &mut DiagnosticSink,
) -> Option<AccountId> {
    // A known peer shares its id, which saves an allocation for each of a million routes.
    let text = mapping.value(&ROUTE.next_hop).and_then(Value::as_text);
    if let Some(peer) = text.and_then(|id| peers.by_id.get(id)) {
        return Some(peer.account.id.clone());
    }
    if let Some(id) = text.and_then(|id| peers.broken.get(id)) {
        return Some(id.clone());
    }
    let id = <AccountId as RowType>::read(mapping.key(&ROUTE.next_hop), report)?;
    let mut names: Vec<&str> = peers.by_id.keys().copied().chain(peers.broken.ids()).collect();
    names.sort_unstable();
    let help = match names.is_empty() {
        true => "the node has no peers; add one to peers".into(),
        false => redact::did_you_mean(id.as_str(), "peers", &names),
    };
    report.following([peers.place.clone()], |report| {
        mapping.problem(&ROUTE.next_hop, "no such peer", help, report);
    });
    None
}

/// The node answers packets to its own address, so a route to exactly that address would never be used.
pub fn check_own_address(own: &Address, mapping: Mapping<'_>, report: &mut DiagnosticSink) {
    let list = mapping.items(&NODE.routes);
    let path = mapping.path_of(&NODE.routes);
    for (index, value) in list.iter().enumerate() {
        let Some(map) = value.as_map() else { continue };
        if prefix_text(value) == own.as_str() {
            let path = path.index(index, &value.at);
            let help =
                "packets to it are answered here; route what lies below it, or remove the route";
            let item = Mapping::new(map, &path);
            item.problem(&ROUTE.prefix, "is the node's own address", help, report);
        }
    }
}

/// RFC 34 "ILP Addresses": a node must not connect the live network with a test network. [row 33] Nor two test
/// networks.
pub fn check_networks(
    address: Option<&Address>,
    mapping: Mapping<'_>,
    report: &mut DiagnosticSink,
) {
    let mut first: Option<(Scheme, String)> =
        address.map(|address| (address.scheme(), format!("ilpAddress {address}")));
    first = first.filter(|(scheme, _)| scheme.network() != Network::Other);
    let list = mapping.items(&NODE.routes);
    for (index, value) in list.iter().enumerate() {
        let prefix = value.text_of(ROUTE.prefix.name);
        let scheme = prefix.and_then(|prefix| Scheme::from_name(prefix.split('.').next()?));
        let Some(scheme) = scheme.filter(|scheme| scheme.network() != Network::Other) else {
            continue;
        };
        match &first {
            None => first = Some((scheme, format!("routes[{index}]"))),
            Some((other, _)) if *other == scheme => {}
            Some((other, whose)) => {
                let what = format!("mixes two networks: {scheme}. here, {other}. in {whose}");
                let help =
                    "a node is on the live network (g.) or on one test network, never on two";
                let path = mapping.path_of(&NODE.routes);
                let path = path.index(index, &value.at);
                let shown = prefix.map(redact::name);
                report.problem(path.missing(ROUTE.prefix.name).place(), shown, what, help);
                return;
            }
        }
    }
}

/// The scheme of the node's address, else of its first route.
pub fn scheme(address: Option<&Address>, routes: &[Route]) -> Scheme {
    let of_routes = || routes.iter().find_map(|route| route.prefix.scheme());
    address.map(Address::scheme).or_else(of_routes).unwrap_or(Scheme::Test)
}

/// Every pair of assets that a route connects needs a rate (D13), and one that can be exact.
pub fn check_rates(
    peers: &[PeerConfig],
    routes: &[Route],
    rates: KnownRates<'_>,
    mapping: Mapping<'_>,
    report: &mut DiagnosticSink,
) {
    // Most nodes have one asset, so that a million routes need no check.
    let mut assets: Vec<&PeerConfig> = Vec::new();
    for peer in peers {
        if !assets.iter().any(|known| known.account.asset == peer.account.asset) {
            assets.push(peer);
        }
    }
    if assets.len() < 2 {
        return;
    }
    let mut reported = HashSet::new();
    let count = routes.len();
    let mut seen_hops = HashSet::new();
    let routes = routes.iter().enumerate().filter(|(_, route)| seen_hops.insert(&route.next_hop));
    let by_route: Vec<(Option<usize>, &AccountId)> =
        routes.map(|(index, route)| (Some(index), &route.next_hop)).collect();
    // Children and the parent have routes that are not in the file.
    let implied = peers
        .iter()
        .filter(|peer| peer.account.relation != Relation::Peer)
        .map(|peer| (None, &peer.account.id));
    for (index, id) in by_route.into_iter().chain(implied) {
        let Some(to) = peers.iter().find(|peer| peer.account.id == *id) else { continue };
        for from in &assets {
            let (source, target) = (&from.account.asset, &to.account.asset);
            if from.account.id == to.account.id || source == target {
                continue;
            }
            let ends = (format!("peer {}", from.account.id), format!("peer {}", to.account.id));
            let Some((what, help)) = rates.no_conversion(source, target, ends) else { continue };
            if reported.insert((source.clone(), target.clone())) {
                let place = match index {
                    Some(index) => route_place(mapping, index, count),
                    None => peer_place(mapping, id),
                };
                report.problem(place, None, what, help);
            }
        }
    }
}

fn route_place(mapping: Mapping<'_>, index: usize, count: usize) -> Location {
    let list = mapping.items(&NODE.routes);
    let path = mapping.path_of(&NODE.routes);
    // Without the routes that had mistakes the numbers differ.
    match list.get(index).filter(|_| count == list.len()) {
        Some(value) => path.index(index, &value.at).place(),
        None => path.place(),
    }
}

fn peer_place(mapping: Mapping<'_>, id: &AccountId) -> Location {
    let list = mapping.items(&NODE.peers);
    let path = mapping.path_of(&NODE.peers);
    let is_it = |value: &Value| value.text_of(PEER.id.name) == Some(id.as_str());
    match list.iter().enumerate().find(|(_, value)| is_it(value)) {
        Some((index, value)) => path.index(index, &value.at).place(),
        None => path.place(),
    }
}
