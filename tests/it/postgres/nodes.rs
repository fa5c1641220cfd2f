//! Nodes with their books in a database: crashes, a database that stops or hangs, another process that takes over.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{PostgresServer, TestDatabase};
use crate::peer::{Peer, TIMEOUT, TestNode, config_of, get_json, prepare_to};
use crate::process::{Process, path_text, temp_folder, write_file};
use crate::proxy::Proxy;
use crate::support::{PROGRAM, combined_output, eventually, run, run_successfully};

fn config_with(url: &str, durability: &str) -> String {
    config_of(&["alice", "bob"], &format!("store: {url}\ndurability: {durability}\n"))
}

/// Pays bob, packet after packet.
struct Payments {
    alice: Peer,
    last_id: u32,
    /// What alice has proofs for.
    fulfilled: i128,
}

impl Payments {
    fn new(alice: Peer) -> Self {
        Self { alice, last_id: 0, fulfilled: 0 }
    }

    fn pay(&mut self) -> String {
        self.last_id += 1;
        let amount = u64::from(self.last_id % 7 + 1);
        let answer = self.alice.request(self.last_id, &prepare_to("test.bob.x").amount(amount));
        if answer.ends_with("Fulfill") {
            self.fulfilled += i128::from(amount);
        }
        answer
    }

    fn pay_until(&mut self, what: &str, end: &str) {
        eventually(what, TIMEOUT * 2, || match self.pay() {
            answer if answer.ends_with(end) => Ok(()),
            answer => Err(answer),
        });
    }
}

/// As if the process that holds it had been dead for long enough.
fn end_lease(database: &TestDatabase) {
    database.query("UPDATE ilp_connector.books SET lease_until = now() - interval '1 ms'");
}

fn balance(database: &TestDatabase, account: &str) -> i128 {
    let sql = format!("SELECT balance FROM ilp_connector.account WHERE name = '{account}'");
    database.query(&sql).parse().unwrap_or(0)
}

fn wait_for_health(node: &TestNode, what: &str) {
    eventually(what, TIMEOUT, || match get_json(node.health_port, "/health") {
        health if health.to_string().contains(what) => Ok(()),
        health => Err(health.to_string()),
    });
}

fn ledger(arguments: &[&str]) -> (bool, String) {
    let output = run(Command::new(PROGRAM).arg("ledger").args(arguments));
    let text = combined_output(&output);
    check_without_password(&text);
    (output.status.success(), text)
}

fn check_without_password(text: &str) {
    for password in ["p@ss", "p%40ss", "of-the-tests"] {
        assert!(!text.contains(password), "{text}");
    }
}

fn stop(node: TestNode, signal: &str) {
    let (_, log) = node.stop(signal);
    check_without_password(&log);
}

#[test]
fn balances_survive_kill_9_in_a_database() {
    let Some(database) = TestDatabase::create("kill -9") else { return };
    let config = config_with(&database.url(), "strict");
    let node = TestNode::start(&config);
    let claims = node.connect_peer("bob").fulfill_all();
    let mut payments = Payments::new(node.connect_peer("alice"));
    for _ in 0..20 {
        assert!(payments.pay().ends_with("Fulfill"));
    }
    stop(node, "KILL");
    assert_eq!(claims.join().unwrap(), 20);
    assert_eq!(balance(&database, "alice"), payments.fulfilled);
    end_lease(&database);
    let node = TestNode::start(&config);
    let sum = payments.fulfilled;
    let balances = ["alice", "bob"].map(|account| node.balance(account)[0].clone());
    assert_eq!(balances, [sum.to_string(), (-sum).to_string()]);
    assert!(node.log().contains("opened the store"));
    stop(node, "TERM");
    assert_eq!(database.query("SELECT clean, owner IS NULL FROM ilp_connector.books"), "t|t");
}

