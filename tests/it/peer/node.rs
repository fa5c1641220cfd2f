//! The node under test: a process with a file, and what can be asked of it from outside.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::{PATIENCE, Peer};
use crate::running::{Running, folder, path, write};
use crate::support::eventually;

/// A running node with a file of its own.
pub(crate) struct Daemon {
    pub(crate) running: Running,
    pub(crate) port: u64,
    pub(crate) health: u64,
    pub(crate) file: PathBuf,
    folder: TempDir,
    ports: String,
}

impl Daemon {
    /// Starts a node on ports of the system's choice, and waits until it listens. `yaml` is its file without them.
    pub(crate) fn start(yaml: &str) -> Self {
        Self::start_on(yaml, 0)
    }

    /// The same on a BTP port that others know already.
    pub(crate) fn start_on(yaml: &str, port: u16) -> Self {
        Self::start_with(yaml, port, &[])
    }

    /// The same with arguments.
    pub(crate) fn start_with(yaml: &str, port: u16, arguments: &[&str]) -> Self {
        let folder = folder();
        let ports = format!(
            "btpServerHost: 127.0.0.1\nbtpServerPort: {port}\nhealthCheckHost: 127.0.0.1\nhealthCheckPort: 0\n"
        );
        let file = write(&folder, "node.yaml", &format!("{ports}{yaml}"));
        let running = Running::start(&[&["run", "--config", path(&file)], arguments].concat(), []);
        let port = |message| running.logged(message, "port").as_u64().unwrap_or_default();
        let (port, health) = (port("BTP server listening"), port("health server listening"));
        Daemon { running, port, health, file, folder, ports }
    }

    /// A node at `test.n` whose peers dial: each with the token `<id>-token`, and routed to as `test.<id>`.
    pub(crate) fn with_peers(peers: &[&str], more: &str) -> Self {
        Self::start(&yaml_of(peers, more))
    }

    /// Replaces the file.
    pub(crate) fn rewrite(&self, yaml: &str) {
        write(&self.folder, "node.yaml", &format!("{}{yaml}", self.ports));
    }

    /// Logs in as a peer of [`Daemon::with_peers`].
    pub(crate) fn peer(&self, id: &str) -> Peer {
        Peer::login(self.port, id, &format!("{id}-token"))
    }

    /// What `/peers` tells of a peer.
    pub(crate) fn account(&self, id: &str) -> Value {
        let peers = json(self.health, "/peers");
        let peers = peers["peers"].as_array().cloned().unwrap_or_default();
        peers.into_iter().find(|peer| peer["id"] == id).unwrap_or_else(|| panic!("no peer {id}"))
    }

    /// One of its counters, such as `unreadableFrames`.
    pub(crate) fn counter(&self, id: &str, name: &str) -> u64 {
        self.account(id)["counters"][name].as_u64().unwrap_or_else(|| panic!("no counter {name}"))
    }

    /// Balance, held for it, held towards it.
    pub(crate) fn balance(&self, id: &str) -> [String; 3] {
        let account = self.account(id);
        [&account["balance"], &account["held"]["received"], &account["held"]["sent"]]
            .map(|value| value.as_str().unwrap_or("?").to_owned())
    }

    /// Waits until `/peers` says that of it.
    pub(crate) fn until(&self, what: &str, id: &str, holds: impl Fn(&Value) -> bool) {
        eventually(what, PATIENCE, || {
            let account = self.account(id);
            if holds(&account) { Ok(()) } else { Err(account.to_string()) }
        });
    }

    pub(crate) fn until_connected(&self, id: &str) {
        self.until("connected", id, |peer| peer["state"] == "connected");
    }

    /// Resident memory in KiB.
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = format!("/proc/{}/status", self.running.pid());
        let status = std::fs::read_to_string(&status).unwrap_or_else(|error| panic!("{error}"));
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{status}"))
    }

    /// Ends it with a signal; how it ended and all that it logged.
    pub(crate) fn stop(self, signal: &str) -> (ExitStatus, String) {
        self.running.signal(signal);
        let (status, lines) = self.running.ended();
        (status, lines.join("\n"))
    }

    /// All that it logged so far.
    pub(crate) fn log(&self) -> String {
        self.running.lines().join("\n")
    }
}

/// The file of [`Daemon::with_peers`].
pub(crate) fn yaml_of(peers: &[&str], more: &str) -> String {
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

/// Asks an HTTP port of this machine; status and body.
pub(crate) fn get(port: u64, request: &str) -> (u16, String) {
    try_get(port, request).unwrap_or_else(|error| panic!("{request}: {error}"))
}

/// The same where nobody may listen.
pub(crate) fn try_get(port: u64, request: &str) -> Result<(u16, String), String> {
    let failed = |error: std::io::Error| error.to_string();
    let port16 = u16::try_from(port).map_err(|error| error.to_string())?;
    let address = (std::net::Ipv4Addr::LOCALHOST, port16);
    let mut stream = std::net::TcpStream::connect(address).map_err(failed)?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(failed)?;
    let (method, path) = request.split_once(' ').unwrap_or(("GET", request));
    let head = format!("{method} {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).map_err(failed)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(failed)?;
    let status = answer.get(9..12).and_then(|code| code.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    status.zip(body).ok_or(answer)
}

/// A page in JSON. Pages are small enough to come unchunked.
pub(crate) fn json(port: u64, path: &str) -> Value {
    let (_, body) = get(port, path);
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
}
