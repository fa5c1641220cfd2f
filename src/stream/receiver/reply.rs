//! The encrypted reply of a receiver: what arrived, and what the sender may want to know.
//!
//! It is made from the request alone, and the same for the same request: no counters, no random numbers.

use super::{ReceivedPacket, hmac_of_parts};
use crate::stream::envelope::Iv;
use crate::stream::keys::Keys;
use crate::wire::ilp::PacketType;
use crate::wire::stream::{CloseCode, Frames, StreamFrame, StreamId, StreamPacket};
use crate::wire::{Amount, Fulfillment};

/// Streams of one request that the reply speaks of: of each kind of frame at most so many.
pub(super) const STREAM_FRAMES_MAX: usize = 20;
/// The highest stream that may be opened (RFC 29 5.3.5). A side sends at most 2^31 packets on a connection, and a client's
/// streams are every second number, so no connection gets there: this is no limit. It is the same in every reply, because
/// senders keep the number that they heard last, and replies overtake each other.
pub(super) const STREAM_ID_MAX: StreamId = StreamId(u32::MAX as u64);
/// Bytes that may be sent, of a stream and in all: more than a connection can carry, and exact in JavaScript.
pub(super) const DATA_OFFSET_MAX: u64 = (1 << 53) - 1;
/// Longer asset codes (a parent may give any) are not told.
const ASSET_CODE_MAX: usize = 255;

/// The reply. Frames of the request that it does not speak of need no answer: the limits that they set are for what this
/// side would send, which is nothing.
pub(super) fn encrypt_reply(
    keys: &Keys,
    fulfillment: Fulfillment,
    packet_type: PacketType,
    request: &StreamPacket<'_>,
    incoming: &ReceivedPacket<'_>,
) -> Vec<u8> {
    let mut frames = vec![StreamFrame::MaxStreamId { stream: STREAM_ID_MAX }];
    let mut with_data = StreamsWithData::default();
    let (mut told, mut asked, mut closed, mut blocked) = (0, false, false, false);
    for frame in request.frames.iter() {
        match frame {
            // Senders that keep to limits of streams learn that there is none. The total is not known here, and JS
            // senders take the largest that they have heard.
            StreamFrame::StreamMoney { stream, .. } if told < STREAM_FRAMES_MAX => {
                told += 1;
                let (receive_max, total_received) = (Amount::MAX, Amount::ZERO);
                frames.push(StreamFrame::StreamMaxMoney { stream, receive_max, total_received });
            }
            StreamFrame::NewAddress { .. }
                if !asked && incoming.asset_code.len() <= ASSET_CODE_MAX =>
            {
                asked = true;
                let (code, scale) = (incoming.asset_code.as_bytes(), incoming.asset_scale);
                frames.push(StreamFrame::AssetDetails { code, scale });
            }
            StreamFrame::ConnectionClose { .. } if !closed => {
                closed = true;
                frames
                    .push(StreamFrame::ConnectionClose { code: CloseCode::NO_ERROR, message: b"" });
            }
            // Nobody reads it, so the stream is closed. What the sender has in its hands already may come, and is
            // dropped: JS senders end a stream only when all its bytes are sent.
            StreamFrame::StreamData { stream, .. }
            | StreamFrame::StreamDataBlocked { stream, .. }
                if with_data.is_new(stream) =>
            {
                let code = CloseCode::APPLICATION_ERROR;
                frames.extend([
                    StreamFrame::StreamMaxData { stream, offset: DATA_OFFSET_MAX },
                    StreamFrame::StreamClose { stream, code, message: b"" },
                ]);
                blocked = true;
            }
            StreamFrame::DataBlocked { .. } => blocked = true,
            _ => {}
        }
    }
    if blocked {
        frames.push(StreamFrame::MaxData { offset: DATA_OFFSET_MAX });
    }
    let mut plaintext = Vec::new();
    let reply = StreamPacket {
        packet_type,
        sequence: request.sequence,
        amount: incoming.amount,
        frames: Frames::from_frames(&frames),
    };
    reply.encode(&mut plaintext);
    let iv = reply_iv(keys, fulfillment, &plaintext);
    keys.seal(iv, &plaintext).expect("the frames above have less than two kilobytes")
}

/// The first streams of a request that carry data.
#[derive(Default)]
struct StreamsWithData {
    seen: [Option<StreamId>; STREAM_FRAMES_MAX],
}

impl StreamsWithData {
    /// Whether this one is not among them yet, and there is a place for it.
    fn is_new(&mut self, stream: StreamId) -> bool {
        for place in &mut self.seen {
            match place {
                Some(seen) if *seen == stream => return false,
                Some(_) => {}
                None => {
                    *place = Some(stream);
                    return true;
                }
            }
        }
        false
    }
}

/// A receiver has no state to count in, so its IVs are made from everything that the reply depends on: the request
/// (by its fulfillment, a MAC over all of it) and the reply itself. The same IV means the same reply to the same
/// request, and gives nothing away; two different ones meet by a chance of 2^-96, as random ones would.
fn reply_iv(keys: &Keys, fulfillment: Fulfillment, plaintext: &[u8]) -> Iv {
    let mac = hmac_of_parts(&keys.reply_iv, &[&fulfillment.0, plaintext]);
    let (iv, _) = mac.split_first_chunk().expect("32 bytes begin with 12");
    Iv(*iv)
}
