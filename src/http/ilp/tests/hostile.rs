//! Peers and strangers that misbehave on purpose: what they can make us hold is bounded.

use super::*;
use crate::account::Limits;
use crate::connector::Timing;
use crate::http::testing::settings;

const HOLD: Duration = Duration::from_secs(5);

/// A node whose peer alice has a server that takes connections, and says nothing on them.
async fn with_a_deaf_server(outbox_bytes_max: usize) -> (Serving, std::net::TcpListener, String) {
    let http = context("node", &["alice"]);
    let mut settings = settings("node", &["alice"]);
    settings.accounts[0].limits = Limits { outbox_bytes_max, ..Limits::default() };
    settings.timing = Timing { max_hold: HOLD, ..Timing::default() };
    http.transport.connector.apply(settings).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/back", listener.local_addr().unwrap());
    let dial = HttpDial::new("alice".parse().unwrap(), url.parse().unwrap(), "node", None);
    http.contacts.set([dial.with(HttpMode::Async, HttpAuth::Simple)]);
    (serve(http, Bounds::default(), None).await, listener, url)
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
        if head.starts_with("HTTP/1.1 503 ") {
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
    let bounds = Bounds {
        connections_max: 3,
        head_time: Duration::from_secs(60),
        goodbye_time: Duration::from_secs(60),
        ..Bounds::default()
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
    let bounds = Bounds { bodies_max: 4, ..Bounds::default() };
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
        if said.starts_with("HTTP/1.1 503 ") {
            break;
        }
        client = Raw::open(node.address).await;
    }
    assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
    let mut bob = Raw::open(node.address).await;
    let (head, _) = bob.post("/ilp", &bearer("bob"), &ping()).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "others notice nothing: {head}");
    drop(open);
    until("the places are free", || node.server.guests().len() <= 2).await;
    let mut client = Raw::open(node.address).await;
    let (head, _) = client.post("/ilp", &bearer("alice"), &ping()).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}
