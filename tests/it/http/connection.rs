//! HTTP/1.1 by hand, as a client of a node and as a peer's server, so that a test controls every byte.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Instant;

use crate::peer::{TIMEOUT, connect_tcp};
use crate::support::eventually;

/// A request or an answer: its first line and headers, and its body.
#[derive(Debug)]
pub(crate) struct HttpMessage {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl HttpMessage {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The status of an answer.
    pub(crate) fn status(&self) -> u16 {
        let code = self.head.get(9..12).and_then(|code| code.parse().ok());
        code.unwrap_or_else(|| panic!("no answer: {}", self.head))
    }
}

/// One connection, of either role.
pub(crate) struct HttpConnection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl HttpConnection {
    /// Connects to a port of this machine.
    pub(crate) fn connect(port: u64) -> Self {
        Self::from_stream(connect_tcp(port))
    }

    fn from_stream(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends a POST.
    pub(crate) fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        let mut head = format!("POST {path} HTTP/1.1\r\nHost: node\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", body.len());
        self.send(&[head.as_bytes(), body].concat());
    }

    /// Answers a request.
    pub(crate) fn answer(&mut self, status: &str, body: &[u8]) {
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.send(&[head.as_bytes(), body].concat());
    }

    /// The next message; `None` after the other side has closed.
    pub(crate) fn try_receive(&mut self) -> Option<HttpMessage> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8(self.buffer[..at].to_vec()).unwrap();
                let mut message = HttpMessage { head, body: Vec::new() };
                let length =
                    message.header("content-length").map_or(0, |text| text.parse().unwrap());
                let end = at + 4 + length;
                if self.buffer.len() >= end {
                    message.body = self.buffer[at + 4..end].to_vec();
                    self.buffer.drain(..end);
                    return Some(message);
                }
            }
            assert!(Instant::now() < deadline, "half a message: {:?}", self.buffer);
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("nothing within {TIMEOUT:?}: {error}"),
            }
        }
    }

    /// The next message.
    pub(crate) fn receive(&mut self) -> HttpMessage {
        self.try_receive().unwrap_or_else(|| panic!("closed instead of a message"))
    }
}

/// A peer's server.
pub(crate) struct Server(TcpListener);

impl Server {
    pub(crate) fn start() -> Self {
        Self::bind(0)
    }

    /// Listens on a port that nodes know.
    pub(crate) fn bind(port: u16) -> Self {
        Self(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap())
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// The next connection.
    pub(crate) fn accept(&self) -> HttpConnection {
        self.0.set_nonblocking(true).unwrap();
        let (stream, _) = eventually("a connection", TIMEOUT, || {
            self.0.accept().map_err(|error| error.to_string())
        })
        .0;
        stream.set_nonblocking(false).unwrap();
        HttpConnection::from_stream(stream)
    }

    /// Answers every request of every connection with 202, and returns the requests.
    pub(crate) fn accept_all(self) -> Receiver<HttpMessage> {
        let (sender, requests) = sync_channel(64);
        // Before the answer: what a node has an answer to is there for the test.
        self.answer_all(move |request| {
            sender.send(request).is_ok().then(|| ("202 Accepted", Vec::new()))
        });
        requests
    }

    /// Answers every request of every connection with a status and a body; `None` closes the connection.
    pub(crate) fn answer_all<A>(self, answer: A)
    where
        A: Fn(HttpMessage) -> Option<(&'static str, Vec<u8>)> + Clone + Send + 'static,
    {
        self.0.set_nonblocking(false).unwrap();
        thread::spawn(move || {
            for stream in self.0.incoming() {
                let mut wire = HttpConnection::from_stream(stream.unwrap());
                let answer = answer.clone();
                thread::spawn(move || {
                    while let Some((status, body)) = wire.try_receive().and_then(&answer) {
                        wire.answer(status, &body);
                    }
                });
            }
        });
    }
}
