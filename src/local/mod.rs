//! What the node itself answers: pure functions of a Prepare (ADR 5).
//!
//! Nothing here changes an account. The connector applies the same limits and the same ledger as to forwarded packets.

mod own_address;
mod peer_config;

pub use own_address::{LocalDelivery, LocalError, PingSettings, decide_delivery};
pub use peer_config::{PeerConfigError, answer_peer_config};
