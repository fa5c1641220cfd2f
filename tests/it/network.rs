//! A running network made of a topology file: a copy of it on ports of the system's choice, which a test may edit, and
//! everything that a user may ask of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::running::{PATIENCE, Running, folder, free_port, path};
use crate::support::{PROGRAM, both, eventually, run};

/// A copy of a topology file in which every node has ports of its own.
pub(crate) struct Topology {
    /// As in the original, without ports.
    text: RefCell<String>,
    ports: RefCell<BTreeMap<String, (u16, u16)>>,
    http_ports: RefCell<BTreeMap<String, u16>>,
    file: PathBuf,
    _folder: TempDir,
}

impl Topology {
    /// Of a file of the repository.
    pub(crate) fn copy(name: &str) -> Self {
        let original = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let text = std::fs::read_to_string(&original)
            .unwrap_or_else(|error| panic!("{}: {error}", original.display()));
        Self::of(&text)
    }

    /// Of a text in the form of the examples: a line `  - id: <node>` for every node.
    pub(crate) fn of(text: &str) -> Self {
        let folder = folder();
        let file = folder.path().join("network.yaml");
        let copy = Topology {
            text: RefCell::new(text.to_owned()),
            ports: RefCell::default(),
            http_ports: RefCell::default(),
            file,
            _folder: folder,
        };
        copy.write();
        copy
    }

    pub(crate) fn file(&self) -> &str {
        path(&self.file)
    }

    /// The nodes in the order of the file.
    pub(crate) fn nodes(&self) -> Vec<String> {
        let text = self.text.borrow();
        text.lines().filter_map(node_of).map(str::to_owned).collect()
    }

    /// Changes the text, and saves it as editors do: a new file takes the place of the old one.
    pub(crate) fn edit(&self, change: impl FnOnce(&str) -> String) {
        let after = change(&self.text.borrow());
        assert_ne!(*self.text.borrow(), after, "the edit changed nothing");
        *self.text.borrow_mut() = after;
        self.write();
    }

    /// BTP and health.
    pub(crate) fn ports(&self, node: &str) -> (u16, u16) {
        let mut ports = self.ports.borrow_mut();
        *ports.entry(node.to_owned()).or_insert_with(|| (free_port(), free_port()))
    }

    /// Where senders ask how to pay.
    pub(crate) fn http_port(&self, node: &str) -> u16 {
        *self.http_ports.borrow_mut().entry(node.to_owned()).or_insert_with(free_port)
    }

    fn write(&self) {
        let mut written = String::new();
        for line in self.text.borrow().lines() {
            if let Some(node) = node_of(line) {
                let (btp, health) = self.ports(node);
                let http = self.http_port(node);
                let line = format!(
                    "  - {{ id: {node}, host: 127.0.0.1, btpServerPort: {btp}, healthCheckPort: {health}, \
                     httpServerPort: {http} }}"
                );
                written.push_str(&line);
            } else {
                written.push_str(line);
            }
            written.push('\n');
        }
        let fresh = self.file.with_extension("new");
        std::fs::write(&fresh, written)
            .and_then(|()| std::fs::rename(&fresh, &self.file))
            .unwrap_or_else(|error| panic!("{}: {error}", self.file.display()));
    }

    /// One ping, from a node's account `cli`. Whatever state the file is in.
    pub(crate) fn ping(&self, from: &str, to: &str) -> Result<(), String> {
        let via = format!("btp+ws://cli:demo-cli-token@127.0.0.1:{}", self.ports(from).0);
        let ping = ["ping", to, "--via", &via, "-c", "1"];
        let output = run(Command::new(PROGRAM).args(ping).env_clear());
        if output.status.success() {
            Ok(())
        } else {
            Err(format!("{from} to {to}: {}", both(&output)))
        }
    }

    pub(crate) fn reaches(&self, from: &str, to: &str) {
        eventually(&format!("{from} reaches {to}"), PATIENCE, || self.ping(from, to));
    }

    /// Every node of these reaches every other one; addresses are `test.<id>`.
    pub(crate) fn all_reach_all(&self, nodes: &[&str]) {
        for from in nodes {
            for to in nodes.iter().filter(|to| *to != from) {
                self.reaches(from, &format!("test.{to}"));
            }
        }
    }

    /// Status code and body of a page on a node's health port.
    pub(crate) fn get(&self, node: &str, page: &str) -> Result<(u16, Value), String> {
        get(self.ports(node).1, page)
    }

    /// Waits until `/health` of a node answers with this code.
    pub(crate) fn health_becomes(&self, node: &str, code: u16) -> Value {
        let look = || match self.get(node, "/health")? {
            (seen, body) if seen == code => Ok(body),
            (seen, body) => Err(format!("{seen}: {body}")),
        };
        eventually(&format!("/health of {node} is {code}"), PATIENCE, look).0
    }

    /// Starts the whole network in one process; its log comes on standard output.
    pub(crate) fn up(&self) -> Running {
        let network = Running::start(&["up", self.file()], []);
        for node in self.nodes() {
            self.health_becomes(&node, 200);
        }
        network
    }

    /// Starts one node in a process of its own.
    pub(crate) fn run(&self, node: &str) -> Running {
        Running::start(&["run", "--config", self.file(), "--node", node], [])
    }
}

/// The node that a line of the list of nodes names.
fn node_of(line: &str) -> Option<&str> {
    line.strip_prefix("  - id: ")
}

/// Status code and JSON body of a page on this machine; `Err` while nobody answers.
pub(crate) fn get(port: u16, page: &str) -> Result<(u16, Value), String> {
    const WAIT: Duration = Duration::from_secs(3);
    let ask = || -> std::io::Result<String> {
        let mut socket = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), WAIT)?;
        socket.set_read_timeout(Some(WAIT))?;
        let request =
            format!("GET {page} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes())?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(|error| format!("port {port}: {error}"))?;
    let parts = || {
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let code = head.split(' ').nth(1)?.parse().ok()?;
        Some((code, serde_json::from_str(body).ok()?))
    };
    parts().ok_or_else(|| format!("port {port} answered {answer:?}"))
}
