//! Spawns tasks that keep the span of their caller.

use std::future::Future;
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};
use tracing::Instrument;

use crate::machine;

/// Spawns a future in the caller's span, so that its lines name their node.
#[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
pub(super) fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let task = tokio::spawn(machine::here(future.in_current_span()));
    machine::keep_task(task.abort_handle());
    task
}

/// Spawns a future in a set, in the caller's span.
pub(super) fn spawn_in(set: &mut JoinSet<()>, future: impl Future<Output = ()> + Send + 'static) {
    machine::keep_task(set.spawn(machine::here(future.in_current_span())));
}

/// Starts work that blocks, on one of tokio's blocking threads.
pub(super) fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    if machine::is_simulated() {
        // In a simulated world, nothing happens beside the one thread.
        return spawn(async { work() });
    }
    tokio::task::spawn_blocking(work)
}

/// Runs work that reads files or computes for long on one of tokio's blocking threads. `None`: it panicked, which the
/// panic hook has logged.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    spawn_blocking(work).await.ok()
}

/// Waits up to `timeout` until all tasks have ended; then it aborts the rest.
pub(super) async fn wait_or_abort(mut tasks: JoinSet<()>, timeout: Duration) {
    let all = async { while tasks.join_next().await.is_some() {} };
    // Dropping the set aborts what is left.
    let _ = tokio::time::timeout(timeout, all).await;
}

/// The same for several sets at the same time.
pub(super) async fn wait_or_abort_all(sets: Vec<JoinSet<()>>, timeout: Duration) {
    let waits = sets.into_iter().map(|tasks| wait_or_abort(tasks, timeout));
    futures_util::future::join_all(waits).await;
}

/// A task that ends when this value is dropped.
#[derive(Debug)]
pub(super) struct AbortOnDrop(JoinHandle<()>);

impl AbortOnDrop {
    pub(super) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    pub(super) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(spawn(future))
    }

    /// Waits up to `timeout` until it has ended; then it aborts it.
    pub(super) async fn wait_or_abort(mut self, timeout: Duration) {
        if tokio::time::timeout(timeout, &mut self.0).await.is_err() {
            self.0.abort();
            // It was aborted, or has ended at that moment.
            let _ = (&mut self.0).await;
        }
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
