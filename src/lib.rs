//! A connector of the Interledger protocol (ILPv4): it forwards packets of money between accounts at its peers.
//!
//! The crate is mainly the program `ilp-connector`, which [`main`] runs. Other programs may use
//!
//! - [`client`]: log in at a connector over BTP, send Prepares, and answer those that arrive;
//! - [`wire`]: the formats of Interledger: addresses, ILP packets, BTP frames, and the protocols inside packets, as
//!   views of received bytes.
//!
//! ```
//! use ilp_connector::wire::ilp::{Packet, Prepare};
//! use ilp_connector::wire::{AddressRef, Amount, Condition, Timestamp};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let prepare = Prepare {
//!     amount: Amount(100),
//!     expires_at: Timestamp::from_millis(1_800_000_000_000),
//!     condition: Condition::PING,
//!     destination: AddressRef::new("test.bob")?,
//!     data: b"hello",
//! };
//! let mut bytes = Vec::new();
//! prepare.encode(&mut bytes);
//! assert_eq!(Packet::parse(&bytes)?, Packet::Prepare(prepare));
//! # Ok(())
//! # }
//! ```
//!
//! docs/ARCHITECTURE.md is the map of the code.

// `pub` in a room is for other rooms. Without the feature `internals`, the compiler finds what none of them uses.
#![allow(unreachable_pub)]
#![cfg_attr(feature = "internals", allow(missing_docs))]

#[macro_use]
mod planted;

mod account;
mod api;
mod audit;
mod books;
mod btp;
mod cli;
pub mod client;
mod config;
mod connector;
mod console;
mod http;
mod link;
mod local;
mod machine;
mod net;
mod node;
mod observe;
mod otlp;
mod peers;
mod rates;
mod remote;
mod routing;
mod settlement;
mod store;
mod stream;
mod telemetry;
#[cfg(any(test, fuzzing))]
mod testing;
mod time;
mod tools;
mod topology;
mod web;
mod webhooks;
pub mod wire;

pub use cli::main;

/// The rooms, for this package's own tests, benches and fuzz targets. They may change in every version.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals {
    macro_rules! open {
        ($($room:ident)*) => { $(pub mod $room { pub use crate::$room::*; })* };
    }
    open!(account books btp config connector link local net routing store stream telemetry time topology);
    #[cfg(feature = "simulation")]
    open!(api machine node peers planted);
}
