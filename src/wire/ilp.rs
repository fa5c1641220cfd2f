//! ILPv4 packets (RFC 27): Prepare, Fulfill, Reject.
//!
//! Each packet is a view that borrows from the bytes it was parsed from, and encodes itself by
//! appending to a buffer. Forwarding is parsing, changing two fields, and encoding:
//!
//! ```
//! use ilp_connector::wire::{Amount, ilp::Prepare};
//! # fn forward(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ilp_connector::wire::Error> {
//! let incoming = Prepare::parse(bytes)?;
//! let expires_at = incoming.expires_at.saturating_sub_millis(1000);
//! Prepare { amount: Amount(5), expires_at, ..incoming }.encode(out);
//! # Ok(())
//! # }
//! ```
//!
//! RFC 30 "Extensibility": bytes after the envelope, and after the last known field inside it, are
//! ignored. [row 9] They are not written again. Parsing enforces the limits below; on output the
//! caller keeps to them. A parsed packet can always be passed on.

mod code;
mod fulfill;
mod prepare;
mod reject;
#[cfg(test)]
mod tests;

pub use code::{ErrorClass, ErrorCode};
pub use fulfill::Fulfill;
use oer_codec::{Reader, length_size, put_length};
pub use prepare::Prepare;
pub use reject::{AmountTooLarge, Reject, clip_message};

use super::Error;
use super::error::{check_len, encoding};

/// Most bytes of `data` that are accepted: one more than RFC 27 allows, because Java peers send that. [row 10]
pub const MAX_DATA: usize = 32_768;
/// Most bytes of `data` that we send. RFC 34 "ILP Prepare": data has at most 32767 bytes. [row 10]
pub const MAX_DATA_EMITTED: usize = 32_767;
/// Most bytes of a Reject's message that are accepted: one more than the ASN.1 allows, because Java peers send that.
pub const MAX_MESSAGE: usize = 8192;
/// Most bytes of a Reject's message that we send.
pub const MAX_MESSAGE_EMITTED: usize = 8191;
/// Bytes of the largest accepted packet, a Reject with all fields at their limits. WebSocket
/// messages must hold it. [row 11]
pub const MAX_PACKET: usize =
    4 + 3 + (3 + super::address::MAX_ADDRESS) + (3 + MAX_MESSAGE) + (3 + MAX_DATA);

/// The first byte of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PacketType {
    /// Offers money for a fulfillment.
    Prepare = 12,
    /// Proves that the receiver accepted the money.
    Fulfill = 13,
    /// Says why the money did not move.
    Reject = 14,
}

impl PacketType {
    /// `Prepare`, `Fulfill` or `Reject`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prepare => "Prepare",
            Self::Fulfill => "Fulfill",
            Self::Reject => "Reject",
        }
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::Prepare => "12 (Prepare)",
            Self::Fulfill => "13 (Fulfill)",
            Self::Reject => "14 (Reject)",
        }
    }
}

/// The type of a packet from its first byte. RFC 27 "Type-Length Wrapper": there are three types;
/// any other is refused. [row 12]
#[must_use]
#[inline]
pub const fn packet_type(bytes: &[u8]) -> Option<PacketType> {
    match bytes {
        [12, ..] => Some(PacketType::Prepare),
        [13, ..] => Some(PacketType::Fulfill),
        [14, ..] => Some(PacketType::Reject),
        _ => None,
    }
}

/// Any ILP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Type 12.
    Prepare(Prepare<'a>),
    /// Type 13.
    Fulfill(Fulfill<'a>),
    /// Type 14.
    Reject(Reject<'a>),
}

impl<'a> Packet<'a> {
    /// Parses a packet of any type.
    ///
    /// # Errors
    /// [`Error`] with the field that is wrong; an unknown type byte is one.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        match packet_type(bytes) {
            Some(PacketType::Prepare) => Prepare::parse(bytes).map(Self::Prepare),
            Some(PacketType::Fulfill) => Fulfill::parse(bytes).map(Self::Fulfill),
            Some(PacketType::Reject) => Reject::parse(bytes).map(Self::Reject),
            None => Err(wrong_type(bytes, "12 (Prepare), 13 (Fulfill) or 14 (Reject)")),
        }
    }

    /// Bytes that [`encode`](Self::encode) appends.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        match self {
            Self::Prepare(packet) => packet.encoded_len(),
            Self::Fulfill(packet) => packet.encoded_len(),
            Self::Reject(packet) => packet.encoded_len(),
        }
    }

    /// Appends the packet.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Prepare(packet) => packet.encode(out),
            Self::Fulfill(packet) => packet.encode(out),
            Self::Reject(packet) => packet.encode(out),
        }
    }
}

/// The answer to a Prepare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply<'a> {
    /// Type 13.
    Fulfill(Fulfill<'a>),
    /// Type 14.
    Reject(Reject<'a>),
}

impl<'a> Reply<'a> {
    /// Parses an answer.
    ///
    /// # Errors
    /// [`Error`] with the field that is wrong; the type byte of a Prepare is one.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        match packet_type(bytes) {
            Some(PacketType::Fulfill) => Fulfill::parse(bytes).map(Self::Fulfill),
            Some(PacketType::Reject) => Reject::parse(bytes).map(Self::Reject),
            _ => Err(wrong_type(bytes, "13 (Fulfill) or 14 (Reject)")),
        }
    }
}

/// A packet that can be written. Implemented for a Prepare, and for the answer to one.
pub trait Encode {
    /// Bytes that [`encode`](Self::encode) appends.
    fn encoded_len(&self) -> usize;

    /// Appends the packet.
    fn encode(&self, out: &mut Vec<u8>);
}

impl Encode for Prepare<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        Prepare::encoded_len(self)
    }

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        Prepare::encode(self, out);
    }
}

impl Encode for Reply<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        match self {
            Reply::Fulfill(fulfill) => fulfill.encoded_len(),
            Reply::Reject(reject) => reject.encoded_len(),
        }
    }

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Reply::Fulfill(fulfill) => fulfill.encode(out),
            Reply::Reject(reject) => reject.encode(out),
        }
    }
}

/// Reads the envelope of a packet of one type; returns a reader over its content.
#[inline]
fn open_envelope<'a>(
    bytes: &'a [u8],
    expected: PacketType,
    place: &'static str,
) -> Result<Reader<'a>, Error> {
    if packet_type(bytes) != Some(expected) {
        return Err(wrong_type(bytes, expected.expected()));
    }
    let mut envelope = Reader::new(bytes);
    envelope.u8().map_err(encoding(place))?;
    envelope.var_octet_string().map(Reader::new).map_err(encoding(place))
}

/// Appends the type and the length of a packet, and reserves room for its content.
#[inline]
fn put_envelope(packet_type: PacketType, content_len: usize, out: &mut Vec<u8>) {
    out.reserve(1 + length_size(content_len) + content_len);
    out.push(packet_type as u8);
    put_length(content_len, out);
}

#[cold]
fn wrong_type(bytes: &[u8], expected: &'static str) -> Error {
    match Reader::new(bytes).u8() {
        Ok(found) => Error::Type { place: "packet type", found, expected },
        Err(cause) => Error::Encoding { place: "packet type", cause },
    }
}

/// Reads the last field of every packet.
#[inline]
fn read_data<'a>(content: &mut Reader<'a>, place: &'static str) -> Result<&'a [u8], Error> {
    check_len(MAX_DATA, content.var_octet_string().map_err(encoding(place))?, place)
}
