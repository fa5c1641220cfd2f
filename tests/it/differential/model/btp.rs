//! BTP frames.

use serde_json::json;

use super::date::{self, TriggeredAt};
use super::{Findings, Lenient, Read, Refused};

const DATA_MAX: usize = 8192;

pub(super) fn frame(reader: &mut Lenient<'_>, findings: &mut Findings) -> Read<()> {
    let kind = reader.u8()?;
    findings.same("type", kind);
    findings.same("requestId", reader.unsigned(4)?);
    let mut content = Lenient::new(reader.octets(findings)?);
    match kind {
        1 | 6 => {}
        2 => error(&mut content, findings)?,
        7 => findings.same("amount", content.unsigned(8)?.to_string()),
        _ => return Err(Refused),
    }
    let count = content.count(findings)?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let name = content.octets(findings)?;
        let name = findings.seven_bits(name, "js-name-high-bit");
        let content_type = content.u8()?;
        let data = content.octets(findings)?;
        entries.push(json!([hex::encode(name), content_type, hex::encode(data)]));
    }
    findings.same("protocolData", entries);
    Ok(())
}

fn error(content: &mut Lenient<'_>, findings: &mut Findings) -> Read<()> {
    let code = findings.seven_bits(content.fixed(3)?, "js-code-high-bit");
    findings.same("code", hex::encode(code));
    let name = content.octets(findings)?;
    let name = findings.seven_bits(name, "js-name-high-bit");
    findings.same("name", hex::encode(name));
    match date::triggered_at(content.octets(findings)?) {
        TriggeredAt::Both { ours, theirs, class } => {
            class.into_iter().for_each(|class| findings.class(class));
            findings.differs("triggeredAt", ours, theirs);
        }
        TriggeredAt::Theirs { theirs, class } => {
            findings.we_refuse(class);
            findings.same("triggeredAt", theirs);
        }
        TriggeredAt::Anything(class) => {
            findings.we_refuse(class);
            findings.unknown("triggeredAt");
        }
    }
    let data = content.octets(findings)?;
    findings.limit(data, DATA_MAX, "js-btp-data-size");
    findings.text("data", data, "js-btp-data-utf8");
    Ok(())
}
