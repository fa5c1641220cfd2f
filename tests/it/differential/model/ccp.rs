//! CCP payloads.

use serde_json::{Value, json};

use super::{Findings, Lenient, Read, ilp};

pub(super) fn control(reader: &mut Lenient<'_>, findings: &mut Findings) -> Read<()> {
    let mode = reader.u8()?;
    if mode > 1 {
        findings.we_refuse("js-ccp-mode");
    }
    findings.same("mode", mode);
    findings.same("tableId", uuid(reader.fixed(16)?));
    findings.same("epoch", reader.unsigned(4)?);
    let features = texts(reader, findings, "js-ccp-text")?;
    findings.differs("features", features.0, features.1);
    Ok(())
}

pub(super) fn update(reader: &mut Lenient<'_>, findings: &mut Findings) -> Read<()> {
    findings.same("tableId", uuid(reader.fixed(16)?));
    for field in ["currentEpoch", "fromEpoch", "toEpoch", "holdDown"] {
        findings.same(field, reader.unsigned(4)?);
    }
    let speaker = reader.octets(findings)?;
    if !(speaker.is_ascii() && ilp::address(speaker, findings).is_ok()) {
        findings.we_refuse("js-ccp-speaker");
    }
    findings.same("speaker", hex::encode(seven_bits(speaker)));

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..reader.count(findings)? {
        let route = new_route(reader, findings)?;
        ours.push(route.0);
        theirs.push(route.1);
    }
    findings.differs("newRoutes", ours, theirs);
    let withdrawn = texts(reader, findings, "js-ccp-withdrawn")?;
    findings.differs("withdrawnRoutes", withdrawn.0, withdrawn.1);
    Ok(())
}

/// Our value and theirs.
type Both<T> = (T, T);

fn new_route(reader: &mut Lenient<'_>, findings: &mut Findings) -> Read<Both<Value>> {
    let prefix = reader.octets(findings)?;
    let mut path = vec![prefix];
    for _ in 0..reader.count(findings)? {
        path.push(reader.octets(findings)?);
    }
    if !path.iter().all(|address| address.is_ascii()) {
        findings.class("js-ccp-high-bit");
    }
    let ours: Vec<_> = path.iter().map(hex::encode).collect();
    let theirs: Vec<_> = path.iter().map(|octets| hex::encode(seven_bits(octets))).collect();
    let auth = hex::encode(reader.fixed(32)?);
    let (mut our_props, mut their_props) = (Vec::new(), Vec::new());
    for _ in 0..reader.count(findings)? {
        let meta = reader.u8()?;
        let is = |bit| meta & bit != 0;
        let id = reader.unsigned(2)?;
        let value = reader.octets(findings)?;
        if !matches!(meta & !0x10, 0x40 | 0x80 | 0xc0 | 0xe0) {
            findings.class("js-ccp-prop-meta");
        }
        let theirs = if is(0x10) { text(value) } else { value.to_vec() };
        if theirs != value {
            findings.class("js-ccp-text");
        }
        let prop =
            |value: &[u8]| json!([is(0x80), is(0x40), is(0x20), is(0x10), id, hex::encode(value)]);
        our_props.push(prop(value));
        their_props.push(prop(&theirs));
    }
    Ok((
        json!([ours[0], ours[1..], auth, our_props]),
        json!([theirs[0], theirs[1..], auth, their_props]),
    ))
}

/// A list of octet strings that they convert to text.
fn texts(
    reader: &mut Lenient<'_>,
    findings: &mut Findings,
    class: &'static str,
) -> Read<Both<Vec<String>>> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..reader.count(findings)? {
        let octets = reader.octets(findings)?;
        // They write the lower eight bits of each character of a withdrawn prefix.
        let harmless = if class == "js-ccp-withdrawn" { octets.is_ascii() } else { true };
        if !harmless || text(octets) != octets {
            findings.class(class);
        }
        ours.push(hex::encode(octets));
        theirs.push(hex::encode(text(octets)));
    }
    Ok((ours, theirs))
}

fn text(octets: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(octets).into_owned().into_bytes()
}

fn seven_bits(octets: &[u8]) -> Vec<u8> {
    octets.iter().map(|octet| octet & 0x7f).collect()
}

fn uuid(octets: &[u8]) -> String {
    let text = hex::encode(octets);
    [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
}
