//! The client side against scripted servers, and against this program's server.

mod busy;

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::*;
use crate::http::dial_config::{HttpAuth, HttpMode};
use crate::http::jwt;
use crate::http::testing::{
    PREIMAGE, Raw, Serving, context, context_at, describe, fulfill, prepare, prepare_within,
    secret, serve, until,
};
use crate::link::{Cause, Outcome, Rejection};
use crate::net::{Clock, HTTP_PROTOCOLS, ServerTls, TlsTrust};
use crate::peers::{PeerState, Token};
use crate::web::ConnectionLimits;
use crate::wire::Fulfillment;
use crate::wire::btp::RequestId;
use crate::wire::ilp::Prepare;

/// A dialling node, and the server of its peer bob.
struct TestDialler {
    http: Arc<HttpContext>,
    listener: TcpListener,
    handle: Option<DialHandle>,
    tasks: JoinSet<()>,
}

impl TestDialler {
    async fn start(mode: HttpMode, auth: HttpAuth) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/accounts/node/ilp?x", listener.local_addr().unwrap());
        Self::to(&url, listener, mode, auth)
    }

    fn to(url: &str, listener: TcpListener, mode: HttpMode, auth: HttpAuth) -> Self {
        Self::with(context("node", &["bob", "alice", "carol"]), url, listener, mode, auth)
    }

    fn with(
        http: Arc<HttpContext>,
        url: &str,
        listener: TcpListener,
        mode: HttpMode,
        auth: HttpAuth,
    ) -> Self {
        let token = Token::from(secret("node"));
        let dial =
            HttpDial::new("bob".parse().unwrap(), url.parse().unwrap(), "node", Some(&token));
        let callback = "http://node.example/accounts/bob/ilp".parse().ok();
        Self::dial(http, dial.with_mode(mode, auth).with_callback(callback), listener)
    }

    fn dial(http: Arc<HttpContext>, dial: HttpDial, listener: TcpListener) -> Self {
        let (dialler, handle) = HttpDialler::new(dial, Arc::clone(&http));
        let mut tasks = JoinSet::new();
        tasks.spawn(dialler.run());
        let swept = Arc::clone(&http.transport);
        tasks.spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(5)).await;
                swept.connector.sweep_deadlines(swept.clock.now());
            }
        });
        Self { http, listener, handle: Some(handle), tasks }
    }

    async fn with_requests_max(requests_max: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/accounts/node/ilp", listener.local_addr().unwrap());
        let token = Token::from(secret("node"));
        let dial =
            HttpDial::new("bob".parse().unwrap(), url.parse().unwrap(), "node", Some(&token));
        let http = context("node", &["bob", "alice", "carol"]);
        Self::dial(http, dial.with_requests_max(requests_max), listener)
    }

    async fn accept(&self) -> Raw {
        Raw(self.listener.accept().await.unwrap().0)
    }

    /// The connection that checks the server.
    async fn accept_again(&self) -> Raw {
        let again = tokio::time::timeout(Duration::from_secs(10), self.accept()).await;
        again.expect("the dialler checks the server")
    }

    /// Sends bob a Prepare. The receiver yields its outcome.
    fn send(&self) -> oneshot::Receiver<String> {
        send(&self.http)
    }

    fn status(&self) -> Arc<PeerStatus> {
        self.http.transport.peers.status(&"bob".parse().unwrap())
    }

    fn state(&self) -> PeerState {
        self.status().snapshot().state
    }

    /// Prepares to bob without an answer.
    fn pending(&self) -> usize {
        let report = self.http.transport.connector.report();
        let bob = report.accounts.iter().find(|one| one.settings.id.as_str() == "bob");
        bob.unwrap().in_flight_to
    }

    /// A peer sends bob `count` Prepares of `amount` that expire in `within`. Their answers go into the outbox.
    fn forward(&self, peer: &str, count: u32, amount: u64, within: Duration) -> Arc<Outbox> {
        let connector = &self.http.transport.connector;
        let account = connector.account(peer).unwrap();
        let outbox = Outbox::new(Framing::None, 1 << 20);
        let now = self.http.transport.clock.now();
        let id = connector.attach_session(
            &account,
            SessionKind::Accepted,
            None,
            Arc::clone(&outbox),
            now,
        );
        let packet = prepare_within("test.bob.shop", amount, within);
        for request in 0..count {
            connector.start_batch(now).handle_prepare(&account, id, RequestId(request), &packet);
        }
        outbox
    }

    fn is_connected(&self) -> bool {
        self.http.transport.connector.account("bob").unwrap().is_connected()
    }
}

