//! The guests' door with real sockets: it changes nothing at the other listeners.

use tokio::net::TcpStream;

use super::*;
use crate::net::ClientAddress;
use crate::peers::guest_id;
use crate::testing::{Log, token};

/// The door of a node that has the guest with the token of `name`, on IPv4, until the tasks are dropped.
async fn serve_guest(
    name: &str,
    settings: TransportSettings,
) -> (SocketAddr, Arc<NodeContext>, JoinSet<()>) {
    let id = guest_id(token(name).as_bytes());
    let context = testing::context("node", &[id.as_str()], settings);
    let directory = directory(&[]).with_guests([id].into());
    let logins = Arc::new(Logins::from_pointee(directory));
    let (door, _) = GuestDoor::new();
    let servers = BtpServer::bind_guests(0, door, logins, Arc::clone(&context)).await.unwrap();
    let server = servers.into_iter().find(|server| server.local_addr().is_ipv4()).unwrap();
    (server.local_addr(), context, run_server(server))
}

#[tokio::test]
async fn the_login_of_a_guest_makes_no_address_known_to_other_listeners() {
    let (address, context, _tasks) = serve_guest("one", TransportSettings::default()).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let mut guest =
        TestPeer(tokio_tungstenite::client_async("ws://node/", stream).await.unwrap().0);
    guest.log_in("one").await;
    assert!(!context.known_addresses.contains(ClientAddress::from(address)));
}

#[tokio::test]
async fn the_line_about_evicted_sockets_has_the_limits_of_the_door() {
    let log = Log::of_this_thread();
    let unauthenticated = AddressLimits { total: 7, per_address: 5, reserved_for_known: 0 };
    let settings = TransportSettings { unauthenticated, ..TransportSettings::default() };
    let (address, context, _tasks) = serve_guest("one", settings).await;
    let mut idle = Vec::new();
    for _ in 0..=GUESTS_UNAUTHENTICATED_MAX {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    until("one is evicted", || context.btp_counts().over_limit == 1).await;
    until("a line says so", || log.text().contains("a socket was closed")).await;
    let limits = format!("limit={0} limit_per_address={0}", GUESTS_UNAUTHENTICATED_MAX);
    assert!(log.text().contains(&limits), "{}", log.text());
}
