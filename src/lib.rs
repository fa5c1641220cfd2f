//! ilp-connector: an Interledger v4 connector that speaks BTP over WebSocket.
//!
//! The code map (docs/ARCHITECTURE.md says more): [`wire`] is bytes, `stream` what two ends of a payment say to each
//! other, `routing`, `account`, `link` and `local` are what a packet meets, `connector` is its way through the node.

// `pub` in a room marks what other rooms may use. Without the feature, the compiler finds what none of them uses.
#![allow(unreachable_pub)]
#![cfg_attr(feature = "internals", allow(missing_docs))]

mod account;
mod api;
mod btp;
mod cli;
mod config;
mod connector;
mod http;
mod link;
mod local;
mod net;
mod node;
mod peers;
mod routing;
mod stream;
mod telemetry;
#[cfg(test)]
mod testing;
mod time;

mod web;
pub mod wire;

pub use cli::main;

/// The rooms, for this package's own tests, benches and fuzz targets. They may change with every version.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals {
    macro_rules! open {
        ($($room:ident)*) => { $(pub mod $room { pub use crate::$room::*; })* };
    }
    open!(account btp config connector link local routing stream telemetry time);
}
