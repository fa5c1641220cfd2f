//! Whether the threads that move packets still run, without asking a clock of theirs.
//!
//! The node's sweep beats every 50 ms. The health server, on a thread of its own, looks whether it did since its last
//! look, and adds up the time between looks that found nothing. One look adds a second at most: a machine that slept, a
//! process that was stopped, or a health server that had no processor, has not looked, and accuses nobody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// How often the health server looks.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What one look adds at most.
const LOOK_MAX: Duration = Duration::from_secs(1);
/// Silence after which the threads count as hung.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(5);

/// The heartbeat of one node.
#[derive(Debug, Default)]
pub(super) struct Heartbeat {
    beats: AtomicU64,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    beats: u64,
    silence: Duration,
}

impl Heartbeat {
    /// The packet threads run.
    pub(super) fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// The health server looks, so long after its last look.
    pub(super) fn record_tick(&self, since_last: Duration) {
        let beats = self.beats.load(Ordering::Relaxed);
        let mut seen = self.seen.lock();
        if beats == seen.beats {
            seen.silence = seen.silence.saturating_add(since_last.min(LOOK_MAX));
        } else {
            *seen = Seen { beats, silence: Duration::ZERO };
        }
    }

    /// How long looks have found no beat, if that is too long.
    pub(super) fn hung_for(&self) -> Option<Duration> {
        let silence = self.seen.lock().silence;
        (silence > SILENCE_MAX).then_some(silence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silence_over_many_looks_counts() {
        let heart = Heartbeat::default();
        let look = || {
            heart.record_tick(LOOK_EVERY);
            heart.hung_for()
        };
        for _ in 0..100 {
            heart.beat();
            assert_eq!(look(), None);
        }
        for _ in 0..10 {
            assert_eq!(look(), None, "five seconds are allowed");
        }
        assert_eq!(look(), Some(Duration::from_millis(5_500)));
        heart.beat();
        assert_eq!(look(), None, "it goes on");
    }

    #[test]
    fn a_machine_that_slept_accuses_nobody() {
        let heart = Heartbeat::default();
        heart.beat();
        heart.record_tick(LOOK_EVERY);
        for _ in 0..5 {
            heart.record_tick(Duration::from_secs(3600));
            assert_eq!(heart.hung_for(), None);
            heart.beat();
            heart.record_tick(LOOK_EVERY);
        }
    }
}
