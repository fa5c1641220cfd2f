//! A scripted BTP peer on a real socket, with its own WebSocket framing: it can break rules that a library would
//! enforce. Every frame that a node sends to it in any test must be encoded canonically (checklist row 1), and every
//! wait has a deadline.
//!
//! Deliberately absent: TLS. Tests of `wss` use the program itself.

mod frames;
mod node;
mod socket;

use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

pub(crate) use frames::{
    PREIMAGE, TestPrepare, auth_frame, describe_frame, describe_packet, frame, fulfill,
    fulfill_with, hex_vectors, message, now, preimage, prepare_to, read_vectors, reject, response,
};
use ilp_connector::wire::btp::{BtpFrame, FrameBody, FrameKind, ILP, ProtocolEntry};
use ilp_connector::wire::ilp::Packet;
pub(crate) use node::{TestNode, ask, config_of, get_json, http_get, try_ask, try_http_get};
pub(crate) use socket::{FrameReader, FrameWriter, SocketEvent};

/// The deadline of an answer; generous, because the machine may be busy with other tests.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(15);

/// The environment variable with the name of a file to which every frame of a node is appended, in hexadecimal, one per
/// line.
pub(crate) const CAPTURE_VARIABLE: &str = "CAPTURE_FRAMES";

fn capture_frame(raw: &[u8]) {
    static FILE: LazyLock<Option<File>> = LazyLock::new(|| {
        let path = std::env::var_os(CAPTURE_VARIABLE)?;
        let opened = File::options().create(true).append(true).open(&path);
        Some(opened.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    });
    if let Some(mut file) = FILE.as_ref() {
        // One write, so that lines of several threads do not mix.
        let written = file.write_all((hex::encode(raw) + "\n").as_bytes());
        written.unwrap_or_else(|error| panic!("cannot capture a frame: {error}"));
    }
}

/// A BTP frame that the node sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReceivedFrame {
    pub(crate) kind: FrameKind,
    pub(crate) id: u32,
    /// The ILP packet in it.
    pub(crate) ilp: Option<Vec<u8>>,
    /// The code, if it is an ERROR.
    pub(crate) code: Option<String>,
    /// The whole frame.
    pub(crate) raw: Vec<u8>,
}

impl ReceivedFrame {
    /// Whether a node with a store asks for the peer's books. A scripted peer has none, and leaves that unanswered.
    fn asks_for_books(&self) -> bool {
        let name = b"peer.reconcile";
        let packet = self.ilp.as_deref().unwrap_or_default();
        self.kind == FrameKind::Message && packet.windows(name.len()).any(|part| part == name)
    }

    /// Parses a frame, which must be canonical by RFC 23 and RFC 30.
    pub(crate) fn parse(raw: Vec<u8>) -> Self {
        capture_frame(&raw);
        let frame = BtpFrame::parse(&raw)
            .unwrap_or_else(|error| panic!("the node sent {}: {error}", hex::encode(&raw)));
        let mut canonical = Vec::new();
        frame.encode(&mut canonical);
        assert_eq!(hex::encode(&canonical), hex::encode(&raw), "a frame that is not canonical");
        let ilp = frame.ilp().map(<[u8]>::to_vec);
        if let Some(ilp) = &ilp {
            let packet = Packet::parse(ilp)
                .unwrap_or_else(|error| panic!("the node sent {}: {error}", hex::encode(ilp)));
            let mut canonical = Vec::new();
            packet.encode(&mut canonical);
            assert_eq!(hex::encode(&canonical), hex::encode(ilp), "a packet that is not canonical");
            let primary = frame.protocol_data.primary();
            let (name, content_type) =
                primary.map(|entry| (entry.name, entry.content_type.0)).unwrap_or_default();
            assert_eq!((name, content_type), (ILP, 0), "row 81: ilp comes first, as octets");
        }
        let code = match frame.body {
            FrameBody::Error { code, .. } => Some(code.to_string()),
            _ => None,
        };
        Self { kind: frame.body.kind(), id: frame.request_id.0, ilp, code, raw }
    }
}

/// One session with a node, in either role.
pub(crate) struct Peer {
    pub(crate) reader: FrameReader,
    pub(crate) writer: FrameWriter,
    /// The first line of the request with which the node dialled, such as `GET /path HTTP/1.1`.
    pub(crate) request_line: String,
    drains: u32,
}

impl Peer {
    /// Opens a WebSocket and sends nothing.
    pub(crate) fn connect(port: u64) -> Self {
        Self::connect_at(port, "/")
    }

    /// The same with a path.
    pub(crate) fn connect_at(port: u64, path: &str) -> Self {
        Self::connect_with(port, path, "Host: node\r\n")
    }

    /// The same with these header lines.
    pub(crate) fn connect_with(port: u64, path: &str, headers: &str) -> Self {
        let (reader, writer) = socket::dial(connect_tcp(port), path, headers);
        Self { reader, writer, request_line: String::new(), drains: 0 }
    }

    /// Logs in.
    pub(crate) fn log_in(port: u64, user: &str, token: &str) -> Self {
        let mut peer = Self::connect(port);
        peer.authenticate(user, token);
        peer
    }

    /// Logs in on an open WebSocket.
    pub(crate) fn authenticate(&mut self, user: &str, token: &str) {
        self.send(&auth_frame(0x0100_0000, Some(user), token));
        assert_eq!(describe_frame(&self.receive()), "RESPONSE 16777216", "the login of {user}");
    }

