//! What each side makes of an input, foretold. This reads as the JavaScript packages read, and knows each place where we
//! do otherwise; every such place is a class of `classes.rs`.
//!
//! It is asked only where the two sides answered differently, and it must have their answers exactly.

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

/// What should come of one input.
pub(super) struct Foretold {
    /// Our fields; `None` when we refuse.
    pub(super) ours: Option<Value>,
    /// Theirs.
    pub(super) theirs: Option<Value>,
    /// What makes the difference.
    pub(super) classes: BTreeSet<&'static str>,
    unknown: Vec<&'static str>,
}

impl Foretold {
    /// Takes out what is not foretold: what is written again for values that differ, and what JavaScript guesses.
    pub(super) fn only_what_is_foretold(
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

/// Reads the input as they do.
pub(super) fn foretell(codec: Codec, input: &[u8]) -> Foretold {
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
    Foretold {
        ours: (read.is_ok() && !we_refuse).then_some(Value::Object(ours)),
        theirs: (read.is_ok() && !they_refuse).then_some(Value::Object(theirs)),
        classes,
        unknown,
    }
}

/// What has been read of an input.
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

    /// A field that they read in another way.
    fn differs(&mut self, key: &str, ours: impl Into<Value>, theirs: impl Into<Value>) {
        self.ours.insert(key.to_owned(), ours.into());
        self.theirs.insert(key.to_owned(), theirs.into());
    }

    /// A field of which nobody foretells what they read.
    fn unknown(&mut self, key: &'static str) {
        self.unknown.push(key);
    }

    /// Something that only we refuse.
    fn we_refuse(&mut self, class: &'static str) {
        self.class(class);
        self.we_refuse = true;
    }

    /// Something that only they refuse.
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

    /// Octets that we keep and they make a text of.
    fn text(&mut self, key: &str, octets: &[u8], class: &'static str) {
        let theirs = String::from_utf8_lossy(octets);
        if theirs.as_bytes() != octets {
            self.class(class);
        }
        self.differs(key, hex::encode(octets), hex::encode(theirs.as_bytes()));
    }

    /// Octets of seven bits, or so it should be; they look at those seven only.
    fn seven_bits(&mut self, octets: &[u8], class: &'static str) -> Vec<u8> {
        if !octets.is_ascii() {
            self.we_refuse(class);
        }
        octets.iter().map(|octet| octet & 0x7f).collect()
    }

    /// Something of which we accept a certain size only.
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
