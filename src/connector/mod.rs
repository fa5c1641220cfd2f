//! The packet path: everything that happens to a Prepare and to its answer, as synchronous calls.
//!
//! A transport calls [`Turn::prepare`] and [`Turn::answer`] with what a peer sent; what is to be written appears in the
//! outboxes of the sessions concerned before the call returns. Nothing here waits, spawns, reads a clock or logs, and
//! nothing can be cancelled half-way: a packet is answered, or remembered until its deadline.
//!
//! Start reading at `prepare.rs` (a Prepare's way, top to bottom), then `answer.rs`.

mod account;
mod answer;
mod build;
mod connection;
mod core;
mod exchange;
mod forward;
mod own_account;
mod packet_log;
mod pongs;
mod prepare;
mod receive;
mod refusal;
mod report;
mod sessions;
mod settings;
mod shares;
mod snapshot;
mod stats;
#[cfg(test)]
mod tests;

pub use self::account::Account;
pub use self::answer::Answer;
pub use self::build::BuildError;
pub use self::connection::{Connection, NoConnection};
pub use self::core::{Connector, Exposure, Turn};
pub use self::exchange::Exchanged;
pub use self::own_account::OwnAccountReport;
pub use self::packet_log::{NodeNumber, PacketEvent, PacketLog, PacketRecord, PacketRing};
pub use self::refusal::Refusal;
pub use self::report::{AccountReport, Explanation, NextHopReport, Report, RouteReport};
pub use self::sessions::REPLACED;
pub use self::settings::{ConnectorSettings, Timing};
pub use self::stats::{LATENCY_BUCKETS, Stats, Traffic, code_labels};
