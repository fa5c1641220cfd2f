//! Real settlement engines: npm `ilp-settlement-core` over a shared ledger, and an engine on an Ethereum chain (npm
//! `ganache`). Value moves outside of Interledger, and the books of two nodes follow, to the unit.

mod bad_chain;
mod killed;
mod programs;
mod repeated;
mod stopped;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::interop::settlement_packages;
use crate::process::{Process, TIMEOUT, free_port, path_text, temp_folder, write_file};
use crate::support::{PROGRAM, combined_output, eventually, run, run_successfully, skip};

/// An account is created again after at most 38 s.
const ACCOUNT_AGAIN: Duration = Duration::from_secs(60);

/// The nodes of these tests want it of their engines.
const TOKEN: &str = "a-token-of-engines";

/// Starts a program of `examples/settlement`. Returns it with the line that it prints when it is ready.
fn script(folder: &Path, name: &str, arguments: &[(&str, &str)]) -> (Process, Value) {
    let mut command = Command::new("node");
    command.arg(name).current_dir(folder).env("ENGINE_TOKEN", TOKEN);
    for (option, value) in arguments {
        command.arg(format!("--{option}")).arg(value);
    }
    let process = Process::spawn(&mut command);
    let ready = process.wait_for_line(name, |line| serde_json::from_str::<Value>(line).ok());
    (process, ready)
}

fn port_of(ready: &Value) -> u16 {
    ready["port"].as_u64().unwrap().try_into().unwrap()
}

