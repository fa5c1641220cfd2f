//! The dialling end against scripted listeners, and against our own listener over TCP and TLS.

mod hostile;
mod retry;

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::{AbortHandle, JoinSet};

use super::*;
use crate::btp::model::OpenSession;
use crate::btp::server::BtpServer;
use crate::btp::testing::{self, *};
use crate::link::{CloseRequest, Outcome};
use crate::net::{ServerTls, TlsError, TlsTrust, TransportSettings};
use crate::peers::PeerChange::{AuthenticationFailed, Connected, Connecting, Disconnected};
use crate::peers::{PeerChange, PeerEvent, PeerState};
use crate::testing::{TEST_TIMEOUT, logins};
use crate::wire::btp::{BtpFrame, FrameBody};
use crate::wire::ilp::Prepare;
use crate::wire::{Address, Amount, Condition};

/// A listener with scripted answers.
struct Listener(TcpListener);

impl Listener {
    async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn dial(&self, user_info: &str) -> BtpDial {
        let url = format!("btp+ws://{user_info}{}", self.0.local_addr().unwrap());
        dial("bob", &url)
    }

    async fn accept(&self) -> TestPeer<TcpStream> {
        let (stream, _) = self.0.accept().await.unwrap();
        TestPeer(tokio_tungstenite::accept_async(stream).await.unwrap())
    }

    /// Accepts a dialler, and its login.
    async fn accept_login(&self) -> TestPeer<TcpStream> {
        let mut server = self.accept().await;
        let id = server.request_id().await;
        server.send(&empty_response(id)).await;
        server
    }
}

fn dial(peer: &str, url: &str) -> BtpDial {
    BtpDial::new(peer.parse().unwrap(), url.parse().unwrap(), "node", Some(&Token::from("shared")))
}

fn quick() -> TransportSettings {
    TransportSettings { retry_unit: Duration::from_millis(20), ..TransportSettings::default() }
}

fn context() -> Arc<NodeContext> {
    testing::context("node", &["alice", "bob"], quick())
}

fn context_with_short_timeout() -> Arc<NodeContext> {
    let auth_timeout = Duration::from_millis(500);
    let settings = TransportSettings { auth_timeout, ..quick() };
    testing::context("node", &["alice", "bob"], settings)
}

/// The entries of a login, with their content types.
fn login(frame: &[u8]) -> Vec<(String, u8, String)> {
    let text = |data: &[u8]| String::from_utf8(data.to_vec()).unwrap();
    let frame = BtpFrame::parse(frame).unwrap();
    assert_eq!(frame.body, FrameBody::Message);
    let entries = frame.protocol_data.iter();
    entries.map(|entry| (entry.name.to_owned(), entry.content_type.0, text(entry.data))).collect()
}

/// Runs a client in a task.
fn start(dial: BtpDial, context: &Arc<NodeContext>) -> (JoinSet<()>, DialHandle) {
    let (client, handle) = BtpDialler::new(dial, Arc::clone(context));
    let mut tasks = JoinSet::new();
    tasks.spawn(client.run());
    (tasks, handle)
}

async fn connect_once(dial: &BtpDial, context: &Arc<NodeContext>) -> Result<Driver, DialError> {
    connect(dial, context, &context.peers.status(&dial.peer), None).await
}

#[tokio::test]
async fn credentials_come_from_the_url_or_the_configuration() {
    for (user_info, username, token) in [
        ("", "node", "shared"),
        ("me@", "me", "shared"),
        ("me:mine@", "me", "mine"),
        (":mine@", "", "mine"),
        ("m%40:p%3a@", "m@", "p:"),
    ] {
        let listener = Listener::new().await;
        let (dial, context) = (listener.dial(user_info), context());
        let (driver, ()) = tokio::join!(connect_once(&dial, &context), async {
            let mut server = listener.accept().await;
            let first = server.bytes().await;
            let text = |text: &str| text.to_owned();
            let expected = [
                (text("auth"), 0, text("")),
                (text("auth_username"), 1, text(username)),
                (text("auth_token"), 1, text(token)),
            ];
            assert_eq!(login(&first), expected);
            // Other answers, requests and garbage before the answer are ignored.
            let id = request_id(&first);
            let other = empty_response(id.wrapping_add(1));
            server.send_all(&[other, message(id, &[]), b"garbage".to_vec()]).await;
            server.send(&empty_response(id)).await;
        });
        driver.unwrap();
    }
}

