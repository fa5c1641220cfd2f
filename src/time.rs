//! The two clocks that are passed in: nothing below `btp` reads one itself.

use std::time::Duration;

use crate::wire::Timestamp;

/// Nanoseconds of a clock that never steps, goes on while the machine is suspended, and has an arbitrary zero. Deadlines
/// and durations are measured in it: a step of the wall clock expires nothing, and a sleep expires what it should.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonoTime(pub u64);

impl MonoTime {
    /// The end of time: later than every deadline.
    pub const MAX: MonoTime = MonoTime(u64::MAX);

    /// This instant and then some.
    #[must_use]
    pub fn after(self, duration: Duration) -> MonoTime {
        MonoTime(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// This instant and so many milliseconds. For packets: no division.
    #[must_use]
    pub fn after_ms(self, milliseconds: u64) -> MonoTime {
        MonoTime(self.0.saturating_add(milliseconds.saturating_mul(1_000_000)))
    }

    /// Whole microseconds since `earlier`; none if that lies ahead.
    pub fn micros_since(self, earlier: MonoTime) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000
    }

    /// What has passed since `earlier`; nothing if that lies ahead.
    pub fn since(self, earlier: MonoTime) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// One reading of both clocks, shared by everything that one batch of frames does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The time of day, as packets' expiries tell it.
    pub wall: Timestamp,
    /// The same moment on the monotonic clock.
    pub mono: MonoTime,
}
