//! ILP over HTTP (RFC 35) and SPSP (RFC 9).
//!
//! [`HttpServer`] is the public listener with its routes (`router`), [`HttpDialler`] posts packets to the server of a
//! peer, and [`HttpClient`] fetches a document. Nothing here spawns; `node` does.

mod answer_body;
mod answer_meter;
mod answers;
mod auth;
mod client;
mod connect;
mod context;
mod dial_config;
mod dialler;
mod http_peers;
mod ilp;
mod inbound_session;
mod jwt;
mod link_stream;
mod pool;
mod poster;
mod reply;
mod request_id;
mod request_permits;
mod router;
mod server;
mod spsp;
#[cfg(test)]
mod testing;

pub use client::{
    Document, DocumentRequest, DocumentStream, FetchError, HttpClient, HttpConnection, HttpVerb,
    Opened,
};
pub use context::HttpContext;
pub use dial_config::HttpDial;
pub use dialler::HttpDialler;
pub use http_peers::HttpDialUpdater;
pub use server::{HttpConnections, HttpServer};
