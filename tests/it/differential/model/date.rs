//! Dates as JavaScript reads them, and as we do. Milliseconds since 1970.

const MILLIS_PER_DAY: i64 = 86_400_000;
/// No `Date` is further from 1970.
const JAVASCRIPT_MAX: i64 = 8_640_000_000_000_000;
/// No year is further from 0.
const JAVASCRIPT_YEAR_MAX: f64 = 300_000.0;

/// The 17 characters of an `expiresAt`.
pub(super) enum Expiry {
    Both { ours: i64, theirs: i64, class: Option<&'static str> },
    Ours(&'static str),
    Theirs { theirs: i64, class: &'static str },
    Neither,
}

/// The results of both sides.
pub(super) fn expiry(characters: &[u8]) -> Expiry {
    let theirs = javascript(characters).filter(|&millis| millis != 0);
    let fields = digits(characters, &[4, 2, 2, 2, 2, 2, 3]);
    let real = fields.as_deref().filter(|fields| is_real(fields, 59));
    match (real, theirs) {
        (None, None) => Expiry::Neither,
        (None, Some(theirs)) => {
            let class = if fields.is_some() { "js-date-rolls-over" } else { "js-date-number" };
            Expiry::Theirs { theirs, class }
        }
        (Some(_), None) => Expiry::Ours("js-date-zero"),
        (Some(fields), Some(theirs)) => {
            let class = match fields[0] {
                0..100 => Some("js-date-short-year"),
                100..1970 => Some("js-date-before-1970"),
                _ => None,
            };
            Expiry::Both { ours: millis(fields).max(0), theirs, class }
        }
    }
}

/// `Date.UTC` of the numbers that `Number()` makes of the pieces; years below 100 are of the 20th century.
fn javascript(characters: &[u8]) -> Option<i64> {
    let mut rest = characters;
    let mut fields = [0; 7];
    for (index, (field, size)) in fields.iter_mut().zip([4, 2, 2, 2, 2, 2, 3]).enumerate() {
        let (piece, after) = rest.split_at(size);
        let value = number(piece)? - if index == 1 { 1.0 } else { 0.0 };
        if index == 0 && value.abs() > JAVASCRIPT_YEAR_MAX {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "truncation is what JavaScript does")]
        let whole = value.trunc() as i64;
        *field = whole;
        rest = after;
    }
    if (0..100).contains(&fields[0]) {
        fields[0] += 1900;
    }
    fields[1] += 1;
    Some(millis(&fields)).filter(|millis| millis.abs() <= JAVASCRIPT_MAX)
}

/// `Number()` of a few characters, seven bits of each.
fn number(characters: &[u8]) -> Option<f64> {
    let text: String = characters.iter().map(|&octet| char::from(octet & 0x7f)).collect();
    let text = text.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let radix = |digits: &str, radix| {
        let good = digits.chars().all(|digit| digit.is_digit(radix));
        let value = i32::from_str_radix(digits, radix).ok().filter(|_| good);
        value.map(f64::from)
    };
    match text.as_bytes() {
        [] => Some(0.0),
        [b'0', b'x' | b'X', ..] => radix(&text[2..], 16),
        [b'0', b'o' | b'O', ..] => radix(&text[2..], 8),
        [b'0', b'b' | b'B', ..] => radix(&text[2..], 2),
        // Rust's floating-point numbers have the same form, but for the words.
        octets if octets.iter().all(|octet| b"0123456789.eE+-".contains(octet)) => {
            text.parse().ok()
        }
        _ => None,
    }
}

/// The text of a `triggeredAt`.
pub(super) enum TriggeredAt {
    Both {
        ours: i64,
        theirs: Option<i64>,
        class: Option<&'static str>,
    },
    Theirs {
        theirs: i64,
        class: &'static str,
    },
    /// We refuse, they guess.
    Anything(&'static str),
}

/// The results of both sides. They never refuse: an invalid date is an invalid `Date`.
pub(super) fn triggered_at(text: &[u8]) -> TriggeredAt {
    let Some((fields, fraction)) = generalized(text) else {
        return TriggeredAt::Anything("js-btp-date-invalid");
    };
    let real = is_real(&fields, 60);
    let [_, month, day, time @ ..] = fields;
    let midnight = time == [24, 0, 0, 0];
    let iso = (1..=12).contains(&month) && (1..=31).contains(&day);
    let iso = iso && (midnight || (time[0] < 24 && time[1] < 60 && time[2] < 60));
    let theirs = (iso && fraction == 3).then(|| millis(&fields));
    match (real, theirs) {
        (false, None) => TriggeredAt::Anything("js-btp-date-invalid"),
        (false, Some(theirs)) => TriggeredAt::Theirs { theirs, class: "js-btp-date-rolls-over" },
        (true, _) => {
            let class = match theirs {
                None if fraction != 3 => Some("js-btp-date-fraction"),
                None => Some("js-btp-date-leap"),
                Some(theirs) => (theirs < 0).then_some("js-date-before-1970"),
            };
            // The wire has no year after 9999.
            let ours = millis(&fields).clamp(0, 253_402_300_799_999);
            TriggeredAt::Both { ours, theirs, class }
        }
    }
}

/// `YYYYMMDDHHMMSS[.f{1,3}]Z`: year to milliseconds, and the number of digits after the point.
fn generalized(text: &[u8]) -> Option<([i64; 7], usize)> {
    let (whole, rest) = text.split_at_checked(14)?;
    let fraction = match rest {
        [b'Z'] => &[],
        [b'.', fraction @ .., b'Z'] if (1..=3).contains(&fraction.len()) => fraction,
        _ => return None,
    };
    let mut padded = [b'0'; 3];
    padded[..fraction.len()].copy_from_slice(fraction);
    let fields = digits(&[whole, &padded].concat(), &[4, 2, 2, 2, 2, 2, 3])?;
    Some((fields.try_into().ok()?, fraction.len()))
}

/// Numbers of these many digits each, if all characters are digits.
fn digits(characters: &[u8], sizes: &[usize]) -> Option<Vec<i64>> {
    let text = std::str::from_utf8(characters).ok()?;
    if !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let mut rest = text;
    let number = |&size: &usize| {
        let (piece, after) = rest.split_at(size);
        rest = after;
        piece.parse().ok()
    };
    sizes.iter().map(number).collect()
}

/// Whether year, month, day, hour, minute, second are a valid time.
fn is_real(fields: &[i64], last_second: i64) -> bool {
    let &[year, month, day, hour, minute, second, _] = fields else { return false };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last_day = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    (1..=12).contains(&month)
        && (1..=last_day).contains(&day)
        && hour < 24
        && minute < 60
        && second <= last_second
}

/// Fields that are too great, or below the least, carry.
fn millis(fields: &[i64]) -> i64 {
    let [year, month, day, hour, minute, second, millis] = fields else { return 0 };
    let (year, month) = (year + (month - 1).div_euclid(12), (month - 1).rem_euclid(12));
    // A year that begins in March: days up to a month follow from its number.
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = 365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468;
    days * MILLIS_PER_DAY + ((hour * 60 + minute) * 60 + second) * 1000 + millis
}
