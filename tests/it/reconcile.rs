//! Two real nodes compare their books: settlements on their way, overdue, recorded by mistake and undone, and a backup
//! that was restored.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::peer::{TestNode, ask};
use crate::process::{TIMEOUT, free_port, path_text, temp_folder};
use crate::proxy::Proxy;
use crate::support::{PROGRAM, eventually, run};

const TOKEN: &str = "an-operators-token";

/// The nodes n, which listens, and m, which dials it.
struct Neighbours {
    folder: TempDir,
    port: u16,
}

impl Neighbours {
    fn new() -> Self {
        Self { folder: temp_folder(), port: free_port() }
    }

    fn store(&self, node: &str) -> String {
        path_text(&self.folder.path().join(format!("{node}.db"))).to_owned()
    }

    fn start(&self, node: &str) -> TestNode {
        let (peer, port, url) = match node {
            "n" => ("m", self.port, String::new()),
            _ => ("n", 0, format!("url: 'ws://127.0.0.1:{}', ", self.port)),
        };
        let store = self.store(node);
        let yaml = format!(
            "nodeId: {node}\nilpAddress: test.{node}\napiToken: {TOKEN}\nstore: {store}\n\
             reconcileIntervalMs: 1000\npeers:\n  - {{ id: {peer}, {url}authToken: a-secret-of-both, \
             settlement: manual, settlementOverdueMs: 1000 }}\n"
        );
        TestNode::start_on(&yaml, port)
    }

    /// Starts both, and waits until the comparison has begun at both ends.
    fn start_both(&self) -> [TestNode; 2] {
        let [n, m] = [self.start("n"), self.start("m")];
        wait_found(&n, "n", "m", "agrees", "0");
        wait_found(&m, "m", "n", "agrees", "0");
        [n, m]
    }
}

/// Records a settlement of the node with its peer.
fn record(node: &TestNode, at: &str, peer: &str, direction: &str, units: u64) {
    let body = json!({ "direction": direction, "units": units.to_string(), "reference": "a test" });
    let path = format!("POST /api/v1/nodes/{at}/peers/{peer}/settlements");
    let (code, made) = ask(node.health_port, &path, Some(TOKEN), &body.to_string());
    assert_eq!(code, 200, "{made}");
}

