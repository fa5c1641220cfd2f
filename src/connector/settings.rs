//! What a connector must be told; a reload replaces it whole.

use std::sync::Arc;
use std::time::Duration;

use crate::account::{AccountId, AccountSettings, Rate};
use crate::local::PingSettings;
use crate::routing::Route;
use crate::routing::ccp::CcpTiming;
use crate::wire::{Address, Scheme};

/// Everything that decides what happens to packets.
#[derive(Clone, Debug)]
pub struct ConnectorSettings {
    /// The node's name: an address segment.
    pub node_id: AccountId,
    /// Its ILP address; `None` until a parent gives one (IL-DCP).
    pub address: Option<Address>,
    /// The network that it runs in: addresses of other schemes need a route of their own.
    pub scheme: Scheme,
    /// Its peers.
    pub accounts: Vec<AccountSettings>,
    /// Its routes. Those of children and the default route to a parent are implied.
    pub routes: Vec<Route>,
    /// Exchange rates: from asset, to asset, units of the second for one of the first.
    pub rates: Vec<(Arc<str>, Arc<str>, Rate)>,
    /// How much time packets get.
    pub timing: Timing,
    /// Which pings are answered.
    pub ping: PingSettings,
    /// How often routes are told, and how long they hold. With whom they are exchanged is the accounts' own.
    pub ccp_timing: CcpTiming,
}

/// How much time packets get at this hop (RFC 27: the outgoing expiry is earlier than the incoming one).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// What this hop keeps for itself to pass an answer back: the outgoing expiry is earlier by it, and at least as
    /// much must be left for the rest of the way.
    pub min_message_window: Duration,
    /// The longest that this node waits for an answer, whatever the sender allows.
    pub max_hold: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing { min_message_window: Duration::from_secs(1), max_hold: Duration::from_secs(30) }
    }
}
