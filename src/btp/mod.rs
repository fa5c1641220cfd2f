//! BTP/2.0 over WebSocket (RFC 23): logins, sessions, and their sockets.
//!
//! Without IO, on a virtual clock: the login (`handshake`), the meaning of a frame (`incoming`), its handling
//! (`session`), pings and timeouts (`keepalive`). With IO: [`BtpServer`] and [`BtpClient`] connect, `upgrade` makes a
//! WebSocket, and `driver` runs a session on it. Nothing here spawns; `node` does.

mod client;
mod driver;
mod frame_header;
mod handshake;
mod http_header;
mod incoming;
mod keepalive;
#[cfg(any(test, fuzzing))]
pub mod model;
mod server;
mod session;
mod socket;
mod stream;
#[cfg(test)]
mod testing;
mod upgrade;

pub use client::{BtpClient, Dial, DialTarget};
pub use server::BtpServer;
