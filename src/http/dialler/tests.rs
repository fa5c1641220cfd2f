//! The client side against scripted servers, and against this program's server.

mod busy;

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::*;
use crate::http::jwt;
use crate::http::testing::{
    RawConnection, attach_session, context, context_with, packet_headers, self_signed, serve, sweep,
};
use crate::link::{Cause, Outcome, Rejection};
use crate::net::{Clock, HttpAuth, HttpMode, TlsTrust};
use crate::peers::{PeerState, Token};
use crate::testing::{
    PREIMAGE, TEST_TIMEOUT, describe, fulfillment, payment, payment_within, token, until,
};
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
    /// A dialler with a session, and bob's end of its connection.
    async fn connected() -> (Self, RawConnection) {
        Self::connected_with(|dial| dial).await
    }

    async fn connected_with(change: impl FnOnce(HttpDial) -> HttpDial) -> (Self, RawConnection) {
        Self::connected_in(context("node", &["bob", "alice", "carol"]), change).await
    }

    async fn connected_in(
        http: Arc<HttpContext>,
        change: impl FnOnce(HttpDial) -> HttpDial,
    ) -> (Self, RawConnection) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/accounts/node/ilp?x", listener.local_addr().unwrap());
        let (dialler, handle) = HttpDialler::new(change(dial(&url)), Arc::clone(&http));
        let mut tasks = JoinSet::new();
        tasks.spawn(dialler.run());
        tasks.spawn(sweep(Arc::clone(&http.node)));
        let dialler = Self { http, listener, handle: Some(handle), tasks };
        let bob = dialler.accept().await;
        dialler.until_connected().await;
        (dialler, bob)
    }

    async fn accept(&self) -> RawConnection {
        let accepted = tokio::time::timeout(TEST_TIMEOUT, self.listener.accept()).await;
        RawConnection(accepted.expect("the dialler connects").unwrap().0)
    }

    /// Sends bob a Prepare. The receiver yields its outcome.
    fn send(&self) -> oneshot::Receiver<String> {
        send(&self.http)
    }

    /// The outcome of a Prepare to which bob answers with this status and an empty body.
    async fn outcome_of(&self, bob: &mut RawConnection, status: &str) -> String {
        let outcome = self.send();
        bob.read_message().await;
        bob.answer(status, b"").await;
        outcome.await.unwrap()
    }

    async fn check_fulfilled_by(&self, bob: &mut RawConnection) {
        let outcome = self.send();
        bob.read_message().await;
        fulfill(bob).await;
        assert_eq!(outcome.await.unwrap(), "Fulfill");
    }

    fn status(&self) -> Arc<PeerStatus> {
        self.http.node.peers.status(&"bob".parse().unwrap())
    }

    fn state(&self) -> PeerState {
        self.status().snapshot().state
    }

    /// Prepares to bob without an answer.
    fn pending(&self) -> usize {
        let report = self.http.node.connector.report();
        let bob = report.accounts.iter().find(|account| account.settings.id.as_str() == "bob");
        bob.unwrap().in_flight_to
    }

    /// A peer sends bob `count` Prepares of `amount` that expire in `within`. Their answers go into the outbox.
    fn forward(&self, peer: &str, count: u32, amount: u64, within: Duration) -> Arc<Outbox> {
        let node = &self.http.node;
        let account = node.connector.account(peer).unwrap();
        let (id, outbox) = attach_session(node, peer, SessionKind::Accepted);
        let packet = payment_within("test.bob.shop", amount, within);
        let batch = node.connector.start_batch(node.clock.now());
        for request in 0..count {
            batch.handle_prepare(&account, id, RequestId(request), &packet);
        }
        outbox
    }

    fn is_connected(&self) -> bool {
        self.http.node.connector.account("bob").unwrap().is_connected()
    }

    async fn until_connected(&self) {
        until("the link", || self.is_connected()).await;
    }
}

