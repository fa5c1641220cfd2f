//! How long a dialler waits before it tries a peer again. No clock: durations and a random number come in, a duration
//! goes out.
//!
//! Five quick attempts follow after 1, 2, 4, 8 and 16 units (of one second by default), then one every 30 units. Each
//! delay varies at random by a fifth either way, so that peers which lost the same node do not reconnect together. A
//! refused login follows the same series as a refused connection: the other side may correct a wrong secret.
//!
//! An authenticated session starts the series again. Only a peer that ends several sessions in a row within two units
//! each gets longer delays, step by step. RFC 23 "Error Codes": temporary errors are retried after a growing delay.
//! [row 91]

use std::time::Duration;

use crate::time::Backoff;

/// Delays of the series that double.
const QUICK_ATTEMPTS_MAX: u32 = 5;
/// The delay after the quick attempts, in units.
const SLOW_DELAY_UNITS: u32 = 30;
/// Shorter sessions count as short, in units.
const SHORT_SESSION_UNITS: u32 = 2;
/// A session that lasted longer did not compete with another program for the account, in units.
const SETTLED_SESSION_UNITS: u32 = 10;

/// The delays between attempts to reach one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialBackoff {
    unit: Duration,
    series: Backoff,
    /// Short sessions in a row.
    short_sessions: u32,
}

/// What precedes the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DialDelay {
    /// How long to wait.
    pub delay: Duration,
    /// The quick attempts are used up: the peer is down unless it has connected to us.
    pub is_slow: bool,
}

impl DialBackoff {
    /// The beginning of a series.
    pub fn new(unit: Duration) -> Self {
        Self { unit, series: Backoff::new(unit, unit * SLOW_DELAY_UNITS), short_sessions: 0 }
    }

    /// An attempt did not lead to a session. `random`: any random number.
    pub fn delay_after_failure(&mut self, random: u32) -> DialDelay {
        let delay = jitter(self.series.next_delay(), random);
        DialDelay { delay, is_slow: self.series.attempts() > QUICK_ATTEMPTS_MAX }
    }

    /// A session ended after `lasted`. `replaced`: the peer closed it because of a newer login with our name.
    pub fn delay_after_session(
        &mut self,
        lasted: Duration,
        replaced: bool,
        random: u32,
    ) -> DialDelay {
        let is_short = lasted < self.unit * SHORT_SESSION_UNITS;
        self.short_sessions = if is_short { self.short_sessions.saturating_add(1) } else { 0 };
        if replaced && lasted < self.unit * SETTLED_SESSION_UNITS {
            // Another program logs in with our name. To dial at once would replace its session, and it would replace
            // ours.
            self.series.reset();
            return DialDelay {
                delay: jitter(self.unit * SLOW_DELAY_UNITS, random),
                is_slow: false,
            };
        }
        self.series.skip_to(self.short_sessions.saturating_sub(1));
        self.delay_after_failure(random)
    }
}

/// `base` times a factor of 0.8 to 1.2.
fn jitter(base: Duration, random: u32) -> Duration {
    base * 4 / 5 + (base * 2 / 5).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: u32 = u32::MAX / 2;
    const LASTED: Duration = Duration::from_secs(10);
    const LONGER: Duration = Duration::from_secs(2);
    const SHORT_SESSION: Duration = Duration::from_millis(1_999);

    enum Step {
        Failed,
        Ended(Duration),
        Replaced(Duration),
    }

    /// Each step with the delay that must follow, in whole seconds, and whether the quick attempts are used up.
    fn check(steps: &[(Step, u64, bool)]) {
        let mut backoff = DialBackoff::new(Duration::from_secs(1));
        for (index, (step, seconds, is_slow)) in steps.iter().enumerate() {
            let wait = match step {
                Step::Failed => backoff.delay_after_failure(MIDDLE),
                Step::Ended(lasted) => backoff.delay_after_session(*lasted, false, MIDDLE),
                Step::Replaced(lasted) => backoff.delay_after_session(*lasted, true, MIDDLE),
            };
            let rounded = (wait.delay + Duration::from_millis(500)).as_secs();
            assert_eq!((rounded, wait.is_slow), (*seconds, *is_slow), "step {index}");
        }
    }

    #[test]
    fn five_quick_attempts_then_one_every_thirty_seconds() {
        use Step::Failed;
        check(&[
            (Failed, 1, false),
            (Failed, 2, false),
            (Failed, 4, false),
            (Failed, 8, false),
            (Failed, 16, false),
            (Failed, 30, true),
            (Failed, 30, true),
            (Failed, 30, true),
        ]);
    }

    #[test]
    fn a_session_starts_the_series_again() {
        use Step::{Ended, Failed};
        for lasted in [Duration::ZERO, SHORT_SESSION, LONGER, LASTED] {
            check(&[
                (Failed, 1, false),
                (Failed, 2, false),
                (Failed, 4, false),
                (Failed, 8, false),
                (Failed, 16, false),
                (Failed, 30, true),
                (Ended(lasted), 1, false),
                (Failed, 2, false),
                (Failed, 4, false),
            ]);
        }
    }

    #[test]
    fn only_short_sessions_in_a_row_lengthen_the_delay() {
        use Step::{Ended, Failed};
        check(&[
            (Ended(SHORT_SESSION), 1, false),
            (Ended(SHORT_SESSION), 2, false),
            (Ended(Duration::ZERO), 4, false),
            (Failed, 8, false),
            (Ended(SHORT_SESSION), 8, false),
            (Ended(SHORT_SESSION), 16, false),
            (Ended(SHORT_SESSION), 30, true),
            (Ended(SHORT_SESSION), 30, true),
            (Ended(LONGER), 1, false),
            (Ended(SHORT_SESSION), 1, false),
            (Ended(LONGER), 1, false),
            (Ended(LASTED), 1, false),
        ]);
    }

    #[test]
    fn a_session_that_was_replaced_at_once_is_followed_by_a_long_delay() {
        use Step::{Failed, Replaced};
        check(&[
            (Replaced(LONGER), 30, false),
            (Replaced(Duration::ZERO), 30, false),
            (Replaced(Duration::from_millis(9_999)), 30, false),
            (Failed, 1, false),
            (Failed, 2, false),
            (Replaced(LASTED), 1, false),
        ]);
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        for random in [0, 1, MIDDLE, u32::MAX - 1, u32::MAX] {
            let delay = DialBackoff::new(Duration::from_secs(1)).delay_after_failure(random).delay;
            assert!((800..=1200).contains(&delay.as_millis()), "{random}: {delay:?}");
        }
        let slow = Duration::from_secs(30);
        assert_eq!(jitter(slow, 0), Duration::from_secs(24));
        assert_eq!(jitter(slow, u32::MAX), Duration::from_secs(36));
    }
}
