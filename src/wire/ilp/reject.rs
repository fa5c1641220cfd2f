//! The Reject: says why the money did not move, and which node refused.

use oer_codec::{Reader, put_var_octet_string, var_octet_string_size};

use super::{
    ErrorCode, MAX_MESSAGE, MAX_MESSAGE_EMITTED, PacketType, open_envelope, put_envelope, read_data,
};
use crate::wire::error::{address, check_len, encoding};
use crate::wire::{AddressRef, Amount, Error};

/// An ILP Reject (RFC 27, type 14). Connectors pass it on unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reject<'a> {
    /// The kind of failure.
    pub code: ErrorCode,
    /// The node that rejected. `None` is an empty address, which a peer may send and which is passed on as it is. Our
    /// own Rejects have an address: interledger-rs cannot read an empty one. [rows 19, 20]
    pub triggered_by: Option<AddressRef<'a>>,
    /// For debugging. Should be UTF-8; other bytes are passed on too. At most [`MAX_MESSAGE`] bytes.
    pub message: &'a [u8],
    /// For the sender; at most [`MAX_DATA`](super::MAX_DATA) bytes. Never changed.
    pub data: &'a [u8],
}

impl<'a> Reject<'a> {
    /// Parses a Reject. Any code of 7-bit characters is accepted.
    ///
    /// # Errors
    /// [`Error`] with the field that is wrong.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut content = open_envelope(bytes, PacketType::Reject, "Reject: content")?;
        let code = content.array().map_err(encoding("Reject: code"))?;
        if !code.is_ascii() {
            return Err(Error::NotAscii { place: "Reject: code" });
        }
        let triggered_by = match content.var_octet_string() {
            Ok([]) => None,
            Ok(text) => Some(AddressRef::parse(text).map_err(address("Reject: triggeredBy"))?),
            Err(error) => return Err(encoding("Reject: triggeredBy")(error)),
        };
        let message = content.var_octet_string().map_err(encoding("Reject: message"))?;
        let message = check_len(MAX_MESSAGE, message, "Reject: message")?;
        let data = read_data(&mut content, "Reject: data")?;
        Ok(Self { code: ErrorCode(*code), triggered_by, message, data })
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
        put_envelope(PacketType::Reject, self.content_len(), out);
        out.extend_from_slice(&self.code.0);
        put_var_octet_string(self.triggered_by(), out);
        put_var_octet_string(self.message, out);
        put_var_octet_string(self.data, out);
    }

    /// The message as text, invalid UTF-8 replaced. Escape it before it is logged.
    #[must_use]
    pub fn message_text(&self) -> std::borrow::Cow<'a, str> {
        String::from_utf8_lossy(self.message)
    }

    #[inline]
    fn triggered_by(&self) -> &'a [u8] {
        self.triggered_by.map_or(&[], AddressRef::as_bytes)
    }

    #[inline]
    fn content_len(&self) -> usize {
        self.code.0.len()
            + var_octet_string_size(self.triggered_by().len())
            + var_octet_string_size(self.message.len())
            + var_octet_string_size(self.data.len())
    }
}

/// The bytes of a Reject's message, cut between two characters at [`MAX_MESSAGE_EMITTED`].
#[must_use]
pub fn clip_message(text: &str) -> &[u8] {
    let (kept, _) = text.split_at(text.floor_char_boundary(MAX_MESSAGE_EMITTED));
    kept.as_bytes()
}

/// The data of an F08 Reject. RFC 27 "Final Error": it holds the amount that arrived and the
/// maximum, as two integers of 64 bits. [row 52] Both are in units of the rejecting node's account.
/// Connectors do not rescale them: senders use their ratio. [row 53]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmountTooLarge {
    /// The amount that arrived.
    pub received: Amount,
    /// The largest amount that would have been accepted.
    pub maximum: Amount,
}

impl AmountTooLarge {
    /// Reads the data of an F08 Reject. Java peers send no data.
    ///
    /// # Errors
    /// [`Error`] when there are fewer than 16 bytes.
    pub fn parse(data: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(data);
        let received = reader.u64().map_err(encoding("F08 data: receivedAmount"))?;
        let maximum = reader.u64().map_err(encoding("F08 data: maximumAmount"))?;
        Ok(Self { received: Amount(received), maximum: Amount(maximum) })
    }

    /// The 16 bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        let amounts = u128::from(self.received.0) << 64 | u128::from(self.maximum.0);
        amounts.to_be_bytes()
    }
}
