//! STREAM packets in clear: the decrypted data of an ILP packet.
//!
//! A packet is a header and frames. Parsing checks each frame and allocates nothing; the frames are then iterated
//! without errors. RFC 29 "STREAM Packet": bytes after the last frame (padding, junk) are ignored.

mod frame;
mod frames;
#[cfg(test)]
mod tests;

pub use frame::{CloseCode, StreamFrame, StreamId};
pub use frames::Frames;
use oer_codec::{Reader, put_u8, put_var_uint};

use super::error::{check_len, encoding};
use super::ilp::PacketType;
use super::{Amount, Error};

/// Most bytes of a packet: the data of an ILP packet (32767) less IV and tag (28).
pub const MAX_PACKET: usize = 32_739;

/// The only version.
const VERSION: u8 = 1;

/// A STREAM packet in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamPacket<'a> {
    /// The type of the ILP packet around it. If they differ, a connector moved the data: discard it.
    pub packet_type: PacketType,
    /// The number of the request; its answer repeats it.
    pub sequence: u64,
    /// In a Prepare the minimum for the receiver to accept, in an answer the amount that arrived;
    /// in the receiver's units.
    pub amount: Amount,
    /// The rest of the packet.
    pub frames: Frames<'a>,
}

impl<'a> StreamPacket<'a> {
    /// Parses a packet and checks all its frames.
    ///
    /// # Errors
    /// [`Error`] with the field that is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut packet = Reader::new(check_len(MAX_PACKET, bytes, "STREAM packet")?);
        let version = packet.u8().map_err(encoding("STREAM version"))?;
        if version != VERSION {
            return Err(Error::Type { place: "STREAM version", found: version, expected: "1" });
        }
        let packet_type = match packet.u8().map_err(encoding("STREAM packet type"))? {
            12 => PacketType::Prepare,
            13 => PacketType::Fulfill,
            14 => PacketType::Reject,
            found => {
                let expected = "12 (Prepare), 13 (Fulfill) or 14 (Reject)";
                return Err(Error::Type { place: "STREAM packet type", found, expected });
            }
        };
        let sequence = packet.var_uint().map_err(encoding("STREAM sequence"))?;
        let amount = packet.var_uint().map_err(encoding("STREAM amount"))?;
        let frames = Frames::parse(&mut packet)?;
        Ok(Self { packet_type, sequence, amount: Amount(amount), frames })
    }

    /// Appends the packet, without unknown frames. The caller keeps the frames below [`MAX_PACKET`].
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_u8(VERSION, out);
        put_u8(self.packet_type as u8, out);
        put_var_uint(self.sequence, out);
        put_var_uint(self.amount.0, out);
        self.frames.encode(out);
    }
}
