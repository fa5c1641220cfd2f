//! For tests: a node with an HTTP listener, and the certificate of a server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::context::HttpContext;
use super::server::HttpServer;
use crate::link::{Framing, Outbox, SessionId, SessionKind, TakenPacket};
use crate::net::{
    Clock, HTTP_PROTOCOLS, HttpLimits, KeepAliveSettings, ServerTls, TlsTrust, TransportSettings,
};
use crate::peers::NodeContext;
use crate::testing::{connector_settings, logins, node_context, token, until};
use crate::web::ConnectionLimits;
pub(super) use crate::web::testing::RawConnection;

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
    let context = node_context(connector_settings(id, peers), clock, settings);
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

/// A certificate of `localhost` in a file, to trust it, and a server with it. The folder lasts as long as the first
/// value.
pub(super) fn self_signed() -> (tempfile::TempDir, TlsTrust, ServerTls) {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = ServerTls::load(&certificate, &key, HTTP_PROTOCOLS).unwrap();
    (folder, TlsTrust { ca_file: Some(certificate), ..TlsTrust::default() }, tls)
}
