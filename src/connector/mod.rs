//! The packet path: everything that happens to a Prepare and to its answer, as synchronous calls.
//!
//! A transport calls [`Batch::handle_prepare`] and [`Batch::handle_answer`] with what a peer sent; what is to be written appears in the
//! outboxes of the sessions concerned before the call returns. Nothing here waits, spawns, reads a clock or logs, and
//! nothing can be cancelled half-way: a packet is answered, or remembered until its deadline.
//!
//! Start reading at `prepare.rs` (a Prepare's way, top to bottom), then `answer.rs`.

mod account;
mod answer;
mod ccp;
mod core;
mod forward;
mod own_account;
mod packet_log;
mod pending_echoes;
mod prepare;
mod receive;
mod refusal;
mod registry;
mod report;
mod sessions;
mod settings;
mod shares;
mod snapshot;
mod stats;
mod stream_credentials;
#[cfg(test)]
mod tests;

pub use self::account::Account;
pub use self::answer::PeerAnswer;
pub use self::core::{Batch, Connector};
pub use self::own_account::OwnAccountReport;
pub use self::packet_log::{NodeNumber, PacketEvent, PacketLog, PacketRecord, PacketRing};
pub use self::refusal::Refusal;
pub use self::registry::RegistryError;
pub use self::report::{AccountReport, ConnectorReport, Explanation, NextHopReport, RouteReport};
pub use self::sessions::REPLACED;
pub use self::settings::{ConnectorSettings, Timing};
pub use self::stats::{LATENCY_BUCKETS, Stats, Traffic, code_labels};
pub use self::stream_credentials::{StreamCredentials, StreamCredentialsError};
