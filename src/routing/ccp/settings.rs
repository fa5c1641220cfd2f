//! The settings of CCP; a reload replaces them whole.

use std::time::Duration;

use crate::account::{AccountId, Relation, RoutePolicy};
use crate::link::Slot;
use crate::wire::{Address, Prefix};

/// Intervals of CCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CcpTiming {
    /// Time between two updates to a peer without changes. Expired routes of a peer are kept as long again. [row 111]
    pub broadcast_interval: Duration,
    /// How long a peer keeps our routes without another update.
    pub hold_down: Duration,
}

impl Default for CcpTiming {
    /// The values of ilp-connector.
    fn default() -> Self {
        Self { broadcast_interval: Duration::from_secs(30), hold_down: Duration::from_secs(45) }
    }
}

/// Decides which routes are learned and advertised.
#[derive(Clone, Debug, Default)]
pub struct CcpSettings {
    /// The node's address; without one no routes are exchanged.
    pub own_address: Option<Address>,
    /// Intervals.
    pub timing: CcpTiming,
    /// The peers that may exchange routes.
    pub peers: Vec<CcpPeer>,
    /// Routes that are not learned: configured, computed, to children. Best first for each prefix.
    pub local_routes: Vec<LocalRoute>,
}

/// A peer's part of the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CcpPeer {
    /// The index of its account.
    pub slot: Slot,
    /// The id of its account.
    pub id: AccountId,
    /// Its relation to this node.
    pub relation: Relation,
    /// Which routes are sent to it and accepted from it.
    pub policy: RoutePolicy,
}

/// A route that is not learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalRoute {
    /// The covered addresses.
    pub prefix: Prefix,
    /// The account to send to.
    pub next_hop: Slot,
}