/// Sends one request; returns the status and the JSON of the answer.
fn request(method: &str, port: u16, path: &str, headers: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let length = body.len();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    stream.write_all((head + &body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    // The body may come in chunks.
    let start = answer.find("\r\n\r\n").unwrap();
    let body = answer[start..].find(['{', '[']).map(|json| &answer[start + json..]);
    let body = body.and_then(|body| serde_json::Deserializer::from_str(body).into_iter().next());
    (status, body.map_or(Value::Null, Result::unwrap))
}

/// Asks an engine to pay, as a connector does, but without a debt: the node that is paid owes then.
fn settle(engine: u16, peer: &str, key: &str, amount: &str, scale: u8) {
    let quantity = json!({ "amount": amount, "scale": scale });
    let path = format!("/accounts/{peer}/settlements");
    let headers = format!("Idempotency-Key: {key}\r\n");
    assert_eq!(request("POST", engine, &path, &headers, &quantity).0, 201);
}

/// Two nodes with a link, and the ports of their engines.
struct Link {
    folder: TempDir,
    asset: &'static str,
    /// Keys of the peers.
    rule: &'static str,
    durability: &'static str,
    btp_port: u16,
    engines: [u16; 2],
    listeners: [u16; 2],
}

impl Link {
    fn new(asset: &'static str, rule: &'static str) -> Self {
        let ports = || [free_port(), free_port()];
        Self {
            folder: temp_folder(),
            asset,
            rule,
            durability: "batched",
            btp_port: free_port(),
            engines: ports(),
            listeners: ports(),
        }
    }

    fn store(&self, node: &str) -> PathBuf {
        self.folder.path().join(format!("{node}.db"))
    }

    /// Starts an engine of npm `ilp-settlement-core` for a node.
    fn core_engine(&self, scripts: &Path, index: usize, ledger: &str) -> Process {
        let (port, connector) = (self.engines[index].to_string(), self.connector(index));
        let account = ["ledger-a", "ledger-b"][index];
        let options = [("port", &*port), ("connector", &*connector)];
        let more = [("ledger", ledger), ("account", account)];
        script(scripts, "core-engine.js", &[options, more].concat()).0
    }

    /// The URL at which the engine of a node reaches it.
    fn connector(&self, index: usize) -> String {
        format!("http://127.0.0.1:{}", self.listeners[index])
    }

    /// Starts node `a` (0), which listens, or `b` (1), which dials.
    fn start(&self, index: usize) -> Process {
        let (node, peer) = [("a", "b"), ("b", "a")][index];
        let (btp_port, url) = match index {
            0 => (self.btp_port, String::new()),
            _ => (0, format!("url: 'ws://127.0.0.1:{}', ", self.btp_port)),
        };
        let (asset, rule, durability) = (self.asset, self.rule, self.durability);
        let (listener, engine) = (self.listeners[index], self.engines[index]);
        let config = format!(
            "nodeId: {node}\nbtpServerHost: 127.0.0.1\nbtpServerPort: {btp_port}\n\
             healthCheckHost: 127.0.0.1\nhealthCheckPort: 0\nassetCode: {asset}\nstore: {node}.db\n\
             durability: {durability}\nsettlementPort: {listener}\nsettlementToken: {TOKEN}\n\
             peers:\n  - {{ id: {peer}, {url}authToken: a-secret-of-both, \
             {rule}settlement: {{ engine: 'http://127.0.0.1:{engine}' }} }}\n  \
             - {{ id: cli, relation: child, authToken: a-secret-of-tools }}\n\
             routes:\n  - {{ prefix: test.{peer}, nextHop: {peer} }}\n"
        );
        let file = write_file(&self.folder, &format!("{node}.yaml"), &config);
        Process::start(&["run", "--config", path_text(&file)], [("RUST_BACKTRACE", "1")])
    }

    /// Waits until the engines have agreed, through both nodes.
    fn wait_ready(nodes: &[&Process]) {
        for node in nodes {
            node.wait_for_log("the settlement engine has the account", "peer");
        }
    }

    /// Waits until the books of `b` have this balance of `a`.
    fn wait_balance(&self, expected: i128) {
        self.wait_balance_of("b", "a", expected);
    }

    /// What the books of a node say about its peer; null if they have no such account yet.
    fn books(&self, node: &str, peer: &str) -> Value {
        let store = self.store(node);
        let mut command = Command::new(PROGRAM);
        command.args(["ledger", "balances", "--json", "--store", path_text(&store)]);
        let books: Value = serde_json::from_str(&run_successfully(&mut command)).unwrap();
        let accounts = books["accounts"].as_array().unwrap().iter();
        accounts.into_iter().find(|one| one["account"] == peer).cloned().unwrap_or_default()
    }

    /// The same with another deadline.
    fn wait_balance_within(&self, deadline: Duration, expected: i128) {
        self.wait_within(deadline, "b", "a", expected);
    }

    /// Waits until the books of a node have this balance of its peer.
    fn wait_balance_of(&self, node: &str, peer: &str, expected: i128) {
        self.wait_within(TIMEOUT, node, peer, expected);
    }

    fn wait_within(&self, deadline: Duration, node: &str, peer: &str, expected: i128) {
        let look = || {
            let balance = self.books(node, peer)["balance"].as_str().unwrap_or("0").to_owned();
            if balance == expected.to_string() { Ok(()) } else { Err(balance) }
        };
        eventually(&format!("the balance of {peer} at {node}"), deadline, look);
    }
}

/// `ilp-settlement-core` reports a sum again, with the next payment and under another key, unless the answer to its
/// credit is the quantity. While the node is down it repeats the same key.
#[test]
fn the_public_settlement_core_settles_to_the_unit_and_credits_nothing_twice_rows_131_133_136() {
    let scripts = match settlement_packages() {
        Ok(folder) => folder,
        Err(why) => return skip("the settlement engines", &why),
    };
    let link = Link::new("USD", "");
    let (_ledger, ready) = script(&scripts, "ledger.js", &[]);
    let ledger_port = port_of(&ready);
    let ledger = format!("http://127.0.0.1:{ledger_port}");
    let (first, second) = (link.start(0), link.start(1));
    // They come after the nodes, which try again until they are there.
    let _engines = [0, 1].map(|index| link.core_engine(&scripts, index, &ledger));
    Link::wait_ready(&[&first, &second]);

    let payer = link.engines[0];
    settle(payer, "b", "one", "1500000001", 9);
    link.wait_balance(-1_500_000_000);
    settle(payer, "b", "one", "1500000001", 9);
    settle(payer, "b", "two", "1", 0);
    link.wait_balance(-2_500_000_000);
    // With what the engine had left over of the first one.
    settle(payer, "b", "three", "1000", 9);
    link.wait_balance(-2_500_001_000);

    // A payment that arrives while b is dead is credited when it lives again.
    second.signal("KILL");
    second.wait_exit();
    settle(payer, "b", "four", "25", 2);
    let balances = || request("GET", ledger_port, "/balances", "", &Value::Null).1;
    let paid = || {
        let sum = balances()["ledger-b"].clone();
        if sum == "2.750001" { Ok(()) } else { Err(sum.to_string()) }
    };
    eventually("the ledger has the payment", TIMEOUT, paid);
    let second = link.start(1);
    link.wait_balance(-2_750_001_000);
    assert_eq!(balances(), json!({ "ledger-a": "-2.750001", "ledger-b": "2.750001" }));
    drop((first, second));
}

#[test]
fn value_moves_on_a_chain_and_the_books_follow_rows_131_133_135_136() {
    let scripts = match settlement_packages() {
        Ok(folder) => folder,
        Err(why) => return skip("the settlement engines", &why),
    };
    let link = Link::new("ETH", "");
    let (_chain, ready) = script(&scripts, "chain.js", &[]);
    let chain_port = port_of(&ready);
    let bad_chain_port = bad_chain::serve(chain_port);
    let addresses = [0, 1].map(|index| ready["accounts"][index].as_str().unwrap().to_owned());
    let engine = |index: usize| {
        let (port, connector) = (link.engines[index].to_string(), link.connector(index));
        let options = [("port", &*port), ("connector", &*connector)];
        let chain = format!("http://127.0.0.1:{}", [bad_chain_port, chain_port][index]);
        let more = [("chain", &*chain), ("account", &*addresses[index])];
        script(&scripts, "chain-engine.js", &[options, more].concat()).0
    };
    let nodes = [link.start(0), link.start(1)];
    let _engines = [engine(0), engine(1)];
    Link::wait_ready(&[&nodes[0], &nodes[1]]);

    let wei = || {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_getBalance", "params": [addresses[1], "latest"] });
        let answer = request("POST", chain_port, "/", "", &call).1;
        u128::from_str_radix(answer["result"].as_str().unwrap().trim_start_matches("0x"), 16)
            .unwrap()
    };
    let before = wei();
    settle(link.engines[0], "b", "one", "1500000000", 9);
    link.wait_balance(-1_500_000_000);
    // Units beyond those of the account: what is left over counts with the next payment.
    settle(link.engines[0], "b", "two", "999999999", 18);
    settle(link.engines[0], "b", "three", "1", 18);
    link.wait_balance(-1_500_000_001);
    // Many at once: the chain takes one transaction for each nonce of an account.
    std::thread::scope(|threads| {
        for number in 0..8 {
            let engine = link.engines[0];
            let key = format!("many-{number}");
            threads.spawn(move || settle(engine, "b", &key, "1000000001", 18));
        }
    });
    link.wait_balance(-1_500_000_009);
    assert_eq!(wei() - before, 1_500_000_009_000_000_008);
}

/// The debt of a grows by packets until it is at the threshold. Then a pays, the ledger moves value, and b credits it:
/// both ends are even again, to the unit.
#[test]
fn a_debt_at_the_threshold_is_paid_by_itself_and_both_ends_are_even_rows_132_134() {
    let scripts = match settlement_packages() {
        Ok(folder) => folder,
        Err(why) => return skip("the settlement engines", &why),
    };
    let link = Link::new("USD", "settleThreshold: -1000000, ");
    let (_ledger, ready) = script(&scripts, "ledger.js", &[]);
    let ledger_port = port_of(&ready);
    let nodes = [link.start(0), link.start(1)];
    nodes[0].wait_for_log("connected", "peer");
    let login = format!("btp+ws://cli:a-secret-of-tools@127.0.0.1:{}", link.btp_port);
    let owe = |units: &str| {
        let mut ping = Command::new(PROGRAM);
        ping.args(["ping", "test.b", "--via", &login, "--amount", units, "-c", "1"]);
        run_successfully(&mut ping);
    };
    owe("999000");
    link.wait_balance_of("a", "b", -999_000);
    link.wait_balance(999_000);
    // At the threshold, but there is no engine yet: it is debited once, and asked for again and again.
    owe("1000");
    link.wait_balance_of("a", "b", 0);
    owe("500000");
    link.wait_balance_of("a", "b", -500_000);
    link.wait_balance(1_500_000);
    let ledger = format!("http://127.0.0.1:{ledger_port}");
    let _engines = [0, 1].map(|index| link.core_engine(&scripts, index, &ledger));
    link.wait_balance(500_000);
    owe("500000");
    link.wait_balance_of("a", "b", 0);
    link.wait_balance(0);
    let balances = request("GET", ledger_port, "/balances", "", &Value::Null).1;
    assert_eq!(balances, json!({ "ledger-a": "-0.002", "ledger-b": "0.002" }));
    drop(nodes);
}

/// A debt that the peer lets grow no further is paid as soon as the peer says so, without a threshold.
#[test]
fn a_debt_at_the_limit_of_the_peer_is_paid_and_packets_go_on() {
    let scripts = match settlement_packages() {
        Ok(folder) => folder,
        Err(why) => return skip("the settlement engines", &why),
    };
    let link = Link::new("USD", "settleOnT04: true, maxBalance: 3000000, ");
    let (_ledger, ready) = script(&scripts, "ledger.js", &[]);
    let ledger = format!("http://127.0.0.1:{}", port_of(&ready));
    let nodes = [link.start(0), link.start(1)];
    let _engines = [0, 1].map(|index| link.core_engine(&scripts, index, &ledger));
    Link::wait_ready(&[&nodes[0], &nodes[1]]);
    let ping = || {
        let login = format!("btp+ws://cli:a-secret-of-tools@127.0.0.1:{}", link.btp_port);
        let mut ping = Command::new(PROGRAM);
        ping.args(["ping", "test.b", "--via", &login, "--amount", "2000000", "-c", "1"]);
        run(&mut ping)
    };
    assert!(ping().status.success());
    link.wait_balance_of("a", "b", -2_000_000);
    let refused = ping();
    assert!(!refused.status.success());
    assert!(combined_output(&refused).contains("T04"), "{refused:?}");
    link.wait_balance_of("a", "b", 0);
    link.wait_balance(0);
    assert!(ping().status.success());
    link.wait_balance(2_000_000);
}

/// The engine of the payee is asked nothing that would show that it has forgotten the account. The node creates the
/// account again by itself, and the engine credits what was paid meanwhile.
#[test]
fn what_is_paid_while_the_engine_of_the_payee_has_forgotten_the_account_is_credited() {
    let scripts = match settlement_packages() {
        Ok(folder) => folder,
        Err(why) => return skip("the settlement engines", &why),
    };
    let link = Link::new("USD", "");
    let (_ledger, ready) = script(&scripts, "ledger.js", &[]);
    let ledger = format!("http://127.0.0.1:{}", port_of(&ready));
    let nodes = [link.start(0), link.start(1)];
    let [_payer, payee] = [0, 1].map(|index| link.core_engine(&scripts, index, &ledger));
    Link::wait_ready(&[&nodes[0], &nodes[1]]);
    settle(link.engines[0], "b", "one", "1", 0);
    link.wait_balance(-1_000_000_000);
    drop(payee);
    let _payee = link.core_engine(&scripts, 1, &ledger);
    settle(link.engines[0], "b", "two", "25", 1);
    link.wait_balance_within(ACCOUNT_AGAIN, -3_500_000_000);
}
