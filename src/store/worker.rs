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
enum StoreRequest {
    Write(Cut, Reply<()>),
    WriteLast(Cut, Reply<()>),
    Reopen(Reply<()>),
    FindAdjustment(ChangeId, Reply<Option<Adjustment>>),
    FindSettlement(SettlementDirection, Arc<str>, SettlementKey, Reply<Option<Settlement>>),
    ListSettlements(Option<String>, u32, Reply<Vec<Settlement>>),
    FindDeliveries(DeliveryQuery, Reply<FoundDeliveries>),
    FindEvents(EventQuery, Reply<Vec<NumberedEvent>>),
}

type Reply<T> = oneshot::Sender<Result<T, WriteError>>;

/// Sends requests to the thread of a store.
#[derive(Clone, Debug)]
pub struct StoreHandle {
    requests: mpsc::Sender<StoreRequest>,
    lease: Option<watch::Receiver<Lease>>,
}

/// The work of the thread.
#[derive(Debug)]
pub struct StoreWorker {
    store: Store,
    requests: mpsc::Receiver<StoreRequest>,
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
            // If a reply cannot be sent, the node has stopped to wait.
            match request {
                StoreRequest::Write(cut, reply) => drop(reply.send(store.write(&cut))),
                StoreRequest::WriteLast(cut, reply) => {
                    let written = store.write_last(&cut);
                    if written.is_ok() {
                        // The process may end with the reply, and SQLite would leave its log beside the file.
                        drop(store);
                        drop(reply.send(written));
                        return;
                    }
                    drop(reply.send(written));
                }
                StoreRequest::Reopen(reply) => drop(reply.send(store.reopen())),
                StoreRequest::FindAdjustment(id, reply) => {
                    drop(reply.send(store.find_adjustment(&id)));
                }
                StoreRequest::FindSettlement(direction, account, key, reply) => {
                    drop(reply.send(store.find_settlement(direction, &account, &key)));
                }
                StoreRequest::ListSettlements(account, max, reply) => {
                    drop(reply.send(store.list_settlements(account.as_deref(), max)));
                }
                StoreRequest::FindDeliveries(query, reply) => {
                    drop(reply.send(store.find_deliveries(&query)));
                }
                StoreRequest::FindEvents(query, reply) => {
                    drop(reply.send(store.find_events(&query)));
                }
            }
        }
        store.close();
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
        request: impl FnOnce(Reply<T>) -> StoreRequest,
    ) -> Result<T, WriteError> {
        let (reply, result) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| WriteError::NoThread)?;
        result.await.map_err(|_| WriteError::NoThread)?
    }
}
