//! Writes an ILP packet into a BTP frame in a WebSocket frame in a single pass, and reads it back from our own buffer.
//! Only this file of `link` writes or reads BTP frames (ADR 3).

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::PacketKind;
use crate::wire::btp::{self, BtpFrame, FrameKind, RequestId};
use crate::wire::ilp::Encode;
use crate::wire::ws::{self, FrameHeader};

/// What surrounds the packets in an outbox.
pub enum Framing {
    /// Frames of an accepted WebSocket.
    Server,
    /// Frames of a WebSocket that this node dialled. RFC 6455 5.3: each is masked with a new key, here from a generator
    /// with this seed.
    Client([u8; 32]),
    /// Nothing: packets are taken out one by one ([`Outbox::take_packet`](super::Outbox::take_packet)).
    None,
}

/// Writes frames.
pub(super) struct Framer {
    mask_keys: Option<StdRng>,
}

impl Framer {
    pub(super) fn new(framing: &Framing) -> Self {
        let mask_keys = match framing {
            Framing::Server | Framing::None => None,
            Framing::Client(seed) => Some(StdRng::from_seed(*seed)),
        };
        Self { mask_keys }
    }

    fn next_mask(&mut self) -> Option<[u8; 4]> {
        self.mask_keys.as_mut().map(|keys| keys.next_u32().to_ne_bytes())
    }

    /// Appends a frame that carries `packet`.
    ///
    /// RFC 23 "BTP Type IDs": a Prepare goes out in a MESSAGE, its answer in a RESPONSE. [row 80]
    pub(super) fn put_packet(
        &mut self,
        out: &mut Vec<u8>,
        kind: PacketKind,
        id: RequestId,
        packet: &impl Encode,
    ) {
        let kind = match kind {
            PacketKind::Prepare => FrameKind::Message,
            PacketKind::Reply => FrameKind::Response,
        };
        let ilp_len = packet.encoded_len();
        let payload_len = btp::ilp_frame_size(ilp_len);
        let mask = self.next_mask();
        out.reserve(ws::header_size(payload_len, mask.is_some()) + payload_len);
        put_payload(out, payload_len, mask, |out| {
            btp::put_ilp_header(kind, id, ilp_len, out);
            packet.encode(out);
        });
    }

    /// Appends a frame whose payload `write` appends, `payload_len` bytes.
    pub(super) fn put_frame(
        &mut self,
        out: &mut Vec<u8>,
        payload_len: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let mask = self.next_mask();
        put_payload(out, payload_len, mask, write);
    }
}

/// RFC 23 "Sub-Protocol Data Format": each binary WebSocket message is one BTP packet. [row 65]
#[inline]
fn put_payload(
    out: &mut Vec<u8>,
    payload_len: usize,
    mask: Option<[u8; 4]>,
    write: impl FnOnce(&mut Vec<u8>),
) {
    ws::put_binary_header(payload_len, mask, out);
    let start = out.len();
    write(out);
    debug_assert_eq!(out.len() - start, payload_len, "the header has the length of the payload");
    apply_mask_from(out, start, mask);
}

fn apply_mask_from(out: &mut [u8], start: usize, mask: Option<[u8; 4]>) {
    if let (Some(key), Some(payload)) = (mask, out.get_mut(start..)) {
        ws::apply_mask(key, payload);
    }
}

/// The ILP packet in a frame of [`Framer::put_packet`].
pub(super) fn packet_in(frame: &[u8]) -> Option<Vec<u8>> {
    let payload = payload_in(frame)?;
    BtpFrame::parse(&payload).ok()?.ilp().map(<[u8]>::to_vec)
}

/// The BTP frame in a WebSocket frame that was written here.
pub(crate) fn payload_in(frame: &[u8]) -> Option<Vec<u8>> {
    let header = FrameHeader::read(frame)?;
    let mut payload = frame.get(header.header_len..header.frame_len(frame.len())?)?.to_vec();
    apply_mask_from(&mut payload, 0, header.mask);
    Some(payload)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::testing::encode;
    use crate::wire::Fulfillment;
    use crate::wire::ilp::{Fulfill, Reply};

    const REPLY: Reply<'_> =
        Reply::Fulfill(Fulfill { fulfillment: Fulfillment([7; 32]), data: b"data" });

    /// A frame with this text, and one with a packet.
    fn frames(framer: &mut Framer) -> [Vec<u8>; 2] {
        let (mut text, mut packet) = (Vec::new(), Vec::new());
        framer.put_frame(&mut text, 4, |out| out.extend_from_slice(b"text"));
        framer.put_packet(&mut packet, PacketKind::Reply, RequestId(9), &REPLY);
        [text, packet]
    }

    fn has(frame: &[u8], bytes: &[u8]) -> bool {
        frame.windows(bytes.len()).any(|window| window == bytes)
    }

    #[test]
    fn a_client_masks_each_frame_with_a_new_key_and_a_server_masks_none() {
        for framing in [Framing::Client([5; 32]), Framing::Server] {
            let is_masked = matches!(framing, Framing::Client(_));
            let mut framer = Framer::new(&framing);
            let mut keys = BTreeSet::new();
            for _ in 0..8 {
                let [text, packet] = frames(&mut framer);
                for frame in [&text, &packet] {
                    keys.extend(FrameHeader::read(frame).unwrap().mask);
                }
                assert_eq!(payload_in(&text).unwrap(), b"text");
                assert_eq!(packet_in(&packet).unwrap(), encode(&REPLY));
                assert_eq!((has(&text, b"text"), has(&packet, b"data")), (!is_masked, !is_masked));
            }
            assert_eq!(keys.len(), if is_masked { 16 } else { 0 });
        }
    }

    #[test]
    fn a_packet_takes_no_more_memory_than_its_frame() {
        for framing in [Framing::Client([5; 32]), Framing::Server] {
            let [_, packet] = frames(&mut Framer::new(&framing));
            assert_eq!(packet.capacity(), packet.len());
        }
    }
}
