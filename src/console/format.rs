//! Formats of figures, times and foreign texts for people.

use std::time::Duration;

use unicode_width::UnicodeWidthStr;

pub use crate::net::{error_chain, sanitize, sanitize_answer, sanitize_json};
use crate::time::format_age;
use crate::wire::ilp::ErrorCode;

/// `1234567` as `1,234,567`.
pub fn group_digits(number: impl ToString) -> String {
    let text = number.to_string();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.as_str()),
    };
    let mut out = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Units of an asset as a decimal number of it, exact: `decimal(1_204_500, 3)` is `1,204.5`.
pub fn decimal(units: i128, scale: u8) -> String {
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let fraction = fraction.trim_end_matches('0');
    let sign = if units < 0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}", group_digits(whole))
}

/// Milliseconds with about three digits: `0.042`, `1.42`, `153`.
pub fn format_millis(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    match ms {
        _ if ms < 1.0 => format!("{ms:.3}"),
        _ if ms < 100.0 => format!("{ms:.2}"),
        _ => format!("{ms:.0}"),
    }
}

/// A time with its units: `12 s`, `3 min 5 s`, `2 h 10 min`, `3 days 4 h`.
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        _ if duration < Duration::from_secs(1) => format!("{} ms", format_millis(duration)),
        0..60 => match duration.subsec_millis() / 100 {
            0 => format!("{seconds} s"),
            tenths => format!("{seconds}.{tenths} s"),
        },
        _ => format_age(duration),
    }
}

/// A share in percent: `100 %`, `99.9 %`, `0.1 %`. Never rounded to 0 % or 100 %.
pub fn format_percent(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0 %".to_owned();
    }
    if part == whole {
        return "100 %".to_owned();
    }
    let share = ratio(part, whole) * 100.0;
    format!("{:.1} %", share.clamp(0.1, 99.9))
}

/// `part` of `whole`, for display only.
#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Packets per second, rounded.
pub fn per_second(packets: u64, within: Duration) -> u64 {
    let micros = within.as_micros().max(1);
    u64::try_from(u128::from(packets) * 1_000_000 / micros).unwrap_or(u64::MAX)
}

/// An argument of a command line, quoted if a shell would read it differently.
pub fn shell_quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@,+=%".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// `1 node`, `2 nodes`.
pub fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// An error code and its name: `F02 Unreachable`.
pub fn describe_code(code: ErrorCode) -> String {
    code.name().map_or_else(|| code.to_string(), |name| format!("{code} {name}"))
}

/// The address of a node that rejected a packet.
pub fn describe_node(address: &str) -> String {
    if address.is_empty() { "a node without an address".to_owned() } else { sanitize(address) }
}

/// The columns that a text takes on a terminal.
pub fn display_width(text: &str) -> usize {
    text.width()
}

/// A text, padded with spaces to this width.
pub fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(display_width(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_formatted() {
        assert_eq!(group_digits(0), "0");
        assert_eq!(group_digits(999), "999");
        assert_eq!(group_digits(1_234_567), "1,234,567");
        assert_eq!(group_digits(-1_000_i128), "-1,000");
        assert_eq!(group_digits(-100), "-100");
        assert_eq!(format_millis(Duration::from_micros(42)), "0.042");
        assert_eq!(format_millis(Duration::from_micros(1_420)), "1.42");
        assert_eq!(format_millis(Duration::from_millis(153)), "153");
        assert_eq!(format_duration(Duration::from_micros(20_500)), "20.50 ms");
        assert_eq!(format_duration(Duration::from_secs(10)), "10 s");
        assert_eq!(format_duration(Duration::from_millis(2_500)), "2.5 s");
        assert_eq!(format_duration(Duration::from_secs(185)), "3 min 5 s");
        assert_eq!(format_duration(Duration::from_secs(7_805)), "2 h 10 min");
        assert_eq!(per_second(500, Duration::from_millis(250)), 2000);
        assert_eq!(per_second(0, Duration::ZERO), 0);
    }

    #[test]
    fn shares_are_never_rounded_to_0_or_100_percent() {
        assert_eq!(format_percent(0, 10), "0 %");
        assert_eq!(format_percent(0, 0), "0 %");
        assert_eq!(format_percent(10, 10), "100 %");
        assert_eq!(format_percent(1, 3), "33.3 %");
        assert_eq!(format_percent(999_999, 1_000_000), "99.9 %");
        assert_eq!(format_percent(1, 1_000_000), "0.1 %");
    }

    #[test]
    fn words_for_a_shell() {
        for (word, expected) in [
            ("examples/linear-3.yaml", "examples/linear-3.yaml"),
            ("test.c", "test.c"),
            ("my file", "'my file'"),
            ("$wallet.example/it's", r"'$wallet.example/it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(shell_quote(word), expected);
        }
    }

    #[test]
    fn columns_are_those_of_a_terminal() {
        for (text, expected) in
            [("", 0), ("abc", 3), ("für", 3), ("fu\u{308}r", 3), ("你好", 4), ("🎉", 2)]
        {
            assert_eq!(display_width(text), expected, "{text}");
            assert_eq!(display_width(&padded(text, 8)), 8, "{text}");
        }
        assert_eq!(padded("abcdef", 3), "abcdef");
    }
}