    /// Accepts the WebSocket of a node that dials, and sends nothing.
    pub(crate) fn accept(listener: &TcpListener) -> Self {
        let (reader, writer, head) = socket::accept(listener, TIMEOUT);
        let request_line = head.lines().next().unwrap_or_default().to_owned();
        Self { reader, writer, request_line, drains: 0 }
    }

    /// Sends one binary message.
    pub(crate) fn send(&mut self, frame: &[u8]) {
        self.writer.send(frame);
    }

    /// Sends a Prepare.
    pub(crate) fn send_prepare(&mut self, id: u32, prepare: &TestPrepare) {
        self.send(&message(id, &[ProtocolEntry::octets(ILP, &prepare.encode())]));
    }

    /// Sends a RESPONSE with this packet.
    pub(crate) fn answer(&mut self, id: u32, packet: &[u8]) {
        self.send(&response(id, Some(packet)));
    }

    /// The next frame.
    pub(crate) fn receive(&mut self) -> ReceivedFrame {
        self.receive_within(TIMEOUT).unwrap_or_else(|| panic!("no frame within {TIMEOUT:?}"))
    }

    /// The next frame, if one arrives in time. Pings are answered.
    pub(crate) fn receive_within(&mut self, time: Duration) -> Option<ReceivedFrame> {
        let deadline = Instant::now() + time;
        loop {
            match self.reader.next_event(deadline)? {
                SocketEvent::Binary(raw) => {
                    let frame = ReceivedFrame::parse(raw);
                    if !frame.asks_for_books() {
                        return Some(frame);
                    }
                }
                SocketEvent::Ping(payload) => self.writer.send_control(0x8a, &payload),
                SocketEvent::Pong => {}
                other => panic!("instead of a frame: {other:?}"),
            }
        }
    }

    /// The next frame, which must be a Prepare: its id and the packet.
    pub(crate) fn receive_prepare(&mut self) -> (u32, Vec<u8>) {
        let got = self.receive();
        assert_eq!(got.kind, FrameKind::Message, "{}", describe_frame(&got));
        let packet = got.ilp.clone().unwrap_or_else(|| panic!("{}", describe_frame(&got)));
        (got.id, packet)
    }

    /// The description of the next frame, such as `RESPONSE 7 Reject F02`.
    pub(crate) fn receive_described(&mut self) -> String {
        describe_frame(&self.receive())
    }

    /// Sends a Prepare, and describes the next frame, which must be its answer.
    pub(crate) fn request(&mut self, id: u32, prepare: &TestPrepare) -> String {
        self.send_prepare(id, prepare);
        self.receive_described()
    }

    /// Describes all frames that the node sends before its answer to an empty MESSAGE.
    pub(crate) fn drain_frames(&mut self) -> Vec<String> {
        self.drains += 1;
        let id = 0x0f00_0000 + self.drains;
        self.send(&message(id, &[]));
        let mut seen = Vec::new();
        loop {
            let got = self.receive();
            if got.id == id && got.kind == FrameKind::Response {
                return seen;
            }
            seen.push(describe_frame(&got));
        }
    }

    /// Waits for the end of the session: the code and reason of the close frame, 1006 where there is none.
    pub(crate) fn wait_closed(&mut self) -> (u16, String) {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            match self.reader.next_event(deadline) {
                Some(SocketEvent::Close(code, reason)) => return (code, reason),
                Some(SocketEvent::Closed) => return (1006, String::new()),
                Some(_) => {}
                None => panic!("still open after {TIMEOUT:?}"),
            }
        }
    }

    /// Closes the connection without a close frame.
    pub(crate) fn disconnect(self) {
        self.writer.shutdown();
    }

    /// Fulfills every Prepare with [`PREIMAGE`] on a thread until the connection ends. The thread returns how many
    /// there were.
    pub(crate) fn fulfill_all(mut self) -> std::thread::JoinHandle<usize> {
        std::thread::spawn(move || {
            let fulfill = fulfill(&PREIMAGE);
            let mut count = 0;
            let deadline = Instant::now() + Duration::from_secs(60);
            while let Some(seen) = self.reader.next_event(deadline) {
                match seen {
                    SocketEvent::Binary(raw)
                        if raw.first() == Some(&(FrameKind::Message as u8)) =>
                    {
                        let id = BtpFrame::parse(&raw).map(|frame| frame.request_id.0);
                        let id = id.unwrap_or_else(|error| panic!("the node sent: {error}"));
                        if self.writer.try_send(&response(id, Some(&fulfill))).is_err() {
                            break;
                        }
                        count += 1;
                    }
                    SocketEvent::Ping(payload) => self.writer.send_control(0x8a, &payload),
                    SocketEvent::Close(..) | SocketEvent::Closed => break,
                    _ => {}
                }
            }
            count
        })
    }
}

/// Connects to a port of this machine.
pub(crate) fn connect_tcp(port: u64) -> TcpStream {
    let port = u16::try_from(port).unwrap_or_else(|_| panic!("{port} is no port"));
    TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .unwrap_or_else(|error| panic!("cannot connect to port {port}: {error}"))
}

/// A listener for nodes that dial us, and its port.
pub(crate) fn bind_listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap_or_else(|error| panic!("cannot listen: {error}"));
    let port = listener.local_addr().map_or(0, |address| address.port());
    (listener, port)
}
