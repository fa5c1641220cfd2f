//! The tree of one node -> [`NodeConfig`]. The same for a node file, for a node of a topology, and without a file.

use std::path::Path;
use std::time::Duration;

use super::diagnostics::DiagnosticSink;
use super::exchange_rates::KnownRates;
use super::file::absolute;
use super::key_names::check_names;
use super::key_types::KeySet;
use super::keys::KeyInfo;
use super::location::ValuePath;
use super::mapping::Mapping;
use super::node_keys::{NODE, NodeDraft, NodeSettings};
use super::own_address::{mistakes_below, not_below_peer};
use super::settings::{NodeConfig, Routing, Unset};
use super::value::Value;
use super::{
    api_tokens, exchange_rates, guests, peers, proxies, receivers, routes, settlement, store,
    weak_secrets, webhooks,
};
use crate::account::{Asset, Relation};
use crate::net::{StorePlace, is_loopback};
use crate::wire::{Address, Scheme};

/// Reads and validates a node. `None`: the report has problems.
///
/// Relative paths of files start at `directory`.
pub fn read(
    root: &Value,
    directory: Option<&Path>,
    report: &mut DiagnosticSink,
) -> Option<NodeConfig> {
    let Some(map) = root.as_map() else {
        super::yaml_hints::not_a_mapping(root, report);
        return None;
    };
    let path = ValuePath::root(&root.at);
    check_names(map, &path, NodeSettings::KEYS.iter(), report);
    let mapping = Mapping::new(map, &path);
    let mut draft = NodeSettings::read(mapping, report);
    make_paths_absolute(&mut draft, directory);

    let asset_unset =
        Unset { code: !mapping.has(&NODE.asset_code), scale: !mapping.has(&NODE.asset_scale) };
    let default = Asset::default();
    let mut asset = Asset {
        code: draft.asset_code.clone().unwrap_or(default.code),
        scale: draft.asset_scale.unwrap_or(default.scale),
    };
    let node = peers::PeerDefaults {
        id: draft.node_id.as_ref().map(|id| id.as_str()),
        asset: asset.clone(),
        dynamic: draft.routing == Some(Routing::Dynamic),
    };
    let (mut peers, broken) = peers::read(&node, mapping, report);
    peers::adopt_from_parent(&mut asset, asset_unset, &mut peers);
    let receivers = receivers::read(&asset, &peers, &broken, mapping, report);
    receivers::check_secret(draft.receiver_secret.as_ref(), mapping, report);
    let operators = draft.api_token.as_ref();
    let api_tokens = api_tokens::read(&peers, &broken, operators, mapping, report);
    let webhooks = webhooks::read(mapping, report);
    let proxies = proxies::read(mapping, report);
    let routes = routes::read(&peers, &broken, mapping, report);
    let (rates, broken_rates) = exchange_rates::read(mapping, report);
    let rate_sources = exchange_rates::read_sources(directory, mapping, report);
    exchange_rates::warn_of_gains(&rates, draft.spread.unwrap_or_default(), mapping, report);

    let given = draft.ilp_address.as_ref();
    check_own_address(given, mapping, report);
    routes::check_networks(given, mapping, report);
    report.following(
        [mapping.key_place(&NODE.rates), mapping.key_place(&NODE.rate_sources)],
        |report| {
            // Without the parent's asset, those of other accounts are not known.
            if broken.may_hide_parent {
                return;
            }
            let (broken, has_sources) = (&*broken_rates, !rate_sources.is_empty());
            let known = KnownRates { rates: &rates, broken, has_sources };
            routes::check_rates(&peers, &routes, known, mapping, report);
            receivers::check_rates(&peers, &receivers, known, mapping, report);
        },
    );
    let scheme = routes::scheme(given, &routes);
    let has_parent = peers.iter().any(|peer| peer.account.relation == Relation::Parent);
    let address = match (given, &draft.node_id) {
        (Some(given), _) => Some(given.clone()),
        (None, Some(id)) if !has_parent => Some(default_address(scheme, id.as_str())),
        _ => None,
    };
    if let Some(address) = &address {
        let path = mapping.path_of(&NODE.ilp_address);
        for error in mistakes_below(address, &peers, &receivers) {
            report.at(&path, error.to_string(), "shorten ilpAddress");
        }
        routes::check_own_address(address, mapping, report);
    }
    peers::warn_of_limits(scheme, &peers, mapping, report);
    check_listeners(&draft, mapping, report);
    guests::check(scheme, &draft, mapping, report);
    weak_secrets::warn(scheme, &draft, root, mapping, report);
    // With `tls` the tools need it, to log in at this node.
    if draft.ca_file.is_some()
        && !mapping.has(&NODE.tls)
        && !peers.iter().any(|peer| peer.url.as_ref().is_some_and(|url| url.is_tls()))
    {
        let what = "no peer has a wss or https url, so nothing is checked with it";
        let help = "remove it, or use wss:// or https:// in a url";
        mapping.warn(&NODE.ca_file, what, help, report);
    }
    store::warn(scheme, &draft, mapping, report);
    settlement::check(&peers, &draft, mapping, report);
    check_times(&draft, mapping, report);
    if report.has_problems() {
        return None;
    }
    let settings = NodeSettings::finish(draft)?;
    Some(NodeConfig {
        settings,
        address,
        scheme,
        asset,
        asset_unset,
        peers,
        receivers,
        api_tokens,
        webhooks,
        proxies,
        routes,
        rates,
        rate_sources,
    })
}

