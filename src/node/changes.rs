//! Makes the changes of balances that operators ask for, one after the other, and answers when each is durable.
//!
//! A change that was repeated with its id is made once: it is looked up in the store first, and only after the change
//! before it is there. A client that does not wait for its answer interrupts nothing. What stays uncertain for
//! `uncertainHoldMs` is released here, too.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::store_waits::{look_up, wait_durable};
use super::task::AbortOnDrop;
use crate::api::{ChangeOrder, ChangeRefusal, NodeStatus};
use crate::books::{Adjustment, BalanceChange, ChangeId, ChangeRequest};
use crate::connector::UncertainRelease;
use crate::link::CutNumber;
use crate::machine;
use crate::peers::NodeContext;
use crate::store::StoreHandle;

/// The longest wait for the next release, so that a change of the time of day is noticed.
const RELEASE_WAIT_MAX: Duration = Duration::from_secs(60);

/// The running task, which ends when this is dropped.
pub(super) struct ChangesTask {
    _task: AbortOnDrop,
    reloads: watch::Sender<()>,
}

impl ChangesTask {
    pub(super) fn start(
        store: StoreHandle,
        context: Arc<NodeContext>,
        status: Arc<NodeStatus>,
    ) -> Self {
        let (reloads, reloaded) = watch::channel(());
        let orders = status.accept_changes();
        let changes = BalanceChanges { store, context, status, unsaved: None };
        Self { _task: AbortOnDrop::spawn(changes.run(orders, reloaded)), reloads }
    }

    /// A reload may have changed `uncertainHoldMs`.
    pub(super) fn follow_config(&self) {
        self.reloads.send_replace(());
    }
}

struct BalanceChanges {
    store: StoreHandle,
    context: Arc<NodeContext>,
    status: Arc<NodeStatus>,
    /// The last change, if it was not durable when the store failed, and its cut.
    unsaved: Option<(ChangeId, CutNumber)>,
}

impl BalanceChanges {
    /// Runs until the node stops.
    async fn run(
        mut self,
        mut orders: mpsc::Receiver<ChangeOrder>,
        mut reloaded: watch::Receiver<()>,
    ) {
        loop {
            let wait = self.release_overdue();
            let next_release = async {
                match wait {
                    Some(wait) => sleep(wait.min(RELEASE_WAIT_MAX)).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                () = next_release => {}
                order = orders.recv() => {
                    let Some(ChangeOrder { request, reply }) = order else { return };
                    // The client may not wait any more.
                    let _ = reply.send(self.make(&request).await);
                }
                changed = reloaded.changed() => if changed.is_err() {
                    return;
                },
            }
        }
    }

    /// Releases what has been uncertain for `uncertainHoldMs`. Returns the time until the next release.
    fn release_overdue(&self) -> Option<Duration> {
        let connector = &self.context.connector;
        let now = self.context.clock.now().wall;
        let mut next: Option<Duration> = None;
        for UncertainRelease { account, asset, amount, due } in connector.uncertain_releases() {
            let left = due.as_millis().saturating_sub(now.as_millis());
            if left > 0 {
                let left = Duration::from_millis(left);
                next = Some(next.map_or(left, |next| next.min(left)));
                continue;
            }
            let request = ChangeRequest {
                id: ChangeId::from_random(machine::random()),
                account: account.to_string(),
                asset: Some(asset.to_string()),
                change: BalanceChange::Resolve { conceded: 0 },
                reason: "released after uncertainHoldMs".to_owned(),
                by: "ilp-connector".to_owned(),
            };
            // The record is saved with the next cut. It fails only if a reload has just changed the asset.
            if connector.change_balance(&request, now).is_ok() {
                tracing::warn!(
                    peer = %account, %amount, %asset,
                    "released what was uncertain since a crash, because uncertainHoldMs has passed"
                );
            }
        }
        next
    }

    async fn make(&mut self, request: &ChangeRequest) -> Result<Adjustment, ChangeRefusal> {
        let ready = self.wait_for_store(&request.id).await;
        if let Err(not_saved @ ChangeRefusal::NotSaved(_)) = ready {
            return Err(not_saved);
        }
        // Even while the store cannot be written: the change may be durable for a long time.
        let found = look_up(self.store.find_adjustment(request.id.clone())).await;
        if let Some(made) = found.map_err(ChangeRefusal::Unknown)? {
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

    async fn wait_durable(&self, cut: CutNumber) -> Result<(), String> {
        wait_durable(cut, &self.context.connector, &self.status).await
    }
}

#[cfg(test)]
mod tests;
