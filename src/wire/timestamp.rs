//! Points in time, and the two forms they have on the wire.
//!
//! - 17 digits, `YYYYMMDDHHMMSSfff` (`expiresAt` of a Prepare, RFC 30 "Timestamps"): on the path of
//!   every packet, so both directions work on eight digits at a time, without a date library.
//! - GeneralizedTime, `YYYYMMDDHHMMSS[.f{1,3}]Z` (`triggeredAt` of a BTP ERROR).
//!
//! Both are always UTC. There is no clock here: the present time is passed in.

use std::fmt;
use std::time::Duration;

const MILLIS_PER_DAY: u64 = 86_400_000;

/// Milliseconds since the Unix epoch, UTC, within 1970-01-01 and 9999-12-31.
///
/// Both ends are deliberate. The wire has four digits for the year, so nothing above
/// [`Timestamp::MAX`] can be written, and arithmetic saturates there. A date before 1970, which the
/// wire can express, is read as the epoch: everything before it has long expired either way.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// Why digits are not a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// Something else than a digit where a digit belongs, or a wrong length.
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
    /// A second above 59; leap seconds are smeared (RFC 30), except in GeneralizedTime.
    #[error("has second {0}, seconds are 00 to 59")]
    Second(u8),
}

const FORM_17: TimestampError = TimestampError::Form("17 digits YYYYMMDDHHMMSSfff");
const FORM_GENERALIZED: TimestampError = TimestampError::Form(
    "YYYYMMDDHHMMSSZ or YYYYMMDDHHMMSS.fffZ with 1 to 3 digits after the point",
);

impl Timestamp {
    /// 1970-01-01T00:00:00.000Z.
    pub const EPOCH: Self = Self(0);
    /// 9999-12-31T23:59:59.999Z.
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

    /// Reads the 17 digits of an ILP packet. Impossible dates, hour 24 and second 60 are refused.
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

    /// Appends the 17 digits of an ILP packet.
    #[inline]
    pub fn write17(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_17());
    }

    /// Reads a GeneralizedTime with no, one, two or three digits after the point. Trailing zeros
    /// are accepted, because btp-packet (JavaScript) writes them. Second 60, which is legal here,
    /// is read as the second that follows it.
    ///
    /// # Errors
    /// [`TimestampError`], with the field that is wrong.
    pub fn read_generalized(text: &[u8]) -> Result<Self, TimestampError> {
        let Some((whole, fraction)) = text.split_first_chunk::<14>() else {
            return Err(FORM_GENERALIZED);
        };
        let digit = |byte: u8| u64::from(byte.wrapping_sub(b'0'));
        let millis = match *fraction {
            [b'Z'] => 0,
            [b'.', f0 @ b'0'..=b'9', b'Z'] => digit(f0) * 100,
            [b'.', f0 @ b'0'..=b'9', f1 @ b'0'..=b'9', b'Z'] => digit(f0) * 100 + digit(f1) * 10,
            [b'.', f0 @ b'0'..=b'9', f1 @ b'0'..=b'9', f2 @ b'0'..=b'9', b'Z'] => {
                digit(f0) * 100 + digit(f1) * 10 + digit(f2)
            }
            _ => return Err(FORM_GENERALIZED),
        };
        let [y0, y1, y2, y3, m0, m1, d0, d1, h0, h1, i0, i1, s0, s1] = *whole;
        let date = digit_pairs([y0, y1, y2, y3, m0, m1, d0, d1]);
        let time = digit_pairs([h0, h1, i0, i1, s0, s1, b'0', b'0']);
        let (Some(date), Some(time)) = (date, time) else {
            return Err(FORM_GENERALIZED);
        };
        let [hour, minute, second, _] = lanes(time);
        Self::from_civil(lanes(date), [hour, minute, second], millis, 60)
    }

    /// The GeneralizedTime that every known reader understands: exactly three digits after the
    /// point, the last of which is not 0. btp-packet reads nothing but three digits, and RFC 30
    /// forbids a trailing zero, so a millisecond that ends in 0 is written one later.
    #[must_use]
    pub fn to_generalized(self) -> [u8; 19] {
        let nudged = if self.0.is_multiple_of(10) { Self(self.0 + 1) } else { self };
        let [y0, y1, y2, y3, m0, m1, d0, d1, h0, h1, i0, i1, s0, s1, f0, f1, f2] = nudged.to_17();
        [y0, y1, y2, y3, m0, m1, d0, d1, h0, h1, i0, i1, s0, s1, b'.', f0, f1, f2, b'Z']
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
            return Err(explain([month, day, hour, minute, second], last_day));
        }
        let days =
            days_before_year(century, year_of_century) + days_before_month(leap, month) + (day - 1);
        let millis_of_day = ((hour * 60 + minute) * 60 + second) * 1000 + millis;
        let since_year_0 = days * MILLIS_PER_DAY + millis_of_day;
        // Only a leap second on the last evening of 9999 can be beyond the maximum.
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

/// A GeneralizedTime as it came, known to be valid. Kept as text because one instant has several
/// forms, and a frame that is passed on or written again must not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GeneralizedTime<'a> {
    text: &'a [u8],
    timestamp: Timestamp,
}

