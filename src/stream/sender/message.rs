//! Encrypts the requests of a sender, and decrypts the replies of the receiver.

use crate::stream::keys::Keys;
use crate::stream::receipt::Receipt;
use crate::stream::{EnvelopeError, Iv};
use crate::wire::ilp::PacketType;
use crate::wire::stream::{CloseCode, Frames, StreamFrame, StreamId, StreamPacket};
use crate::wire::{AddressRef, Amount};

/// The stream of the money: the first one that a client opens.
const STREAM: StreamId = StreamId(1);
/// Characters that are kept of the receiver's texts.
const TEXT_MAX: usize = 200;

/// The content of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamRequest<'a> {
    /// Money. Carries the own address until the receiver has reported its asset.
    Money { source: Option<AddressRef<'a>> },
    /// Closes the connection.
    Close,
}

/// A reply of the receiver. It is authentic, because only the receiver has the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StreamReply {
    /// The amount that arrived.
    pub(super) arrived: u64,
    /// The receiver closes the connection or the stream.
    pub(super) closed: Option<(CloseCode, String)>,
    /// The receiver's asset and scale.
    pub(super) asset: Option<(String, u8)>,
    /// The receiver's limit, and the amount that it has received.
    pub(super) limit: Option<(u64, u64)>,
    /// The receipt for a verifier.
    pub(super) receipt: Option<Receipt>,
}

/// The encrypted data of a request.
pub(super) fn encrypt_request(
    keys: &Keys,
    iv: Iv,
    sequence: u64,
    minimum: u64,
    request: StreamRequest<'_>,
) -> Result<Vec<u8>, EnvelopeError> {
    let money = StreamFrame::StreamMoney { stream: STREAM, shares: 1 };
    let close = StreamFrame::ConnectionClose { code: CloseCode::NO_ERROR, message: b"" };
    let both;
    let frames: &[StreamFrame<'_>] = match request {
        StreamRequest::Money { source: None } => &[money],
        StreamRequest::Money { source: Some(source) } => {
            both = [StreamFrame::NewAddress { source: source.as_bytes() }, money];
            &both
        }
        StreamRequest::Close => &[close],
    };
    let packet = StreamPacket {
        packet_type: PacketType::Prepare,
        sequence,
        amount: Amount(minimum),
        frames: Frames::from_frames(frames),
    };
    let mut plaintext = Vec::new();
    packet.encode(&mut plaintext);
    keys.seal(iv, &plaintext)
}

/// Decrypts a reply; `None` if it is not the receiver's to this request.
pub(super) fn decrypt_reply(
    keys: &Keys,
    data: &[u8],
    packet_type: PacketType,
    sequence: u64,
) -> Option<StreamReply> {
    let plaintext = keys.open(data).ok()?;
    let packet = StreamPacket::parse(&plaintext).ok()?;
    if packet.packet_type != packet_type || packet.sequence != sequence {
        return None;
    }
    let arrived = packet.amount.0;
    let mut reply = StreamReply { arrived, closed: None, asset: None, limit: None, receipt: None };
    for frame in packet.frames.iter() {
        match frame {
            StreamFrame::ConnectionClose { code, message } => {
                reply.closed = Some((code, clip_text(message)))
            }
            StreamFrame::StreamClose { stream: STREAM, code, message } => {
                reply.closed.get_or_insert((code, clip_text(message)));
            }
            StreamFrame::AssetDetails { code, scale } => {
                reply.asset = Some((clip_text(code), scale))
            }
            StreamFrame::StreamMaxMoney { stream: STREAM, receive_max, total_received } => {
                reply.limit = Some((receive_max.0, total_received.0));
            }
            StreamFrame::StreamReceipt { stream: STREAM, receipt } => {
                reply.receipt = Receipt::read(receipt);
            }
            _ => {}
        }
    }
    Some(reply)
}

fn clip_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(TEXT_MAX).collect()
}
