//! Whether the threads that move packets still run.
//!
//! The node's sweep beats every 50 ms. The health server, on a thread of its own, checks for a new beat twice a second,
//! and adds up the time of checks that found none. One check adds a second at most, so that a suspended machine, a
//! stopped process or a health server without CPU time is not mistaken for a hanging node.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

pub(super) const CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// What one check adds at most.
const CHECK_MAX: Duration = Duration::from_secs(1);
/// Silence after which the threads count as hung.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Heartbeat {
    beats: AtomicU64,
    last_check: Mutex<LastCheck>,
}

#[derive(Debug, Default)]
struct LastCheck {
    beats: u64,
    silence: Duration,
}

impl Heartbeat {
    /// Called by the packet threads.
    pub(super) fn record_beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Called by the health server, with the time since its last call.
    pub(super) fn check(&self, since_last: Duration) {
        let beats = self.beats.load(Ordering::Relaxed);
        let mut last = self.last_check.lock();
        if beats == last.beats {
            last.silence = last.silence.saturating_add(since_last.min(CHECK_MAX));
        } else {
            *last = LastCheck { beats, silence: Duration::ZERO };
        }
    }

    /// For how long the threads that move packets have not run, if that is too long.
    pub(super) fn hung_for(&self) -> Option<Duration> {
        let silence = self.last_check.lock().silence;
        (silence > SILENCE_MAX).then_some(silence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silence_over_many_checks_counts() {
        let heart = Heartbeat::default();
        let check = || {
            heart.check(CHECK_INTERVAL);
            heart.hung_for()
        };
        for _ in 0..100 {
            heart.record_beat();
            assert_eq!(check(), None);
        }
        for _ in 0..10 {
            assert_eq!(check(), None, "five seconds are allowed");
        }
        assert_eq!(check(), Some(Duration::from_millis(5_500)));
        heart.record_beat();
        assert_eq!(check(), None);
    }

    #[test]
    fn a_suspended_machine_is_not_a_hanging_node() {
        let heart = Heartbeat::default();
        heart.record_beat();
        heart.check(CHECK_INTERVAL);
        for _ in 0..5 {
            heart.check(Duration::from_secs(3600));
            assert_eq!(heart.hung_for(), None);
            heart.record_beat();
            heart.check(CHECK_INTERVAL);
        }
    }
}
