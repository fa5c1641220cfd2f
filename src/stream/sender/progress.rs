//! The progress and the end of a payment.

use std::collections::BTreeMap;

use super::rate::PathRate;
use crate::stream::receipt::Receipt;
use crate::wire::ilp::ErrorCode;
use crate::wire::stream::CloseCode;

/// Most codes that are counted separately; a peer may make up more.
const CODES_MAX: usize = 32;
/// Counts all other codes.
const OTHER: ErrorCode = ErrorCode(*b"...");

/// The progress of a payment, in units of the sender's account or the receiver's, as marked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PaymentProgress {
    /// The amount of the payment (sender).
    pub total: u64,
    /// The amount of fulfilled packets (sender).
    pub sent: u64,
    /// The amount that the receiver reports as received (receiver).
    pub delivered: u64,
    /// The minimum amount of fulfilled packets whose reply could not be read (receiver).
    pub unconfirmed: u64,
    /// The amount of packets in flight (sender).
    pub in_flight: u64,
    /// The amount of packets without an answer (sender): spent or not.
    pub unresolved: u64,
    /// Fulfilled packets.
    pub fulfilled: u64,
    /// Packets that were rejected or not sent, by code, probes included.
    pub rejected: Rejections,
    /// Packets without an answer.
    pub unanswered: u64,
    /// Packets that timed out on the way (R00): not spent here, but the receiver may have the money.
    pub late: u64,
    /// The current amount of a packet (sender).
    pub packet_amount: u64,
    /// The current window of packets in flight.
    pub window: usize,
    /// The measured rate.
    pub rate: Option<PathRate>,
    /// The minimum rate.
    pub minimum_rate: Option<PathRate>,
    /// Asset and scale of the receiver, if reported.
    pub asset: Option<(String, u8)>,
    /// The receipt for the largest total, if the receiver sends receipts.
    pub receipt: Option<Receipt>,
    /// The last failure of a packet, F08 included.
    pub last_failure: Option<PacketFailure>,
}

/// Numbers of rejected packets by code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rejections(BTreeMap<ErrorCode, u64>);

impl Rejections {
    pub(super) fn count(&mut self, code: ErrorCode) {
        let known = self.0.contains_key(&code) || self.0.len() < CODES_MAX;
        *self.0.entry(if known { code } else { OTHER }).or_default() += 1;
    }

    /// Codes in order, with their numbers; `...` stands for codes that are not counted separately.
    pub fn iter(&self) -> impl Iterator<Item = (ErrorCode, u64)> {
        self.0.iter().map(|(code, count)| (*code, *count))
    }

    /// The number of all rejected packets.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

/// Why a packet failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketFailure {
    pub code: ErrorCode,
    /// The node that refused: an address, or [`PacketFailure::THIS_PROGRAM`].
    pub by: String,
    pub message: String,
}

impl PacketFailure {
    /// Stands for the sender itself. Not an ILP address, so no connector can claim it.
    pub const THIS_PROGRAM: &'static str = "this program";

    /// The sender itself failed to send the packet, or got no answer.
    pub fn local(code: ErrorCode, message: &str) -> Self {
        Self { code, by: Self::THIS_PROGRAM.to_owned(), message: message.to_owned() }
    }
}

/// How a payment ended.
#[derive(Debug, Clone, PartialEq)]
pub enum PaymentEnd {
    /// The whole amount was sent.
    Complete,
    /// All but this rest, which is less than one unit of the receiver.
    Remainder(u64),
    /// The amount is less than one unit of the receiver.
    TooSmall,
    /// [`Sender::stop`](super::Sender::stop) was called.
    Stopped,
    /// The longest time of the payment passed.
    OutOfTime,
    /// Nothing arrived for too long.
    NothingArrives,
    /// The rest went into packets without an answer.
    Unresolved,
    /// A final error: the same packet would be refused again.
    Refused(PacketFailure),
    /// No amount passes the path.
    NothingPasses,
    /// Less than the minimum arrives.
    RateTooLow { amount: u64, arrived: u64, minimum: u64 },
    /// The receiver's answers cannot be decrypted: the secret does not belong to this address.
    WrongSecret,
    /// The receiver closed the connection.
    ClosedByReceiver(CloseCode, String),
    /// The connection has reached its limit of packets.
    TooManyPackets,
}

impl PaymentEnd {
    /// Whether the receiver got the whole amount, but for less than one unit.
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::Complete | Self::Remainder(_))
    }
}
