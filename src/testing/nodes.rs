//! The context of a node, and the logins of its peers.

use std::sync::Arc;

use crate::connector::{Connector, ConnectorSettings};
use crate::net::{Clock, TransportSettings};
use crate::peers::{LoginDirectory, Logins, NodeContext, PeerLogin, Token};
use crate::routing::HashSeed;

/// The context of a node with these settings.
pub(crate) fn node_context(
    connector: ConnectorSettings,
    clock: Clock,
    settings: TransportSettings,
) -> Arc<NodeContext> {
    let connector = Connector::new(connector, HashSeed::Fixed(1)).unwrap();
    NodeContext::new(connector, clock, settings).unwrap()
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
