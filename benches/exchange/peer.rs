//! A peer of the node: a WebSocket on a blocking socket, whose halves may be on different threads.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use ilp_connector::wire::Fulfillment;
use ilp_connector::wire::btp::{
    BtpFrame, FrameBody, ILP, ProtocolEntry, RequestId, put_auth, put_frame,
};
use ilp_connector::wire::ilp::{Fulfill, Packet};
use ilp_connector::wire::ws::{apply_mask, put_binary_header};

const MASK: [u8; 4] = [1, 2, 3, 4];

pub(crate) struct Reader {
    stream: TcpStream,
    buffer: Vec<u8>,
}

pub(crate) struct Writer {
    stream: TcpStream,
    out: Vec<u8>,
}

/// A message from the node.
pub(crate) struct Got {
    pub(crate) id: u32,
    pub(crate) ilp: Vec<u8>,
}

/// Logs in.
pub(crate) fn login(port: u16, user: &str) -> io::Result<(Reader, Writer)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    let request = "GET / HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let mut reader = Reader { stream: stream.try_clone()?, buffer: Vec::new() };
    let mut writer = Writer { stream, out: Vec::new() };
    let mut frame = Vec::new();
    put_auth(RequestId(1), Some(user), &format!("{user}-token"), &mut frame);
    writer.send(&frame)?;
    reader.next()?;
    Ok((reader, writer))
}

impl Writer {
    fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.out.clear();
        put_binary_header(frame.len(), Some(MASK), &mut self.out);
        let start = self.out.len();
        self.out.extend_from_slice(frame);
        apply_mask(MASK, &mut self.out[start..]);
        self.stream.write_all(&self.out)
    }

    pub(crate) fn ask(&mut self, id: u32, packet: &[u8]) -> io::Result<()> {
        self.put(id, &FrameBody::Message, packet)
    }

    pub(crate) fn fulfill(&mut self, id: u32, fulfillment: Fulfillment) -> io::Result<()> {
        let mut packet = Vec::new();
        Packet::Fulfill(Fulfill { fulfillment, data: &[] }).encode(&mut packet);
        self.put(id, &FrameBody::Response, &packet)
    }

    fn put(&mut self, id: u32, body: &FrameBody<'_>, packet: &[u8]) -> io::Result<()> {
        let mut frame = Vec::new();
        put_frame(RequestId(id), body, &[ProtocolEntry::octets(ILP, packet)], &mut frame);
        self.send(&frame)
    }
}

impl Reader {
    /// The next BTP frame. Measurements are too short for pings.
    pub(crate) fn next(&mut self) -> io::Result<Got> {
        loop {
            let mut head = [0; 2];
            self.stream.read_exact(&mut head)?;
            let length = match head[1] & 0x7f {
                126 => {
                    let mut length = [0; 2];
                    self.stream.read_exact(&mut length)?;
                    usize::from(u16::from_be_bytes(length))
                }
                127 => {
                    let mut length = [0; 8];
                    self.stream.read_exact(&mut length)?;
                    u64::from_be_bytes(length) as usize
                }
                short => usize::from(short),
            };
            self.buffer.resize(length, 0);
            self.stream.read_exact(&mut self.buffer)?;
            if head[0] != 0x82 {
                continue;
            }
            let frame = BtpFrame::parse(&self.buffer).map_err(io::Error::other)?;
            let ilp = frame.ilp().map(<[u8]>::to_vec).unwrap_or_default();
            return Ok(Got { id: frame.request_id.0, ilp });
        }
    }
}
