//! ILP over HTTP (RFC 35), SPSP (RFC 9), and whatever else the node says over HTTP in public.
//!
//! [`HttpServer`] is the listener: bounded connections (`guests`), and the routes (`router`). [`HttpClient`] fetches a
//! document from elsewhere. Nothing here spawns; `node` does.

mod client;
mod connect;
mod guests;
mod problem;
mod router;
mod server;
mod spsp;
mod tasks;
#[cfg(test)]
mod testing;

pub use client::{Document, FetchError, HttpClient};
pub use connect::ConnectError;
pub use server::{HttpConnection, HttpConnections, HttpServer};
