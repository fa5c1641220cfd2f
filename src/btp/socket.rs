//! A WebSocket: the byte stream, the sans-IO WebSocket of `tungstenite` that reads it, and the outbox for what is
//! written.
//!
//! `tungstenite` receives all frames but whole binary messages, which carry the packets. Its replies (pongs, close
//! frames) go to the outbox, between whole frames of other tasks. So bytes are written in one place only, and nothing
//! blocks on it.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{
    CloseFrame, Message, Role, WebSocketConfig, WebSocketContext,
};
use tokio_tungstenite::tungstenite::{Bytes, Error, Utf8Bytes};

use super::byte_stream::ByteStream;
use crate::link::{Outbox, POLICY_VIOLATION};
use crate::net::{FaultyStream, LinkFaults, sanitize_bytes};
use crate::peers::{CloseReason, NOT_UTF8, PROTOCOL_ERROR, TOO_BIG};
use crate::wire::ws::FrameHeader;

/// The initial read buffer of `tungstenite`, which receives only rare frames.
const RARE_FRAME_BYTES: usize = 256;
/// Bytes that one read may take before the login.
pub(super) const READ_BYTES_BEFORE_LOGIN: usize = 1024;
/// WebSocket frames of any kind that are read before a login is complete. The login is one of them.
pub(super) const FRAMES_BEFORE_LOGIN_MAX: usize = 64;
/// How long the peer has to take our last bytes and to answer our close frame.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A connected WebSocket.
pub(super) struct Socket {
    pub(super) stream: ByteStream,
    pub(super) websocket: WebSocketContext,
    pub(super) outbox: Arc<Outbox>,
    pub(super) role: Role,
    pub(super) message_bytes_max: usize,
    /// Bytes that are no whole frame yet.
    unread: Vec<u8>,
    /// TLS may hold back bytes until a flush.
    needs_flush: bool,
    /// Frames that [`Self::receive`] has read.
    received_frames: usize,
}

/// A data message.
#[derive(Debug)]
pub(super) enum DataMessage {
    Binary(Bytes),
    Text,
}

