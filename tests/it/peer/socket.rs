//! WebSocket frames (RFC 6455) by hand, on a blocking socket whose halves may be on different threads.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ilp_connector::wire::ws::{apply_mask, put_binary_header};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// A WebSocket frame that arrived, or the end of the connection.
#[derive(Debug)]
pub(crate) enum SocketEvent {
    Binary(Vec<u8>),
    Text,
    Ping(Vec<u8>),
    Pong,
    Close(u16, String),
    Closed,
}

/// The reading half of a WebSocket.
pub(crate) struct FrameReader {
    stream: TcpStream,
    buffer: Vec<u8>,
    consumed: usize,
    /// Whether the node masks its frames; the same for a whole session.
    pub(crate) masked: Option<bool>,
}

/// The writing half of a WebSocket.
pub(crate) struct FrameWriter {
    stream: TcpStream,
    /// Held while a frame is written, so that two threads do not mix their frames.
    write_lock: Arc<Mutex<()>>,
    mask: Option<[u8; 4]>,
}

/// Any key is valid.
const MASK: [u8; 4] = [0xa5, 0x5a, 0x01, 0xfe];

/// The client's end of the WebSocket handshake. `headers`: `Host` and further lines.
pub(super) fn dial(mut stream: TcpStream, path: &str, headers: &str) -> (FrameReader, FrameWriter) {
    let request = format!(
        "GET {path} HTTP/1.1\r\n{headers}Connection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let written = stream.write_all(request.as_bytes());
    written.unwrap_or_else(|error| panic!("cannot send the handshake: {error}"));
    let (reader, head) = read_head(stream.try_clone().unwrap_or_else(no_clone));
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(!head.to_ascii_lowercase().contains("sec-websocket-protocol"), "{head}");
    (reader, FrameWriter { stream, write_lock: Arc::default(), mask: Some(MASK) })
}

/// The server's end of it, and the head of the request.
pub(super) fn accept(
    listener: &TcpListener,
    timeout: Duration,
) -> (FrameReader, FrameWriter, String) {
    let deadline = Instant::now() + timeout;
    listener.set_nonblocking(true).unwrap_or_else(|error| panic!("{error}"));
    let mut stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < deadline => {
                std::thread::park_timeout(Duration::from_millis(5));
            }
            Err(error) => panic!("no node dialled within {timeout:?}: {error}"),
        }
    };
    stream.set_nonblocking(false).unwrap_or_else(|error| panic!("{error}"));
    let (reader, head) = read_head(stream.try_clone().unwrap_or_else(no_clone));
    let key = head.split("Sec-WebSocket-Key: ").nth(1).and_then(|rest| rest.split('\r').next());
    let key = derive_accept_key(key.unwrap_or_else(|| panic!("no key: {head}")).as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {key}\r\n\r\n"
    );
    let written = stream.write_all(answer.as_bytes());
    written.unwrap_or_else(|error| panic!("cannot answer the handshake: {error}"));
    (reader, FrameWriter { stream, write_lock: Arc::default(), mask: None }, head)
}

fn no_clone(error: io::Error) -> TcpStream {
    panic!("cannot share a socket: {error}")
}

fn read_head(stream: TcpStream) -> (FrameReader, String) {
    let mut reader = FrameReader { stream, buffer: Vec::new(), consumed: 0, masked: None };
    let deadline = Instant::now() + super::TIMEOUT;
    loop {
        if let Some(at) = reader.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&reader.buffer[..at + 4]).into_owned();
            reader.consumed = at + 4;
            return (reader, head);
        }
        match reader.fill(deadline) {
            Some(true) => {}
            other => panic!("no handshake ({other:?}): {:?}", reader.buffer),
        }
    }
}

impl FrameReader {
    /// The next WebSocket frame; `None` when there is none in time.
    pub(crate) fn next_event(&mut self, deadline: Instant) -> Option<SocketEvent> {
        loop {
            if let Some(seen) = self.parse_frame() {
                return Some(seen);
            }
            if !self.fill(deadline)? {
                return Some(SocketEvent::Closed);
            }
        }
    }

