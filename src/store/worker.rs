//! The thread of a store: handles one request after the other.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::delivery_query::DeliveryQuery;
use super::engine::Store;
use super::error::WriteError;
use super::lease::Lease;
use crate::books::{
    Adjustment, ChangeId, Cut, EventQuery, FoundDeliveries, NumberedEvent, Settlement,
    SettlementDirection, SettlementKey,
};

/// Requests that may wait: of the node's tasks for cuts, changes and settlements, and of that of each
/// webhook, each has one under way at a time. Further ones wait for their turn.
const REQUESTS_MAX: usize = 4;

#[derive(Debug)]
pub(super) enum StoreRequest {
    Write(Cut, StoreReply<()>),
    WriteLast(Cut, StoreReply<()>),
    Reopen(StoreReply<()>),
    FindAdjustment(ChangeId, StoreReply<Option<Adjustment>>),
    FindSettlement(SettlementDirection, Arc<str>, SettlementKey, StoreReply<Option<Settlement>>),
    ListSettlements(Option<String>, u32, StoreReply<Vec<Settlement>>),
    FindDeliveries(DeliveryQuery, StoreReply<FoundDeliveries>),
    FindEvents(EventQuery, StoreReply<Vec<NumberedEvent>>),
}

type StoreReply<T> = oneshot::Sender<Result<T, WriteError>>;

/// Sends requests to the thread of a store.
#[derive(Clone, Debug)]
pub struct StoreHandle {
    requests: mpsc::Sender<StoreRequest>,
    lease: Option<watch::Receiver<Lease>>,
}

/// The work of the thread.
#[derive(Debug)]
pub struct StoreWorker {
    pub(super) store: Store,
    pub(super) requests: mpsc::Receiver<StoreRequest>,
}

impl StoreWorker {
    /// A worker for this store, and the handle to it.
    pub fn new(store: Store) -> (Self, StoreHandle) {
        let (sender, requests) = mpsc::channel(REQUESTS_MAX);
        let lease = store.watch_lease();
        (Self { store, requests }, StoreHandle { requests: sender, lease })
    }

    /// Handles requests until the last cut is saved, or all handles are dropped.
    pub fn run(self) {
        let Self { mut store, mut requests } = self;
        while let Some(request) = store.next_request(&mut requests) {
            let handled = request.handle(&mut store);
            let Some(open) = handled.reply(store) else { return };
            store = open;
        }
        store.close();
    }
}

/// What became of a request.
pub(super) struct Handled {
    /// Sends the answer, unless nothing waits for it any more.
    send: Box<dyn FnOnce() + Send>,
    /// It was the last cut, and is saved.
    is_end: bool,
}

impl Handled {
    pub(super) fn new<T: Send + 'static>(
        result: Result<T, WriteError>,
        reply: StoreReply<T>,
    ) -> Self {
        Self { send: Box::new(move || drop(reply.send(result))), is_end: false }
    }

    /// Answers. Returns the store, unless this was the end of it.
    pub(super) fn reply(self, store: Store) -> Option<Store> {
        if self.is_end {
            // The process may end with the reply, and SQLite would leave its log beside the file.
            drop(store);
            (self.send)();
            return None;
        }
        (self.send)();
        Some(store)
    }
}

impl StoreRequest {
    /// Does what is requested.
    pub(super) fn handle(self, store: &mut Store) -> Handled {
        match self {
            Self::Write(_, reply) if planted!(LostCommit) => Handled::new(Ok(()), reply),
            Self::Write(cut, reply) => Handled::new(store.write(&cut), reply),
            Self::WriteLast(cut, reply) => {
                let saved = store.write_last(&cut);
                Handled { is_end: saved.is_ok(), ..Handled::new(saved, reply) }
            }
            Self::Reopen(reply) => Handled::new(store.reopen(), reply),
            Self::FindAdjustment(id, reply) => Handled::new(store.find_adjustment(&id), reply),
            Self::FindSettlement(direction, account, key, reply) => {
                Handled::new(store.find_settlement(direction, &account, &key), reply)
            }
            Self::ListSettlements(account, max, reply) => {
                Handled::new(store.list_settlements(account.as_deref(), max), reply)
            }
            Self::FindDeliveries(query, reply) => {
                Handled::new(store.find_deliveries(&query), reply)
            }
            Self::FindEvents(query, reply) => Handled::new(store.find_events(&query), reply),
        }
    }
}

impl StoreHandle {
    /// The lease of the books. `None`: a lock holds them as long as the process runs.
    pub fn lease(&self) -> Option<watch::Receiver<Lease>> {
        self.lease.clone()
    }

    /// Waits until the books cannot be kept, although no cut is under way. Returns why. Never with a file.
    pub async fn failure(&self) -> String {
        let Some(mut lease) = self.lease.clone() else { return std::future::pending().await };
        let failed = lease.wait_for(|lease| lease.failure.is_some()).await;
        match failed.map(|lease| lease.failure.clone()) {
            Ok(Some(failure)) => failure,
            // The thread ends only with the node.
            _ => std::future::pending().await,
        }
    }

    /// Saves a cut.
    ///
    /// # Errors
    /// [`WriteError`]. Then [`StoreHandle::reopen`] the store, and write all accounts.
    pub async fn write(&self, cut: Cut) -> Result<(), WriteError> {
        self.request(|reply| StoreRequest::Write(cut, reply)).await
    }

    /// Saves the last cut of a node that stops, and closes the store.
    ///
    /// # Errors
    /// As [`StoreHandle::write`]. Then it is still open.
    pub async fn write_last(&self, cut: Cut) -> Result<(), WriteError> {
        self.request(|reply| StoreRequest::WriteLast(cut, reply)).await
    }

    /// Opens the store again after an error.
    ///
    /// # Errors
    /// It is still not usable.
    pub async fn reopen(&self) -> Result<(), WriteError> {
        self.request(StoreRequest::Reopen).await
    }

    /// The change with this id, if the store has it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn find_adjustment(&self, id: ChangeId) -> Result<Option<Adjustment>, WriteError> {
        self.request(|reply| StoreRequest::FindAdjustment(id, reply)).await
    }

    /// The settlement with this key, if the store has it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn find_settlement(
        &self,
        direction: SettlementDirection,
        account: Arc<str>,
        key: SettlementKey,
    ) -> Result<Option<Settlement>, WriteError> {
        self.request(|reply| StoreRequest::FindSettlement(direction, account, key, reply)).await
    }

    /// The newest settlements, the newest first, of one account or of all.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn list_settlements(
        &self,
        account: Option<String>,
        max: u32,
    ) -> Result<Vec<Settlement>, WriteError> {
        self.request(|reply| StoreRequest::ListSettlements(account, max, reply)).await
    }

    /// The deliveries to a webhook that a query asks for.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn find_deliveries(
        &self,
        query: DeliveryQuery,
    ) -> Result<FoundDeliveries, WriteError> {
        self.request(|reply| StoreRequest::FindDeliveries(query, reply)).await
    }

    /// The events that a query asks for, the newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn find_events(&self, query: EventQuery) -> Result<Vec<NumberedEvent>, WriteError> {
        self.request(|reply| StoreRequest::FindEvents(query, reply)).await
    }

    async fn request<T>(
        &self,
        request: impl FnOnce(StoreReply<T>) -> StoreRequest,
    ) -> Result<T, WriteError> {
        let (reply, result) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| WriteError::NoThread)?;
        result.await.map_err(|_| WriteError::NoThread)?
    }
}
