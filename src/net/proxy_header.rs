//! The header of the PROXY protocol (versions 1 and 2), with which a proxy begins a connection. The specification is
//! doc/proxy-protocol.txt of haproxy.
//!
//! Exactly the bytes of the header are read, so that what follows belongs to TLS or to the protocol of the listener.
//! The header comes before a TLS handshake. Further fields of version 2 (TLVs) are skipped.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncRead, AsyncReadExt};

use super::remote_address::RemoteAddress;

/// How a header of version 2 begins: bytes that are the beginning of no other protocol.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// How a header of version 1 begins.
const WORD: &[u8; 6] = b"PROXY ";
/// Bytes of a header of version 1, with the end of its line.
const LINE_BYTES_MAX: usize = 107;
/// `PROXY UNKNOWN` and the end of its line. It is shorter than any header of version 2.
const SHORTEST_BYTES: usize = 15;
/// Bytes of a header of version 2 before its addresses.
const FIXED_BYTES: usize = 16;
/// Bytes of a header of version 2. Fields of proxies take some hundred.
const HEADER_BYTES_MAX: usize = 4096;

/// Why a connection of a proxy is refused.
#[derive(Debug, thiserror::Error)]
pub enum ProxyHeaderError {
    #[error(
        "it is from a proxy with sends: proxyProtocol, and does not begin with a header of the PROXY protocol (switch \
         that on in the proxy, or change proxies)"
    )]
    Missing,
    #[error("its header of the PROXY protocol is invalid ({0})")]
    Invalid(&'static str),
    #[error("it ended within the header of the PROXY protocol")]
    Closed,
    #[error("it ended before the header of the PROXY protocol")]
    Silent,
    #[error("it sent no whole header of the PROXY protocol in time")]
    Timeout,
    #[error("it failed within the header of the PROXY protocol: {0}")]
    Io(#[from] io::Error),
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeaderStep {
    /// At least so many bytes of the header are missing.
    Read(usize),
    /// The header is complete. `None`: the proxy itself is the client, or it does not know the address.
    Done(Option<RemoteAddress>),
}

/// Reads the header. `None`: the proxy itself is the client (a health check), or it does not know the address.
///
/// # Errors
/// [`ProxyHeaderError`]: the connection must be closed.
pub async fn read_proxy_header(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Option<RemoteAddress>, ProxyHeaderError> {
    let mut received = Vec::with_capacity(LINE_BYTES_MAX);
    loop {
        let missing = match next_step(&received)? {
            HeaderStep::Done(client) => return Ok(client),
            HeaderStep::Read(missing) => missing,
        };
        let read = (&mut *stream).take(missing as u64).read_buf(&mut received).await?;
        match (read, received.is_empty()) {
            (0, true) => return Err(ProxyHeaderError::Silent),
            (0, false) => return Err(ProxyHeaderError::Closed),
            _ => {}
        }
    }
}

/// Whether these bytes begin as a header does. Only a named proxy may send one.
#[must_use]
pub fn begins_as_proxy_header(bytes: &[u8]) -> bool {
    bytes.starts_with(WORD) || bytes.starts_with(SIGNATURE)
}

fn next_step(received: &[u8]) -> Result<HeaderStep, ProxyHeaderError> {
    let is_binary = begin_alike(SIGNATURE, received);
    if !is_binary && !begin_alike(WORD, received) {
        return Err(ProxyHeaderError::Missing);
    }
    match SHORTEST_BYTES.checked_sub(received.len()) {
        Some(missing @ 1..) => Ok(HeaderStep::Read(missing)),
        _ if is_binary => next_step_of_binary(received),
        _ => next_step_of_line(received),
    }
}

/// Whether one is the beginning of the other.
fn begin_alike(one: &[u8], other: &[u8]) -> bool {
    one.iter().zip(other).all(|(a, b)| a == b)
}

fn next_step_of_line(received: &[u8]) -> Result<HeaderStep, ProxyHeaderError> {
    if let Some(line) = received.strip_suffix(b"\r\n") {
        return read_line(line).map(HeaderStep::Done);
    }
    // The next byte may be the last one, and what follows is not ours to read.
    match received.len() < LINE_BYTES_MAX {
        true => Ok(HeaderStep::Read(1)),
        false => Err(ProxyHeaderError::Invalid("its line is too long")),
    }
}

/// Section 2.1: `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443`, with one space between two fields.
fn read_line(line: &[u8]) -> Result<Option<RemoteAddress>, ProxyHeaderError> {
    let invalid = || ProxyHeaderError::Invalid("its line is malformed");
    let line = std::str::from_utf8(line).map_err(|_| invalid())?;
    let mut fields = line.split(' ').skip(1);
    let mut next = || fields.next().unwrap_or_default();
    let (family, source, destination) = (next(), next(), next());
    let (port, destination_port) = (next(), next());
    let is_v4 = match family {
        // Section 2.1: what follows it means nothing.
        "UNKNOWN" => return Ok(None),
        "TCP4" => true,
        "TCP6" => false,
        _ => return Err(invalid()),
    };
    let address = |text: &str| -> Option<IpAddr> {
        match is_v4 {
            true => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            false => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        }
    };
    let port_of = |text: &str| -> Option<u16> {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    };
    let (Some(source), Some(_), Some(port), Some(_), None) = (
        address(source),
        address(destination),
        port_of(port),
        port_of(destination_port),
        fields.next(),
    ) else {
        return Err(invalid());
    };
    Ok(Some(RemoteAddress::new(source, Some(port))))
}

/// Section 2.2: the signature, version and command, family and protocol, the length of the rest, and the addresses.
fn next_step_of_binary(received: &[u8]) -> Result<HeaderStep, ProxyHeaderError> {
    let Some((fixed, rest)) = received.split_first_chunk::<FIXED_BYTES>() else {
        return Ok(HeaderStep::Read(FIXED_BYTES - received.len()));
    };
    let [.., version_and_command, family, high, low] = *fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if FIXED_BYTES + length > HEADER_BYTES_MAX {
        return Err(ProxyHeaderError::Invalid("it is too long"));
    }
    // What is wrong already needs no further bytes.
    let is_local = match version_and_command {
        0x20 => true,
        0x21 => false,
        _ => return Err(ProxyHeaderError::Invalid("neither LOCAL nor PROXY of version 2")),
    };
    match length.checked_sub(rest.len()) {
        Some(missing @ 1..) => return Ok(HeaderStep::Read(missing)),
        Some(0) => {}
        None => return Err(ProxyHeaderError::Invalid("more bytes than it has")),
    }
    // Section 2.2: the receiver of LOCAL skips the addresses.
    if is_local {
        return Ok(HeaderStep::Done(None));
    }
    let too_short = ProxyHeaderError::Invalid("its addresses are cut short");
    match family {
        0x11 => {
            let Some((&[a, b, c, d, _, _, _, _, high, low, _, _], _)) = rest.split_first_chunk()
            else {
                return Err(too_short);
            };
            let port = u16::from_be_bytes([high, low]);
            Ok(HeaderStep::Done(Some(RemoteAddress::new([a, b, c, d].into(), Some(port)))))
        }
        0x21 => {
            let Some((addresses, _)) = rest.split_first_chunk::<36>() else {
                return Err(too_short);
            };
            let (source, ports) = (addresses.first_chunk::<16>(), addresses.last_chunk::<4>());
            let (Some(source), Some([high, low, _, _])) = (source, ports) else {
                return Err(too_short);
            };
            let port = u16::from_be_bytes([*high, *low]);
            Ok(HeaderStep::Done(Some(RemoteAddress::new((*source).into(), Some(port)))))
        }
        // Datagrams, UNIX sockets, and unspecified ones have no address of TCP.
        family if family >> 4 <= 3 && family & 0xf <= 2 => Ok(HeaderStep::Done(None)),
        _ => Err(ProxyHeaderError::Invalid("an unknown family of addresses")),
    }
}

#[cfg(test)]
mod tests;
