//! What the node itself answers: pure functions from a Prepare to what is to be done with it.
//!
//! Nothing here touches an account, so a local answer passes the same admission, limits and ledger as a forwarded
//! packet: the connector sees to that.

mod at_own_address;
mod peer_config;

pub use at_own_address::{LocalDelivery, LocalError, PingSettings, at_own_address};
pub use peer_config::{PeerConfigError, peer_config};
