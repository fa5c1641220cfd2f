//! Three nodes in a line, each a process with a receiver, and checks of their balances.

use std::collections::BTreeMap;
use std::process::Command;

use ilp_connector::internals::stream::Receiver;
use serde_json::Value;

use crate::cli::{Ended, ended};
use crate::network::get_json;
use crate::process::{Process, TIMEOUT, free_port, path_text, temp_folder, write_file};
use crate::support::{PROGRAM, eventually, run};

const RECEIVER_SECRET: &str = "a secret that only the receivers know";

/// The running network.
pub(super) struct Net {
    file: std::path::PathBuf,
    _folder: tempfile::TempDir,
    /// The ports for BTP and health.
    ports: BTreeMap<&'static str, (u16, u16)>,
    /// The units from a to b of one unit from b to c.
    factor: i128,
    nodes: BTreeMap<&'static str, Process>,
}

impl Net {
    /// Starts the network. `link` are keys of the link between b and c and of receivers: none, or `assetScale: 6`;
    /// `account` are further keys of the account of b at c.
    pub(super) fn start(link: &str, account: &str) -> Self {
        let ports: BTreeMap<_, _> =
            ["a", "b", "c"].map(|id| (id, (free_port(), free_port()))).into_iter().collect();
        let asset = if link.is_empty() { String::new() } else { format!(", {link}") };
        let mut yaml = "nodes:\n".to_owned();
        for (id, (btp, health)) in &ports {
            yaml += &format!(
                "  - {{ id: {id}, host: 127.0.0.1, btpServerHost: 127.0.0.1, btpServerPort: {btp}, \
                 healthCheckHost: 127.0.0.1, healthCheckPort: {health}, httpServerHost: 127.0.0.1, \
                 httpServerPort: {}",
                free_port()
            );
            yaml += &match *id {
                "b" => format!(", peers: [{{ id: c{asset} }}] }}\n"),
                "c" => format!(", peers: [{{ id: b{asset}{account} }}] }}\n"),
                _ => " }\n".to_owned(),
            };
        }
        yaml += &format!(
            "links:\n  - {{ from: a, to: b, secret: ab }}\n  - {{ from: b, to: c, secret: bc }}\n\
             defaults:\n  receiverSecret: \"{RECEIVER_SECRET}\"\n  receivers: [{{ id: wallet{asset} }}]\n  \
             peers: [{{ id: cli, relation: child, authToken: cli-token }}]\n"
        );
        let folder = temp_folder();
        let file = write_file(&folder, "network.yaml", &yaml);
        let factor = if link.is_empty() { 1 } else { 1000 };
        let mut net = Self { file, _folder: folder, ports, factor, nodes: BTreeMap::new() };
        for id in ["a", "b", "c"] {
            net.start_node(id);
        }
        ["a", "b", "c"].iter().for_each(|id| net.wait_until_healthy(id));
        net
    }

    fn start_node(&mut self, id: &'static str) {
        let node = Process::start(&["run", "--config", path_text(&self.file), "--node", id], []);
        self.nodes.insert(id, node);
    }

    fn wait_until_healthy(&self, id: &str) {
        eventually(&format!("{id} is healthy"), TIMEOUT, || {
            match get_json(self.ports[id].1, "/health")? {
                (200, _) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
    }

    /// Kills a node, and starts it again.
    pub(super) fn restart(&mut self, id: &'static str) {
        drop(self.nodes.remove(id));
        self.start_node(id);
    }

    /// Kills a node.
    pub(super) fn stop(&mut self, id: &str) {
        drop(self.nodes.remove(id));
    }

    /// Sends a node a signal.
    pub(super) fn signal(&self, id: &str, name: &str) {
        self.nodes[id].signal(name);
    }

    /// The login of `pay`.
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
    pub(super) fn pay(&self, token: &str, arguments: &[&str]) -> Ended {
        self.pay_to(&format!("test.c.wallet.{token}"), &self.secret(token), arguments)
    }

    pub(super) fn pay_to(&self, address: &str, secret: &str, arguments: &[&str]) -> Ended {
        self.run(&[&["pay", address, "--secret", secret], arguments].concat(), Some(secret))
    }

    /// Runs a command at node a. Its output must not contain a secret.
    pub(super) fn run(&self, arguments: &[&str], secret: Option<&str>) -> Ended {
        let via = self.via();
        let output = run(Command::new(PROGRAM).args(arguments).args(["--via", &via]).env_clear());
        let (code, said) = ended(&output);
        assert!(!said.contains("cli-token"), "a secret: {said}");
        assert!(secret.is_none_or(|secret| !said.contains(secret)), "a secret: {said}");
        (code, said)
    }

    /// Starts a payment without waiting for its end.
    pub(super) fn start_pay(&self, token: &str, arguments: &[&str]) -> Process {
        let (address, secret) = (format!("test.c.wallet.{token}"), self.secret(token));
        let via = self.via();
        let pay = ["pay", &address, "--secret", &secret, "--via", &via];
        Process::start(&[&pay, arguments].concat(), [])
    }

    fn accounts(&self, node: &str) -> Vec<Value> {
        let (_, page) =
            get_json(self.ports[node].1, "/peers").unwrap_or_else(|error| panic!("{error}"));
        let lists = ["peers", "receivers"].map(|list| page[list].as_array().cloned());
        lists.into_iter().flatten().flatten().collect()
    }

    /// The balance of an account at a node; packets may be in flight.
    pub(super) fn balance(&self, node: &str, id: &str) -> i128 {
        let account = self.accounts(node).into_iter().find(|account| account["id"] == id);
        balance_of(&account.unwrap_or_else(|| panic!("{node} has no {id}")))
    }

    /// Checks a node whose accounts have one scale: the balances sum to zero, and no packet is in flight.
    pub(super) fn sums_to_zero(&self, node: &str) {
        let accounts = self.accounts(node);
        for account in &accounts {
            for held in ["received", "sent"] {
                let held = &account["held"][held];
                assert!(held.is_null() || held == "0", "something is in flight: {account}");
            }
        }
        assert_eq!(accounts.iter().map(balance_of).sum::<i128>(), 0, "{accounts:?}");
    }

    /// Checks all balances: both ends of a link agree, and what a node gets from one peer it owes to the other.
    pub(super) fn check_balances(&self) {
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

fn balance_of(account: &Value) -> i128 {
    let balance = account["balance"].as_str().and_then(|balance| balance.parse().ok());
    balance.unwrap_or_else(|| panic!("no balance in {account}"))
}

/// The output of `--json`.
pub(super) fn parse_json(said: &str) -> Value {
    serde_json::from_str(said).unwrap_or_else(|error| panic!("{error}: {said}"))
}
