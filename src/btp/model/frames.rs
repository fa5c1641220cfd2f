//! The frames that test peers send, and the parsing of those that they receive.

use crate::wire::Amount;
use crate::wire::btp::{FrameBody, FrameKind, ProtocolEntry, RequestId, put_frame};
use crate::wire::ws::FrameHeader;

pub(in crate::btp) fn framed(
    id: u32,
    body: &FrameBody<'_>,
    entries: &[ProtocolEntry<'_>],
) -> Vec<u8> {
    let mut frame = Vec::new();
    put_frame(RequestId(id), body, entries, &mut frame);
    frame
}

/// A MESSAGE.
pub(in crate::btp) fn message(id: u32, entries: &[ProtocolEntry<'_>]) -> Vec<u8> {
    framed(id, &FrameBody::Message, entries)
}

/// A MESSAGE with an ILP packet.
pub(in crate::btp) fn request(id: u32, packet: &[u8]) -> Vec<u8> {
    message(id, &[ProtocolEntry::octets("ilp", packet)])
}

/// A RESPONSE with an ILP packet.
pub(in crate::btp) fn response(id: u32, packet: &[u8]) -> Vec<u8> {
    framed(id, &FrameBody::Response, &[ProtocolEntry::octets("ilp", packet)])
}

/// A RESPONSE without entries.
pub(in crate::btp) fn empty_response(id: u32) -> Vec<u8> {
    framed(id, &FrameBody::Response, &[])
}

/// A MESSAGE as a RESPONSE, and a RESPONSE as a MESSAGE.
pub(super) fn swapped(mut frame: Vec<u8>) -> Vec<u8> {
    frame[0] ^= FrameKind::Message as u8 ^ FrameKind::Response as u8;
    frame
}

/// A request that is no Prepare.
pub(super) fn odd_request(id: u32, which: u8) -> Vec<u8> {
    let balance = ProtocolEntry::octets("balance", b"{}");
    match which % 4 {
        0 => framed(id, &FrameBody::Transfer { amount: Amount(1) }, &[]),
        1 => message(id, &[balance, balance]),
        2 => request(id, &[0x0e, 0]),
        _ => message(id, &[balance]),
    }
}

/// The payload of one unmasked WebSocket frame, and the bytes after it.
pub(super) fn split_frame(bytes: &[u8]) -> (&[u8], &[u8]) {
    let header = FrameHeader::read(bytes).filter(FrameHeader::is_binary_message);
    let header = header.expect("a whole binary message");
    let (frame, rest) = bytes.split_at(header.frame_len(bytes.len()).expect("whole"));
    (&frame[header.header_len..], rest)
}
