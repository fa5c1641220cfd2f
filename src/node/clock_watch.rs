//! Compares the two clocks every second, and logs jumps and suspends (ADR 18).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::net::{ClockFinding, LogThrottle};
use crate::peers::NodeContext;

const CHECK_INTERVAL: Duration = Duration::from_secs(1);

pub(super) async fn run(context: Arc<NodeContext>) {
    let mut ticks = interval(CHECK_INTERVAL);
    let throttle = LogThrottle::default();
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(reading) = context.clock.reading() else { continue };
        // Half of each hop's message window, which absorbs smaller errors.
        let tolerance = context.connector.message_window() / 2;
        let ClockFinding { jump, suspended } = context.clock_watch.check(reading, tolerance);
        if let Some(time) = suspended {
            tracing::warn!(
                seconds = time.as_secs_f64(),
                "the machine was suspended; packets that expired meanwhile are rejected"
            );
        }
        if let Some(jump) = jump
            && let Some(suppressed) = throttle.admit(jump.at)
        {
            tracing::warn!(
                by_ms = jump.by_ms,
                suppressed,
                "the system clock jumped; packets expire by the new time of day: check the time service of this machine"
            );
        }
    }
}
