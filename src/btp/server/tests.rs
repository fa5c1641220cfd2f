//! The accepting end, from the first byte of a stream to the close frame: in memory, and on loopback.

mod budget;
mod limits;
mod loopback;
mod protocol;

use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::task::JoinSet;

use super::*;
use crate::btp::testing::{self, *};
use crate::net::TransportSettings;

/// A node whose peers connect over pipes.
struct Node {
    context: Arc<TransportContext>,
    shared: Arc<Shared>,
    sessions: JoinSet<Result<CloseReason, Refused>>,
}

const PEERS: [&str; 3] = ["alice", "bob", "carol"];

fn node() -> Node {
    node_with(testing::context("node", &PEERS, TransportSettings::default()))
}

fn node_with(context: Arc<TransportContext>) -> Node {
    let shared = Shared::new(Arc::clone(&context), testing::logins(&PEERS));
    Node { context, shared, sessions: JoinSet::new() }
}

impl Node {
    /// A WebSocket to the node that has not authenticated yet.
    async fn connect_to(&mut self, path: &str, pipe_bytes: usize) -> TestPeer<DuplexStream> {
        let (near, far) = tokio::io::duplex(pipe_bytes);
        let shared = Arc::clone(&self.shared);
        let deadline = Instant::now() + self.context.settings.auth_timeout;
        self.sessions.spawn(async move {
            let driver = upgrade_and_log_in(Stream::Memory(near), "pipe", deadline, &shared).await;
            Ok(driver?.run().await)
        });
        let url = format!("ws://node{path}");
        TestPeer(tokio_tungstenite::client_async(url, far).await.unwrap().0)
    }

    async fn connect(&mut self) -> TestPeer<DuplexStream> {
        self.connect_to("/", 256 * 1024).await
    }

    async fn log_in(&mut self, name: &str) -> TestPeer<DuplexStream> {
        let mut far = self.connect().await;
        far.log_in(name).await;
        far
    }

    /// The result of the next session that ends.
    async fn ended(&mut self) -> Result<CloseReason, Refused> {
        let next = tokio::time::timeout(Duration::from_secs(10), self.sessions.join_next()).await;
        next.expect("a session ends").expect("there is a session").expect("it does not panic")
    }

    fn is_connected(&self, peer: &str) -> bool {
        self.context.connector.account(peer).unwrap().is_connected()
    }
}
