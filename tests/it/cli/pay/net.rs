//! Three nodes in a line, each a process, with a receiver at every one; and what their balances must be.

use std::collections::BTreeMap;
use std::process::Command;

use ilp_connector::internals::stream::Receiver;
use serde_json::Value;

use crate::network::get;
use crate::process::{Process, TIMEOUT, free_port, path_text, temp_folder, write_file};
use crate::support::{PROGRAM, combined_output, eventually, run};

/// What receivers make secrets from.
const RECEIVER_SECRET: &str = "a secret of receivers that nobody knows";

/// The network.
pub(super) struct Net {
    file: std::path::PathBuf,
    _folder: tempfile::TempDir,
    /// BTP, health.
    ports: BTreeMap<&'static str, (u16, u16)>,
    /// What one unit from b to c is from a to b.
    factor: i128,
    nodes: BTreeMap<&'static str, Process>,
}

impl Net {
    /// Starts it. `link` are keys of the link between b and c and of receivers: none, or `assetScale: 6`; `account` are
    /// more keys of the account of b at c.
    pub(super) fn start(link: &str, account: &str) -> Self {
        let ports: BTreeMap<_, _> =
            ["a", "b", "c"].map(|id| (id, (free_port(), free_port()))).into_iter().collect();
        let mut yaml = "nodes:\n".to_owned();
        for (id, (btp, health)) in &ports {
            yaml += &format!(
                "  - {{ id: {id}, host: 127.0.0.1, btpServerHost: 127.0.0.1, btpServerPort: {btp}, \
                 healthCheckHost: 127.0.0.1, healthCheckPort: {health}, httpServerHost: 127.0.0.1, \
                 httpServerPort: {}",
                free_port()
            );
            let asset = if link.is_empty() { String::new() } else { format!(", {link}") };
            yaml += &match *id {
                "b" => format!(", peers: [{{ id: c{asset} }}] }}\n"),
                "c" => format!(", peers: [{{ id: b{asset}{account} }}] }}\n"),
                _ => " }\n".to_owned(),
            };
        }
        let receiver = if link.is_empty() { String::new() } else { format!(", {link}") };
        yaml += &format!(
            "links:\n  - {{ from: a, to: b, secret: ab }}\n  - {{ from: b, to: c, secret: bc }}\n\
             defaults:\n  receiverSecret: \"{RECEIVER_SECRET}\"\n  receivers: [{{ id: wallet{receiver} }}]\n  \
             peers: [{{ id: cli, relation: child, authToken: cli-token }}]\n"
        );
        let folder = temp_folder();
        let file = write_file(&folder, "network.yaml", &yaml);
        let factor = if link.is_empty() { 1 } else { 1000 };
        let mut net = Net { file, _folder: folder, ports, factor, nodes: BTreeMap::new() };
        for id in ["a", "b", "c"] {
            net.begin(id);
        }
        ["a", "b", "c"].iter().for_each(|id| net.healthy(id));
        net
    }

    fn begin(&mut self, id: &'static str) {
        let node = Process::start(&["run", "--config", path_text(&self.file), "--node", id], []);
        self.nodes.insert(id, node);
    }

