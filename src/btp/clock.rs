//! The two clocks of the process, read together. Rooms below are given their readings; `node` reads the same clock for
//! the deadline sweep, so that deadlines and readings agree.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::time::{Mono, Now};
use crate::wire::Timestamp;

/// One clock for a node. Cheap to copy; copies agree.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// Where [`Mono`] counts from.
    origin: Instant,
}

impl Clock {
    /// A clock whose monotonic reading starts now.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        let since_epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            // A clock before 1970: every expiry lies ahead, which is what such a clock says.
            .unwrap_or_default();
        let millis = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        Now { wall: Timestamp::from_millis(millis), mono: self.mono() }
    }

    /// The monotonic clock alone.
    pub fn mono(&self) -> Mono {
        Mono(0).after(self.origin.elapsed())
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
