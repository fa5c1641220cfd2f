//! Tests with real sockets: ports, the number of sockets, many packets.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::connector::Connector;
use crate::net::{ClientTls, Clock, Descriptors, TlsTrust};
use crate::routing::HashSeed;
use crate::testing::Log;

async fn server(settings: TransportSettings) -> (BtpServer, Arc<NodeContext>) {
    let context = testing::context("node", &PEERS, settings);
    let logins = logins(&PEERS);
    let server = BtpServer::bind("127.0.0.1", 0, None, logins, Arc::clone(&context)).await;
    (server.unwrap(), context)
}

/// A server that runs its connections until the tasks are dropped.
async fn serve(settings: TransportSettings) -> (SocketAddr, Arc<NodeContext>, JoinSet<()>) {
    let (server, context) = server(settings).await;
    (server.local_addr(), context, run_server(server))
}

async fn connect(address: SocketAddr) -> TestPeer<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    TestPeer(tokio_tungstenite::client_async("ws://node/", stream).await.unwrap().0)
}

async fn log_in(address: SocketAddr, peer: &str) -> TestPeer<TcpStream> {
    let mut client = connect(address).await;
    client.log_in(peer).await;
    client
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let (first, context) = server(TransportSettings::default()).await;
    let port = first.local_addr().port();
    assert_ne!(port, 0, "the port that the system picked");
    let second = BtpServer::bind("127.0.0.1", port, None, logins(&[]), context).await;
    let error = second.unwrap_err().to_string();
    assert!(error.contains(&port.to_string()) && error.contains("in use"), "{error}");
}

#[tokio::test]
async fn a_host_without_an_address_is_named() {
    let context = testing::context("node", &PEERS, TransportSettings::default());
    let bound = BtpServer::bind("no.such.host.invalid", 0, None, logins(&[]), context);
    let error = bound.await.unwrap_err().to_string();
    assert!(error.contains("no.such.host.invalid"), "{error}");
}

#[tokio::test]
async fn a_listener_on_all_addresses_is_reached_on_each() {
    let context = testing::context("node", &PEERS, TransportSettings::default());
    let server = BtpServer::bind("0.0.0.0", 0, None, logins(&PEERS), context);
    let server = server.await.unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.local_addr().port()));
    let (connection, stream) = tokio::join!(server.accept(), TcpStream::connect(address));
    assert_eq!(connection.remote, stream.unwrap().local_addr().unwrap().into());
}

#[tokio::test]
async fn a_thousand_packets_in_flight_are_answered_in_any_order() {
    let (address, context, _tasks) = serve(TransportSettings::default()).await;
    let (mut alice, mut bob) = (log_in(address, "alice").await, log_in(address, "bob").await);
    let requests: Vec<_> = (0..1000).map(|id| request(id, &payment("test.bob"))).collect();
    alice.send_all(&requests).await;
    let mut ids = std::collections::BTreeSet::new();
    let mut answers = Vec::new();
    for _ in 0..1000 {
        let id = bob.prepare_id().await;
        assert!(ids.insert(id), "an id is used once");
        answers.push(response(id, &fulfillment()));
    }
    answers.reverse();
    bob.send_all(&answers).await;
    for id in (0..1000).rev() {
        assert_eq!(alice.frame().await, format!("RESPONSE {id} Fulfill"));
    }
    assert_eq!(account(&context, "alice").balance, 1000);
    assert_eq!(context.btp_counts().accepted, 2);
}

#[tokio::test]
async fn too_many_unauthenticated_sockets_are_closed_and_peers_still_log_in() {
    let unauthenticated = AddressLimits { total: 3, per_address: 3, reserved_for_known: 0 };
    let settings = TransportSettings { unauthenticated, ..TransportSettings::default() };
    let (address, context, _tasks) = serve(settings).await;
    let mut idle = std::collections::VecDeque::new();
    for _ in 0..3 {
        idle.push_back(TcpStream::connect(address).await.unwrap());
    }
    until("three are accepted", || context.btp_counts().accepted == 3).await;
    for (n, peer) in (1..).zip(PEERS) {
        let _client = log_in(address, peer).await;
        // The oldest is closed without a byte, whether by FIN or by RST.
        let mut oldest = idle.pop_front().unwrap();
        assert!(!matches!(oldest.read(&mut [0; 1]).await, Ok(1..)));
        assert_eq!(context.btp_counts().over_limit, n);
        idle.push_back(TcpStream::connect(address).await.unwrap());
        until("it is accepted", || context.btp_counts().accepted == 3 + 2 * n).await;
    }
    // An authenticated socket needs no permit, and its address is remembered.
    assert_eq!(context.btp_counts().failed_before_login, 0);
    assert!(context.known_addresses.contains(address.into()));
}

