//! The Fulfill: proves that the receiver accepted the money.

use oer_codec::{put_var_octet_string, var_octet_string_size};

use super::{PacketType, open_envelope, put_envelope, read_data};
use crate::wire::error::encoding;
use crate::wire::{Error, Fulfillment};

/// An ILP Fulfill (RFC 27, type 13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fulfill<'a> {
    /// Its SHA-256 must be the condition of the Prepare; parsing does not check that.
    pub fulfillment: Fulfillment,
    /// For the sender; at most [`MAX_DATA`](super::MAX_DATA) bytes. Never changed.
    pub data: &'a [u8],
}

impl<'a> Fulfill<'a> {
    /// Parses a Fulfill.
    ///
    /// # Errors
    /// [`Error`] with the field that is wrong.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut content = open_envelope(bytes, PacketType::Fulfill, "Fulfill: content")?;
        let fulfillment = content.array().map_err(encoding("Fulfill: fulfillment"))?;
        let data = read_data(&mut content, "Fulfill: data")?;
        Ok(Self { fulfillment: Fulfillment(*fulfillment), data })
    }

    /// Bytes that [`encode`](Self::encode) appends.
    #[must_use]
    #[inline]
    pub fn encoded_len(&self) -> usize {
        1 + var_octet_string_size(self.content_len())
    }

    /// Appends the packet.
    #[inline]
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_envelope(PacketType::Fulfill, self.content_len(), out);
        out.extend_from_slice(&self.fulfillment.0);
        put_var_octet_string(self.data, out);
    }

    #[inline]
    fn content_len(&self) -> usize {
        self.fulfillment.0.len() + var_octet_string_size(self.data.len())
    }
}
