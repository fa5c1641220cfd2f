//! How long a dialling node waits before it tries a peer again. No clock: lengths of time and a random number come in,
//! a length of time goes out.
//!
//! The series: five quick attempts after 1, 2, 4, 8 and 16 units (of one second, unless the settings say otherwise), then
//! one every 30 units for ever. Everything is jittered by a
//! fifth either way, so that peers which lost the same node do not come back in step. A refused authentication follows
//! the same series as a refused connection: a wrong secret may be put right at the other side.

use std::time::Duration;

/// The waits before the quick attempts, in units.
const QUICK: [u32; 5] = [1, 2, 4, 8, 16];
/// The wait before every attempt after those, in units.
const SLOW: u32 = 30;
/// A session that lasted so many units was a success, and the series starts again.
const SETTLED_AFTER: u32 = 10;

/// How many attempts in a row have come to nothing, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    unit: Duration,
    failures: usize,
}

/// What to do before the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// How long to wait.
    pub delay: Duration,
    /// The quick attempts are used up: the peer is down, unless it came to us by itself.
    pub exhausted: bool,
}

impl Backoff {
    /// The beginning of a series.
    pub fn new(unit: Duration) -> Self {
        Self { unit, failures: 0 }
    }

    /// An attempt did not lead to a session. `random` is any random number.
    pub fn attempt_failed(&mut self, random: u32) -> Wait {
        let base = QUICK.get(self.failures).copied().unwrap_or(SLOW);
        self.failures = self.failures.saturating_add(1);
        Wait { delay: self.jitter(base, random), exhausted: self.failures > QUICK.len() }
    }

    /// A session ended after `lasted`. `replaced`: the peer said that a newer session of ours took its place.
    pub fn session_ended(&mut self, lasted: Duration, replaced: bool, random: u32) -> Wait {
        if lasted >= self.unit * SETTLED_AFTER {
            self.failures = 0;
        } else if replaced {
            // Somebody else is logged in with our name. Dialling at once would throw them out, and they us.
            return Wait { delay: self.jitter(SLOW, random), exhausted: false };
        }
        self.attempt_failed(random)
    }

    /// `units` times a factor of 0.8 to 1.2.
    fn jitter(&self, units: u32, random: u32) -> Duration {
        let base = self.unit * units;
        base * 4 / 5 + (base * 2 / 5).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: u32 = u32::MAX / 2;
    const LASTED: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_millis(9_999);

    enum Step {
        Failed,
        Ended(Duration),
        Replaced(Duration),
    }

    /// Each step with the wait that must follow it, in whole seconds, and whether the quick attempts are used up.
    fn check(steps: &[(Step, u64, bool)]) {
        let mut backoff = Backoff::new(Duration::from_secs(1));
        for (index, (step, seconds, exhausted)) in steps.iter().enumerate() {
            let wait = match step {
                Step::Failed => backoff.attempt_failed(MIDDLE),
                Step::Ended(lasted) => backoff.session_ended(*lasted, false, MIDDLE),
                Step::Replaced(lasted) => backoff.session_ended(*lasted, true, MIDDLE),
            };
            let rounded = (wait.delay + Duration::from_millis(500)).as_secs();
            assert_eq!((rounded, wait.exhausted), (*seconds, *exhausted), "step {index}");
        }
    }

    #[test]
    fn five_quick_attempts_then_every_thirty_seconds_for_ever() {
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
    fn only_a_session_that_lasted_starts_the_series_again() {
        use Step::{Ended, Failed};
        check(&[
            (Failed, 1, false),
            (Failed, 2, false),
            (Ended(SHORT), 4, false),
            (Ended(LASTED), 1, false),
            (Failed, 2, false),
            (Failed, 4, false),
            (Failed, 8, false),
            (Failed, 16, false),
            (Failed, 30, true),
            (Ended(SHORT), 30, true),
            (Ended(LASTED), 1, false),
        ]);
    }

    #[test]
    fn who_was_replaced_at_once_stays_away_for_a_while() {
        use Step::{Failed, Replaced};
        check(&[
            (Replaced(SHORT), 30, false),
            (Replaced(Duration::ZERO), 30, false),
            (Failed, 1, false),
            (Failed, 2, false),
            (Replaced(LASTED), 1, false),
        ]);
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        for random in [0, 1, MIDDLE, u32::MAX - 1, u32::MAX] {
            let delay = Backoff::new(Duration::from_secs(1)).attempt_failed(random).delay;
            assert!((800..=1200).contains(&delay.as_millis()), "{random}: {delay:?}");
        }
        let backoff = Backoff::new(Duration::from_secs(1));
        assert_eq!(backoff.jitter(SLOW, 0), Duration::from_secs(24));
        assert_eq!(backoff.jitter(SLOW, u32::MAX), Duration::from_secs(36));
    }
}
