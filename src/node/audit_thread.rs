//! The thread that writes the audit log of a node: started and ended as the configuration asks.

use std::path::PathBuf;
use std::sync::Arc;

use crate::api::NodeStatus;
use crate::audit::AuditWorker;
use crate::config::NodeSettings;

/// The audit log of a node, as configured.
pub(super) struct AuditThread {
    status: Arc<NodeStatus>,
    /// Where it is; `None`: the node keeps none.
    place: Option<PathBuf>,
}

impl AuditThread {
    /// Without a log, until [`Self::follow_config`].
    pub(super) fn new(status: Arc<NodeStatus>) -> Self {
        Self { status, place: None }
    }

    /// Begins a log, ends it, or goes on in another file.
    pub(super) fn follow_config(&mut self, settings: &NodeSettings) {
        let place = settings.audit_log_place();
        if place == self.place {
            return;
        }
        self.place.clone_from(&place);
        // The thread of the log before ends with its handle.
        let log = place.map(|place| {
            let is_in_directory = settings.audit_log.as_ref() != Some(&place);
            let clock = self.status.context().clock.clone();
            let (worker, handle) = AuditWorker::new(place.clone(), settings.node_id.as_str(), clock);
            let span = tracing::Span::current();
            let thread = std::thread::Builder::new().name("audit".to_owned());
            let started = thread.spawn(move || {
                let _span = span.entered();
                if let (true, Some(directory)) = (is_in_directory, place.parent()) {
                    // If this fails, the next line says why the log cannot be opened.
                    let _ = std::fs::create_dir_all(directory);
                }
                worker.run();
            });
            if let Err(error) = started {
                // Its handle finds that there is no thread, so nothing can be changed.
                tracing::error!(%error, "no thread for the audit log; nothing can be changed through the API");
            }
            handle
        });
        self.status.audit().set(log);
    }
}
