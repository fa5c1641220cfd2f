//! Builds the encrypted reply of a receiver, from the request alone: without counters and random numbers.

use super::{ReceivedPacket, hmac_of_parts};
use crate::stream::envelope::Iv;
use crate::stream::keys::Keys;
use crate::stream::receipt::Receipt;
use crate::wire::ilp::PacketType;
use crate::wire::stream::{CloseCode, Frames, StreamFrame, StreamId, StreamPacket};
use crate::wire::{Amount, Fulfillment};

/// Most frames of one kind about streams in a reply.
pub(super) const STREAM_FRAMES_MAX: usize = 20;
/// The highest stream id, above the reach of any connection: a side sends at most 2^31 packets, and a client uses every
/// second id. It is the same in each reply, because senders keep the last one, and replies overtake each other.
///
/// RFC 29 "ConnectionMaxStreamId Frame": it sets the highest stream that the other end may open.
pub(super) const STREAM_ID_MAX: StreamId = StreamId(u32::MAX as u64);
/// The limit of bytes of a stream and of a connection: more than one can carry, and exact in JavaScript.
pub(super) const DATA_OFFSET_MAX: u64 = (1 << 53) - 1;
/// Longer asset codes (a parent may assign any) are left out.
const ASSET_CODE_MAX: usize = 255;

/// Builds the reply. Other frames of the request set limits for what this end would send, which is nothing.
///
/// RFC 29 "Sending Money": the reply has the request's sequence number and the amount that arrived. [row 122]
pub(super) fn encrypt_reply(
    keys: &Keys,
    fulfillment: Fulfillment,
    packet_type: PacketType,
    request: &StreamPacket<'_>,
    incoming: &ReceivedPacket<'_>,
    receipts: &[(StreamId, Receipt)],
) -> Vec<u8> {
    let mut frames = vec![StreamFrame::MaxStreamId { stream: STREAM_ID_MAX }];
    let mut with_data = StreamsWithData::default();
    let (mut limits_sent, mut asset_sent, mut close_sent, mut needs_max_data) =
        (0, false, false, false);
    for frame in request.frames.iter() {
        match frame {
            // No limit, for senders that keep to one. The total is not known here; JS senders keep the highest one.
            StreamFrame::StreamMoney { stream, .. } if limits_sent < STREAM_FRAMES_MAX => {
                limits_sent += 1;
                let (receive_max, total_received) = (Amount::MAX, Amount::ZERO);
                frames.push(StreamFrame::StreamMaxMoney { stream, receive_max, total_received });
            }
            StreamFrame::NewAddress { .. }
                if !asset_sent && incoming.asset_code.len() <= ASSET_CODE_MAX =>
            {
                asset_sent = true;
                let (code, scale) = (incoming.asset_code.as_bytes(), incoming.asset_scale);
                frames.push(StreamFrame::AssetDetails { code, scale });
            }
            StreamFrame::ConnectionClose { .. } if !close_sent => {
                close_sent = true;
                frames
                    .push(StreamFrame::ConnectionClose { code: CloseCode::NO_ERROR, message: b"" });
            }
            // Data is not read, so the stream is closed. Its limit of bytes is raised, because JS
            // senders end a stream only when all its bytes are sent.
            StreamFrame::StreamData { stream, .. }
            | StreamFrame::StreamDataBlocked { stream, .. }
                if with_data.is_new(stream) =>
            {
                let code = CloseCode::APPLICATION_ERROR;
                frames.extend([
                    StreamFrame::StreamMaxData { stream, offset: DATA_OFFSET_MAX },
                    StreamFrame::StreamClose { stream, code, message: b"" },
                ]);
                needs_max_data = true;
            }
            StreamFrame::DataBlocked { .. } => needs_max_data = true,
            _ => {}
        }
    }
    if needs_max_data {
        frames.push(StreamFrame::MaxData { offset: DATA_OFFSET_MAX });
    }
    frames.extend(receipts.iter().map(|(stream, receipt)| StreamFrame::StreamReceipt {
        stream: *stream,
        receipt: receipt.as_bytes(),
    }));
    let mut plaintext = Vec::new();
    let reply = StreamPacket {
        packet_type,
        sequence: request.sequence,
        amount: incoming.amount,
        frames: Frames::from_frames(&frames),
    };
    reply.encode(&mut plaintext);
    let iv = reply_iv(keys, fulfillment, &plaintext);
    keys.seal(iv, &plaintext).expect("the frames above have less than four kilobytes")
}

/// The first streams with data of a request.
#[derive(Default)]
struct StreamsWithData {
    seen: [Option<StreamId>; STREAM_FRAMES_MAX],
}

impl StreamsWithData {
    /// Adds a stream; returns whether it is new and there was a place for it.
    fn is_new(&mut self, stream: StreamId) -> bool {
        for slot in &mut self.seen {
            match slot {
                Some(seen) if *seen == stream => return false,
                Some(_) => {}
                None => {
                    *slot = Some(stream);
                    return true;
                }
            }
        }
        false
    }
}

/// The IV of a reply. A receiver has no state to count in, so the IV is a MAC of everything that the reply depends on:
/// the request (by its fulfillment, a MAC over all of it) and the reply. The same IV means the same reply, which
/// reveals nothing; two different replies get the same one by a chance of 2^-96, like random ones.
fn reply_iv(keys: &Keys, fulfillment: Fulfillment, plaintext: &[u8]) -> Iv {
    let mac = hmac_of_parts(&keys.reply_iv, &[&fulfillment.0, plaintext]);
    let (iv, _) = mac.split_first_chunk().expect("32 bytes begin with 12");
    Iv(*iv)
}
