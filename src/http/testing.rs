//! For tests: a node with an HTTP listener, and raw clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::context::HttpContext;
use super::server::HttpServer;
use crate::connector::Connector;
use crate::link::{Framing, Outbox, SessionId, SessionKind, TakenPacket};
use crate::net::{Clock, HttpLimits, KeepAliveSettings, ServerTls, TlsTrust, TransportSettings};
use crate::peers::NodeContext;
use crate::routing::HashSeed;
use crate::testing::{TEST_TIMEOUT, connector_settings, logins, token, until};
use crate::web::ConnectionLimits;

/// The context of a node with these peers.
pub(super) fn context(id: &str, peers: &[&str]) -> Arc<HttpContext> {
    context_with(Clock::start(), TlsTrust::default(), id, peers)
}

pub(super) fn context_with(
    clock: Clock,
    trust: TlsTrust,
    id: &str,
    peers: &[&str],
) -> Arc<HttpContext> {
    let connector = Connector::new(connector_settings(id, peers), HashSeed::Random).unwrap();
    let settings = TransportSettings {
        retry_unit: Duration::from_millis(10),
        keep_alive: KeepAliveSettings {
            interval: Duration::from_millis(50),
            timeout: Duration::from_millis(500),
            ..KeepAliveSettings::default()
        },
        trust,
        ..TransportSettings::default()
    };
    let context = NodeContext::new(connector, clock, settings).unwrap();
    HttpContext::new(context, logins(peers)).unwrap()
}

/// A session of a peer that carries bare packets, which the test reads from its outbox.
pub(super) fn attach_session(
    context: &NodeContext,
    peer: &str,
    kind: SessionKind,
) -> (SessionId, Arc<Outbox>) {
    let account = context.connector.account(peer).unwrap();
    let outbox = Outbox::new(Framing::None, 1 << 20);
    let (frames, now) = (Arc::clone(&outbox), context.clock.now());
    (context.connector.attach_session(&account, kind, None, frames, now), outbox)
}

/// The next packet in an outbox.
pub(super) async fn next_packet(outbox: &Outbox) -> TakenPacket {
    let mut taken = None;
    until("a packet in the outbox", || {
        taken = outbox.take_packet();
        taken.is_some()
    })
    .await;
    taken.unwrap()
}

/// The default limits with changes.
pub(super) fn limits(change: impl FnOnce(&mut HttpLimits)) -> ConnectionLimits {
    let mut limits = ConnectionLimits::default();
    limits.configured.unauthenticated.reserved_for_known = 0;
    change(&mut limits.configured);
    limits
}

/// The headers of a request with a packet from a peer.
pub(super) fn packet_headers(peer: &str) -> String {
    let token = token(peer);
    format!("Content-Type: application/octet-stream\r\nAuthorization: Bearer {token}\r\n")
}

/// A running listener, until it is dropped.
pub(super) struct RunningServer {
    pub(super) address: SocketAddr,
    pub(super) context: Arc<NodeContext>,
    pub(super) server: Arc<HttpServer>,
    _tasks: JoinSet<()>,
}

/// The listener of a node without peers.
pub(super) async fn serve_without_peers(
    limits: ConnectionLimits,
    tls: Option<ServerTls>,
) -> RunningServer {
    serve(context("node", &[]), limits, tls).await
}

/// The listener of a node, and its sweep.
pub(super) async fn serve(
    http: Arc<HttpContext>,
    limits: ConnectionLimits,
    tls: Option<ServerTls>,
) -> RunningServer {
    let context = Arc::clone(&http.node);
    let bound = HttpServer::bind_with("127.0.0.1", 0, tls.map(Arc::new), http, limits).await;
    let server = Arc::new(bound.unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(sweep(Arc::clone(&context)));
    let accepting = Arc::clone(&server);
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            connections.spawn(accepting.next_work().await.run());
        }
    });
    RunningServer { address: server.local_addr(), context, server, _tasks: tasks }
}

/// Rejects expired packets, as the task of a node does.
pub(super) async fn sweep(context: Arc<NodeContext>) {
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        context.connector.sweep_deadlines(context.clock.now());
    }
}

/// A raw connection.
pub(super) struct RawConnection(pub(super) TcpStream);

impl RawConnection {
    pub(super) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    pub(super) async fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Sends a GET request; returns head and body of its answer.
    pub(super) async fn get(&mut self, path: &str) -> (String, String) {
        self.write(&format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
        self.read_text().await
    }

    /// POSTs a packet; returns head and body of the answer.
    pub(super) async fn post(
        &mut self,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> (String, Vec<u8>) {
        let length = body.len();
        self.write(&format!(
            "POST {path} HTTP/1.1\r\nHost: h\r\n{headers}Content-Length: {length}\r\n\r\n"
        ))
        .await;
        self.0.write_all(body).await.unwrap();
        self.read_message().await
    }

    /// Answers a request with this status and a body.
    pub(super) async fn answer(&mut self, status: &str, body: &[u8]) {
        let length = body.len();
        self.write(&format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n")).await;
        self.0.write_all(body).await.unwrap();
    }

    /// [`Self::read_message`], with the body as text.
    pub(super) async fn read_text(&mut self) -> (String, String) {
        let (head, body) = self.read_message().await;
        (head, String::from_utf8_lossy(&body).into_owned())
    }

    /// One message: its head and its body.
    pub(super) async fn read_message(&mut self) -> (String, Vec<u8>) {
        let head = self.read_head().await;
        let body = self.read_body(&head).await;
        (head, body)
    }

    /// The head of a message, without its body.
    pub(super) async fn read_head(&mut self) -> String {
        let mut bytes = Vec::new();
        let reading = async {
            while !bytes.ends_with(b"\r\n\r\n") {
                let byte = self.0.read_u8().await;
                bytes.push(byte.unwrap_or_else(|error| panic!("{error} after {bytes:?}")));
            }
        };
        tokio::time::timeout(TEST_TIMEOUT, reading).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// The body of a message whose head has been read.
    pub(super) async fn read_body(&mut self, head: &str) -> Vec<u8> {
        let head = head.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        tokio::time::timeout(TEST_TIMEOUT, self.0.read_exact(&mut body)).await.unwrap().unwrap();
        body
    }

    /// Reads until the other side closes.
    pub(super) async fn read_to_end(&mut self) -> String {
        let mut bytes = Vec::new();
        let reading = tokio::time::timeout(TEST_TIMEOUT, self.0.read_to_end(&mut bytes)).await;
        // A reset is an end as well.
        let _ = reading.unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