/// Compares the books of the node with those of its peer until the result has this verdict and this difference.
fn wait_found(node: &TestNode, at: &str, peer: &str, verdict: &str, difference: &str) -> Value {
    let mut last = Value::Null;
    eventually(&format!("{at}: {verdict} by {difference}"), TIMEOUT, || {
        let path = format!("POST /api/v1/nodes/{at}/peers/{peer}/reconcile");
        // The peer may not be connected yet.
        last = ask(node.health_port, &path, Some(TOKEN), r#"{"reason": "a test"}"#).1;
        match (last["verdict"].as_str(), last["difference"].as_str()) {
            (Some(is), Some(by)) if is == verdict && by == difference => Ok(()),
            _ => Err(last.to_string()),
        }
    });
    last
}

#[test]
fn a_settlement_is_on_its_way_then_overdue_and_then_credited() {
    let neighbours = Neighbours::new();
    let [n, m] = neighbours.start_both();
    record(&n, "n", "m", "sent", 5_000_000_000);
    let overdue = wait_found(&n, "n", "m", "overdue", "5000000000");
    let text = overdue["text"].as_str().unwrap();
    assert!(text.starts_with("5 USD (5000000000 units) that this node paid has not been credited"));
    record(&n, "n", "m", "sent", 2_000_000_000);
    wait_found(&n, "n", "m", "overdue", "7000000000");
    wait_found(&m, "m", "n", "overdue", "7000000000");
    record(&m, "m", "n", "received", 7_000_000_000);
    let agrees = wait_found(&n, "n", "m", "agrees", "0");
    assert_eq!(agrees["text"], "the books agree");
    wait_found(&m, "m", "n", "agrees", "0");
}

#[test]
fn a_settlement_that_was_recorded_by_mistake_is_undone_by_its_opposite() {
    let neighbours = Neighbours::new();
    let [n, m] = neighbours.start_both();
    record(&m, "m", "n", "received", 5_000_000_000);
    wait_found(&m, "m", "n", "differs", "-5000000000");
    wait_found(&n, "n", "m", "differs", "-5000000000");
    record(&m, "m", "n", "sent", 5_000_000_000);
    for (node, at, peer) in [(&m, "m", "n"), (&n, "n", "m")] {
        let agrees = wait_found(node, at, peer, "agrees", "0");
        assert_eq!(agrees["text"], "the books agree");
    }
}

#[test]
fn a_backup_that_was_restored_is_noticed_at_both_ends() {
    let neighbours = Neighbours::new();
    let [n, m] = neighbours.start_both();
    let (store, backup) = (neighbours.store("n"), neighbours.store("backup"));
    n.process.signal("TERM");
    n.process.wait_exit();
    fs::copy(&store, &backup).unwrap();
    let n = neighbours.start("n");
    // Each is in a cut of its own.
    for _ in 0..3 {
        record(&n, "n", "m", "sent", 1);
    }
    record(&m, "m", "n", "received", 3);
    wait_found(&m, "m", "n", "agrees", "0");
    wait_found(&n, "n", "m", "agrees", "0");
    n.process.signal("KILL");
    n.process.wait_exit();
    for rest in ["-wal", "-shm"] {
        let _ = fs::remove_file(Path::new(&format!("{store}{rest}")));
    }
    fs::copy(&backup, &store).unwrap();
    let n = neighbours.start("n");
    let noticed = |node: &TestNode, expected: &str| {
        let message = "the books of a peer were compared with ours";
        let notice = node.process.wait_for_log(message, "notice");
        assert!(notice.as_str().unwrap().contains(expected), "{notice}");
    };
    noticed(&n, "a backup was restored");
    noticed(&m, "a backup was restored");
    // What the backup lacks is found: n was credited for nothing, and m was credited for what n has forgotten.
    wait_found(&m, "m", "n", "differs", "-3");
}

/// m fulfills a packet whose answer n never gets: m counts what n does not owe, since n was not answered in time. With
/// `writeOffMax`, m gives it up by itself.
#[test]
fn an_answer_that_was_lost_on_the_way_is_found_to_the_unit_and_given_up_within_the_limit() {
    let folder = temp_folder();
    let store = |node: &str| path_text(&folder.path().join(format!("{node}.db"))).to_owned();
    let n = TestNode::start(&format!(
        "nodeId: n\nilpAddress: test.n\napiToken: {TOKEN}\nstore: {}\npeers:\n  \
         - {{ id: m, authToken: a-secret-of-both }}\n  - {{ id: cli, relation: child, authToken: tools }}\n\
         routes:\n  - {{ prefix: test.m, nextHop: m }}\n",
        store("n")
    ));
    let proxy = Proxy::start(n.port.try_into().unwrap());
    let config = |more: &str| {
        format!(
            "nodeId: m\nilpAddress: test.m\napiToken: {TOKEN}\nstore: {}\npeers:\n  - {{ id: n, \
             url: 'ws://127.0.0.1:{}', authToken: a-secret-of-both{more} }}\n",
            store("m"),
            proxy.port
        )
    };
    let m = TestNode::start(&config(""));
    let compare = |verdict: &str, difference: &str| {
        wait_found(&m, "m", "n", verdict, difference);
    };
    compare("agrees", "0");
    let ping = || {
        let via = format!("btp+ws://cli:tools@127.0.0.1:{}", n.port);
        let mut ping = Command::new(PROGRAM);
        ping.args(["ping", "test.m", "--via", &via, "--amount", "700", "-c", "1", "-W", "3"]);
        run(&mut ping).status.success()
    };
    assert!(ping());
    compare("agrees", "0");

    proxy.freeze_dialler();
    assert!(!ping(), "the answer cannot come");
    // What waits in the proxy is lost with the connection.
    proxy.cut();
    proxy.thaw();
    compare("differs", "700");
    m.rewrite_config(&config(", writeOffMax: 1000"));
    compare("agrees", "0");
    let balance = |node: &TestNode| {
        let (_, peers) = ask(node.health_port, "GET /peers", Some(TOKEN), "");
        let peers = peers["peers"].as_array().unwrap().clone();
        let peer = peers.into_iter().find(|peer| peer["id"] == "n" || peer["id"] == "m");
        peer.unwrap()["balance"].as_str().unwrap().to_owned()
    };
    assert_eq!((balance(&n), balance(&m)), ("-700".to_owned(), "700".to_owned()));
}
