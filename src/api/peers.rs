//! The body of `/peers`. Amounts are texts, because they may exceed what JSON readers represent exactly.

use serde::Serialize;

use super::status::PeerRole;
use crate::account::AccountId;
use crate::connector::ConnectorReport;
use crate::observe::{AccountFacts, PeerBody, account_bodies};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PeersBody {
    node_id: String,
    ilp_address: Option<String>,
    timestamp: String,
    peers: Vec<PeerBody>,
}

/// `roles` are sorted by id.
pub(super) fn body(
    report: &ConnectorReport,
    roles: &[PeerRole],
    facts: AccountFacts<'_>,
) -> PeersBody {
    PeersBody {
        node_id: report.node_id.clone(),
        ilp_address: report.address.as_ref().map(ToString::to_string),
        timestamp: facts.now.to_string(),
        peers: account_bodies(report, |id| is_required(roles, id), facts),
    }
}

/// Whether health depends on this peer.
pub(super) fn is_required(roles: &[PeerRole], id: &AccountId) -> bool {
    let role = roles.binary_search_by(|role| role.id.cmp(id)).ok();
    role.and_then(|index| roles.get(index)).is_some_and(|role| role.required)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::account::{AccountSettings, Asset, Limits, OverLimit, Relation, Totals};
    use crate::books::{
        BooksVerdict, Leftover, Quantity, ReconcileState, Settlement, SettlementDirection,
        SettlementState,
    };
    use crate::connector::{AccountReport, OwnAccountReport, Stats};
    use crate::link::{SessionId, SessionKind};
    use crate::peers::{
        AccountSettlements, EngineAccount, EngineState, PeerCounts, PeerSnapshot, PeerState,
        RefusedLogin, SettlementProgress,
    };
    use crate::wire::{Amount, Timestamp};

    fn account(id: &str, relation: Relation) -> AccountReport {
        AccountReport {
            settings: AccountSettings::new(id.parse().unwrap(), relation),
            removed: false,
            sessions: Vec::new(),
            in_flight_from: 0,
            in_flight_to: 0,
            outbox_bytes: 0,
            balance: 0,
            totals: Totals::default(),
            held_in: 0,
            held_out: 0,
            uncertain: 0,
            comparison: ReconcileState::default(),
            settlement_pending: 0,
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
        account.comparison.verdict = BooksVerdict::Agrees;
        account.comparison.at = Some(Timestamp::from_millis(1_514_132_000_000));
        account.totals = Totals {
            fulfilled_in: 1 << 90,
            fulfilled_out: 41,
            adjusted: -42,
            settled_out: 100,
            ..Totals::default()
        };
        let over = OverLimit { reached: -(1 << 81), limit: -5 };
        account.last_refusal = Some((Timestamp::from_millis(1_514_132_000_000), over));
        account.stats.received.prepares = 30;
        account.stats.sent.fulfills = 28;
        account.stats.sent.rejects[12] = 2;
        (account.stats.timeouts, account.stats.unexpected_answers) = (6, 7);
        (account.stats.dropped_answers, account.stats.wrong_fulfillments) = (8, 9);
        account
    }

    fn failing_settlement(now: Timestamp) -> AccountSettlements {
        let pending = Settlement {
            key: "c12a0f2e".parse().unwrap(),
            account: "bob".into(),
            asset: Asset::default(),
            direction: SettlementDirection::Outgoing,
            quantity: Quantity::of_units(90, 9),
            units: 90,
            leftover: Leftover::default(),
            state: SettlementState::Pending,
            attempts: 3,
            created_at: Timestamp::from_millis(1_514_132_000_000),
            updated_at: now,
            reference: String::new(),
            by: "ilp-connector".to_owned(),
        };
        let failure = SettlementProgress {
            attempts: 3,
            last_error: "the settlement engine at http://e:3000/ answers 500".to_owned(),
            next_attempt_at: now.saturating_add_millis(4_000),
        };
        AccountSettlements {
            pending: Some(pending),
            failure: Some(failure),
            paused_until: None,
            held_up: None,
            engine: Some(EngineAccount {
                state: EngineState::Failing,
                since: Some(now),
                failures: 3,
                last_error: Some("it answers 500".to_owned()),
                last_refusal: None,
            }),
        }
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
            own_accounts: vec![OwnAccountReport {
                asset: Asset::new("USD", 9),
                balance: -100,
                totals: Totals { fulfilled_out: 100, ..Totals::default() },
            }],
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
                reason: "wrong token".to_owned(),
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
        let now = Timestamp::from_millis(1_514_132_101_279);
        let settlements = BTreeMap::from([("bob".parse().unwrap(), failing_settlement(now))]);
        let facts = AccountFacts { snapshots: &[snapshot], settlements: Some(&settlements), now };
        let body = body(&report, &roles, facts);
        insta::assert_json_snapshot!(body);
    }
}
