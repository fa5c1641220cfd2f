//! The tasks that accept connections, one per listener, and the tasks of the connections.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tracing::Instrument;

use super::task;
use crate::btp::BtpServer;
use crate::http::{HttpConnections, HttpServer};

/// A server of any protocol.
pub(super) trait ConnectionServer: Send + Sync + 'static {
    /// Waits for the next connection, and returns the future that serves it.
    fn accept_connection(
        &self,
    ) -> impl Future<Output = impl Future<Output = ()> + Send + 'static> + Send;
}

impl ConnectionServer for BtpServer {
    async fn accept_connection(&self) -> impl Future<Output = ()> + Send + 'static {
        self.accept().await.run()
    }
}

impl ConnectionServer for HttpServer {
    async fn accept_connection(&self) -> impl Future<Output = ()> + Send + 'static {
        self.next_work().await.run()
    }
}

/// The running acceptor of one listener.
#[derive(Debug)]
pub(super) struct Acceptor {
    stop: oneshot::Sender<()>,
    /// Returns the connections that are still open.
    accepting: JoinHandle<JoinSet<()>>,
}

/// The open connections of a listener that is closed.
#[derive(Debug)]
pub(super) struct OpenConnections(Option<JoinSet<()>>);

/// The running acceptor of the HTTP listener, with a handle to its connections.
#[derive(Debug)]
pub(super) struct HttpAcceptor {
    acceptor: Acceptor,
    connections: HttpConnections,
}

impl Acceptor {
    pub(super) fn start(server: Arc<impl ConnectionServer>) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let accepting = task::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    biased;
                    _ = &mut stopped => return connections,
                    Some(_) = connections.join_next() => {}
                    connection = server.accept_connection() => {
                        connections.spawn(connection.in_current_span());
                    }
                }
            }
        });
        Self { stop, accepting }
    }

    /// Closes the listener; open connections go on.
    pub(super) async fn stop(self) -> OpenConnections {
        // Fails only if the task has ended already.
        let _ = self.stop.send(());
        OpenConnections(self.accepting.await.ok())
    }
}

impl HttpAcceptor {
    pub(super) fn start(server: HttpServer) -> Self {
        let connections = server.connections();
        Self { acceptor: Acceptor::start(Arc::new(server)), connections }
    }

    /// Closes the listener; open connections go on.
    pub(super) async fn stop(self) -> OpenHttpConnections {
        OpenHttpConnections { open: self.acceptor.stop().await, connections: self.connections }
    }
}

/// The open connections of an HTTP listener that is closed.
#[derive(Debug)]
pub(super) struct OpenHttpConnections {
    open: OpenConnections,
    connections: HttpConnections,
}

impl OpenHttpConnections {
    /// Closes each connection once its requests are answered.
    pub(super) fn close_when_idle(&self) {
        self.connections.close_when_idle();
    }

    /// Waits up to `timeout` until all are closed; then it aborts them.
    pub(super) async fn wait_closed(self, timeout: Duration) {
        self.open.wait_closed(timeout).await;
    }
}

impl OpenConnections {
    /// Waits up to `timeout` until all are closed; then it aborts them.
    pub(super) async fn wait_closed(self, timeout: Duration) {
        let Some(mut connections) = self.0 else { return };
        let all = async { while connections.join_next().await.is_some() {} };
        // After the timeout, dropping the set aborts the rest.
        let _ = tokio::time::timeout(timeout, all).await;
    }
}
