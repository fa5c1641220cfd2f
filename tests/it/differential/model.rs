//! Predicts the results of both sides for an input on which they differ. The model reads as the JavaScript packages do,
//! and records each difference of ours as a class of `classes.rs`. Its prediction must be exact.

mod btp;
mod ccp;
mod date;
mod ilp;
mod lenient;
mod stream;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use self::lenient::Lenient;
use super::Codec;
use super::classes::{CLASSES, Theirs};

/// Both refuse.
#[derive(Debug)]
struct Refused;

type Read<T> = Result<T, Refused>;

/// The predicted results of one input.
pub(super) struct Prediction {
    /// Our fields; `None` if we refuse.
    pub(super) ours: Option<Value>,
    /// Theirs.
    pub(super) theirs: Option<Value>,
    /// The classes that cause the difference.
    pub(super) classes: BTreeSet<&'static str>,
    unknown: Vec<&'static str>,
}

impl Prediction {
    /// Removes fields without a prediction: those written again from values that differ, and guesses of JavaScript.
    pub(super) fn retain_predicted(
        &self,
        ours: Option<Value>,
        theirs: Option<Value>,
    ) -> (Option<Value>, Option<Value>) {
        let strip = |fields: Option<Value>| {
            fields.map(|mut fields| {
                for key in self.unknown.iter().chain(&["again"]) {
                    fields.as_object_mut().unwrap().shift_remove(*key);
                }
                fields
            })
        };
        (strip(ours), strip(theirs))
    }
}

/// Reads the input as the JavaScript packages do.
pub(super) fn predict(codec: Codec, input: &[u8]) -> Prediction {
    let mut findings = Findings::default();
    let mut reader = Lenient::new(input);
    let read = match codec {
        Codec::Oer => oer(&mut reader, &mut findings),
        Codec::Address => ilp::address(input, &mut findings)
            .map(|address| findings.same("address", hex::encode(address))),
        Codec::Ilp => ilp::packet(&mut reader, &mut findings),
        Codec::Btp => btp::frame(&mut reader, &mut findings),
        Codec::Ildcp => ilp::ildcp(&mut reader, &mut findings),
        Codec::CcpControl => ccp::control(&mut reader, &mut findings),
        Codec::CcpUpdate => ccp::update(&mut reader, &mut findings),
        Codec::Stream => stream::packet(&mut reader, &mut findings),
    };
    let Findings { ours, theirs, we_refuse, they_refuse, classes, unknown } = findings;
    Prediction {
        ours: (read.is_ok() && !we_refuse).then_some(Value::Object(ours)),
        theirs: (read.is_ok() && !they_refuse).then_some(Value::Object(theirs)),
        classes,
        unknown,
    }
}

/// The fields and differences read so far.
#[derive(Default)]
struct Findings {
    ours: Map<String, Value>,
    theirs: Map<String, Value>,
    we_refuse: bool,
    they_refuse: bool,
    classes: BTreeSet<&'static str>,
    unknown: Vec<&'static str>,
}

impl Findings {
    /// A field that both read alike.
    fn same(&mut self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        self.ours.insert(key.to_owned(), value.clone());
        self.theirs.insert(key.to_owned(), value);
    }

    /// A field that both read differently.
    fn differs(&mut self, key: &str, ours: impl Into<Value>, theirs: impl Into<Value>) {
        self.ours.insert(key.to_owned(), ours.into());
        self.theirs.insert(key.to_owned(), theirs.into());
    }

    /// A field without a prediction of theirs.
    fn unknown(&mut self, key: &'static str) {
        self.unknown.push(key);
    }

    /// Records that only we refuse the input.
    fn we_refuse(&mut self, class: &'static str) {
        self.class(class);
        self.we_refuse = true;
    }

    /// Records that only they refuse the input.
    fn they_refuse(&mut self, class: &'static str) {
        self.class(class);
        self.they_refuse = true;
    }

    fn class(&mut self, class: &'static str) {
        let known =
            |known: &super::classes::Class| (known.id, known.theirs) == (class, Theirs::JavaScript);
        assert!(CLASSES.iter().any(known), "{class} is not in the table");
        self.classes.insert(class);
    }

    /// Octets that we keep and they convert to text.
    fn text(&mut self, key: &str, octets: &[u8], class: &'static str) {
        let theirs = String::from_utf8_lossy(octets);
        if theirs.as_bytes() != octets {
            self.class(class);
        }
        self.differs(key, hex::encode(octets), hex::encode(theirs.as_bytes()));
    }

    /// Octets that should have seven bits; they read only seven.
    fn seven_bits(&mut self, octets: &[u8], class: &'static str) -> Vec<u8> {
        if !octets.is_ascii() {
            self.we_refuse(class);
        }
        octets.iter().map(|octet| octet & 0x7f).collect()
    }

    /// Octets of which we limit the size.
    fn limit(&mut self, octets: &[u8], maximum: usize, class: &'static str) {
        if octets.len() > maximum {
            self.we_refuse(class);
        }
    }
}

fn oer(reader: &mut Lenient<'_>, findings: &mut Findings) -> Read<()> {
    let value = match reader.u8()? % 6 {
        kind @ 0..=3 => reader.unsigned(1 << kind)?.to_string(),
        4 => hex::encode(reader.octets(findings)?),
        _ => reader.integer(findings)?.to_string(),
    };
    findings.same("value", value);
    findings.same("left", reader.left());
    Ok(())
}
