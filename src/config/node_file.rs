//! The tree of one node -> [`NodeConfig`]. The same for a node file, for a node of a topology, and for no file at all.

use std::path::Path as FilePath;
use std::time::Duration;

use crate::account::{Asset, Relation};
use crate::local::PingSettings;
use crate::routing::ccp::CcpTiming;
use crate::transport::{HttpLimits, PlaceLimits};
use crate::wire::{Address, Scheme};

use super::diagnostics::DiagnosticSink;
use super::fields::Fields;
use super::key_names::check_names;
use super::keys::{NODE, PING, TLS};
use super::location::Path;
use super::own_address::not_below_peer;
use super::settings::{
    HealthSettings, HttpSettings, LogSettings, NodeConfig, Routing, ServerSettings,
    SessionSettings, TlsFiles, Unset,
};
use super::value::Value;
use super::{peers, receivers, routes, weak_secrets};

/// Reads and validates. `None`: the report has problems.
///
/// `directory` is where relative paths of files start.
pub(super) fn read(
    root: &Value,
    directory: Option<&FilePath>,
    report: &mut DiagnosticSink,
) -> Option<NodeConfig> {
    let Some(map) = root.as_map() else {
        super::yaml_hints::not_a_mapping(root, report);
        return None;
    };
    let path = Path::root(&root.at);
    check_names(map, &path, NODE.iter(), report);
    let fields = Fields::new(map, &path, NODE);

    let node_id = fields.require("nodeId", report).then(|| fields.id("nodeId", report)).flatten();
    let given = fields.address("ilpAddress", report);
    let code = fields.asset_code("assetCode", report);
    let scale = fields.number::<u8>("assetScale", report);
    let asset_unset = Unset { code: !fields.has("assetCode"), scale: !fields.has("assetScale") };
    let asset = Asset {
        code: code.unwrap_or_else(|| Asset::default().code),
        scale: scale.unwrap_or(Asset::default().scale),
    };
    let routing = fields.choice::<Routing>("routing", report);
    let exchange = exchange(fields, report);
    let node = peers::PeerOwner {
        id: node_id.as_ref().map(|id| id.as_str()),
        asset: asset.clone(),
        dynamic: routing == Some(Routing::Dynamic),
    };
    let mut peers = peers::read(&node, fields, report);
    let asset = peers::adopt_from_parent(asset, asset_unset, &mut peers);
    let receivers = receivers::read(&asset, &peers, fields, report);
    let receiver_secret = receivers::secret(fields, report);
    let routes = routes::read(&peers, fields, report);
    let rates = routes::rates(fields, report);

    own_address(given.as_ref(), fields, report);
    routes::check_networks(given.as_ref(), fields, report);
    report.following([fields.key_place("rates")], |report| {
        routes::check_rates(&peers, &routes, &rates, fields, report);
        receivers::check_rates(&peers, &receivers, &rates, fields, report);
    });
    let scheme = routes::scheme(given.as_ref(), &routes);
    let has_parent = peers.iter().any(|peer| peer.account.relation == Relation::Parent);
    let address = match (&given, &node_id) {
        (Some(_), _) => given.clone(),
        (None, Some(id)) if !has_parent => default_address(scheme, id.as_str()),
        _ => None,
    };
    if let Some(address) = &address {
        let path = fields.path_of("ilpAddress");
        peers::check_child_addresses(address, &peers, &path, report);
        receivers::check_addresses(address, &receivers, &path, report);
        routes::check_own_address(address, fields, report);
    }
    peers::warn_of_limits(scheme, &peers, fields, report);

    let server = server(fields, directory, report);
    let http = http(fields, report);
    let health = health(fields, report);
    if let (Some(server), Some(http), Some(health)) = (&server, &http, &health) {
        check_ports(server, http, health, fields, report);
    }
    weak_secrets::warn(scheme, server.as_ref(), http.as_ref(), map, &path, report);
    let session = session(fields, report);
    let ca_file = fields.file("caFile", report).map(|path| peers::absolute(path, directory));
    // With `tls` the tools need it, to log in at this node.
    if ca_file.is_some()
        && server.as_ref().is_some_and(|server| server.tls.is_none())
        && !peers.iter().any(|peer| peer.url.as_ref().is_some_and(|url| url.is_tls()))
    {
        let what = "no peer has a wss or https url, so nothing is checked with it";
        let help = "remove it, or use wss:// or https:// in a url";
        report.warn(fields.path_of("caFile").place(), what, help);
    }
    let (min_message_window, max_hold) = expiry(fields, report);
    let ping = ping(fields, report);
    let level = fields.log_level("logLevel", report);
    let packets = fields.boolean("packetLog", report);
    let start_timeout = fields.millis("startTimeoutMs", report);
    let shutdown_grace = fields.millis("shutdownGraceMs", report);
    let worker_threads = fields.number::<usize>("workerThreads", report);
    if report.has_problems() {
        return None;
    }
    Some(NodeConfig {
        node_id: node_id?,
        address,
        scheme,
        asset,
        asset_unset,
        server: server?,
        http: http?,
        health: health?,
        peers,
        receivers,
        receiver_secret,
        routes,
        rates,
        min_message_window: min_message_window?,
        max_hold: max_hold?,
        ping: ping?,
        routing: routing?,
        exchange: exchange?,
        session: session?,
        ca_file,
        log: LogSettings { level: level?, packets: packets? },
        start_timeout: start_timeout?,
        shutdown_grace: shutdown_grace?,
        worker_threads: worker_threads?,
    })
}

