//! Test help: a node with an HTTP listener whose connections the test keeps running, and raw clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::guests::Bounds;
use super::server::HttpServer;
use crate::connector::{Connector, ConnectorSettings, Timing};
use crate::local::PingSettings;
use crate::routing::HashSeed;
use crate::transport::{Clock, ServerTls, TransportContext, TransportSettings};
use crate::wire::Scheme;

/// No test waits longer than this for what must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A node without peers.
pub(super) fn settings() -> ConnectorSettings {
    ConnectorSettings {
        node_id: "node".parse().unwrap(),
        address: Some("test.node".parse().unwrap()),
        scheme: Scheme::Test,
        accounts: Vec::new(),
        routes: Vec::new(),
        rates: Vec::new(),
        timing: Timing::default(),
        ping: PingSettings::default(),
        exchange: Default::default(),
    }
}

/// What such a node shares.
pub(super) fn context() -> Arc<TransportContext> {
    let connector = Connector::new(settings(), HashSeed::Random).unwrap();
    TransportContext::new(connector, Clock::start(), TransportSettings::default()).unwrap()
}

/// A listener that serves until it is dropped.
pub(super) struct Serving {
    pub(super) address: SocketAddr,
    pub(super) context: Arc<TransportContext>,
    pub(super) server: Arc<HttpServer>,
    _tasks: JoinSet<()>,
}

pub(super) async fn serving(bounds: Bounds, tls: Option<ServerTls>) -> Serving {
    let context = context();
    let bound = HttpServer::bind_with("127.0.0.1", 0, tls, Arc::clone(&context), bounds).await;
    let server = Arc::new(bound.unwrap());
    let mut tasks = JoinSet::new();
    let accepting = Arc::clone(&server);
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let connection = accepting.accept().await;
            connections.spawn(connection.run());
        }
    });
    Serving { address: server.local_addr(), context, server, _tasks: tasks }
}

/// A raw connection.
pub(super) struct Raw(pub(super) TcpStream);

impl Raw {
    pub(super) async fn open(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    pub(super) async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// One answer, of which the head tells the length: its head and its body.
    pub(super) async fn answer(&mut self) -> (String, String) {
        let reading = async {
            let mut bytes = Vec::new();
            loop {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let length = head.lines().find_map(|line| {
                        let (name, value) = line.split_once(": ")?;
                        name.eq_ignore_ascii_case("content-length").then(|| value.parse().unwrap())
                    });
                    if body.len() >= length.unwrap_or(0) {
                        return (head.to_owned(), body.to_owned());
                    }
                }
                assert!(self.0.read_buf(&mut bytes).await.unwrap() > 0, "closed after {text:?}");
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.unwrap()
    }

    /// Everything until the other side closes.
    pub(super) async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let reading = tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut bytes)).await;
        // A reset is an end too.
        let _ = reading.unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