#[tokio::test]
async fn unauthenticated_sockets_are_closed_when_open_files_run_out_and_sessions_are_not() {
    let connector = connector_settings("node", &PEERS);
    let connector = Connector::new(connector, HashSeed::Random).unwrap();
    let context = NodeContext::with_tls(
        connector,
        Clock::start(),
        TransportSettings::default(),
        ClientTls::load(TlsTrust::default()).unwrap(),
        Descriptors::new(8),
    );
    let bound = BtpServer::bind("127.0.0.1", 0, None, logins(&PEERS), Arc::clone(&context)).await;
    let server = bound.unwrap();
    let (address, _tasks) = (server.local_addr(), run_server(server));
    // Another listener takes seven.
    let mut others: Vec<_> = (0..7).map(|_| context.descriptors.take()).collect();
    let mut idle = TcpStream::connect(address).await.unwrap();
    until("it is accepted", || context.btp_counts().accepted == 1).await;
    let mut alice = log_in(address, "alice").await;
    assert!(!matches!(idle.read(&mut [0; 1]).await, Ok(1..)));
    // Only sessions are open now.
    let mut second = TcpStream::connect(address).await.unwrap();
    assert!(!matches!(second.read(&mut [0; 1]).await, Ok(1..)));
    assert_eq!(alice.frames_so_far().await, [""; 0]);
    assert_eq!(context.btp_counts().over_limit, 2);
    others.pop();
    let bob = log_in(address, "bob").await;
    // The end of a session releases its open file.
    drop(bob);
    until("bob is gone", || !context.connector.account("bob").unwrap().is_connected()).await;
    log_in(address, "carol").await;
}

#[tokio::test]
async fn a_client_that_closes_without_a_byte_is_counted_and_not_logged() {
    let log = Log::of_this_thread();
    let (address, context, _tasks) = serve(TransportSettings::default()).await;
    for n in 1..=3 {
        drop(TcpStream::connect(address).await.unwrap());
        until("it is counted", || context.btp_counts().failed_before_login == n).await;
    }
    assert!(!log.text().contains("WARN"), "{}", log.text());
    let mut other = TcpStream::connect(address).await.unwrap();
    other.write_all(b"x").await.unwrap();
    drop(other);
    until("it is counted", || context.btp_counts().failed_before_login == 4).await;
    assert!(log.text().contains("WARN message=connection refused"), "{}", log.text());
}

#[tokio::test]
async fn a_browser_gets_a_page_about_this_port() {
    let (address, context, _tasks) = serve(TransportSettings::default()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 ") && answer.contains("BTP"), "{answer}");
    until("it is counted", || context.btp_counts().failed_before_login == 1).await;
}

#[tokio::test]
async fn logins_may_change_while_sessions_are_open() {
    let (server, _context) = server(TransportSettings::default()).await;
    let address = server.local_addr();
    let mut connections = JoinSet::new();
    let (mut alice, connection) = tokio::join!(connect(address), async {
        let connection = server.accept().await;
        connections.spawn(connection.run());
        // `connect` ends with the WebSocket handshake, which the connection's task answers.
    });
    let () = connection;
    alice.log_in("alice").await;
    server.shared.logins.store(Arc::new(directory(&["bob"])));
    let (mut again, ()) = tokio::join!(connect(address), async {
        let connection = server.accept().await;
        connections.spawn(connection.run());
    });
    again.send(&auth(1, "alice", &token("alice"))).await;
    assert_eq!(again.frame().await, "ERROR 1 F00");
    assert_eq!(alice.frames_so_far().await, [""; 0]);
}