/// `<scheme>.<nodeId>`. An id is a valid segment, and far shorter than an address may be.
fn default_address(scheme: Scheme, id: &str) -> Option<Address> {
    format!("{scheme}.{id}").parse().ok()
}

fn own_address(given: Option<&Address>, fields: Fields<'_>, report: &mut DiagnosticSink) {
    if given.is_some_and(|address| not_below_peer(address).is_err()) {
        let help = "addresses below peer. mean the direct neighbour; use test.<name> or g.<name>";
        fields.problem("ilpAddress", "is below peer.", help, report);
    }
}

fn server(
    fields: Fields<'_>,
    directory: Option<&FilePath>,
    report: &mut DiagnosticSink,
) -> Option<ServerSettings> {
    let host = fields.host("btpServerHost", report);
    let port = fields.port("btpServerPort", report);
    let total = fields.number::<usize>("maxUnauthenticated", report);
    let per_origin = fields.number::<usize>("maxUnauthenticatedPerAddress", report);
    let kept_for_known = fields.number::<usize>("keptForKnownAddresses", report);
    let tls = match fields.map("tls", report) {
        None => Some(None),
        Some(map) => {
            let path = fields.path_of("tls");
            check_names(map, &path, TLS.iter(), report);
            let tls = Fields::new(map, &path, TLS);
            let mut file = |name| {
                let file = tls.require(name, report).then(|| tls.file(name, report)).flatten()?;
                Some(peers::absolute(file, directory))
            };
            let (certificate, key) = (file("certificate"), file("key"));
            certificate.zip(key).map(|(certificate, key)| Some(TlsFiles { certificate, key }))
        }
    };
    Some(ServerSettings {
        host: host?,
        port: port?,
        tls: tls?,
        unauthenticated: PlaceLimits {
            total: total?,
            per_origin: per_origin?,
            kept_for_known: kept_for_known?,
        },
    })
}

fn http(fields: Fields<'_>, report: &mut DiagnosticSink) -> Option<HttpSettings> {
    let host = fields.host("httpServerHost", report);
    let port = fields.port("httpServerPort", report);
    if fields.has("httpServerHost") && !fields.has("httpServerPort") {
        let what = "there is no HTTP server, as httpServerPort is not set";
        report.warn(fields.path_of("httpServerHost").place(), what, "set httpServerPort too");
    }
    let public_url = fields.http_url("httpPublicUrl", report);
    if public_url.is_some() && !fields.has("httpServerPort") {
        let what = "there is no HTTP server to be reached, as httpServerPort is not set";
        report.warn(fields.path_of("httpPublicUrl").place(), what, "set httpServerPort too");
    }
    let mut number = |name| fields.number::<usize>(name, report);
    let unauthenticated = (
        number("httpMaxUnauthenticated"),
        number("httpMaxUnauthenticatedPerAddress"),
        number("httpKeptForKnownAddresses"),
    );
    let (of_peers_max, of_one_peer_max) =
        (number("httpMaxConnections"), number("httpMaxConnectionsPerPeer"));
    let requests = fields.number::<u32>("httpStrangerRequestsPerSecond", report);
    let limits = HttpLimits {
        unauthenticated: PlaceLimits {
            total: unauthenticated.0?,
            per_origin: unauthenticated.1?,
            kept_for_known: unauthenticated.2?,
        },
        of_peers_max: of_peers_max?,
        of_one_peer_max: of_one_peer_max?,
        stranger_requests_per_second: requests?,
    };
    // A port that was refused is no port, but it is reported.
    Some(HttpSettings { host: host?, port, public_url, limits })
}

