//! The accounts of a node, from its reports.

use std::collections::BTreeMap;

use super::model::{
    BothWays, CountersBody, DifferenceBody, EngineAccountBody, EngineRefusalBody, LimitsBody,
    NotCreditedBody, OverLimitBody, PeerBody, PeerSettlementBody, PendingSettlementBody,
    ReconcileBody, RefusedLoginBody, SessionBody, TrafficBody,
};
use crate::account::{AccountId, Asset, Limits, SettlementMode, Totals};
use crate::books::{BooksVerdict, NotCredited, Parts, ReconcileState};
use crate::connector::{
    AccountReport, ConnectorReport, OwnAccountReport, Stats, Traffic, code_labels,
};
use crate::peers::{
    AccountSettlements, EngineAccount, EngineRefusal, PeerCounts, PeerSnapshot, PeerState,
};
use crate::wire::Timestamp;

/// What is known of the accounts of a node beyond the report of its connector.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccountFacts<'f> {
    /// Of their connections, sorted by id.
    pub snapshots: &'f [PeerSnapshot],
    /// Of their settlements, as [`crate::peers::NodeContext::account_settlements`] says.
    pub settlements: Option<&'f BTreeMap<AccountId, AccountSettlements>>,
    /// When it is known.
    pub now: Timestamp,
}

/// All accounts of a node: peers and receivers by id, then the node's own.
pub fn account_bodies(
    report: &ConnectorReport,
    is_required: impl Fn(&AccountId) -> bool,
    facts: AccountFacts<'_>,
) -> Vec<PeerBody> {
    let AccountFacts { snapshots, settlements, now } = facts;
    let codes: Vec<String> = code_labels().collect();
    let accounts = report.accounts.iter().map(|account| {
        let id = &account.settings.id;
        let snapshot = snapshots.binary_search_by(|snapshot| snapshot.id.cmp(id)).ok();
        let snapshot = snapshot.and_then(|index| snapshots.get(index));
        let settlement = settlements.and_then(|settlements| settlements.get(id));
        let settlement = settlement_body(account, settlement, now);
        PeerBody { settlement, ..peer_body(account, is_required(id), snapshot, &codes) }
    });
    let mut peers: Vec<_> = accounts.collect();
    peers.sort_by(|a, b| a.id.cmp(&b.id));
    peers.extend(report.own_accounts.iter().map(own_account_body));
    peers
}

fn peer_body(
    account: &AccountReport,
    required: bool,
    snapshot: Option<&PeerSnapshot>,
    codes: &[String],
) -> PeerBody {
    let settings = &account.settings;
    let is_receiver = settings.is_receiver();
    let refused_login = snapshot.and_then(|snapshot| snapshot.last_refused_login.as_ref());
    let sessions = account.sessions.iter();
    let state = match snapshot {
        Some(snapshot) => snapshot.state.as_str(),
        None if account.removed => "removed",
        None if is_receiver => "receiving",
        None => PeerState::Waiting.as_str(),
    };
    PeerBody {
        id: settings.id.to_string(),
        kind: if is_receiver { "receiver" } else { "peer" }.to_owned(),
        relation: (!is_receiver).then(|| settings.relation.as_str().to_owned()),
        asset_code: settings.asset.code.to_string(),
        asset_scale: settings.asset.scale,
        configured: !account.removed,
        enabled: settings.enabled,
        suspended_until: settings
            .suspended_until
            .filter(|_| !account.removed)
            .map(|until| until.to_string()),
        required,
        state: state.to_owned(),
        since: snapshot.map(|snapshot| format_time(snapshot.since)),
        last_error: snapshot.and_then(|snapshot| snapshot.last_error.clone()),
        last_refused_login: refused_login.map(|login| RefusedLoginBody {
            at: format_time(login.at),
            remote: login.remote.clone(),
            reason: login.reason.clone(),
        }),
        sessions: sessions
            .map(|(id, side)| SessionBody { id: id.0, side: side.as_str().to_owned() })
            .collect(),
        balance: account.balance.to_string(),
        volume: volume(&account.totals),
        adjusted: account.totals.adjusted.to_string(),
        last_refusal: account
            .last_refusal
            .map(|(at, over)| OverLimitBody { at: at.to_string(), reason: over.to_string() }),
        held: BothWays {
            received: account.held_in.to_string(),
            sent: account.held_out.to_string(),
        },
        uncertain: account.uncertain.to_string(),
        reconcile: reconcile_body(&account.comparison, &settings.asset),
        settlement: None,
        packets_in_flight: BothWays {
            received: account.in_flight_from,
            sent: account.in_flight_to,
        },
        outbox_bytes: account.outbox_bytes,
        limits: limits_body(&settings.limits),
        packets: BothWays {
            received: traffic_body(&account.stats.received, codes),
            sent: traffic_body(&account.stats.sent, codes),
        },
        counters: counters_body(
            &account.stats,
            snapshot.map(|snapshot| snapshot.counts).unwrap_or_default(),
        ),
        link: None,
    }
}

