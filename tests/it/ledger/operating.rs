//! What an operator of a store sees and uses: metrics, other programs that read the file, the work that it costs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ilp_connector::internals::account::{Asset, Totals};
use ilp_connector::internals::books::{AccountKind, AccountRow, Cut};
use ilp_connector::internals::link::CutNumber;
use ilp_connector::internals::net::Clock;
use ilp_connector::internals::store::{Store, StoreIdentity};
use ilp_connector::wire::Timestamp;

use super::store_failures::{Payments, wait_until_saved};
use super::*;
use crate::support::skip;

/// The metrics of a node without labels.
fn metrics(port: u64) -> BTreeMap<String, f64> {
    let (_, text) = http_get(port, "/metrics");
    let samples = text.lines().filter_map(|line| line.split_once(' '));
    samples.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
}

fn wait_for_metric(node: &TestNode, name: &str, holds: impl Fn(f64) -> bool) {
    eventually(name, TIMEOUT, || match metrics(node.health_port).get(name) {
        Some(value) if holds(*value) => Ok(()),
        value => Err(format!("{value:?}")),
    });
}

#[test]
fn metrics_show_what_the_store_does() {
    let without = TestNode::start(&config_of(&["alice", "bob"], ""));
    assert!(metrics(without.health_port).keys().all(|name| !name.starts_with("ilp_store")));
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let node = TestNode::start(&config_with_store(&store, "batched"));
    assert_eq!(metrics(node.health_port)["ilp_store_cut_rows_count"], 0.0);
    let (alice, bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    let _claims = bob.fulfill_all();
    let mut payments = Payments::new(alice);
    payments.pay_until("a packet passes", "Fulfill");
    wait_until_saved(&store, payments.fulfilled);
    wait_for_metric(&node, "ilp_store_unsaved_seconds", |value| value == 0.0);
    let seen = metrics(node.health_port);
    assert!(seen["ilp_store_cut_rows_sum"] >= 2.0, "alice and bob: {seen:?}");
    assert_eq!(seen["ilp_store_cut_rows_count"], seen["ilp_store_cut_seconds_count"]);
    assert!(seen["ilp_store_cut_seconds_sum"] > 0.0);
    assert_eq!((seen["ilp_store_failing"], seen["ilp_store_failures_total"]), (0.0, 0.0));
    let elsewhere = folder.path().join("elsewhere.db");
    std::fs::rename(&store, &elsewhere).unwrap();
    payments.pay_until("no packet passes", "Reject T03");
    wait_for_metric(&node, "ilp_store_unsaved_seconds", |value| value > 0.1);
    let seen = metrics(node.health_port);
    assert!(seen["ilp_store_failing"] == 1.0 && seen["ilp_store_failures_total"] >= 1.0);
    std::fs::rename(&elsewhere, &store).unwrap();
    wait_for_metric(&node, "ilp_store_failing", |value| value == 0.0);
    wait_for_metric(&node, "ilp_store_unsaved_seconds", |value| value == 0.0);
}

/// The recipe of docs/LEDGER.md.
#[test]
fn sqlite3_reads_the_file_while_packets_move() {
    const READS: u32 = 25;
    if let Err(error) = Command::new("sqlite3").arg("--version").output() {
        return skip("reading with sqlite3", &format!("`sqlite3` does not run: {error}"));
    }
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let node = TestNode::start(&config_with_store(&store, "strict"));
    let (alice, bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    let (claims, payments) = (claim_all(bob), pay_until_closed(alice, 1));
    let query = |sql: &str| {
        let mut command = Command::new("sqlite3");
        run_successfully(command.args(["-readonly", path_text(&store), sql])).trim().to_owned()
    };
    let look = || -> i64 {
        // One statement: all of it is of one cut.
        let seen = query(
            "SELECT (SELECT value FROM meta WHERE key = 'cut'), coalesce(sum(balance), 0), \
             coalesce(sum(balance - fulfilled_in + fulfilled_out - adjusted), 0) FROM account",
        );
        let (cut, sums) = seen.split_once('|').unwrap();
        assert_eq!(sums, "0|0", "both halves of each packet, and each balance adds up");
        cut.parse().unwrap()
    };
    let mut last = look();
    for _ in 0..READS {
        // So that packets have moved between two reads.
        (last, _) = eventually("another cut", TIMEOUT, || match look() {
            cut if cut > last => Ok(cut),
            cut => Err(format!("{cut}, not above {last}")),
        });
    }
    assert_eq!(query("PRAGMA quick_check"), "ok");
    let (status, log) = node.stop("TERM");
    assert!(status.success() && !log.contains("cannot save"), "{log}");
    let (proven, claimed) = (payments.join().unwrap(), claims.join().unwrap());
    assert_eq!(saved(&store, "alice").balance, proven);
    assert_eq!(saved(&store, "bob").balance, -claimed);
}

/// The cuts in a store.
fn cuts(store: &Path) -> u64 {
    let mut command = Command::new(PROGRAM);
    command.args(["ledger", "balances", "--json", "--store", path_text(store)]);
    let books: Value = serde_json::from_str(&run_successfully(&mut command)).unwrap();
    books["cut"].as_u64().unwrap()
}

/// Pays in a strict node that is killed then. Returns its cuts, and its synchronous writes as the kernel saw them.
fn cuts_and_synchronous_writes(folder: &Path, payments: u32) -> (u64, u64) {
    let (store, trace) = (folder.join("n.db"), folder.join("trace"));
    let file = super::store_failures::node_file(folder, &store, "strict");
    let mut strace = Command::new("strace");
    // The node is the child of the test, and its tracer is not in between.
    strace.args(["-D", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", path_text(&trace)]);
    strace.args([PROGRAM, "run", "--config", path_text(&file)]);
    let node = super::store_failures::SpawnedNode::start(&mut strace);
    let (alice, bob) = (node.connect("alice"), node.connect("bob"));
    let _claims = bob.fulfill_all();
    let mut alice = Payments::new(alice);
    for _ in 0..payments {
        let answer = alice.pay();
        assert!(answer.ends_with("Fulfill"), "{answer}");
    }
    node.kill();
    let read = || std::fs::read_to_string(&trace).unwrap_or_default();
    let (traced, _) = eventually("the end of the trace", TIMEOUT, || match read() {
        text if text.contains("+++ killed by SIGKILL +++") => Ok(text),
        text => Err(text),
    });
    (cuts(&store), traced.matches("sync(").count() as u64)
}

#[test]
fn a_strict_cut_is_one_synchronous_write() {
    // Also where it is installed, tracing may be forbidden.
    let traced = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).output();
    match traced {
        Ok(traced) if traced.status.success() => {}
        traced => return skip("counting writes", &format!("`strace` does not run: {traced:?}")),
    }
    let [idle, busy] = [0, 20].map(|payments| {
        let folder = temp_folder();
        cuts_and_synchronous_writes(folder.path(), payments)
    });
    assert!(busy.0 - idle.0 >= 20, "each payment is saved before its Fulfill leaves: {busy:?}");
    assert_eq!(busy.1 - idle.1, busy.0 - idle.0, "one for each cut; idle {idle:?}, busy {busy:?}");
}

/// Whether the store's thread sleeps, and how often it has gone to sleep, as the kernel counts.
fn sleeps_of_the_store(node: &TestNode) -> String {
    let threads = std::fs::read_dir(format!("/proc/{}/task", node.process.pid())).unwrap();
    let mut threads = threads.map(|thread| thread.unwrap().path());
    let is_store = |path: &PathBuf| {
        std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "store")
    };
    let status = std::fs::read_to_string(threads.find(is_store).unwrap().join("status")).unwrap();
    let lines = ["State:", "voluntary_ctxt_switches:"]
        .map(|name| status.lines().find(|line| line.starts_with(name)).unwrap());
    lines.join(", ")
}

#[test]
fn an_idle_store_is_not_woken_and_not_written() {
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let node = TestNode::start(&config_with_store(&store, "batched"));
    let (alice, bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    let _claims = bob.fulfill_all();
    let mut payments = Payments::new(alice);
    payments.pay_until("a packet passes", "Fulfill");
    wait_until_saved(&store, payments.fulfilled);
    wait_for_metric(&node, "ilp_store_unsaved_seconds", |value| value == 0.0);
    let log = folder.path().join("n.db-wal");
    let look = || {
        let written =
            [&store, &log].map(|file| std::fs::metadata(file).unwrap().modified().unwrap());
        (sleeps_of_the_store(&node), written, metrics(node.health_port)["ilp_store_cut_rows_count"])
    };
    // The metric may be ahead of the thread.
    let (before, _) = eventually("the thread of the store sleeps", TIMEOUT, || {
        let (one, other) = (look(), look());
        let is_asleep = one.0.contains("(sleeping)");
        if is_asleep && one == other { Ok(one) } else { Err(format!("{one:?}, {other:?}")) }
    });
    // A hundred intervals of the store.
    let since = metrics(node.health_port)["ilp_uptime_seconds"];
    wait_for_metric(&node, "ilp_uptime_seconds", |uptime| uptime > since + 2.0);
    assert_eq!(look(), before);
}

/// Starts a node with this many accounts, in flight with all of them at a crash. Returns its ticks of CPU time.
fn ticks_of_a_start(count: usize) -> u64 {
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let identity = StoreIdentity { node: Some("n".parse().unwrap()) };
    let (mut opened, _) = Store::open(&store.clone().into(), &identity, Clock::start()).unwrap();
    let names: Vec<String> = (0..count).map(|number| format!("p{number}")).collect();
    let accounts = names.iter().map(|name| AccountRow {
        name: name.as_str().into(),
        kind: AccountKind::Peer,
        asset: Asset::default(),
        totals: Totals { fulfilled_in: 12, fulfilled_out: 5, ..Totals::default() },
        held_out: 3,
        uncertain: 0,
        uncertain_since: None,
    });
    let cut = Cut {
        number: CutNumber(1),
        at: Timestamp::from_millis(0),
        accounts: accounts.collect(),
        ..Cut::default()
    };
    opened.write(&cut).unwrap();
    drop(opened);
    let mut yaml = format!("nodeId: n\nilpAddress: test.n\nstore: {}\npeers:\n", store.display());
    for name in &names {
        writeln!(yaml, "  - {{ id: {name}, authToken: {name}-token }}").unwrap();
    }
    let node = TestNode::start(&yaml);
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", node.process.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    let peers = get_json(node.health_port, "/peers");
    let peers = peers["peers"].as_array().unwrap();
    let recovered = peers.iter().filter(|peer| peer["balance"] == "7" && peer["uncertain"] == "3");
    assert_eq!(recovered.count(), count);
    ticks
}

#[test]
fn a_start_with_ten_thousand_accounts_takes_as_much_work_for_each_as_one_with_fewer() {
    let [few, many] = [2_500, 10_000].map(ticks_of_a_start);
    crate::support::print_line(&format!(
        "start with 2,500 accounts: {few} ticks of CPU, with 10,000: {many}"
    ));
    assert!(many < few * 10, "{many} ticks of CPU, and {few} for a quarter of the accounts");
}
