//! Predicts the result of both codecs for an input: it decodes as `interledger-packet` does, and knows each difference
//! of ours.

mod date;

use super::classes::{CLASSES, Theirs};
use super::{Codec, Fields, Outcome};

const DATA_MAX: usize = 32_768;
const MESSAGE_MAX: usize = 8192;
const ADDRESS_MAX: usize = 1023;

/// The predicted results for one input.
#[derive(Debug)]
pub(super) struct Prediction {
    pub(super) ours: Outcome,
    pub(super) theirs: Outcome,
    pub(super) classes: Vec<&'static str>,
}

/// Why decoding ends.
enum End {
    /// Both refuse.
    Refused,
    /// We refuse, they panic.
    Panicked,
}

type Read<T> = Result<T, End>;

pub(super) fn predict(codec: Codec, input: &[u8]) -> Prediction {
    let mut findings = Findings::default();
    let mut rest = input;
    let read = match codec {
        Codec::VarUint => var_uint(&mut rest, &mut findings),
        Codec::Octets => octets(&mut rest, &mut findings).map(|value| {
            findings.same("value", value);
            findings.same("left", rest);
        }),
        // Both have the same grammar.
        Codec::Address => Err(End::Refused),
        Codec::Packet => packet(&mut rest, &mut findings),
        Codec::Ildcp => ildcp(&mut rest, &mut findings),
    };
    let Findings { ours, theirs, we_refuse, they_refuse, classes } = findings;
    let accepted = |refuse, fields| {
        if refuse { Outcome::Refused } else { Outcome::Accepted(fields) }
    };
    let (ours, theirs) = match read {
        Ok(()) => (accepted(we_refuse, ours), accepted(they_refuse, theirs)),
        Err(End::Refused) => (Outcome::Refused, Outcome::Refused),
        Err(End::Panicked) => (Outcome::Refused, Outcome::Panicked),
    };
    Prediction { ours, theirs, classes }
}

/// The fields that were decoded so far.
#[derive(Default)]
struct Findings {
    ours: Fields,
    theirs: Fields,
    we_refuse: bool,
    they_refuse: bool,
    classes: Vec<&'static str>,
}

impl Findings {
    fn same(&mut self, name: &'static str, value: &[u8]) {
        self.differs(name, value, value);
    }

    fn differs(&mut self, name: &'static str, ours: &[u8], theirs: &[u8]) {
        self.ours.push((name, ours.to_vec()));
        self.theirs.push((name, theirs.to_vec()));
    }

    fn class(&mut self, class: &'static str) {
        let known =
            CLASSES.iter().any(|known| (known.id, known.theirs) == (class, Theirs::InterledgerRs));
        assert!(known, "{class} is not in the table");
        if !self.classes.contains(&class) {
            self.classes.push(class);
        }
    }

    fn we_refuse_if(&mut self, condition: bool, class: &'static str) {
        if condition {
            self.class(class);
            self.we_refuse = true;
        }
    }
}

fn fixed<'a>(rest: &mut &'a [u8], length: usize) -> Read<&'a [u8]> {
    let (octets, after) = rest.split_at_checked(length).ok_or(End::Refused)?;
    *rest = after;
    Ok(octets)
}

fn unsigned(octets: &[u8]) -> u64 {
    octets.iter().fold(0, |value, &octet| value << 8 | u64::from(octet))
}

fn octets<'a>(rest: &mut &'a [u8], findings: &mut Findings) -> Read<&'a [u8]> {
    let first = fixed(rest, 1)?[0];
    let length = match first {
        0..0x80 => u64::from(first),
        0x80 => {
            findings.class("rs-length-indefinite");
            return Err(End::Panicked);
        }
        0x81..=0x88 => {
            let octets = fixed(rest, usize::from(first & 0x7f))?;
            let length = unsigned(octets);
            findings.we_refuse_if(length < 128 || octets[0] == 0, "rs-length");
            length
        }
        _ => return Err(End::Refused),
    };
    fixed(rest, usize::try_from(length).map_err(|_| End::Refused)?)
}

fn var_uint(rest: &mut &[u8], findings: &mut Findings) -> Read<()> {
    let octets = octets(rest, findings)?;
    if !(1..=8).contains(&octets.len()) {
        return Err(End::Refused);
    }
    findings.we_refuse_if(octets.len() > 1 && octets[0] == 0, "rs-integer-zeros");
    findings.same("value", &unsigned(octets).to_be_bytes());
    findings.same("left", rest);
    Ok(())
}

fn packet(rest: &mut &[u8], findings: &mut Findings) -> Read<()> {
    let kind = fixed(rest, 1)?[0];
    if !(12..=14).contains(&kind) {
        return Err(End::Refused);
    }
    let mut content = octets(rest, findings)?;
    let content = &mut content;
    match kind {
        12 => {
            findings.same("amount", fixed(content, 8)?);
            let date = date::read(fixed(content, 17)?).ok_or(End::Refused)?;
            date.classes.iter().for_each(|class| findings.class(class));
            findings.we_refuse |= date.ours.is_none();
            let ours = date.ours.unwrap_or_default();
            findings.differs("expiresAt", &ours.to_be_bytes(), &date.theirs.to_be_bytes());
            findings.same("condition", fixed(content, 32)?);
            let destination = address(octets(content, findings)?)?;
            findings.same("destination", destination);
        }
        13 => findings.same("fulfillment", fixed(content, 32)?),
        _ => {
            let code = fixed(content, 3)?;
            findings.we_refuse_if(!code.is_ascii(), "rs-code");
            findings.same("code", code);
            let triggered_by = octets(content, findings)?;
            if triggered_by.is_empty() {
                findings.class("rs-triggered-by-empty");
                findings.they_refuse = true;
            } else {
                address(triggered_by)?;
            }
            findings.same("triggeredBy", triggered_by);
            let message = octets(content, findings)?;
            findings.we_refuse_if(message.len() > MESSAGE_MAX, "rs-message-size");
            findings.same("message", message);
        }
    }
    let data = octets(content, findings)?;
    findings.we_refuse_if(data.len() > DATA_MAX, "rs-data-size");
    findings.same("data", data);
    Ok(())
}

fn ildcp(rest: &mut &[u8], findings: &mut Findings) -> Read<()> {
    let client_address = address(octets(rest, findings)?)?;
    findings.same("clientAddress", client_address);
    findings.same("assetScale", fixed(rest, 1)?);
    let code = octets(rest, findings)?;
    findings.we_refuse_if(std::str::from_utf8(code).is_err(), "rs-ildcp-asset-utf8");
    findings.same("assetCode", code);
    Ok(())
}

fn address(octets: &[u8]) -> Read<&[u8]> {
    const SCHEMES: [&str; 10] =
        ["g", "private", "example", "peer", "self", "test", "test1", "test2", "test3", "local"];
    let text = std::str::from_utf8(octets).map_err(|_| End::Refused)?;
    let mut segments = text.split('.');
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"_~-".contains(&octet);
    let good = segments.next().is_some_and(|scheme| SCHEMES.contains(&scheme))
        && segments.clone().next().is_some()
        && segments.all(|segment| !segment.is_empty() && segment.bytes().all(allowed))
        && octets.len() <= ADDRESS_MAX;
    if good { Ok(octets) } else { Err(End::Refused) }
}
