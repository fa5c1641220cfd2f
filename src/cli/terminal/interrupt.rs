//! Ctrl-C and SIGTERM, for commands that run until then.

use tokio::signal::unix::{SignalKind, signal};

use crate::console::Failure;

/// Ends with SIGINT or SIGTERM, which no longer end the process from now on.
pub(in crate::cli) fn interrupted() -> Result<impl Future<Output = ()>, Failure> {
    let failed = |error| Failure::Failed(format!("cannot handle signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
