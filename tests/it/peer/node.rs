//! The node under test: a process with a file, its pages and its log.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::{Peer, TIMEOUT};
use crate::process::{Process, path_text, temp_folder, write_file};
use crate::support::eventually;

/// A running node with a file of its own.
pub(crate) struct TestNode {
    pub(crate) process: Process,
    pub(crate) port: u64,
    pub(crate) health_port: u64,
    pub(crate) file: PathBuf,
    folder: TempDir,
    ports: String,
}

impl TestNode {
    /// Starts a node on free ports, and waits until it listens. `yaml` is its file without hosts and ports.
    pub(crate) fn start(yaml: &str) -> Self {
        Self::start_on(yaml, 0)
    }

    /// The same on a BTP port that other nodes know.
    pub(crate) fn start_on(yaml: &str, port: u16) -> Self {
        Self::start_with(yaml, port, &[])
    }

    /// The same with arguments.
    pub(crate) fn start_with(yaml: &str, port: u16, arguments: &[&str]) -> Self {
        let folder = temp_folder();
        let ports = format!(
            "btpServerHost: 127.0.0.1\nbtpServerPort: {port}\nhealthCheckHost: 127.0.0.1\nhealthCheckPort: 0\n"
        );
        let file = write_file(&folder, "node.yaml", &format!("{ports}{yaml}"));
        let process =
            Process::start(&[&["run", "--config", path_text(&file)], arguments].concat(), []);
        let port = |message| process.wait_for_log(message, "port").as_u64().unwrap_or_default();
        let (port, health_port) = (port("BTP server listening"), port("health server listening"));
        Self { process, port, health_port, file, folder, ports }
    }

    /// Starts a node at `test.n` whose peers dial it, each with the token `<id>-token` and the route `test.<id>`.
    pub(crate) fn with_peers(peers: &[&str], more: &str) -> Self {
        Self::start(&config_of(peers, more))
    }

    /// Replaces the file.
    pub(crate) fn rewrite_config(&self, yaml: &str) {
        write_file(&self.folder, "node.yaml", &format!("{}{yaml}", self.ports));
    }

    /// How often it has applied a changed file.
    pub(crate) fn reloads(&self) -> usize {
        self.log().matches("\"configuration reloaded\"").count()
    }

    /// Waits until it has applied a changed file `reloads` times since its start.
    pub(crate) fn wait_reloads(&self, reloads: usize) {
        eventually("the node applies its file", TIMEOUT, || {
            let seen = self.reloads();
            if seen >= reloads { Ok(()) } else { Err(format!("{seen} of {reloads}")) }
        });
    }

    /// Logs in as a peer of [`TestNode::with_peers`].
    pub(crate) fn connect_peer(&self, id: &str) -> Peer {
        Peer::log_in(self.port, id, &format!("{id}-token"))
    }

    /// The entry of a peer in `/peers`.
    pub(crate) fn account(&self, id: &str) -> Value {
        let peers = get_json(self.health_port, "/peers");
        let peers = peers["peers"].as_array().cloned().unwrap_or_default();
        peers.into_iter().find(|peer| peer["id"] == id).unwrap_or_else(|| panic!("no peer {id}"))
    }

    /// One of its counters, such as `unreadableFrames`.
    pub(crate) fn counter(&self, id: &str, name: &str) -> u64 {
        self.account(id)["counters"][name].as_u64().unwrap_or_else(|| panic!("no counter {name}"))
    }

    /// The balance, and the amounts held for received and for sent packets.
    pub(crate) fn balance(&self, id: &str) -> [String; 3] {
        let account = self.account(id);
        [&account["balance"], &account["held"]["received"], &account["held"]["sent"]]
            .map(|value| value.as_str().unwrap_or("?").to_owned())
    }

