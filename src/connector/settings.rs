//! The settings of a connector. A reload replaces all of them.

use std::time::Duration;

use super::asset_table::PairRate;
use crate::account::{AccountId, AccountSettings, Spread};
use crate::local::PingSettings;
use crate::routing::Route;
use crate::routing::ccp::CcpTiming;
use crate::wire::{Address, Scheme};

/// Everything that decides what happens to packets.
#[derive(Clone, Debug)]
pub struct ConnectorSettings {
    /// The node's id: an address segment.
    pub node_id: AccountId,
    /// Its ILP address; `None` until a parent assigns one (IL-DCP).
    pub address: Option<Address>,
    /// The scheme of its network. Addresses of other schemes need a route of their own.
    pub scheme: Scheme,
    /// Its peers and receivers.
    pub accounts: Vec<AccountSettings>,
    /// Its routes. Those of children and the default route to a parent are implied.
    pub routes: Vec<Route>,
    /// Exchange rates that the configuration sets. They win over those of sources.
    pub rates: Vec<PairRate>,
    /// What the node keeps of a conversion between two asset codes, unless the pair or the peer has its own spread.
    pub spread: Spread,
    /// Time limits of packets.
    pub timing: Timing,
    /// Which pings the node answers.
    pub ping: PingSettings,
    /// The intervals of CCP. The policies of the accounts say with which peers routes are exchanged.
    pub ccp_timing: CcpTiming,
}

/// Time limits of packets at this hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The outgoing expiry is this much earlier than the incoming one, which leaves time to pass the answer back. At
    /// least as much must be left for the rest of the way.
    pub min_message_window: Duration,
    /// The longest time that this node waits for an answer, even if the sender allows more.
    pub max_hold_time: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { min_message_window: Duration::from_secs(1), max_hold_time: Duration::from_secs(30) }
    }
}
