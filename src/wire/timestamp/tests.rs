//! Vectors, every day of the calendar against jiff, and the arithmetic at its ends.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::wire::vectors::{self, Expect};

/// Milliseconds of a civil date and time according to jiff.
fn jiff_millis(civil: DateTime) -> u64 {
    let zoned = civil.to_zoned(TimeZone::UTC).expect("in jiff's range");
    u64::try_from(zoned.timestamp().as_millisecond()).expect("after 1970")
}

fn jiff_instant(text: &str) -> Timestamp {
    let timestamp: jiff::Timestamp = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
    Timestamp::from_millis(u64::try_from(timestamp.as_millisecond()).expect("after 1970"))
}

/// Hour 24 is midnight of the next day, which jiff does not read.
fn instant(text: &str) -> Timestamp {
    match text.split_once("T24:") {
        Some((date, rest)) => {
            jiff_instant(&format!("{date}T00:{rest}")).saturating_add_millis(MILLIS_PER_DAY)
        }
        None => jiff_instant(text),
    }
}

fn check(section: &str, read: impl Fn(&[u8]) -> Option<Timestamp>) {
    for entry in vectors::list(&vectors::load("oer"), section) {
        let text = vectors::text(entry, "text").as_bytes();
        match vectors::expect(entry) {
            Expect::Reject => assert_eq!(read(text), None, "{entry}"),
            _ => {
                let iso = vectors::text(entry, "iso");
                // jiff reads a leap second as :59, this codec as the next second.
                let leap = u64::from(iso.contains(":60.")) * 1000;
                let expected = jiff_instant(iso).saturating_add_millis(leap);
                assert_eq!(read(text), Some(expected), "{entry}");
            }
        }
    }
}

#[test]
fn vectors_of_17_digits() {
    check("timestamp_fixed17", |text| {
        let timestamp = Timestamp::read17(text.try_into().ok()?).ok()?;
        assert_eq!(timestamp.to_17(), text, "round trip");
        Some(timestamp)
    });
}

#[test]
fn vectors_of_generalized_time() {
    check("generalized_time", |text| {
        let time = GeneralizedTime::parse(text).ok()?;
        assert_eq!(time.as_bytes(), text);
        Some(time.timestamp())
    });
}

#[test]
fn vectors_of_written_times() {
    let file = vectors::load("oer");
    let written = |entry: &Value| instant(vectors::text(entry, "instant"));
    for entry in vectors::list(&file, "timestamp_fixed17_encode") {
        let text = vectors::text(entry, "text").as_bytes();
        assert_eq!(written(entry).to_17(), text, "{entry}");
    }
    // The file has the canonical form. Ours also suits btp-packet: it differs by at most a
    // millisecond, has three digits, and does not end in 0.
    for entry in vectors::list(&file, "generalized_time_encode") {
        let canonical = vectors::text(entry, "text").as_bytes();
        let ours = written(entry).to_generalized();
        let read = Timestamp::read_generalized(&ours).expect("readable");
        let expected = Timestamp::read_generalized(canonical).expect("readable");
        assert!(read.millis_since(expected) <= 1, "{entry}");
        assert_eq!(ours == canonical, canonical.len() == 19, "{entry}");
        assert!(matches!(ours, [.., b'.', _, _, b'1'..=b'9', b'Z']), "{entry}");
    }
}

#[test]
fn every_day_until_9999_agrees_with_jiff() {
    let mut date = jiff::civil::date(1970, 1, 1);
    for day in 0u64.. {
        let timestamp = Timestamp::from_millis(day * MILLIS_PER_DAY);
        let text = format!("{:04}{:02}{:02}000000000", date.year(), date.month(), date.day());
        assert_eq!(std::str::from_utf8(&timestamp.to_17()), Ok(text.as_str()));
        assert_eq!(Timestamp::read17(text.as_bytes().try_into().unwrap()), Ok(timestamp));
        match date.tomorrow() {
            Ok(tomorrow) => date = tomorrow,
            Err(_) => {
                assert_eq!(day, Timestamp::MAX.as_millis() / MILLIS_PER_DAY);
                break;
            }
        }
    }
}