#[tokio::test]
async fn a_refused_login_is_no_network_failure() {
    let listener = Listener::new().await;
    let (dial, context) = (listener.dial(""), context());
    let (driver, ()) = tokio::join!(connect_once(&dial, &context), async {
        let mut server = listener.accept().await;
        let id = server.request_id().await;
        server.send(&error(id, b"no\nway")).await;
        assert!(matches!(server.receive().await, Received::Close(..)), "RFC 23: the client closes");
    });
    let refused = driver.err().unwrap();
    assert!(matches!(refused, DialError::Refused(_)));
    let text = refused.to_string();
    assert!(text.ends_with("F00 NotAcceptedError: no\\nway"), "{text}");
    assert!(!context.connector.account("bob").unwrap().is_connected());
}

#[tokio::test]
async fn a_peer_that_does_not_answer_times_out() {
    let listener = Listener::new().await;
    let (dial, context) = (listener.dial(""), context_with_short_timeout());
    let (driver, ()) = tokio::join!(connect_once(&dial, &context), async {
        let mut server = listener.accept().await;
        server.bytes().await;
        assert!(matches!(server.receive().await, Received::Close(..)));
    });
    assert!(matches!(driver.err().unwrap(), DialError::AuthTimeout(_)));
    // The timeout includes the WebSocket's opening handshake.
    let (driver, _silent) = tokio::join!(connect_once(&dial, &context), listener.0.accept());
    assert!(matches!(driver.err().unwrap(), DialError::AuthTimeout(_)));
}

#[tokio::test]
async fn each_failure_before_the_login_is_named() {
    let context = context();
    let check = async |url: &str, expected: &str| {
        let error = connect_once(&dial("bob", url), &context).await.err().unwrap().to_string();
        assert!(error.contains(expected), "{url}: {error}");
    };
    check("ws://no.such.host.invalid:1", "cannot resolve no.such.host.invalid").await;
    let listener = Listener::new().await;
    let address = listener.0.local_addr().unwrap();
    let (plain, secure) = (format!("ws://{address}"), format!("wss://{address}"));
    let answer = async {
        let (mut stream, _) = listener.0.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        stream.write_all(b"HTTP/1.1 404 Not Found\r\n\r\n").await.unwrap();
    };
    tokio::join!(check(&plain, "HTTP 404"), answer);
    let close = async { drop(listener.0.accept().await.unwrap()) };
    tokio::join!(check(&plain, "connection"), close);
    let close = async { drop(listener.accept().await) };
    tokio::join!(check(&plain, "did not answer the authentication"), close);
    let no_tls = async {
        let (mut stream, _) = listener.0.accept().await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    };
    tokio::join!(check(&secure, "TLS handshake failed"), no_tls);
    drop(listener);
    check(&plain, "cannot connect to 127.0.0.1").await;
    let unknown = connect_once(&dial("zoe", "ws://127.0.0.1:1"), &context).await;
    assert!(matches!(unknown, Err(DialError::NoAccount)));
}

/// The next change of any peer.
async fn change(events: &mut broadcast::Receiver<PeerEvent>) -> PeerChange {
    let next = tokio::time::timeout(TEST_TIMEOUT, events.recv()).await;
    next.expect("an event comes").unwrap().change
}

#[tokio::test]
async fn a_lost_session_is_opened_again_and_events_come_in_order() {
    let listener = Listener::new().await;
    let context = context();
    let mut events = context.peers.subscribe();
    let (mut tasks, handle) = start(listener.dial(""), &context);

    let mut server = listener.accept().await;
    let first_id = server.request_id().await;
    assert_eq!(change(&mut events).await, Connecting);
    server.send(&error(first_id, b"not yet")).await;
    assert!(matches!(change(&mut events).await, AuthenticationFailed(_)));
    drop(server);

    let mut server = listener.accept_login().await;
    assert_eq!(change(&mut events).await, Connected);
    // Both ends may send requests.
    server.send(&request(5, &payment("test.nowhere"))).await;
    assert_eq!(server.frame().await, "RESPONSE 5 Reject F02");
    let bob = status(&context, "bob");
    assert_eq!((bob.state, bob.counts.authentication_failures), (PeerState::Connected, 1));

    drop(server);
    assert!(matches!(change(&mut events).await, Disconnected(CloseReason::Broken(_))));
    let mut server = listener.accept_login().await;
    assert_eq!([change(&mut events).await, change(&mut events).await], [Connecting, Connected]);

    handle.stop(CloseRequest { code: GOING_AWAY, reason: "going away" });
    assert_eq!(server.close_frame().await, (GOING_AWAY, "going away".to_owned()));
    drop(server);
    let going_away = CloseReason::ByUs { code: GOING_AWAY, reason: "going away" };
    assert_eq!(change(&mut events).await, Disconnected(going_away));
    tasks.join_next().await.unwrap().unwrap();
    let counts = status(&context, "bob").counts;
    assert_eq!((counts.sessions, counts.reconnects), (2, 1));
}

