//! A receiver without state: for each packet, it derives the connection's secret from its own
//! secret and the connection's id at the end of the address.
//!
//! So nothing is stored or bounded, and connections survive a restart with the same secret. Deliberately absent for the
//! same reason: totals of streams, data on streams, and limits that depend on earlier packets ([ADR
//! 19](../../docs/adr/0019-streams-of-a-receiver-without-state.md)). Receipts (RFC 39) need totals; the caller keeps
//! them ([ADR 39](../../docs/adr/0039-receipts-of-a-receiver-without-state.md)).

mod connection_id;
mod reply;
mod shares;
#[cfg(test)]
mod tests;

use std::fmt;

use ring::hmac;

pub use self::connection_id::{CONNECTION_ID_BYTES, encode_connection_id, short_connection_id};
pub use self::shares::StreamTotal;
use super::keys::{Keys, SECRET_LEN, SharedSecret};
use super::receipt::ReceiptKey;
use crate::wire::ilp::{ErrorCode, PacketType};
use crate::wire::stream::StreamPacket;
use crate::wire::{Amount, Condition, Fulfillment};

/// The receiver of all connections to one account.
#[derive(Clone, PartialEq, Eq)]
pub struct Receiver {
    /// The key from which shared secrets are derived.
    generator: [u8; SECRET_LEN],
}

/// A packet to a receiver.
#[derive(Clone, Copy, Debug)]
pub struct ReceivedPacket<'a> {
    /// The part of the destination after the receiver's own address.
    pub connection_id: &'a str,
    /// The amount that arrived, in the receiver's units.
    pub amount: Amount,
    pub condition: Condition,
    pub data: &'a [u8],
    pub asset_code: &'a str,
    pub asset_scale: u8,
}

/// A packet that the receiver fulfills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedPacket {
    pub fulfillment: Fulfillment,
    /// The Fulfill's data: the encrypted reply. Empty if the reply waits for receipts.
    pub data: Vec<u8>,
    /// Present if the sender gets receipts: the reply is complete once the money is booked.
    pub receipts: Option<Box<AwaitedReceipts>>,
}

/// The reply to a packet whose sender gets receipts, before the totals of its streams are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwaitedReceipts {
    /// What the packet adds to each of its streams, in the order of the frames. Together they are at most the packet's
    /// amount.
    pub shares: Vec<StreamTotal>,
    secret: SharedSecret,
    key: ReceiptKey,
    fulfillment: Fulfillment,
    /// The decrypted request.
    request: Vec<u8>,
}

/// A packet that the receiver rejects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclinedPacket {
    pub reason: DeclineReason,
    /// The Reject's data: the encrypted reply, or empty if the packet is not from the connection's sender.
    pub data: Vec<u8>,
}

/// Why a receiver rejects a packet. The text is the Reject's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeclineReason {
    /// The destination is the receiver's own address, without the id of a connection.
    #[error("this address is no connection; ask for one by SPSP")]
    NoConnection,
    #[error("the data was not encrypted with the secret of this connection")]
    NotAuthentic,
    #[error("the data is no STREAM packet for a Prepare")]
    NotARequest,
    #[error("less arrived than the sender asks for")]
    BelowMinimum,
    /// The condition does not belong to this data: usually a packet that measures the path.
    #[error("the condition cannot be fulfilled")]
    Unfulfillable,
}

impl DeclineReason {
    /// The error code of the Reject. RFC 29 "Matching Packets to Connections": data that cannot be
    /// decrypted is rejected with F06. [row 123]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::NoConnection | Self::NotAuthentic => ErrorCode::F06,
            Self::NotARequest => ErrorCode::F00,
            Self::BelowMinimum | Self::Unfulfillable => ErrorCode::F99,
        }
    }
}

