//! The tools: `ping`, `trace`, `pay`, `send`, `bench`. Each logs in at a node as a [`client`](crate::client) and sends
//! packets of its own.

mod args;
pub mod bench;
mod client;
mod health_probe;
mod local_node;
mod login;
mod money;
pub mod pay;
pub mod ping;
mod round_trips;
mod secret_text;
pub mod send;
mod signals;
pub mod trace;
mod waiting;

pub use args::{
    BenchArguments, PayArguments, PingArguments, SendArguments, SourceArguments, TraceArguments,
};
pub use client::{THIS_PROGRAM, sending, session};
pub use health_probe::health_get;
pub use local_node::{load, reachable};
pub use login::{EntryLogin, TOOL_ACCOUNT};
pub use round_trips::RttStats;
