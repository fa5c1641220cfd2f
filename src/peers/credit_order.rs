//! Incoming settlements on their way from an engine to the books.

use tokio::sync::oneshot;

use crate::account::AccountId;
use crate::books::{Quantity, SettlementError, SettlementKey};

/// Credits that may wait. An engine whose credit does not fit repeats it.
pub const CREDIT_ORDERS_MAX: usize = 1_024;

/// A settlement that the engine of an account reports: the peer has paid us.
#[derive(Debug)]
pub struct CreditOrder {
    /// The account.
    pub account: AccountId,
    /// The engine's key of the settlement.
    pub key: SettlementKey,
    /// The amount.
    pub quantity: Quantity,
    /// Gets the answer once it is final: when the credit is durable, or refused. Dropped without one if the node stops;
    /// the credit may have been made then.
    pub reply: oneshot::Sender<Result<(), CreditRefusal>>,
}

/// Why a credit was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreditRefusal {
    /// The request is at fault, or the node has no such account.
    #[error(transparent)]
    Settlement(#[from] SettlementError),
    /// Only the engine of a peer credits it, and this peer has none.
    #[error("peer {0} has no settlement engine in the configuration")]
    NoEngine(AccountId),
    /// The books cannot be read or written now. The same request may be repeated.
    #[error("nothing is credited, because the store fails: {0}")]
    StoreFails(String),
}
