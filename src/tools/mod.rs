//! The tools: `ping`, `trace`, `pay`, `send`, `bench`. Each is a [`client`](crate::client) of a node and sends packets.

mod args;
pub mod bench;
mod interrupt;
mod login;
mod money;
pub mod pay;
pub mod ping;
mod rtt_stats;
mod secret_argument;
pub mod send;
mod session;
pub mod trace;
mod wait_notes;

pub use args::{BenchArguments, PayArguments, PingArguments, SendArguments, TraceArguments};
pub use login::EntryLogin;
pub use money::{Money, format_scaled};
pub use rtt_stats::RttStats;
pub use session::{packet_result, run_session, send_options};
