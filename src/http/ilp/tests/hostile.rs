//! Peers and strangers that misbehave on purpose: what they can make us hold is bounded.

use super::*;
use crate::account::Limits;
use crate::connector::Timing;
use crate::http::inbound_session::InboundSessions;
use crate::http::testing::{bounds, settings};
use crate::link::{Framing, Outbox, SessionKind};
use crate::web::Connections;

const HOLD: Duration = Duration::from_secs(5);

/// A node whose peer alice has a server that takes connections, and says nothing on them.
async fn with_a_deaf_server(outbox_bytes_max: usize) -> (Serving, std::net::TcpListener, String) {
    let http = context("node", &["alice"]);
    let mut settings = settings("node", &["alice"]);
    settings.accounts[0].limits = Limits { outbox_bytes_max, ..Limits::default() };
    settings.timing = Timing { max_hold: HOLD, ..Timing::default() };
    http.transport.connector.apply_settings(settings).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/back", listener.local_addr().unwrap());
    let dial = HttpDial::new("alice".parse().unwrap(), url.parse().unwrap(), "node", None);
    http.contacts.set([dial.with(HttpMode::Async, HttpAuth::Simple)]);
    (serve(http, ConnectionLimits::default(), None).await, listener, url)
}

/// Answers are made at once, and their Prepares expire in an hour; nobody takes them.
#[tokio::test]
async fn answers_that_a_peers_server_does_not_take_are_bounded_in_number_and_time() {
    let (node, _listener, _) = with_a_deaf_server(20_000).await;
    let headers =
        format!("{}Request-Id: 42ee09c8-a6de-4ae3-8a47-4732b0cbb07b\r\n", bearer("alice"));
    // A ping comes back with its data: two of them are enough.
    let packet = ping_with(&[7; 15_000], Duration::from_secs(3600));
    let mut client = Raw::open(node.address).await;
    let mut taken = 0;
    loop {
        let (head, _) = client.post("/ilp", &headers, &packet).await;
        if head.starts_with("HTTP/1.1 429 ") {
            break;
        }
        assert!(head.starts_with("HTTP/1.1 202 "), "{head}");
        taken += 1;
        assert!(taken < 2000, "all are taken, and none of their answers is");
    }
    // Nobody has to wait for an answer longer than we would for that of a next hop.
    let mut again = String::new();
    let deadline = Instant::now() + HOLD * 3;
    while !again.starts_with("HTTP/1.1 202 ") {
        assert!(Instant::now() < deadline, "{again}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        again = client.post("/ilp", &headers, &packet).await.0;
    }
}

/// Each keeps its connection open without ever finishing a head.
#[tokio::test]
async fn a_stranger_who_has_to_make_room_goes_at_once() {
    let long = Duration::from_secs(60);
    let bounds = ConnectionLimits {
        head_time: long,
        goodbye_time: long,
        ..bounds(|limits| limits.unauthenticated.total = 3)
    };
    let node = serve(context("node", &["alice"]), bounds, None).await;
    let mut strangers = Vec::new();
    for _ in 0..12 {
        let mut stranger = Raw::open(node.address).await;
        stranger.say("GET / HTTP/1.1\r\nHost: h\r\nX: ").await;
        strangers.push(stranger);
    }
    for stranger in &mut strangers[..9] {
        stranger.rest().await;
    }
    let mut client = Raw::open(node.address).await;
    let (head, _) = client.post("/ilp", &bearer("alice"), &ping()).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

/// A packet's body that does not come is waited for; how many at once, is bounded for each peer by itself.
#[tokio::test]
async fn bodies_that_do_not_come_are_bounded_for_each_peer() {
    let bounds = ConnectionLimits { bodies_max: 4, ..ConnectionLimits::default() };
    let node = serve(context("node", &["alice", "bob"]), bounds, None).await;
    let begin = format!(
        "POST /ilp HTTP/1.1\r\nHost: h\r\n{}Content-Length: 60000\r\n\r\nx",
        bearer("alice")
    );
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut client = Raw::open(node.address).await;
        client.say(&begin).await;
        open.push(client);
    }
    let mut client = Raw::open(node.address).await;
    let mut said = String::new();
    for _ in 0..200 {
        // The four may still be on their way.
        said = client.post("/ilp", &bearer("alice"), &ping()).await.0;
        if said.starts_with("HTTP/1.1 429 ") {
            break;
        }
        client = Raw::open(node.address).await;
    }
    assert!(said.starts_with("HTTP/1.1 429 "), "{said}");
    let mut bob = Raw::open(node.address).await;
    let (head, _) = bob.post("/ilp", &bearer("bob"), &ping()).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "others notice nothing: {head}");
    drop(open);
    until("the places are free", || node.server.guests().len() <= 2).await;
    let mut client = Raw::open(node.address).await;
    let (head, _) = client.post("/ilp", &bearer("alice"), &ping()).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

/// Packets may be in flight by the thousands, each for half a minute.
#[tokio::test]
async fn a_request_is_dropped_before_its_answer_is_waited_for() {
    let http = context("node", &["alice", "bob"]);
    let bob = http.transport.connector.account("bob").unwrap();
    let (outbox, now) = (Outbox::new(Framing::None, 1 << 20), http.transport.clock.now());
    http.transport.connector.attach_session(
        &bob,
        SessionKind::Dialled,
        None,
        Arc::clone(&outbox),
        now,
    );
    let (sessions, _new) = InboundSessions::new(Arc::clone(&http.transport));
    let guests = Connections::new(ConnectionLimits::default());
    let (guest, _) = guests.enter("127.0.0.1:1".parse().unwrap(), false, now.mono);
    let ilp =
        Ilp { context: http, sessions, guests: Arc::clone(&guests), throttle: Throttle::default() };

    let packet = Arc::new(prepare("test.bob.shop"));
    struct Tracked(Arc<Vec<u8>>);
    impl AsRef<[u8]> for Tracked {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    let body = Bytes::from_owner(Tracked(Arc::clone(&packet)));
    let request = Request::post("/ilp")
        .header("authorization", format!("Bearer {}", secret("alice")))
        .header("content-type", "application/octet-stream")
        .body(Body::from(body))
        .unwrap();
    assert_eq!(Arc::strong_count(&packet), 2);
    let handed = ilp.hand_over(&guest, None, request).await.unwrap_or_else(|_| panic!("refused"));
    assert!(matches!(handed, Handed::Waits(_)));
    assert_eq!(Arc::strong_count(&packet), 1, "nothing of the request is kept");
    assert!(outbox.take_packet().is_some());
}

#[tokio::test]
async fn wrong_tokens_end_the_connection_and_right_ones_get_in_meanwhile() {
    let node = serve(context("node", &["alice", "bob"]), ConnectionLimits::default(), None).await;
    let wrong = bearer("alice").replace("secret-of-alice", "guess");
    for (path, status) in [
        ("/accounts/alice/ilp", "401"),
        ("/ilp", "401"),
        ("/accounts/nobody/ilp", "401"),
        ("/accounts/%ff/ilp", "400"),
    ] {
        let mut client = Raw::open(node.address).await;
        for attempt in 1..=5 {
            let (head, _) = client.post(path, &wrong, &ping()).await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
            assert_eq!(head.contains("connection: close"), attempt == 5, "{head}");
        }
        assert_eq!(client.rest().await, "");
    }
    // Beyond a number from one address guesses are not looked at.
    let mut last = String::new();
    for _ in 0..400 {
        let mut client = Raw::open(node.address).await;
        last = client.post("/accounts/alice/ilp", &wrong, &ping()).await.0;
        if last.starts_with("HTTP/1.1 429 ") {
            break;
        }
    }
    assert!(last.contains("retry-after: 1"), "{last}");
    let refused = node.context.http_counts().refused_logins;
    assert!((200..400).contains(&refused), "{refused}");
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let mut client = Raw::open(node.address).await;
        let (head, _) = client.post("/accounts/alice/ilp", &bearer("alice"), &ping()).await;
        if head.starts_with("HTTP/1.1 200 ") {
            break;
        }
        assert!(Instant::now() < deadline, "{head}");
    }
}
