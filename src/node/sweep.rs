//! The node's tick: expires what is due, tells what was left out of the log, and shows that the threads that move packets
//! still run.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::account::AccountId;
use crate::api::NodeStatus;
use crate::peers::TransportContext;

/// How late a Reject for a missed deadline may be: well within the message window that the deadline leaves.
const TICK: Duration = Duration::from_millis(50);
/// How often is looked for lines about peers that were left out of the log.
const LEFT_OUT_LOOK: Duration = Duration::from_secs(10);

/// Sweeps for ever.
pub(super) async fn run(context: Arc<TransportContext>, status: Arc<NodeStatus>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut looked_at = context.clock.mono();
    let mut alarmed = HashSet::new();
    loop {
        ticks.tick().await;
        status.record_heartbeat();
        let now = context.clock.now();
        context.connector.sweep_deadlines(now);
        if now.mono.since(looked_at) >= LEFT_OUT_LOOK {
            looked_at = now.mono;
            context.peers.log_suppressed();
            alarm(&context, &mut alarmed);
        }
    }
}

/// Says once of each account that its books are wrong.
fn alarm(context: &TransportContext, alarmed: &mut HashSet<AccountId>) {
    for (peer, count) in context.connector.excess_releases() {
        if alarmed.insert(peer.clone()) {
            tracing::error!(
                %peer, count,
                "tried to release more than was held on this account, a defect of this program; compare the balance with the peer's and report it"
            );
        }
    }
}
