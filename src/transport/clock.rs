//! The two clocks of the process, read together. Rooms below are given their readings; `node` reads the same clock for
//! the deadline sweep, so that deadlines and readings agree.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::time::{Mono, Now};
use crate::wire::Timestamp;

/// One clock for a node. Clones agree.
#[derive(Debug, Clone)]
pub struct Clock {
    /// Where [`Mono`] counts from.
    origin: Instant,
    /// Where a test stands still and moves time itself: milliseconds since the origin.
    #[cfg(any(test, fuzzing))]
    manual: Option<std::sync::Arc<std::sync::atomic::AtomicU64>>,
}

impl Clock {
    /// A clock whose monotonic reading starts now.
    pub fn start() -> Self {
        Self {
            origin: Instant::now(),
            #[cfg(any(test, fuzzing))]
            manual: None,
        }
    }

    /// A clock that moves only by [`Self::pass`]. It starts on 2026-01-01.
    #[cfg(any(test, fuzzing))]
    pub fn manual() -> Self {
        Self { manual: Some(std::sync::Arc::default()), ..Self::start() }
    }

    /// Moves a manual clock.
    #[cfg(any(test, fuzzing))]
    pub fn pass(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        if let Some(manual) = &self.manual {
            manual.fetch_add(millis, std::sync::atomic::Ordering::Relaxed);
        }
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        #[cfg(any(test, fuzzing))]
        if let Some(manual) = &self.manual {
            const START_MS: u64 = 1_767_225_600_000;
            let passed = Duration::from_millis(manual.load(std::sync::atomic::Ordering::Relaxed));
            let wall = Timestamp::from_millis(START_MS).saturating_add(passed);
            return Now { wall, mono: Mono(0).after(passed) };
        }
        let since_epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            // A clock before 1970: every expiry lies ahead, which is what such a clock says.
            .unwrap_or_default();
        let millis = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        Now { wall: Timestamp::from_millis(millis), mono: Mono(0).after(self.origin.elapsed()) }
    }

    /// The monotonic clock alone.
    pub fn mono(&self) -> Mono {
        self.now().mono
    }

    /// The instant that timers understand.
    pub fn instant(&self, mono: Mono) -> Instant {
        let passed = Duration::from_nanos(mono.0);
        // Out of the platform's range means never; a year is never for a session.
        self.origin
            .checked_add(passed)
            .unwrap_or_else(|| Instant::now() + Duration::from_secs(365 * 24 * 3600))
    }
}
