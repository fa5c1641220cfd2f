//! Makes the changes of balances that operators ask for, one after the other, and answers when each is durable.
//!
//! A change that was repeated with its id is made once: it is looked up in the store first, and only after the change
//! before it is there. A client that does not wait for its answer interrupts nothing.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::api::{ChangeOrder, ChangeRefusal, NodeStatus};
use crate::books::{Adjustment, ChangeId, ChangeRequest};
use crate::link::CutNumber;
use crate::net::error_chain;
use crate::peers::NodeContext;
use crate::store::StoreHandle;

/// How long the store may take to look up a change.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// The task for changes.
pub(super) struct BalanceChanges {
    pub(super) store: StoreHandle,
    pub(super) context: Arc<NodeContext>,
    pub(super) status: Arc<NodeStatus>,
    /// The last change, if it was not durable when the store failed, and its cut.
    unsaved: Option<(ChangeId, CutNumber)>,
}

impl BalanceChanges {
    pub(super) fn new(
        store: StoreHandle,
        context: Arc<NodeContext>,
        status: Arc<NodeStatus>,
    ) -> Self {
        Self { store, context, status, unsaved: None }
    }

    /// Runs until the node stops.
    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<ChangeOrder>) {
        while let Some(ChangeOrder { request, reply }) = orders.recv().await {
            // The client may not wait any more.
            let _ = reply.send(self.make(&request).await);
        }
    }

    async fn make(&mut self, request: &ChangeRequest) -> Result<Adjustment, ChangeRefusal> {
        let ready = self.wait_for_store(&request.id).await;
        if let Err(not_saved @ ChangeRefusal::NotSaved(_)) = ready {
            return Err(not_saved);
        }
        // Even while the store cannot be written: the change may be durable for a long time.
        if let Some(made) = self.find(&request.id).await.map_err(ChangeRefusal::Unknown)? {
            return Ok(request.check_repeated(made)?);
        }
        ready?;
        let at = self.context.clock.now().wall;
        let (cut, made) = self.context.connector.change_balance(request, at)?;
        let Adjustment { id, account, asset, change, balance, reason, by, .. } = &made;
        tracing::info!(
            %account, %asset, kind = change.kind(), amount = %change.amount(), %balance, reason, by, %id,
            "an operator changed a balance"
        );
        self.unsaved = Some((made.id.clone(), cut));
        self.wait_durable(cut).await.map_err(ChangeRefusal::NotSaved)?;
        self.unsaved = None;
        Ok(made)
    }

    /// Whether a change can be made now: the one before it is durable, and the store does not fail.
    async fn wait_for_store(&mut self, next: &ChangeId) -> Result<(), ChangeRefusal> {
        if let Some((id, cut)) = &self.unsaved {
            self.wait_durable(*cut).await.map_err(|failure| match id == next {
                true => ChangeRefusal::NotSaved(failure),
                false => ChangeRefusal::StoreFails(failure),
            })?;
            self.unsaved = None;
        }
        match self.status.watch_store_failure().borrow().clone() {
            Some(failure) => Err(ChangeRefusal::StoreFails(failure)),
            None => Ok(()),
        }
    }

    async fn find(&self, id: &ChangeId) -> Result<Option<Adjustment>, String> {
        match timeout(LOOKUP_TIMEOUT, self.store.find_adjustment(id.clone())).await {
            Ok(found) => found.map_err(|error| error_chain(&error)),
            Err(_) => Err(format!("it has not answered for {LOOKUP_TIMEOUT:?}")),
        }
    }

    /// Waits until a cut is durable, or the store fails, and returns why. A cut that takes long counts as a failure.
    async fn wait_durable(&self, cut: CutNumber) -> Result<(), String> {
        let connector = &self.context.connector;
        let mut failures = self.status.watch_store_failure();
        tokio::select! {
            biased;
            () = poll_fn(|cx| connector.poll_durable(cut, cx)) => Ok(()),
            failure = failures.wait_for(Option::is_some) => {
                let failure = failure.ok().and_then(|failure| failure.clone());
                Err(failure.unwrap_or_else(|| "the node stops".to_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests;
