//! BTP/2.0 frames (RFC 23): one per binary WebSocket message.
//!
//! [`BtpFrame::parse`] checks a whole frame, every entry included, without allocating. A frame that
//! does not parse is *unreadable* and gets no answer. RFC 30 "Extensibility": bytes after the
//! frame, or after its last entry, are ignored. [row 9]
//!
//! The packet path has one shape of frame: [`parse_ilp_frame`] recognises it, and
//! [`put_ilp_header`] writes the part before the packet. [`put_frame`] writes all other frames.

mod code;
mod data;
mod ilp_frame;
#[cfg(test)]
mod tests;
mod write;

pub use code::BtpErrorCode;
pub use data::{ContentType, ProtocolData, ProtocolEntries, ProtocolEntry};
pub use ilp_frame::{IlpFrame, ilp_frame_size, parse_ilp_frame, put_ilp_header};
use oer_codec::Reader;
pub use write::{put_auth, put_empty_response, put_error, put_frame};

use super::error::{check_len, encoding, timestamp};
use super::timestamp::GeneralizedTime;
use super::{Amount, Error};

/// Name of the entry that carries an ILP packet.
pub const ILP: &str = "ilp";
/// Name of the primary entry of the first frame of a session (RFC 23 "Authentication").
pub const AUTH: &str = "auth";
/// Name of the entry with the user's name; optional.
pub const AUTH_USERNAME: &str = "auth_username";
/// Name of the entry with the shared secret. RFC 23 "Authentication": it must be there, and may be empty.
pub const AUTH_TOKEN: &str = "auth_token";

/// Most bytes of an ERROR's data, from the ASN.1 of RFC 23.
pub const MAX_ERROR_DATA: usize = 8192;
/// Bytes of the largest frame with one `ilp` entry that carries the largest packet we accept.
pub const MAX_ILP_FRAME: usize = ilp_frame_size(super::ilp::MAX_PACKET);

/// Identifies a request among those that one side has in flight. RFC 23 "Flow": the answer carries
/// the same id, and the ids of the two sides are independent. [rows 75, 77]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u32);

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The first byte of a frame. Types 3, 4 and 5 were BTP/1.0 and are unreadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum FrameKind {
    /// The request was handled.
    Response = 1,
    /// The request was not handled.
    Error = 2,
    /// A request that moves no money at this level.
    Message = 6,
    /// A request that announces a settlement.
    Transfer = 7,
}

/// The fields of a frame besides its protocol data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameBody<'a> {
    /// Type 1.
    Response,
    /// Type 2.
    Error {
        /// The kind of error.
        code: BtpErrorCode,
        /// Its name, such as `NotAcceptedError`: any 7-bit text.
        name: &'a str,
        /// The time of the error by the peer's clock.
        triggered_at: GeneralizedTime<'a>,
        /// Details; at most [`MAX_ERROR_DATA`] bytes.
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
    /// The id of the request, also in its answer.
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
    /// [`Error`] with the field that is wrong. Such a frame gets no answer.
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

    /// The request that a frame answers, by its first bytes alone: the rest of a RESPONSE or an ERROR may be
    /// unreadable. `None`: the frame is no answer, or ends before its id.
    #[must_use]
    pub fn answered_request(bytes: &[u8]) -> Option<(FrameKind, RequestId)> {
        let mut frame = Reader::new(bytes);
        let kind = match frame.u8().ok()? {
            1 => FrameKind::Response,
            2 => FrameKind::Error,
            _ => return None,
        };
        Some((kind, RequestId(frame.u32().ok()?)))
    }

    /// The ILP packet. Other implementations may put its entry anywhere, not only first. [row 82]
    #[must_use]
    #[inline]
    pub fn ilp(&self) -> Option<&'a [u8]> {
        self.protocol_data.get(ILP).map(|entry| entry.data)
    }

    /// Appends the frame without the ignored bytes.
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
    let name = data::check_ia5(name, "BTP ERROR: name")?;
    let triggered_at = content.var_octet_string().map_err(encoding("BTP ERROR: triggeredAt"))?;
    let triggered_at =
        GeneralizedTime::parse(triggered_at).map_err(timestamp("BTP ERROR: triggeredAt"))?;
    let data = content.var_octet_string().map_err(encoding("BTP ERROR: data"))?;
    let data = check_len(MAX_ERROR_DATA, data, "BTP ERROR: data")?;
    Ok(FrameBody::Error { code: BtpErrorCode(*code), name, triggered_at, data })
}
