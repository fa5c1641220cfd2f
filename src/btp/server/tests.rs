//! The accepting end, from the first byte of a stream to the close frame: in memory, and on loopback.

mod budget;
mod guests;
mod limits;
mod loopback;
mod mistakes;
mod protocol;
mod proxied;

use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::task::JoinSet;

use super::*;
use crate::account::Limits;
use crate::btp::testing::{self, *};
use crate::link::CloseRequest;
use crate::net::TransportSettings;
use crate::peers::PeerSnapshot;
use crate::testing::{TEST_TIMEOUT, directory, logins};

/// A node whose peers connect over pipes.
struct Node {
    context: Arc<NodeContext>,
    shared: Arc<Shared>,
    sessions: JoinSet<Result<CloseReason, AcceptError>>,
}

const PEERS: [&str; 3] = ["alice", "bob", "carol"];

fn node() -> Node {
    node_with(testing::context("node", &PEERS, TransportSettings::default()))
}

/// A node whose peers have these limits.
fn limited_node(limits: Limits, settings: TransportSettings) -> Node {
    let connector = testing::limited_settings("node", &PEERS, &limits);
    node_with(testing::context_with(connector, settings))
}

fn node_with(context: Arc<NodeContext>) -> Node {
    let limits = context.settings.unauthenticated;
    let shared = Shared::new(Arc::clone(&context), logins(&PEERS), limits, None);
    Node { context, shared, sessions: JoinSet::new() }
}

/// Turns a new stream into a session that is ready to run.
async fn upgrade_and_log_in(
    mut stream: ByteStream,
    remote: &str,
    deadline: Instant,
    shared: &Shared,
) -> Result<Driver, AcceptError> {
    let upgraded = upgrade::accept(&mut stream, Clients::All, |_| RequestOrigin::Connection);
    let upgraded = timeout_at(deadline, upgraded).await.map_err(|_| AcceptError::Timeout)??;
    log_in(stream, upgraded, remote, deadline, shared).await
}

impl Node {
    /// A WebSocket to the node that has not authenticated yet.
    async fn connect_to(&mut self, path: &str, pipe_bytes: usize) -> TestPeer<DuplexStream> {
        let (server, client) = tokio::io::duplex(pipe_bytes);
        let shared = Arc::clone(&self.shared);
        let deadline = Instant::now() + self.context.settings.auth_timeout;
        self.sessions.spawn(async move {
            let driver =
                upgrade_and_log_in(ByteStream::Memory(server), "pipe", deadline, &shared).await;
            Ok(driver?.run().await)
        });
        let url = format!("ws://node{path}");
        TestPeer(tokio_tungstenite::client_async(url, client).await.unwrap().0)
    }

    async fn connect(&mut self) -> TestPeer<DuplexStream> {
        self.connect_to("/", 256 * 1024).await
    }

    async fn log_in(&mut self, name: &str) -> TestPeer<DuplexStream> {
        let mut client = self.connect().await;
        client.log_in(name).await;
        client
    }

    /// The close code of the next session that ends, which the node must have closed.
    async fn closed(&mut self) -> u16 {
        match self.ended().await {
            Ok(CloseReason::ByUs { code, .. }) => code,
            other => panic!("{other:?}"),
        }
    }

    /// The result of the next session that ends.
    async fn ended(&mut self) -> Result<CloseReason, AcceptError> {
        let next = tokio::time::timeout(TEST_TIMEOUT, self.sessions.join_next()).await;
        next.expect("a session ends").expect("there is a session").expect("it does not panic")
    }

    fn status(&self, peer: &str) -> PeerSnapshot {
        testing::status(&self.context, peer)
    }

    fn is_connected(&self, peer: &str) -> bool {
        self.context.connector.account(peer).unwrap().is_connected()
    }
}
