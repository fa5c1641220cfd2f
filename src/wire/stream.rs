//! STREAM packets (RFC 29): what is inside the encrypted data of an ILP packet, in clear.
//!
//! A packet is a header and frames. Parsing checks every frame and allocates nothing; the frames are then a view that
//! can be iterated without errors. Frames of unknown types are skipped, and bytes after the last frame (padding, junk)
//! ignored, as RFC 29 asks. Whether a packet is *wanted* is decided elsewhere: a sequence number that was never sent is
//! well-formed here.

mod frame;
mod frames;
#[cfg(test)]
mod tests;

use oer_codec::{Reader, put_u8, put_var_uint};

use super::error::{at_most, encoding};
use super::ilp::PacketType;
use super::{Amount, Error};

pub use frame::{CloseCode, StreamFrame, StreamId};
pub use frames::Frames;

/// Most bytes of a packet: the data of an ILP packet (32767) without IV and tag (28).
pub const MAX_PACKET: usize = 32_739;

/// The only version there is.
const VERSION: u8 = 1;

/// A STREAM packet in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamPacket<'a> {
    /// The type of the ILP packet that it travels in. A packet that says something else was moved there by somebody:
    /// discard it.
    pub packet_type: PacketType,
    /// Counts the requests of one side; an answer repeats the number of its request.
    pub sequence: u64,
    /// In a Prepare the least that the receiver is to accept; in an answer what arrived. Both in the receiver's units.
    pub amount: Amount,
    /// Everything else that is to be said.
    pub frames: Frames<'a>,
}

impl<'a> StreamPacket<'a> {
    /// Parses a packet and checks all its frames.
    ///
    /// # Errors
    /// [`Error`] with the field that is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut packet = Reader::new(at_most(MAX_PACKET, bytes, "STREAM packet")?);
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

    /// Appends the packet. Frames that it was parsed with and that are unknown here are left out. That it stays below
    /// [`MAX_PACKET`] is the duty of whoever makes up the frames.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_u8(VERSION, out);
        put_u8(self.packet_type as u8, out);
        put_var_uint(self.sequence, out);
        put_var_uint(self.amount.0, out);
        self.frames.encode(out);
    }
}