/// The peer connected to us while we could not reach it; then it disconnects.
#[tokio::test]
async fn a_peer_that_only_connects_to_us_is_down_when_it_disconnects() {
    let settings = TransportSettings { retry_unit: Duration::from_millis(1), ..quick() };
    let context = testing::context("node", &["alice", "bob"], settings);
    let accepted = OpenSession::open(&context, "bob");
    let (_tasks, _handle) = start(dial("bob", "ws://127.0.0.1:1"), &context);
    let bob = || status(&context, "bob");
    until("no quick attempt is left", || bob().counts.failed_attempts > 6).await;
    assert_eq!(bob().state, PeerState::Connected);
    drop(accepted);
    until("it is down", || bob().state == PeerState::Down).await;
}

#[tokio::test]
async fn stopping_does_not_wait() {
    let listener = Listener::new().await;
    let context = context();
    // While it waits for an answer; and, by dropping the handle, while it waits to dial again.
    let (mut tasks, handle) = start(listener.dial(""), &context);
    let _silent = listener.0.accept().await.unwrap();
    handle.stop(CloseRequest { code: GOING_AWAY, reason: "going away" });
    tasks.join_next().await.unwrap().unwrap();

    let (mut tasks, handle) = start(dial("bob", "ws://127.0.0.1:1"), &context);
    until("an attempt failed", || status(&context, "bob").counts.failed_attempts == 1).await;
    drop(handle);
    tasks.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn tls_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();

    let bob = testing::context("bob", &["node"], TransportSettings::default());
    let tls = ServerTls::load(&certificate, &key, &[]).unwrap();
    let tls = Some(Arc::new(tls));
    let bound = BtpServer::bind("localhost", 0, tls, logins(&["node"]), Arc::clone(&bob)).await;
    let server = bound.unwrap();
    let port = server.local_addr().port();
    let url = format!("btp+wss://node:secret-of-node@localhost:{port}");
    let _tasks = run_server(server);

    let trust = TlsTrust { ca_file: Some(certificate), ..TlsTrust::default() };
    let settings = TransportSettings { trust, ..TransportSettings::default() };
    let node = testing::context("node", &["bob"], settings);
    node.faults.set(Arc::default()).unwrap();
    let (_client, _handle) = start(dial("bob", &url), &node);
    let are_connected = || {
        let ends = [(&bob, "node"), (&node, "bob")];
        ends.map(|(at, peer)| at.connector.account(peer).unwrap().is_connected())
    };
    until("the session is up at both ends", || are_connected() == [true; 2]).await;
    // A ping over TLS, to the address of the other node.
    let outcome = ping(&node, "bob", "test.bob").await;
    assert!(matches!(outcome, Outcome::Fulfilled { .. }), "{outcome:?}");

    // The faults of the link stand above TLS.
    let faults = node.faults.get().unwrap().of_peer("bob").unwrap();
    let delay = Duration::from_millis(40);
    faults.change(|settings| settings.delay = delay);
    let began = Instant::now();
    let outcome = ping(&node, "bob", "test.bob").await;
    assert!(matches!(outcome, Outcome::Fulfilled { .. }), "{outcome:?}");
    assert!(began.elapsed() >= 2 * delay, "there and back");
    faults.change(|settings| (settings.delay, settings.is_cut) = (Duration::ZERO, true));
    until("it is cut", || are_connected() == [false; 2]).await;
    let error = node.peers.snapshot()[0].last_error.clone();
    assert!(error.is_some_and(|error| error.contains(LINK_IS_CUT)));
    faults.change(|settings| settings.is_cut = false);
    until("it is joined", || are_connected() == [true; 2]).await;

    // A node that does not trust the certificate does not log in.
    let error = connect_once(&dial("bob", &url), &context()).await.err().unwrap();
    let is_untrusted = matches!(
        error,
        DialError::Connection(
            ConnectionError::TlsHandshake(_)
                | ConnectionError::Tls(TlsError::NoTrustedCertificates)
        )
    );
    assert!(is_untrusted, "{error}");
}

/// Sends a known-condition ping to `destination` by way of `peer`.
async fn ping(context: &NodeContext, peer: &str, destination: &str) -> Outcome {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let destination: Address = destination.parse().unwrap();
    let (destination, condition) = (destination.view(), Condition::PING);
    let now = context.clock.now();
    let expires_at = now.wall.saturating_add(TEST_TIMEOUT);
    let prepare = Prepare { amount: Amount(0), expires_at, condition, destination, data: b"" };
    context.connector.originate_prepare(&peer.parse().unwrap(), &prepare, now, |outcome| {
        let _ = sender.send(outcome);
    });
    let outcome = tokio::time::timeout(TEST_TIMEOUT, receiver).await;
    outcome.expect("every Prepare gets an answer").unwrap()
}

