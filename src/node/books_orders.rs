//! Answers what is asked about the past of the node: its income, and the events that its store keeps.
//!
//! Income is computed from all flows in the store, which takes a while. So they are read at most once in [`KEPT_FOR`],
//! beside the thread of the store, and one reading at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::store_waits::look_up;
use super::task::{AbortOnDrop, blocking};
use crate::api::{EventsOrder, IncomeOrder, IncomeReport, NodeStatus};
use crate::books::{BooksHistory, Income};
use crate::net::{StorePlace, error_chain};
use crate::store::{Store, StoreHandle, StoreIdentity};

/// How long what was read is used again.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// The running tasks, which end when this is dropped.
pub(super) struct BooksOrders {
    _income: AbortOnDrop,
    _events: AbortOnDrop,
}

impl BooksOrders {
    pub(super) fn start(
        store: StoreHandle,
        place: StorePlace,
        identity: StoreIdentity,
        status: &NodeStatus,
    ) -> Self {
        let (income, events) = status.accept_books_orders();
        let reader = HistoryReader { place, identity, kept: None };
        Self {
            _income: AbortOnDrop::spawn(reader.run(income)),
            _events: AbortOnDrop::spawn(find_events(store, events)),
        }
    }
}

/// Runs until the node stops. A client may not wait any more for its reply.
async fn find_events(store: StoreHandle, mut orders: mpsc::Receiver<EventsOrder>) {
    while let Some(EventsOrder { query, reply }) = orders.recv().await {
        drop(reply.send(look_up(store.find_events(query)).await));
    }
}

struct HistoryReader {
    place: StorePlace,
    identity: StoreIdentity,
    kept: Option<(Arc<BooksHistory>, Instant)>,
}

impl HistoryReader {
    async fn run(mut self, mut orders: mpsc::Receiver<IncomeOrder>) {
        loop {
            let forget_at = self.kept.as_ref().map(|(_, until)| *until);
            let forget = sleep_until(forget_at.unwrap_or_else(Instant::now));
            tokio::select! {
                biased;
                () = forget, if forget_at.is_some() => self.kept = None,
                order = orders.recv() => match order {
                    Some(order) => {
                        let report = self.find_income(&order).await;
                        drop(order.reply.send(report));
                    }
                    None => return,
                },
            }
        }
    }

    async fn find_income(&mut self, order: &IncomeOrder) -> Result<IncomeReport, String> {
        let history = self.read().await?;
        let period = order.period;
        let work = move || {
            let income = Income::new(&history, period);
            IncomeReport { income, as_of: history.cut_at }
        };
        blocking(work).await.ok_or_else(unreadable)
    }

    async fn read(&mut self) -> Result<Arc<BooksHistory>, String> {
        if let Some((kept, until)) = &self.kept
            && Instant::now() < *until
        {
            return Ok(Arc::clone(kept));
        }
        let (place, identity) = (self.place.clone(), self.identity.clone());
        let read =
            move || Store::read_history(&place, &identity).map_err(|error| error_chain(&error));
        let history = Arc::new(blocking(read).await.unwrap_or_else(|| Err(unreadable()))?);
        self.kept = Some((Arc::clone(&history), Instant::now() + KEPT_FOR));
        Ok(history)
    }
}

fn unreadable() -> String {
    "it cannot be read".to_owned()
}
