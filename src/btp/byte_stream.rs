//! The byte stream of a WebSocket: TCP, or TLS over TCP.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

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

/// Polls the stream inside.
macro_rules! poll_inner {
    ($stream:ident.$poll:ident($($argument:ident),*)) => {
        match $stream.get_mut() {
            ByteStream::Plain(stream) => Pin::new(stream).$poll($($argument),*),
            ByteStream::Tls(stream) => Pin::new(stream).$poll($($argument),*),
            ByteStream::Faulty(stream) => Pin::new(stream).$poll($($argument),*),
            #[cfg(test)]
            ByteStream::Memory(stream) => Pin::new(stream).$poll($($argument),*),
        }
    };
}

impl AsyncRead for ByteStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        poll_inner!(self.poll_read(cx, buffer))
    }
}

impl AsyncWrite for ByteStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        poll_inner!(self.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_inner!(self.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_inner!(self.poll_shutdown(cx))
    }
}