fn send(http: &HttpContext) -> oneshot::Receiver<String> {
    let (sender, answer) = oneshot::channel();
    let packet = prepare("test.bob.shop");
    let connector = &http.transport.connector;
    let (bob, now) = ("bob".parse().unwrap(), http.transport.clock.now());
    let expires_at = now.wall.saturating_add(Duration::from_secs(20));
    let prepare = Prepare { expires_at, ..Prepare::parse(&packet).unwrap() };
    connector.originate_prepare(&bob, &prepare, now, |answer| {
        let _ = sender.send(match answer {
            Outcome::Fulfilled { fulfillment: PREIMAGE, data } if data == b"done" => {
                "Fulfill".to_owned()
            }
            Outcome::Fulfilled { fulfillment: Fulfillment(other), .. } => hex::encode(other),
            Outcome::Rejected(Rejection { code, message, .. }) => format!("{code} {message}"),
            Outcome::NotSent(Cause { code, message })
            | Outcome::NoAnswer(Cause { code, message }) => format!("{code} {message}"),
        });
    });
    answer
}

/// An answer of 200 with a packet.
async fn fulfilled(bob: &mut Raw) {
    let packet = fulfill();
    bob.write(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", packet.len())).await;
    bob.0.write_all(&packet).await.unwrap();
}

#[tokio::test]
async fn requests_and_their_answers() {
    let dialler = TestDialler::start(HttpMode::Sync, HttpAuth::Simple).await;
    let mut bob = dialler.accept().await;
    until("the link", || dialler.is_connected()).await;
    for _ in 0..3 {
        let answer = dialler.send();
        let (head, body) = bob.read_message().await;
        assert!(head.starts_with("POST /accounts/node/ilp?x HTTP/1.1\r\n"), "{head}");
        for header in [
            "content-type: application/octet-stream",
            "accept: application/octet-stream",
            "authorization: Bearer secret-of-node",
            &format!("host: {}", dialler.listener.local_addr().unwrap()),
        ] {
            assert!(head.contains(header), "{header}: {head}");
        }
        assert!(!head.contains("request-id"), "{head}");
        assert_eq!(describe(&body), "Prepare");
        fulfilled(&mut bob).await;
        assert_eq!(answer.await.unwrap(), "Fulfill", "on one connection, again and again");
    }
    assert_eq!(dialler.state(), PeerState::Connected);
}

#[tokio::test]
async fn packets_that_expire_in_the_outbox_are_not_posted() {
    let clock = Clock::manual();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let http = context_at(clock.clone(), "node", &["bob"]);
    let dialler = TestDialler::with(http, &url, listener, HttpMode::Sync, HttpAuth::Simple);
    let mut bob = dialler.accept().await;
    until("the link", || dialler.is_connected()).await;
    let slept = dialler.send();
    // No task has run since: the packet is in the outbox.
    clock.suspend(Duration::from_secs(20));
    assert!(slept.await.unwrap().starts_with("R00"));
    let (jumped, wall) = (dialler.send(), clock.now().wall);
    clock.set_wall(wall.saturating_add(Duration::from_secs(20)));
    assert!(jumped.await.unwrap().starts_with("R00"), "at once: no time passes");
    clock.set_wall(wall);
    let answer = dialler.send();
    assert_eq!(describe(&bob.read_message().await.1), "Prepare");
    fulfilled(&mut bob).await;
    assert_eq!(answer.await.unwrap(), "Fulfill", "the first packet that bob saw");
    // A clock that is set back gives no additional time.
    let back = dialler.send();
    clock.set_wall(wall.saturating_sub(Duration::from_secs(3600)));
    bob.read_message().await;
    clock.suspend(Duration::from_secs(20));
    assert!(back.await.unwrap().starts_with("R00"));
}

#[tokio::test]
async fn signed_tokens() {
    let dialler = TestDialler::start(HttpMode::Sync, HttpAuth::Jwt).await;
    let mut bob = dialler.accept().await;
    until("the link", || dialler.is_connected()).await;
    let answer = dialler.send();
    let (head, _) = bob.read_message().await;
    let token = head.split("authorization: Bearer ").nth(1).unwrap().lines().next().unwrap();
    let now = dialler.http.transport.clock.now().wall;
    assert_eq!(jwt::parse(token.as_bytes(), now).unwrap().subject.as_deref(), Some("node"));
    fulfilled(&mut bob).await;
    assert_eq!(answer.await.unwrap(), "Fulfill");
}

#[tokio::test]
async fn a_server_that_speaks_tls_is_reported() {
    let dialler = TestDialler::start(HttpMode::Sync, HttpAuth::Simple).await;
    let mut bob = dialler.accept().await;
    until("the link", || dialler.is_connected()).await;
    let answer = dialler.send();
    bob.read_message().await;
    bob.write("\u{15}\u{3}\u{3}\0\u{2}\u{2}2").await;
    assert!(answer.await.unwrap().starts_with("T01"));
    let known = dialler.status().snapshot();
    assert_eq!(known.counts.wrong_answers, 1);
    assert!(known.last_error.as_ref().is_some_and(|error| error.contains("not HTTP")), "{known:?}");
}

#[tokio::test]
async fn meanings_of_statuses() {
    let dialler = TestDialler::start(HttpMode::Sync, HttpAuth::Simple).await;
    let mut bob = dialler.accept().await;
    until("the link", || dialler.is_connected()).await;
    for (status, expected) in [
        ("200 OK", "T00 next hop bob gave an answer that cannot be read"),
        ("202 Accepted", "T00 next hop bob could not process the packet"),
        ("204 Nothing", "T00"),
        ("301 Elsewhere", "T00"),
        ("400 Bad", "F00 next hop bob does not take this packet"),
        ("404 Not Found", "T01 next hop bob cannot be reached"),
        ("405 No", "T01"),
        ("413 Long", "F00"),
        ("415 What", "F00"),
        ("429 Slow", "T03 next hop bob takes no more packets at the moment"),
        ("500 Oh", "T00 next hop bob could not process the packet"),
        ("503 Later", "T00"),
    ] {
        let answer = dialler.send();
        bob.read_message().await;
        bob.write(&format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")).await;
        let answer = answer.await.unwrap();
        assert!(answer.starts_with(expected), "{status}: {answer}");
        let known = dialler.status().snapshot();
        let is_reported = known.last_error.is_some_and(|error| error.contains(&status[..3]));
        assert_eq!(is_reported, !status.starts_with("429"), "{status}");
    }
    assert!(dialler.is_connected());
    assert_eq!(dialler.status().snapshot().counts.wrong_answers, 11);
    let answer = dialler.send();
    bob.read_message().await;
    fulfilled(&mut bob).await;
    assert_eq!(answer.await.unwrap(), "Fulfill");
    assert_eq!(dialler.status().snapshot().last_error, None, "a right answer clears it");
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_ignored() {
    let dialler = TestDialler::start(HttpMode::Sync, HttpAuth::Simple).await;
    let mut bob = dialler.accept().await;
    until("the link", || dialler.is_connected()).await;
    let answer = dialler.send();
    bob.read_message().await;
    bob.write("HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n").await;
    assert!(answer.await.unwrap().starts_with("T01"));
}

#[tokio::test]
async fn a_token_that_is_refused_ends_the_link_for_a_while() {
    let dialler = TestDialler::start(HttpMode::Sync, HttpAuth::Simple).await;
    let mut bob = dialler.accept().await;
    until("the link", || dialler.is_connected()).await;
    let answer = dialler.send();
    bob.read_message().await;
    bob.write("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await;
    assert!(answer.await.unwrap().starts_with("T01"));
    let status = dialler.http.transport.peers.status(&"bob".parse().unwrap());
    until("the refusal", || status.snapshot().counts.authentication_failures == 1).await;
    until("another attempt", || status.snapshot().counts.reconnects == 1).await;
}

#[tokio::test]
async fn a_closed_connection_does_not_end_the_link() {
    let dialler = TestDialler::start(HttpMode::Sync, HttpAuth::Simple).await;
    let bob = dialler.accept().await;
    until("the link", || dialler.is_connected()).await;
    drop(bob);
    let mut bob = dialler.accept().await;
    assert!(dialler.is_connected(), "the server can still be reached");
    let answer = dialler.send();
    bob.read_message().await;
    // The connection ends during a request, so no answer can come.
    drop(bob);
    assert!(answer.await.unwrap().starts_with("T01"));
    let answer = dialler.send();
    let mut bob = dialler.accept().await;
    bob.read_message().await;
    fulfilled(&mut bob).await;
    assert_eq!(answer.await.unwrap(), "Fulfill");
}

#[tokio::test]
async fn a_server_that_restarts() {
    let mut dialler = TestDialler::start(HttpMode::Sync, HttpAuth::Simple).await;
    let bob = dialler.accept().await;
    until("the link", || dialler.is_connected()).await;
    let address = dialler.listener.local_addr().unwrap();
    dialler.listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    drop(bob);
    until("the loss", || !dialler.is_connected()).await;
    assert!(dialler.send().await.unwrap().starts_with("T01"), "at once");
    dialler.listener = TcpListener::bind(address).await.unwrap();
    let mut bob = dialler.accept().await;
    until("the link", || dialler.is_connected()).await;
    let answer = dialler.send();
    bob.read_message().await;
    fulfilled(&mut bob).await;
    assert_eq!(answer.await.unwrap(), "Fulfill");
}

#[tokio::test]
async fn concurrent_packets_each_with_its_own_answer() {
    let dialler = TestDialler::start(HttpMode::Sync, HttpAuth::Simple).await;
    let answers: Vec<_> = async {
        until("the link", || dialler.is_connected()).await;
        (0..40).map(|_| dialler.send()).collect()
    }
    .await;
    let mut bobs = Vec::new();
    while bobs.len() < 40 {
        let mut bob = dialler.accept().await;
        bob.read_message().await;
        bobs.push(bob);
    }
    for bob in bobs.iter_mut().rev() {
        fulfilled(bob).await;
    }
    for answer in answers {
        assert_eq!(answer.await.unwrap(), "Fulfill");
    }
}

#[tokio::test]
async fn a_stop_waits_for_requests_in_progress() {
    let mut dialler = TestDialler::start(HttpMode::Sync, HttpAuth::Simple).await;
    let mut bob = dialler.accept().await;
    until("the link", || dialler.is_connected()).await;
    let answer = dialler.send();
    bob.read_message().await;
    dialler.handle.take().unwrap().stop(1001, "stopping");
    until("the end of the session", || !dialler.is_connected()).await;
    assert!(dialler.send().await.unwrap().starts_with("T01"));
    fulfilled(&mut bob).await;
    assert_eq!(answer.await.unwrap(), "Fulfill");
    dialler.tasks.join_next().await.unwrap().unwrap();
    assert_eq!(dialler.state(), PeerState::Waiting);
}

#[tokio::test]
async fn an_asynchronous_answer_is_accepted_once() {
    let dialler = TestDialler::start(HttpMode::Async, HttpAuth::Simple).await;
    let mut bob = dialler.accept().await;
    until("the link", || dialler.is_connected()).await;
    let answer = dialler.send();
    let (head, _) = bob.read_message().await;
    assert!(head.contains("callback-url: http://node.example/accounts/bob/ilp"), "{head}");
    let id = head.split("request-id: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    bob.write("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").await;

    let node = serve(Arc::clone(&dialler.http), ConnectionLimits::default(), None).await;
    let mut back = Raw(TcpStream::connect(node.address).await.unwrap());
    let headers = |id: &str| {
        format!(
            "Content-Type: application/octet-stream\r\nAuthorization: Bearer {}\r\nRequest-Id: {id}\r\n",
            secret("bob")
        )
    };
    let unknown = id.replace(['0', '1', '2', '3'], "9");
    for (id, status) in [(&unknown, "400"), (&id, "200"), (&id, "400")] {
        let (head, _) = back.post("/accounts/bob/ilp", &headers(id), &fulfill()).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{id}: {head}");
    }
    assert_eq!(answer.await.unwrap(), "Fulfill");
}

/// Over TLS both ends use HTTP/2.
#[tokio::test]
async fn both_ends_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = ServerTls::load(&certificate, &key, HTTP_PROTOCOLS).unwrap();
    let server: Serving =
        serve(context("bob", &["node"]), ConnectionLimits::default(), Some(tls)).await;

    let http = context_with_ca("node", &["bob"], &certificate);
    let url = format!("https://localhost:{}/accounts/node/ilp", server.address.port());
    let token = Token::from(secret("node"));
    let dial = HttpDial::new("bob".parse().unwrap(), url.parse().unwrap(), "node", Some(&token));
    let (dialler, _handle) = HttpDialler::new(dial, Arc::clone(&http));
    let mut tasks = JoinSet::new();
    tasks.spawn(dialler.run());
    let bob = http.transport.connector.account("bob").unwrap();
    until("the link", || bob.is_connected()).await;
    let answers: Vec<_> = (0..100).map(|_| send(&http)).collect();
    for answer in answers {
        let answer = answer.await.unwrap();
        assert!(answer.starts_with("F02"), "bob has no shop, but answers: {answer}");
    }
    assert_eq!(server.context.http_counts().requests, 100);
    let connections = server.context.http_counts().accepted;
    assert!(connections <= 16, "a few connections for all: {connections}");
}

/// As [`context`], with a CA file.
fn context_with_ca(id: &str, peers: &[&str], ca_file: &std::path::Path) -> Arc<HttpContext> {
    let known = context(id, peers);
    let settings = crate::net::TransportSettings {
        trust: TlsTrust { ca_file: Some(ca_file.to_owned()), ..TlsTrust::default() },
        ..known.transport.settings.clone()
    };
    let connector = Arc::clone(&known.transport.connector);
    let clock = known.transport.clock.clone();
    let context = crate::peers::TransportContext::new(connector, clock, settings).unwrap();
    HttpContext::new(context, Arc::clone(&known.logins)).unwrap()
}

/// The peer may have received the packet, and then posts the answer.
#[tokio::test]
async fn an_asynchronous_request_may_be_answered_after_the_loss_of_its_connection() {
    let dialler = TestDialler::start(HttpMode::Async, HttpAuth::Simple).await;
    let node = serve(Arc::clone(&dialler.http), ConnectionLimits::default(), None).await;
    let mut bob = dialler.accept().await;
    until("the link", || dialler.is_connected()).await;
    let mut outcome = dialler.send();
    let (head, _) = bob.read_message().await;
    let request_id = head.split("request-id: ").nth(1).unwrap().lines().next().unwrap();
    drop(bob);
    let _bob = dialler.accept_again().await;
    assert!(outcome.try_recv().is_err(), "it waits");
    let headers = format!(
        "Content-Type: application/octet-stream\r\nAuthorization: Bearer {}\r\nRequest-Id: {request_id}\r\n",
        secret("bob")
    );
    let mut callback = Raw::open(node.address).await;
    let (head, _) = callback.post("/ilp", &headers, &fulfill()).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(outcome.await.unwrap(), "Fulfill");
}
