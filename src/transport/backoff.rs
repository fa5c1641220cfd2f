//! How long a dialling node waits before it tries a peer again. No clock: lengths of time and a random number come in,
//! a length of time goes out.
//!
//! The series: five quick attempts after 1, 2, 4, 8 and 16 units (of one second, unless the settings say otherwise), then
//! one every 30 units for ever. Everything is jittered by a fifth either way, so that peers which lost the same node do
//! not come back in step. A refused authentication follows the same series as a refused connection: a wrong secret may
//! be put right at the other side.
//!
//! A session that was authenticated starts the series again: the peer is there and knows us. Only a peer that ends one
//! session after the other within two units is given more time, step by step.

use std::time::Duration;

/// The waits before the quick attempts, in units.
const QUICK: [u32; 5] = [1, 2, 4, 8, 16];
/// The wait before every attempt after those, in units.
const SLOW: u32 = 30;
/// A session of fewer units is short: several in a row lengthen the wait.
const SHORT: u32 = 2;
/// A session that lasted so many units was not in a fight with another one over the peer's one place.
const SETTLED_AFTER: u32 = 10;

/// Where the series stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    unit: Duration,
    /// Which wait of the series is next.
    step: usize,
    /// Short sessions in a row.
    short_sessions: usize,
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
        Self { unit, step: 0, short_sessions: 0 }
    }

    /// An attempt did not lead to a session. `random` is any random number.
    pub fn attempt_failed(&mut self, random: u32) -> Wait {
        let base = QUICK.get(self.step).copied().unwrap_or(SLOW);
        self.step = self.step.saturating_add(1);
        Wait { delay: self.jitter(base, random), exhausted: self.step > QUICK.len() }
    }

    /// A session ended after `lasted`. `replaced`: the peer said that a newer session of ours took its place.
    pub fn session_ended(&mut self, lasted: Duration, replaced: bool, random: u32) -> Wait {
        let is_short = lasted < self.unit * SHORT;
        self.short_sessions = if is_short { self.short_sessions.saturating_add(1) } else { 0 };
        self.step = self.short_sessions.saturating_sub(1);
        if replaced && lasted < self.unit * SETTLED_AFTER {
            // Another program is logged in with our name. Dialling at once would throw it out, and it us.
            self.step = 0;
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
    const LONGER: Duration = Duration::from_secs(2);
    const SHORT_SESSION: Duration = Duration::from_millis(1_999);

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
    fn a_session_starts_the_series_again_whatever_was_before() {
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
    fn only_short_sessions_in_a_row_lengthen_the_wait() {
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
    fn who_was_replaced_at_once_stays_away_for_a_while() {
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
            let delay = Backoff::new(Duration::from_secs(1)).attempt_failed(random).delay;
            assert!((800..=1200).contains(&delay.as_millis()), "{random}: {delay:?}");
        }
        let backoff = Backoff::new(Duration::from_secs(1));
        assert_eq!(backoff.jitter(SLOW, 0), Duration::from_secs(24));
        assert_eq!(backoff.jitter(SLOW, u32::MAX), Duration::from_secs(36));
    }
}