fn health(fields: Fields<'_>, report: &mut DiagnosticSink) -> Option<HealthSettings> {
    let host = fields.host("healthCheckHost", report);
    let port = fields.port("healthCheckPort", report);
    let api_token = fields.secret("apiToken", report);
    let api_hosts = fields.host_names("apiHosts", report);
    let host = host?;
    if api_token.is_none() && !fields.has("apiToken") && !is_loopback(&host) {
        let what = "/metrics, /peers and /routes are open to everyone who reaches the port";
        let help = format!("set apiToken, or healthCheckHost to 127.0.0.1 (it is {host})");
        let keys = ["apiToken", "apiTokenFile", "healthCheckHost"];
        report.following(keys.map(|key| fields.key_place(key)), |report| {
            report.warn(fields.path_of("apiToken").place(), what, help);
        });
    }
    Some(HealthSettings { host, port: port?, api_token, api_hosts })
}

/// Whether only this machine reaches a host.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Two listeners need two ports, unless they bind different addresses.
fn check_ports(
    server: &ServerSettings,
    http: &HttpSettings,
    health: &HealthSettings,
    fields: Fields<'_>,
    report: &mut DiagnosticSink,
) {
    let btp = ("btpServerPort", &server.host, server.port);
    let http = http.port.map(|port| ("httpServerPort", &http.host, port));
    let health = ("healthCheckPort", &health.host, health.port);
    let listeners: Vec<_> = [Some(btp), http, Some(health)].into_iter().flatten().collect();
    let wildcard = |host: &str| matches!(host, "0.0.0.0" | "::");
    for (index, (name, host, port)) in listeners.iter().enumerate() {
        for (other, other_host, other_port) in listeners.iter().skip(index + 1) {
            let overlap = host == other_host || wildcard(host) || wildcard(other_host);
            if port != other_port || *port == 0 || !overlap {
                continue;
            }
            // The one that was written down is the one to change.
            let name_to_change = if fields.has(other) { other } else { name };
            let what = format!("{name} and {other} are both {port}");
            fields.problem(name_to_change, what, "give each listener a port of its own", report);
        }
    }
}

fn session(fields: Fields<'_>, report: &mut DiagnosticSink) -> Option<SessionSettings> {
    let auth_timeout = fields.millis("authTimeoutMs", report);
    let keep_alive_interval = fields.millis("keepAliveIntervalMs", report);
    let keep_alive_timeout = fields.millis("keepAliveTimeoutMs", report);
    let write_timeout = fields.millis("writeTimeoutMs", report);
    Some(SessionSettings {
        auth_timeout: auth_timeout?,
        keep_alive_interval: keep_alive_interval?,
        keep_alive_timeout: keep_alive_timeout?,
        write_timeout: write_timeout?,
    })
}

fn expiry(fields: Fields<'_>, report: &mut DiagnosticSink) -> (Option<Duration>, Option<Duration>) {
    let window = fields.millis("minMessageWindowMs", report);
    let hold = fields.millis("maxHoldTimeMs", report);
    if let (Some(window), Some(hold)) = (window, hold)
        && window >= hold
    {
        let name =
            if fields.has("minMessageWindowMs") { "minMessageWindowMs" } else { "maxHoldTimeMs" };
        let what = format!(
            "minMessageWindowMs ({}) is not below maxHoldTimeMs ({})",
            window.as_millis(),
            hold.as_millis()
        );
        fields.problem(name, what, "no packet would have time left to be forwarded", report);
    }
    (window, hold)
}

/// How often routes are told, and how long they hold.
fn exchange(fields: Fields<'_>, report: &mut DiagnosticSink) -> Option<CcpTiming> {
    let broadcast_interval = fields.millis("routeBroadcastIntervalMs", report);
    let hold_down = fields.millis("routeHoldDownMs", report);
    let (broadcast_interval, hold_down) = (broadcast_interval?, hold_down?);
    if hold_down < broadcast_interval {
        let written = fields.has("routeHoldDownMs");
        let name = if written { "routeHoldDownMs" } else { "routeBroadcastIntervalMs" };
        let what = format!(
            "routeHoldDownMs ({}) is below routeBroadcastIntervalMs ({})",
            hold_down.as_millis(),
            broadcast_interval.as_millis()
        );
        let help = "peers would drop our routes between two updates; half as long again is usual";
        fields.problem(name, what, help, report);
    }
    Some(CcpTiming { broadcast_interval, hold_down })
}

/// Echo, and the well-known condition.
fn ping(fields: Fields<'_>, report: &mut DiagnosticSink) -> Option<PingSettings> {
    let empty = super::value::Map::default();
    let map = fields.map("ping", report).unwrap_or(&empty);
    let path = fields.path_of("ping");
    check_names(map, &path, PING.iter(), report);
    let fields = Fields::new(map, &path, PING);
    let echo = fields.boolean("echo", report);
    let known_condition = fields.boolean("knownCondition", report);
    Some(PingSettings { echo: echo?, known_condition: known_condition? })
}
