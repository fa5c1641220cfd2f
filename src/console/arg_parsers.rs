//! Parsers for values of flags: times, hashes, bytes, addresses.

use std::time::Duration;

use bytes::Bytes;

use crate::wire::{Address, Scheme};

/// The longest time that a flag may give.
const DURATION_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// `10`, `0.5`, `500ms`, `90s`, `5m`, `1h`; without a unit in seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let invalid =
        || "a time is a number of seconds, or a text such as 500ms, 90s, 5m, 1h".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default();
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(invalid()),
    };
    if !digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(invalid());
    }
    let number: f64 = digits.parse().map_err(|_| invalid())?;
    let duration = Duration::try_from_secs_f64(number * factor).map_err(|_| invalid())?;
    if duration.is_zero() {
        return Err("a time must be above zero".to_owned());
    }
    if duration > DURATION_MAX {
        return Err("a time is at most 7 days".to_owned());
    }
    Ok(duration)
}

/// 32 bytes in hexadecimal digits.
pub fn parse_hash(text: &str) -> Result<[u8; 32], String> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes)
        .map_err(|_| "32 bytes are written as 64 hexadecimal digits".to_owned())?;
    Ok(bytes)
}

/// Any bytes in hexadecimal digits, with or without `0x`.
pub fn parse_hex(text: &str) -> Result<Bytes, String> {
    let bytes = hex::decode(text.strip_prefix("0x").unwrap_or(text));
    bytes
        .map(Bytes::from)
        .map_err(|_| "bytes are written as an even number of hexadecimal digits".to_owned())
}

/// An address that a ping can reach, so none under `peer.`.
pub fn parse_ping_address(text: &str) -> Result<Address, String> {
    let address: Address =
        text.parse().map_err(|error| format!("{error}; an address looks like test.c"))?;
    if address.scheme() == Scheme::Peer {
        return Err(
            "the next node answers addresses under peer. itself and never forwards them".to_owned()
        );
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_parsed() {
        fn check(text: &str, millis: Option<u64>) {
            assert_eq!(parse_duration(text).ok(), millis.map(Duration::from_millis), "{text}");
        }
        check("10", Some(10_000));
        check("0.5", Some(500));
        check(".5", Some(500));
        check("500ms", Some(500));
        check("90s", Some(90_000));
        check("5m", Some(300_000));
        check("1h", Some(3_600_000));
        for wrong in
            ["", "-1", "1e3", "inf", "nan", "s", "1 s", "1d", "0", "0.0", "1.2.3", "999h", "+1"]
        {
            check(wrong, None);
        }
    }

    #[test]
    fn hashes_and_bytes_are_parsed() {
        assert_eq!(parse_hash(&"0f".repeat(32)), Ok([15; 32]));
        assert!(parse_hash(&"0f".repeat(31)).is_err() && parse_hash(&"0g".repeat(32)).is_err());
        assert_eq!(parse_hex("0x00ff"), Ok(Bytes::from_static(&[0, 255])));
        assert_eq!(parse_hex(""), Ok(Bytes::new()));
        assert!(parse_hex("f").is_err());
    }
}
