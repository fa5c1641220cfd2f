//! The body of `/peers`. Amounts are texts, because they may exceed what JSON readers represent exactly.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::status::PeerRole;
use crate::account::{Limits, Relation};
use crate::connector::{
    AccountReport, ConnectorReport, OwnAccountReport, Stats, Traffic, code_labels,
};
use crate::peers::{PeerCounts, PeerSnapshot, PeerState};
use crate::wire::Timestamp;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PeersBody {
    node_id: String,
    ilp_address: Option<String>,
    timestamp: String,
    peers: Vec<PeerBody>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct PeerBody {
    id: String,
    /// `peer`; `receiver`, an account that STREAM senders pay; or `own`, the packets of the node itself.
    kind: &'static str,
    /// `None` for accounts of other kinds.
    relation: Option<Relation>,
    asset_code: String,
    asset_scale: u8,
    /// False after a reload that removed the peer: its balance is kept as long as the process lives.
    configured: bool,
    enabled: bool,
    required: bool,
    state: &'static str,
    since: Option<String>,
    last_error: Option<String>,
    /// The last login under its name that this node refused.
    last_refused_login: Option<Value>,
    sessions: Vec<Value>,
    /// Positive: the peer owes the node.
    balance: String,
    /// Of the last packet that exceeded `maxBalance` or `minBalance`.
    last_refusal: Option<Value>,
    held: BothWays<String>,
    uncertain: String,
    packets_in_flight: BothWays<usize>,
    outbox_bytes: usize,
    limits: Value,
    packets: BothWays<TrafficBody>,
    counters: CountersBody,
}

/// From the peer, and to it.
#[derive(Debug, Default, Serialize)]
struct BothWays<T> {
    received: T,
    sent: T,
}

#[derive(Debug, Default, Serialize)]
struct TrafficBody {
    prepares: u64,
    fulfills: u64,
    /// By code, without zeros.
    rejects: Map<String, Value>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct CountersBody {
    #[serde(flatten)]
    peer: PeerCounts,
    timeouts: u64,
    unexpected_answers: u64,
    dropped_answers: u64,
    wrong_fulfillments: u64,
}

/// `roles` and `snapshots` are sorted by id.
pub(super) fn body(
    report: &ConnectorReport,
    roles: &[PeerRole],
    snapshots: &[PeerSnapshot],
    now: Timestamp,
) -> PeersBody {
    let codes: Vec<String> = code_labels().collect();
    let mut peers: Vec<_> = report
        .accounts
        .iter()
        .map(|account| {
            let id = &account.settings.id;
            let role = roles.binary_search_by(|role| role.id.cmp(id)).ok();
            let required =
                role.and_then(|index| roles.get(index)).is_some_and(|role| role.required);
            let snapshot = snapshots.binary_search_by(|snapshot| snapshot.id.cmp(id)).ok();
            peer(account, required, snapshot.and_then(|index| snapshots.get(index)), &codes)
        })
        .collect();
    peers.sort_by(|a, b| a.id.cmp(&b.id));
    peers.extend(report.own_accounts.iter().map(own_account));
    PeersBody {
        node_id: report.node_id.clone(),
        ilp_address: report.address.as_ref().map(ToString::to_string),
        timestamp: now.to_string(),
        peers,
    }
}

fn peer(
    account: &AccountReport,
    required: bool,
    snapshot: Option<&PeerSnapshot>,
    codes: &[String],
) -> PeerBody {
    let settings = &account.settings;
    let is_receiver = settings.is_receiver();
    let refused_login = snapshot.and_then(|snapshot| snapshot.last_refused_login.as_ref());
    let sessions = account.sessions.iter();
    PeerBody {
        id: settings.id.to_string(),
        kind: if is_receiver { "receiver" } else { "peer" },
        relation: (!is_receiver).then_some(settings.relation),
        asset_code: settings.asset.code.to_string(),
        asset_scale: settings.asset.scale,
        configured: !account.removed,
        enabled: settings.enabled,
        required,
        state: match snapshot {
            Some(snapshot) => snapshot.state.as_str(),
            None if account.removed => "removed",
            None if is_receiver => "receiving",
            None => PeerState::Waiting.as_str(),
        },
        since: snapshot.map(|snapshot| format_time(snapshot.since)),
        last_error: snapshot.and_then(|snapshot| snapshot.last_error.clone()),
        last_refused_login: refused_login.map(|login| {
            let at = format_time(login.at);
            json!({ "at": at, "remote": login.remote, "reason": login.reason })
        }),
        // The side: `dialled` by this node, `accepted`, or `posted` over HTTP.
        sessions: sessions.map(|(id, side)| json!({ "id": id.0, "side": side.as_str() })).collect(),
        balance: account.balance.to_string(),
        last_refusal: account
            .last_refusal
            .map(|(at, over)| json!({ "at": at.to_string(), "reason": over.to_string() })),
        held: BothWays {
            received: account.held_in.to_string(),
            sent: account.held_out.to_string(),
        },
        uncertain: account.uncertain.to_string(),
        packets_in_flight: BothWays {
            received: account.in_flight_from,
            sent: account.in_flight_to,
        },
        outbox_bytes: account.outbox_bytes,
        limits: limits(&settings.limits),
        packets: BothWays {
            received: traffic(&account.stats.received, codes),
            sent: traffic(&account.stats.sent, codes),
        },
        counters: counters(
            &account.stats,
            snapshot.map(|snapshot| snapshot.counts).unwrap_or_default(),
        ),
    }
}

/// The node's own accounts have only a balance.
fn own_account(account: &OwnAccountReport) -> PeerBody {
    PeerBody {
        id: account.id(),
        kind: "own",
        asset_code: account.asset.code.to_string(),
        asset_scale: account.asset.scale,
        configured: true,
        enabled: true,
        state: "own",
        balance: account.balance.to_string(),
        held: BothWays { received: "0".to_owned(), sent: "0".to_owned() },
        uncertain: "0".to_owned(),
        limits: limits(&Limits::default()),
        ..PeerBody::default()
    }
}

/// RFC 3339 in UTC, with milliseconds.
pub(super) fn format_time(time: std::time::SystemTime) -> String {
    // A system clock before 1970 is shown as 1970.
    let since_epoch = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(millis).to_string()
}

fn limits(limits: &Limits) -> Value {
    json!({
        "maxPacketAmount": limits.max_packet_amount.map(|amount| amount.0.to_string()),
        "maxBalance": limits.max_balance.map(|balance| balance.to_string()),
        "minBalance": limits.min_balance.map(|balance| balance.to_string()),
        "packetsPerSecond": limits.packets_per_second,
        "maxPacketsInFlight": limits.max_packets_in_flight,
        "outboxBytesMax": limits.outbox_bytes_max,
        "maxSessions": limits.max_sessions,
    })
}

fn traffic(traffic: &Traffic, codes: &[String]) -> TrafficBody {
    let rejects = codes.iter().zip(traffic.rejects).filter(|(_, count)| *count > 0);
    TrafficBody {
        prepares: traffic.prepares,
        fulfills: traffic.fulfills,
        rejects: rejects.map(|(code, count)| (code.clone(), count.into())).collect(),
    }
}

fn counters(stats: &Stats, peer: PeerCounts) -> CountersBody {
    CountersBody {
        peer,
        timeouts: stats.timeouts,
        unexpected_answers: stats.unexpected_answers,
        dropped_answers: stats.dropped_answers,
        wrong_fulfillments: stats.wrong_fulfillments,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::account::{AccountSettings, Asset, OverLimit};
    use crate::link::{SessionId, SessionKind};
    use crate::peers::RefusedLogin;
    use crate::wire::Amount;

    fn account(id: &str, relation: Relation) -> AccountReport {
        AccountReport {
            settings: AccountSettings::new(id.parse().unwrap(), relation),
            removed: false,
            sessions: Vec::new(),
            in_flight_from: 0,
            in_flight_to: 0,
            outbox_bytes: 0,
            balance: 0,
            held_in: 0,
            held_out: 0,
            uncertain: 0,
            last_refusal: None,
            excess_releases: 0,
            stats: Stats::default(),
        }
    }

    /// An account with a value in every field.
    fn busy() -> AccountReport {
        let mut account = account("bob", Relation::Child);
        account.settings.limits = Limits {
            max_packet_amount: Some(Amount(u64::MAX)),
            max_balance: Some(i128::MAX),
            min_balance: Some(-5),
            packets_per_second: std::num::NonZeroU32::new(100),
            ..Limits::default()
        };
        account.sessions =
            vec![(SessionId(4), SessionKind::Dialled), (SessionId(5), SessionKind::Accepted)];
        (account.in_flight_from, account.in_flight_to, account.outbox_bytes) = (1, 2, 3);
        (account.balance, account.held_in, account.held_out) = (-(1 << 80), 10, 20);
        account.uncertain = 5;
        let over = OverLimit { reached: -(1 << 81), limit: -5 };
        account.last_refusal = Some((Timestamp::from_millis(1_514_132_000_000), over));
        account.stats.received.prepares = 30;
        account.stats.sent.fulfills = 28;
        account.stats.sent.rejects[12] = 2;
        (account.stats.timeouts, account.stats.unexpected_answers) = (6, 7);
        (account.stats.dropped_answers, account.stats.wrong_fulfillments) = (8, 9);
        account
    }

    fn wallet() -> AccountReport {
        let receiver = crate::stream::Receiver::new(&[1; 32], "wallet");
        let settings = AccountSettings::receiver("wallet".parse().unwrap(), receiver);
        AccountReport { settings, balance: -7, ..account("wallet", Relation::Child) }
    }

    #[test]
    fn the_shape_of_the_body() {
        let mut removed = account("gone", Relation::Peer);
        removed.removed = true;
        let report = ConnectorReport {
            node_id: "hub".to_owned(),
            address: Some("test.hub".parse().unwrap()),
            routes: 0,
            accounts: vec![removed, busy(), account("alice", Relation::Parent), wallet()],
            own_accounts: vec![OwnAccountReport { asset: Asset::new("USD", 9), balance: -100 }],
        };
        let snapshot = PeerSnapshot {
            last_attempt_failure: None,
            id: "bob".parse().unwrap(),
            state: PeerState::AuthenticationFailed,
            since: UNIX_EPOCH + Duration::from_millis(1_514_132_072_279),
            last_error: Some("F00: invalid auth_token".to_owned()),
            last_refused_login: Some(RefusedLogin {
                at: UNIX_EPOCH + Duration::from_millis(1_514_132_072_279),
                remote: "192.0.2.1:5000".to_owned(),
                reason: "invalid auth_username or auth_token".to_owned(),
            }),
            sessions: 2,
            counts: PeerCounts {
                sessions: 11,
                reconnects: 12,
                failed_attempts: 13,
                authentication_failures: 14,
                refused_logins: 17,
                unreadable_frames: 15,
                refused_frames: 16,
                wrong_answers: 17,
            },
        };
        let role = |id: &str, required| PeerRole { id: id.parse().unwrap(), required };
        let roles = [role("alice", false), role("bob", true)];
        let body = body(&report, &roles, &[snapshot], Timestamp::from_millis(1_514_132_101_279));
        insta::assert_json_snapshot!(body);
    }
}