/// Two of our nodes that dial each other, with a user behind each.
struct Mesh {
    nodes: [Arc<NodeContext>; 2],
    tasks: JoinSet<()>,
    /// The tasks of the sessions that each node accepted, in their order.
    accepted: [tokio::sync::mpsc::Receiver<AbortHandle>; 2],
    ports: [u16; 2],
    _handles: Vec<DialHandle>,
}

const NAMES: [&str; 2] = ["a", "b"];

async fn mesh() -> Mesh {
    let mut tasks = JoinSet::new();
    let mut nodes = Vec::new();
    let mut accepted = Vec::new();
    let mut ports = Vec::new();
    for (name, other) in [("a", "b"), ("b", "a")] {
        let user = format!("user-{name}");
        let mut settings = connector_settings(name, &[other, &user]);
        for route in &mut settings.routes {
            if route.next_hop.as_str() == other {
                route.prefix = format!("test.user-{other}").parse().unwrap();
            }
        }
        let context = testing::context_with(settings, quick());
        let logins = logins(&[other, &user]);
        let server = BtpServer::bind("127.0.0.1", 0, None, logins, Arc::clone(&context));
        let server = server.await.unwrap();
        ports.push(server.local_addr().port());
        nodes.push(context);
        let (sender, receiver) = tokio::sync::mpsc::channel(64);
        accepted.push(receiver);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let connection = server.accept().await;
                let _ = sender.send(connections.spawn(connection.run())).await;
            }
        });
    }
    let mut handles = Vec::new();
    for (me, other) in [(0, 1), (1, 0)] {
        // Our name at the other node, with the token that it expects of us.
        let url = format!("ws://127.0.0.1:{}", ports[other]);
        let token = Token::from(token(NAMES[me]));
        let dial = BtpDial::new(
            NAMES[other].parse().unwrap(),
            url.parse().unwrap(),
            NAMES[me],
            Some(&token),
        );
        let (client, handle) = BtpDialler::new(dial, Arc::clone(&nodes[me]));
        tasks.spawn(client.run());
        handles.push(handle);
    }
    let mesh = Mesh {
        nodes: nodes.try_into().unwrap(),
        tasks,
        accepted: accepted.try_into().unwrap(),
        ports: ports.try_into().unwrap(),
        _handles: handles,
    };
    until("both sessions are up at both ends", || mesh.sessions() == [2, 2]).await;
    mesh
}

impl Mesh {
    fn sessions(&self) -> [usize; 2] {
        [(0, "b"), (1, "a")].map(|(node, peer)| account(&self.nodes[node], peer).sessions.len())
    }

    async fn user(&self, node: usize) -> TestPeer<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.ports[node])).await.unwrap();
        let (user, _) = tokio_tungstenite::client_async("ws://x/", stream).await.unwrap();
        let mut user = TestPeer(user);
        user.log_in(&format!("user-{}", NAMES[node])).await;
        user
    }
}

#[tokio::test]
async fn two_nodes_that_dial_each_other_lose_no_answer_with_either_session() {
    let mut mesh = mesh().await;
    let (mut user_a, mut user_b) = (mesh.user(0).await, mesh.user(1).await);
    // The first socket that each node accepted is the other node's.
    let mut first = Vec::new();
    for accepted in &mut mesh.accepted {
        first.push(accepted.recv().await.unwrap());
    }
    for (round, session) in (0..).zip(first) {
        user_a.send(&request(round, &payment("test.user-b"))).await;
        let at_b = user_b.prepare_id().await;
        user_b.send(&request(round, &payment("test.user-a"))).await;
        let at_a = user_a.prepare_id().await;
        // Both Prepares are in flight between the nodes, on either session, when one of the sessions ends.
        session.abort();
        until("a session is lost at both ends", || mesh.sessions() != [2, 2]).await;
        user_b.send(&response(at_b, &fulfillment())).await;
        user_a.send(&response(at_a, &fulfillment())).await;
        assert_eq!(user_a.frame().await, format!("RESPONSE {round} Fulfill"));
        assert_eq!(user_b.frame().await, format!("RESPONSE {round} Fulfill"));
        // The dialler reconnects, and no session is replaced.
        until("both sessions are up again", || mesh.sessions() == [2, 2]).await;
    }
    for (node, peer) in [(0, "b"), (1, "a")] {
        let snapshot = status(&mesh.nodes[node], peer);
        assert_eq!((snapshot.state, snapshot.sessions), (PeerState::Connected, 2));
        assert_eq!(snapshot.counts.reconnects, 0, "the peer was connected all the time");
        assert_eq!(account(&mesh.nodes[node], peer).stats.dropped_answers, 0);
    }
    mesh.tasks.shutdown().await;
}
