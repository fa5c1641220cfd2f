//! The clocks of the process, read together. Pure rooms receive the readings; the deadline sweep in `node` reads the
//! same clock, so that deadlines and readings agree.
//!
//! Deadlines use the time since boot, which includes suspensions of the machine. Timers of tokio stop then; they
//! only wake tasks, and a reading of this clock decides what is due (ADR 18).

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::machine::{since_boot, time_of_day};
use crate::time::{MonoTime, Now};
use crate::wire::Timestamp;

/// Readings of different clocks that are further apart cannot be compared: the process was interrupted between them.
const READING_TIME_MAX: Duration = Duration::from_millis(10);
/// Attempts to read the clocks within this time.
const READINGS_MAX: usize = 4;

/// The clock of a node. Clones agree.
#[derive(Debug, Clone)]
pub struct Clock {
    /// The zero of [`MonoTime`], in nanoseconds since boot.
    zero: u64,
    /// The zero of [`ClockReading::awake`] on the clock of tokio's timers.
    awake_zero: Instant,
    /// The time, where a test moves it.
    #[cfg(any(test, fuzzing))]
    manual: Option<std::sync::Arc<parking_lot::Mutex<Manual>>>,
}

/// The three clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// The time of day and the monotonic time.
    pub now: Now,
    /// The monotonic time without suspensions. Its zero is arbitrary.
    pub awake: MonoTime,
}

/// The readings of a manual clock.
#[cfg(any(test, fuzzing))]
#[derive(Debug)]
struct Manual {
    wall: Timestamp,
    mono: MonoTime,
    awake: MonoTime,
}

impl Clock {
    /// A clock whose monotonic time starts at zero now.
    pub fn start() -> Self {
        Self {
            zero: since_boot(),
            awake_zero: Instant::now(),
            #[cfg(any(test, fuzzing))]
            manual: None,
        }
    }

    /// A clock that stands still between calls that move it, such as [`Self::advance`]. It starts on 2026-01-01.
    #[cfg(any(test, fuzzing))]
    pub fn manual() -> Self {
        const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);
        let manual = Manual { wall: START, mono: MonoTime(0), awake: MonoTime(0) };
        let manual = std::sync::Arc::new(parking_lot::Mutex::new(manual));
        Self { manual: Some(manual), ..Self::start() }
    }

    /// Lets time pass on a manual clock.
    #[cfg(any(test, fuzzing))]
    pub fn advance(&self, time: Duration) {
        if let Some(manual) = &self.manual {
            let awake = manual.lock().awake.after(time);
            self.suspend(time);
            manual.lock().awake = awake;
        }
    }

    /// Lets time pass in a suspension: timers stop meanwhile.
    #[cfg(any(test, fuzzing))]
    pub fn suspend(&self, time: Duration) {
        if let Some(manual) = &self.manual {
            let mut manual = manual.lock();
            manual.wall = manual.wall.saturating_add(time);
            manual.mono = manual.mono.after(time);
        }
    }

    /// Sets a manual clock's time of day.
    #[cfg(any(test, fuzzing))]
    pub fn set_wall(&self, wall: Timestamp) {
        if let Some(manual) = &self.manual {
            manual.lock().wall = wall;
        }
    }

    /// The time of day and the monotonic time.
    pub fn now(&self) -> Now {
        #[cfg(any(test, fuzzing))]
        if let Some(manual) = &self.manual {
            let manual = manual.lock();
            return Now { wall: manual.wall, mono: manual.mono };
        }
        Now { wall: wall_clock(), mono: self.elapsed() }
    }

    /// The monotonic time alone.
    pub fn mono(&self) -> MonoTime {
        #[cfg(any(test, fuzzing))]
        if let Some(manual) = &self.manual {
            return manual.lock().mono;
        }
        self.elapsed()
    }

    /// All clocks at one moment. `None`: the process was interrupted between the readings each time.
    pub fn reading(&self) -> Option<ClockReading> {
        #[cfg(any(test, fuzzing))]
        if let Some(manual) = &self.manual {
            let Manual { wall, mono, awake } = *manual.lock();
            return Some(ClockReading { now: Now { wall, mono }, awake });
        }
        (0..READINGS_MAX).find_map(|_| {
            let mono = self.elapsed();
            let (wall, awake) = (wall_clock(), MonoTime(0).after(self.awake_zero.elapsed()));
            let reading = ClockReading { now: Now { wall, mono }, awake };
            (self.elapsed().since(mono) <= READING_TIME_MAX).then_some(reading)
        })
    }

    /// The same moment for a tokio timer, if the machine is not suspended before. It may be in the past.
    pub fn instant(&self, mono: MonoTime) -> Instant {
        let now = Instant::now();
        // Stands for instants beyond the range of the platform.
        let never = Duration::from_secs(365 * 24 * 3600);
        now.checked_add(mono.since(self.mono())).unwrap_or_else(|| now + never)
    }

    fn elapsed(&self) -> MonoTime {
        MonoTime(since_boot().saturating_sub(self.zero))
    }
}

fn wall_clock() -> Timestamp {
    let since_epoch = time_of_day()
        .duration_since(SystemTime::UNIX_EPOCH)
        // On a clock before 1970 every expiry is in the future.
        .unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_of_this_machine_agree() {
        let clock = Clock::start();
        let first = clock.reading().unwrap();
        assert!(first.now.mono < MonoTime(0).after(Duration::from_secs(60)), "{first:?}");
        assert!(first.now.wall > Timestamp::from_millis(1_700_000_000_000), "{first:?}");
        let deadline = Instant::now() + Duration::from_secs(60);
        while clock.mono().since(first.now.mono) < Duration::from_millis(5) {
            assert!(Instant::now() < deadline, "the clock stands still");
        }
        let awake = clock.reading().unwrap().awake;
        assert!(awake.since(first.awake) >= Duration::from_millis(4));
    }

    #[test]
    fn a_timer_is_set_to_the_time_that_remains() {
        let clock = Clock::manual();
        clock.suspend(Duration::from_secs(3600));
        let in_ten = clock.mono().after(Duration::from_secs(10));
        let left = clock.instant(in_ten).saturating_duration_since(Instant::now());
        assert!(left <= Duration::from_secs(10) && left > Duration::from_secs(5), "{left:?}");
        let past = clock.instant(MonoTime(5));
        assert!(past <= Instant::now());
        assert!(clock.instant(MonoTime::MAX) > Instant::now() + Duration::from_secs(24 * 3600));
    }
}
