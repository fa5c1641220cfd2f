//! ILP over HTTP (RFC 35) from outside: requests by hand, over sockets. Checklist rows 128 to 130.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::peer::{Daemon, PATIENCE, PREIMAGE, ask, body_of, fulfill, listener, tcp};
use crate::support::eventually;

const ID: &str = "42ee09c8-a6de-4ae3-8a47-4732b0cbb07b";
const OCTETS: &str = "Content-Type: application/octet-stream";

/// Reads one request or one answer: its head, and its body.
fn message(stream: &mut TcpStream) -> (String, Vec<u8>) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
            let lower = head.to_ascii_lowercase();
            let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if bytes.len() >= at + 4 + length {
                return (lower, bytes.split_off(at + 4));
            }
        }
        let count = stream.read(&mut chunk).unwrap();
        assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&bytes));
        bytes.extend(&chunk[..count]);
    }
}

fn send(stream: &mut TcpStream, first: &str, headers: &[&str], body: &[u8]) {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let mut bytes =
        format!("{first}\r\nHost: node\r\n{headers}Content-Length: {}\r\n\r\n", body.len())
            .into_bytes();
    bytes.extend(body);
    stream.write_all(&bytes).unwrap();
}

fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let look = || listener.accept().map_err(|error| error.to_string());
    let ((stream, _), _) = eventually("the node comes", PATIENCE, look);
    stream.set_nonblocking(false).unwrap();
    stream
}

struct Node {
    node: Daemon,
    http: u64,
    /// Where alice listens for answers.
    alice: TcpListener,
    back: String,
}

impl Node {
    fn start() -> Self {
        let (alice, port) = listener();
        let back = format!("http://127.0.0.1:{port}/back");
        let node = Daemon::start(&format!(
            "nodeId: n\nilpAddress: test.n\nhttpServerHost: 127.0.0.1\nhttpServerPort: 0\npeers:\n  \
               - {{ id: alice, url: '{back}', authToken: alice-token, required: false }}\n  \
               - {{ id: bob, authToken: bob-token }}\n\
             routes: [{{ prefix: test.bob, nextHop: bob }}, {{ prefix: test.alice, nextHop: alice }}]\n"
        ));
        let http = node.running.logged("HTTP server listening", "port").as_u64().unwrap();
        Node { node, http, alice, back }
    }

    /// One request on a connection of its own: status, head, body.
    fn post(&self, headers: &[&str], body: &[u8]) -> (u16, String, Vec<u8>) {
        let mut stream = tcp(self.http);
        let mut all = vec!["Authorization: Bearer alice-token"];
        all.extend(headers);
        send(&mut stream, "POST /accounts/alice/ilp HTTP/1.1", &all, body);
        let (head, body) = message(&mut stream);
        (head[9..12].parse().unwrap(), head, body)
    }
}

#[test]
fn answers_in_the_response_or_at_the_peers_server_rows_128_130() {
    let over = Node::start();
    let mut bob = over.node.peer("bob");
    let octets = "content-type: application/octet-stream";
    // Synchronous: 200, whatever the answer is.
    let (status, head, body) = over.post(&[OCTETS], &ask("test.nobody").packet());
    assert_eq!((status, body_of(&body).as_str()), (200, "Reject F02"), "{head}");
    assert!(head.contains(octets), "row 130: {head}");
    let packet = ask("test.bob").packet();
    let answer = std::thread::scope(|scope| {
        let posting = scope.spawn(|| over.post(&[OCTETS], &packet));
        let (id, _) = bob.prepare();
        bob.answer(id, &fulfill(&PREIMAGE));
        posting.join().unwrap()
    });
    assert_eq!((answer.0, body_of(&answer.2).as_str()), (200, "Fulfill"));
    // Asynchronous: 202 at once, and the answer comes to alice's own server.
    let (id, back) = (format!("Request-Id: {ID}"), format!("Callback-Url: {}/here", over.back));
    let (status, head, body) = over.post(&[OCTETS, &id, &back], &packet);
    assert_eq!((status, body.len()), (202, 0), "{head}");
    let (theirs, _) = bob.prepare();
    bob.answer(theirs, &fulfill(&PREIMAGE));
    let mut heard = None;
    eventually("the answer", PATIENCE, || {
        // The node also looks whether the server is there, without a word.
        let mut stream = accept(&over.alice);
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        match stream.peek(&mut [0]) {
            Ok(1) => {
                heard = Some(message(&mut stream));
                send(&mut stream, "HTTP/1.1 200 OK", &[], b"");
                Ok(())
            }
            other => Err(format!("{other:?}")),
        }
    });
    let (head, body) = heard.unwrap();
    assert!(head.starts_with("post /back/here http/1.1"), "{head}");
    assert!(head.contains(&format!("request-id: {ID}")), "{head}");
    assert!(head.contains(octets), "row 130: {head}");
    assert_eq!(body_of(&body), "Fulfill");
    // Row 130: what is not called a packet is none.
    for header in ["Content-Type: application/json", "X: y"] {
        let (status, head, _) = over.post(&[header], &packet);
        assert_eq!(status, 415, "{head}");
        assert!(head.contains("content-type: application/problem+json"), "{head}");
    }
    assert_eq!(bob.fence(), [""; 0], "nothing of that was sent on");
    assert_eq!(over.node.balance("alice"), ["200", "0", "0"]);
    assert_eq!(over.node.balance("bob"), ["-200", "0", "0"]);
}

#[test]
fn what_nobody_waits_for_is_400_row_129() {
    let over = Node::start();
    let id = format!("Request-Id: {ID}");
    for (headers, body) in [
        (vec![OCTETS, id.as_str()], fulfill(&PREIMAGE)),
        (vec![OCTETS, id.as_str()], crate::peer::reject(b"F99")),
        (vec![OCTETS], fulfill(&PREIMAGE)),
        (vec![OCTETS, "Request-Id: 7"], fulfill(&PREIMAGE)),
        (vec![OCTETS], b"\x0c\x01\x00".to_vec()),
    ] {
        let (status, head, _) = over.post(&headers, &body);
        assert_eq!(status, 400, "{headers:?}: {head}");
    }
    assert_eq!(over.node.balance("alice"), ["0", "0", "0"]);
}

#[test]
fn a_peer_with_an_http_url_is_posted_to_rows_128_130() {
    let over = Node::start();
    let mut alice = accept(&over.alice);
    over.node.until_connected("alice");
    let mut bob = over.node.peer("bob");
    for (id, answer, expected) in [
        (1, fulfill(&PREIMAGE), "RESPONSE 1 Fulfill"),
        (2, crate::peer::reject(b"F99"), "RESPONSE 2 Reject F99"),
        (3, b"nonsense".to_vec(), "RESPONSE 3 Reject T00"),
    ] {
        bob.ask(id, &ask("test.alice"));
        let (head, body) = message(&mut alice);
        assert!(head.starts_with("post /back http/1.1"), "{head}");
        for header in [
            "content-type: application/octet-stream",
            "accept: application/octet-stream",
            "authorization: bearer alice-token",
        ] {
            assert!(head.contains(header), "{header}: {head}");
        }
        assert_eq!(body_of(&body), "Prepare");
        send(&mut alice, "HTTP/1.1 200 OK", &[OCTETS], &answer);
        assert_eq!(bob.next(), expected);
    }
    bob.ask(4, &ask("test.alice"));
    message(&mut alice);
    send(&mut alice, "HTTP/1.1 503 Later", &[], b"");
    assert_eq!(bob.next(), "RESPONSE 4 Reject T00", "5xx becomes T00");
}
