//! Points in time, and their two forms on the wire, both in UTC.
//!
//! - 17 digits, `YYYYMMDDHHMMSSfff` (`expiresAt` of a Prepare). Each packet has one, so both directions
//!   work on eight digits at a time, without a date library.
//! - GeneralizedTime, `YYYYMMDDHHMMSS[.f{1,3}]Z` (`triggeredAt` of a BTP ERROR).

mod calendar;
mod generalized;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use calendar::{
    EPOCH_DAYS, JANUARY_AND_FEBRUARY, civil_from_days, days_before_month, days_before_year,
    digit_pairs, is_leap, lanes, last_day, pair_digits,
};
pub use generalized::GeneralizedTime;

const MILLIS_PER_DAY: u64 = 86_400_000;

/// Milliseconds since the Unix epoch, UTC, within 1970-01-01 and 9999-12-31.
///
/// Arithmetic saturates at both ends: the wire has four digits for the year, and a date before 1970
/// is read as the epoch, because it has expired in any case.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// Why a text is not a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// A wrong length, or a character that is not a digit.
    #[error("is not {0}")]
    Form(&'static str),
    /// A month outside 1..=12.
    #[error("has month {0}, months are 01 to 12")]
    Month(u8),
    /// A day that its month does not have.
    #[error("has day {day}, the month ends with {last}")]
    Day {
        /// The day found.
        day: u8,
        /// The last day of that month in that year.
        last: u8,
    },
    /// An hour above 23.
    #[error("has hour {0}, hours are 00 to 23")]
    Hour(u8),
    /// A minute above 59.
    #[error("has minute {0}, minutes are 00 to 59")]
    Minute(u8),
    /// A second above 59, or above 60 in a GeneralizedTime.
    #[error("has second {0}, seconds are 00 to 59")]
    Second(u8),
}

const FORM_17: TimestampError = TimestampError::Form("17 digits YYYYMMDDHHMMSSfff");
impl Timestamp {
    /// 1970-01-01T00:00:00.000Z.
    pub const EPOCH: Self = Self(0);
    /// 9999-12-31T23:59:59.999Z. Any year of four digits is valid. [row 8]
    pub const MAX: Self = Self(253_402_300_799_999);

    /// The time `millis` milliseconds after the Unix epoch, at most [`Timestamp::MAX`].
    #[must_use]
    #[inline]
    pub const fn from_millis(millis: u64) -> Self {
        if millis < Self::MAX.0 { Self(millis) } else { Self::MAX }
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    #[inline]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Later by `millis` milliseconds, at most [`Timestamp::MAX`].
    #[must_use]
    #[inline]
    pub const fn saturating_add_millis(self, millis: u64) -> Self {
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// Earlier by `millis` milliseconds, at least the epoch.
    #[must_use]
    #[inline]
    pub const fn saturating_sub_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_sub(millis))
    }

    /// Later by `duration`, cut to milliseconds.
    #[must_use]
    #[inline]
    pub fn saturating_add(self, duration: Duration) -> Self {
        self.saturating_add_millis(whole_millis(duration))
    }

