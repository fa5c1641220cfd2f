//! Clients that misbehave on purpose, peers or not, can make the node hold only a bounded amount.

use super::*;
use crate::account::Limits;
use crate::connector::Timing;
use crate::http::inbound_session::InboundSessions;
use crate::http::testing::context_with;
use crate::net::{Clock, TlsTrust};
use crate::web::WRONG_TOKENS;

const HOLD: Duration = Duration::from_secs(5);

/// A node whose peer alice has a server that accepts connections, and answers nothing.
async fn with_a_silent_server(
    outbox_bytes_max: usize,
) -> (RunningServer, std::net::TcpListener, String) {
    let http = context("node", &["alice"]);
    let mut settings = testing::connector_settings("node", &["alice"]);
    settings.accounts[0].limits = Limits { outbox_bytes_max, ..Limits::default() };
    settings.timing = Timing { max_hold_time: HOLD, ..Timing::default() };
    http.node.connector.apply_settings(settings).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/back", listener.local_addr().unwrap());
    let dial = HttpDial::new("alice".parse().unwrap(), url.parse().unwrap(), "node", None);
    http.http_peers.replace_all([dial.with_mode(HttpMode::Async, HttpAuth::Simple)]);
    (serve(http, ConnectionLimits::default(), None).await, listener, url)
}

/// Answers are ready at once, their Prepares expire in an hour, and the server receives none.
#[tokio::test]
async fn unreceived_answers_are_bounded_in_number_and_time() {
    let (node, _listener, _) = with_a_silent_server(20_000).await;
    let headers = format!("{}{REQUEST_ID}", packet_headers("alice"));
    // The answer to a ping repeats its data: two of them are enough.
    let packet = ping_with(&[7; 15_000], Duration::from_secs(3600));
    let mut client = RawConnection::open(node.address).await;
    let mut accepted = 0;
    loop {
        let (head, _) = client.post("/ilp", &headers, &packet).await;
        if head.starts_with("HTTP/1.1 429 ") {
            break;
        }
        assert!(head.starts_with("HTTP/1.1 202 "), "{head}");
        accepted += 1;
        assert!(accepted < 2000, "no limit");
    }
    // The node drops an answer after the time that it waits for a next hop.
    let mut again = String::new();
    let deadline = Instant::now() + HOLD * 3;
    while !again.starts_with("HTTP/1.1 202 ") {
        assert!(Instant::now() < deadline, "{again}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        again = client.post("/ilp", &headers, &packet).await.0;
    }
}

/// Each keeps its connection open, with an incomplete head.
#[tokio::test]
async fn an_evicted_connection_is_closed_at_once() {
    let long = Duration::from_secs(60);
    let limits = ConnectionLimits {
        head_time: long,
        closing_time: long,
        ..limits(|limits| limits.unauthenticated.total = 3)
    };
    let node = serve(context("node", &["alice"]), limits, None).await;
    let mut clients = Vec::new();
    for _ in 0..12 {
        let mut client = RawConnection::open(node.address).await;
        client.write("GET / HTTP/1.1\r\nHost: h\r\nX: ").await;
        clients.push(client);
    }
    for client in &mut clients[..9] {
        client.read_to_end().await;
    }
    check_ping(&node, "alice", 200).await;
}

#[tokio::test]
async fn incomplete_bodies_are_bounded_for_each_peer() {
    let limits = ConnectionLimits { bodies_max: 4, ..ConnectionLimits::default() };
    let node = serve(context("node", &["alice", "bob"]), limits, None).await;
    let begin = post_head("alice", 60_000) + "x";
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut client = RawConnection::open(node.address).await;
        client.write(&begin).await;
        open.push(client);
    }
    let mut client = RawConnection::open(node.address).await;
    let mut head = String::new();
    for _ in 0..200 {
        // The node may not have received the four yet.
        head = client.post("/ilp", &packet_headers("alice"), &ping()).await.0;
        if head.starts_with("HTTP/1.1 429 ") {
            break;
        }
        client = RawConnection::open(node.address).await;
    }
    assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    // Other peers are not affected.
    let _bob = check_ping(&node, "bob", 200).await;
    drop(open);
    until("the four connections are closed", || node.server.limiter().connections() <= 2).await;
    check_ping(&node, "alice", 200).await;
}

