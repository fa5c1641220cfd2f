//! For tests: raw clients and servers of HTTP/1.1.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::testing::TEST_TIMEOUT;

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{}", self.head);
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Sends a request without a body, its first line and headers, on a connection of its own.
pub(crate) async fn request_once(address: SocketAddr, request: &str) -> Answer {
    let mut client = RawConnection::open(address).await;
    client.write(&format!("{request}\r\nconnection: close\r\n\r\n")).await;
    let answer = client.read_to_end().await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

pub(crate) struct RawConnection(pub(crate) TcpStream);

impl RawConnection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// The next connection of a server.
    pub(crate) async fn accept(listener: &TcpListener) -> Self {
        let stream = listener.accept().await.unwrap().0;
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    /// Sends a GET request; returns head and body of its answer.
    pub(crate) async fn get(&mut self, path: &str) -> (String, String) {
        self.write(&format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
        self.read_text().await
    }

    /// POSTs a packet; returns head and body of the answer.
    pub(crate) async fn post(
        &mut self,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> (String, Vec<u8>) {
        let length = body.len();
        self.write(&format!(
            "POST {path} HTTP/1.1\r\nHost: h\r\n{headers}Content-Length: {length}\r\n\r\n"
        ))
        .await;
        self.write(body).await;
        self.read_message().await
    }

    /// Answers a request with this status and a body.
    pub(crate) async fn answer(&mut self, status: &str, body: &[u8]) {
        let length = body.len();
        self.write(&format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n")).await;
        self.write(body).await;
    }

    /// [`Self::read_message`], with the body as text.
    pub(crate) async fn read_text(&mut self) -> (String, String) {
        let (head, body) = self.read_message().await;
        (head, String::from_utf8_lossy(&body).into_owned())
    }

    /// One message: its head and its body.
    pub(crate) async fn read_message(&mut self) -> (String, Vec<u8>) {
        let head = self.read_head().await;
        let body = self.read_body(&head).await;
        (head, body)
    }

    /// The head of the next message, without its body; `None`: the other side has closed the connection before it.
    pub(crate) async fn next_head(&mut self) -> Option<String> {
        let is_open = async { self.0.peek(&mut [0; 1]).await.is_ok_and(|bytes| bytes > 0) };
        match timeout(TEST_TIMEOUT, is_open).await.unwrap() {
            true => Some(self.read_head().await),
            false => None,
        }
    }

    /// The head of a message, without its body.
    pub(crate) async fn read_head(&mut self) -> String {
        let mut bytes = Vec::new();
        let reading = async {
            while !bytes.ends_with(b"\r\n\r\n") {
                let byte = self.0.read_u8().await;
                bytes.push(byte.unwrap_or_else(|error| panic!("{error} after {bytes:?}")));
            }
        };
        timeout(TEST_TIMEOUT, reading).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// The body of a message whose head has been read.
    pub(crate) async fn read_body(&mut self, head: &str) -> Vec<u8> {
        let head = head.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        timeout(TEST_TIMEOUT, self.0.read_exact(&mut body)).await.unwrap().unwrap();
        body
    }

    /// Reads until the other side closes.
    pub(crate) async fn read_to_end(&mut self) -> String {
        let mut bytes = Vec::new();
        let reading = timeout(TEST_TIMEOUT, self.0.read_to_end(&mut bytes)).await;
        // A reset is an end as well.
        let _ = reading.unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