/// What is settled with a peer. `None`: nothing is, and nothing was.
fn settlement_body(
    account: &AccountReport,
    known: Option<&AccountSettlements>,
    now: Timestamp,
) -> Option<PeerSettlementBody> {
    let mode = account.settings.settlement.mode;
    let (received, sent) = (account.totals.settled_in, account.totals.settled_out);
    if known.is_none() && mode == SettlementMode::None && (received, sent) == (0, 0) {
        return None;
    }
    let pending = known.and_then(|known| Some((known, known.pending.as_ref()?)));
    Some(PeerSettlementBody {
        mode: mode.as_str().to_owned(),
        settled: BothWays { received: received.to_string(), sent: sent.to_string() },
        pending: pending.map(|(known, pending)| PendingSettlementBody {
            key: pending.key.to_string(),
            units: pending.units.to_string(),
            since: pending.created_at.to_string(),
            attempts: pending.attempts,
            last_error: known.failure.as_ref().map(|failure| failure.last_error.clone()),
            next_attempt_at: known.next_attempt_at(now).map(|at| at.to_string()),
            held_up: known.held_up.map(|why| why.to_string()),
        }),
        paused_until: known.and_then(|known| known.paused_until).map(|until| until.to_string()),
        engine: known.and_then(|known| known.engine.clone()).map(engine_body),
    })
}

fn engine_body(engine: EngineAccount) -> EngineAccountBody {
    let EngineAccount { state, since, failures, last_error, last_refusal } = engine;
    EngineAccountBody {
        state: state.as_str().to_owned(),
        since: since.map(|since| since.to_string()),
        failures,
        last_error,
        last_refusal: last_refusal.map(|EngineRefusal { at, status, reason }| EngineRefusalBody {
            at: at.to_string(),
            status,
            reason,
        }),
    }
}

/// How a peer's books compare with ours. `None`: nothing is known.
pub fn reconcile_body(state: &ReconcileState, asset: &Asset) -> Option<ReconcileBody> {
    if state.verdict == BooksVerdict::Unknown && !state.is_recovering {
        return None;
    }
    let Parts { asked, answered, paid, received, adjusted } =
        state.difference.map(|part| part.to_string());
    Some(ReconcileBody {
        verdict: state.verdict.to_string(),
        text: state.describe(asset),
        compared_at: state.at.map(|at| at.to_string()),
        since: state.baseline.map(|baseline| baseline.at.to_string()),
        difference: state.difference.total().to_string(),
        parts: DifferenceBody { asked, answered, paid, received, adjusted },
        pending: not_credited_body(&state.pending),
        dust: not_credited_body(&state.dust),
    })
}

fn not_credited_body(amounts: &NotCredited) -> NotCreditedBody {
    let NotCredited { paid, received } = amounts;
    NotCreditedBody { paid: paid.to_string(), received: received.to_string() }
}

/// The node's own accounts have only a balance.
fn own_account_body(account: &OwnAccountReport) -> PeerBody {
    PeerBody {
        id: account.id(),
        kind: "own".to_owned(),
        asset_code: account.asset.code.to_string(),
        asset_scale: account.asset.scale,
        configured: true,
        enabled: true,
        state: "own".to_owned(),
        balance: account.balance.to_string(),
        volume: volume(&account.totals),
        adjusted: account.totals.adjusted.to_string(),
        held: BothWays { received: "0".to_owned(), sent: "0".to_owned() },
        uncertain: "0".to_owned(),
        limits: limits_body(&Limits::default()),
        ..PeerBody::default()
    }
}

fn volume(totals: &Totals) -> BothWays<String> {
    BothWays { received: totals.fulfilled_in.to_string(), sent: totals.fulfilled_out.to_string() }
}

/// RFC 3339 in UTC, with milliseconds.
pub fn format_time(time: std::time::SystemTime) -> String {
    // A system clock before 1970 is shown as 1970.
    let since_epoch = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(millis).to_string()
}

/// A time as [`format_time`] and the clocks of nodes write it: `2026-03-01T12:00:00.000Z`.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    <&[u8; 17]>::try_from(digits.as_bytes()).ok().and_then(|digits| Timestamp::read17(digits).ok())
}

fn limits_body(limits: &Limits) -> LimitsBody {
    LimitsBody {
        max_packet_amount: limits.max_packet_amount.map(|amount| amount.0.to_string()),
        max_balance: limits.max_balance.map(|balance| balance.to_string()),
        min_balance: limits.min_balance.map(|balance| balance.to_string()),
        packets_per_second: limits.packets_per_second.map(std::num::NonZeroU32::get),
        max_packets_in_flight: limits.max_packets_in_flight,
        outbox_bytes_max: limits.outbox_bytes_max,
        max_sessions: limits.max_sessions,
    }
}

pub(super) fn traffic_body(traffic: &Traffic, codes: &[String]) -> TrafficBody {
    let rejects = codes.iter().zip(traffic.rejects).filter(|(_, count)| *count > 0);
    TrafficBody {
        prepares: traffic.prepares,
        fulfills: traffic.fulfills,
        rejects: rejects.map(|(code, count)| (code.clone(), count)).collect(),
    }
}

fn counters_body(stats: &Stats, peer: PeerCounts) -> CountersBody {
    CountersBody {
        peer,
        timeouts: stats.timeouts,
        unexpected_answers: stats.unexpected_answers,
        dropped_answers: stats.dropped_answers,
        wrong_fulfillments: stats.wrong_fulfillments,
    }
}
