//! Every metric: its name, its help, and where its value comes from.

use std::fmt;
use std::time::{Duration, SystemTime};

use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::metrics::StatusMetrics;
use super::{ccp, clock, limits, process};
use crate::connector::{
    AccountReport, ConnectorReport, LATENCY_BUCKETS, OwnAccountReport, Stats, Traffic, code_labels,
};
use crate::net::ClockReport;
use crate::peers::{HttpCounts, PeerCounts, PeerSnapshot, PeerState, ServerCounts};
use crate::routing::ccp::PeerRoutesReport;

/// All that metrics are made of, read at one moment.
#[derive(Debug)]
pub(super) struct MetricsSnapshot {
    pub(super) report: ConnectorReport,
    pub(super) exchange: Vec<PeerRoutesReport>,
    pub(super) peers: Vec<PeerSnapshot>,
    pub(super) server: ServerCounts,
    pub(super) http: HttpCounts,
    pub(super) uptime: Duration,
    pub(super) clock: ClockReport,
    /// The last second of the listeners' certificate, where there is one.
    pub(super) certificate_expiry: Option<u64>,
    pub(super) packet_lines: u64,
    pub(super) packet_lines_dropped: u64,
    pub(super) log_lines_lost: u64,
    pub(super) status: StatusMetrics,
}

type Encoder<'a, 'b> = &'a mut DescriptorEncoder<'b>;

const RECEIVED: &str = "received";
const SENT: &str = "sent";

pub(super) fn encode(moment: &MetricsSnapshot, encoder: Encoder<'_, '_>) -> fmt::Result {
    node(moment, encoder)?;
    packets(&moment.report.accounts, encoder)?;
    losses(&moment.report.accounts, encoder)?;
    money(&moment.report.accounts, &moment.report.own_accounts, encoder)?;
    limits::encode(&moment.report.accounts, encoder)?;
    sessions(&moment.peers, encoder)?;
    required(&moment.status, encoder)?;
    ccp::encode(&moment.exchange, encoder)?;
    listener(&moment.server, encoder)?;
    certificate(moment.certificate_expiry, encoder)?;
    http_listener(&moment.http, encoder)?;
    clock::encode(&moment.clock, encoder)?;
    process::encode(encoder)
}

