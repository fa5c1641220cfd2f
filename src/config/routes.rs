//! `routes` and `rates`: where packets go, and at what price.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::account::{AccountId, Asset, Conversion, Rate, Relation};
use crate::routing::{Route, RouteOrigin};
use crate::wire::{Address, Network, Scheme};

use super::diagnostics::DiagnosticSink;
use super::fields::{Fields, item};
use super::keys::{RATE, ROUTE};
use super::location::{Location, Path, ValueOrigin};
use super::peers::seen;
use super::redact;
use super::settings::PeerConfig;
use super::value::{Map, Value};

/// A million routes share few next hops: each id exists once.
struct Peers<'a> {
    by_id: HashMap<&'a str, &'a PeerConfig>,
    /// The key that holds them.
    place: Location,
}

/// Reads `routes`.
pub(super) fn read(
    peers: &[PeerConfig],
    fields: Fields<'_>,
    report: &mut DiagnosticSink,
) -> Vec<Route> {
    let list = fields.list("routes", report);
    let path = fields.path_of("routes");
    let by_id = peers.iter().map(|peer| (peer.account.id.as_str(), peer)).collect();
    let peers = Peers { by_id, place: fields.key_place("peers") };
    let mut routes = Vec::with_capacity(list.len());
    // Line of the first route of each prefix and priority.
    let mut known: HashMap<(&str, i32), usize> = HashMap::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        let path = path.index(index, &value.at);
        let Some(map) = item(value, &path, ROUTE, report) else { continue };
        let Some(route) = read_route(&peers, map, &path, value, report) else { continue };
        let text = map.get("prefix").and_then(Value::as_text).unwrap_or_default();
        let text = text.strip_suffix('.').unwrap_or(text);
        if let Some(first) = known.insert((text, route.priority), index) {
            let place = list.get(first).map(|value| path_of(&fields, first, value));
            let first = place.map(|place| seen(&place)).unwrap_or_default();
            Fields::new(map, &path, ROUTE).problem(
                "prefix",
                format!("a second route of priority {}; the first is {first}", route.priority),
                "routes of one prefix need different priorities",
                report,
            );
        }
        routes.push(route);
    }
    routes
}

fn path_of(fields: &Fields<'_>, index: usize, value: &Value) -> Location {
    fields.path_of("routes").index(index, &value.at).place()
}

fn read_route(
    peers: &Peers<'_>,
    map: &Map,
    path: &Path<'_>,
    value: &Value,
    report: &mut DiagnosticSink,
) -> Option<Route> {
    let fields = Fields::new(map, path, ROUTE);
    let prefix =
        fields.require("prefix", report).then(|| fields.prefix("prefix", report)).flatten();
    let next_hop =
        fields.require("nextHop", report).then(|| next_hop(peers, fields, report)).flatten();
    let priority = fields.priority("priority", report);
    let prefix = prefix?;
    if prefix.scheme() == Some(Scheme::Peer) {
        let help =
            "addresses below peer. are for direct neighbours and never forwarded; remove the route";
        fields.problem("prefix", "peer. cannot be routed", help, report);
        return None;
    }
    let computed = value.at.origin() == ValueOrigin::Computed;
    let origin = if computed { RouteOrigin::Computed } else { RouteOrigin::Configured };
    Some(Route { prefix, next_hop: next_hop?, priority: priority?, origin })
}

fn next_hop(
    peers: &Peers<'_>,
    fields: Fields<'_>,
    report: &mut DiagnosticSink,
) -> Option<AccountId> {
    // The usual case first, without making an id for each of a million routes.
    if let Some(peer) =
        fields.value("nextHop").and_then(Value::as_text).and_then(|id| peers.by_id.get(id))
    {
        return Some(peer.account.id.clone());
    }
    let id = fields.id("nextHop", report)?;
    let mut names: Vec<&str> = peers.by_id.keys().copied().collect();
    names.sort_unstable();
    let help = match redact::nearest(id.as_str(), names.iter().copied()) {
        Some(near) => format!("did you mean {near}? (peers: {})", redact::list(names)),
        None if names.is_empty() => "the node has no peers; add one to peers".into(),
        None => format!("peers: {}", redact::list(names)),
    };
    report.following([peers.place.clone()], |report| {
        fields.problem("nextHop", "no such peer", help, report);
    });
    None
}

/// Packets to the own address are answered here, so a route for exactly it would never be used.
pub(super) fn check_own_address(own: &Address, fields: Fields<'_>, report: &mut DiagnosticSink) {
    let list = fields.value("routes").and_then(Value::as_list).unwrap_or_default();
    let path = fields.path_of("routes");
    for (index, value) in list.iter().enumerate() {
        let Some(map) = value.as_map() else { continue };
        let prefix = map.get("prefix").and_then(Value::as_text).unwrap_or_default();
        if prefix.strip_suffix('.').unwrap_or(prefix) == own.as_str() {
            let path = path.index(index, &value.at);
            let help =
                "packets to it are answered here; route what lies below it, or remove the route";
            Fields::new(map, &path, ROUTE).problem(
                "prefix",
                "is the node's own address",
                help,
                report,
            );
        }
    }
}

/// The live and the test network must not meet in one node (RFC 34), nor two test networks.
pub(super) fn check_networks(
    address: Option<&Address>,
    fields: Fields<'_>,
    report: &mut DiagnosticSink,
) {
    let mut first: Option<(Scheme, String)> =
        address.map(|address| (address.scheme(), format!("ilpAddress {address}")));
    first = first.filter(|(scheme, _)| scheme.network() != Network::Other);
    let list = fields.value("routes").and_then(Value::as_list).unwrap_or_default();
    for (index, value) in list.iter().enumerate() {
        let prefix = value.as_map().and_then(|map| map.get("prefix")).and_then(Value::as_text);
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
                let path = fields.path_of("routes");
                let path = path.index(index, &value.at);
                let shown = prefix.map(redact::name);
                report.problem(path.missing("prefix").place(), shown, what, help);
                return;
            }
        }
    }
}

