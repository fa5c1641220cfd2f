//! The metrics of the node, of its sessions with peers, and of its listeners.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::family_encoder::{FamilyEncoder, FamilySource, by_direction, peer_label};
use super::guest_families::GuestMetrics;
use super::settlement_families::EngineMetrics;
use super::{
    StatusMetrics, account_families, guest_families, otlp_families, process, rate_families,
    settlement_families, store_families, webhook_families,
};
use crate::connector::ConnectorReport;
use crate::net::ClockReport;
use crate::peers::{
    BtpCounts, HttpCounts, OtlpCounts, PeerCounts, PeerSnapshot, PeerState, StoreReport,
    WebhookMeter,
};
use crate::rates::SourceState;
use crate::routing::ccp::PeerRoutesReport;
use crate::wire::Timestamp;

/// Everything that metrics are computed from, read at one time.
#[derive(Debug)]
pub(super) struct MetricsSnapshot {
    /// Without guests.
    pub(super) report: ConnectorReport,
    pub(super) guests: GuestMetrics,
    pub(super) ccp: Vec<PeerRoutesReport>,
    pub(super) peers: Vec<PeerSnapshot>,
    pub(super) server: BtpCounts,
    pub(super) http: HttpCounts,
    pub(super) uptime: Duration,
    pub(super) clock: ClockReport,
    /// `None` without a store.
    pub(super) store: Option<StoreReport>,
    pub(super) engines: EngineMetrics,
    /// The sources of exchange rates.
    pub(super) rates: Vec<SourceState>,
    /// The webhooks, by id.
    pub(super) webhooks: BTreeMap<String, WebhookMeter>,
    /// `None` without a collector of spans.
    pub(super) otlp: Option<OtlpCounts>,
    /// The time of day.
    pub(super) now: Timestamp,
    /// When the listeners' certificate expires, in seconds since 1970; `None` without one.
    pub(super) certificate_expiry: Option<u64>,
    pub(super) packet_lines: u64,
    pub(super) packet_lines_dropped: u64,
    pub(super) log_lines_lost: u64,
    pub(super) status: StatusMetrics,
}

pub(super) fn encode(
    snapshot: &MetricsSnapshot,
    mut families: FamilyEncoder<'_, '_>,
) -> fmt::Result {
    let families = &mut families;
    let help = "1 if the node is healthy, as /health reports it, else 0";
    families.gauge("ilp_ready", help, None, i64::from(snapshot.status.ready))?;
    let help = "1 if this process waits for books that another one has, else 0";
    families.gauge("ilp_standby", help, None, i64::from(snapshot.status.standby))?;
    encode_node(snapshot, families)?;
    encode_configuration(&snapshot.status, families)?;
    account_families::encode(&snapshot.report, families)?;
    settlement_families::encode(&snapshot.report.accounts, &snapshot.engines, families)?;
    encode_sessions(&snapshot.peers, &snapshot.status, families)?;
    encode_ccp(&snapshot.ccp, families)?;
    encode_listeners(snapshot, families)?;
    guest_families::encode(&snapshot.guests, snapshot.server.refused_guests, families)?;
    encode_clock(&snapshot.clock, families)?;
    store_families::encode(snapshot.store.as_ref(), families)?;
    rate_families::encode(&snapshot.rates, families)?;
    otlp_families::encode(snapshot.otlp, families)?;
    webhook_families::encode(&snapshot.webhooks, snapshot.now, families)?;
    process::encode(families)
}

fn encode_node(snapshot: &MetricsSnapshot, families: &mut FamilyEncoder<'_, '_>) -> fmt::Result {
    let report = &snapshot.report;
    let address = report.address.as_ref().map(ToString::to_string).unwrap_or_default();
    let help =
        "The node's name, its ILP address (empty while it has none) and the program's version";
    families.0.encode_descriptor("ilp_build", help, None, MetricType::Info)?.encode_info(&[
        ("node", report.node_id.as_str()),
        ("address", address.as_str()),
        ("version", env!("CARGO_PKG_VERSION")),
    ])?;
    let uptime = snapshot.uptime.as_secs_f64();
    families.gauge("ilp_uptime", "Time since the node started", Some(&Unit::Seconds), uptime)?;
    families.gauge("ilp_routes", "Prefixes in the routing table", None, report.routes)?;
    families.counter(
        "ilp_packet_log_records",
        "Packet log records written as lines",
        snapshot.packet_lines,
    )?;
    families.counter(
        "ilp_packet_log_records_dropped",
        "Packet log records lost because the ring was full",
        snapshot.packet_lines_dropped,
    )?;
    families.counter(
        "ilp_log_lines_lost",
        "Log lines of the process lost: there was no room for them, or a write failed",
        snapshot.log_lines_lost,
    )
}

fn encode_configuration(
    status: &StatusMetrics,
    families: &mut FamilyEncoder<'_, '_>,
) -> fmt::Result {
    families.gauge(
        "ilp_config_last_reload_successful",
        "1 if the configuration that was read last was applied, 0 if it was refused",
        None,
        i64::from(status.reload_successful),
    )?;
    let at = status.reload_succeeded_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    families.gauge(
        "ilp_config_last_reload_success_timestamp",
        "When a configuration was last applied, in seconds since 1970",
        Some(&Unit::Seconds),
        at.as_secs_f64(),
    )
}

