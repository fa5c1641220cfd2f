//! The connector as a process, and its pages.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The connector that cargo built beside this bench.
const CONNECTOR: &str = env!("CARGO_BIN_EXE_ilp-connector");
/// A wait that takes longer fails.
pub(crate) const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

/// A node that does not outlive its owner.
pub(crate) struct Node(Child);

impl Node {
    /// Starts a node on a file; its log goes beside it.
    pub(crate) fn start(file: &Path, id: &str) -> io::Result<Self> {
        let log = File::create(file.with_file_name(format!("{id}.log")))?;
        let mut command = Command::new(CONNECTOR);
        command.arg("run").arg("--config").arg(file).args(["--node", id]);
        command.stdin(Stdio::null()).stdout(log).stderr(Stdio::inherit());
        Ok(Self(command.spawn()?))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that was free a moment ago, and is given once. Below the range that the system gives to outgoing connections,
/// as nodes that start dial each other while others have not yet bound theirs.
pub(crate) fn free_port() -> io::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(10_000);
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        if port >= 32_000 {
            return Err(io::Error::other("no free port"));
        }
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
}

/// A page in JSON.
pub(crate) fn json(port: u16, path: &str) -> io::Result<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).map_err(io::Error::other)
}

/// Waits for a condition, and returns how long that took.
pub(crate) fn until(
    what: &str,
    mut holds: impl FnMut() -> io::Result<bool>,
) -> io::Result<Duration> {
    let began = Instant::now();
    while !holds().unwrap_or(false) {
        if began.elapsed() > WAIT_TIMEOUT {
            return Err(io::Error::other(format!("{what}: not within {WAIT_TIMEOUT:?}")));
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    Ok(began.elapsed())
}

/// Median, minimum and maximum, in milliseconds.
pub(crate) fn figures(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let ms = |time: Option<&Duration>| time.map_or(0, Duration::as_millis);
    let middle = ms(times.get(times.len() / 2));
    format!("{middle} ms ({}-{})", ms(times.first()), ms(times.last()))
}
