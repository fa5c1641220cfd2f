//! BTP/2.0 over WebSocket (RFC 23): who may open a session, what a session does, and the sockets underneath.
//!
//! Without IO, on a virtual clock: who logs in (`handshake`), what a frame asks for (`incoming`), what a session does
//! with it (`session`), when it is silent too long (`keepalive`). With IO: `upgrade` makes a WebSocket, `driver` runs a
//! session on it, [`BtpServer`] and [`BtpClient`] get there. Nothing here spawns; `node` does.

mod bounds;
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

pub use client::{BtpClient, Dial, DialError, DialTarget};
pub use server::{BtpConnection, BtpServer};
pub use upgrade::UpgradeError;
