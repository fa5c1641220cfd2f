//! What `status` says of settlements: plain data in, lines out.

use super::look::{AccountLook, NodeLook};
use crate::console::{count, group_digits};
use crate::observe::{EngineAccountBody, PendingSettlementBody};

/// The most lines of each kind.
const LINES_MAX: usize = 8;

/// Settlements that are debited and not paid, and engines that fail.
pub(super) fn problems(looks: &[NodeLook]) -> Vec<String> {
    let found = looks.iter().flat_map(|look| {
        look.accounts.iter().filter_map(move |account| {
            let not_paid = account.pending_settlement().and_then(|pending| {
                let why = why_not_paid(pending)?;
                let PendingSettlementBody { units, since, .. } = pending;
                let (units, asset) = (group_digits(units), account.asset().unwrap_or_default());
                let (node, peer) = (&look.row.id, &account.id);
                Some(format!(
                    "{node} owes {peer} a settlement of {units} {asset} since {since}: {why}"
                ))
            });
            // The engine of a settlement that is not paid is named there.
            not_paid.or_else(|| engine_problem(&look.row.id, account))
        })
    });
    let mut lines: Vec<String> = found.clone().take(LINES_MAX).collect();
    let more = found.count() - lines.len();
    if more > 0 {
        lines.push(format!("{} more with settlements that are not paid", count(more, "account")));
    }
    lines
}

/// `None`: the engine is being asked for the first time.
fn why_not_paid(pending: &PendingSettlementBody) -> Option<String> {
    match (&pending.last_error, &pending.held_up) {
        (None, None) => None,
        (_, Some(held_up)) => Some(held_up.clone()),
        (Some(error), None) => {
            let attempts = usize::try_from(pending.attempts).unwrap_or(usize::MAX);
            Some(format!("{error} ({})", count(attempts, "attempt")))
        }
    }
}

fn engine_problem(node: &str, account: &AccountLook) -> Option<String> {
    let EngineAccountBody { since, last_error, last_refusal, .. } = account.engine()?;
    let peer = &account.id;
    if let Some(error) = last_error {
        let since = since.as_ref().map(|since| format!(" since {since}")).unwrap_or_default();
        return Some(format!("the settlement engine of {peer} at {node} fails{since}: {error}"));
    }
    let refused = last_refusal.as_ref()?;
    let (at, status, reason) = (&refused.at, refused.status, &refused.reason);
    Some(format!(
        "{node} has refused a request of the settlement engine of {peer} at {at} (HTTP {status}): {reason}"
    ))
}

/// Settlements on their way, and pauses.
pub(super) fn under_way(looks: &[NodeLook]) -> Vec<String> {
    let accounts = looks
        .iter()
        .flat_map(|look| look.accounts.iter().map(move |account| (&look.row.id, account)));
    let settling = accounts.flat_map(|(node, account)| {
        let pending = account.pending_settlement().filter(|one| why_not_paid(one).is_none());
        let pending = pending.map(|pending| {
            let (units, asset) = (group_digits(&pending.units), account.asset());
            format!("{node} pays {} {units} {}", account.id, asset.unwrap_or_default())
        });
        let paused = account
            .paused_until()
            .map(|until| format!("{node} begins none with {} until {until}", account.id));
        pending.into_iter().chain(paused)
    });
    settling.take(LINES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{account, look, text};
    use super::*;
    use crate::observe::{EngineRefusalBody, PeerSettlementBody};

    fn check(settlement: PeerSettlementBody, expected: &str) {
        let mut looks = [look("a", "healthy", &[], vec![account("cli", "waiting", "0")])];
        looks[0].accounts[0].settlement = Some(settlement);
        let shown = text(&looks, usize::MAX);
        // It is shown although its balance is 0 and it was never connected.
        assert!(shown.contains(expected) && !shown.contains("not shown"), "{shown}");
    }

    #[test]
    fn settlements_are_named_and_those_that_are_not_paid_come_first() {
        let pending = PendingSettlementBody {
            units: "5000000000".to_owned(),
            since: "2026-03-01T11:59:48.000Z".to_owned(),
            attempts: 4,
            ..PendingSettlementBody::default()
        };
        let with = |pending| PeerSettlementBody {
            pending: Some(pending),
            ..PeerSettlementBody::default()
        };
        check(with(pending.clone()), "\nsettlements: a pays cli 5,000,000,000 USD/9\n");
        let last_error = Some("the settlement engine answers 500".to_owned());
        let failing = PendingSettlementBody { last_error, ..pending };
        let line = "\na owes cli a settlement of 5,000,000,000 USD/9 since 2026-03-01T11:59:48.000Z: the settlement \
                    engine answers 500 (4 attempts)\n";
        check(with(failing.clone()), line);
        let held_up = Some("the configuration gives this peer no settlement engine".to_owned());
        check(with(PendingSettlementBody { held_up, ..failing }), "Z: the configuration gives");
        let paused = PeerSettlementBody {
            paused_until: Some("2026-03-01T13:00:00.000Z".to_owned()),
            ..PeerSettlementBody::default()
        };
        check(paused, "\nsettlements: a begins none with cli until 2026-03-01T13:00:00.000Z\n");
    }

    #[test]
    fn engines_that_fail_are_named() {
        let with =
            |engine| PeerSettlementBody { engine: Some(engine), ..PeerSettlementBody::default() };
        let failing = EngineAccountBody {
            state: "failing".to_owned(),
            since: Some("2026-03-01T11:59:48.000Z".to_owned()),
            last_error: Some("it answers 401".to_owned()),
            ..EngineAccountBody::default()
        };
        let line = "\nthe settlement engine of cli at a fails since 2026-03-01T11:59:48.000Z: it answers 401\n";
        check(with(failing), line);
        let refused = EngineAccountBody {
            state: "ready".to_owned(),
            last_refusal: Some(EngineRefusalBody {
                at: "2026-03-01T11:59:48.000Z".to_owned(),
                status: 401,
                reason: "it needs the settlementToken".to_owned(),
            }),
            ..EngineAccountBody::default()
        };
        let line = "\na has refused a request of the settlement engine of cli at 2026-03-01T11:59:48.000Z (HTTP 401): it \
                    needs the settlementToken\n";
        check(with(refused), line);
    }
}
