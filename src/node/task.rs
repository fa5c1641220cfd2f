//! The one place in the program that spawns.

use std::future::Future;

use tokio::task::JoinHandle;
use tracing::Instrument;

/// Runs a future beside the others. It stays in the span of whoever spawns it, so that its lines name their node.
#[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
pub(super) fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future.in_current_span())
}

/// A task that ends when this value is dropped.
#[derive(Debug)]
pub(super) struct Guarded(JoinHandle<()>);

impl Guarded {
    pub(super) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(spawn(future))
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.0.abort();
    }
}
