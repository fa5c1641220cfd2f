//! Looks every few seconds how many packets had expired on arrival, here and at each peer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::account::AccountId;
use crate::connector::{AccountReport, Connector, RejectCount};
use crate::peers::{ArrivedPackets, ExpiredAt, NodeContext};

const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// The name of the reason, see `Refusal::kind`.
const EXPIRED: &str = "expired";
/// The code of a Reject by the next hop, or by a node behind it.
const TIMED_OUT: &str = "R02";

pub(super) async fn run(context: Arc<NodeContext>) {
    let mut ticks = interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        context.expiry_watch.look(counts(&context.connector), context.clock.mono());
    }
}

/// The packets of each peer since the start: those that came from it, and those that were sent to it.
fn counts(connector: &Connector) -> Vec<(AccountId, ExpiredAt, ArrivedPackets)> {
    let mut expired: BTreeMap<(AccountId, ExpiredAt), u64> = BTreeMap::new();
    for count in connector.reject_counts() {
        if let Some(key) = whose(&count) {
            let sum = expired.entry(key).or_default();
            *sum = sum.saturating_add(count.count);
        }
    }
    // Guests are programs of this machine, with its clock.
    let is_neighbour =
        |account: &AccountReport| !account.removed && !account.settings.id.is_guest();
    let accounts = connector.report().accounts.into_iter().filter(is_neighbour);
    let counts = accounts.flat_map(|account| {
        let (id, stats) = (account.settings.id, account.stats);
        let ends = [
            (ExpiredAt::ThisNode, stats.received.prepares),
            (ExpiredAt::Peer, stats.sent.prepares),
        ];
        ends.map(|(at, all)| {
            let key = (id.clone(), at);
            let expired = expired.get(&key).copied().unwrap_or_default();
            (key.0, at, ArrivedPackets { all, expired })
        })
    });
    counts.collect()
}

/// Whose packets these were, if they had expired, and where.
fn whose(count: &RejectCount) -> Option<(AccountId, ExpiredAt)> {
    match &count.refusal {
        Some(refusal) if refusal.kind() == EXPIRED => {
            Some((count.from.clone()?, ExpiredAt::ThisNode))
        }
        None if count.code == TIMED_OUT => Some((count.to.clone()?, ExpiredAt::Peer)),
        _ => None,
    }
}