#[test]
fn every_pair_of_month_and_day_agrees_with_jiff() {
    for year in [0i16, 1, 4, 100, 400, 1900, 1969, 1970, 2000, 2023, 2024, 2100, 9998] {
        for month in 0..=99i8 {
            for day in 0..=99i8 {
                let text = format!("{year:04}{month:02}{day:02}123456789");
                let read = Timestamp::read17(text.as_bytes().try_into().unwrap());
                let expected = DateTime::new(year, month, day, 12, 34, 56, 789_000_000);
                assert_eq!(read.is_ok(), expected.is_ok(), "{text}");
                if let (Ok(read), Ok(expected)) = (read, expected) {
                    let expected = if year < 1970 { 0 } else { jiff_millis(expected) };
                    assert_eq!(read.as_millis(), expected, "{text}");
                }
            }
        }
    }
}

#[test]
fn a_date_before_1970_is_the_epoch() {
    for text in ["00000101000000000", "00000229000000000", "00000301000000000", "19691231235959999"]
    {
        let read = Timestamp::read17(text.as_bytes().try_into().unwrap());
        assert_eq!(read, Ok(Timestamp::EPOCH), "{text}");
    }
}

#[test]
fn errors_name_the_field() {
    fn check(text: &str, message: &str) {
        let error = Timestamp::read17(text.as_bytes().try_into().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), message, "{text}");
    }
    check("2017122416143227Z", "is not 17 digits YYYYMMDDHHMMSSfff");
    check("20171324161432279", "has month 13, months are 01 to 12");
    check("20170229161432279", "has day 29, the month ends with 28");
    check("20171224241432279", "has hour 24, hours are 00 to 23");
    check("20171224166032279", "has minute 60, minutes are 00 to 59");
    check("20161231235960279", "has second 60, seconds are 00 to 59");
    assert_eq!(
        Timestamp::read_generalized(b"20161231235961Z"),
        Err(TimestampError::Second(61)),
        "60 is the only leap second"
    );
}

#[test]
fn every_byte_that_is_not_a_digit_is_refused() {
    let good = *b"20171224161432279";
    for at in 0..good.len() {
        for byte in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit()) {
            let mut text = good;
            text[at] = byte;
            assert_eq!(Timestamp::read17(&text), Err(FORM_17), "byte {byte} at {at}");
        }
    }
}

#[test]
fn arithmetic_saturates_at_both_ends() {
    let one = Duration::from_millis(1);
    assert_eq!(Timestamp::MAX.saturating_add(one), Timestamp::MAX);
    assert_eq!(Timestamp::MAX.saturating_add(Duration::MAX), Timestamp::MAX);
    assert_eq!(Timestamp::EPOCH.saturating_sub(one), Timestamp::EPOCH);
    assert_eq!(Timestamp::from_millis(u64::MAX), Timestamp::MAX);
    assert_eq!(Timestamp::from_millis(5).saturating_sub(one).saturating_add(one).as_millis(), 5);
    assert_eq!(Timestamp::EPOCH.millis_since(Timestamp::MAX), 0);
    assert_eq!(Timestamp::from_millis(7).saturating_duration_since(Timestamp::EPOCH), one * 7);
    assert_eq!(Timestamp::MAX.to_17(), *b"99991231235959999");
    assert_eq!(Timestamp::MAX.to_generalized(), *b"99991231235959.999Z");
    assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999Z");
    assert_eq!(Timestamp::read_generalized(b"99991231235960.999Z"), Ok(Timestamp::MAX));
}

proptest! {
    #[test]
    fn every_instant_round_trips(millis in 0..Timestamp::MAX.0 - 2 * MILLIS_PER_DAY) {
        // jiff's instants end a day before the year 9999 does.
        let timestamp = Timestamp::from_millis(millis);
        prop_assert_eq!(Timestamp::read17(&timestamp.to_17()), Ok(timestamp));
        let expected = jiff::Timestamp::from_millisecond(i64::try_from(millis).unwrap()).unwrap();
        prop_assert_eq!(timestamp.to_string(), format!("{expected:.3}"));
        let general = Timestamp::read_generalized(&timestamp.to_generalized()).unwrap();
        prop_assert!(general.millis_since(timestamp) <= 1);
    }
}
