//! For tests: a node with an HTTP listener, and raw clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::context::HttpContext;
use super::server::HttpServer;
use crate::account::{AccountSettings, Relation};
use crate::connector::{Connector, ConnectorSettings, Timing};
use crate::local::PingSettings;
use crate::net::{Clock, HttpLimits, KeepAliveSettings, ServerTls, TransportSettings};
use crate::peers::{Directory, Logins, PeerLogin, Token, TransportContext};
use crate::routing::{HashSeed, Route, RouteOrigin};
use crate::web::ConnectionLimits;
use crate::wire::ilp::{Fulfill, Packet, Prepare};
use crate::wire::{Address, Amount, Fulfillment, Scheme, Timestamp};

/// The longest wait of a test.
pub(super) const TEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Settings of a node with these peers, each with a route for `test.<peer>`.
pub(super) fn settings(id: &str, peers: &[&str]) -> ConnectorSettings {
    let route = |peer: &&str| Route {
        prefix: format!("test.{peer}").parse().unwrap(),
        next_hop: peer.parse().unwrap(),
        priority: 0,
        origin: RouteOrigin::Configured,
    };
    let account = |peer: &&str| AccountSettings::new(peer.parse().unwrap(), Relation::Peer);
    ConnectorSettings {
        node_id: id.parse().unwrap(),
        address: Some(format!("test.{id}").parse().unwrap()),
        scheme: Scheme::Test,
        accounts: peers.iter().map(account).collect(),
        routes: peers.iter().map(route).collect(),
        rates: Vec::new(),
        timing: Timing::default(),
        ping: PingSettings::default(),
        ccp_timing: Default::default(),
    }
}

/// The context of such a node; the tokens of its peers are [`secret`].
pub(super) fn context(id: &str, peers: &[&str]) -> Arc<HttpContext> {
    context_at(Clock::start(), id, peers)
}

/// The same with a given clock.
pub(super) fn context_at(clock: Clock, id: &str, peers: &[&str]) -> Arc<HttpContext> {
    let login = |peer: &&str| PeerLogin {
        account: peer.parse().unwrap(),
        username: (*peer).to_owned(),
        token: Some(Token::from(secret(peer))),
    };
    let connector = Connector::new(settings(id, peers), HashSeed::Random).unwrap();
    let settings = TransportSettings {
        retry_unit: Duration::from_millis(10),
        keep_alive: KeepAliveSettings {
            interval: Duration::from_millis(50),
            timeout: Duration::from_millis(500),
            ..KeepAliveSettings::default()
        },
        ..TransportSettings::default()
    };
    let context = TransportContext::new(connector, clock, settings).unwrap();
    let directory = Directory::new(peers.iter().map(login)).unwrap();
    HttpContext::new(context, Arc::new(Logins::from_pointee(directory))).unwrap()
}

/// The default limits with changes.
pub(super) fn limits(change: impl FnOnce(&mut HttpLimits)) -> ConnectionLimits {
    let mut limits = ConnectionLimits::default();
    limits.configured.unauthenticated.kept_for_known = 0;
    change(&mut limits.configured);
    limits
}

/// The token of a peer.
pub(super) fn secret(peer: &str) -> String {
    format!("secret-of-{peer}")
}

/// A Prepare of `amount` that expires in `within`; [`PREIMAGE`] fulfills it.
pub(super) fn prepare_within(destination: &str, amount: u64, within: Duration) -> Vec<u8> {
    let destination: Address = destination.parse().unwrap();
    let since_epoch = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let prepare = Prepare {
        amount: Amount(amount),
        expires_at: Timestamp::EPOCH.saturating_add(since_epoch + within),
        condition: PREIMAGE.condition(),
        destination: destination.view(),
        data: b"data",
    };
    let mut packet = Vec::new();
    prepare.encode(&mut packet);
    packet
}

pub(super) fn prepare(destination: &str) -> Vec<u8> {
    prepare_within(destination, 7, Duration::from_secs(20))
}

