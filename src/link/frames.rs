//! One ILP packet in one BTP frame in one WebSocket frame, written in a single pass; and read back from our own buffer.

use crate::wire::btp::{self, FrameKind, RequestId};
use crate::wire::ilp::Encode;
use crate::wire::ws;

/// What stands before a BTP frame.
#[derive(Clone, Copy)]
pub(super) enum FramePrefix {
    /// A WebSocket header.
    Plain,
    /// A WebSocket header with this key, by which the frame is masked.
    Masked([u8; 4]),
}

impl FramePrefix {
    fn mask(self) -> Option<[u8; 4]> {
        match self {
            FramePrefix::Masked(key) => Some(key),
            FramePrefix::Plain => None,
        }
    }

    /// Appends it.
    fn put(self, payload_len: usize, out: &mut Vec<u8>) {
        ws::put_binary_header(payload_len, self.mask(), out);
    }
}

/// Appends a whole frame that carries `packet`.
pub(super) fn put_packet(
    out: &mut Vec<u8>,
    kind: FrameKind,
    id: RequestId,
    packet: &impl Encode,
    head: FramePrefix,
) {
    let ilp_len = packet.encoded_len();
    let payload_len = btp::ilp_frame_size(ilp_len);
    out.reserve(ws::header_size(payload_len, head.mask().is_some()) + payload_len);
    head.put(payload_len, out);
    let start = out.len();
    btp::put_ilp_header(kind, id, ilp_len, out);
    packet.encode(out);
    debug_assert_eq!(
        out.len() - start,
        payload_len,
        "sizes are computed before anything is written"
    );
    mask_from(out, start, head.mask());
}

/// Appends a whole frame whose payload `write` appends.
pub(super) fn put_frame(
    out: &mut Vec<u8>,
    payload_len: usize,
    head: FramePrefix,
    write: impl FnOnce(&mut Vec<u8>),
) {
    head.put(payload_len, out);
    let start = out.len();
    write(out);
    debug_assert_eq!(
        out.len() - start,
        payload_len,
        "sizes are computed before anything is written"
    );
    mask_from(out, start, head.mask());
}

fn mask_from(out: &mut [u8], start: usize, mask: Option<[u8; 4]>) {
    if let (Some(key), Some(payload)) = (mask, out.get_mut(start..)) {
        ws::apply_mask(key, payload);
    }
}

/// The BTP frame, without anything before it, of a packet that was taken out of a bare outbox.
pub(super) fn frame_of(kind: FrameKind, id: RequestId, packet: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(btp::ilp_frame_size(packet.len()));
    btp::put_ilp_header(kind, id, packet.len(), &mut frame);
    frame.extend_from_slice(packet);
    frame
}

/// The BTP payload of the frame that `frame` begins with. `None` only if it is not one that was written above.
pub(super) fn payload_of(frame: &[u8]) -> Option<Vec<u8>> {
    let second = *frame.get(1)?;
    let (len, mut at) = match second & 0x7f {
        126 => (u64::from(u16::from_be_bytes(*frame.get(2..)?.first_chunk()?)), 4),
        127 => (u64::from_be_bytes(*frame.get(2..)?.first_chunk()?), 10),
        short => (u64::from(short), 2),
    };
    let mask = if second & 0x80 == 0 {
        None
    } else {
        let key = *frame.get(at..)?.first_chunk()?;
        at += 4;
        Some(key)
    };
    let mut payload = frame.get(at..at.checked_add(usize::try_from(len).ok()?)?)?.to_vec();
    mask_from(&mut payload, 0, mask);
    Some(payload)
}
