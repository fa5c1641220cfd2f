//! The documents of rate sources: JSON as many providers send it, and the reference rates of the European Central Bank.
//!
//! Numbers are read as text, so that no digit passes through a binary fraction.

use std::collections::BTreeMap;
use std::sync::Arc;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::account::{Rate, check_asset_code};
use crate::wire::Timestamp;

/// The longest document, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;
/// Quotes of one document.
const QUOTES_MAX: usize = 10_000;
/// A moment with more seconds than this is one in milliseconds: as seconds, it would be in the year 5138.
const SECONDS_MAX: u64 = 100_000_000_000;
/// A clock of a source may be this much ahead of ours.
const AHEAD_MS_MAX: u64 = 60_000;

/// The form of a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RateFormat {
    /// `{"base": "EUR", "rates": {"USD": 1.0842}}`, perhaps with a `timestamp` in seconds.
    #[default]
    Json,
    /// The XML of the European Central Bank: units of each currency for one euro.
    Ecb,
}

/// What a document quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quotes {
    pub(super) base: Arc<str>,
    /// The moment of the figures, if the document has it.
    pub(super) as_of: Option<Timestamp>,
    /// Units of each asset for one unit of the base, which is among them.
    pub(super) rates: BTreeMap<Arc<str>, Rate>,
    /// Quotes that are no rates, or whose names are no asset codes.
    pub(super) unusable: usize,
}

impl Quotes {
    /// The moment of the figures, if the document has it.
    pub fn as_of(&self) -> Option<Timestamp> {
        self.as_of
    }
}

/// Why a document cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DocumentError {
    #[error("it is longer than {DOCUMENT_BYTES_MAX} bytes")]
    TooLong,
    #[error("it is not JSON with an object `rates`: {0}")]
    Json(String),
    #[error("it is not XML: {0}")]
    Xml(String),
    #[error("it has no element Cube with a time")]
    NoCube,
    #[error("it names no base; set `base` in the source")]
    NoBase,
    #[error("its base is {found}, not {wanted}")]
    OtherBase { found: Arc<str>, wanted: Arc<str> },
    #[error("its base is no asset code")]
    Base,
    #[error("its moment cannot be read")]
    Moment,
    #[error("its moment is {0} s ahead of our clock")]
    Ahead(u64),
    #[error("it has more than {QUOTES_MAX} rates")]
    TooMany,
    #[error("it has no rate that can be used")]
    Empty,
}

/// Reads a document. `base` is the configured one.
pub(super) fn read(
    bytes: &[u8],
    format: RateFormat,
    base: Option<&Arc<str>>,
    now: Timestamp,
) -> Result<Quotes, DocumentError> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(DocumentError::TooLong);
    }
    let raw = match format {
        RateFormat::Json => read_json(bytes)?,
        RateFormat::Ecb => read_ecb(bytes)?,
    };
    if let Some(as_of) = raw.as_of
        && as_of.millis_since(now) > AHEAD_MS_MAX
    {
        return Err(DocumentError::Ahead(as_of.millis_since(now) / 1_000));
    }
    if raw.quotes.len() > QUOTES_MAX {
        return Err(DocumentError::TooMany);
    }
    let found = raw.base.as_deref().map(|base| check_asset_code(base).map(|()| Arc::from(base)));
    let found: Option<Arc<str>> = found.transpose().map_err(|_| DocumentError::Base)?;
    let base = match (found, base) {
        (Some(found), Some(wanted)) if found != *wanted => {
            return Err(DocumentError::OtherBase { found, wanted: Arc::clone(wanted) });
        }
        (Some(base), _) => base,
        (None, Some(base)) => Arc::clone(base),
        (None, None) => return Err(DocumentError::NoBase),
    };
    let count = raw.quotes.len();
    let mut rates: BTreeMap<Arc<str>, Rate> = BTreeMap::new();
    for (code, text) in raw.quotes {
        if let (Ok(()), Ok(rate)) = (check_asset_code(&code), Rate::from_quote(&text)) {
            rates.insert(code.into(), rate);
        }
    }
    let unusable = count.saturating_sub(rates.len());
    if rates.is_empty() {
        return Err(DocumentError::Empty);
    }
    // A document that quotes its base otherwise contradicts itself.
    rates.insert(Arc::clone(&base), Rate::ONE);
    Ok(Quotes { base, as_of: raw.as_of, rates, unusable })
}

