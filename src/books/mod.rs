//! The books of a node: what the store keeps of each account, and what may be concluded from it.
//!
//! The connector copies the accounts that have changed into a [`Cut`], and the store saves it in one transaction. Rows
//! hold absolute values, so that a cut can be repeated, and a later one replaces an earlier one. These are plain
//! values; reading and writing them is the job of `store`.

mod adjustment;
mod cut;
mod date;
mod event;
mod export;
mod flow;
mod history;
mod income;
mod journal;
mod received;
mod reconciliation;
mod recovery;
mod row;
mod saved;
mod saved_event;
mod settlement;
mod statement;

pub use adjustment::{Adjustment, BalanceChange, ChangeError, ChangeId, ChangeRequest};
pub use cut::{Cut, CutRecords};
pub use date::date;
pub use event::{EventKind, EventLevel, NewEvent};
pub use export::{ExportFormat, statements_as_csv};
pub use flow::{FlowBook, FlowEnd, FlowRow, FlowSums};
pub use history::BooksHistory;
pub use income::{Earned, Income, IncomeParts, mid_rate};
pub use journal::{Journal, Period};
pub use received::{PaymentKey, ReceivedPayment};
pub use reconciliation::{
    BooksVerdict, Exchange, Judgement, NotCredited, OwnEnd, Parts, ReconcilePolicy, ReconcileState,
    ReconciliationRow,
};
pub use recovery::{RecoveredAccount, UnbalancedRow, recover_account};
pub use row::{AccountKind, AccountRow, StoredRow, own_account_name};
pub use saved::SavedBooks;
pub use saved_event::{
    DeliveryCounts, DeliveryState, EVENT_DAYS_KEPT, EVENTS_SAVED_MAX, EventDelivery, EventId,
    EventQuery, FoundDeliveries, NumberedEvent, SavedEvent, clip_text,
};
pub use settlement::{
    KeyError, Leftover, Quantity, Settlement, SettlementBook, SettlementDirection, SettlementError,
    SettlementKey, SettlementState,
};
pub use statement::Statement;
