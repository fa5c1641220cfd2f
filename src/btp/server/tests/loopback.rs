//! What needs real sockets: ports, the number of sockets, many packets.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

async fn server(settings: TransportSettings) -> (BtpServer, Arc<TransportContext>) {
    let context = testing::context("node", &PEERS, settings);
    let logins = testing::logins(&PEERS);
    let server = BtpServer::bind("127.0.0.1", 0, None, logins, Arc::clone(&context)).await;
    (server.unwrap(), context)
}

/// Runs a server as `node` would, while `test` runs.
async fn serving(server: BtpServer, test: impl Future<Output = ()>) {
    let mut connections = JoinSet::new();
    let serve = async {
        loop {
            connections.spawn(server.accept().await.run());
        }
    };
    tokio::select! {
        () = serve => {}
        () = test => {}
    }
}

async fn far(address: SocketAddr) -> Far<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    Far(tokio_tungstenite::client_async("ws://node/", stream).await.unwrap().0)
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let (first, context) = server(TransportSettings::default()).await;
    let port = first.local_addr().port();
    assert_ne!(port, 0, "the port that the system picked");
    let second = BtpServer::bind("127.0.0.1", port, None, testing::logins(&[]), context).await;
    let error = second.unwrap_err().to_string();
    assert!(error.contains(&port.to_string()) && error.contains("in use"), "{error}");
}

#[tokio::test]
async fn a_host_without_an_address_is_named() {
    let context = testing::context("node", &PEERS, TransportSettings::default());
    let bound = BtpServer::bind("no.such.host.invalid", 0, None, testing::logins(&[]), context);
    let error = bound.await.unwrap_err().to_string();
    assert!(error.contains("no.such.host.invalid"), "{error}");
}

#[tokio::test]
async fn a_listener_on_all_addresses_is_reached_on_each() {
    let context = testing::context("node", &PEERS, TransportSettings::default());
    let server = BtpServer::bind("0.0.0.0", 0, None, testing::logins(&PEERS), context);
    let server = server.await.unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.local_addr().port()));
    let (connection, stream) = tokio::join!(server.accept(), TcpStream::connect(address));
    assert_eq!(connection.remote(), stream.unwrap().local_addr().unwrap());
}

#[tokio::test]
async fn a_thousand_packets_in_flight_are_answered_in_any_order() {
    let (server, context) = server(TransportSettings::default()).await;
    let address = server.local_addr();
    serving(server, async {
        let (mut alice, mut bob) = (far(address).await, far(address).await);
        alice.log_in("alice").await;
        bob.log_in("bob").await;
        let asked: Vec<_> = (0..1000).map(|id| ask(id, &payment("test.bob"))).collect();
        alice.send_all(&asked).await;
        let mut ids = std::collections::BTreeSet::new();
        let mut answers = Vec::new();
        for _ in 0..1000 {
            let id = bob.prepare_id().await;
            assert!(ids.insert(id), "an id is used once");
            answers.push(answer(id, &fulfillment()));
        }
        answers.reverse();
        bob.send_all(&answers).await;
        for id in (0..1000).rev() {
            assert_eq!(alice.frame().await, format!("RESPONSE {id} Fulfill"));
        }
        assert_eq!(account(&context, "alice").balance, 1000);
    })
    .await;
    assert_eq!(context.server_counts().accepted, 2);
}

#[tokio::test]
async fn too_many_strangers_are_closed_at_once_and_peers_still_come_in() {
    let settings = TransportSettings { unauthenticated_max: 3, ..TransportSettings::default() };
    let (server, context) = server(settings).await;
    let address = server.local_addr();
    serving(server, async {
        let mut strangers = Vec::new();
        for _ in 0..3 {
            strangers.push(TcpStream::connect(address).await.unwrap());
        }
        until("three are accepted", || context.server_counts().accepted == 3).await;
        let mut fourth = TcpStream::connect(address).await.unwrap();
        // Closed without a byte, whether by FIN or by RST.
        assert!(!matches!(fourth.read(&mut [0; 1]).await, Ok(1..)));
        assert_eq!(context.server_counts().over_limit, 1);
        // A place that was given back is used again, and who is authenticated takes none.
        strangers.pop();
        until("a place is free", || context.server_counts().failed_handshakes == 1).await;
        let mut alice = far(address).await;
        alice.log_in("alice").await;
        let mut bob = far(address).await;
        bob.log_in("bob").await;
    })
    .await;
}

#[tokio::test]
async fn a_browser_is_told_what_this_port_is() {
    let (server, context) = server(TransportSettings::default()).await;
    let address = server.local_addr();
    serving(server, async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 426 ") && answer.contains("BTP"), "{answer}");
        until("it is counted", || context.server_counts().failed_handshakes == 1).await;
    })
    .await;
}

#[tokio::test]
async fn who_may_log_in_can_change_while_sessions_are_up() {
    let (server, _context) = server(TransportSettings::default()).await;
    let address = server.local_addr();
    let mut connections = JoinSet::new();
    let (mut alice, connection) = tokio::join!(far(address), async {
        let connection = server.accept().await;
        connections.spawn(connection.run());
        // `far` ends with the WebSocket handshake, which the connection's task answers.
    });
    let () = connection;
    alice.log_in("alice").await;
    server.shared.logins.store(Arc::new(testing::directory(&["bob"])));
    let (mut again, ()) = tokio::join!(far(address), async {
        let connection = server.accept().await;
        connections.spawn(connection.run());
    });
    again.send(&auth(1, "alice", &token("alice"))).await;
    assert_eq!(again.frame().await, "ERROR 1 F00");
    assert_eq!(alice.fence().await, [""; 0]);
}
