//! The metrics of accounts: packets, latency, losses, balances and limits.

use std::fmt;

use prometheus_client::encoding::NoLabelSet;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::family_encoder::{FamilyEncoder, FamilySource, by_direction, peer_label, seconds};
use crate::account::Limits;
use crate::connector::{
    AccountReport, ConnectorReport, LATENCY_BUCKETS, Stats, Traffic, code_labels,
};

pub(super) fn encode(
    report: &ConnectorReport,
    families: &mut FamilyEncoder<'_, '_>,
) -> fmt::Result {
    encode_packets(&report.accounts, families)?;
    encode_latency(&report.accounts, families)?;
    encode_losses(&report.accounts, families)?;
    encode_balances(report, families)?;
    encode_limits(&report.accounts, families)
}

fn encode_packets(accounts: &[AccountReport], families: &mut FamilyEncoder<'_, '_>) -> fmt::Result {
    let codes: Vec<String> = code_labels().collect();
    let traffic = accounts.iter().flat_map(|account| {
        [(account, "received", &account.stats.received), (account, "sent", &account.stats.sent)]
    });
    families.counters(
        "ilp_packets",
        "ILP packets by peer, direction, type, and code of a Reject",
        traffic.flat_map(|(account, direction, traffic)| {
            packet_counts(traffic, &codes).map(move |(kind, code, count)| {
                let peer = account.settings.id.as_str();
                ([("peer", peer), ("direction", direction), ("type", kind), ("code", code)], count)
            })
        }),
    )?;
    families.gauges(
        "ilp_packets_in_flight",
        "Prepares without an answer: received from the peer, or sent to it",
        None,
        accounts.iter().flat_map(|account| {
            by_direction(&account.settings.id, account.in_flight_from, account.in_flight_to)
        }),
    )
}

/// Codes of Rejects that are counted from the start, so that their rates are right: those that operators alert on.
const USUAL_CODES: [&str; 13] =
    ["F00", "F02", "F05", "F06", "F08", "T00", "T01", "T02", "T03", "T04", "T05", "R00", "R02"];

/// Type, code and count of the packets in one direction; Rejects with unusual codes only if there are some.
fn packet_counts<'a>(
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

fn encode_latency(accounts: &[AccountReport], families: &mut FamilyEncoder<'_, '_>) -> fmt::Result {
    let mut family = families.0.encode_descriptor(
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
            let sum = seconds(stats.latency_sum_us);
            family
                .encode_family(&peer_label(&account.settings.id))?
                .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
    }
    Ok(())
}

fn encode_losses(accounts: &[AccountReport], families: &mut FamilyEncoder<'_, '_>) -> fmt::Result {
    let stats_families: [FamilySource<Stats, u64>; 4] = [
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
    let stats = accounts.iter().map(|account| (&account.settings.id, &account.stats));
    families.counters_by_peer(&stats_families, stats)?;
    families.counters(
        "ilp_excess_releases",
        "Attempts to release more than was held: an error of this program",
        accounts
            .iter()
            .map(|account| (peer_label(&account.settings.id), u64::from(account.excess_releases))),
    )
}

fn encode_balances(report: &ConnectorReport, families: &mut FamilyEncoder<'_, '_>) -> fmt::Result {
    let accounts = &report.accounts;
    let peers = accounts
        .iter()
        .map(|account| (account.settings.id.to_string(), &account.settings.asset, account.balance));
    let own = report.own_accounts.iter().map(|own| (own.id(), &own.asset, own.balance));
    families.gauges(
        "ilp_account_balance_units",
        "The account's balance in its asset's smallest unit; positive: the peer owes us",
        None,
        peers.chain(own).map(|(id, asset, balance)| {
            let (code, scale) = (asset.code.to_string(), asset.scale.to_string());
            ([("peer", id), ("asset", code), ("scale", scale)], units(balance))
        }),
    )?;
    let peers =
        accounts.iter().map(|account| (account.settings.id.to_string(), &account.settings.asset));
    let own = report.own_accounts.iter().map(|own| (own.id(), &own.asset));
    families.gauges(
        "ilp_account_asset_scale",
        "Decimal places of the account's asset: 10 to this power units are one of it",
        None,
        peers.chain(own).map(|(id, asset)| ([("peer", id)], u32::from(asset.scale))),
    )?;
    families.gauges(
        "ilp_account_held_units",
        "Held for packets in flight, in the asset's smallest unit: received from the peer, or sent to it",
        None,
        accounts.iter().flat_map(|account| {
            by_direction(&account.settings.id, units(account.held_in), units(account.held_out))
        }),
    )?;
    families.gauges(
        "ilp_account_uncertain_units",
        "In flight to the peer when the node ended without a clean stop, in the asset's smallest unit; the peer may claim it",
        None,
        accounts.iter().map(|account| (peer_label(&account.settings.id), units(account.uncertain))),
    )?;
    families.gauges(
        "ilp_reconcile_difference_units",
        "By how much the balances of both ends differ, as far as it lasts, in the asset's smallest unit; only of peers that answered with their books",
        None,
        accounts.iter().filter(|account| account.comparison.at.is_some()).map(|account| {
            let difference = account.comparison.difference.total();
            (peer_label(&account.settings.id), units(difference))
        }),
    )?;
    families.gauges(
        "ilp_outbox",
        "Bytes that wait to be written to the peer",
        Some(&Unit::Bytes),
        accounts.iter().map(|account| (peer_label(&account.settings.id), account.outbox_bytes)),
    )
}

/// Prometheus counts in floating point: beyond 2^53 the last digits are lost. `/peers` has them all.
#[allow(clippy::cast_precision_loss, reason = "metrics are floating point by definition")]
pub(super) fn units(amount: i128) -> f64 {
    amount as f64
}

/// Alarms compare balances and packets in flight with these.
fn encode_limits(accounts: &[AccountReport], families: &mut FamilyEncoder<'_, '_>) -> fmt::Result {
    let balance_families: [FamilySource<Limits, Option<i128>>; 2] = [
        (
            "ilp_account_max_balance_units",
            "The highest balance that the account may reach (maxBalance); left out where there is none",
            |limits| limits.max_balance,
        ),
        (
            "ilp_account_min_balance_units",
            "The lowest balance that the account may reach (minBalance); left out where there is none",
            |limits| limits.min_balance,
        ),
    ];
    for (name, help, limit) in balance_families {
        let samples = accounts.iter().filter_map(|account| {
            Some((peer_label(&account.settings.id), units(limit(&account.settings.limits)?)))
        });
        families.gauges(name, help, None, samples)?;
    }
    families.gauges(
        "ilp_max_packets_in_flight",
        "Prepares without an answer that the account may have each way (maxPacketsInFlight)",
        None,
        accounts.iter().map(|account| {
            (peer_label(&account.settings.id), account.settings.limits.max_packets_in_flight)
        }),
    )
}