#[test]
fn commands_work_with_a_database() {
    let Some(database) = TestDatabase::create("ledger commands") else { return };
    let config = config_with(&database.url(), "strict") + "apiToken: an-operators-token\n";
    let node = TestNode::start(&config);
    let claims = node.connect_peer("bob").fulfill_all();
    let mut payments = Payments::new(node.connect_peer("alice"));
    assert!(payments.pay().ends_with("Fulfill"));
    let (folder, url) = (temp_folder(), database.url());
    let file = write_file(&folder, "node.yaml", &config);
    let with_config = ["--config", path_text(&file)];
    let with_url = ["--store", &*url];
    for source in [with_config, with_url] {
        let (ok, text) = ledger(&[&["balances", "--json"], &source[..]].concat());
        let books: Value = serde_json::from_str(&text).unwrap();
        assert!(ok && books["accounts"][0]["balance"] == "2", "{text}");
        let (ok, text) = ledger(&[&["verify"], &source[..]].concat());
        assert!(ok && text.starts_with("ok: 2 accounts"), "{text}");
        let (ok, text) = ledger(&[&["export", "--format", "csv"], &source[..]].concat());
        assert!(ok && text.contains("Assets:Peers:alice"), "{text}");
    }
    let adjust = ["adjust", "alice", "5", "--reason", "a fee", "--id", "fee"];
    let (ok, text) = ledger(&[&adjust[..], &with_url].concat());
    assert!(!ok && text.contains("with --config instead of --store"), "{text}");
    let mut through_node = Command::new(PROGRAM);
    through_node.arg("ledger").args(adjust).args(with_config);
    through_node.env("HEALTH_CHECK_PORT", node.health_port.to_string());
    let made = run_successfully(&mut through_node);
    assert!(made.contains("the balance was 2 and is 7"), "{made}");
    stop(node, "TERM");
    claims.join().unwrap();
    let (ok, again) = ledger(&[&adjust[..], &with_url].concat());
    assert!(ok && again == made, "the same change: {again}");
    let (ok, text) =
        ledger(&[&["adjust", "bob", "-1", "--reason", "a fee"], &with_config[..]].concat());
    assert!(ok && text.contains("the balance was -2 and is -3"), "{text}");
    for (command, tool) in [("backup", "pg_dump"), ("restore", "pg_restore")] {
        let (ok, text) = ledger(&[&[command, "/nowhere/b.db"], &with_url[..]].concat());
        assert!(!ok && text.contains(tool), "{text}");
    }
    let (ok, text) = ledger(&["verify", "--store", "postgres://p%40ss"]);
    assert!(!ok && text.contains("--store: has no user"), "{text}");
}

#[test]
fn a_database_that_is_stopped_stops_new_packets_and_loses_nothing() {
    let Some(server) = PostgresServer::start_own("a stopped database") else { return };
    let database = TestDatabase::on(&server);
    for (durability, end) in [("batched", "stop"), ("strict", "kill")] {
        let node = TestNode::start(&config_with(&database.url(), durability));
        let claims = node.connect_peer("bob").fulfill_all();
        let mut payments = Payments::new(node.connect_peer("alice"));
        let before: i128 = node.balance("alice")[0].parse().unwrap();
        payments.pay_until("packets pass", "Fulfill");
        match end {
            "stop" => server.stop(),
            _ => server.kill(),
        }
        // Without a packet: the node notices by itself.
        wait_for_health(&node, "the store cannot be written: ");
        payments.pay_until("packets are refused", "Reject T03");
        server.start();
        payments.pay_until("packets pass again", "Fulfill");
        wait_for_health(&node, "\"healthy\"");
        eventually("everything is saved", TIMEOUT, || {
            let (is, should) = (balance(&database, "alice"), before + payments.fulfilled);
            if is == should { Ok(()) } else { Err(format!("{is}, not {should}")) }
        });
        stop(node, "KILL");
        claims.join().unwrap();
        end_lease(&database);
    }
}

