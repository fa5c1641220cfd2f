//! The tests that need more than one room: the whole program, other programs, containers.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail their test; clippy exempts only the test functions"
)]

mod balances;
mod capture;
mod ccp;
mod child;
mod cli;
mod client;
mod codes;
mod differential;
mod docker;
mod docs;
mod examples;
mod expiry;
mod forwarding;
mod hostile;
mod house;
mod http;
mod interop;
mod jamming;
mod lenient;
mod log;
mod network;
mod operations;
mod over_http;
mod packets;
mod peer;
mod refused_logins;
mod reload;
mod running;
mod secrets;
mod sessions;
mod shared_account;
mod strangers;
mod stream;
mod support;
mod topologies;
mod wire;
