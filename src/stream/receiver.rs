//! A receiver without state: everything it has to know of a connection is made again from a secret of its own and the
//! token at the end of the address, for every packet.
//!
//! So nothing has to be stored, bounded or forgotten, and a restart with the same secret keeps connections open. What
//! it lacks for the same reason: totals (of streams, of receipts, RFC 39), streams of data (a stream that carries any
//! is closed, RFC 29 5.3.8), and limits that depend on what came before
//! ([ADR 19](../../docs/adr/0019-streams-of-a-receiver-without-state.md)).

mod reply;
#[cfg(test)]
mod tests;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::keys::{Keys, SECRET_LEN, SharedSecret};
use crate::wire::ilp::{ErrorCode, PacketType};
use crate::wire::stream::StreamPacket;
use crate::wire::{Amount, Condition, Fulfillment};

/// Random bytes of a token.
pub const TOKEN_BYTES: usize = 18;

/// The one receiving end of all connections to one account.
#[derive(Clone, PartialEq, Eq)]
pub struct Receiver {
    /// What shared secrets are made from.
    generator: [u8; SECRET_LEN],
}

/// A packet to a receiver.
#[derive(Clone, Copy, Debug)]
pub struct ReceivedPacket<'a> {
    /// What follows the receiver's own address in the destination.
    pub token: &'a str,
    /// What arrived, in the receiver's units.
    pub amount: Amount,
    /// The Prepare's condition.
    pub condition: Condition,
    /// The Prepare's data.
    pub data: &'a [u8],
    /// What the receiver's amounts are counted in: the asset's code.
    pub asset_code: &'a str,
    /// And its scale.
    pub asset_scale: u8,
}

/// The money may be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedPacket {
    /// Fits the condition.
    pub fulfillment: Fulfillment,
    /// The Fulfill's data: the encrypted reply.
    pub data: Vec<u8>,
}

/// The money is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclinedPacket {
    /// Why.
    pub reason: DeclineReason,
    /// The Reject's data: the encrypted reply, or nothing where the packet was not the sender's.
    pub data: Vec<u8>,
}

/// The token of a new connection: the last segment of its address.
#[must_use]
pub fn encode_token(random: [u8; TOKEN_BYTES]) -> String {
    URL_SAFE_NO_PAD.encode(random)
}

/// Why a receiver does not take a packet's money. Its text goes into the Reject's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeclineReason {
    /// The receiver's own address, without a connection below it.
    #[error("this address is no connection; ask for one by SPSP")]
    NoConnection,
    /// Not made with the connection's secret, or changed on its way.
    #[error("the data was not encrypted with the secret of this connection")]
    NotAuthentic,
    /// Made with the secret, but not a request.
    #[error("the data is no STREAM packet for a Prepare")]
    NotARequest,
    /// Less arrived than the sender wants to arrive.
    #[error("less arrived than the sender asks for")]
    BelowMinimum,
    /// The condition is not the one of this data: a test packet, as a rule.
    #[error("the condition cannot be fulfilled")]
    Unfulfillable,
}

impl DeclineReason {
    /// The error code of the Reject.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::NoConnection | Self::NotAuthentic => ErrorCode::F06,
            Self::NotARequest => ErrorCode::F00,
            Self::BelowMinimum | Self::Unfulfillable => ErrorCode::F99,
        }
    }
}

impl Receiver {
    /// The receiver of this name on a node with this secret, which should have 32 bytes of randomness. Receivers of
    /// other names have nothing in common with it.
    #[must_use]
    pub fn new(node_secret: &[u8], name: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, node_secret);
        Self { generator: hmac_of_parts(&key, &[b"ilp-connector receiver ", name.as_bytes()]) }
    }

    /// The secret of the connection with this token. Anybody may make up tokens; nobody else can make their secrets.
    #[must_use]
    pub fn secret(&self, token: &str) -> SharedSecret {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.generator);
        SharedSecret(hmac_of_parts(&key, &[token.as_bytes()]))
    }

    /// Decides on one packet. Nothing is remembered: the same packet gets the same answer, and each one that is
    /// accepted is money, whether or not another one like it was.
    ///
    /// # Errors
    /// [`Declined`], with what the sender is to be told.
    pub fn receive(&self, incoming: &ReceivedPacket<'_>) -> Result<AcceptedPacket, DeclinedPacket> {
        let silent = |reason| DeclinedPacket { reason, data: Vec::new() };
        if incoming.token.is_empty() {
            return Err(silent(DeclineReason::NoConnection));
        }
        let keys = Keys::new(&self.secret(incoming.token));
        let request = keys.open(incoming.data).map_err(|_| silent(DeclineReason::NotAuthentic))?;
        let request =
            StreamPacket::parse(&request).map_err(|_| silent(DeclineReason::NotARequest))?;
        if request.packet_type != PacketType::Prepare {
            // An answer that somebody on the way sent back as a request.
            return Err(silent(DeclineReason::NotARequest));
        }
        let fulfillment = keys.fulfillment(incoming.data);
        let reply =
            |packet_type| reply::encrypt_reply(&keys, fulfillment, packet_type, &request, incoming);
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
        Ok(AcceptedPacket { fulfillment, data: reply(PacketType::Fulfill) })
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

/// Never what secrets are made from.
impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver(..)")
    }
}