impl Socket {
    /// A WebSocket on an upgraded stream. `unread`: bytes that arrived after the HTTP header.
    pub(super) fn new(
        stream: ByteStream,
        role: Role,
        unread: Vec<u8>,
        outbox: Arc<Outbox>,
        message_bytes_max: usize,
    ) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(RARE_FRAME_BYTES)
            // Unbuffered: control frames go straight to the outbox.
            .write_buffer_size(0)
            .max_message_size(Some(message_bytes_max))
            .max_frame_size(Some(message_bytes_max));
        let websocket = WebSocketContext::new(role, Some(config));
        Self {
            stream,
            websocket,
            outbox,
            role,
            message_bytes_max,
            unread,
            needs_flush: false,
            received_frames: 0,
        }
    }

    /// The same with the faults of its link. Call it between two frames that are written.
    pub(super) fn with_faults(self, faults: &Arc<LinkFaults>) -> Self {
        let stream = FaultyStream::new(self.stream, faults, &self.unread);
        Self { stream: ByteStream::Faulty(Box::new(stream)), ..self }
    }

    /// Receives the next data message, before the login, and answers pings meanwhile. [row 90] Later bytes stay for the
    /// driver.
    ///
    /// Nothing is read while a reply waits to be written, and the number of frames is bounded: an unauthenticated peer
    /// can neither fill memory with replies nor keep us busy without end.
    pub(super) async fn receive(&mut self) -> Result<DataMessage, CloseReason> {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<DataMessage, CloseReason>> {
        loop {
            while let Some(frame) = self.take_frame() {
                self.received_frames += 1;
                if self.received_frames > FRAMES_BEFORE_LOGIN_MAX {
                    let reason = "too many frames before the login";
                    return Poll::Ready(Err(CloseReason::ByUs { code: POLICY_VIOLATION, reason }));
                }
                let read = self.websocket.read(&mut SliceIo::new(&frame, &self.outbox));
                match read {
                    Ok(Message::Binary(bytes)) => {
                        return Poll::Ready(Ok(DataMessage::Binary(bytes)));
                    }
                    Ok(Message::Text(_)) => return Poll::Ready(Ok(DataMessage::Text)),
                    Ok(Message::Close(frame)) => {
                        return Poll::Ready(Err(close_reason_of_frame(frame)));
                    }
                    Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                    // A fragment that is not the last one.
                    Err(error) if is_would_block(&error) => {}
                    Err(error) => return Poll::Ready(Err(close_reason_of_error(&error))),
                }
                // Moves the pong for a ping to the outbox.
                let _ = self.websocket.flush(&mut SliceIo::empty(&self.outbox));
            }
            if let Err(error) = ready!(self.poll_write(cx, &mut 0)) {
                return Poll::Ready(Err(CloseReason::Broken(error.to_string())));
            }
            let mut bytes = [0; READ_BYTES_BEFORE_LOGIN];
            let mut buffer = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Err(error) => return Poll::Ready(Err(CloseReason::Broken(error.to_string()))),
                Ok(()) if buffer.filled().is_empty() => {
                    return Poll::Ready(Err(CloseReason::Broken(WITHOUT_CLOSE_FRAME.to_owned())));
                }
                Ok(()) => self.unread.extend_from_slice(buffer.filled()),
            }
        }
    }

    /// Takes the first whole frame out of `unread`. Of a frame that is too long it takes the header alone, which is
    /// enough for `tungstenite` to refuse it.
    fn take_frame(&mut self) -> Option<Vec<u8>> {
        let header = FrameHeader::read(&self.unread)?;
        let len = header.frame_len(self.message_bytes_max).unwrap_or(header.header_len);
        (len <= self.unread.len()).then(|| self.unread.drain(..len).collect())
    }

    /// Writes the outbox to the stream; `written` grows by the bytes that the stream took. `Ready`: the outbox is
    /// empty.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        written: &mut usize,
    ) -> Poll<io::Result<()>> {
        let before = *written;
        let stream = &mut self.stream;
        let result =
            self.outbox.write_to(|bytes| Pin::new(&mut *stream).poll_write(cx, bytes), written);
        if *written > before && matches!(self.stream, ByteStream::Tls(_)) {
            self.needs_flush = true;
        }
        ready!(result)?;
        if self.needs_flush {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.needs_flush = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes the whole outbox.
    pub(super) async fn flush(&mut self) -> Result<(), CloseReason> {
        poll_fn(|cx| self.poll_write(cx, &mut 0))
            .await
            .map_err(|error| CloseReason::Broken(error.to_string()))
    }

    /// Appends a close frame to the outbox.
    pub(super) fn put_close(&mut self, code: u16, reason: &'static str) {
        let frame =
            CloseFrame { code: CloseCode::from(code), reason: Utf8Bytes::from_static(reason) };
        // Fails only if the WebSocket is closed already.
        let _ = self.websocket.close(&mut SliceIo::empty(&self.outbox), Some(frame));
    }

    /// Appends a ping to the outbox.
    pub(super) fn put_ping(&mut self) {
        // Fails only if the WebSocket is closing.
        let _ =
            self.websocket.write(&mut SliceIo::empty(&self.outbox), Message::Ping(Bytes::new()));
    }

    /// Closes a connection that did not become a session, and waits briefly for the peer to read why. To close a socket
    /// with unread bytes at once would discard our last bytes.
    pub(super) async fn close(mut self, code: u16, reason: &'static str) {
        self.put_close(code, reason);
        // The peer's close frame may be behind others.
        self.received_frames = 0;
        let closing_handshake = async {
            self.flush().await?;
            while self.receive().await.is_ok() {}
            Ok::<(), CloseReason>(())
        };
        // The connection ends either way.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, closing_handshake).await;
    }

    /// Moves the unread bytes to the start of `buffer` and reads from the stream behind them. Returns the length of
    /// both together; `None`: the stream has ended.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<Option<usize>>> {
        let unread = self.unread.len();
        let (before, free) = buffer
            .split_at_mut_checked(unread)
            .expect("less than the longest frame is unread, and the buffer is longer");
        let mut read = ReadBuf::new(free);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        let count = read.filled().len();
        if count == 0 {
            return Poll::Ready(Ok(None));
        }
        before.copy_from_slice(&self.unread);
        self.unread.clear();
        Poll::Ready(Ok(Some(unread + count)))
    }

    /// Keeps the beginning of a frame until the rest arrives. Without one, the memory is released.
    pub(super) fn keep_unread(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.unread = Vec::new();
        } else {
            self.unread.extend_from_slice(bytes);
        }
    }

    /// Takes the bytes that are read but not handled.
    pub(super) fn take_unread(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unread)
    }
}

/// Reads from a slice, writes to the outbox.
pub(super) struct SliceIo<'a> {
    unread: &'a [u8],
    outbox: &'a Outbox,
}

impl<'a> SliceIo<'a> {
    pub(super) fn new(unread: &'a [u8], outbox: &'a Outbox) -> Self {
        Self { unread, outbox }
    }

    pub(super) fn empty(outbox: &'a Outbox) -> Self {
        Self::new(&[], outbox)
    }
}

impl Read for SliceIo<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.unread.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.unread.read(bytes)
    }
}

impl Write for SliceIo<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outbox.put_ws_frames(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn is_would_block(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// The close reason of a session whose peer sent this close frame.
pub(super) fn close_reason_of_frame(frame: Option<CloseFrame>) -> CloseReason {
    let code = frame.as_ref().map(|frame| u16::from(frame.code));
    let reason = frame.map_or_else(String::new, |frame| sanitize_bytes(frame.reason.as_bytes()));
    CloseReason::ByPeer { code, reason }
}

/// The close reason of a session whose WebSocket failed. RFC 6455 7.4.1 has a close code for each mistake of the peer.
pub(super) fn close_reason_of_error(error: &Error) -> CloseReason {
    match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
        | Error::ConnectionClosed
        | Error::AlreadyClosed => CloseReason::Broken(WITHOUT_CLOSE_FRAME.to_owned()),
        Error::Io(error) => CloseReason::Broken(error.to_string()),
        Error::Capacity(_) => CloseReason::ByUs { code: TOO_BIG, reason: "message too long" },
        Error::Utf8(_) => CloseReason::ByUs { code: NOT_UTF8, reason: "text is not UTF-8" },
        _ => CloseReason::ByUs { code: PROTOCOL_ERROR, reason: "WebSocket protocol error" },
    }
}

/// The reason for a connection that ended without a closing handshake.
pub(super) const WITHOUT_CLOSE_FRAME: &str = "the connection was closed without a close frame";