fn node(moment: &MetricsSnapshot, encoder: Encoder<'_, '_>) -> fmt::Result {
    let report = &moment.report;
    let mut family = encoder.encode_descriptor(
        "ilp_build",
        "The node's name, its ILP address (empty while it has none) and the program's version",
        None,
        MetricType::Info,
    )?;
    let address = report.address.as_ref().map(ToString::to_string).unwrap_or_default();
    family.encode_info(&[
        ("node", report.node_id.as_str()),
        ("address", address.as_str()),
        ("version", env!("CARGO_PKG_VERSION")),
    ])?;
    let uptime = moment.uptime.as_secs_f64();
    encoder
        .encode_descriptor(
            "ilp_uptime",
            "Time since the node started",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?
        .encode_gauge(&uptime)?;
    let help = "Prefixes in the routing table";
    encoder
        .encode_descriptor("ilp_routes", help, None, MetricType::Gauge)?
        .encode_gauge(&report.routes)?;
    let help = "Packet log records written as lines";
    counter(encoder, "ilp_packet_log_records", help, moment.packet_lines)?;
    let help = "Packet log records lost because the ring was full";
    counter(encoder, "ilp_packet_log_records_dropped", help, moment.packet_lines_dropped)?;
    let help = "Log lines of the process lost: there was no room for them, or a write failed";
    counter(encoder, "ilp_log_lines_lost", help, moment.log_lines_lost)?;
    configuration(&moment.status, encoder)
}

fn configuration(status: &StatusMetrics, encoder: Encoder<'_, '_>) -> fmt::Result {
    encoder
        .encode_descriptor(
            "ilp_config_last_reload_successful",
            "1 if the configuration that was read last is in force, 0 if it was refused",
            None,
            MetricType::Gauge,
        )?
        .encode_gauge(&i64::from(status.reload_successful))?;
    let at = status.reload_succeeded_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    encoder
        .encode_descriptor(
            "ilp_config_last_reload_success_timestamp",
            "When a configuration was put in force last, in seconds since 1970",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?
        .encode_gauge(&at.as_secs_f64())
}

fn packets(accounts: &[AccountReport], encoder: Encoder<'_, '_>) -> fmt::Result {
    let codes: Vec<String> = code_labels().collect();
    let mut family = encoder.encode_descriptor(
        "ilp_packets",
        "ILP packets by peer, direction, type, and code of a Reject",
        None,
        MetricType::Counter,
    )?;
    for account in accounts {
        let directions = [(RECEIVED, &account.stats.received), (SENT, &account.stats.sent)];
        for (direction, traffic) in directions {
            for (kind, code, count) in kinds(traffic, &codes) {
                let labels = [
                    ("peer", account.settings.id.as_str()),
                    ("direction", direction),
                    ("type", kind),
                    ("code", code),
                ];
                family
                    .encode_family(&labels)?
                    .encode_counter::<NoLabelSet, u64, f64>(&count, None)?;
            }
        }
    }
    let mut family = encoder.encode_descriptor(
        "ilp_packets_in_flight",
        "Prepares without an answer: received from the peer, or sent to it",
        None,
        MetricType::Gauge,
    )?;
    for account in accounts {
        let directions = [(RECEIVED, account.in_flight_from), (SENT, account.in_flight_to)];
        for (direction, count) in directions {
            let labels = [("peer", account.settings.id.as_str()), ("direction", direction)];
            family.encode_family(&labels)?.encode_gauge(&count)?;
        }
    }
    latency(accounts, encoder)
}

/// Codes of Rejects that are there from the start, so that rates have a beginning: those by which an operator notices
/// that something is wrong.
const USUAL_CODES: [&str; 13] =
    ["F00", "F02", "F05", "F06", "F08", "T00", "T01", "T02", "T03", "T04", "T05", "R00", "R02"];

/// Type, code and count of everything in one direction; Rejects by unusual codes only where there are some.
fn kinds<'a>(
    traffic: &'a Traffic,
    codes: &'a [String],
) -> impl Iterator<Item = (&'static str, &'a str, u64)> {
    let is_usual = |code: &String| USUAL_CODES.contains(&code.as_str());
    let rejects =
        codes.iter().zip(traffic.rejects).filter(move |(code, count)| *count > 0 || is_usual(code));
    let rejects = rejects.map(|(code, count)| ("reject", code.as_str(), count));
    [("prepare", "", traffic.prepares), ("fulfill", "", traffic.fulfills)]
        .into_iter()
        .chain(rejects)
}

fn latency(accounts: &[AccountReport], encoder: Encoder<'_, '_>) -> fmt::Result {
    let mut family = encoder.encode_descriptor(
        "ilp_answer_latency",
        "Time from sending a Prepare to the peer to its answer",
        Some(&Unit::Seconds),
        MetricType::Histogram,
    )?;
    let bounds = LATENCY_BUCKETS.iter().map(|us| seconds(*us)).chain([f64::INFINITY]);
    let bounds: Vec<f64> = bounds.collect();
    for account in accounts {
        let stats = &account.stats;
        let count: u64 = stats.latency.iter().sum();
        if count > 0 {
            let buckets: Vec<_> = bounds.iter().copied().zip(stats.latency).collect();
            family.encode_family(&peer(account))?.encode_histogram::<NoLabelSet>(
                seconds(stats.latency_sum_us),
                count,
                &buckets,
                None,
            )?;
        }
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "metrics are floating point by definition")]
fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

fn losses(accounts: &[AccountReport], encoder: Encoder<'_, '_>) -> fmt::Result {
    type Count = fn(&Stats) -> u64;
    let families: [(&str, &str, Count); 4] = [
        ("ilp_timeouts", "Prepares to the peer that ended without an answer in time", |stats| {
            stats.timeouts
        }),
        (
            "ilp_unexpected_answers",
            "Answers of the peer that came too late, or to nothing",
            |stats| stats.unexpected_answers,
        ),
        ("ilp_dropped_answers", "Answers to the peer that no session was left for", |stats| {
            stats.dropped_answers
        }),
        (
            "ilp_wrong_fulfillments",
            "Fulfills of the peer that did not match the condition",
            |stats| stats.wrong_fulfillments,
        ),
    ];
    for (name, help, count) in families {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for account in accounts {
            let count = count(&account.stats);
            family
                .encode_family(&peer(account))?
                .encode_counter::<NoLabelSet, u64, f64>(&count, None)?;
        }
    }
    let help = "Amounts that were to be released although less was held: an error of this program";
    let mut family =
        encoder.encode_descriptor("ilp_excess_releases", help, None, MetricType::Counter)?;
    for account in accounts {
        let count = u64::from(account.excess_releases);
        family
            .encode_family(&peer(account))?
            .encode_counter::<NoLabelSet, u64, f64>(&count, None)?;
    }
    Ok(())
}

fn money(
    accounts: &[AccountReport],
    own: &[OwnAccountReport],
    encoder: Encoder<'_, '_>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(
        "ilp_account_balance_units",
        "The account's balance in its asset's smallest unit; positive: the peer owes us",
        None,
        MetricType::Gauge,
    )?;
    let of_accounts = accounts
        .iter()
        .map(|account| (account.settings.id.to_string(), &account.settings.asset, account.balance));
    let of_node = own.iter().map(|account| (account.id(), &account.asset, account.balance));
    for (id, asset, balance) in of_accounts.chain(of_node) {
        let scale = asset.scale.to_string();
        let labels = [("peer", id.as_str()), ("asset", &*asset.code), ("scale", scale.as_str())];
        family.encode_family(&labels)?.encode_gauge(&units(balance))?;
    }
    let mut family = encoder.encode_descriptor(
        "ilp_account_held_units",
        "Held for packets in flight, in the asset's smallest unit: received from the peer, or sent to it",
        None,
        MetricType::Gauge,
    )?;
    for account in accounts {
        for (direction, held) in [(RECEIVED, account.held_in), (SENT, account.held_out)] {
            let labels = [("peer", account.settings.id.as_str()), ("direction", direction)];
            family.encode_family(&labels)?.encode_gauge(&units(held))?;
        }
    }
    let mut family = encoder.encode_descriptor(
        "ilp_outbox",
        "What waits to be written to the peer",
        Some(&Unit::Bytes),
        MetricType::Gauge,
    )?;
    for account in accounts {
        family.encode_family(&peer(account))?.encode_gauge(&account.outbox_bytes)?;
    }
    Ok(())
}

/// Prometheus counts in floating point: beyond 2^53 the last digits are lost. `/peers` has them all.
#[allow(clippy::cast_precision_loss, reason = "metrics are floating point by definition")]
fn units(amount: i128) -> f64 {
    amount as f64
}

fn sessions(peers: &[PeerSnapshot], encoder: Encoder<'_, '_>) -> fmt::Result {
    let mut family = encoder.encode_descriptor(
        "ilp_peer_connected",
        "1 if a session with the peer is up, else 0",
        None,
        MetricType::Gauge,
    )?;
    for peer in peers {
        let connected = i64::from(peer.state == PeerState::Connected);
        family.encode_family(&[("peer", peer.id.as_str())])?.encode_gauge(&connected)?;
    }
    let mut family = encoder.encode_descriptor(
        "ilp_peer_state",
        "1 for the state that the peer is in; the peer's other states are left out",
        None,
        MetricType::Gauge,
    )?;
    for peer in peers {
        let labels = [("peer", peer.id.as_str()), ("state", peer.state.as_str())];
        family.encode_family(&labels)?.encode_gauge(&1_i64)?;
    }
    session_counts(peers, encoder)
}

/// A metric of its own: another label on `ilp_peer_connected` would end the series that dashboards have.
fn required(status: &StatusMetrics, encoder: Encoder<'_, '_>) -> fmt::Result {
    let mut family = encoder.encode_descriptor(
        "ilp_peer_required",
        "1 for each peer without which the node is not healthy; others are left out",
        None,
        MetricType::Gauge,
    )?;
    for peer in &status.required {
        family.encode_family(&[("peer", peer.as_str())])?.encode_gauge(&1_i64)?;
    }
    Ok(())
}

fn session_counts(peers: &[PeerSnapshot], encoder: Encoder<'_, '_>) -> fmt::Result {
    type Count = fn(&PeerCounts) -> u64;
    let families: [(&str, &str, Count); 8] = [
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
            "HTTP answers of the peer to packets that are not those of a connector",
            |counts| counts.wrong_answers,
        ),
    ];
    for (name, help, count) in families {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for peer in peers {
            family
                .encode_family(&[("peer", peer.id.as_str())])?
                .encode_counter::<NoLabelSet, u64, f64>(&count(&peer.counts), None)?;
        }
    }
    Ok(())
}

