//! What is asked about the past of a node: its income, and the events that its store keeps. Tasks of the node answer;
//! requests come from `/api/v1`.

use tokio::sync::{mpsc, oneshot};

use super::status::NodeStatus;
use crate::books::{EventQuery, Income, NumberedEvent, Period};
use crate::wire::Timestamp;

/// Orders of each kind that wait. They are done one after the other.
const BOOKS_ORDERS_MAX: usize = 8;

/// What was earned in a period.
#[derive(Debug)]
pub struct IncomeOrder {
    /// The period.
    pub period: Period,
    /// Gets the income, or the reason why the store cannot be read.
    pub reply: oneshot::Sender<Result<IncomeReport, String>>,
}

/// The income of a period, as of a cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomeReport {
    /// The income.
    pub income: Income,
    /// When the newest cut in it was taken.
    pub as_of: Timestamp,
}

/// Saved events.
#[derive(Debug)]
pub struct EventsOrder {
    /// Which.
    pub query: EventQuery,
    /// Gets them, the newest first, or the reason why the store cannot be read.
    pub reply: oneshot::Sender<Result<Vec<NumberedEvent>, String>>,
}

impl NodeStatus {
    /// From now on, orders come out of these channels, once each. Called once, at the start of a node with a store.
    pub fn accept_books_orders(
        &self,
    ) -> (mpsc::Receiver<IncomeOrder>, mpsc::Receiver<EventsOrder>) {
        let (income, income_orders) = mpsc::channel(BOOKS_ORDERS_MAX);
        let (events, events_orders) = mpsc::channel(BOOKS_ORDERS_MAX);
        // A second call leaves the first channels in use; the new ones have no sender, and end.
        let _ = self.income_orders.set(income);
        let _ = self.events_orders.set(events);
        (income_orders, events_orders)
    }
}
