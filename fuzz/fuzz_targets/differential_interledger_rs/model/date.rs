//! The 17 characters of an `expiresAt`, as chrono reads them for `interledger-packet` (`%Y%m%d%H%M%S%3f`), and as we
//! do.

use ilp_connector::wire::Timestamp;

/// The largest absolute year of chrono.
const YEAR_MAX: i64 = 262_142;

pub(super) struct Date {
    /// Milliseconds since 1970; `None`: we refuse it.
    pub(super) ours: Option<i64>,
    pub(super) theirs: i64,
    pub(super) classes: Vec<&'static str>,
}

/// `None`: both refuse it.
pub(super) fn read(characters: &[u8]) -> Option<Date> {
    let text = std::str::from_utf8(characters).ok()?;
    let (year, rest) = year(text.trim_start())?;
    let (month, rest) = number(rest.trim_start(), 2)?;
    let (day, rest) = number(rest.trim_start(), 2)?;
    let (hour, rest) = number(rest.trim_start(), 2)?;
    let (minute, rest) = number(rest.trim_start(), 2)?;
    let (second, rest) = number(rest.trim_start(), 2)?;
    if rest.len() != 3 {
        return None;
    }
    let (millis, rest) = number(rest, 3)?;
    let real = year.abs() <= YEAR_MAX
        && (1..=12).contains(&month)
        && (1..=last_day(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !rest.is_empty() || !real {
        return None;
    }
    let seconds = (hour * 60 + minute) * 60 + second;
    let theirs = (days(year, month, day) * 86_400 + seconds) * 1000 + millis;
    let (digits, leap) = (text.bytes().all(|octet| octet.is_ascii_digit()), second == 60);
    let classes = [
        (!digits).then_some("rs-date-spaces"),
        leap.then_some("rs-date-leap"),
        (digits && theirs < 0).then_some("rs-date-before-1970"),
    ];
    let latest = i64::try_from(Timestamp::MAX.as_millis()).expect("before the year 10000");
    let ours = (digits && !leap).then_some(theirs.clamp(0, latest));
    Some(Date { ours, theirs, classes: classes.into_iter().flatten().collect() })
}

/// Four digits, or any number of them after a sign.
fn year(text: &str) -> Option<(i64, &str)> {
    if let Some(rest) = text.strip_prefix('-') {
        number(rest, usize::MAX).map(|(year, rest)| (-year, rest))
    } else if let Some(rest) = text.strip_prefix('+') {
        number(rest, usize::MAX)
    } else {
        number(text, 4)
    }
}

/// At least one digit.
fn number(text: &str, digits_max: usize) -> Option<(i64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count().min(digits_max);
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, rest))
}

fn last_day(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // A year that begins in March: days up to a month follow from its number.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}