#[test]
fn a_database_that_hangs_is_noticed_while_the_lease_is_valid() {
    let Some(database) = TestDatabase::create("a hanging database") else { return };
    let proxy = Proxy::start(database.port());
    let node = TestNode::start(&config_with(&database.url_at(proxy.port), "batched"));
    let claims = node.connect_peer("bob").fulfill_all();
    let mut payments = Payments::new(node.connect_peer("alice"));
    assert!(payments.pay().ends_with("Fulfill"));
    proxy.freeze();
    wait_for_health(&node, "the database has not answered for");
    let left = "SELECT lease_until > now() FROM ilp_connector.books";
    assert_eq!(database.query(left), "t", "nobody can have taken the books yet");
    let refused = payments.pay();
    assert!(refused.ends_with("Reject T03"), "{refused}");
    proxy.thaw();
    payments.pay_until("packets pass again", "Fulfill");
    stop(node, "KILL");
    claims.join().unwrap();
}

/// The recipe of docs/OPERATIONS.md.
#[test]
fn a_backup_by_pg_dump_is_restored_after_a_crash() {
    let Some(database) = TestDatabase::create("pg_dump") else { return };
    let (folder, url) = (temp_folder(), database.url());
    let dump = folder.path().join("books.dump");
    let config = config_with(&url, "strict");
    let node = TestNode::start(&config);
    let claims = node.connect_peer("bob").fulfill_all();
    let mut payments = Payments::new(node.connect_peer("alice"));
    assert!(payments.pay().ends_with("Fulfill"));
    let saved = payments.fulfilled;
    let mut backup = database.program("pg_dump");
    backup.args(["--schema", "ilp_connector", "--format", "custom", "--file", path_text(&dump)]);
    run_successfully(backup.arg(&url));
    assert!(payments.pay().ends_with("Fulfill"));
    stop(node, "KILL");
    claims.join().unwrap();
    let mut restore = database.program("pg_restore");
    restore.args(["--clean", "--if-exists", "--no-owner", "--dbname", &url, path_text(&dump)]);
    run_successfully(&mut restore);
    let (ok, text) = ledger(&["verify", "--store", &url]);
    assert!(ok, "{text}");
    // The lease in the backup has ended, or does so soon.
    end_lease(&database);
    let node = TestNode::start(&config);
    assert_eq!(node.balance("alice")[0], saved.to_string());
    stop(node, "TERM");
}

/// All nodes of a topology file on one URL.
#[test]
fn a_network_keeps_its_books_in_one_database() {
    let Some(database) = TestDatabase::create("a network") else { return };
    let folder = temp_folder();
    let yaml = "defaults: { store: \"${STORE_URL}\" }\nnodes: [{ id: a }, { id: b }, { id: c }]\n\
        links: [{ from: a, to: b, secret: ab }, { from: b, to: c, secret: bc }]\n";
    let file = write_file(&folder, "net.yaml", yaml);
    let url = database.url();
    let environment = [("STORE_URL", &*url)];
    let up = Process::start(&["up", path_text(&file)], environment);
    eventually("all nodes have books", TIMEOUT, || {
        let owned = "SELECT string_agg(node, ',' ORDER BY node) FROM ilp_connector.books \
            WHERE owner IS NOT NULL";
        let table = database.query("SELECT to_regclass('ilp_connector.books')");
        match if table.is_empty() { table } else { database.query(owned) } {
            nodes if nodes == "a,b,c" => Ok(()),
            nodes => Err(nodes),
        }
    });
    up.signal("TERM");
    let (status, lines) = up.wait_exit();
    check_without_password(&lines.join("\n"));
    assert!(status.success());
    assert_eq!(database.query("SELECT count(*) FROM ilp_connector.books WHERE clean"), "3");
    check_print(&file, &url);
}

/// `check --print` shows the place, and no password.
fn check_print(file: &Path, url: &str) {
    let mut print = Command::new(PROGRAM);
    print.args(["check", path_text(file), "--node", "a", "--print"]).env("STORE_URL", url);
    let text = combined_output(&run(&mut print));
    check_without_password(&text);
    assert!(text.contains("store: \"postgres://ilp@127.0.0.1:"), "{text}");
}
