//! A WebSocket: the byte stream, the sans-IO WebSocket of `tungstenite` that reads it, and the outbox that is written
//! to it.
//!
//! `tungstenite` owns the control frames and all that is unusual; it is given whole frames, and whole binary messages,
//! which is what packets come in, do not pass through it at all. What it has to say (pongs, close frames) it appends to
//! the outbox, behind whole frames of others. So there is one place where bytes are written, and nothing ever blocks on it.

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

use super::bounds::{CLOSE_LINGER, FRAMES_BEFORE_LOGIN_MAX};
use super::frame_header::FrameHeader;
use super::stream::Stream;
use crate::link::Outbox;
use crate::transport::{CloseReason, NOT_UTF8, POLICY, PROTOCOL_ERROR, TOO_BIG, shown};

/// What `tungstenite` keeps for the rare frames that it is given. A longer one makes it grow.
const RARE_FRAME_BYTES: usize = 256;
/// Bytes that one read of the handshake may take.
const HANDSHAKE_READ_BYTES: usize = 1024;

/// A connected WebSocket.
pub(super) struct Socket {
    pub(super) stream: Stream,
    pub(super) websocket: WebSocketContext,
    pub(super) outbox: Arc<Outbox>,
    pub(super) role: Role,
    pub(super) message_bytes_max: usize,
    /// Bytes that were read and are no whole frame yet.
    unread: Vec<u8>,
    /// TLS may hold bytes back until it is flushed.
    unflushed: bool,
    /// Frames that [`Self::receive`] has read.
    frames: usize,
}

/// A data message.
#[derive(Debug)]
pub(super) enum DataMessage {
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
            .read_buffer_size(RARE_FRAME_BYTES)
            // Control frames go to the outbox at once.
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
            unflushed: false,
            frames: 0,
        }
    }

    /// The next data message; pings are answered on the way. For the handshake: bytes behind the message stay where the
    /// driver finds them.
    ///
    /// Nothing is read while an answer waits to be written, and only so many frames are read in all, so that a far end
    /// that has not authenticated can make us neither keep answers nor work without an end.
    pub(super) async fn receive(&mut self) -> Result<DataMessage, CloseReason> {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<DataMessage, CloseReason>> {
        loop {
            while let Some(frame) = self.take_frame() {
                self.frames += 1;
                if self.frames > FRAMES_BEFORE_LOGIN_MAX {
                    let reason = "too many frames before the login";
                    return Poll::Ready(Err(CloseReason::ByUs { code: POLICY, reason }));
                }
                let read = self.websocket.read(&mut SliceIo::new(&frame, &self.outbox));
                match read {
                    Ok(Message::Binary(bytes)) => {
                        return Poll::Ready(Ok(DataMessage::Binary(bytes)));
                    }
                    Ok(Message::Text(_)) => return Poll::Ready(Ok(DataMessage::Text)),
                    Ok(Message::Close(frame)) => return Poll::Ready(Err(closed_by_peer(frame))),
                    Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                    // The beginning of a message in fragments.
                    Err(error) if is_would_block(&error) => {}
                    Err(error) => return Poll::Ready(Err(broken_by(&error))),
                }
                // What a ping put aside is put into the outbox by the next read.
                let _ = self.websocket.flush(&mut SliceIo::nothing(&self.outbox));
            }
            if let Err(error) = ready!(self.poll_write(cx, &mut 0)) {
                return Poll::Ready(Err(CloseReason::Broken(error.to_string())));
            }
            let mut bytes = [0; HANDSHAKE_READ_BYTES];
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

    /// The first whole frame that was read and not handled; of one that is too long the head, which is all that
    /// `tungstenite` needs to refuse it.
    fn take_frame(&mut self) -> Option<Vec<u8>> {
        let head = FrameHeader::read(&self.unread)?;
        let len = head.frame_len(self.message_bytes_max).unwrap_or(head.head_len);
        (len <= self.unread.len()).then(|| self.unread.drain(..len).collect())
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
    pub(super) async fn flush(&mut self) -> Result<(), CloseReason> {
        poll_fn(|cx| self.poll_write(cx, &mut 0))
            .await
            .map_err(|error| CloseReason::Broken(error.to_string()))
    }

    /// Puts a close frame behind what the outbox holds.
    pub(super) fn put_close(&mut self, code: u16, reason: &'static str) {
        let frame =
            CloseFrame { code: CloseCode::from(code), reason: Utf8Bytes::from_static(reason) };
        // Appending to the outbox cannot fail; a WebSocket that is closed already needs no frame.
        let _ = self.websocket.close(&mut SliceIo::nothing(&self.outbox), Some(frame));
    }

    /// Puts a ping behind what the outbox holds.
    pub(super) fn put_ping(&mut self) {
        // A WebSocket that is closing needs no ping.
        let _ =
            self.websocket.write(&mut SliceIo::nothing(&self.outbox), Message::Ping(Bytes::new()));
    }

    /// Closes a connection that did not become a session: says why and gives the peer a moment to hear it. Without
    /// that moment, closing a socket with unread bytes would destroy what was sent last.
    pub(super) async fn close(mut self, code: u16, reason: &'static str) {
        self.put_close(code, reason);
        // A few more frames, to find the answer to ours.
        self.frames = 0;
        let said = async {
            self.flush().await?;
            while self.receive().await.is_ok() {}
            Ok::<(), CloseReason>(())
        };
        // Whether it was heard changes nothing any more.
        let _ = tokio::time::timeout(CLOSE_LINGER, said).await;
    }

    /// Reads what the stream has into `scratch`, behind what was read before and is no whole frame yet. Gives the
    /// length of both together; `None`: the stream has ended.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
    ) -> Poll<io::Result<Option<usize>>> {
        let kept = self.unread.len();
        let Some((before, room)) = scratch.split_at_mut_checked(kept) else {
            // The driver's buffer holds the longest frame and more.
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        };
        let mut buffer = ReadBuf::new(room);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        let count = buffer.filled().len();
        if count == 0 {
            return Poll::Ready(Ok(None));
        }
        before.copy_from_slice(&self.unread);
        self.unread.clear();
        Poll::Ready(Ok(Some(kept + count)))
    }

    /// Keeps the beginning of a frame until the rest arrives. Memory is given back when there is none to keep.
    pub(super) fn keep_unread(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.unread = Vec::new();
        } else {
            self.unread.extend_from_slice(bytes);
        }
    }

    /// What the handshake read and did not handle.
    pub(super) fn take_unread(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unread)
    }
}

/// Reads from bytes that were read before, writes to the outbox.
pub(super) struct SliceIo<'a> {
    unread: &'a [u8],
    outbox: &'a Outbox,
}

impl<'a> SliceIo<'a> {
    pub(super) fn new(unread: &'a [u8], outbox: &'a Outbox) -> Self {
        Self { unread, outbox }
    }

    pub(super) fn nothing(outbox: &'a Outbox) -> Self {
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
pub(super) fn closed_by_peer(frame: Option<CloseFrame>) -> CloseReason {
    let code = frame.as_ref().map(|frame| u16::from(frame.code));
    let reason = frame.map_or_else(String::new, |frame| shown(frame.reason.as_bytes()));
    CloseReason::ByPeer { code, reason }
}

/// How a session ends that reading failed on. Where the peer is to blame we close with the code of RFC 6455 7.4.1;
/// where the connection is gone nothing can be said.
pub(super) fn broken_by(error: &Error) -> CloseReason {
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

/// What is said of a connection that just ended.
pub(super) const WITHOUT_CLOSE_FRAME: &str = "the connection was closed without a close frame";
