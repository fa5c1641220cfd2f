//! BTP/2.0 over WebSocket (RFC 23): who may open a session, what a session does, and the sockets underneath.
//!
//! Without IO, on a virtual clock: who may log in ([`Directory`], `handshake`), what a frame asks for (`incoming`), what
//! a session does with it (`session`), when it is silent too long (`keepalive`), when to dial again (`backoff`), and how
//! a peer stands ([`Peers`]). With IO: `url`, `tls` and `upgrade` make a WebSocket, `driver` runs a session on it,
//! [`BtpServer`] and [`BtpClient`] get there. Nothing here spawns; `node` does.

mod backoff;
mod client;
mod clock;
mod context;
mod directory;
mod driver;
mod ended;
mod events;
mod frame_head;
mod handshake;
mod incoming;
mod keepalive;
#[cfg(any(test, fuzzing))]
pub mod model;
mod server;
mod session;
mod settings;
mod socket;
mod stream;
#[cfg(test)]
mod testing;
mod text;
mod throttle;
mod tls;
mod token;
mod upgrade;
pub mod url;

pub use self::url::{BtpUrl, UrlError};
pub use client::{BtpClient, Dial, DialError, DialHandle};
pub use clock::Clock;
pub use context::{BtpContext, ServerCounts};
pub use directory::{Directory, Login, NoRandomness};
pub use ended::{Ended, GOING_AWAY, POLICY};
pub use events::{PeerChange, PeerCounts, PeerEvent, PeerSnapshot, PeerState, PeerStatus, Peers};
pub use keepalive::{KeepAliveSettings, Loss};
pub use server::{BindError, BtpServer, Connection};
pub use settings::BtpSettings;
pub use tls::{ServerTls, TlsError};
pub use token::Token;
pub use upgrade::UpgradeError;
