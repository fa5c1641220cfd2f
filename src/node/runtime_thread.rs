//! Threads with a runtime of their own, for work that must not wait for packets, nor delay them.

use std::io;

use tokio::runtime::Builder;
use tokio::sync::oneshot;

use crate::api::{Api, NetworkApi};
use crate::machine;
use crate::net::TlsHandshakeWorker;

/// A running thread, which ends when this value is dropped.
#[derive(Debug)]
pub(super) struct RuntimeThread {
    _stop: oneshot::Sender<()>,
}

impl RuntimeThread {
    /// Serves health and metrics: it answers under any load of packets, and packets flow while it writes the metrics of
    /// thousands of peers.
    pub(super) fn serve_api(api: Api) -> io::Result<Self> {
        Self::spawn("health", Builder::new_current_thread().enable_all(), move || api.run())
    }

    /// Serves the page and the API of a network.
    pub(super) fn serve_network(api: NetworkApi) -> io::Result<Self> {
        Self::spawn("network", Builder::new_current_thread().enable_all(), move || api.run())
    }

    /// Computes TLS handshakes, with a lower priority than packets. Their sockets and timers belong to the runtime that
    /// accepted them.
    pub(super) fn compute_tls_handshakes(worker: TlsHandshakeWorker) -> io::Result<Self> {
        Self::spawn("tls", &mut Builder::new_current_thread(), move || {
            lower_priority();
            async move { match worker.run().await {} }
        })
    }

    fn spawn<F: Future<Output = ()>>(
        name: &str,
        runtime: &mut Builder,
        start_work: impl FnOnce() -> F + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel::<()>();
        if machine::is_simulated() {
            // Pages and TLS are not simulated.
            return Ok(Self { _stop: stop });
        }
        let (runtime, span) = (runtime.build()?, tracing::Span::current());
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _span = span.entered();
            runtime.block_on(async {
                tokio::select! {
                    () = start_work() => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { _stop: stop })
    }
}

/// Only on Linux, where `nice` applies to a single thread.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(10) {
        tracing::debug!(%error, "the thread for TLS has the same priority as the one for packets");
    }
}
