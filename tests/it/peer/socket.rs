//! WebSocket frames (RFC 6455) by hand, on a blocking socket of which reading and writing may be on different threads.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ilp_connector::wire::ws::{apply_mask, put_binary_header};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// What arrived.
#[derive(Debug)]
pub(crate) enum Seen {
    Binary(Vec<u8>),
    Text,
    Ping(Vec<u8>),
    Pong,
    Close(u16, String),
    /// The connection is gone.
    Gone,
}

/// The reading half.
pub(crate) struct Reader {
    stream: TcpStream,
    buffer: Vec<u8>,
    taken: usize,
    /// Whether the node masks what it sends; all of a session or nothing.
    pub(crate) masked: Option<bool>,
}

/// The writing half.
pub(crate) struct Writer {
    stream: TcpStream,
    /// Held while a frame is written: of two threads that write, neither cuts the other's frames in two.
    turn: Arc<Mutex<()>>,
    mask: Option<[u8; 4]>,
}

/// Any key will do: the node must take every one.
const MASK: [u8; 4] = [0xa5, 0x5a, 0x01, 0xfe];

/// The client's end of the WebSocket handshake.
pub(super) fn dial(mut stream: TcpStream, path: &str) -> (Reader, Writer) {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: node\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let written = stream.write_all(request.as_bytes());
    written.unwrap_or_else(|error| panic!("cannot send the handshake: {error}"));
    let (reader, head) = read_head(stream.try_clone().unwrap_or_else(no_clone));
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(!head.to_ascii_lowercase().contains("sec-websocket-protocol"), "{head}");
    (reader, Writer { stream, turn: Arc::default(), mask: Some(MASK) })
}

/// The server's end of it, and the head of the request.
pub(super) fn accept(listener: &TcpListener, patience: Duration) -> (Reader, Writer, String) {
    let deadline = Instant::now() + patience;
    listener.set_nonblocking(true).unwrap_or_else(|error| panic!("{error}"));
    let mut stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < deadline => {
                std::thread::park_timeout(Duration::from_millis(5));
            }
            Err(error) => panic!("nobody dialled within {patience:?}: {error}"),
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
    (reader, Writer { stream, turn: Arc::default(), mask: None }, head)
}

fn no_clone(error: io::Error) -> TcpStream {
    panic!("cannot share a socket: {error}")
}

fn read_head(stream: TcpStream) -> (Reader, String) {
    let mut reader = Reader { stream, buffer: Vec::new(), taken: 0, masked: None };
    let deadline = Instant::now() + super::PATIENCE;
    loop {
        if let Some(at) = reader.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&reader.buffer[..at + 4]).into_owned();
            reader.taken = at + 4;
            return (reader, head);
        }
        match reader.fill(deadline) {
            Some(true) => {}
            other => panic!("no handshake ({other:?}): {:?}", reader.buffer),
        }
    }
}

impl Reader {
    /// The next WebSocket frame; `None` when there is none in time.
    pub(crate) fn next(&mut self, deadline: Instant) -> Option<Seen> {
        loop {
            if let Some(seen) = self.complete() {
                return Some(seen);
            }
            if !self.fill(deadline)? {
                return Some(Seen::Gone);
            }
        }
    }

    /// Reads on: `Some(false)` at the end, `None` when time is up.
    fn fill(&mut self, deadline: Instant) -> Option<bool> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        if self.taken > 1 << 20 || self.taken == self.buffer.len() {
            self.buffer.drain(..self.taken);
            self.taken = 0;
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

    /// A frame, if all of it is here. The node never fragments, and masks only when it dialled.
    fn complete(&mut self) -> Option<Seen> {
        let bytes = &self.buffer[self.taken..];
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
        self.taken += at + length;
        if let Some(key) = key {
            apply_mask(key, &mut payload);
        }
        Some(match first {
            0x82 => Seen::Binary(payload),
            0x81 => Seen::Text,
            0x89 => Seen::Ping(payload),
            0x8a => Seen::Pong,
            0x88 => {
                let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                let reason = payload.get(2..).unwrap_or_default();
                Seen::Close(code, String::from_utf8_lossy(reason).into_owned())
            }
            other => panic!("the node sent a WebSocket frame {other:#x}"),
        })
    }
}

impl Writer {
    /// Sends one binary message.
    pub(crate) fn send(&mut self, payload: &[u8]) {
        self.try_send(payload).unwrap_or_else(|error| panic!("cannot send: {error}"));
    }

    /// The same, for a session that may have ended.
    pub(crate) fn try_send(&mut self, payload: &[u8]) -> io::Result<()> {
        let bytes = self.framed(payload);
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.stream.write_all(&bytes)
    }

    /// A binary message as it is on the wire.
    pub(crate) fn framed(&self, payload: &[u8]) -> Vec<u8> {
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
    pub(crate) fn control(&mut self, first: u8, payload: &[u8]) {
        assert!(payload.len() < 126, "a short frame");
        let mut bytes = self.framed(payload);
        bytes[0] = first;
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // A session may end while we answer its ping.
        let _ = self.stream.write_all(&bytes);
    }

    /// The same half once more, for another thread.
    pub(crate) fn try_clone(&self) -> Self {
        let stream = self.stream.try_clone().unwrap_or_else(no_clone);
        Writer { stream, turn: Arc::clone(&self.turn), mask: self.mask }
    }

    /// Sends bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
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
