//! The TCP connection to a peer's server, with what is wrong with the link.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::net::{FaultyStream, LinkFaults};

/// A connection to a server.
#[derive(Debug)]
pub(super) enum LinkStream {
    Plain(TcpStream),
    /// Only with a lab.
    Faulty(Box<FaultyStream<TcpStream>>),
}

impl LinkStream {
    pub(super) fn new(stream: TcpStream, faults: Option<&Arc<LinkFaults>>) -> Self {
        match faults {
            None => Self::Plain(stream),
            Some(faults) => Self::Faulty(Box::new(FaultyStream::new(stream, faults, &[]))),
        }
    }
}

/// Polls the stream inside.
macro_rules! poll_inner {
    ($stream:ident.$poll:ident($($argument:ident),*)) => {
        match $stream.get_mut() {
            LinkStream::Plain(stream) => Pin::new(stream).$poll($($argument),*),
            LinkStream::Faulty(stream) => Pin::new(stream).$poll($($argument),*),
        }
    };
}

impl AsyncRead for LinkStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        poll_inner!(self.poll_read(cx, buffer))
    }
}

impl AsyncWrite for LinkStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        poll_inner!(self.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        poll_inner!(self.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Faulty(_) => false,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_inner!(self.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_inner!(self.poll_shutdown(cx))
    }
}
