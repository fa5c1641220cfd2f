//! The tasks that accept sockets, one per listener, and the tasks of what comes of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tracing::Instrument;

use super::task;
use crate::btp::BtpServer;
use crate::http::{HttpConnections, HttpServer};

/// A listener, whatever it speaks.
pub(super) trait Accepts: Send + Sync + 'static {
    /// What is to be run for the next socket.
    fn work(&self) -> impl Future<Output = impl Future<Output = ()> + Send + 'static> + Send;
}

impl Accepts for BtpServer {
    async fn work(&self) -> impl Future<Output = ()> + Send + 'static {
        self.accept().await.run()
    }
}

impl Accepts for HttpServer {
    async fn work(&self) -> impl Future<Output = ()> + Send + 'static {
        self.next_work().await.run()
    }
}

/// The running acceptor of one listener.
#[derive(Debug)]
pub(super) struct Acceptor {
    stop: oneshot::Sender<()>,
    /// Ends with the sessions that are still up.
    accepting: JoinHandle<JoinSet<()>>,
}

/// What still runs of a listener that accepts no more.
#[derive(Debug)]
pub(super) struct Remaining(Option<JoinSet<()>>);

/// The running acceptor of the HTTP listener, and what ends its connections.
#[derive(Debug)]
pub(super) struct HttpAcceptor {
    acceptor: Acceptor,
    connections: HttpConnections,
}

impl Acceptor {
    pub(super) fn start(server: Arc<impl Accepts>) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let accepting = task::spawn(async move {
            let mut sessions = JoinSet::new();
            loop {
                tokio::select! {
                    biased;
                    _ = &mut stopped => return sessions,
                    Some(_) = sessions.join_next() => {}
                    work = server.work() => {
                        sessions.spawn(work.in_current_span());
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

impl HttpAcceptor {
    pub(super) fn start(server: HttpServer) -> Self {
        let connections = server.connections();
        Self { acceptor: Acceptor::start(Arc::new(server)), connections }
    }

    /// Accepts no more sockets; connections that are open go on.
    pub(super) async fn stop(self) -> HttpRemaining {
        HttpRemaining { remaining: self.acceptor.stop().await, connections: self.connections }
    }
}

/// Connections of an HTTP listener that accepts no more.
#[derive(Debug)]
pub(super) struct HttpRemaining {
    remaining: Remaining,
    connections: HttpConnections,
}

impl HttpRemaining {
    /// Every connection ends when its requests are answered.
    pub(super) fn end_connections(&self) {
        self.connections.close_when_idle();
    }

    /// Waits until all have ended, at most for `patience`; then they are cut.
    pub(super) async fn ended(self, patience: Duration) {
        self.remaining.ended(patience).await;
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