/// A dial to bob with the token of the node.
fn dial(url: &str) -> HttpDial {
    let token = Token::from(token("node"));
    HttpDial::new("bob".parse().unwrap(), url.parse().unwrap(), "node", Some(&token))
}

fn asynchronous(dial: HttpDial) -> HttpDial {
    let callback = "http://node.example/accounts/bob/ilp".parse().ok();
    dial.with_mode(HttpMode::Async, HttpAuth::Simple).with_callback(callback)
}

fn send(http: &HttpContext) -> oneshot::Receiver<String> {
    let (sender, outcome) = oneshot::channel();
    let packet = payment("test.bob.shop");
    let connector = &http.node.connector;
    let (bob, now) = ("bob".parse().unwrap(), http.node.clock.now());
    let expires_at = now.wall.saturating_add(Duration::from_secs(20));
    let prepare = Prepare { expires_at, ..Prepare::parse(&packet).unwrap() };
    connector.originate_prepare(&bob, &prepare, now, |outcome| {
        let _ = sender.send(match outcome {
            Outcome::Fulfilled { fulfillment: PREIMAGE, data } if data == b"done" => {
                "Fulfill".to_owned()
            }
            Outcome::Fulfilled { fulfillment: Fulfillment(other), .. } => hex::encode(other),
            Outcome::Rejected(Rejection { code, message, .. }) => format!("{code} {message}"),
            Outcome::NotSent(Cause { code, message })
            | Outcome::NoAnswer(Cause { code, message }) => format!("{code} {message}"),
        });
    });
    outcome
}

async fn fulfill(bob: &mut RawConnection) {
    bob.answer("200 OK", &fulfillment()).await;
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(found, _)| *found == name).unwrap_or_else(|| panic!("no {name}: {head}")).1
}

#[tokio::test]
async fn requests_and_their_answers() {
    let (dialler, mut bob) = TestDialler::connected().await;
    for _ in 0..3 {
        let outcome = dialler.send();
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
        fulfill(&mut bob).await;
        assert_eq!(outcome.await.unwrap(), "Fulfill", "on one connection, again and again");
    }
    assert_eq!(dialler.state(), PeerState::Connected);
}

#[tokio::test]
async fn packets_that_expire_in_the_outbox_are_not_posted() {
    let clock = Clock::manual();
    let http = context_with(clock.clone(), TlsTrust::default(), "node", &["bob"]);
    let (dialler, mut bob) = TestDialler::connected_in(http, |dial| dial).await;
    let slept = dialler.send();
    // No task has run since: the packet is in the outbox.
    clock.suspend(Duration::from_secs(20));
    assert!(slept.await.unwrap().starts_with("R00"));
    let (jumped, wall) = (dialler.send(), clock.now().wall);
    clock.set_wall(wall.saturating_add(Duration::from_secs(20)));
    assert!(jumped.await.unwrap().starts_with("R00"), "at once: no time passes");
    clock.set_wall(wall);
    let outcome = dialler.send();
    assert_eq!(describe(&bob.read_message().await.1), "Prepare");
    fulfill(&mut bob).await;
    assert_eq!(outcome.await.unwrap(), "Fulfill", "the first packet that bob saw");
    // A clock that is set back gives no additional time.
    let back = dialler.send();
    clock.set_wall(wall.saturating_sub(Duration::from_secs(3600)));
    bob.read_message().await;
    clock.suspend(Duration::from_secs(20));
    assert!(back.await.unwrap().starts_with("R00"));
}

#[tokio::test]
async fn signed_tokens() {
    let signing = |dial: HttpDial| dial.with_mode(HttpMode::Sync, HttpAuth::Jwt);
    let (dialler, mut bob) = TestDialler::connected_with(signing).await;
    let outcome = dialler.send();
    let (head, _) = bob.read_message().await;
    let token = header(&head, "authorization").strip_prefix("Bearer ").unwrap();
    let now = dialler.http.node.clock.now().wall;
    assert_eq!(jwt::parse(token.as_bytes(), now).unwrap().subject.as_deref(), Some("node"));
    fulfill(&mut bob).await;
    assert_eq!(outcome.await.unwrap(), "Fulfill");
}

