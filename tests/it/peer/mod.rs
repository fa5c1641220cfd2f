//! A scripted BTP peer on a real socket, with its own WebSocket framing: it can do everything that a decent library
//! refuses to do. Whatever a node sends to it during any test is held against the canonical encoding
//! (checklist row 1), and every wait has a deadline.
//!
//! Deliberately not here: TLS. Tests of `wss` use the program itself.

mod frames;
mod node;
mod socket;

use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use ilp_connector::wire::btp::{BtpFrame, FrameBody, FrameKind, ILP, ProtocolEntry};
use ilp_connector::wire::ilp::Packet;

pub(crate) use frames::{
    Ask, PREIMAGE, ask, auth, body_of, describe, frame, fulfill, fulfill_with, hex_list, message,
    now, preimage, reject, respond, vectors,
};
pub(crate) use node::{Daemon, get, json, try_get, yaml_of};
pub(crate) use socket::{Reader, Seen, Writer};

/// No answer takes longer, unless it is lost. Generous: the machine may be busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// A variable that names a file: every frame that a node sends goes there too, in hexadecimal, one per line.
pub(crate) const CAPTURE: &str = "CAPTURE_FRAMES";

fn capture(raw: &[u8]) {
    static FILE: LazyLock<Option<File>> = LazyLock::new(|| {
        let path = std::env::var_os(CAPTURE)?;
        let opened = File::options().create(true).append(true).open(&path);
        Some(opened.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    });
    if let Some(mut file) = FILE.as_ref() {
        // One write, so that lines of several threads stay whole.
        let written = file.write_all((hex::encode(raw) + "\n").as_bytes());
        written.unwrap_or_else(|error| panic!("cannot capture a frame: {error}"));
    }
}

/// A BTP frame that the node sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) kind: FrameKind,
    pub(crate) id: u32,
    /// The ILP packet in it.
    pub(crate) ilp: Option<Vec<u8>>,
    /// The code of an ERROR.
    pub(crate) code: Option<String>,
    /// All of it.
    pub(crate) raw: Vec<u8>,
}

impl Got {
    /// Reads a frame, which must be one that RFC 23 and RFC 30 allow to emit.
    pub(crate) fn read(raw: Vec<u8>) -> Self {
        capture(&raw);
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
        Got { kind: frame.body.kind(), id: frame.request_id.0, ilp, code, raw }
    }
}

/// One session with a node, of either role.
pub(crate) struct Peer {
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
    /// What the node asked for when it dialled us, such as `GET /path HTTP/1.1`.
    pub(crate) request_line: String,
    fences: u32,
}

impl Peer {
    /// A WebSocket on which nothing has been said yet.
    pub(crate) fn open(port: u64) -> Self {
        Self::open_at(port, "/")
    }

    /// The same, asking for a path.
    pub(crate) fn open_at(port: u64, path: &str) -> Self {
        let (reader, writer) = socket::dial(tcp(port), path);
        Peer { reader, writer, request_line: String::new(), fences: 0 }
    }

    /// Logs in.
    pub(crate) fn login(port: u64, user: &str, token: &str) -> Self {
        let mut peer = Self::open(port);
        peer.send(&auth(0x0100_0000, Some(user), token));
        assert_eq!(describe(&peer.frame()), "RESPONSE 16777216", "the login of {user}");
        peer
    }

    /// Accepts the WebSocket of a node that dials, and says nothing.
    pub(crate) fn accept_silently(listener: &TcpListener) -> Self {
        let (reader, writer, head) = socket::accept(listener, PATIENCE);
        let request_line = head.lines().next().unwrap_or_default().to_owned();
        Peer { reader, writer, request_line, fences: 0 }
    }

    /// Sends one binary message.
    pub(crate) fn send(&mut self, frame: &[u8]) {
        self.writer.send(frame);
    }

    /// Sends a Prepare.
    pub(crate) fn ask(&mut self, id: u32, ask: &Ask) {
        self.send(&message(id, &[ProtocolEntry::octets(ILP, &ask.packet())]));
    }

    /// Answers with this packet.
    pub(crate) fn answer(&mut self, id: u32, packet: &[u8]) {
        self.send(&respond(id, Some(packet)));
    }

