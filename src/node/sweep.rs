//! The node's tick: expires what is due.

use crate::transport::TransportContext;
use std::sync::Arc;
use std::time::Duration;

/// How late a Reject for a missed deadline may be: well within the message window that the deadline leaves.
const TICK: Duration = Duration::from_millis(50);

/// Sweeps for ever.
pub(super) async fn run(context: Arc<TransportContext>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        context.connector.sweep(context.clock.now());
    }
}
