//! What tests of several rooms share: a node with peers, their logins, and packets.

#![cfg_attr(not(test), allow(dead_code))]
#![allow(clippy::unwrap_used)]

#[cfg(test)]
mod log;
#[cfg(test)]
mod refusals;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

#[cfg(test)]
pub(crate) use log::{Log, enable_every_line};
#[cfg(test)]
pub(crate) use refusals::every_refusal;

use crate::account::{AccountSettings, Relation, Spread};
use crate::books::{BalanceChange, ChangeRequest};
use crate::connector::{Connector, ConnectorSettings, Timing};
use crate::local::PingSettings;
use crate::net::{Clock, TransportSettings};
use crate::peers::{LoginDirectory, Logins, NodeContext, PeerLogin, Token};
use crate::routing::{HashSeed, Route, RouteOrigin};
use crate::wire::ilp::{Encode, Fulfill, Packet, Prepare, Reply};
use crate::wire::{Address, Amount, Fulfillment, Scheme, Timestamp};

/// The longest wait of a test.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The preimage of every test payment.
pub(crate) const PREIMAGE: Fulfillment = Fulfillment([7; 32]);

/// Settings of a node with the address `test.<id>` and a route `test.<peer>` to each of these peers.
pub(crate) fn connector_settings(id: &str, peers: &[&str]) -> ConnectorSettings {
    ConnectorSettings {
        node_id: id.parse().unwrap(),
        address: Some(format!("test.{id}").parse().unwrap()),
        scheme: Scheme::Test,
        accounts: peers.iter().map(|id| peer(id)).collect(),
        routes: peers.iter().map(|peer| route(&format!("test.{peer}"), peer, 0)).collect(),
        rates: Vec::new(),
        spread: Spread::NONE,
        timing: Timing::default(),
        ping: PingSettings::default(),
        ccp_timing: Default::default(),
    }
}

pub(crate) fn peer(id: &str) -> AccountSettings {
    AccountSettings::new(id.parse().unwrap(), Relation::Peer)
}

/// The context of a node with these settings.
pub(crate) fn node_context(
    connector: ConnectorSettings,
    clock: Clock,
    settings: TransportSettings,
) -> Arc<NodeContext> {
    let connector = Connector::new(connector, HashSeed::Fixed(1)).unwrap();
    NodeContext::new(connector, clock, settings).unwrap()
}

/// A configured route.
pub(crate) fn route(prefix: &str, next_hop: &str, priority: i32) -> Route {
    let (prefix, next_hop) = (prefix.parse().unwrap(), next_hop.parse().unwrap());
    Route { prefix, next_hop, priority, origin: RouteOrigin::Configured }
}

/// An operator's change of an account.
pub(crate) fn change_request(account: &str, change: BalanceChange) -> ChangeRequest {
    ChangeRequest {
        id: "one".parse().unwrap(),
        account: account.to_owned(),
        asset: None,
        change,
        reason: "a fee".to_owned(),
        by: "ann".to_owned(),
    }
}

/// Each of these peers may log in with its [`token`].
pub(crate) fn directory(peers: &[&str]) -> LoginDirectory {
    let login = |peer: &&str| PeerLogin {
        account: peer.parse().unwrap(),
        username: (*peer).to_owned(),
        token: Some(Token::from(token(peer))),
    };
    LoginDirectory::new(peers.iter().map(login)).unwrap()
}

/// [`directory`] for a listener.
pub(crate) fn logins(peers: &[&str]) -> Arc<Logins> {
    Arc::new(Logins::from_pointee(directory(peers)))
}

pub(crate) fn token(peer: &str) -> String {
    format!("secret-of-{peer}")
}

/// Waits until `done`, while other tasks run.
#[cfg(test)]
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(TEST_TIMEOUT, waiting).await.is_ok(), "waited in vain: {what}");
}

/// A payment of 1 to `destination` that expires in 20 seconds.
pub(crate) fn payment(destination: &str) -> Vec<u8> {
    payment_within(destination, 1, Duration::from_secs(20))
}

/// A payment of `amount` that expires in `within`; [`PREIMAGE`] fulfills it.
pub(crate) fn payment_within(destination: &str, amount: u64, within: Duration) -> Vec<u8> {
    payment_at(destination, amount, now().saturating_add(within))
}

pub(crate) fn payment_at(destination: &str, amount: u64, expires_at: Timestamp) -> Vec<u8> {
    let destination: Address = destination.parse().unwrap();
    let (condition, destination) = (PREIMAGE.condition(), destination.view());
    encode(&Prepare { amount: Amount(amount), expires_at, condition, destination, data: b"" })
}

/// The time of the machine's clock.
pub(crate) fn now() -> Timestamp {
    Timestamp::EPOCH.saturating_add(SystemTime::UNIX_EPOCH.elapsed().unwrap())
}

/// The answer to every test payment.
pub(crate) fn fulfillment() -> Vec<u8> {
    encode(&Reply::Fulfill(Fulfill { fulfillment: PREIMAGE, data: b"done" }))
}

pub(crate) fn encode(packet: &impl Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(&mut bytes);
    bytes
}

/// `Prepare`, `Fulfill` or `Reject T01`; other bytes as text.
pub(crate) fn describe(packet: &[u8]) -> String {
    match Packet::parse(packet) {
        Ok(Packet::Prepare(_)) => "Prepare".to_owned(),
        Ok(Packet::Fulfill(_)) => "Fulfill".to_owned(),
        Ok(Packet::Reject(reject)) => format!("Reject {}", reject.code),
        Err(_) => String::from_utf8_lossy(packet).into_owned(),
    }
}