#[tokio::test]
async fn a_server_that_speaks_tls_is_reported() {
    let (dialler, mut bob) = TestDialler::connected().await;
    let outcome = dialler.send();
    bob.read_message().await;
    bob.write("\u{15}\u{3}\u{3}\0\u{2}\u{2}2").await;
    assert!(outcome.await.unwrap().starts_with("T01"));
    let known = dialler.status().snapshot();
    assert_eq!(known.counts.wrong_answers, 1);
    assert!(known.last_error.as_ref().is_some_and(|error| error.contains("not HTTP")), "{known:?}");
}

#[tokio::test]
async fn meanings_of_statuses() {
    let (dialler, mut bob) = TestDialler::connected().await;
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
        let outcome = dialler.outcome_of(&mut bob, status).await;
        assert!(outcome.starts_with(expected), "{status}: {outcome}");
        let known = dialler.status().snapshot();
        let is_reported = known.last_error.is_some_and(|error| error.contains(&status[..3]));
        assert_eq!(is_reported, !status.starts_with("429"), "{status}");
    }
    assert!(dialler.is_connected());
    assert_eq!(dialler.status().snapshot().counts.wrong_answers, 11);
    dialler.check_fulfilled_by(&mut bob).await;
    assert_eq!(dialler.status().snapshot().last_error, None, "a right answer clears it");
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_ignored() {
    let (dialler, mut bob) = TestDialler::connected().await;
    let outcome = dialler.send();
    bob.read_message().await;
    bob.write("HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n").await;
    assert!(outcome.await.unwrap().starts_with("T01"));
}

#[tokio::test]
async fn a_token_that_is_refused_ends_the_link_for_a_while() {
    let (dialler, mut bob) = TestDialler::connected().await;
    assert!(dialler.outcome_of(&mut bob, "401 Unauthorized").await.starts_with("T01"));
    let status = dialler.status();
    until("the refusal", || status.snapshot().counts.authentication_failures == 1).await;
    until("another attempt", || status.snapshot().counts.reconnects == 1).await;
}

#[tokio::test]
async fn a_closed_connection_does_not_end_the_link() {
    let (dialler, bob) = TestDialler::connected().await;
    drop(bob);
    let mut bob = dialler.accept().await;
    assert!(dialler.is_connected(), "the server can still be reached");
    let outcome = dialler.send();
    bob.read_message().await;
    // The connection ends during a request, so no answer can come.
    drop(bob);
    assert!(outcome.await.unwrap().starts_with("T01"));
    let outcome = dialler.send();
    let mut bob = dialler.accept().await;
    bob.read_message().await;
    fulfill(&mut bob).await;
    assert_eq!(outcome.await.unwrap(), "Fulfill");
}

#[tokio::test]
async fn a_server_that_restarts() {
    let (mut dialler, bob) = TestDialler::connected().await;
    let address = dialler.listener.local_addr().unwrap();
    dialler.listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    drop(bob);
    until("the loss", || !dialler.is_connected()).await;
    assert!(dialler.send().await.unwrap().starts_with("T01"), "at once");
    dialler.listener = TcpListener::bind(address).await.unwrap();
    let mut bob = dialler.accept().await;
    dialler.until_connected().await;
    dialler.check_fulfilled_by(&mut bob).await;
}

#[tokio::test]
async fn concurrent_packets_each_with_its_own_answer() {
    let (dialler, bob) = TestDialler::connected().await;
    let outcomes: Vec<_> = (0..40).map(|_| dialler.send()).collect();
    let mut bobs = vec![bob];
    while bobs.len() < 40 {
        bobs.push(dialler.accept().await);
    }
    for bob in &mut bobs {
        bob.read_message().await;
    }
    for bob in bobs.iter_mut().rev() {
        fulfill(bob).await;
    }
    for outcome in outcomes {
        assert_eq!(outcome.await.unwrap(), "Fulfill");
    }
}

