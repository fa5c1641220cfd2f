//! Looks every second whether the clocks still go together, and says so where they do not (ADR 18).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::net::{ClockFinding, Throttle};
use crate::peers::TransportContext;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks for ever.
pub(super) async fn run(context: Arc<TransportContext>) {
    let mut looks = interval(LOOK_EVERY);
    let throttle = Throttle::default();
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let Some(reading) = context.clock.reading() else { continue };
        // Half of what each hop keeps for the answer's way back: below it, the window absorbs the error.
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
