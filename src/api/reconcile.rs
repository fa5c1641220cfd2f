//! The wish of an operator that the node compares its books with a peer's now.

use tokio::sync::{mpsc, oneshot};

use super::status::NodeStatus;
use crate::account::AccountId;
use crate::books::ReconcileState;

/// Wishes that wait.
const ORDERS_MAX: usize = 64;

/// A comparison to make, and where the result goes.
#[derive(Debug)]
pub struct ReconcileOrder {
    /// The peer.
    pub peer: AccountId,
    /// What is known afterwards. If this is dropped, the node stops.
    pub reply: oneshot::Sender<Result<ReconcileState, NotCompared>>,
}

/// Why books were not compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCompared {
    /// The peer rejects the request.
    #[error("the peer does not compare books: {0}")]
    Unsupported(String),
    /// The peer does not answer.
    #[error("the peer has not answered: {0}")]
    Unanswered(String),
    /// The answer led to nothing.
    #[error("{0}; try again")]
    Unusable(String),
}

impl NodeStatus {
    /// From now on wishes to compare books come out of this channel. Called once, before the first request.
    pub fn accept_reconcile_orders(&self) -> mpsc::Receiver<ReconcileOrder> {
        let (sender, orders) = mpsc::channel(ORDERS_MAX);
        // A second call leaves the first channel in use; the new one has no sender, and ends.
        let _ = self.reconcile_orders.set(sender);
        orders
    }
}