fn listener(counts: &ServerCounts, encoder: Encoder<'_, '_>) -> fmt::Result {
    for (name, help, count) in [
        ("ilp_server_sockets", "Sockets that the BTP server accepted", counts.accepted),
        (
            "ilp_server_sockets_over_limit",
            "Sockets closed at once because too many had not authenticated yet",
            counts.over_limit,
        ),
        (
            "ilp_server_failed_handshakes",
            "Sockets that never came as far as a login",
            counts.failed_handshakes,
        ),
        ("ilp_server_refused_logins", "Logins that were refused", counts.refused_logins),
    ] {
        counter(encoder, name, help, count)?;
    }
    Ok(())
}

fn certificate(expiry: Option<u64>, encoder: Encoder<'_, '_>) -> fmt::Result {
    let Some(expiry) = expiry else { return Ok(()) };
    let help = "When the certificate of the BTP and HTTP servers expires, in seconds since 1970";
    encoder
        .encode_descriptor(
            "ilp_tls_certificate_expiry_timestamp_seconds",
            help,
            None,
            MetricType::Gauge,
        )?
        .encode_gauge(&expiry)
}

fn http_listener(counts: &HttpCounts, encoder: Encoder<'_, '_>) -> fmt::Result {
    for (name, help, count) in [
        ("ilp_http_sockets", "Sockets that the HTTP server accepted", counts.accepted),
        (
            "ilp_http_sockets_over_limit",
            "Connections closed for others because too many had not authenticated",
            counts.over_limit,
        ),
        (
            "ilp_http_failed_handshakes",
            "Sockets whose TLS handshake failed",
            counts.failed_handshakes,
        ),
        ("ilp_http_requests", "Requests to the HTTP server, of all kinds", counts.requests),
        (
            "ilp_http_refused_logins",
            "Requests for a peer's account with a wrong token, or without one",
            counts.refused_logins,
        ),
    ] {
        counter(encoder, name, help, count)?;
    }
    Ok(())
}

/// A counter without labels.
fn counter(encoder: Encoder<'_, '_>, name: &str, help: &str, count: u64) -> fmt::Result {
    encoder
        .encode_descriptor(name, help, None, MetricType::Counter)?
        .encode_counter::<NoLabelSet, u64, f64>(&count, None)
}

fn peer(account: &AccountReport) -> impl EncodeLabelSet {
    [("peer", account.settings.id.as_str())]
}
