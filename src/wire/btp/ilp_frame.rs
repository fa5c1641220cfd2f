//! The frame of the packet path: a MESSAGE or RESPONSE whose only entry is `ilp`, of content type
//! 0. All known implementations send Prepares and answers like this, so it is read and written by a
//! few comparisons and stores.

use oer_codec::{Reader, put_length, var_octet_string_size};

use super::{BtpFrame, FrameBody, FrameKind, ILP, ProtocolData, ProtocolEntry, RequestId};

/// Bytes of type and request id, before the length of the content.
pub(super) const HEAD: usize = 1 + 4;

/// Count 1, the name `ilp`, content type 0: the bytes before the length of the packet.
const ILP_ENTRY: [u8; 7] = *b"\x01\x01\x03ilp\x00";

/// Bytes of [`ILP_ENTRY`] before the entry itself.
const COUNT: usize = 2;

const _: () = assert!(matches!(ILP_ENTRY, [1, 1, 3, b'i', b'l', b'p', 0]) && ILP.len() == 3);

/// A MESSAGE or RESPONSE that is nothing but an ILP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IlpFrame<'a> {
    /// [`FrameKind::Message`] or [`FrameKind::Response`].
    pub kind: FrameKind,
    /// The id of the request, also in its answer.
    pub request_id: RequestId,
    /// The ILP packet, not parsed.
    pub packet: &'a [u8],
    /// The entry as it arrived.
    entry: &'a [u8],
}

impl<'a> IlpFrame<'a> {
    /// The same as a general frame.
    #[inline]
    pub(super) const fn into_frame(self) -> BtpFrame<'a> {
        let body = match self.kind {
            FrameKind::Response => FrameBody::Response,
            _ => FrameBody::Message,
        };
        let protocol_data =
            ProtocolData::single(ProtocolEntry::octets(ILP, self.packet), self.entry);
        BtpFrame { request_id: self.request_id, body, protocol_data }
    }
}

/// The packet of a frame that has the shape of the packet path. `None` for any other frame, which
/// [`BtpFrame::parse`] reads.
#[must_use]
#[inline]
pub fn parse_ilp_frame(bytes: &[u8]) -> Option<IlpFrame<'_>> {
    let mut frame = Reader::new(bytes);
    let &[kind, a, b, c, d] = frame.array::<HEAD>().ok()?;
    let kind = match kind {
        1 => FrameKind::Response,
        6 => FrameKind::Message,
        _ => return None,
    };
    let length = frame.length().ok()?;
    let (content, mut entries) = (frame.rest(), frame);
    if length != content.len() as u64 || entries.array().ok()? != &ILP_ENTRY {
        return None;
    }
    let packet = entries.var_octet_string().ok()?;
    let (_, entry) = content.split_at_checked(COUNT)?;
    let request_id = RequestId(u32::from_be_bytes([a, b, c, d]));
    entries.is_empty().then_some(IlpFrame { kind, request_id, packet, entry })
}

/// Bytes of a frame whose only entry is a packet of `ilp_len` bytes.
#[must_use]
#[inline]
pub const fn ilp_frame_size(ilp_len: usize) -> usize {
    HEAD + var_octet_string_size(ILP_ENTRY.len() + var_octet_string_size(ilp_len))
}

/// Appends a MESSAGE or RESPONSE up to the ILP packet of `ilp_len` bytes, which the caller appends.
///
/// RFC 23 "Sub-protocols": a packet travels in the first entry, which has the name `ilp` and content type 0. [row 81]
#[inline]
pub fn put_ilp_header(kind: FrameKind, request_id: RequestId, ilp_len: usize, out: &mut Vec<u8>) {
    let [a, b, c, d] = request_id.0.to_be_bytes();
    out.extend_from_slice(&[kind as u8, a, b, c, d]);
    put_length(ILP_ENTRY.len() + var_octet_string_size(ilp_len), out);
    out.extend_from_slice(&ILP_ENTRY);
    put_length(ilp_len, out);
}
