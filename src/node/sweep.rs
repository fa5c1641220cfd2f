//! Rejects packets past their deadline, reports suppressed log lines, and sends the heartbeat of the threads that move
//! packets.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::account::AccountId;
use crate::api::NodeStatus;
use crate::peers::NodeContext;

/// The maximum delay of a Reject for a missed deadline, well within the message window.
const TICK: Duration = Duration::from_millis(50);
/// Lines about what happens often are summed up for so long.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

pub(super) async fn run(context: Arc<NodeContext>, status: Arc<NodeStatus>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut reported_at = context.clock.mono();
    let mut reported = HashSet::new();
    loop {
        ticks.tick().await;
        status.record_heartbeat();
        let now = context.clock.now();
        context.connector.sweep_deadlines(now);
        context.connector.note_due_flows(now.wall);
        if now.mono.since(reported_at) >= REPORT_INTERVAL {
            reported_at = now.mono;
            context.peers.log_suppressed();
            log_excess_releases(&context, &mut reported);
            log_unproven(&context);
        }
    }
}

/// Reports what peers have no proof of, a line for each account with new ones.
pub(super) fn log_unproven(context: &NodeContext) {
    for (peer, asset, amount) in context.connector.take_unproven() {
        tracing::warn!(
            %peer, %amount, %asset,
            "answers that waited for the store have no session of the peer any more; our balance has their amount, and the peer's has not"
        );
    }
}

/// Reports each account with a wrong balance once.
fn log_excess_releases(context: &NodeContext, reported: &mut HashSet<AccountId>) {
    for (peer, count) in context.connector.excess_releases() {
        if reported.insert(peer.clone()) {
            tracing::error!(
                %peer, count,
                "tried to release more than was held on this account, a defect of this program; compare the balance with the peer's and report it"
            );
        }
    }
}