#[tokio::test]
async fn a_stop_waits_for_requests_in_progress() {
    let (mut dialler, mut bob) = TestDialler::connected().await;
    let outcome = dialler.send();
    bob.read_message().await;
    dialler.handle.take().unwrap().stop(CloseRequest { code: 1001, reason: "stopping" });
    until("the end of the session", || !dialler.is_connected()).await;
    assert!(dialler.send().await.unwrap().starts_with("T01"));
    fulfill(&mut bob).await;
    assert_eq!(outcome.await.unwrap(), "Fulfill");
    dialler.tasks.join_next().await.unwrap().unwrap();
    assert_eq!(dialler.state(), PeerState::Waiting);
}

#[tokio::test]
async fn an_asynchronous_answer_is_accepted_once() {
    let (dialler, mut bob) = TestDialler::connected_with(asynchronous).await;
    let outcome = dialler.send();
    let (head, _) = bob.read_message().await;
    assert!(head.contains("callback-url: http://node.example/accounts/bob/ilp"), "{head}");
    let id = header(&head, "request-id");
    bob.answer("202 Accepted", b"").await;

    let node = serve(Arc::clone(&dialler.http), ConnectionLimits::default(), None).await;
    let mut callback = RawConnection::open(node.address).await;
    let unknown = id.replace(['0', '1', '2', '3'], "9");
    for (id, status) in [(&*unknown, "400"), (id, "200"), (id, "400")] {
        let headers = format!("{}Request-Id: {id}\r\n", packet_headers("bob"));
        let (head, _) = callback.post("/accounts/bob/ilp", &headers, &fulfillment()).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{id}: {head}");
    }
    assert_eq!(outcome.await.unwrap(), "Fulfill");
}

/// Over TLS both ends use HTTP/2.
#[tokio::test]
async fn both_ends_over_tls() {
    let (_folder, trust, tls) = self_signed();
    let server = serve(context("bob", &["node"]), ConnectionLimits::default(), Some(tls)).await;

    let http = context_with(Clock::start(), trust, "node", &["bob"]);
    let url = format!("https://localhost:{}/accounts/node/ilp", server.address.port());
    let (dialler, _handle) = HttpDialler::new(dial(&url), Arc::clone(&http));
    let mut tasks = JoinSet::new();
    tasks.spawn(dialler.run());
    let bob = http.node.connector.account("bob").unwrap();
    until("the link", || bob.is_connected()).await;
    let outcomes: Vec<_> = (0..100).map(|_| send(&http)).collect();
    for outcome in outcomes {
        let outcome = outcome.await.unwrap();
        assert!(outcome.starts_with("F02"), "bob has no shop, but answers: {outcome}");
    }
    assert_eq!(server.context.http_counts().requests, 100);
    let connections = server.context.http_counts().accepted;
    assert!(connections <= 16, "a few connections for all: {connections}");
}

/// The peer may have received the packet, and then posts the answer.
#[tokio::test]
async fn an_asynchronous_request_may_be_answered_after_the_loss_of_its_connection() {
    let (dialler, mut bob) = TestDialler::connected_with(asynchronous).await;
    let node = serve(Arc::clone(&dialler.http), ConnectionLimits::default(), None).await;
    let mut outcome = dialler.send();
    let (head, _) = bob.read_message().await;
    drop(bob);
    // It checks the server.
    let _bob = dialler.accept().await;
    assert!(outcome.try_recv().is_err(), "it waits");
    let id = header(&head, "request-id");
    let headers = format!("{}Request-Id: {id}\r\n", packet_headers("bob"));
    let mut callback = RawConnection::open(node.address).await;
    let (head, _) = callback.post("/ilp", &headers, &fulfillment()).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(outcome.await.unwrap(), "Fulfill");
}
