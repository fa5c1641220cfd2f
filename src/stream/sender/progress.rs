//! How a payment stands, and how it ended.

use std::collections::BTreeMap;

use super::rate::PathRate;
use super::receipt::Receipt;
use crate::wire::ilp::ErrorCode;
use crate::wire::stream::CloseCode;

/// Different codes that are counted apart; a peer may make up more.
const CODES_MAX: usize = 32;
/// Under which all others are counted.
const OTHER: ErrorCode = ErrorCode(*b"...");

/// How a payment stands. Amounts of the sender are in units of the account that it sends from, amounts of the receiver in
/// units of the receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct PaymentProgress {
    /// What is to be sent (sender).
    pub total: u64,
    /// What fulfilled packets carried (sender).
    pub sent: u64,
    /// What the receiver says that it got (receiver).
    pub delivered: u64,
    /// What it must have got besides: fulfilled packets whose reply could not be read count with their minimum.
    pub unconfirmed: u64,
    /// What packets under way carry (sender).
    pub in_flight: u64,
    /// What packets carried that nobody answered (sender): gone or not.
    pub unresolved: u64,
    /// Packets that were fulfilled.
    pub fulfilled: u64,
    /// Packets that were rejected or could not be sent, by code; those included that measured the path.
    pub rejected: Rejections,
    /// Packets that nobody answered.
    pub unanswered: u64,
    /// Packets that timed out on their way (R00): they cost nothing here, but the receiver may have got them.
    pub late: u64,
    /// What a packet carries now (sender).
    pub packet_amount: u64,
    /// Packets that may be in flight now.
    pub window: usize,
    /// The rate that was measured.
    pub rate: Option<PathRate>,
    /// The least that is accepted.
    pub minimum_rate: Option<PathRate>,
    /// Asset and scale of the receiver, if it has told them.
    pub asset: Option<(String, u8)>,
    /// The receipt for the most, if somebody asked the receiver for receipts.
    pub receipt: Option<Receipt>,
    /// What went wrong last, F08 included.
    pub last_failure: Option<PacketFailure>,
}

impl PaymentProgress {
    pub(super) fn of_total(total: u64) -> Self {
        PaymentProgress {
            total,
            sent: 0,
            delivered: 0,
            unconfirmed: 0,
            in_flight: 0,
            unresolved: 0,
            fulfilled: 0,
            rejected: Rejections::default(),
            unanswered: 0,
            late: 0,
            packet_amount: 0,
            window: 0,
            rate: None,
            minimum_rate: None,
            asset: None,
            receipt: None,
            last_failure: None,
        }
    }
}

/// Packets that were rejected, by code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rejections(BTreeMap<ErrorCode, u64>);

impl Rejections {
    pub(super) fn count(&mut self, code: ErrorCode) {
        let known = self.0.contains_key(&code) || self.0.len() < CODES_MAX;
        *self.0.entry(if known { code } else { OTHER }).or_default() += 1;
    }

    /// Codes in their order, and how many there were. `...` stands for all that are too many to be counted apart.
    pub fn iter(&self) -> impl Iterator<Item = (ErrorCode, u64)> {
        self.0.iter().map(|(code, count)| (*code, *count))
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

/// A Reject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketFailure {
    /// The code.
    pub code: ErrorCode,
    /// Which node says so: an address, or [`Trouble::THIS_PROGRAM`].
    pub by: String,
    /// Why, in somebody else's words.
    pub message: String,
}

impl PacketFailure {
    /// Stands for the sender itself. No ILP address: no hop can claim it.
    pub const THIS_PROGRAM: &'static str = "this program";

    pub(super) fn here(code: ErrorCode, message: &str) -> Self {
        PacketFailure { code, by: Self::THIS_PROGRAM.to_owned(), message: message.to_owned() }
    }
}

/// How a payment ended.
#[derive(Debug, Clone, PartialEq)]
pub enum PaymentEnd {
    /// All of it was sent.
    Complete,
    /// All but so much, which is less than one unit of the receiver.
    Remainder(u64),
    /// The amount is less than one unit of the receiver.
    TooSmall,
    /// Somebody asked for the end.
    Stopped,
    /// The time for the payment was over.
    OutOfTime,
    /// Nothing arrived for so long that there is no use in trying on.
    NothingArrives,
    /// Packets that nobody answered may have taken what is missing.
    Unresolved,
    /// The same packet would be refused again.
    Refused(PacketFailure),
    /// The path lets nothing pass, however small.
    NothingPasses,
    /// Less would arrive than what is accepted: of so much, so much.
    RateTooLow {
        /// What was sent.
        amount: u64,
        /// What arrived of it.
        arrived: u64,
        /// What should have.
        minimum: u64,
    },
    /// The receiver's answers cannot be read: not the secret of this address.
    WrongSecret,
    /// The receiver closed the connection.
    ClosedByReceiver(CloseCode, String),
    /// As many packets as one connection may have.
    TooManyPackets,
}

impl PaymentEnd {
    /// Whether the receiver got all that it could get.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self, PaymentEnd::Complete | PaymentEnd::Remainder(_))
    }
}