/// The scheme that most likely is the node's: that of its address, else of its first route.
pub(super) fn scheme(address: Option<&Address>, routes: &[Route]) -> Scheme {
    let of_routes = || routes.iter().find_map(|route| route.prefix.scheme());
    address.map(Address::scheme).or_else(of_routes).unwrap_or(Scheme::Test)
}

/// An exchange rate: from, to, units of `to` for one of `from`.
pub(super) type NamedRate = (Arc<str>, Arc<str>, Rate);

/// Reads `rates`.
pub(super) fn rates(fields: Fields<'_>, report: &mut DiagnosticSink) -> Vec<NamedRate> {
    let list = fields.list("rates", report);
    let path = fields.path_of("rates");
    let mut rates: Vec<NamedRate> = Vec::with_capacity(list.len());
    let mut known: HashSet<(Arc<str>, Arc<str>)> = HashSet::new();
    for (index, value) in list.iter().enumerate() {
        let path = path.index(index, &value.at);
        let Some(map) = item(value, &path, RATE, report) else { continue };
        let fields = Fields::new(map, &path, RATE);
        let from =
            fields.require("from", report).then(|| fields.asset_code("from", report)).flatten();
        let to = fields.require("to", report).then(|| fields.asset_code("to", report)).flatten();
        let rate = fields.require("rate", report).then(|| fields.rate("rate", report)).flatten();
        let (Some(from), Some(to)) = (from, to) else { continue };
        if from == to {
            fields.problem(
                "to",
                "is the same asset as from",
                "an asset needs no rate to itself",
                report,
            );
            continue;
        }
        if !known.insert((from.clone(), to.clone())) {
            let what = format!("a second rate from {from} to {to}");
            fields.problem("from", what, "remove one of them", report);
            continue;
        }
        if let Some(rate) = rate {
            rates.push((from, to, rate));
        }
    }
    if rates.len() != list.len() {
        report.unread(fields.key_place("rates"));
    }
    rates
}

/// Every pair of assets that a route connects needs a rate (D13), and one that can be exact.
pub(super) fn check_rates(
    peers: &[PeerConfig],
    routes: &[Route],
    rates: &[NamedRate],
    fields: Fields<'_>,
    report: &mut DiagnosticSink,
) {
    // Nearly every node has one asset: nothing to look at, not even among a million routes.
    let mut assets: Vec<&PeerConfig> = Vec::new();
    for peer in peers {
        if !assets.iter().any(|known| known.account.asset == peer.account.asset) {
            assets.push(peer);
        }
    }
    if assets.len() < 2 {
        return;
    }
    let mut said = HashSet::new();
    let count = routes.len();
    let mut seen_hops = HashSet::new();
    let routes = routes.iter().enumerate().filter(|(_, route)| seen_hops.insert(&route.next_hop));
    let by_route: Vec<(Option<usize>, &AccountId)> =
        routes.map(|(index, route)| (Some(index), &route.next_hop)).collect();
    // Children and the parent have routes that nobody writes.
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
            let Some((what, help)) = no_conversion(source, target, rates, ends) else { continue };
            if said.insert((source.clone(), target.clone())) {
                let place = match index {
                    Some(index) => route_place(fields, index, count),
                    None => peer_place(fields, id),
                };
                report.problem(place, None, what, help);
            }
        }
    }
}

/// Why amounts in `source` cannot become amounts in `target`, and what to do. `link_ends`: whose assets they are.
pub(super) fn no_conversion(
    source: &Asset,
    target: &Asset,
    rates: &[NamedRate],
    ends: (String, String),
) -> Option<(String, String)> {
    let rate = if source.code == target.code {
        Some(Rate::ONE)
    } else {
        let known = rates.iter().find(|(from, to, _)| *from == source.code && *to == target.code);
        known.map(|(_, _, rate)| *rate)
    };
    let (from, to) = ends;
    match rate.map(|rate| Conversion::new(source, target, rate)) {
        Some(Ok(_)) => None,
        None => Some((
            format!("no rate from {} ({from}) to {} ({to})", source.code, target.code),
            format!("add to rates: {{from: {}, to: {}, rate: \"...\"}}", source.code, target.code),
        )),
        Some(Err(error)) => Some((
            format!("{source} ({from}) to {target} ({to}) cannot be exact"),
            error.to_string(),
        )),
    }
}

fn route_place(fields: Fields<'_>, index: usize, count: usize) -> Location {
    let list = fields.value("routes").and_then(Value::as_list).unwrap_or_default();
    let path = fields.path_of("routes");
    // Routes with mistakes were left out, and then their numbers tell nothing.
    match list.get(index).filter(|_| count == list.len()) {
        Some(value) => path.index(index, &value.at).place(),
        None => path.place(),
    }
}

fn peer_place(fields: Fields<'_>, id: &AccountId) -> Location {
    let list = fields.value("peers").and_then(Value::as_list).unwrap_or_default();
    let path = fields.path_of("peers");
    let is_it = |value: &Value| {
        value.as_map().and_then(|map| map.get("id")).and_then(Value::as_text) == Some(id.as_str())
    };
    match list.iter().enumerate().find(|(_, value)| is_it(value)) {
        Some((index, value)) => path.index(index, &value.at).place(),
        None => path.place(),
    }
}
