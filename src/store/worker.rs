//! The thread of a store: takes cuts one after the other, and answers when each is durable.

use tokio::sync::{mpsc, oneshot};

use super::error::WriteError;
use super::sqlite::SqliteStore;
use crate::books::Cut;

/// Requests that may wait. The node's task for cuts has one under way at a time.
const REQUESTS_MAX: usize = 2;

#[derive(Debug)]
enum StoreRequest {
    Write(Cut),
    WriteLast(Cut),
    Reopen,
}

type Reply = oneshot::Sender<Result<(), WriteError>>;

/// Sends requests to the thread of a store.
#[derive(Debug)]
pub struct StoreHandle(mpsc::Sender<(StoreRequest, Reply)>);

/// The work of the thread.
#[derive(Debug)]
pub struct StoreWorker {
    store: SqliteStore,
    requests: mpsc::Receiver<(StoreRequest, Reply)>,
}

impl StoreWorker {
    /// A worker for this store, and the handle to it.
    pub fn new(store: SqliteStore) -> (Self, StoreHandle) {
        let (sender, requests) = mpsc::channel(REQUESTS_MAX);
        (Self { store, requests }, StoreHandle(sender))
    }

    /// Handles requests until the handle is dropped.
    pub fn run(mut self) {
        while let Some((request, reply)) = self.requests.blocking_recv() {
            let result = match request {
                StoreRequest::Write(cut) => self.store.write(&cut),
                StoreRequest::WriteLast(cut) => self.store.write_last(&cut),
                StoreRequest::Reopen => self.store.reopen(),
            };
            // The node may have stopped to wait.
            let _ = reply.send(result);
        }
    }
}

impl StoreHandle {
    /// Saves a cut.
    ///
    /// # Errors
    /// [`WriteError`]. Then [`StoreHandle::reopen`] the store, and write all accounts.
    pub async fn write(&self, cut: Cut) -> Result<(), WriteError> {
        self.request(StoreRequest::Write(cut)).await
    }

    /// Saves the last cut of a node that stops.
    ///
    /// # Errors
    /// As [`StoreHandle::write`].
    pub async fn write_last(&self, cut: Cut) -> Result<(), WriteError> {
        self.request(StoreRequest::WriteLast(cut)).await
    }

    /// Opens the store again after an error.
    ///
    /// # Errors
    /// It is still not usable.
    pub async fn reopen(&self) -> Result<(), WriteError> {
        self.request(StoreRequest::Reopen).await
    }

    async fn request(&self, request: StoreRequest) -> Result<(), WriteError> {
        let (reply, result) = oneshot::channel();
        self.0.send((request, reply)).await.map_err(|_| WriteError::NoThread)?;
        result.await.map_err(|_| WriteError::NoThread)?
    }
}
