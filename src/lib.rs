//! ilp-connector: an Interledger v4 connector that speaks BTP over WebSocket.
//!
//! The code map (docs/ARCHITECTURE.md says more): [`wire`] is bytes, [`stream`] what two ends of a payment say to each
//! other, [`routing`], [`account`], [`link`] and [`local`] are what a packet meets, [`connector`] is its way through the
//! node.

pub mod account;
pub mod api;
pub mod btp;
pub mod cli;
pub mod config;
pub mod connector;
pub mod http;
pub mod link;
pub mod local;
pub mod node;
pub mod routing;
pub mod stream;
pub mod telemetry;
#[cfg(test)]
mod testing;
pub mod time;
pub mod transport;
mod web;
pub mod wire;
