//! Arithmetic of digits and calendar for timestamps, whose ranges `Timestamp` checks.

/// Eight ASCII digits as four numbers below 100, in four lanes of 16 bits, the first one lowest.
#[inline]
pub(super) fn digit_pairs(text: [u8; 8]) -> Option<u64> {
    let digits = u64::from_le_bytes(text) ^ 0x3030_3030_3030_3030;
    // 0x76 + 9 = 0x7f: a byte above 9 sets its top bit. A carry into the next byte comes only from
    // a byte that is refused itself.
    if (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    Some((digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff)
}

/// Four numbers below 100 as eight ASCII digits.
#[inline]
pub(super) fn pair_digits(numbers: [u64; 4]) -> [u8; 8] {
    let [a, b, c, d] = numbers;
    let lanes = a | b << 16 | c << 32 | d << 48;
    // n * 103 / 1024 is n / 10 for each n below 100, and stays inside its lane.
    let tens = ((lanes * 103) >> 10) & 0x000f_000f_000f_000f;
    let units = lanes - tens * 10;
    (tens | units << 8 | 0x3030_3030_3030_3030).to_le_bytes()
}

#[inline]
pub(super) const fn lanes(pairs: u64) -> [u64; 4] {
    [pairs & 0xff, pairs >> 16 & 0xff, pairs >> 32 & 0xff, pairs >> 48]
}

// The proleptic Gregorian calendar, with years as century and year of the century, like the digits.

/// Days from 0000-01-01 to 1970-01-01.
pub(super) const EPOCH_DAYS: u64 = 719_528;
/// Days from 0000-01-01 to 0000-03-01; the year 0 is a leap year.
pub(super) const JANUARY_AND_FEBRUARY: u64 = 31 + 29;

#[inline]
pub(super) const fn is_leap(century: u64, year_of_century: u64) -> bool {
    let decisive = if year_of_century == 0 { century } else { year_of_century };
    decisive & 3 == 0
}

/// Days from 0000-01-01 to the first day of a year.
#[inline]
pub(super) const fn days_before_year(century: u64, year_of_century: u64) -> u64 {
    // A century has 24 leap years, and one more when it is divisible by four.
    let leap_years = 24 * century + ((century + 3) >> 2) + ((year_of_century + 3) >> 2);
    // In the other centuries the year 0 was counted, although it is not a leap year.
    let not_one = (year_of_century != 0) & (century & 3 != 0);
    365 * (100 * century + year_of_century) + leap_years - not_one as u64
}

/// Days from the first of January to the first day of a month, 1 to 12.
#[inline]
pub(super) const fn days_before_month(leap: bool, month: u64) -> u64 {
    // With a February of 30 days, the months are a straight line of integers.
    let days = (367 * month - 362) / 12;
    if month > 2 { days + leap as u64 - 2 } else { days }
}

/// The last day of a month; meaningless outside 1..=12.
#[inline]
pub(super) const fn last_day(leap: bool, month: u64) -> u64 {
    if month == 2 {
        28 + leap as u64
    } else {
        // 31 days in the odd months up to July and in the even ones from August.
        30 | (month ^ (month >> 3)) & 1
    }
}

/// Year, month and day of a count of days from 0000-03-01: a year that begins in March has its leap day at its end.
/// (Neri and Schneider, "Euclidean affine functions and their application to calendar algorithms", 2022.)
#[inline]
pub(super) const fn civil_from_days(days: u64) -> (u64, u64, u64) {
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
