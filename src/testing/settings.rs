//! A node with peers, as its connector is configured.

use crate::account::{AccountSettings, Relation, Spread};
use crate::connector::{ConnectorSettings, Timing};
use crate::local::PingSettings;
use crate::routing::{Route, RouteOrigin};
use crate::wire::Scheme;

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

/// A configured route.
pub(crate) fn route(prefix: &str, next_hop: &str, priority: i32) -> Route {
    let (prefix, next_hop) = (prefix.parse().unwrap(), next_hop.parse().unwrap());
    Route { prefix, next_hop, priority, origin: RouteOrigin::Configured }
}
