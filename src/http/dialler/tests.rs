//! The asking side: against servers whose every answer the test decides, and against our own accepting side.

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
struct Here {
    http: Arc<HttpContext>,
    listener: TcpListener,
    handle: Option<DialHandle>,
    tasks: JoinSet<()>,
}

impl Here {
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
        Self::dial(http, dial.with(mode, auth).with_callback(callback), listener)
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

    /// The connection that is made to see that the server is still there.
    async fn accept_again(&self) -> Raw {
        let again = tokio::time::timeout(Duration::from_secs(10), self.accept()).await;
        again.expect("the server is looked for")
    }

    /// Sends bob a Prepare; gives what comes of it.
    fn ask(&self) -> oneshot::Receiver<String> {
        ask(&self.http)
    }

    fn status(&self) -> Arc<PeerStatus> {
        self.http.transport.peers.status(&"bob".parse().unwrap())
    }

    fn state(&self) -> PeerState {
        self.status().snapshot().state
    }

    /// Prepares to bob that wait for their answer.
    fn sent(&self) -> usize {
        let report = self.http.transport.connector.report();
        let bob = report.accounts.iter().find(|one| one.settings.id.as_str() == "bob");
        bob.unwrap().in_flight_to
    }

    /// A peer sends bob `count` Prepares of `amount`, which expire in `within`. Their answers come into the outbox.
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

fn ask(http: &HttpContext) -> oneshot::Receiver<String> {
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
    bob.say(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", packet.len())).await;
    bob.0.write_all(&packet).await.unwrap();
}

#[tokio::test]
async fn what_is_said_and_what_comes_back() {
    let here = Here::start(HttpMode::Sync, HttpAuth::Simple).await;
    let mut bob = here.accept().await;
    until("the link", || here.is_connected()).await;
    for _ in 0..3 {
        let answer = here.ask();
        let (head, body) = bob.octets().await;
        assert!(head.starts_with("POST /accounts/node/ilp?x HTTP/1.1\r\n"), "{head}");
        for header in [
            "content-type: application/octet-stream",
            "accept: application/octet-stream",
            "authorization: Bearer secret-of-node",
            &format!("host: {}", here.listener.local_addr().unwrap()),
        ] {
            assert!(head.contains(header), "{header}: {head}");
        }
        assert!(!head.contains("request-id"), "{head}");
        assert_eq!(describe(&body), "Prepare");
        fulfilled(&mut bob).await;
        assert_eq!(answer.await.unwrap(), "Fulfill", "on one connection, again and again");
    }
    assert_eq!(here.state(), PeerState::Connected);
}

#[tokio::test]
async fn what_is_too_late_when_its_turn_comes_is_not_posted() {
    let clock = Clock::manual();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let http = context_at(clock.clone(), "node", &["bob"]);
    let here = Here::with(http, &url, listener, HttpMode::Sync, HttpAuth::Simple);
    let mut bob = here.accept().await;
    until("the link", || here.is_connected()).await;
    let slept = here.ask();
    // Nothing was polled since: the packet waits in the outbox.
    clock.suspend(Duration::from_secs(20));
    assert!(slept.await.unwrap().starts_with("R00"));
    let (jumped, wall) = (here.ask(), clock.now().wall);
    clock.set_wall(wall.saturating_add(Duration::from_secs(20)));
    assert!(jumped.await.unwrap().starts_with("R00"), "at once: the time that passes is none");
    clock.set_wall(wall);
    let answer = here.ask();
    assert_eq!(describe(&bob.octets().await.1), "Prepare");
    fulfilled(&mut bob).await;
    assert_eq!(answer.await.unwrap(), "Fulfill", "the first packet that bob saw");
    // One that is set back gives no more time than there was.
    let back = here.ask();
    clock.set_wall(wall.saturating_sub(Duration::from_secs(3600)));
    bob.octets().await;
    clock.suspend(Duration::from_secs(20));
    assert!(back.await.unwrap().starts_with("R00"));
}

#[tokio::test]
async fn a_token_that_is_signed() {
    let here = Here::start(HttpMode::Sync, HttpAuth::Jwt).await;
    let mut bob = here.accept().await;
    until("the link", || here.is_connected()).await;
    let answer = here.ask();
    let (head, _) = bob.octets().await;
    let token = head.split("authorization: Bearer ").nth(1).unwrap().lines().next().unwrap();
    let now = here.http.transport.clock.now().wall;
    assert_eq!(jwt::read(token.as_bytes(), now).unwrap().subject.as_deref(), Some("node"));
    fulfilled(&mut bob).await;
    assert_eq!(answer.await.unwrap(), "Fulfill");
}

/// A server behind the port that speaks TLS, or something else.
#[tokio::test]
async fn what_is_no_http_is_told() {
    let here = Here::start(HttpMode::Sync, HttpAuth::Simple).await;
    let mut bob = here.accept().await;
    until("the link", || here.is_connected()).await;
    let answer = here.ask();
    bob.octets().await;
    bob.say("\u{15}\u{3}\u{3}\0\u{2}\u{2}2").await;
    assert!(answer.await.unwrap().starts_with("T01"));
    let known = here.status().snapshot();
    assert_eq!(known.counts.wrong_answers, 1);
    assert!(known.last_error.as_ref().is_some_and(|told| told.contains("not HTTP")), "{known:?}");
}

#[tokio::test]
async fn what_a_status_means() {
    let here = Here::start(HttpMode::Sync, HttpAuth::Simple).await;
    let mut bob = here.accept().await;
    until("the link", || here.is_connected()).await;
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
        let answer = here.ask();
        bob.octets().await;
        bob.say(&format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")).await;
        let answer = answer.await.unwrap();
        assert!(answer.starts_with(expected), "{status}: {answer}");
        let known = here.status().snapshot();
        let is_told = known.last_error.is_some_and(|error| error.contains(&status[..3]));
        assert_eq!(is_told, !status.starts_with("429"), "{status}");
    }
    assert!(here.is_connected());
    assert_eq!(here.status().snapshot().counts.wrong_answers, 11);
    let answer = here.ask();
    bob.octets().await;
    fulfilled(&mut bob).await;
    assert_eq!(answer.await.unwrap(), "Fulfill");
    assert_eq!(here.status().snapshot().last_error, None, "a right answer takes it away");
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_none() {
    let here = Here::start(HttpMode::Sync, HttpAuth::Simple).await;
    let mut bob = here.accept().await;
    until("the link", || here.is_connected()).await;
    let answer = here.ask();
    bob.octets().await;
    bob.say("HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n").await;
    assert!(answer.await.unwrap().starts_with("T01"));
}

#[tokio::test]
async fn a_token_that_is_refused_ends_the_link_for_a_while() {
    let here = Here::start(HttpMode::Sync, HttpAuth::Simple).await;
    let mut bob = here.accept().await;
    until("the link", || here.is_connected()).await;
    let answer = here.ask();
    bob.octets().await;
    bob.say("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await;
    assert!(answer.await.unwrap().starts_with("T01"));
    let status = here.http.transport.peers.status(&"bob".parse().unwrap());
    until("the refusal", || status.snapshot().counts.authentication_failures == 1).await;
    until("another attempt", || status.snapshot().counts.reconnects == 1).await;
}

#[tokio::test]
async fn a_connection_that_ends_is_no_end_while_the_server_is_there() {
    let here = Here::start(HttpMode::Sync, HttpAuth::Simple).await;
    let bob = here.accept().await;
    until("the link", || here.is_connected()).await;
    drop(bob);
    let mut bob = here.accept().await;
    assert!(here.is_connected(), "somebody is there: that was all there was to know");
    let answer = here.ask();
    bob.octets().await;
    // Gone in the middle: whether it was seen is not known, and no answer will come.
    drop(bob);
    assert!(answer.await.unwrap().starts_with("T01"));
    let answer = here.ask();
    let mut bob = here.accept().await;
    bob.octets().await;
    fulfilled(&mut bob).await;
    assert_eq!(answer.await.unwrap(), "Fulfill");
}

#[tokio::test]
async fn a_server_that_goes_and_comes_back() {
    let mut here = Here::start(HttpMode::Sync, HttpAuth::Simple).await;
    let bob = here.accept().await;
    until("the link", || here.is_connected()).await;
    let address = here.listener.local_addr().unwrap();
    here.listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    drop(bob);
    until("the loss", || !here.is_connected()).await;
    assert!(here.ask().await.unwrap().starts_with("T01"), "at once");
    here.listener = TcpListener::bind(address).await.unwrap();
    let mut bob = here.accept().await;
    until("the link", || here.is_connected()).await;
    let answer = here.ask();
    bob.octets().await;
    fulfilled(&mut bob).await;
    assert_eq!(answer.await.unwrap(), "Fulfill");
}

#[tokio::test]
async fn many_at_once_each_with_its_own_answer() {
    let here = Here::start(HttpMode::Sync, HttpAuth::Simple).await;
    let answers: Vec<_> = async {
        until("the link", || here.is_connected()).await;
        (0..40).map(|_| here.ask()).collect()
    }
    .await;
    let mut bobs = Vec::new();
    while bobs.len() < 40 {
        let mut bob = here.accept().await;
        bob.octets().await;
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
async fn a_stop_waits_for_what_is_under_way() {
    let mut here = Here::start(HttpMode::Sync, HttpAuth::Simple).await;
    let mut bob = here.accept().await;
    until("the link", || here.is_connected()).await;
    let answer = here.ask();
    bob.octets().await;
    here.handle.take().unwrap().stop(1001, "stopping");
    until("the end of the session", || !here.is_connected()).await;
    assert!(here.ask().await.unwrap().starts_with("T01"));
    fulfilled(&mut bob).await;
    assert_eq!(answer.await.unwrap(), "Fulfill");
    here.tasks.join_next().await.unwrap().unwrap();
    assert_eq!(here.state(), PeerState::Waiting);
}

#[tokio::test]
async fn an_asynchronous_answer_is_taken_once_and_from_nobody_else() {
    let here = Here::start(HttpMode::Async, HttpAuth::Simple).await;
    let mut bob = here.accept().await;
    until("the link", || here.is_connected()).await;
    let answer = here.ask();
    let (head, _) = bob.octets().await;
    assert!(head.contains("callback-url: http://node.example/accounts/bob/ilp"), "{head}");
    let id = head.split("request-id: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    bob.say("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").await;

    let node = serve(Arc::clone(&here.http), ConnectionLimits::default(), None).await;
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

/// Our own two ends, by TLS: HTTP/2.
#[tokio::test]
async fn both_ends_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = ServerTls::load(&certificate, &key, HTTP_PROTOCOLS).unwrap();
    let there: Serving =
        serve(context("bob", &["node"]), ConnectionLimits::default(), Some(tls)).await;

    let http = trusting("node", &["bob"], &certificate);
    let url = format!("https://localhost:{}/accounts/node/ilp", there.address.port());
    let token = Token::from(secret("node"));
    let dial = HttpDial::new("bob".parse().unwrap(), url.parse().unwrap(), "node", Some(&token));
    let (dialler, _handle) = HttpDialler::new(dial, Arc::clone(&http));
    let mut tasks = JoinSet::new();
    tasks.spawn(dialler.run());
    let bob = http.transport.connector.account("bob").unwrap();
    until("the link", || bob.is_connected()).await;
    let answers: Vec<_> = (0..100).map(|_| ask(&http)).collect();
    for answer in answers {
        let answer = answer.await.unwrap();
        assert!(answer.starts_with("F02"), "bob has no shop, but he answers: {answer}");
    }
    assert_eq!(there.context.http_counts().requests, 100);
    let connections = there.context.http_counts().accepted;
    assert!(connections <= 16, "a few connections for all: {connections}");
}

/// As [`context`], with a CA file.
fn trusting(id: &str, peers: &[&str], ca_file: &std::path::Path) -> Arc<HttpContext> {
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

/// Whether the peer has taken the packet is not known; if it has, its answer comes to our own server.
#[tokio::test]
async fn an_asynchronous_request_whose_connection_is_lost_may_still_be_answered() {
    let here = Here::start(HttpMode::Async, HttpAuth::Simple).await;
    let node = serve(Arc::clone(&here.http), ConnectionLimits::default(), None).await;
    let mut bob = here.accept().await;
    until("the link", || here.is_connected()).await;
    let mut asked = here.ask();
    let (head, _) = bob.octets().await;
    let request_id = head.split("request-id: ").nth(1).unwrap().lines().next().unwrap();
    drop(bob);
    let _bob = here.accept_again().await;
    assert!(asked.try_recv().is_err(), "it waits");
    let headers = format!(
        "Content-Type: application/octet-stream\r\nAuthorization: Bearer {}\r\nRequest-Id: {request_id}\r\n",
        secret("bob")
    );
    let mut callback = Raw::open(node.address).await;
    let (head, _) = callback.post("/ilp", &headers, &fulfill()).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(asked.await.unwrap(), "Fulfill");
}