    /// Reads more bytes: `Some(false)` at the end of the connection, `None` when time is up.
    fn fill(&mut self, deadline: Instant) -> Option<bool> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        if self.consumed > 1 << 20 || self.consumed == self.buffer.len() {
            self.buffer.drain(..self.consumed);
            self.consumed = 0;
        }
        self.stream.set_read_timeout(Some(left)).unwrap_or_else(|error| panic!("{error}"));
        let mut chunk = [0; 64 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => Some(false),
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                Some(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                None
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Some(true),
            Err(_) => Some(false),
        }
    }

    /// A frame, if it has arrived completely. The node never fragments, and masks only when it dialled.
    fn parse_frame(&mut self) -> Option<SocketEvent> {
        let bytes = &self.buffer[self.consumed..];
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        let (length, mut at) = match second & 0x7f {
            126 => (usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])), 4),
            127 => {
                let long = bytes.get(2..10)?.try_into().map_or(u64::MAX, u64::from_be_bytes);
                (usize::try_from(long).unwrap_or(usize::MAX), 10)
            }
            short => (usize::from(short), 2),
        };
        let key = if second & 0x80 == 0 {
            None
        } else {
            let key = bytes.get(at..at + 4)?.try_into().unwrap_or_default();
            at += 4;
            Some(key)
        };
        let mut payload = bytes.get(at..at.saturating_add(length))?.to_vec();
        let masked = *self.masked.get_or_insert(key.is_some());
        assert_eq!(masked, key.is_some(), "RFC 6455 5.1: a client masks, a server does not");
        self.consumed += at + length;
        if let Some(key) = key {
            apply_mask(key, &mut payload);
        }
        Some(match first {
            0x82 => SocketEvent::Binary(payload),
            0x81 => SocketEvent::Text,
            0x89 => SocketEvent::Ping(payload),
            0x8a => SocketEvent::Pong,
            0x88 => {
                let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                let reason = payload.get(2..).unwrap_or_default();
                SocketEvent::Close(code, String::from_utf8_lossy(reason).into_owned())
            }
            other => panic!("the node sent a WebSocket frame {other:#x}"),
        })
    }
}

impl FrameWriter {
    /// Sends one binary message.
    pub(crate) fn send(&mut self, payload: &[u8]) {
        self.try_send(payload).unwrap_or_else(|error| panic!("cannot send: {error}"));
    }

    /// The same, for a session that may have ended.
    pub(crate) fn try_send(&mut self, payload: &[u8]) -> io::Result<()> {
        let bytes = self.encode(payload);
        let _turn = self.write_lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.stream.write_all(&bytes)
    }

    /// Encodes a binary message.
    pub(crate) fn encode(&self, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(payload.len() + 14);
        put_binary_header(payload.len(), self.mask, &mut bytes);
        let at = bytes.len();
        bytes.extend_from_slice(payload);
        if let Some(key) = self.mask {
            apply_mask(key, &mut bytes[at..]);
        }
        bytes
    }

    /// Sends a short frame of any first byte: 0x81 text, 0x88 close, 0x89 ping, 0x8a pong.
    pub(crate) fn send_control(&mut self, first: u8, payload: &[u8]) {
        assert!(payload.len() < 126, "a short frame");
        let mut bytes = self.encode(payload);
        bytes[0] = first;
        let _turn = self.write_lock.lock().unwrap_or_else(PoisonError::into_inner);
        // A session may end while we answer its ping.
        let _ = self.stream.write_all(&bytes);
    }

    /// Clones this half for another thread.
    pub(crate) fn try_clone(&self) -> Self {
        let stream = self.stream.try_clone().unwrap_or_else(no_clone);
        Self { stream, write_lock: Arc::clone(&self.write_lock), mask: self.mask }
    }

    /// Sends bytes as they are.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// How long a write may wait.
    pub(crate) fn set_timeout(&self, time: Duration) {
        let set = self.stream.set_write_timeout(Some(time));
        set.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Ends the connection.
    pub(crate) fn shutdown(&self) {
        // It may be gone already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
