//! Tests of the whole program, with other programs and in containers, and tests of the repository itself.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail their test; clippy exempts only the test functions"
)]

mod api_schema;
mod balances;
mod book;
mod browser;
mod btp;
mod ccp;
mod child;
mod cli;
mod client;
mod clients;
mod config_pages;
mod crash;
mod differential;
mod docker;
mod docs;
mod error_codes;
mod examples;
mod expiry;
mod forwarding;
mod frame_capture;
mod guests;
mod hostile;
mod house;
mod http;
mod interop;
mod jamming;
mod kubernetes;
mod lab;
mod ledger;
mod ledger_export;
mod lenient_btp;
mod log;
mod monitoring;
mod network;
mod observer;
mod operations;
mod otlp;
mod packets;
mod peer;
mod peer_tokens;
mod postgres;
mod probes;
mod process;
mod proxy;
mod reconcile;
mod refused_logins;
mod release;
mod reload;
mod reverse_proxies;
mod secrets;
mod service;
mod sessions;
mod settlement;
mod shared_account;
mod stream;
mod support;
mod topologies;
mod ui;
mod unauthenticated;
mod verbs;
mod watch;
mod webhooks;
