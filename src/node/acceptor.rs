//! The tasks that accept connections, one per listener, and the tasks of the connections.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use super::task;
use crate::btp::BtpServer;
use crate::http::HttpServer;
use crate::settlement::EngineListener;

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

impl ConnectionServer for EngineListener {
    async fn accept_connection(&self) -> impl Future<Output = ()> + Send + 'static {
        self.accept().await
    }
}

/// The running acceptor of one listener.
#[derive(Debug)]
pub(super) struct Acceptor {
    stop: oneshot::Sender<()>,
    accepting: JoinHandle<JoinSet<()>>,
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
                        task::spawn_in(&mut connections, connection);
                    }
                }
            }
        });
        Self { stop, accepting }
    }

    /// Closes the listener, and returns the connections that are still open.
    pub(super) async fn stop(self) -> JoinSet<()> {
        // Both fail only after a panic of the task, which the panic hook has logged.
        let _ = self.stop.send(());
        self.accepting.await.unwrap_or_default()
    }
}