/// Packets may be in flight by the thousands, each for half a minute.
#[tokio::test]
async fn a_request_is_dropped_before_the_wait_for_its_answer() {
    let http = context("node", &["alice", "bob"]);
    let (_, outbox) = attach_session(&http.node, "bob", SessionKind::Dialled);
    let (sessions, _new) = InboundSessions::new(Arc::clone(&http.node));
    let limiter = ConnectionLimiter::new(ConnectionLimits::default());
    let remote: std::net::SocketAddr = "127.0.0.1:1".parse().unwrap();
    let (connection, _) = limiter.admit_connection(remote, false, http.node.clock.mono());
    let throttle = LogThrottle::default();
    let ilp = Ilp { context: http, sessions, limiter: Arc::clone(&limiter), throttle };

    let packet = Arc::new(payment("test.bob.shop"));
    struct Tracked(Arc<Vec<u8>>);
    impl AsRef<[u8]> for Tracked {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    let body = Bytes::from_owner(Tracked(Arc::clone(&packet)));
    let request = Request::post("/ilp")
        .header("authorization", format!("Bearer {}", token("alice")))
        .header("content-type", "application/octet-stream")
        .body(Body::from(body))
        .unwrap();
    assert_eq!(Arc::strong_count(&packet), 2);
    let origin = Origin { connection: &connection, remote: remote.into() };
    let outcome = ilp.handle_packet(origin, None, request).await;
    assert!(matches!(outcome, Ok(PostOutcome::Pending(_))));
    assert_eq!(Arc::strong_count(&packet), 1, "nothing of the request is kept");
    assert!(outbox.take_packet().is_some());
}

/// The node's clock stands still, so that a slow machine is not below the rate.
#[tokio::test]
async fn wrong_tokens_close_the_connection_and_right_ones_still_work() {
    let clock = Clock::manual();
    clock.set_wall(testing::now());
    let http = context_with(clock.clone(), TlsTrust::default(), "node", &["alice"]);
    let node = serve(http, ConnectionLimits::default(), None).await;
    let wrong = packet_headers("alice").replace("secret-of-alice", "guess");
    for (path, status) in [
        ("/accounts/alice/ilp", "401"),
        ("/ilp", "401"),
        ("/accounts/unknown/ilp", "401"),
        ("/accounts/%ff/ilp", "400"),
    ] {
        let mut client = RawConnection::open(node.address).await;
        for attempt in 1..=5 {
            let (head, _) = client.post(path, &wrong, &ping()).await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
            assert_eq!(head.contains("connection: close"), attempt == 5, "{head}");
        }
        assert_eq!(client.read_to_end().await, "");
    }
    // One address may use half of the rate, and that of two seconds at once. Above it, no token is checked.
    let burst = u64::from(WRONG_TOKENS.0);
    let refused = || node.context.http_counts().refused_logins;
    // The five with a path that is not UTF-8 count as wrong tokens, and as no refused logins.
    for _ in refused() + 5..burst {
        check_status(&node, &wrong, 401).await;
    }
    let counted = refused();
    for headers in [&wrong, &packet_headers("alice")] {
        let head = check_status(&node, headers, 429).await;
        assert!(head.contains("retry-after: 1"), "{head}");
    }
    assert_eq!(refused(), counted);
    clock.advance(Duration::from_secs(1));
    check_status(&node, &packet_headers("alice"), 200).await;
    check_status(&node, &wrong, 401).await;
}

/// A ping on a new connection, with these headers, gets this status. The head of the answer.
async fn check_status(node: &RunningServer, headers: &str, status: u16) -> String {
    let mut client = RawConnection::open(node.address).await;
    let (head, _) = client.post("/accounts/alice/ilp", headers, &ping()).await;
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    head
}