fn encode_sessions(
    peers: &[PeerSnapshot],
    status: &StatusMetrics,
    families: &mut FamilyEncoder<'_, '_>,
) -> fmt::Result {
    families.gauges(
        "ilp_peer_connected",
        "1 if a session with the peer is up, else 0",
        None,
        peers
            .iter()
            .map(|peer| (peer_label(&peer.id), i64::from(peer.state == PeerState::Connected))),
    )?;
    families.gauges(
        "ilp_peer_state",
        "1 for the state that the peer is in; the peer's other states are left out",
        None,
        peers
            .iter()
            .map(|peer| ([("peer", peer.id.as_str()), ("state", peer.state.as_str())], 1_i64)),
    )?;
    let count_families: [FamilySource<PeerCounts, u64>; 8] = [
        ("ilp_sessions", "Sessions that were authenticated", |counts| counts.sessions),
        (
            "ilp_reconnects",
            "Times that the peer was connected again after it had been disconnected",
            |counts| counts.reconnects,
        ),
        (
            "ilp_failed_attempts",
            "Attempts to reach the peer that failed, for whatever reason",
            |counts| counts.failed_attempts,
        ),
        (
            "ilp_authentication_failures",
            "Attempts to reach the peer that it refused, for our name or token",
            |counts| counts.authentication_failures,
        ),
        (
            "ilp_refused_peer_logins",
            "Logins under the peer's name that this node refused",
            |counts| counts.refused_logins,
        ),
        (
            "ilp_unreadable_frames",
            "Frames of the peer that could not be read: text messages, and what is not BTP",
            |counts| counts.unreadable_frames,
        ),
        (
            "ilp_refused_frames",
            "Frames of the peer that were answered with a BTP ERROR",
            |counts| counts.refused_frames,
        ),
        (
            "ilp_wrong_answers",
            "Answers of the peer to packets that are not those of a connector",
            |counts| counts.wrong_answers,
        ),
    ];
    let counts = peers.iter().map(|peer| (&peer.id, &peer.counts));
    families.counters_by_peer(&count_families, counts)?;
    // A metric of its own: another label on `ilp_peer_connected` would end the series of dashboards.
    families.gauges(
        "ilp_peer_required",
        "1 for each peer without which the node is not healthy; others are left out",
        None,
        status.required.iter().map(|peer| (peer_label(peer), 1_i64)),
    )
}

/// Only for peers that exchange routes.
fn encode_ccp(peers: &[PeerRoutesReport], families: &mut FamilyEncoder<'_, '_>) -> fmt::Result {
    families.gauges(
        "ilp_learned_routes",
        "Routes from the peer that are kept, the best ones or not",
        None,
        peers.iter().map(|peer| (peer_label(&peer.peer), peer.routes)),
    )?;
    families.counters(
        "ilp_route_updates",
        "Route updates received from the peer, or sent to it, with or without a change",
        peers
            .iter()
            .flat_map(|peer| by_direction(&peer.peer, peer.updates_received, peer.updates_sent)),
    )?;
    families.counters(
        "ilp_refused_routes",
        "Advertised routes that were refused, by reason",
        peers.iter().flat_map(|peer| {
            peer.refused.iter().map(|(reason, count)| {
                ([("peer", peer.peer.as_str()), ("reason", reason.as_str())], count)
            })
        }),
    )
}

fn encode_listeners(
    snapshot: &MetricsSnapshot,
    families: &mut FamilyEncoder<'_, '_>,
) -> fmt::Result {
    let (btp, http) = (&snapshot.server, &snapshot.http);
    for (name, help, count) in [
        ("ilp_server_sockets", "Sockets that the BTP server accepted", btp.accepted),
        (
            "ilp_server_sockets_over_limit",
            "Sockets closed at once because too many had not authenticated yet",
            btp.over_limit,
        ),
        (
            "ilp_server_failed_handshakes",
            "Sockets that never came as far as a login",
            btp.failed_before_login,
        ),
        ("ilp_server_refused_logins", "Logins that were refused", btp.refused_logins),
        ("ilp_http_sockets", "Sockets that the HTTP server accepted", http.accepted),
        (
            "ilp_http_sockets_over_limit",
            "Connections closed for others because too many had not authenticated",
            http.over_limit,
        ),
        (
            "ilp_http_failed_handshakes",
            "Sockets whose TLS handshake failed",
            http.failed_tls_handshakes,
        ),
        ("ilp_http_requests", "Requests to the HTTP server, of all kinds", http.requests),
        (
            "ilp_http_refused_logins",
            "Requests for a peer's account with a wrong token, or without one",
            http.refused_logins,
        ),
    ] {
        families.counter(name, help, count)?;
    }
    let Some(expiry) = snapshot.certificate_expiry else { return Ok(()) };
    families.gauge(
        "ilp_tls_certificate_expiry_timestamp_seconds",
        "When the certificate of the BTP and HTTP servers expires, in seconds since 1970",
        None,
        expiry,
    )
}

fn encode_clock(report: &ClockReport, families: &mut FamilyEncoder<'_, '_>) -> fmt::Result {
    families.counter(
        "ilp_clock_jumps",
        "Jumps of the system clock by more than half of minMessageWindowMs",
        report.jumps,
    )?;
    let suspended = report.suspended.as_secs_f64();
    let help = "Time that the machine was suspended";
    families.counter_in("ilp_suspended", help, Some(&Unit::Seconds), suspended)
}
