//! What the node itself answers: pure functions from a Prepare to what is to be done with it.
//!
//! Nothing here touches an account, so a local answer passes the same admission, limits and ledger as a forwarded
//! packet: the connector sees to that.

mod own_address;
mod peer_config;

pub use own_address::{LocalDelivery, LocalError, PingSettings, decide_delivery};
pub use peer_config::{PeerConfigError, answer_peer_config};
