//! Follows the lease of the books: while it is not valid, the outboxes write nothing to peers.
//!
//! An outbox asks by itself before it writes, because a process may have been frozen at any time (ADR 27). This task
//! wakes the outboxes when the lease is valid again, and ends when another process has taken the books.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::task;
use crate::link::LeaseCheck;
use crate::peers::NodeContext;
use crate::store::Lease;

/// Ties the outboxes to the lease. The task returns the process that has taken the books.
pub(super) fn follow(
    lease: watch::Receiver<Lease>,
    context: &Arc<NodeContext>,
) -> JoinHandle<String> {
    let (watched, clock) = (lease.clone(), context.clock.clone());
    let is_valid = move || watched.borrow().is_valid(clock.mono());
    context.connector.set_lease(LeaseCheck(Box::new(is_valid)));
    task::spawn(run(lease, Arc::clone(context)))
}

async fn run(mut lease: watch::Receiver<Lease>, context: Arc<NodeContext>) -> String {
    let mut has_ended = false;
    loop {
        let Lease { valid_until, lost_to, .. } = lease.borrow_and_update().clone();
        if let Some(holder) = lost_to {
            return holder;
        }
        let left = valid_until.since(context.clock.mono());
        if !left.is_zero() {
            if has_ended {
                tracing::info!("the lease of the books is valid again");
                has_ended = false;
            }
            context.connector.wake_for_lease();
            tokio::select! {
                biased;
                () = sleep(left) => continue,
                lost = lease.wait_for(|lease| lease.lost_to.is_some()) => if lost.is_ok() {
                    continue;
                }
            }
        } else if !has_ended {
            tracing::error!(
                "the lease of the books has ended; nothing is sent to peers until it is renewed"
            );
            has_ended = true;
        }
        if lease.changed().await.is_err() {
            // The store was closed by a stop.
            return std::future::pending().await;
        }
    }
}
