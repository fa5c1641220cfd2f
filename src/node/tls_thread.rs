//! TLS handshakes on a thread and a runtime of their own: what they cost is not taken from the packets.

use std::io;

use tokio::sync::oneshot;
use tracing::Span;

use crate::transport::HandshakeWorker;

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
