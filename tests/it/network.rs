//! A copy of a topology file on free ports, which a test may edit, run and query.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::peer::try_http_get;
use crate::process::{Process, TIMEOUT, free_port, path_text, temp_folder};
use crate::support::{PROGRAM, combined_output, eventually, run};

/// A copy of a topology file with other ports.
pub(crate) struct TestNetwork {
    /// The text of the original, without ports.
    text: RefCell<String>,
    ports: RefCell<BTreeMap<String, (u16, u16)>>,
    http_ports: RefCell<BTreeMap<String, u16>>,
    file: PathBuf,
    _folder: TempDir,
}

impl TestNetwork {
    /// Copies a file of the repository.
    pub(crate) fn from_example(name: &str) -> Self {
        let original = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let text = std::fs::read_to_string(&original)
            .unwrap_or_else(|error| panic!("{}: {error}", original.display()));
        Self::from_text(&text)
    }

    /// Copies a text in the form of the examples: one line `  - id: <node>` for each node.
    pub(crate) fn from_text(text: &str) -> Self {
        let folder = temp_folder();
        let file = folder.path().join("network.yaml");
        let copy = Self {
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
        path_text(&self.file)
    }

    /// The nodes in the order of the file.
    pub(crate) fn nodes(&self) -> Vec<String> {
        let text = self.text.borrow();
        text.lines().filter_map(node_id).map(str::to_owned).collect()
    }

    /// Changes the text, and saves it as editors do: a new file takes the place of the old one.
    pub(crate) fn edit(&self, change: impl FnOnce(&str) -> String) {
        let after = change(&self.text.borrow());
        assert_ne!(*self.text.borrow(), after, "the edit changed nothing");
        *self.text.borrow_mut() = after;
        self.write();
    }

    /// The BTP and health ports of a node.
    pub(crate) fn ports(&self, node: &str) -> (u16, u16) {
        let mut ports = self.ports.borrow_mut();
        *ports.entry(node.to_owned()).or_insert_with(|| (free_port(), free_port()))
    }

    /// The port of a node's HTTP server.
    pub(crate) fn http_port(&self, node: &str) -> u16 {
        *self.http_ports.borrow_mut().entry(node.to_owned()).or_insert_with(free_port)
    }

    fn write(&self) {
        let mut written = String::new();
        for line in self.text.borrow().lines() {
            if let Some(node) = node_id(line) {
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

    /// Sends one ping through a node's account `cli`, without reading the file.
    pub(crate) fn ping(&self, from: &str, to: &str) -> Result<(), String> {
        let via = format!("btp+ws://cli:demo-cli-token@127.0.0.1:{}", self.ports(from).0);
        let ping = ["ping", to, "--via", &via, "-c", "1"];
        let output = run(Command::new(PROGRAM).args(ping).env_clear());
        if output.status.success() {
            Ok(())
        } else {
            Err(format!("{from} to {to}: {}", combined_output(&output)))
        }
    }

    pub(crate) fn wait_reachable(&self, from: &str, to: &str) {
        eventually(&format!("{from} reaches {to}"), TIMEOUT, || self.ping(from, to));
    }

    /// Waits until each of these nodes reaches each other one at `test.<id>`.
    pub(crate) fn wait_all_reachable(&self, nodes: &[&str]) {
        for from in nodes {
            for to in nodes.iter().filter(|to| *to != from) {
                self.wait_reachable(from, &format!("test.{to}"));
            }
        }
    }

    /// Status code and body of a page on a node's health port.
    pub(crate) fn get_json(&self, node: &str, page: &str) -> Result<(u16, Value), String> {
        get_json(self.ports(node).1, page)
    }

    /// Waits until `/health` of a node answers with this code.
    pub(crate) fn wait_health(&self, node: &str, code: u16) -> Value {
        let look = || match self.get_json(node, "/health")? {
            (seen, body) if seen == code => Ok(body),
            (seen, body) => Err(format!("{seen}: {body}")),
        };
        eventually(&format!("/health of {node} is {code}"), TIMEOUT, look).0
    }

    /// Starts the whole network in one process, with its log on standard output.
    pub(crate) fn start_all(&self) -> Process {
        let network = Process::start(&["up", self.file()], []);
        for node in self.nodes() {
            self.wait_health(&node, 200);
        }
        network
    }

    /// Starts one node in a process of its own.
    pub(crate) fn start_node(&self, node: &str) -> Process {
        Process::start(&["run", "--config", self.file(), "--node", node], [])
    }
}

/// The id in a line of the list of nodes.
fn node_id(line: &str) -> Option<&str> {
    line.strip_prefix("  - id: ")
}

/// Status code and JSON body of a page on this machine; `Err` while no node answers.
pub(crate) fn get_json(port: u16, page: &str) -> Result<(u16, Value), String> {
    let (status, body) =
        try_http_get(port.into(), page).map_err(|error| format!("port {port}: {error}"))?;
    let body =
        serde_json::from_str(&body).map_err(|error| format!("port {port}: {error}: {body}"))?;
    Ok((status, body))
}