fn make_paths_absolute(draft: &mut NodeDraft, directory: Option<&Path>) {
    let tls = draft.tls.iter_mut().flat_map(|tls| [&mut tls.certificate, &mut tls.key]);
    let store = draft.store.as_mut().and_then(|store| match store {
        StorePlace::File(path) => Some(path),
        StorePlace::Postgres(_) => None,
    });
    for path in tls.chain(&mut draft.ca_file).chain(store).chain(&mut draft.audit_log) {
        *path = absolute(std::mem::take(path), directory);
    }
}

fn default_address(scheme: Scheme, id: &str) -> Address {
    let address = format!("{scheme}.{id}");
    address.parse().expect("an id is a valid segment, and far shorter than an address may be")
}

fn check_own_address(given: Option<&Address>, mapping: Mapping<'_>, report: &mut DiagnosticSink) {
    if given.is_some_and(|address| not_below_peer(address).is_err()) {
        let help = "addresses below peer. mean the direct neighbour; use test.<name> or g.<name>";
        mapping.problem(&NODE.ilp_address, "is below peer.", help, report);
    }
}

/// Keys of the listeners that do nothing, pages that are open, and ports that clash.
fn check_listeners(draft: &NodeDraft, mapping: Mapping<'_>, report: &mut DiagnosticSink) {
    if !mapping.has(&NODE.http_server_port) {
        let help = "set httpServerPort too";
        if mapping.has(&NODE.http_server_host) {
            let what = "there is no HTTP server, as httpServerPort is not set";
            mapping.warn(&NODE.http_server_host, what, help, report);
        }
        if draft.http_public_url.is_some() {
            let what = "there is no HTTP server to be reached, as httpServerPort is not set";
            mapping.warn(&NODE.http_public_url, what, help, report);
        }
    }
    if let Some(host) = &draft.health_check_host
        && !mapping.has(&NODE.api_token)
        && mapping.items(&NODE.api_tokens).is_empty()
        && !is_loopback(host)
    {
        let what =
            "/metrics, /peers, /routes and /api/v1 are open to everyone who reaches the port";
        let help = format!("set apiToken, or healthCheckHost to 127.0.0.1 (it is {host})");
        let keys = [&NODE.api_token, &NODE.api_tokens, &NODE.health_check_host];
        let keys = keys.map(|key| mapping.places_of(key));
        report.following(keys.into_iter().flatten(), |report| {
            mapping.warn(&NODE.api_token, what, help, report);
        });
    }
    check_ports(draft, mapping, report);
}

/// The host of the guests' door, which is both 127.0.0.1 and ::1.
const DOOR: &str = "localhost";

/// Two listeners need two ports, unless they bind different addresses.
fn check_ports(draft: &NodeDraft, mapping: Mapping<'_>, report: &mut DiagnosticSink) {
    let (guests_host, guests_port) =
        (Some(DOOR.to_owned()), draft.guests.as_ref().map(|guests| guests.port));
    let listeners = [
        (&NODE.guests, &guests_host, guests_port),
        (&NODE.btp_server_port, &draft.btp_server_host, draft.btp_server_port),
        (&NODE.http_server_port, &draft.http_server_host, draft.http_server_port),
        (&NODE.health_check_port, &draft.health_check_host, draft.health_check_port),
        (&NODE.settlement_port, &draft.settlement_host, draft.settlement_port),
    ];
    let is_wildcard = |host: &str| matches!(host, "0.0.0.0" | "::");
    for (index, (key, host, port)) in listeners.iter().enumerate() {
        for (other, other_host, other_port) in listeners.iter().skip(index + 1) {
            let (Some(host), Some(other_host)) = (host, other_host) else { continue };
            let overlap = host == other_host
                || is_wildcard(host)
                || is_wildcard(other_host)
                || (host == DOOR && matches!(other_host.as_str(), "127.0.0.1" | "::1"));
            let Some(port) = port.filter(|port| *port != 0 && Some(*port) == *other_port) else {
                continue;
            };
            if overlap {
                // The one that the file sets is the one to change.
                let key_to_change = mapping.first_set([*other, *key]);
                let what = format!("{} and {} are both {port}", key.name, other.name);
                let help = "give each listener a port of its own";
                mapping.problem(key_to_change, what, help, report);
            }
        }
    }
}

/// Compares times of which one must be below the other.
fn check_times(draft: &NodeDraft, mapping: Mapping<'_>, report: &mut DiagnosticSink) {
    type Time<'k> = (&'k KeyInfo, Duration);
    let mut problem = |(key, time): Time<'_>, relation: &str, (other, limit): Time<'_>, help| {
        let (time, limit) = (time.as_millis(), limit.as_millis());
        let what = format!("{} ({time}) {relation} {} ({limit})", key.name, other.name);
        mapping.problem(mapping.first_set([key, other]), what, help, report);
    };
    if let (Some(window), Some(hold)) = (draft.min_message_window, draft.max_hold_time)
        && window >= hold
    {
        let (window, hold) = ((&NODE.min_message_window, window), (&NODE.max_hold_time, hold));
        problem(window, "is not below", hold, "no packet would have time left to be forwarded");
    }
    if let (Some(down), Some(interval)) = (draft.route_hold_down, draft.route_broadcast_interval)
        && down < interval
    {
        let down = (&NODE.route_hold_down, down);
        let interval = (&NODE.route_broadcast_interval, interval);
        let help = "peers would drop our routes between two updates; half as long again is usual";
        problem(down, "is below", interval, help);
    }
}
