//! The signals that a process hears.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// All of them, heard from the call of [`Signals::new`] on.
pub(super) struct Signals {
    pub(super) stop: StopSignals,
    pub(super) hang_up: Signal,
}

/// Those that end the process.
pub(super) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            stop: StopSignals {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
            },
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

impl StopSignals {
    /// Until one asks for the end of the process. Cancel safe.
    pub(super) async fn come(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