/// A document, before its values are checked.
struct RawQuotes {
    base: Option<String>,
    as_of: Option<Timestamp>,
    quotes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct JsonDocument<'a> {
    base: Option<String>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    rates: BTreeMap<String, &'a RawValue>,
}

fn read_json(bytes: &[u8]) -> Result<RawQuotes, DocumentError> {
    let document: JsonDocument<'_> =
        serde_json::from_slice(bytes).map_err(|error| DocumentError::Json(error.to_string()))?;
    let moment = |raw: &RawValue| {
        let number: u64 = raw.get().parse().map_err(|_| DocumentError::Moment)?;
        let millis = if number < SECONDS_MAX { number.saturating_mul(1_000) } else { number };
        Ok(Timestamp::from_millis(millis))
    };
    // A number may be in quotes.
    let text = |raw: &RawValue| raw.get().trim_matches('"').to_owned();
    Ok(RawQuotes {
        base: document.base,
        as_of: document.timestamp.map(moment).transpose()?,
        quotes: document.rates.into_iter().map(|(code, raw)| (code, text(raw))).collect(),
    })
}

/// The newest day of the document, which may have many of them.
fn read_ecb(bytes: &[u8]) -> Result<RawQuotes, DocumentError> {
    let xml = |error: &dyn std::fmt::Display| DocumentError::Xml(error.to_string());
    let mut reader = Reader::from_reader(bytes);
    let mut days: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut day = None;
    loop {
        let event = reader.read_event().map_err(|error| xml(&error))?;
        let (Event::Start(element) | Event::Empty(element)) = event else {
            if event == Event::Eof {
                break;
            }
            continue;
        };
        if element.local_name().as_ref() != "Cube" {
            continue;
        }
        if let Some(time) = attribute(&element, "time")? {
            days.entry(time.clone()).or_default();
            day = Some(time);
        }
        let quote = (attribute(&element, "currency")?, attribute(&element, "rate")?);
        if let (Some(day), (Some(currency), Some(rate))) = (&day, quote) {
            let quotes = days.entry(day.clone()).or_default();
            quotes.insert(currency, rate);
            if quotes.len() > QUOTES_MAX {
                return Err(DocumentError::TooMany);
            }
        }
    }
    let (day, quotes) = days.pop_last().ok_or(DocumentError::NoCube)?;
    Ok(RawQuotes { base: Some("EUR".to_owned()), as_of: Some(begin_of_day(&day)?), quotes })
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, DocumentError> {
    let found = element.try_get_attribute(name);
    let found = found.map_err(|error| DocumentError::Xml(error.to_string()))?;
    Ok(found.map(|found| found.value.into_owned()))
}

/// The beginning of a day such as `2026-11-27`, in UTC.
fn begin_of_day(day: &str) -> Result<Timestamp, DocumentError> {
    let digits: String = day.split('-').collect();
    let is_day = day.len() == 10 && digits.len() == 8;
    let text = format!("{digits}000000000");
    let text: &[u8; 17] = text.as_bytes().try_into().map_err(|_| DocumentError::Moment)?;
    Timestamp::read17(text).ok().filter(|_| is_day).ok_or(DocumentError::Moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-27T12:00:00Z.
    const NOW: Timestamp = Timestamp::from_millis(1_795_780_800_000);

    fn json(text: &str) -> Result<Quotes, DocumentError> {
        read(text.as_bytes(), RateFormat::Json, None, NOW)
    }

    fn shown(quotes: &Quotes) -> Vec<String> {
        quotes.rates.iter().map(|(code, rate)| format!("{code} {rate}")).collect()
    }

    #[test]
    fn json_keeps_every_digit_and_leaves_out_what_is_no_rate() {
        let quotes = json(
            r#"{"disclaimer": "x", "timestamp": 1795780799, "base": "USD", "rates": {
                "EUR": 0.92150000000000000001, "BTC": 1.05e-5, "JPY": "149.25", "USD": 7, "XAU": 0,
                "BAD": null, "ODD": [1], "no code": 1, "NEG": -1, "NAN": "NaN"}}"#,
        )
        .unwrap();
        assert_eq!(shown(&quotes), ["BTC 0.0000105", "EUR 0.9215", "JPY 149.25", "USD 1"]);
        assert_eq!((quotes.base.as_ref(), quotes.unusable), ("USD", 6));
        assert_eq!(quotes.as_of, Some(Timestamp::from_millis(1_795_780_799_000)));
    }

    #[test]
    fn a_document_that_cannot_be_used_says_why() {
        let check = |text: &str, expected: &str| {
            let error = json(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("", "it is not JSON with an object `rates`: EOF");
        check("[]", "it is not JSON");
        check("<html>", "it is not JSON");
        check(r#"{"base": "USD"}"#, "missing field `rates`");
        check(r#"{"rates": {"USD": 1}}"#, "it names no base");
        check(r#"{"base": "U S", "rates": {"USD": 1}}"#, "its base is no asset code");
        check(r#"{"base": "USD", "rates": {}}"#, "no rate that can be used");
        check(r#"{"base": "USD", "rates": {"EUR": -1}}"#, "no rate that can be used");
        check(r#"{"base": "USD", "timestamp": 1.5, "rates": {"EUR": 1}}"#, "moment cannot");
        check(r#"{"base": "USD", "timestamp": 1795780901, "rates": {"EUR": 1}}"#, "101 s ahead");
        let euro = Arc::from("EUR");
        let other =
            read(br#"{"base": "USD", "rates": {"EUR": 1}}"#, RateFormat::Json, Some(&euro), NOW);
        assert_eq!(other.unwrap_err().to_string(), "its base is USD, not EUR");
        let many: Vec<String> = (0..=QUOTES_MAX).map(|n| format!("\"C{n}\": 1")).collect();
        let many = format!("{{\"base\": \"USD\", \"rates\": {{{}}}}}", many.join(","));
        assert_eq!(json(&many), Err(DocumentError::TooMany));
        assert_eq!(json(&" ".repeat(DOCUMENT_BYTES_MAX + 1)), Err(DocumentError::TooLong));
    }

    #[test]
    fn a_moment_may_be_in_milliseconds() {
        let text = r#"{"base": "USD", "timestamp": 1795780799500, "rates": {"EUR": 1}}"#;
        assert_eq!(json(text).unwrap().as_of, Some(Timestamp::from_millis(1_795_780_799_500)));
    }

    #[test]
    fn the_newest_day_of_the_european_central_bank_counts() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?>
            <gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" xmlns="x">
            <gesmes:subject>Reference rates</gesmes:subject><Cube>
            <Cube time='2026-11-27'><Cube currency='USD' rate='1.1575'/><Cube currency="JPY" rate="180.61"/></Cube>
            <Cube time='2026-11-26'><Cube currency='USD' rate='9'/><Cube currency='RUB' rate='9'/></Cube>
            </Cube></gesmes:Envelope>"#;
        let quotes = read(text.as_bytes(), RateFormat::Ecb, None, NOW).unwrap();
        assert_eq!(shown(&quotes), ["EUR 1", "JPY 180.61", "USD 1.1575"]);
        assert_eq!(quotes.as_of, Some(Timestamp::from_millis(1_795_737_600_000)));
        let check = |text: &str, expected: &str| {
            let error = read(text.as_bytes(), RateFormat::Ecb, None, NOW).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("{}", "no element Cube");
        check("<Cube><Cube currency='USD' rate='1'/></Cube>", "no element Cube");
        check("<Cube time='2026-11-27'></Tube>", "it is not XML");
        check("<Cube time='27.11.2026'><Cube currency='USD' rate='1'/></Cube>", "moment cannot");
        check("<Cube time='2026-13-27'><Cube currency='USD' rate='1'/></Cube>", "moment cannot");
        check("<Cube time='2026-11-27'><Cube currency='USD' rate='x'/></Cube>", "no rate");
    }
}