impl<'a> GeneralizedTime<'a> {
    /// Checks the text, see [`Timestamp::read_generalized`].
    ///
    /// # Errors
    /// [`TimestampError`], with the field that is wrong.
    pub fn parse(text: &'a [u8]) -> Result<Self, TimestampError> {
        Ok(Self { text, timestamp: Timestamp::read_generalized(text)? })
    }

    /// The form that [`Timestamp::to_generalized`] writes.
    pub(super) fn from_written(text: &'a [u8; 19]) -> Self {
        let timestamp = Timestamp::read_generalized(text).unwrap_or_default();
        Self { text, timestamp }
    }

    /// The text as it came; ASCII.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.text
    }

    /// The instant.
    #[must_use]
    pub const fn timestamp(self) -> Timestamp {
        self.timestamp
    }
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

// ---- Eight digits at a time -------------------------------------------------------------------

/// Eight ASCII digits as four numbers below 100, in four lanes of 16 bits, the first one lowest.
#[inline]
fn digit_pairs(text: [u8; 8]) -> Option<u64> {
    let digits = u64::from_le_bytes(text) ^ 0x3030_3030_3030_3030;
    // 0x76 + 9 = 0x7f: a byte above 9 reaches its top bit, or has it already. A carry into the
    // next byte can only come from a byte that is refused itself.
    if (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    Some((digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff)
}

/// Four numbers below 100 as eight ASCII digits.
#[inline]
fn pair_digits(numbers: [u64; 4]) -> [u8; 8] {
    let [a, b, c, d] = numbers;
    let lanes = a | b << 16 | c << 32 | d << 48;
    // n * 103 / 1024 is n / 10 for every n below 100, and stays inside its lane.
    let tens = ((lanes * 103) >> 10) & 0x000f_000f_000f_000f;
    let units = lanes - tens * 10;
    (tens | units << 8 | 0x3030_3030_3030_3030).to_le_bytes()
}

#[inline]
const fn lanes(pairs: u64) -> [u64; 4] {
    [pairs & 0xff, pairs >> 16 & 0xff, pairs >> 32 & 0xff, pairs >> 48]
}

// ---- The calendar -----------------------------------------------------------------------------
//
// Proleptic Gregorian. Years come as century and year of the century, as the digits give them, and
// both directions are a few multiplications and shifts.

/// Days from 0000-01-01 to 1970-01-01.
const EPOCH_DAYS: u64 = 719_528;
/// Days from 0000-01-01 to 0000-03-01; the year 0 is a leap year.
const JANUARY_AND_FEBRUARY: u64 = 31 + 29;

#[inline]
const fn is_leap(century: u64, year_of_century: u64) -> bool {
    let decisive = if year_of_century == 0 { century } else { year_of_century };
    decisive & 3 == 0
}

/// Days from 0000-01-01 to the first day of a year.
#[inline]
const fn days_before_year(century: u64, year_of_century: u64) -> u64 {
    // A century has 24 leap years, and one more when it is divisible by four.
    let leap_years = 24 * century + ((century + 3) >> 2) + ((year_of_century + 3) >> 2);
    // Within a century that is not, the year 0 was counted although it is no leap year.
    let not_one = (year_of_century != 0) & (century & 3 != 0);
    365 * (100 * century + year_of_century) + leap_years - not_one as u64
}

/// Days from the first of January to the first day of a month, 1 to 12.
#[inline]
const fn days_before_month(leap: bool, month: u64) -> u64 {
    // As if every February had 30 days, which makes the months a straight line of integers.
    let days = (367 * month - 362) / 12;
    if month > 2 { days + leap as u64 - 2 } else { days }
}

/// The last day of a month; of no use when the month is outside 1..=12.
#[inline]
const fn last_day(leap: bool, month: u64) -> u64 {
    if month == 2 {
        28 + leap as u64
    } else {
        // 31 days in the odd months up to July and in the even ones from August.
        30 | (month ^ (month >> 3)) & 1
    }
}

/// Year, month and day of a count of days from 0000-03-01: a year that begins in March has its leap
/// day at its end. (Neri and Schneider, "Euclidean affine functions and their application to
/// calendar algorithms", 2022.)
#[inline]
const fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let n = 4 * days + 3;
    let (century, day_of_century) = (n / 146_097, n % 146_097 / 4);
    let product = 2_939_745 * (4 * day_of_century + 3);
    let year_of_century = product >> 32;
    let day_of_year = (product & 0xffff_ffff) / 2_939_745 / 4;
    let n = 2141 * day_of_year + 197_913;
    let (month, day) = (n >> 16, (n & 0xffff) / 2141 + 1);
    // January and February are months 13 and 14 of the year that began in March.
    let after_december = (day_of_year >= 306) as u64;
    (100 * century + year_of_century + after_december, month - 12 * after_december, day)
}

#[cold]
fn explain([month, day, hour, minute, second]: [u64; 5], last_day: u64) -> TimestampError {
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

#[cfg(test)]
mod tests;
