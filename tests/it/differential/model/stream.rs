//! STREAM packets in clear.

use serde_json::Value;

use super::{Findings, Lenient, Read, Refused};

const PACKET_MAX: usize = 32_739;

/// The fields of each frame: `b`yte, `n`umber, `l`imit, `o`ctets, `t`ext.
const FRAMES: [(u8, &str); 15] = [
    (1, "bt"),
    (2, "t"),
    (3, "n"),
    (4, "n"),
    (5, "n"),
    (6, "n"),
    (7, "tb"),
    (16, "nbt"),
    (17, "nn"),
    (18, "nln"),
    (19, "nln"),
    (20, "nno"),
    (21, "nn"),
    (22, "nn"),
    (23, "no"),
];

pub(super) fn packet(reader: &mut Lenient<'_>, findings: &mut Findings) -> Read<()> {
    if reader.left() > PACKET_MAX {
        findings.we_refuse("js-stream-size");
    }
    if reader.u8()? != 1 {
        return Err(Refused);
    }
    let packet_type = reader.u8()?;
    if !(12..=14).contains(&packet_type) {
        findings.we_refuse("js-stream-type");
    }
    findings.same("type", packet_type);
    for field in ["sequence", "amount"] {
        let number = reader.integer(findings)?;
        findings.same(field, number.to_string());
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..reader.count(findings)? {
        let frame_type = reader.u8()?;
        let mut content = Lenient::new(reader.octets(findings)?);
        let Some((_, fields)) = FRAMES.iter().find(|(known, _)| *known == frame_type) else {
            continue;
        };
        let (mut our_frame, mut their_frame) = (vec![frame_type.into()], vec![frame_type.into()]);
        for kind in fields.chars() {
            let (our_field, their_field) = field(kind, &mut content, findings)?;
            our_frame.push(our_field);
            their_frame.push(their_field);
        }
        ours.push(Value::Array(our_frame));
        theirs.push(Value::Array(their_frame));
    }
    findings.differs("frames", ours, theirs);
    Ok(())
}

/// Our value and theirs.
fn field(kind: char, content: &mut Lenient<'_>, findings: &mut Findings) -> Read<(Value, Value)> {
    let both = |value: Value| Ok((value.clone(), value));
    match kind {
        'b' => both(content.u8()?.into()),
        'n' => both(content.integer(findings)?.to_string().into()),
        'l' => both(content.limit(findings)?.to_string().into()),
        'o' => both(hex::encode(content.octets(findings)?).into()),
        _ => {
            let octets = content.octets(findings)?;
            let theirs = String::from_utf8_lossy(octets);
            if theirs.as_bytes() != octets {
                findings.class("js-stream-text");
            }
            Ok((hex::encode(octets).into(), hex::encode(theirs.as_bytes()).into()))
        }
    }
}
