//! One client connection of the load: handshake, authentication, and frames in and out in batches.
//!
//! Raw TCP with the little of RFC 6455 that a client needs, so that the load costs a fraction of what it measures. It
//! answers pings, and a close frame ends it. It reads no fragmented messages: neither relay nor connector sends them.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use crate::frames::{
    self, BTP_RESPONSE, WS_BINARY, WS_CLOSE, WS_PING, WS_PONG, auth_frame, frame_extent,
};

/// User and token that a peer logs in with.
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) token: String,
}

/// A connected, authenticated WebSocket.
pub(crate) struct Socket {
    stream: TcpStream,
    mask: [u8; 4],
    /// Bytes that were read and not handled yet: `input[start..end]`.
    input: Box<[u8]>,
    start: usize,
    end: usize,
    /// Frames to write, and how much of them is written.
    pub(crate) output: Vec<u8>,
    written: usize,
    /// Write each frame with a system call of its own.
    unbatched: bool,
    /// The unwritten bytes of the current frame, when `unbatched`.
    frame_left: usize,
}

impl Socket {
    /// Connects, requests `path`, and logs in if there is a login.
    ///
    /// # Errors
    ///
    /// The other side is unreachable, is no WebSocket server, or refuses the login.
    pub(crate) async fn connect(
        address: SocketAddr,
        path: &str,
        login: Option<&Login>,
        buffer_bytes: usize,
        unbatched: bool,
    ) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut socket = Self {
            stream,
            mask: rand::random(),
            input: vec![0; buffer_bytes].into(),
            start: 0,
            end: 0,
            output: Vec::new(),
            written: 0,
            unbatched,
            frame_left: 0,
        };
        socket.upgrade(address, path).await?;
        if let Some(login) = login {
            let frame = auth_frame(socket.mask, &login.user, &login.token);
            socket.stream.write_all(&frame).await?;
            socket.await_acceptance(&login.user).await?;
        }
        Ok(socket)
    }

    /// The key that this connection masks its frames with.
    pub(crate) fn mask(&self) -> [u8; 4] {
        self.mask
    }

    /// Reads once and returns whether there was anything.
    ///
    /// # Errors
    ///
    /// The connection broke, or ended (`UnexpectedEof`).
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let mut buffer = ReadBuf::new(&mut self.input[self.end..]);
        match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => Poll::Ready(Err(closed())),
            Poll::Ready(Ok(())) => {
                self.end += buffer.filled().len();
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Takes the next whole binary message out of the input, as its range in [`Self::bytes`].
    ///
    /// # Errors
    ///
    /// The other side closed, or broke the protocol.
    pub(crate) fn next_message(&mut self) -> io::Result<Option<std::ops::Range<usize>>> {
        loop {
            let rest = &self.input[self.start..self.end];
            let Some((header, payload)) = frame_extent(rest) else { return Ok(None) };
            if header + payload > self.input.len() {
                return Err(io::Error::other(format!("a frame of {payload} bytes is too long")));
            }
            if rest.len() < header + payload {
                return Ok(None);
            }
            let opcode = rest[0];
            let message = self.start + header..self.start + header + payload;
            self.start = message.end;
            match opcode {
                WS_BINARY => return Ok(Some(message)),
                WS_PING => {
                    let pong = frames::masked_frame(WS_PONG, &self.input[message], self.mask);
                    self.output.extend_from_slice(&pong);
                }
                WS_PONG => {}
                WS_CLOSE => return Err(closed()),
                other => return Err(io::Error::other(format!("opcode {other:#04x} came"))),
            }
        }
    }

    /// The bytes that ranges of [`Self::next_message`] point into, beside the output.
    pub(crate) fn split(&mut self) -> (&[u8], &mut Vec<u8>) {
        (&self.input, &mut self.output)
    }

    /// Writes the waiting bytes, as far as the socket accepts them.
    ///
    /// # Errors
    ///
    /// The connection broke.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.output.len() {
            let rest = &self.output[self.written..];
            let mut length = rest.len();
            if self.unbatched {
                if self.frame_left == 0 {
                    self.frame_left = frame_extent(rest).map_or(length, |(head, body)| head + body);
                }
                length = self.frame_left;
            }
            match Pin::new(&mut self.stream).poll_write(cx, &rest[..length]) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(count)) => {
                    self.written += count;
                    self.frame_left = self.frame_left.saturating_sub(count);
                }
            }
        }
        self.output.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    async fn upgrade(&mut self, address: SocketAddr, path: &str) -> io::Result<()> {
        // The key is the RFC's example: we do not check the answer to it.
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Version: 13\r\n\r\n"
        );
        self.stream.write_all(request.as_bytes()).await?;
        loop {
            self.end += self.read_more().await?;
            let head = &self.input[..self.end];
            if let Some(length) = head.windows(4).position(|window| window == b"\r\n\r\n") {
                if !head.starts_with(b"HTTP/1.1 101 ") {
                    let text = String::from_utf8_lossy(head);
                    return Err(io::Error::other(format!("{address} is no WebSocket: {text}")));
                }
                self.start = length + 4;
                return Ok(());
            }
        }
    }

    async fn await_acceptance(&mut self, user: &str) -> io::Result<()> {
        loop {
            if let Some(message) = self.next_message()? {
                if self.input[message].first() == Some(&BTP_RESPONSE) {
                    return Ok(());
                }
                return Err(io::Error::other(format!("the login of {user} was refused")));
            }
            self.end += self.read_more().await?;
        }
    }

    async fn read_more(&mut self) -> io::Result<usize> {
        let count = self.stream.read(&mut self.input[self.end..]).await?;
        if count == 0 { Err(closed()) } else { Ok(count) }
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the other side closed the connection")
}
