//! What operators want of the settlements of a node. A task of the node does it; requests come from `/api/v1`.

use tokio::sync::oneshot;

use crate::account::AccountId;
use crate::books::{Settlement, SettlementDirection, SettlementError, SettlementKey};
use crate::peers::SettlementHoldUp;

/// Orders that wait. They are done one after the other.
pub(super) const SETTLEMENT_ORDERS_MAX: usize = 16;

/// A settlement that was made by other means than an engine, such as a bank transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManualSettlement {
    /// Its key: a request with the same key is the same settlement again.
    pub key: SettlementKey,
    /// The peer.
    pub account: AccountId,
    /// Who paid.
    pub direction: SettlementDirection,
    /// In units of the account.
    pub units: u128,
    /// The operator's own reference.
    pub reference: String,
    /// Who says so.
    pub by: String,
}

/// A settlement of an operator that is in the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedSettlement {
    /// As it was booked first.
    pub settlement: Settlement,
    /// An earlier request has booked it.
    pub was_known: bool,
}

/// What an operator wants.
#[derive(Debug)]
pub enum SettlementOrder {
    /// The newest settlements.
    List {
        /// Only those of this account.
        account: Option<AccountId>,
        /// How many.
        max: u32,
        /// Gets them, the newest first.
        reply: SettlementReply<Vec<Settlement>>,
    },
    /// Books a settlement that was made by other means.
    Record {
        /// The settlement.
        settlement: ManualSettlement,
        /// Gets the record once it is durable.
        reply: SettlementReply<RecordedSettlement>,
    },
    /// Asks the engine again at once.
    Retry {
        /// The peer.
        account: AccountId,
        /// Gets the settlement that is under way.
        reply: SettlementReply<Settlement>,
    },
}

/// Where the result of an order goes. If it is dropped, the node stops.
pub type SettlementReply<T> = oneshot::Sender<Result<T, SettlementRefusal>>;

/// Why an order is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettlementRefusal {
    /// It cannot be booked; nothing has changed.
    #[error(transparent)]
    Settlement(#[from] SettlementError),
    /// No engine has a settlement to accept.
    #[error("no settlement with {0} waits for its engine")]
    NothingUnderWay(AccountId),
    /// Its engine is not asked now.
    #[error("the settlement {0} of {1} waits, and its engine is not asked now: {2}")]
    HeldUp(SettlementKey, AccountId, SettlementHoldUp),
    /// The store fails, and it is not known whether an earlier request with this id has booked something.
    #[error(
        "this request has booked nothing, because the store fails: {0}; whether an earlier request with this id has, is \
         not known until the store works"
    )]
    Unknown(String),
    /// The store fails, and nothing has changed.
    #[error("nothing has changed, because the store fails: {0}")]
    StoreFails(String),
    /// The store fails, and what was booked waits for it.
    #[error(
        "the settlement is booked, but not saved yet, because the store fails: {0}; the node goes on trying. The same \
         request with the same id waits for it"
    )]
    NotSaved(String),
}

impl SettlementRefusal {
    /// Whether something may be booked.
    pub fn is_unclear(&self) -> bool {
        matches!(self, Self::NotSaved(_) | Self::Unknown(_))
    }
}
