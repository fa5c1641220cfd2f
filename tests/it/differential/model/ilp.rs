//! ILP packets, addresses and IL-DCP responses.

use super::date::{self, Expiry};
use super::{Findings, Lenient, Read, Refused};

const DATA_MAX: usize = 32_768;
const MESSAGE_MAX: usize = 8192;
const ADDRESS_MAX: usize = 1023;

pub(super) fn packet(reader: &mut Lenient<'_>, findings: &mut Findings) -> Read<()> {
    let kind = reader.u8()?;
    let mut content = Lenient::new(reader.octets(findings)?);
    findings.same("type", kind);
    match kind {
        12 => prepare(&mut content, findings),
        13 => fulfill(&mut content, findings).map(|_| ()),
        14 => reject(&mut content, findings),
        _ => Err(Refused),
    }
}

fn prepare(content: &mut Lenient<'_>, findings: &mut Findings) -> Read<()> {
    findings.same("amount", content.unsigned(8)?.to_string());
    match date::expiry(content.fixed(17)?) {
        Expiry::Neither => return Err(Refused),
        Expiry::Both { ours, theirs, class } => {
            class.into_iter().for_each(|class| findings.class(class));
            findings.differs("expiresAt", ours, theirs);
        }
        Expiry::Ours(class) => {
            findings.they_refuse(class);
            findings.same("expiresAt", 0);
        }
        Expiry::Theirs { theirs, class } => {
            findings.we_refuse(class);
            findings.same("expiresAt", theirs);
        }
    }
    findings.same("condition", hex::encode(content.fixed(32)?));
    let destination = address(content.octets(findings)?, findings)?;
    findings.same("destination", hex::encode(destination));
    data(content, findings)
}

fn fulfill<'a>(content: &mut Lenient<'a>, findings: &mut Findings) -> Read<&'a [u8]> {
    let fulfillment = content.fixed(32)?;
    findings.same("fulfillment", hex::encode(fulfillment));
    data(content, findings)?;
    Ok(fulfillment)
}

fn reject(content: &mut Lenient<'_>, findings: &mut Findings) -> Read<()> {
    let code = findings.seven_bits(content.fixed(3)?, "js-code-high-bit");
    findings.same("code", hex::encode(code));
    let triggered_by = match content.octets(findings)? {
        [] => Vec::new(),
        octets => address(octets, findings)?,
    };
    findings.same("triggeredBy", hex::encode(triggered_by));
    let message = content.octets(findings)?;
    findings.limit(message, MESSAGE_MAX, "js-message-size");
    findings.text("message", message, "js-message-utf8");
    data(content, findings)
}

fn data(content: &mut Lenient<'_>, findings: &mut Findings) -> Read<()> {
    let data = content.octets(findings)?;
    findings.limit(data, DATA_MAX, "js-data-size");
    findings.same("data", hex::encode(data));
    Ok(())
}

/// The address as they read it.
pub(super) fn address(octets: &[u8], findings: &mut Findings) -> Read<Vec<u8>> {
    const SCHEMES: [&[u8]; 10] = [
        b"g", b"private", b"example", b"peer", b"self", b"test", b"test1", b"test2", b"test3",
        b"local",
    ];
    let seven_bits: Vec<u8> = octets.iter().map(|octet| octet & 0x7f).collect();
    let mut segments = seven_bits.split(|&octet| octet == b'.');
    let scheme = segments.next().ok_or(Refused)?;
    let (mut count, mut good) = (0, SCHEMES.contains(&scheme) && octets.len() <= ADDRESS_MAX);
    for segment in segments {
        let allowed = |octet: &u8| octet.is_ascii_alphanumeric() || b"_~-".contains(octet);
        good &= !segment.is_empty() && segment.iter().all(allowed);
        count += 1;
    }
    if !good || count == 0 {
        return Err(Refused);
    }
    Ok(findings.seven_bits(octets, "js-address-high-bit"))
}

/// A Fulfill with an IL-DCP response.
pub(super) fn ildcp(reader: &mut Lenient<'_>, findings: &mut Findings) -> Read<()> {
    if reader.u8()? != 13 {
        return Err(Refused);
    }
    let mut content = Lenient::new(reader.octets(findings)?);
    if content.fixed(32)? != [0; 32] {
        return Err(Refused);
    }
    let data = content.octets(findings)?;
    findings.limit(data, DATA_MAX, "js-data-size");
    let mut data = Lenient::new(data);
    let client_address = address(data.octets(findings)?, findings)?;
    findings.same("clientAddress", hex::encode(client_address));
    findings.same("assetScale", data.u8()?);
    let code = data.octets(findings)?;
    if std::str::from_utf8(code).is_err() {
        findings.we_refuse("js-ildcp-asset-utf8");
    }
    let theirs = String::from_utf8_lossy(code);
    findings.same("assetCode", hex::encode(theirs.as_bytes()));
    Ok(())
}
