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
