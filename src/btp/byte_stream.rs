//! The byte stream of a WebSocket: TCP, or TLS over TCP.

use tokio_rustls::TlsStream;

use crate::machine::{TcpStream, forward_stream};
use crate::net::FaultyStream;

/// A connected stream. TLS state is large; in a box it does not enlarge plain sessions.
#[derive(Debug)]
pub(super) enum ByteStream {
    /// `ws://`
    Plain(TcpStream),
    /// `wss://`
    Tls(Box<TlsStream<TcpStream>>),
    /// Either of them, with what is wrong with the link. Only with a lab.
    Faulty(Box<FaultyStream<Self>>),
    /// A pipe for tests.
    #[cfg(test)]
    Memory(tokio::io::DuplexStream),
}

forward_stream!(ByteStream: Plain, Tls, Faulty, #[cfg(test)] Memory);