    /// Earlier by `duration`, cut to milliseconds.
    #[must_use]
    #[inline]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        self.saturating_sub_millis(whole_millis(duration))
    }

    /// Milliseconds from `earlier` to this; zero when `earlier` is later.
    #[must_use]
    #[inline]
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The time from `earlier` to this; zero when `earlier` is later.
    #[must_use]
    #[inline]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.millis_since(earlier))
    }

    /// Reads the 17 digits of an ILP packet.
    ///
    /// RFC 30 "Fixed-length Timestamps": the digits are a date of the calendar and a time of day
    /// without leap seconds. [row 7]
    ///
    /// # Errors
    /// [`TimestampError`], with the field that is wrong.
    #[inline]
    pub fn read17(text: &[u8; 17]) -> Result<Self, TimestampError> {
        let [y0, y1, y2, y3, m0, m1, d0, d1, h0, h1, i0, i1, s0, s1, f0, f1, f2] = *text;
        let date = digit_pairs([y0, y1, y2, y3, m0, m1, d0, d1]);
        let time = digit_pairs([h0, h1, i0, i1, s0, s1, f0, f1]);
        let last = u64::from(f2.wrapping_sub(b'0'));
        let (Some(date), Some(time), 0..=9) = (date, time, last) else {
            return Err(FORM_17);
        };
        let [hour, minute, second, centis] = lanes(time);
        let millis = centis * 10 + last;
        Self::from_civil(lanes(date), [hour, minute, second], millis, 59)
    }

    /// The 17 digits of an ILP packet.
    #[must_use]
    #[inline]
    pub fn to_17(self) -> [u8; 17] {
        let (date, [hour, minute, second], millis) = self.to_civil();
        let [y0, y1, y2, y3, m0, m1, d0, d1] = pair_digits(date);
        let (centis, last) = (millis / 10, millis % 10);
        let [h0, h1, i0, i1, s0, s1, f0, f1] = pair_digits([hour, minute, second, centis]);
        let [f2, ..] = (last + u64::from(b'0')).to_le_bytes();
        [y0, y1, y2, y3, m0, m1, d0, d1, h0, h1, i0, i1, s0, s1, f0, f1, f2]
    }

    #[inline]
    fn from_civil(
        [century, year_of_century, month, day]: [u64; 4],
        [hour, minute, second]: [u64; 3],
        millis: u64,
        last_second: u64,
    ) -> Result<Self, TimestampError> {
        let leap = is_leap(century, year_of_century);
        let last_day = last_day(leap, month);
        let valid = (month.wrapping_sub(1) < 12)
            & (day.wrapping_sub(1) < last_day)
            & (hour < 24)
            & (minute < 60)
            & (second <= last_second);
        if !valid {
            return Err(out_of_range([month, day, hour, minute, second], last_day));
        }
        let days =
            days_before_year(century, year_of_century) + days_before_month(leap, month) + (day - 1);
        let millis_of_day = ((hour * 60 + minute) * 60 + second) * 1000 + millis;
        let since_year_0 = days * MILLIS_PER_DAY + millis_of_day;
        Ok(Self::from_millis(since_year_0.saturating_sub(EPOCH_DAYS * MILLIS_PER_DAY)))
    }

    /// Century, year of the century, month, day; hour, minute, second; milliseconds.
    #[inline]
    fn to_civil(self) -> ([u64; 4], [u64; 3], u64) {
        let (days, millis_of_day) = (self.0 / MILLIS_PER_DAY, self.0 % MILLIS_PER_DAY);
        let (year, month, day) = civil_from_days(days + EPOCH_DAYS - JANUARY_AND_FEBRUARY);
        let (seconds, millis) = (millis_of_day / 1000, millis_of_day % 1000);
        let time = [seconds / 3600, seconds / 60 % 60, seconds % 60];
        ([year / 100, year % 100, month, day], time, millis)
    }
}

/// 2017-12-24T16:14:32.279Z.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([century, year, month, day], [hour, minute, second], millis) = self.to_civil();
        write!(
            f,
            "{century:02}{year:02}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
        )
    }
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cold]
fn out_of_range([month, day, hour, minute, second]: [u64; 5], last_day: u64) -> TimestampError {
    let byte = |value: u64| u8::try_from(value).unwrap_or(u8::MAX);
    if !(1..=12).contains(&month) {
        TimestampError::Month(byte(month))
    } else if !(1..=last_day).contains(&day) {
        TimestampError::Day { day: byte(day), last: byte(last_day) }
    } else if hour > 23 {
        TimestampError::Hour(byte(hour))
    } else if minute > 59 {
        TimestampError::Minute(byte(minute))
    } else {
        TimestampError::Second(byte(second))
    }
}
