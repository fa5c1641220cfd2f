//! Ctrl-C and SIGTERM, for tools that print a summary when they are interrupted.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::client::Client;
use crate::console::Failure;

/// Ends a tool early: a signal, or another program that took its account.
pub(super) struct Interrupt {
    replaced: watch::Receiver<bool>,
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupt {
    /// From now on, these signals no longer end the process. Called after the login, so that they end one that hangs.
    pub(super) fn listen(client: &Client) -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::Failed(format!("cannot handle signals: {error}")))
        };
        Ok(Self {
            replaced: client.replaced(),
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits for an interrupt. Cancel safe.
    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            Ok(_) = self.replaced.wait_for(|replaced| *replaced) => {}
        }
    }
}
