//! TLS handshakes on a thread and a runtime of their own: what they cost is not taken from the packets.

use std::io;

use tokio::sync::oneshot;
use tracing::Span;

use crate::net::HandshakeWorker;

/// How much less of a busy processor the thread gets than the one that moves packets (`nice`). Linux knows that of a thread;
/// elsewhere it would be of the process.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// The running thread. Dropping it ends it.
#[derive(Debug)]
pub(super) struct TlsThread {
    /// Dropped, it tells the thread to end.
    _stop: oneshot::Sender<()>,
}

impl TlsThread {
    pub(super) fn start(worker: HandshakeWorker, span: Span) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        // Sockets and timers belong to the runtime that accepted them.
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        std::thread::Builder::new().name("tls".to_owned()).spawn(move || {
            let _span = span.entered();
            #[cfg(target_os = "linux")]
            if let Err(error) = rustix::process::nice(NICE) {
                tracing::debug!(%error, "the thread for TLS is as urgent as the one for packets");
            }
            runtime.block_on(async {
                tokio::select! {
                    never = worker.run() => match never {},
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { _stop: stop })
    }
}
