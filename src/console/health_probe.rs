//! Asks a node for its health over one blocking socket, within a given time. The HTTP client of `http` would need a
//! runtime and a TLS configuration, for one request without TLS that a container makes every few seconds. No token is
//! ever sent here.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::net::authority;

/// The most bytes of a response that are read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// The response of the page `/health`.
#[derive(Debug, PartialEq, Eq)]
pub struct PageResponse {
    pub code: u16,
    pub body: String,
}

/// Asks the node for its health.
pub fn fetch_health(host: &str, port: u16, timeout: Duration) -> io::Result<PageResponse> {
    let deadline = Instant::now() + timeout;
    let left = || deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left()) {
            Ok(mut stream) => {
                stream.set_write_timeout(Some(left()))?;
                let host = authority(host, port);
                write!(
                    stream,
                    "GET /health HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
                )?;
                return read(&mut stream, left);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Reads until the server closes the connection, or the body is complete.
fn read(stream: &mut TcpStream, left: impl Fn() -> Duration) -> io::Result<PageResponse> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        // One deadline for the whole response, however slowly its bytes arrive.
        stream.set_read_timeout(Some(left()))?;
        let count = match stream.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            other => other?,
        };
        bytes.extend_from_slice(chunk.get(..count).unwrap_or_default());
        let too_long = u64::try_from(bytes.len()).is_ok_and(|len| len > ANSWER_BYTES_MAX);
        if let Some(answer) = parse(&bytes, count == 0 || too_long) {
            return Ok(answer);
        }
        if count == 0 || too_long {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"));
        }
        if left() <= Duration::from_millis(1) {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

/// The response, if it is complete. `ended`: no more bytes will arrive.
fn parse(bytes: &[u8], ended: bool) -> Option<PageResponse> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let mut status = lines.next()?.split(' ');
    if !status.next()?.starts_with("HTTP/1.") {
        return None;
    }
    let code = status.next()?.parse().ok()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let complete = ended || length.is_some_and(|length| body.len() >= length);
    complete.then(|| PageResponse { code, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_parsed_once_complete() {
        fn check(text: &str, ended: bool, expected: Option<(u16, &str)>) {
            let expected =
                expected.map(|(code, body)| PageResponse { code, body: body.to_owned() });
            assert_eq!(parse(text.as_bytes(), ended), expected, "{text:?}");
        }
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", false, Some((200, "{}")));
        check("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\n{}", false, None);
        check(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\n{}",
            true,
            Some((503, "{}")),
        );
        check("HTTP/1.0 204\r\n\r\n", true, Some((204, "")));
        check("HTTP/1.1 200 OK\r\n", true, None);
        check("SSH-2.0-OpenSSH\r\n\r\n", true, None);
        check("HTTP/1.1 abc\r\n\r\n", true, None);
        check("", true, None);
    }

    #[test]
    fn a_silent_server_is_a_timeout() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let started = Instant::now();
        let error = fetch_health("127.0.0.1", port, Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}
