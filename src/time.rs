//! Readings of the two clocks, which pure rooms receive as arguments, and delays between retries.

use std::time::Duration;

use crate::wire::Timestamp;

/// Nanoseconds of a clock that never steps, runs while the machine is suspended, and starts anywhere (ADR 18).
/// Deadlines are measured in it, so that no step of the wall clock makes a packet expire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonoTime(pub u64);

impl MonoTime {
    /// Later than every deadline.
    pub const MAX: Self = Self(u64::MAX);

    /// This instant plus `duration`.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// This instant plus `milliseconds`. Faster than [`MonoTime::after`], as it does not divide.
    #[must_use]
    pub fn after_ms(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds.saturating_mul(1_000_000)))
    }

    /// Whole microseconds since `earlier`; 0 if that is in the future.
    pub fn micros_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000
    }

    /// The time since `earlier`; zero if that is in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A time for people, with at most two units: `12 s`, `5 min`, `2 h 10 min`, `3 days 4 h`, `56 years`.
pub fn format_age(age: Duration) -> String {
    let seconds = age.as_secs();
    let (first, second) = match seconds {
        0..60 => (format!("{seconds} s"), None),
        60..3_600 => (format!("{} min", seconds / 60), Some((seconds % 60, "s"))),
        3_600..DAYS_FROM_S => (format!("{} h", seconds / 3_600), Some((seconds / 60 % 60, "min"))),
        DAYS_FROM_S..YEARS_FROM_S => {
            (format!("{} days", seconds / DAY_S), Some((seconds / 3_600 % 24, "h")))
        }
        _ => (format!("{} years", seconds / YEAR_S), None),
    };
    match second {
        Some((number @ 1.., unit)) => format!("{first} {number} {unit}"),
        _ => first,
    }
}

const DAY_S: u64 = 86_400;
const YEAR_S: u64 = 365 * DAY_S;
/// Longer times are in days, and longer ones in years.
const DAYS_FROM_S: u64 = 2 * DAY_S;
const YEARS_FROM_S: u64 = 2 * YEAR_S;

/// Delays between retries: each is twice the one before, up to a maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    attempts: u32,
}

impl Backoff {
    /// A series that begins with `first`.
    pub const fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, attempts: 0 }
    }

    /// The delay before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        let factor = 1_u32.checked_shl(self.attempts).unwrap_or(u32::MAX);
        self.attempts = self.attempts.saturating_add(1);
        self.first.saturating_mul(factor).min(self.max)
    }

    /// Number of delays since the beginning of the series.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Begins again with the first delay.
    pub fn reset(&mut self) {
        self.skip_to(0);
    }

    /// Continues as after this many attempts.
    pub fn skip_to(&mut self, attempts: u32) {
        self.attempts = attempts;
    }
}

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The time of day, as in the expiries of packets.
    pub wall: Timestamp,
    /// The same moment on the monotonic clock.
    pub mono: MonoTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_two_units() {
        for (seconds, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (400, "6 min 40 s"),
            (7_800, "2 h 10 min"),
            (172_799, "47 h 59 min"),
            (273_600, "3 days 4 h"),
            (432_000, "5 days"),
            (1_795_851_594, "56 years"),
        ] {
            assert_eq!(format_age(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn delays_double_up_to_the_maximum_and_begin_again() {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
        let delays: Vec<_> = (0..9).map(|_| backoff.next_delay().as_millis()).collect();
        assert_eq!(delays, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
        (0..100).for_each(|_| assert_eq!(backoff.next_delay(), Duration::from_secs(30)));
        backoff.reset();
        assert_eq!(backoff.next_delay(), Duration::from_millis(500));
        backoff.skip_to(4);
        assert_eq!((backoff.next_delay(), backoff.attempts()), (Duration::from_secs(8), 5));
    }
}
