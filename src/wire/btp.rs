//! BTP/2.0 frames (RFC 23): one per binary WebSocket message.
//!
//! [`Frame::parse`] checks a whole frame, every entry included, without allocating; what it returns
//! borrows from the input. A frame that does not parse is *unreadable* and gets no answer. Names are
//! 7-bit text, content types may be any byte, unknown error codes are legal, and bytes after the
//! frame or after its last entry are ignored (RFC 30 "Extensibility").
//!
//! On the packet path there is one shape of frame: [`parse_ilp_frame`] recognises it, and
//! [`put_ilp_header`] writes all of it that precedes the packet. For everything else there are
//! [`put_frame`] and the builders of the handshake.

mod code;
mod data;
mod ilp_frame;
#[cfg(test)]
mod tests;
mod write;

use oer_codec::Reader;

use super::error::{at_most, encoding, timestamp};
use super::timestamp::GeneralizedTime;
use super::{Amount, Error};

pub use code::BtpErrorCode;
pub use data::{ContentType, ProtocolData, ProtocolEntries, ProtocolEntry};
pub use ilp_frame::{IlpFrame, ilp_frame_size, parse_ilp_frame, put_ilp_header};
pub use write::{put_auth, put_empty_response, put_error, put_frame};

/// Name of the entry that carries an ILP packet.
pub const ILP: &str = "ilp";
/// Name of the primary entry of the first frame on a link (RFC 23 "Authentication").
pub const AUTH: &str = "auth";
/// Name of the entry with the user's name; optional.
pub const AUTH_USERNAME: &str = "auth_username";
/// Name of the entry with the shared secret; it may be empty but not missing.
pub const AUTH_TOKEN: &str = "auth_token";

/// Most bytes of an ERROR's data (ASN.1).
pub const MAX_ERROR_DATA: usize = 8192;
/// Bytes of the largest frame with one `ilp` entry that carries the largest packet we accept.
pub const MAX_ILP_FRAME: usize = ilp_frame_size(super::ilp::MAX_PACKET);

/// Identifies a request among those that one side has in flight; its answer carries the same. The
/// two directions of a link are independent.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u32);

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The first byte of a frame. Types 3, 4 and 5 were BTP/1.0 and are unreadable now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum FrameKind {
    /// The request was handled.
    Response = 1,
    /// The request was not handled.
    Error = 2,
    /// A request that moves no money at this level.
    Message = 6,
    /// A request that tells of a settlement.
    Transfer = 7,
}

/// What a frame has besides its protocol data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameBody<'a> {
    /// Type 1.
    Response,
    /// Type 2.
    Error {
        /// Which error.
        code: BtpErrorCode,
        /// Its name, such as `NotAcceptedError`; 7-bit text of the peer's choice.
        name: &'a str,
        /// When it happened, by the peer's clock.
        triggered_at: GeneralizedTime<'a>,
        /// More about it; at most [`MAX_ERROR_DATA`] bytes.
        data: &'a [u8],
    },
    /// Type 6.
    Message,
    /// Type 7.
    Transfer {
        /// In units of the link.
        amount: Amount,
    },
}

impl FrameBody<'_> {
    /// The type of the frame.
    #[must_use]
    pub const fn kind(&self) -> FrameKind {
        match self {
            Self::Response => FrameKind::Response,
            Self::Error { .. } => FrameKind::Error,
            Self::Message => FrameKind::Message,
            Self::Transfer { .. } => FrameKind::Transfer,
        }
    }
}

/// A BTP frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BtpFrame<'a> {
    /// Of the request, or of the request that this answers.
    pub request_id: RequestId,
    /// The type, and the fields that only this type has.
    pub body: FrameBody<'a>,
    /// The entries.
    pub protocol_data: ProtocolData<'a>,
}

impl<'a> BtpFrame<'a> {
    /// Parses a frame and checks all of it.
    ///
    /// # Errors
    /// [`Error`] with the field that is wrong. RFC 23: such a frame gets no answer.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        match parse_ilp_frame(bytes) {
            Some(frame) => Ok(frame.into_frame()),
            None => Self::parse_any(bytes),
        }
    }

    fn parse_any(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut frame = Reader::new(bytes);
        let kind = frame.u8().map_err(encoding("BTP frame: type"))?;
        let request_id = frame.u32().map_err(encoding("BTP frame: requestId"))?;
        let content = frame.var_octet_string().map_err(encoding("BTP frame: content"))?;
        let mut content = Reader::new(content);
        let body = match kind {
            1 => FrameBody::Response,
            2 => read_error(&mut content)?,
            6 => FrameBody::Message,
            7 => {
                let amount = content.u64().map_err(encoding("BTP TRANSFER: amount"))?;
                FrameBody::Transfer { amount: Amount(amount) }
            }
            found => {
                let expected = "1 (RESPONSE), 2 (ERROR), 6 (MESSAGE) or 7 (TRANSFER)";
                return Err(Error::Type { place: "BTP frame: type", found, expected });
            }
        };
        let protocol_data = ProtocolData::parse(&mut content)?;
        Ok(Self { request_id: RequestId(request_id), body, protocol_data })
    }

    /// The ILP packet, wherever among the entries it is.
    #[must_use]
    #[inline]
    pub fn ilp(&self) -> Option<&'a [u8]> {
        self.protocol_data.get(ILP).map(|entry| entry.data)
    }

    /// Appends the frame, without the bytes that were ignored.
    pub fn encode(&self, out: &mut Vec<u8>) {
        write::put_parsed(self, out);
    }
}

fn read_error<'a>(content: &mut Reader<'a>) -> Result<FrameBody<'a>, Error> {
    let code = content.array().map_err(encoding("BTP ERROR: code"))?;
    if !code.is_ascii() {
        return Err(Error::NotAscii { place: "BTP ERROR: code" });
    }
    let name = content.var_octet_string().map_err(encoding("BTP ERROR: name"))?;
    let name = data::ia5(name, "BTP ERROR: name")?;
    let triggered_at = content.var_octet_string().map_err(encoding("BTP ERROR: triggeredAt"))?;
    let triggered_at =
        GeneralizedTime::parse(triggered_at).map_err(timestamp("BTP ERROR: triggeredAt"))?;
    let data = content.var_octet_string().map_err(encoding("BTP ERROR: data"))?;
    let data = at_most(MAX_ERROR_DATA, data, "BTP ERROR: data")?;
    Ok(FrameBody::Error { code: BtpErrorCode(*code), name, triggered_at, data })
}
