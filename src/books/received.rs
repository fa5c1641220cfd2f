//! What receivers got, by STREAM connection.

use std::sync::Arc;

use crate::account::Asset;
use crate::wire::Timestamp;

/// Names the payments through one connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentKey {
    /// The receiver's id.
    pub receiver: Arc<str>,
    /// Its asset and scale then.
    pub asset: Asset,
    /// The id of the connection: what follows the receiver in the destination of its packets. Empty: the sum of those
    /// that are not kept one by one any more.
    pub connection: Arc<str>,
}

/// What a receiver got through one connection. A later row of a connection replaces an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedPayment {
    /// Which connection.
    pub key: PaymentKey,
    /// The packets that were fulfilled.
    pub packets: u64,
    /// Their sum in the receiver's units.
    pub amount: i128,
    /// The part of the sum that events have announced.
    pub announced: i128,
    /// When the last one was fulfilled.
    pub last_at: Timestamp,
}
