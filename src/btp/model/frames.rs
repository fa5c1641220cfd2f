//! The frames that the peers of the model send, and the parsing of those that they receive.

use crate::wire::Amount;
use crate::wire::btp::{FrameBody, FrameKind, ProtocolEntry, RequestId, put_frame};
use crate::wire::ilp::Packet;

/// The token of the peer with this name.
pub(super) fn token(name: &str) -> String {
    format!("token of {name}")
}

/// A MESSAGE with a packet.
pub(super) fn ask(id: u8, packet: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let entries = [ProtocolEntry::octets("ilp", packet)];
    put_frame(RequestId(id.into()), &FrameBody::Message, &entries, &mut frame);
    frame
}

/// A MESSAGE as a RESPONSE, and a RESPONSE as a MESSAGE.
pub(super) fn swapped(mut frame: Vec<u8>) -> Vec<u8> {
    frame[0] ^= FrameKind::Message as u8 ^ FrameKind::Response as u8;
    frame
}

/// A request that is no Prepare.
pub(super) fn odd_request(id: u8, which: u8) -> Vec<u8> {
    let mut frame = Vec::new();
    let id = RequestId(id.into());
    let balance = ProtocolEntry::octets("balance", b"{}");
    match which % 4 {
        0 => put_frame(id, &FrameBody::Transfer { amount: Amount(1) }, &[], &mut frame),
        1 => put_frame(id, &FrameBody::Message, &[balance, balance], &mut frame),
        2 => put_frame(
            id,
            &FrameBody::Message,
            &[ProtocolEntry::octets("ilp", &[0x0e, 0])],
            &mut frame,
        ),
        _ => put_frame(id, &FrameBody::Message, &[balance], &mut frame),
    }
    frame
}

/// A RESPONSE with a packet.
pub(super) fn response(id: u32, packet: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    put_frame(
        RequestId(id),
        &FrameBody::Response,
        &[ProtocolEntry::octets("ilp", packet)],
        &mut frame,
    );
    frame
}

/// The bytes of a packet.
pub(super) fn encoded(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(&mut bytes);
    bytes
}

/// The payload of one unmasked WebSocket frame, and the bytes after it.
pub(super) fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    assert_eq!(bytes[0], 0x82, "a whole binary message");
    let (length, at) = match bytes[1] {
        126 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
        short if short < 126 => (usize::from(short), 2),
        other => panic!("length {other}"),
    };
    (&bytes[at..at + length], &bytes[at + length..])
}
