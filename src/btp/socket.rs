//! A WebSocket: the byte stream, the sans-IO WebSocket of `tungstenite` that reads it, and the outbox that is written
//! to it.
//!
//! `tungstenite` reads messages and owns the control frames; what it has to say (pongs, close frames) it appends to the
//! outbox, behind whole frames of others. So there is one place where bytes are written, and nothing ever blocks on it.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{
    CloseFrame, Message, Role, WebSocketConfig, WebSocketContext,
};
use tokio_tungstenite::tungstenite::{Bytes, Error, Utf8Bytes, error::ProtocolError};

use super::ended::{Ended, NOT_UTF8, PROTOCOL_ERROR, TOO_BIG};
use super::settings::CLOSE_LINGER;
use super::stream::Stream;
use super::text::shown;
use crate::link::Outbox;

/// What a session at rest keeps for reading. A longer message makes it grow.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// A connected WebSocket.
pub(super) struct Socket {
    pub(super) stream: Stream,
    pub(super) websocket: WebSocketContext,
    pub(super) outbox: Arc<Outbox>,
    /// TLS may hold bytes back until it is flushed.
    unflushed: bool,
}

/// A data message.
#[derive(Debug)]
pub(super) enum Data {
    /// Perhaps a BTP frame.
    Binary(Bytes),
    /// Not BTP.
    Text,
}

impl Socket {
    /// A WebSocket on an upgraded stream. `unread` is what arrived behind the HTTP head.
    pub(super) fn new(
        stream: Stream,
        role: Role,
        unread: Vec<u8>,
        outbox: Arc<Outbox>,
        message_bytes_max: usize,
    ) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            // Control frames go to the outbox at once.
            .write_buffer_size(0)
            .max_message_size(Some(message_bytes_max))
            .max_frame_size(Some(message_bytes_max));
        let websocket = WebSocketContext::from_partially_read(unread, role, Some(config));
        Self { stream, websocket, outbox, unflushed: false }
    }

    /// The next data message, read straight from the stream; pings are answered on the way. For the handshake: bytes
    /// behind the message stay where the driver finds them.
    pub(super) async fn receive(&mut self) -> Result<Data, Ended> {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Data, Ended>> {
        loop {
            let mut direct = Direct { stream: &mut self.stream, outbox: &self.outbox, cx };
            let read = self.websocket.read(&mut direct);
            let blocked = matches!(&read, Err(error) if is_would_block(error));
            if let Poll::Ready(Err(error)) = self.poll_write(cx, &mut 0) {
                return Poll::Ready(Err(Ended::Broken(error.to_string())));
            }
            if blocked {
                return Poll::Pending;
            }
            match read {
                Ok(Message::Binary(bytes)) => return Poll::Ready(Ok(Data::Binary(bytes))),
                Ok(Message::Text(_)) => return Poll::Ready(Ok(Data::Text)),
                Ok(Message::Close(frame)) => return Poll::Ready(Err(closed_by_peer(frame))),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Err(error) => return Poll::Ready(Err(broken_by(&error))),
            }
        }
    }

    /// Writes what the outbox holds; `written` grows by what the stream took. `Ready` = everything is written.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        written: &mut usize,
    ) -> Poll<io::Result<()>> {
        let before = *written;
        let stream = &mut self.stream;
        let result =
            self.outbox.write_to(|bytes| Pin::new(&mut *stream).poll_write(cx, bytes), written);
        if *written > before && matches!(self.stream, Stream::Tls(_)) {
            self.unflushed = true;
        }
        ready!(result)?;
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes all that the outbox holds.
    pub(super) async fn flush(&mut self) -> Result<(), Ended> {
        poll_fn(|cx| self.poll_write(cx, &mut 0))
            .await
            .map_err(|error| Ended::Broken(error.to_string()))
    }

    /// Puts a close frame behind what the outbox holds.
    pub(super) fn put_close(&mut self, code: u16, reason: &'static str) {
        let frame =
            CloseFrame { code: CloseCode::from(code), reason: Utf8Bytes::from_static(reason) };
        // Appending to the outbox cannot fail; a WebSocket that is closed already needs no frame.
        let _ = self.websocket.close(&mut Fed::nothing(&self.outbox), Some(frame));
    }

    /// Puts a ping behind what the outbox holds.
    pub(super) fn put_ping(&mut self) {
        // A WebSocket that is closing needs no ping.
        let _ = self.websocket.write(&mut Fed::nothing(&self.outbox), Message::Ping(Bytes::new()));
    }

    /// Closes a connection that did not become a session: says why and gives the peer a moment to hear it. Without
    /// that moment, closing a socket with unread bytes would destroy what was sent last.
    pub(super) async fn close(mut self, code: u16, reason: &'static str) {
        self.put_close(code, reason);
        let said = async {
            self.flush().await?;
            while self.receive().await.is_ok() {}
            Ok::<(), Ended>(())
        };
        // Whether it was heard changes nothing any more.
        let _ = tokio::time::timeout(CLOSE_LINGER, said).await;
    }

    /// Reads what the stream has into `scratch`.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(scratch);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

/// Reads from the stream, writes to the outbox.
struct Direct<'a, 'b> {
    stream: &'a mut Stream,
    outbox: &'a Outbox,
    cx: &'a mut Context<'b>,
}

impl Read for Direct<'_, '_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(bytes);
        match Pin::new(&mut *self.stream).poll_read(self.cx, &mut buffer) {
            Poll::Ready(result) => result.map(|()| buffer.filled().len()),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Direct<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outbox.put_raw(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads from bytes that were read before, writes to the outbox.
pub(super) struct Fed<'a> {
    unread: &'a [u8],
    outbox: &'a Outbox,
}

impl<'a> Fed<'a> {
    pub(super) fn new(unread: &'a [u8], outbox: &'a Outbox) -> Self {
        Self { unread, outbox }
    }

    pub(super) fn nothing(outbox: &'a Outbox) -> Self {
        Self::new(&[], outbox)
    }
}

impl Read for Fed<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.unread.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.unread.read(bytes)
    }
}

impl Write for Fed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outbox.put_raw(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn is_would_block(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// How a session ended whose peer sent this close frame.
pub(super) fn closed_by_peer(frame: Option<CloseFrame>) -> Ended {
    let code = frame.as_ref().map(|frame| u16::from(frame.code));
    let reason = frame.map_or_else(String::new, |frame| shown(frame.reason.as_bytes()));
    Ended::ByPeer { code, reason }
}

/// How a session ends that reading failed on. Where the peer is to blame we close with the code of RFC 6455 7.4.1;
/// where the connection is gone nothing can be said.
pub(super) fn broken_by(error: &Error) -> Ended {
    match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
        | Error::ConnectionClosed
        | Error::AlreadyClosed => Ended::Broken(WITHOUT_CLOSE_FRAME.to_owned()),
        Error::Io(error) => Ended::Broken(error.to_string()),
        Error::Capacity(_) => Ended::ByUs { code: TOO_BIG, reason: "message too long" },
        Error::Utf8(_) => Ended::ByUs { code: NOT_UTF8, reason: "text is not UTF-8" },
        _ => Ended::ByUs { code: PROTOCOL_ERROR, reason: "WebSocket protocol error" },
    }
}

/// What is said of a connection that just ended.
pub(super) const WITHOUT_CLOSE_FRAME: &str = "the connection was closed without a close frame";
