//! BTP/2.0 over WebSocket (RFC 23): who may open a session, what a session does, and the sockets underneath.

pub mod backoff;
mod clock;
mod directory;
mod ended;
mod events;
mod keepalive;
mod settings;
mod stream;
mod text;
pub mod tls;
mod token;
mod upgrade;
pub mod url;
