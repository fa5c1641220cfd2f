//! The one place in the program that spawns.

use std::future::Future;

use tokio::task::JoinHandle;
use tracing::Instrument;

/// Spawns a future in the caller's span, so that its lines name their node.
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
pub(super) struct AbortOnDrop(JoinHandle<()>);

impl AbortOnDrop {
    pub(super) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(spawn(future))
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