    fn healthy(&self, id: &str) {
        eventually(&format!("{id} is healthy"), TIMEOUT, || {
            match get(self.ports[id].1, "/health")? {
                (200, _) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
    }

    /// Kills a node, and starts it again.
    pub(super) fn restart(&mut self, id: &'static str) {
        drop(self.nodes.remove(id));
        self.begin(id);
    }

    /// Kills a node.
    pub(super) fn stop(&mut self, id: &str) {
        drop(self.nodes.remove(id));
    }

    /// Sends a node a signal.
    pub(super) fn signal(&self, id: &str, name: &str) {
        self.nodes[id].signal(name);
    }

    /// Where `pay` logs in.
    pub(super) fn via(&self) -> String {
        format!("btp+ws://cli:cli-token@127.0.0.1:{}", self.ports["a"].0)
    }

    pub(super) fn file(&self) -> &str {
        path_text(&self.file)
    }

    /// The secret of the connection to c's receiver with this token.
    pub(super) fn secret(&self, token: &str) -> String {
        let receiver = Receiver::new(RECEIVER_SECRET.as_bytes(), "c.wallet");
        hex::encode(receiver.secret(token).0)
    }

    /// Pays over the connection with this token.
    pub(super) fn pay(&self, token: &str, arguments: &[&str]) -> (Option<i32>, String) {
        self.pay_to(&format!("test.c.wallet.{token}"), &self.secret(token), arguments)
    }

    pub(super) fn pay_to(
        &self,
        address: &str,
        secret: &str,
        arguments: &[&str],
    ) -> (Option<i32>, String) {
        self.run(&[&["pay", address, "--secret", secret], arguments].concat(), Some(secret))
    }

    /// Any command, at node a. Nothing secret is in what it says.
    pub(super) fn run(&self, arguments: &[&str], secret: Option<&str>) -> (Option<i32>, String) {
        let via = self.via();
        let output = run(Command::new(PROGRAM).args(arguments).args(["--via", &via]).env_clear());
        let said = combined_output(&output);
        assert!(!said.contains("cli-token"), "a secret: {said}");
        assert!(secret.is_none_or(|secret| !said.contains(secret)), "a secret: {said}");
        (output.status.code(), said)
    }

    /// Starts a payment that takes its time.
    pub(super) fn start_pay(&self, token: &str, arguments: &[&str]) -> Process {
        let (address, secret) = (format!("test.c.wallet.{token}"), self.secret(token));
        let via = self.via();
        let pay = ["pay", &address, "--secret", &secret, "--via", &via];
        Process::start(&[&pay, arguments].concat(), [])
    }

    fn accounts(&self, node: &str) -> Vec<(String, i128)> {
        let (_, page) = get(self.ports[node].1, "/peers").unwrap_or_else(|error| panic!("{error}"));
        let lists = ["peers", "receivers"].map(|list| page[list].as_array().cloned());
        let accounts = lists.into_iter().flatten().flatten().map(|account| {
            for held in ["received", "sent"] {
                let held = &account["held"][held];
                assert!(held.is_null() || held == "0", "something is in flight: {page}");
            }
            let text = |key: &str| account[key].as_str().map(str::to_owned);
            let balance = text("balance").and_then(|balance| balance.parse().ok());
            (text("id").unwrap_or_default(), balance.unwrap_or_else(|| panic!("{page}")))
        });
        accounts.collect()
    }

    /// What a node says of an account's balance; packets may be under way.
    pub(super) fn balance(&self, node: &str, id: &str) -> i128 {
        let (_, page) = get(self.ports[node].1, "/peers").unwrap_or_else(|error| panic!("{error}"));
        let lists = ["peers", "receivers"].map(|list| page[list].as_array().cloned());
        let account = lists.into_iter().flatten().flatten().find(|account| account["id"] == id);
        let balance = account.and_then(|account| account["balance"].as_str()?.parse().ok());
        balance.unwrap_or_else(|| panic!("no balance of {id} in {page}"))
    }

    /// Nothing is gained or lost at a node whose accounts have one scale, and nothing is in flight.
    pub(super) fn sums_to_zero(&self, node: &str) {
        let accounts = self.accounts(node);
        assert_eq!(accounts.iter().map(|(_, balance)| balance).sum::<i128>(), 0, "{accounts:?}");
    }

    /// Exact balances everywhere: what a node has of one neighbour it owes to the other, and both ends of a link agree.
    pub(super) fn adds_up(&self) {
        for (one, other) in [("a", "b"), ("b", "c")] {
            let ends = [self.balance(one, other), self.balance(other, one)];
            assert_eq!(ends.iter().sum::<i128>(), 0, "{one}-{other}: {ends:?}");
        }
        self.sums_to_zero("a");
        self.sums_to_zero("c");
        let [from, to] = [self.balance("b", "a"), -self.balance("b", "c")];
        assert_eq!(from, to * self.factor, "b");
    }
}

/// What `--json` printed.
pub(super) fn told(said: &str) -> Value {
    serde_json::from_str(said).unwrap_or_else(|error| panic!("{error}: {said}"))
}
