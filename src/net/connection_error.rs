//! Why no connection to a server was made, whatever is spoken on it.

use std::io;

use super::tcp::ConnectTcpError;
use super::tls::{TlsError, explain_tls_failure};

/// Why no connection was made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// No TCP connection.
    #[error(transparent)]
    Tcp(#[from] ConnectTcpError),
    /// TLS cannot be used here.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The two sides did not agree on TLS.
    #[error("the TLS handshake failed: {}", explain_tls_failure(.0))]
    TlsHandshake(io::Error),
}
