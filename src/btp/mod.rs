//! BTP/2.0 over WebSocket (RFC 23): logins, sessions, and their sockets.
//!
//! Without IO, on a virtual clock: the login (`auth`), the meaning of a frame (`incoming`), its handling
//! (`session`), pings and timeouts (`keepalive`). With IO: [`BtpServer`] and [`BtpDialler`] connect, `upgrade` makes a
//! WebSocket, and `driver` runs a session on it. Nothing here spawns; `node` does.

mod auth;
mod byte_stream;
mod dialler;
mod driver;
mod http_header;
mod incoming;
mod keepalive;
#[cfg(any(test, fuzzing))]
pub mod model;
mod server;
mod session;
mod socket;
#[cfg(test)]
mod testing;
mod upgrade;

pub use dialler::{BtpDial, BtpDialUpdater, BtpDialler};
pub use server::BtpServer;
