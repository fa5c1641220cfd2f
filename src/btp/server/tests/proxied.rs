//! Reverse proxies in front of the listener: where a socket counts, and who is believed.

use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::*;
use crate::net::{NamedProxy, Proxies, ProxySends};
use crate::testing::Log;

const CLIENT: &str = "192.0.2.7";

/// A server behind a proxy on this machine, until the tasks are dropped.
async fn serve_behind(
    sends: ProxySends,
    settings: TransportSettings,
) -> (SocketAddr, Arc<NodeContext>, JoinSet<()>) {
    let context = testing::context("node", &PEERS, settings);
    let network = "127.0.0.1".parse().unwrap();
    let proxies = Proxies::new(vec![NamedProxy { network, sends, listener: None }]);
    context.proxies.store(Arc::new(proxies));
    let server = BtpServer::bind("127.0.0.1", 0, None, logins(&PEERS), Arc::clone(&context)).await;
    let server = server.unwrap();
    (server.local_addr(), context, run_server(server))
}

/// Logs in after `begin`, with these headers in the request for the WebSocket.
async fn log_in(
    address: SocketAddr,
    begin: &[u8],
    headers: &[(&'static str, &str)],
) -> TestPeer<TcpStream> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(begin).await.unwrap();
    let mut request = "ws://node/".into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    let upgraded = tokio_tungstenite::client_async(request, stream).await;
    let mut peer = TestPeer(upgraded.unwrap().0);
    peer.log_in("alice").await;
    peer
}

fn knows(context: &NodeContext, address: &str) -> bool {
    context.known_addresses.contains(address.parse::<IpAddr>().unwrap().into())
}

fn line(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 127.0.0.1 5000 3000\r\n").into_bytes()
}

#[tokio::test]
async fn the_client_of_the_proxy_protocol_logs_in_from_its_own_address() {
    let log = Log::of_this_thread();
    let sends = ProxySends::ProxyProtocol;
    let (address, context, _tasks) = serve_behind(sends, TransportSettings::default()).await;
    // What the client itself says does not count.
    let forged = [("X-Forwarded-For", "203.0.113.1"), ("Forwarded", "for=203.0.113.1")];
    let _peer = log_in(address, &line(CLIENT), &forged).await;
    assert!(knows(&context, CLIENT) && !knows(&context, "127.0.0.1"));
    assert!(!knows(&context, "203.0.113.1"));
    assert!(log.text().contains("remote=\"192.0.2.7:5000\""), "{}", log.text());
    // A health check of the proxy itself.
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    let _proxy = log_in(address, local, &[]).await;
    assert!(knows(&context, "127.0.0.1"));
}

#[tokio::test]
async fn a_connection_of_a_proxy_without_its_header_is_refused() {
    let log = Log::of_this_thread();
    let sends = ProxySends::ProxyProtocol;
    let (address, context, _tasks) = serve_behind(sends, TransportSettings::default()).await;
    for sent in [&b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"[..], b"PROXY TCP4 x\r\n", b"\x16\x03\x01"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        assert!(!matches!(stream.read(&mut [0; 1]).await, Ok(1..)), "{sent:?}");
    }
    until("three are counted", || context.btp_counts().failed_before_login == 3).await;
    let text = log.text();
    assert!(text.contains("WARN message=connection refused"), "{text}");
    assert!(text.contains("does not begin with a header of the PROXY protocol"), "{text}");
    // A probe that sends nothing is no mistake.
    drop(TcpStream::connect(address).await.unwrap());
    until("it is counted", || context.btp_counts().failed_before_login == 4).await;
    assert!(log.text().contains("DEBUG message=a connection ended without a byte"));
}

#[tokio::test]
async fn sockets_of_one_client_of_a_proxy_displace_only_its_own() {
    let unauthenticated = AddressLimits { total: 8, per_address: 2, reserved_for_known: 0 };
    let settings = TransportSettings { unauthenticated, ..TransportSettings::default() };
    let (address, context, _tasks) = serve_behind(ProxySends::ProxyProtocol, settings).await;
    let mut idle = Vec::new();
    for (n, client) in (1..).zip(["192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.2"]) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // With the beginning of a request, so that the node has read the header.
        stream.write_all(&[&line(client)[..], b"GET"].concat()).await.unwrap();
        idle.push(stream);
        until("it is accepted", || context.btp_counts().accepted == n).await;
    }
    let mut oldest = idle.remove(1);
    assert!(
        !matches!(oldest.read(&mut [0; 1]).await, Ok(1..)),
        "one more than its client may have"
    );
    assert_eq!(context.btp_counts().over_limit, 1);
    // All of them come from the address of the proxy, which may have two.
    let _peer = log_in(address, &line("192.0.2.3"), &[]).await;
    for stream in &mut idle {
        stream.write_all(b" / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 400", "the others are still open");
    }
}