/// The preimage of every test payment.
pub(super) const PREIMAGE: Fulfillment = Fulfillment([7; 32]);

pub(super) fn fulfill() -> Vec<u8> {
    let mut packet = Vec::new();
    Fulfill { fulfillment: PREIMAGE, data: b"done" }.encode(&mut packet);
    packet
}

/// In short: `Fulfill`, `Reject T01` and the like.
pub(super) fn describe(packet: &[u8]) -> String {
    match Packet::parse(packet) {
        Ok(Packet::Prepare(_)) => "Prepare".to_owned(),
        Ok(Packet::Fulfill(_)) => "Fulfill".to_owned(),
        Ok(Packet::Reject(reject)) => format!("Reject {}", reject.code),
        Err(_) => String::from_utf8_lossy(packet).into_owned(),
    }
}

/// Waits until `done`.
pub(super) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(TEST_TIMEOUT, waiting).await.is_ok(), "waited in vain: {what}");
}

/// A running listener, until it is dropped.
pub(super) struct Serving {
    pub(super) address: SocketAddr,
    pub(super) context: Arc<TransportContext>,
    pub(super) server: Arc<HttpServer>,
    _tasks: JoinSet<()>,
}

/// A node without peers.
pub(super) async fn serving(limits: ConnectionLimits, tls: Option<ServerTls>) -> Serving {
    serve(context("node", &[]), limits, tls).await
}

/// The listener of a node, and its sweep.
pub(super) async fn serve(
    http: Arc<HttpContext>,
    limits: ConnectionLimits,
    tls: Option<ServerTls>,
) -> Serving {
    let context = Arc::clone(&http.transport);
    let bound = HttpServer::bind_with("127.0.0.1", 0, tls.map(Arc::new), http, limits).await;
    let server = Arc::new(bound.unwrap());
    let mut tasks = JoinSet::new();
    let swept = Arc::clone(&context);
    tasks.spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            swept.connector.sweep_deadlines(swept.clock.now());
        }
    });
    let accepting = Arc::clone(&server);
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            connections.spawn(accepting.next_work().await.run());
        }
    });
    Serving { address: server.local_addr(), context, server, _tasks: tasks }
}

/// A raw connection.
pub(super) struct Raw(pub(super) TcpStream);

impl Raw {
    pub(super) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    pub(super) async fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// One answer: its head and its body, as text.
    pub(super) async fn read_text(&mut self) -> (String, String) {
        let (head, body) = self.read_message().await;
        (head, String::from_utf8_lossy(&body).into_owned())
    }

    /// POSTs a packet.
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

    /// One message: its head and its body.
    pub(super) async fn read_message(&mut self) -> (String, Vec<u8>) {
        let reading = async {
            let mut bytes = Vec::new();
            loop {
                if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                    let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
                    let length = head.lines().find_map(|line| {
                        let (name, value) = line.split_once(": ")?;
                        name.eq_ignore_ascii_case("content-length").then(|| value.parse().unwrap())
                    });
                    let body = &bytes[at + 4..];
                    if body.len() >= length.unwrap_or(0) {
                        return (head, body.to_vec());
                    }
                }
                assert!(self.0.read_buf(&mut bytes).await.unwrap() > 0, "closed after {bytes:?}");
            }
        };
        tokio::time::timeout(TEST_TIMEOUT, reading).await.unwrap()
    }

    /// The head of an answer, without its body.
    pub(super) async fn read_head(&mut self) -> String {
        let mut bytes = Vec::new();
        let reading = async {
            while !bytes.ends_with(b"\r\n\r\n") {
                bytes.push(self.0.read_u8().await.unwrap());
            }
        };
        tokio::time::timeout(TEST_TIMEOUT, reading).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// The body of an answer whose head has been read.
    pub(super) async fn read_body(&mut self, head: &str) -> Vec<u8> {
        let length = head.to_ascii_lowercase();
        let length = length
            .split("content-length: ")
            .nth(1)
            .map_or("0", |rest| rest.lines().next().unwrap());
        let mut body = vec![0; length.parse().unwrap()];
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