    /// Waits until a peer's entry in `/peers` satisfies `holds`.
    pub(crate) fn wait_for_account(&self, what: &str, id: &str, holds: impl Fn(&Value) -> bool) {
        eventually(what, TIMEOUT, || {
            let account = self.account(id);
            if holds(&account) { Ok(()) } else { Err(account.to_string()) }
        });
    }

    /// Waits until it is healthy.
    pub(crate) fn wait_healthy(self) -> Self {
        eventually("the node is healthy", TIMEOUT, || {
            match get_json(self.health_port, "/health") {
                health if health["status"] == "healthy" => Ok(()),
                health => Err(health.to_string()),
            }
        });
        self
    }

    pub(crate) fn wait_connected(&self, id: &str) {
        self.wait_for_account("connected", id, |peer| peer["state"] == "connected");
    }

    /// Resident memory in KiB.
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = format!("/proc/{}/status", self.process.pid());
        let status = std::fs::read_to_string(&status).unwrap_or_else(|error| panic!("{error}"));
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{status}"))
    }

    /// Stops it with a signal; returns its exit status and its log.
    pub(crate) fn stop(self, signal: &str) -> (ExitStatus, String) {
        self.process.signal(signal);
        let (status, lines) = self.process.wait_exit();
        (status, lines.join("\n"))
    }

    /// Its log so far.
    pub(crate) fn log(&self) -> String {
        self.process.output_lines().join("\n")
    }
}

/// The file of [`TestNode::with_peers`].
pub(crate) fn config_of(peers: &[&str], more: &str) -> String {
    let mut yaml = "nodeId: n\nilpAddress: test.n\npeers:\n".to_owned();
    for id in peers {
        yaml += &format!("  - {{ id: {id}, authToken: {id}-token }}\n");
    }
    yaml += "routes:\n";
    for id in peers {
        yaml += &format!("  - {{ prefix: test.{id}, nextHop: {id} }}\n");
    }
    yaml + more
}

/// Sends one request to an HTTP port of this machine; returns status and body.
pub(crate) fn http_get(port: u64, request: &str) -> (u16, String) {
    try_http_get(port, request).unwrap_or_else(|error| panic!("{request}: {error}"))
}

/// The same for a port that may be closed.
pub(crate) fn try_http_get(port: u64, request: &str) -> Result<(u16, String), String> {
    let (method, path) = request.split_once(' ').unwrap_or(("GET", request));
    let head = format!("{method} {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
    exchange(port, &head, Duration::from_secs(10))
}

/// Sends a request such as `POST /path` with a JSON body; returns status and body.
pub(crate) fn ask(port: u64, request: &str, token: Option<&str>, body: &str) -> (u16, Value) {
    try_ask(port, request, token, body).unwrap_or_else(|error| panic!("{request}: {error}"))
}

/// The same for a node that may end.
pub(crate) fn try_ask(
    port: u64,
    request: &str,
    token: Option<&str>,
    body: &str,
) -> Result<(u16, Value), String> {
    let bearer = token.map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
    let request = format!(
        "{request} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{bearer}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // A probe may take longer than other requests.
    let (status, body) = exchange(port, &request, 3 * TIMEOUT)?;
    let body = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
    Ok((status, body))
}

/// Writes these bytes to a port of this machine, and reads status and body of the answer, which is not chunked.
fn exchange(port: u64, request: &str, timeout: Duration) -> Result<(u16, String), String> {
    let failed = |error: std::io::Error| error.to_string();
    let port = u16::try_from(port).map_err(|error| error.to_string())?;
    let mut stream =
        std::net::TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, port)).map_err(failed)?;
    stream.set_read_timeout(Some(timeout)).map_err(failed)?;
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(failed)?;
    let status = answer.get(9..12).and_then(|code| code.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    status.zip(body).ok_or_else(|| format!("no answer: {answer:?}"))
}

/// Reads a JSON page. Pages are small enough not to be chunked.
pub(crate) fn get_json(port: u64, path: &str) -> Value {
    let (_, body) = http_get(port, path);
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
}
