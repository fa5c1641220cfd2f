//! BTP/2.0 over WebSocket (RFC 23): who may open a session, what a session does, and the sockets underneath.

pub mod backoff;
mod stream;
pub mod tls;
mod upgrade;
pub mod url;
