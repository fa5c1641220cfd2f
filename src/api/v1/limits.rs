//! Which limits of accounts are nearly reached. Checked while a client watches.

use std::collections::BTreeSet;

use crate::books::{EventKind, EventLevel, NewEvent};
use crate::connector::{AccountReport, ConnectorReport};
use crate::machine;
use crate::observe::EventLog;

/// A limit is near from this share on, in percent.
const NEAR_PERCENT: u128 = 90;
/// It is near no more below this share.
const FAR_PERCENT: u128 = 80;

/// The limits that are near, by node, peer and key. There are four for each account.
#[derive(Debug, Default)]
pub(super) struct LimitWatch(BTreeSet<(String, String, &'static str)>);

impl LimitWatch {
    /// Records an event for each limit that has become near.
    pub(super) fn check(&mut self, events: &EventLog, reports: &[ConnectorReport]) {
        for report in reports {
            for account in report.accounts.iter().filter(|account| !account.removed) {
                for (key, used, limit) in uses(account) {
                    if let Some(event) = self.note(&report.node_id, account, key, (used, limit)) {
                        events.record(&report.node_id, machine::time_of_day(), event);
                    }
                }
            }
        }
    }

    fn note(
        &mut self,
        node: &str,
        account: &AccountReport,
        key: &'static str,
        (used, limit): (u128, u128),
    ) -> Option<NewEvent> {
        let peer = account.settings.id.to_string();
        let percent = used.saturating_mul(100).checked_div(limit)?;
        let name = (node.to_owned(), peer.clone(), key);
        if percent < FAR_PERCENT {
            self.0.remove(&name);
        }
        (percent >= NEAR_PERCENT && self.0.insert(name)).then(|| NewEvent {
            level: EventLevel::Warn,
            kind: EventKind::LimitNear,
            text: format!("{peer}: {percent} % of {key} is used ({used} of {limit})"),
            peer: Some(peer),
            fields: vec![
                ("limit", key.to_owned()),
                ("used", used.to_string()),
                ("of", limit.to_string()),
            ],
        })
    }
}

/// How much of each limit is used.
fn uses(account: &AccountReport) -> impl Iterator<Item = (&'static str, u128, u128)> {
    let limits = &account.settings.limits;
    let in_flight = account.in_flight_from.max(account.in_flight_to);
    let owed_to_us = u128::try_from(account.balance + account.held_in).unwrap_or(0);
    let owed_by_us = u128::try_from(-(account.balance - account.held_out)).unwrap_or(0);
    let most = limits.max_balance.and_then(|limit| u128::try_from(limit).ok());
    let least = limits.min_balance.map(i128::unsigned_abs);
    [
        ("maxPacketsInFlight", in_flight as u128, Some(limits.max_packets_in_flight as u128)),
        ("outboxBytesMax", account.outbox_bytes as u128, Some(limits.outbox_bytes_max as u128)),
        ("maxBalance", owed_to_us, most),
        ("minBalance", owed_by_us, least),
    ]
    .into_iter()
    .filter_map(|(key, used, limit)| Some((key, used, limit.filter(|limit| *limit > 0)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::Connector;
    use crate::routing::HashSeed;
    use crate::testing::connector_settings;

    #[test]
    fn a_limit_is_near_once_until_it_is_far_again() {
        let connector =
            Connector::new(connector_settings("a", &["b"]), HashSeed::Fixed(1)).unwrap();
        let mut account = connector.report().accounts.remove(0);
        account.settings.limits.max_balance = Some(1_000);
        let mut watch = LimitWatch::default();
        let mut check = |balance: i128, expected: bool| {
            account.balance = balance;
            let near: Vec<_> = uses(&account)
                .filter_map(|(key, used, limit)| watch.note("a", &account, key, (used, limit)))
                .collect();
            assert_eq!(!near.is_empty(), expected, "{balance}: {near:?}");
        };
        check(899, false);
        check(900, true);
        check(1_000, false);
        check(850, false);
        check(950, false);
        check(799, false);
        check(950, true);
        check(-5_000, false);
    }
}
