//! The task that accepts sockets, and the tasks of the sessions that come of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tracing::Instrument;

use super::task;
use crate::btp::BtpServer;

/// The running acceptor of one node.
#[derive(Debug)]
pub(super) struct Acceptor {
    stop: oneshot::Sender<()>,
    /// Ends with the sessions that are still up.
    accepting: JoinHandle<JoinSet<()>>,
}

/// Sessions of a node that accepts no more.
#[derive(Debug)]
pub(super) struct Remaining(Option<JoinSet<()>>);

impl Acceptor {
    pub(super) fn start(server: Arc<BtpServer>) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let accepting = task::spawn(async move {
            let mut sessions = JoinSet::new();
            loop {
                tokio::select! {
                    biased;
                    _ = &mut stopped => return sessions,
                    Some(_) = sessions.join_next() => {}
                    connection = server.accept() => {
                        sessions.spawn(connection.run().in_current_span());
                    }
                }
            }
        });
        Self { stop, accepting }
    }

    /// Accepts no more sockets; sessions that are up go on.
    pub(super) async fn stop(self) -> Remaining {
        // The receiver is gone only if the task is, and then there is nothing to stop.
        let _ = self.stop.send(());
        Remaining(self.accepting.await.ok())
    }
}

impl Remaining {
    /// Waits until all have ended, at most for `patience`; then they are cut.
    pub(super) async fn ended(self, patience: Duration) {
        let Some(mut sessions) = self.0 else { return };
        let all = async { while sessions.join_next().await.is_some() {} };
        // Out of patience: dropping the set aborts what is left.
        let _ = tokio::time::timeout(patience, all).await;
    }
}
