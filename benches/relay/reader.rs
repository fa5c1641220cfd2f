//! A client that reads the stream of `/api/v1`, as an open page or `tap` does, and drops what it reads.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What the page asks for.
pub(crate) const PAGE: &str = "topics=state,rates,events,packets&packets=200";
/// What `tap` asks for at its limit.
pub(crate) const TAP: &str = "topics=rates,packets&packets=2000";

/// Reads until it is dropped.
pub(crate) struct Reader(TcpStream);

impl Reader {
    /// Returns when the first object has come.
    ///
    /// # Errors
    ///
    /// There is no stream at this port.
    pub(crate) fn open(port: u16, query: &str) -> io::Result<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let request = format!(
            "GET /api/v1/stream?{query} HTTP/1.1\r\nHost: bench\r\nAccept: application/x-ndjson\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut head = Vec::new();
        let mut bytes = [0; 1 << 16];
        while !String::from_utf8_lossy(&head).contains("\"hello\"") {
            match stream.read(&mut bytes)? {
                0 => return Err(io::Error::other(String::from_utf8_lossy(&head).into_owned())),
                read => head.extend_from_slice(&bytes[..read]),
            }
        }
        stream.set_read_timeout(None)?;
        let mut reading = stream.try_clone()?;
        std::thread::spawn(move || while reading.read(&mut bytes).is_ok_and(|read| read > 0) {});
        Ok(Self(stream))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // The thread ends with the connection, which the other side may have closed already.
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }
}