#[tokio::test]
async fn a_header_of_the_request_moves_the_socket_to_its_client() {
    let settings = TransportSettings::default();
    let (address, context, _tasks) = serve_behind(ProxySends::XForwardedFor, settings).await;
    let _peer = log_in(address, b"", &[("X-Forwarded-For", "203.0.113.1, 192.0.2.7")]).await;
    assert!(knows(&context, CLIENT) && !knows(&context, "203.0.113.1"));
    assert!(!knows(&context, "127.0.0.1"));
    let mut refused = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         X-Forwarded-For: {CLIENT}\r\n\r\n"
    );
    refused.write_all(request.as_bytes()).await.unwrap();
    let mut peer = TestPeer(
        tokio_tungstenite::WebSocketStream::from_raw_socket(
            {
                let mut head = vec![0; 129];
                refused.read_exact(&mut head).await.unwrap();
                assert!(head.ends_with(b"\r\n\r\n"), "{}", String::from_utf8_lossy(&head));
                refused
            },
            Role::Client,
            None,
        )
        .await,
    );
    peer.send(&auth(1, "alice", "wrong")).await;
    assert_eq!(peer.close_frame().await.0, POLICY_VIOLATION);
    let alice = context.peers.status(&"alice".parse().unwrap());
    until("it is recorded", || {
        alice.snapshot().last_refused_login.is_some_and(|refused| refused.remote == CLIENT)
    })
    .await;

    let sends = ProxySends::Forwarded;
    let (address, context, _tasks) = serve_behind(sends, TransportSettings::default()).await;
    let headers = [("X-Forwarded-For", "203.0.113.1"), ("Forwarded", "for=\"[2001:db8::7]:5\"")];
    let _peer = log_in(address, b"", &headers).await;
    assert!(knows(&context, "2001:db8::7") && !knows(&context, "203.0.113.1"));
}

#[tokio::test]
async fn anyone_else_may_say_what_they_like() {
    let context = testing::context("node", &PEERS, TransportSettings::default());
    let server = BtpServer::bind("127.0.0.1", 0, None, logins(&PEERS), Arc::clone(&context)).await;
    let server = server.unwrap();
    let (address, _tasks) = (server.local_addr(), run_server(server));
    let headers = [("X-Forwarded-For", CLIENT), ("Forwarded", "for=192.0.2.7")];
    let _peer = log_in(address, b"", &headers).await;
    assert!(knows(&context, "127.0.0.1") && !knows(&context, CLIENT));
    let log = Log::of_this_thread();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&line(CLIENT)).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    until("the reason is logged", || log.text().contains("proxies has no item for its address"))
        .await;
}

#[tokio::test]
async fn a_proxy_that_does_not_name_its_client_is_logged_once_it_logs_in() {
    let log = Log::of_this_thread();
    let settings = TransportSettings::default();
    let (address, context, _tasks) = serve_behind(ProxySends::XForwardedFor, settings).await;
    let warning = "a proxy does not name its client";
    let mut probe = TcpStream::connect(address).await.unwrap();
    probe.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    probe.read_to_string(&mut answer).await.unwrap();
    until("it is counted", || context.btp_counts().failed_before_login == 1).await;
    let _named = log_in(address, b"", &[("X-Forwarded-For", CLIENT)]).await;
    assert!(knows(&context, CLIENT) && !log.text().contains(warning), "{}", log.text());
    let _unnamed = log_in(address, b"", &[]).await;
    until("it is logged", || log.text().contains(warning)).await;
    assert!(log.text().contains(&format!("WARN message={warning}")), "{}", log.text());
}
