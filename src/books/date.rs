//! Days in texts.

use crate::wire::Timestamp;

/// The day of a time, in UTC: `2026-11-27`.
pub fn date(at: Timestamp) -> String {
    let digits = at.to_17();
    let digits = String::from_utf8_lossy(&digits);
    let (year, rest) = digits.split_at(4);
    let (month, rest) = rest.split_at(2);
    let (day, _) = rest.split_at(2);
    format!("{year}-{month}-{day}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_that_of_utc() {
        for (millis, expected) in [
            (0, "1970-01-01"),
            (1_795_823_999_999, "2026-11-27"),
            (1_795_824_000_000, "2026-11-28"),
        ] {
            assert_eq!(date(Timestamp::from_millis(millis)), expected);
        }
    }
}
