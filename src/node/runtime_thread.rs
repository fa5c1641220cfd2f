//! Health on a thread and a runtime of its own: it answers while packets flood, and packets flow while the metrics of
//! thousands of peers are written.

use std::io;

use tokio::sync::oneshot;
use tracing::Span;

use crate::api::Api;

/// The running health server. Dropping it ends it.
#[derive(Debug)]
pub(super) struct ApiThread {
    /// Dropped, it tells the thread to end.
    _stop: oneshot::Sender<()>,
}

impl ApiThread {
    pub(super) fn start(api: Api, span: Span) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("health".to_owned()).spawn(move || {
            let _span = span.entered();
            runtime.block_on(async {
                tokio::select! {
                    () = api.run() => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { _stop: stop })
    }
}