    /// The next frame, whatever it is.
    pub(crate) fn frame(&mut self) -> Got {
        self.frame_within(PATIENCE).unwrap_or_else(|| panic!("no frame within {PATIENCE:?}"))
    }

    /// The next frame, if there is one in time. Pings are answered.
    pub(crate) fn frame_within(&mut self, time: Duration) -> Option<Got> {
        let deadline = Instant::now() + time;
        loop {
            match self.reader.next(deadline)? {
                Seen::Binary(raw) => return Some(Got::read(raw)),
                Seen::Ping(payload) => self.writer.control(0x8a, &payload),
                Seen::Pong => {}
                other => panic!("instead of a frame: {other:?}"),
            }
        }
    }

    /// The next frame, which must be a Prepare: its id and the packet.
    pub(crate) fn prepare(&mut self) -> (u32, Vec<u8>) {
        let got = self.frame();
        assert_eq!(got.kind, FrameKind::Message, "{}", describe(&got));
        let packet = got.ilp.clone().unwrap_or_else(|| panic!("{}", describe(&got)));
        (got.id, packet)
    }

    /// The next frame in short, such as `RESPONSE 7 Reject F02`.
    pub(crate) fn next(&mut self) -> String {
        describe(&self.frame())
    }

    /// Asks, and reads the answer, which must be the next frame.
    pub(crate) fn asked(&mut self, id: u32, ask: &Ask) -> String {
        self.ask(id, ask);
        self.next()
    }

    /// Everything that the node has to say before it answers a message which we send now.
    pub(crate) fn fence(&mut self) -> Vec<String> {
        self.fences += 1;
        let id = 0x0f00_0000 + self.fences;
        self.send(&message(id, &[]));
        let mut seen = Vec::new();
        loop {
            let got = self.frame();
            if got.id == id && got.kind == FrameKind::Response {
                return seen;
            }
            seen.push(describe(&got));
        }
    }

    /// Waits for the end of the session: the code and reason of the close frame, 1006 where there is none.
    pub(crate) fn closed(&mut self) -> (u16, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.reader.next(deadline) {
                Some(Seen::Close(code, reason)) => return (code, reason),
                Some(Seen::Gone) => return (1006, String::new()),
                Some(_) => {}
                None => panic!("still open after {PATIENCE:?}"),
            }
        }
    }

    /// Breaks the connection without a word.
    pub(crate) fn cut(self) {
        self.writer.shutdown();
    }

    /// Answers every Prepare with the Fulfill of [`PREIMAGE`], on a thread, until the connection ends; then how many
    /// there were.
    pub(crate) fn fulfill_all(mut self) -> std::thread::JoinHandle<usize> {
        std::thread::spawn(move || {
            let fulfill = fulfill(&PREIMAGE);
            let mut count = 0;
            let deadline = Instant::now() + Duration::from_secs(60);
            while let Some(seen) = self.reader.next(deadline) {
                match seen {
                    Seen::Binary(raw) if raw.first() == Some(&(FrameKind::Message as u8)) => {
                        let id = BtpFrame::parse(&raw).map(|frame| frame.request_id.0);
                        let id = id.unwrap_or_else(|error| panic!("the node sent: {error}"));
                        if self.writer.try_send(&respond(id, Some(&fulfill))).is_err() {
                            break;
                        }
                        count += 1;
                    }
                    Seen::Ping(payload) => self.writer.control(0x8a, &payload),
                    Seen::Close(..) | Seen::Gone => break,
                    _ => {}
                }
            }
            count
        })
    }
}

/// A plain connection to a port of this machine.
pub(crate) fn tcp(port: u64) -> TcpStream {
    let port = u16::try_from(port).unwrap_or_else(|_| panic!("{port} is no port"));
    TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .unwrap_or_else(|error| panic!("cannot connect to port {port}: {error}"))
}

/// A listener for nodes that dial us, and its port.
pub(crate) fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap_or_else(|error| panic!("cannot listen: {error}"));
    let port = listener.local_addr().map_or(0, |address| address.port());
    (listener, port)
}