impl Receiver {
    /// The receiver with this name on a node with this secret, which should have 32 bytes of
    /// randomness. Each name has secrets of its own.
    pub fn new(node_secret: &[u8], name: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, node_secret);
        Self { generator: hmac_of_parts(&key, &[b"ilp-connector receiver ", name.as_bytes()]) }
    }

    /// The secret of the connection with this id. Anyone may make up ids; only this receiver
    /// can derive their secrets.
    pub fn secret(&self, connection_id: &str) -> SharedSecret {
        SharedSecret(hmac_of_parts(&self.generator_key(), &[connection_id.as_bytes()]))
    }

    fn generator_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.generator)
    }

    /// Decides one packet. The same packet gets the same answer, because nothing is stored.
    ///
    /// RFC 29 "Sending Money": a packet below the sender's minimum, or with another condition, is
    /// not fulfilled; the Reject carries an encrypted reply with the amount that arrived. [row 124]
    pub fn receive(&self, incoming: &ReceivedPacket<'_>) -> Result<AcceptedPacket, DeclinedPacket> {
        let silent = |reason| DeclinedPacket { reason, data: Vec::new() };
        if incoming.connection_id.is_empty() {
            return Err(silent(DeclineReason::NoConnection));
        }
        let secret = self.secret(incoming.connection_id);
        let keys = Keys::new(&secret);
        let clear = keys.open(incoming.data).map_err(|_| silent(DeclineReason::NotAuthentic))?;
        let request =
            StreamPacket::parse(&clear).map_err(|_| silent(DeclineReason::NotARequest))?;
        if request.packet_type != PacketType::Prepare {
            // A connector sent an answer back as a request.
            return Err(silent(DeclineReason::NotARequest));
        }
        let fulfillment = keys.fulfillment(incoming.data);
        let reply = |packet_type| {
            reply::encrypt_reply(&keys, fulfillment, packet_type, &request, incoming, &[])
        };
        if incoming.amount < request.amount {
            return Err(DeclinedPacket {
                reason: DeclineReason::BelowMinimum,
                data: reply(PacketType::Reject),
            });
        }
        if fulfillment.condition() != incoming.condition {
            return Err(DeclinedPacket {
                reason: DeclineReason::Unfulfillable,
                data: reply(PacketType::Reject),
            });
        }
        if let Some(key) = self.receipt_key(incoming.connection_id) {
            let shares = shares::shares_of(&request, incoming.amount);
            let receipts = AwaitedReceipts { shares, secret, key, fulfillment, request: clear };
            let receipts = Some(Box::new(receipts));
            return Ok(AcceptedPacket { fulfillment, data: Vec::new(), receipts });
        }
        Ok(AcceptedPacket { fulfillment, data: reply(PacketType::Fulfill), receipts: None })
    }
}

impl AwaitedReceipts {
    /// The Fulfill's data, with a receipt for each of these streams. Its total includes this packet, which is booked.
    ///
    /// RFC 39 "Flow": each Fulfill of a connection with receipts has a frame with one.
    pub fn encrypt_reply(&self, incoming: &ReceivedPacket<'_>, totals: &[StreamTotal]) -> Vec<u8> {
        let keys = Keys::new(&self.secret);
        let request = StreamPacket::parse(&self.request).expect("it was parsed before");
        // RFC 39 "Specification": the number of a stream has one byte.
        let signed = totals.iter().filter_map(|total| {
            let number = u8::try_from(total.stream.0).ok()?;
            Some((total.stream, self.key.sign(number, total.amount.0)))
        });
        let signed: Vec<_> = signed.collect();
        let kind = PacketType::Fulfill;
        reply::encrypt_reply(&keys, self.fulfillment, kind, &request, incoming, &signed)
    }
}

fn hmac_of_parts(key: &hmac::Key, parts: &[&[u8]]) -> [u8; SECRET_LEN] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    let mut tag = [0; SECRET_LEN];
    tag.copy_from_slice(context.sign().as_ref());
    tag
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver(..)")
    }
}
