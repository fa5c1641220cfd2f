//! The Prepare: offers money for a fulfillment. Each connector rewrites its amount and expiry.

use oer_codec::{put_var_octet_string, var_octet_string_size};

use super::{PacketType, open_envelope, put_envelope, read_data};
use crate::wire::error::{address, encoding, timestamp};
use crate::wire::{AddressRef, Amount, Condition, Error, Timestamp};

/// Bytes of amount, expiry and condition, before the destination.
const FIXED: usize = 8 + 17 + 32;

/// An ILP Prepare (RFC 27, type 12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prepare<'a> {
    /// In units of the account of the link that it is on. Each connector converts it.
    pub amount: Amount,
    /// The deadline of the answer. Each connector moves it earlier.
    pub expires_at: Timestamp,
    /// SHA-256 of the fulfillment. Never changed.
    pub condition: Condition,
    /// The address of the receiver. Never changed.
    pub destination: AddressRef<'a>,
    /// For the receiver; at most [`MAX_DATA`](super::MAX_DATA) bytes. Never changed.
    pub data: &'a [u8],
}

impl<'a> Prepare<'a> {
    /// A request between neighbours, to an address under `peer.` (IL-DCP, CCP).
    #[must_use]
    pub const fn peer_request(
        destination: AddressRef<'a>,
        data: &'a [u8],
        expires_at: Timestamp,
    ) -> Self {
        let (amount, condition) = (Amount::ZERO, Condition::PEER_PROTOCOL);
        Self { amount, expires_at, condition, destination, data }
    }

    /// Checks a request between neighbours that would be answered at `now`: a wrong condition, an amount above zero and
    /// a past expiry are refused. [row 95]
    ///
    /// # Errors
    /// [`Error::Value`] with the field that is wrong.
    pub fn check_peer_request(&self, now: Timestamp) -> Result<(), Error> {
        let value = |place, rule| Err(Error::Value { place, rule });
        if self.condition != Condition::PEER_PROTOCOL {
            value("peer request: executionCondition", "is not the SHA-256 of 32 zero bytes")
        } else if self.amount != Amount::ZERO {
            value("peer request: amount", "is not 0")
        } else if self.expires_at <= now {
            value("peer request: expiresAt", "has passed")
        } else {
            Ok(())
        }
    }

    /// Parses a Prepare. RFC 27 "Final Error": one that does not parse is rejected with F01. [row 13]
    ///
    /// # Errors
    /// [`Error`] with the field that is wrong.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut content = open_envelope(bytes, PacketType::Prepare, "Prepare: content")?;
        let amount = content.u64().map_err(encoding("Prepare: amount"))?;
        let expires_at = content.array().map_err(encoding("Prepare: expiresAt"))?;
        let expires_at = Timestamp::read17(expires_at).map_err(timestamp("Prepare: expiresAt"))?;
        let condition = content.array().map_err(encoding("Prepare: executionCondition"))?;
        let destination = content.var_octet_string().map_err(encoding("Prepare: destination"))?;
        let destination =
            AddressRef::parse(destination).map_err(address("Prepare: destination"))?;
        let data = read_data(&mut content, "Prepare: data")?;
        Ok(Self {
            amount: Amount(amount),
            expires_at,
            condition: Condition(*condition),
            destination,
            data,
        })
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
        put_envelope(PacketType::Prepare, self.content_len(), out);
        out.extend_from_slice(&self.amount.0.to_be_bytes());
        out.extend_from_slice(&self.expires_at.to_17());
        out.extend_from_slice(&self.condition.0);
        put_var_octet_string(self.destination.as_bytes(), out);
        put_var_octet_string(self.data, out);
    }

    #[inline]
    fn content_len(&self) -> usize {
        FIXED
            + var_octet_string_size(self.destination.as_bytes().len())
            + var_octet_string_size(self.data.len())
    }
}
