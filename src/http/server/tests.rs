//! The listener over real sockets.

use std::time::Duration;

use axum::body::Body;
use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::*;
use crate::http::testing::{
    RawConnection, RunningServer, context_with, limits, serve, serve_without_peers,
};
use crate::net::{Clock, NamedProxy, Proxies, ProxySends, TlsTrust};
use crate::testing::{Log, until};
use crate::web::{HEAD_BYTES_MAX, NARROW_STREAMS, Tasks};

const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn http_1_keeps_the_connection_and_answers_in_json() {
    let node = serve_without_peers(ConnectionLimits::default(), None).await;
    let mut client = RawConnection::open(node.address).await;
    for _ in 0..3 {
        let (head, body) = client.get("/nothing/here").await;
        assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{head}");
        assert!(head.contains("content-type: application/problem+json"), "{head}");
        assert!(body.contains(r#""detail":"there is nothing at /nothing/here""#), "{body}");
    }
    assert_eq!(node.context.http_counts().requests, 3);
    assert_eq!(node.context.http_counts().accepted, 1);
}

#[tokio::test]
async fn http_2_by_prior_knowledge() {
    let node = serve_without_peers(ConnectionLimits::default(), None).await;
    let stream = TcpStream::connect(node.address).await.unwrap();
    let tasks = Tasks::default();
    let handshake = http2::Builder::new(tasks.clone()).handshake(TokioIo::new(stream));
    let (sender, connection) = handshake.await.unwrap();
    tasks.add(async move { drop(connection.await) });
    let mut poller = tasks.poller();
    let requests = async {
        let request = |path: &str| {
            let uri = format!("http://{}{path}", node.address);
            sender.clone().send_request(Request::get(uri).body(Body::empty()).unwrap())
        };
        let (one, other) = tokio::join!(request("/one"), request("/other"));
        assert_eq!([one, other].map(|answer| answer.unwrap().status().as_u16()), [404, 404]);
    };
    tokio::select! {
        never = poller.run() => match never {},
        () = requests => {}
    }
    assert_eq!(node.context.http_counts().accepted, 1);
}

#[tokio::test]
async fn incomplete_heads_end_the_connection() {
    let limits =
        ConnectionLimits { head_time: SHORT, closing_time: SHORT, ..ConnectionLimits::default() };
    let node = serve_without_peers(limits, None).await;
    for sent in ["", "GET", "GET / HTTP/1.1\r\nHost: h\r\n", "PRI * HTTP/2.0\r\n"] {
        let mut client = RawConnection::open(node.address).await;
        client.write(sent).await;
        assert_eq!(client.read_to_end().await, "", "{sent:?}");
    }
    assert_eq!(node.server.limiter().connections(), 0);
}

#[tokio::test]
async fn unauthenticated_connections_end_after_a_while() {
    let limits = ConnectionLimits {
        unauthenticated_time: SHORT * 20,
        closing_time: SHORT,
        ..ConnectionLimits::default()
    };
    let node =
        serve_without_peers(ConnectionLimits { head_time: SHORT * 10, ..limits }, None).await;
    let mut client = RawConnection::open(node.address).await;
    client.get("/a").await;
    assert_eq!(client.read_to_end().await, "");
}

#[tokio::test]
async fn one_connection_too_many_replaces_the_oldest() {
    let node = serve_without_peers(limits(|limits| limits.unauthenticated.total = 2), None).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = RawConnection::open(node.address).await;
        client.get("/a").await;
        clients.push(client);
    }
    assert_eq!(clients[0].read_to_end().await, "");
    for client in &mut clients[1..] {
        client.get("/a").await;
    }
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let node = serve_without_peers(ConnectionLimits::default(), None).await;
    let mut client = RawConnection::open(node.address).await;
    let long = "x".repeat(2 * HEAD_BYTES_MAX as usize);
    client.write(&format!("GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
    let rest = client.read_to_end().await;
    assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 4"), "{rest}");
}

#[tokio::test]
async fn a_stop_closes_idle_connections() {
    let node = serve_without_peers(ConnectionLimits::default(), None).await;
    let mut client = RawConnection::open(node.address).await;
    client.get("/a").await;
    node.server.connections().close_when_idle();
    assert_eq!(client.read_to_end().await, "");
}

#[tokio::test]
async fn unauthenticated_clients_have_few_concurrent_streams() {
    let node = serve_without_peers(ConnectionLimits::default(), None).await;
    // With a window of no bytes, no body can be sent, so every request stays open.
    let settings = b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0";
    let block = b"\x82\x86\x04\x07/wallet\x01\x01x";
    let mut frames = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], settings].concat();
    for stream in 0..100_u32 {
        frames.extend([0, 0, u8::try_from(block.len()).unwrap(), 1, 5]);
        frames.extend((1 + 2 * stream).to_be_bytes());
        frames.extend(block);
    }
    let mut client = RawConnection::open(node.address).await;
    client.write(&frames).await;
    let requests = || node.context.http_counts().requests;
    until("the first requests", || requests() == u64::from(NARROW_STREAMS)).await;
    // One more would be counted before the answer to a later ping.
    let ping = b"\0\0\x08\x06\0\0\0\0\0pingpong";
    client.write(ping).await;
    let mut received = Vec::new();
    while !received.windows(8).any(|window| window == b"pingpong") {
        assert!(tokio::io::AsyncReadExt::read_buf(&mut client.0, &mut received).await.unwrap() > 0);
    }
    assert_eq!(requests(), u64::from(NARROW_STREAMS));
}

/// A node that admits ten requests a second of all clients, and its clock, which stands still: a slow machine is not
/// below the rate.
async fn limited_node() -> (RunningServer, Clock) {
    let clock = Clock::manual();
    let http = context_with(clock.clone(), TlsTrust::default(), "node", &[]);
    let limits = limits(|limits| limits.unauthenticated_requests_per_second = 10);
    (serve(http, limits, None).await, clock)
}

#[tokio::test]
async fn unauthenticated_requests_are_limited_per_second() {
    let (node, clock) = limited_node().await;
    let ask = async || {
        let mut client = RawConnection::open(node.address).await;
        (client.get("/a").await.0, client)
    };
    for number in 0..10 {
        let (head, _) = ask().await;
        assert!(head.starts_with("HTTP/1.1 404 "), "{number}: two seconds of half of it: {head}");
    }
    let (head, mut client) = ask().await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert!(head.contains("retry-after: 1") && head.contains("connection: close"), "{head}");
    assert_eq!(client.read_to_end().await, "");
    clock.advance(Duration::from_secs(1));
    let (head, _) = ask().await;
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
}

fn name_proxy(node: &RunningServer, sends: ProxySends) {
    let network = "127.0.0.1".parse().unwrap();
    let proxies = Proxies::new(vec![NamedProxy { network, sends, listener: None }]);
    node.context.proxies.store(Arc::new(proxies));
}

/// One connection of a proxy brings requests of many clients.
#[tokio::test]
async fn clients_behind_a_proxy_have_rates_of_their_own() {
    let (node, _clock) = limited_node().await;
    name_proxy(&node, ProxySends::XForwardedFor);
    let mut proxy = RawConnection::open(node.address).await;
    let mut ask = async |client: &str| {
        let request = format!("GET /x HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: {client}\r\n\r\n");
        proxy.write(request).await;
        proxy.read_text().await.0[9..12].to_owned()
    };
    for number in 0..=10 {
        let expected = if number < 10 { "404" } else { "503" };
        // The client writes the first address, the proxy the second.
        let status = ask(&format!("203.0.113.{number}, 192.0.2.1")).await;
        assert_eq!(status, expected, "{number}: two seconds of half of ten");
    }
    assert_eq!(ask("192.0.2.2").await, "404", "another client");
    assert_eq!(node.context.http_counts().accepted, 1);
}

#[tokio::test]
async fn the_proxy_protocol_comes_before_the_first_request() {
    let log = Log::of_this_thread();
    let node = serve_without_peers(limits(|limits| limits.unauthenticated.per_address = 1), None);
    let node = node.await;
    name_proxy(&node, ProxySends::ProxyProtocol);
    let open = async |client: u8| {
        let mut connection = RawConnection::open(node.address).await;
        let header =
            [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02"[..], &[client], &[127, 0, 0, 1]];
        connection.write([&header.concat()[..], &[0, 5, 0, 6]].concat()).await;
        assert!(connection.get("/a").await.0.starts_with("HTTP/1.1 404"));
        connection
    };
    let (mut first, mut other) = (open(1).await, open(2).await);
    assert_eq!(node.context.http_counts().over_limit, 0, "each client may have one");
    let _second = open(1).await;
    assert_eq!(first.read_to_end().await, "", "its address has another one now");
    assert_eq!(node.context.http_counts().over_limit, 1);
    assert!(log.text().contains("remote=192.0.2.1:5"), "{}", log.text());
    assert!(other.get("/a").await.0.starts_with("HTTP/1.1 404"));
    let mut without = RawConnection::open(node.address).await;
    without.write("GET /a HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(without.read_to_end().await, "");
    assert!(log.text().contains("WARN message=connection refused"), "{}", log.text());
}
