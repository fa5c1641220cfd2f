//! ILP over HTTP (RFC 35), SPSP (RFC 9), and whatever else the node says over HTTP in public.
//!
//! [`HttpServer`] is the listener: bounded connections (`guests`), and the routes (`router`). [`HttpClient`] fetches a
//! document from elsewhere. Nothing here spawns; `node` does.

mod answer_body;
mod answers;
mod auth;
mod client;
mod connect;
mod contact;
mod context;
mod dial;
mod dialler;
mod frames;
mod guests;
mod ilp;
mod jwt;
mod link;
mod metered;
mod places;
mod pool;
mod posted;
mod problem;
mod reply;
mod request_id;
mod router;
mod server;
mod spsp;
mod tasks;
#[cfg(test)]
mod testing;

pub use client::{Document, FetchError, HttpClient};
pub use connect::ConnectError;
pub use contact::{Contacts, HttpTarget};
pub use context::HttpContext;
pub use dial::{HttpAuth, HttpDial, HttpMode};
pub use dialler::HttpDialler;
pub use server::{HttpConnections, HttpServer, HttpWork};
