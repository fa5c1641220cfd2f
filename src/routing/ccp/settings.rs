//! What the exchange of routes must be told; a reload replaces it whole.

use std::time::Duration;

use crate::account::{AccountId, Relation, RoutePolicy};
use crate::link::Slot;
use crate::wire::{Address, Prefix};

/// How often and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CcpTiming {
    /// Time between two updates to a peer when nothing changes. A peer whose routes have run out of time is given as
    /// long again before they are dropped.
    pub broadcast_interval: Duration,
    /// How long our routes hold at a peer that hears nothing more of us.
    pub hold_down: Duration,
}

impl Default for CcpTiming {
    /// As ilp-connector has it.
    fn default() -> Self {
        CcpTiming {
            broadcast_interval: Duration::from_secs(30),
            hold_down: Duration::from_secs(45),
        }
    }
}

/// Everything that decides which routes are learned and told.
#[derive(Clone, Debug, Default)]
pub struct CcpSettings {
    /// The node's address; without one nothing is exchanged.
    pub own_address: Option<Address>,
    /// How often and how long.
    pub timing: CcpTiming,
    /// The peers that are served.
    pub peers: Vec<CcpPeer>,
    /// Routes that are not learned: configured ones, computed ones, those to children. Best first for each prefix.
    pub local_routes: Vec<LocalRoute>,
}

/// A peer as the exchange sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CcpPeer {
    /// Its account's place.
    pub slot: Slot,
    /// Its account's name.
    pub id: AccountId,
    /// What it is to this node.
    pub relation: Relation,
    /// What is told to it and heard from it.
    pub policy: RoutePolicy,
}

/// A route that this node has without being told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalRoute {
    /// What it covers.
    pub prefix: Prefix,
    /// Where packets go.
    pub next_hop: Slot,
}
