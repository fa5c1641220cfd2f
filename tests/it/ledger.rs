//! Balances survive stops, crashes, full disks and restores: the books of a node beside the tallies of its peers.

mod api;
mod changes;
mod disks;
mod operating;
mod payments;
mod rights;
mod settlements;
mod store_failures;
mod write_order;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ilp_connector::wire::btp::{BtpFrame, FrameKind, ILP, ProtocolEntry};
use ilp_connector::wire::ilp::Packet;
use serde_json::Value;

use crate::peer::{
    PREIMAGE, Peer, SocketEvent, TIMEOUT, TestNode, TestPrepare, config_of, fulfill, get_json,
    http_get, message, prepare_to, response,
};
use crate::process::{Process, path_text, temp_folder};
use crate::support::{PROGRAM, combined_output, eventually, run, run_successfully};

/// Packets that alice keeps in flight.
const WINDOW: u32 = 16;

/// The balance and the uncertain amount of an account in a store.
#[derive(Debug, PartialEq, Eq)]
struct Saved {
    balance: i128,
    uncertain: i128,
}

/// Reads the store of a node, which may run.
fn saved(store: &Path, account: &str) -> Saved {
    let mut command = Command::new(PROGRAM);
    command.args(["ledger", "balances", "--json", "--store", path_text(store)]);
    saved_in(&run_successfully(&mut command), account)
}

/// The same from what `ledger balances --json` has printed.
fn saved_in(printed: &str, account: &str) -> Saved {
    let books: Value = serde_json::from_str(printed).unwrap();
    let accounts = books["accounts"].as_array().unwrap();
    let number = |value: &Value| value.as_str().unwrap().parse::<i128>().unwrap();
    match accounts.iter().find(|one| one["account"] == account) {
        Some(one) => {
            // After a crash, the next start makes uncertain what was in flight.
            let uncertain = number(&one["uncertain"]) + number(&one["inFlight"]);
            Saved { balance: number(&one["balance"]), uncertain }
        }
        None => Saved { balance: 0, uncertain: 0 },
    }
}

fn ledger(arguments: &[&str]) -> (bool, String) {
    let output = run(Command::new(PROGRAM).arg("ledger").args(arguments));
    (output.status.success(), combined_output(&output))
}

fn config_with_store(store: &Path, durability: &str) -> String {
    let store = format!("store: {}\ndurability: {durability}\n", store.display());
    config_of(&["alice", "bob"], &store)
}

/// What the amounts of packets are: different, so that a packet that is counted for another one shows.
fn amount_of(id: u32) -> u64 {
    u64::from(id % 97) + 1
}

fn packet(id: u32) -> TestPrepare {
    prepare_to("test.bob.x").amount(amount_of(id))
}

/// Fulfills every Prepare until the connection ends. The thread returns what bob may claim.
fn claim_all(mut bob: Peer) -> JoinHandle<i128> {
    thread::spawn(move || {
        let fulfill = fulfill(&PREIMAGE);
        let (mut claim, deadline) = (0, Instant::now() + Duration::from_secs(120));
        while let Some(SocketEvent::Binary(raw)) = bob.reader.next_event(deadline) {
            let Ok(frame) = BtpFrame::parse(&raw) else { break };
            let Some(Ok(Packet::Prepare(prepare))) = frame.ilp().map(Packet::parse) else {
                continue;
            };
            claim += i128::from(prepare.amount.0);
            if bob.writer.try_send(&response(frame.request_id.0, Some(&fulfill))).is_err() {
                break;
            }
        }
        claim
    })
}

/// Pays bob until the connection ends. The thread returns what alice has proofs for.
fn pay_until_closed(mut alice: Peer, first_id: u32) -> JoinHandle<i128> {
    thread::spawn(move || {
        let (mut paid, mut next, deadline) =
            (0, first_id, Instant::now() + Duration::from_secs(120));
        for _ in 0..WINDOW {
            alice.send_prepare(next, &packet(next));
            next += 1;
        }
        while let Some(SocketEvent::Binary(raw)) = alice.reader.next_event(deadline) {
            let Ok(frame) = BtpFrame::parse(&raw) else { break };
            if frame.body.kind() != FrameKind::Response {
                continue;
            }
            if let Some(Ok(Packet::Fulfill(_))) = frame.ilp().map(Packet::parse) {
                paid += i128::from(amount_of(frame.request_id.0));
            }
            let encoded = packet(next).encode();
            let message = message(next, &[ProtocolEntry::octets(ILP, &encoded)]);
            if alice.writer.try_send(&message).is_err() {
                break;
            }
            next += 1;
        }
        paid
    })
}

#[test]
fn a_strict_node_that_stops_sends_every_proof() {
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let node = TestNode::start(&config_with_store(&store, "strict"));
    let (alice, bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    let (claims, payments) = (claim_all(bob), pay_until_closed(alice, 1));
    eventually("money has moved", TIMEOUT, || match node.balance("alice") {
        [balance, ..] if balance != "0" => Ok(()),
        balance => Err(format!("{balance:?}")),
    });
    let (status, log) = node.stop("TERM");
    assert!(status.success(), "{log}");
    let (proven, claimed) = (payments.join().unwrap(), claims.join().unwrap());
    assert_eq!(saved(&store, "alice"), Saved { balance: proven, uncertain: 0 });
    assert_eq!(saved(&store, "bob"), Saved { balance: -claimed, uncertain: 0 });
}

#[test]
fn what_is_saved_in_batches_is_there_after_kill_9() {
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let node = TestNode::start(&config_with_store(&store, "batched"));
    let (mut alice, bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    let claims = bob.fulfill_all();
    for id in 1..=50 {
        assert!(alice.request(id, &packet(id)).ends_with("Fulfill"));
    }
    let sum: i128 = (1..=50).map(|id| i128::from(amount_of(id))).sum();
    let expected = [Saved { balance: sum, uncertain: 0 }, Saved { balance: -sum, uncertain: 0 }];
    eventually("the last packets are saved", TIMEOUT, || {
        let seen = ["alice", "bob"].map(|account| saved(&store, account));
        if seen == expected { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    node.stop("KILL");
    assert_eq!(claims.join().unwrap(), 50);
    let node = TestNode::start(&config_with_store(&store, "batched"));
    let balances = ["alice", "bob"].map(|account| node.balance(account)[0].clone());
    assert_eq!(balances, [sum.to_string(), (-sum).to_string()]);
    let (ok, text) =
        ledger(&["adjust", "alice", "-5", "--reason", "a fee", "--store", path_text(&store)]);
    assert!(!ok && text.contains("is in use by process"), "{text}");
    assert!(text.contains("with --config instead of --store"), "{text}");
    assert!(node.stop("TERM").0.success());
    let (ok, text) =
        ledger(&["adjust", "alice", "-5", "--reason", "a fee", "--store", path_text(&store)]);
    assert!(ok && text.contains(&format!("the balance was {sum} and is {}", sum - 5)), "{text}");
    let (ok, text) = ledger(&["balances", "--store", path_text(&store)]);
    assert!(ok && text.contains(" 0.00000132 (1320)"), "{text}");
    let most = i128::MAX.to_string();
    let (ok, text) =
        ledger(&["adjust", "alice", &most, "--reason", "a fee", "--store", path_text(&store)]);
    assert!(!ok && text.contains("units is too large"), "{text}");
    let backup = folder.path().join("backup.db");
    let (ok, text) = ledger(&["backup", path_text(&backup), "--store", path_text(&store)]);
    assert!(ok, "{text}");
    assert_eq!(saved(&backup, "alice").balance, sum - 5);
    let (ok, text) = ledger(&["backup", path_text(&backup), "--store", path_text(&store)]);
    assert!(!ok && text.contains("backup.db exists already; name a new file"), "{text}");
}

#[test]
fn a_reload_changes_when_packets_are_saved() {
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let interval = "storeIntervalMs: 60000\n";
    let node = TestNode::start(&(config_with_store(&store, "batched") + interval));
    let (mut alice, bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    let claims = bob.fulfill_all();
    let mut pay = |id| assert!(alice.request(id, &packet(id)).ends_with("Fulfill"));
    pay(1);
    assert_eq!(saved(&store, "alice").balance, 0, "the interval has not passed");
    node.rewrite_config(&(config_with_store(&store, "strict") + interval));
    node.process.signal("HUP");
    node.process.wait_for_log("configuration reloaded", "settings");
    pay(2);
    assert_eq!(saved(&store, "alice").balance, i128::from(amount_of(1) + amount_of(2)));
    node.stop("TERM");
    claims.join().unwrap();
}

/// The recipe of docs/OPERATIONS.md.
#[test]
fn a_backup_of_a_running_node_is_restored_after_a_crash() {
    let folder = temp_folder();
    let (store, backup) = (folder.path().join("n.db"), folder.path().join("backup.db"));
    let node = TestNode::start(&config_with_store(&store, "strict"));
    let (mut alice, bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    let claims = bob.fulfill_all();
    let mut pay = |id| assert!(alice.request(id, &packet(id)).ends_with("Fulfill"));
    pay(1);
    let first = i128::from(amount_of(1));
    let (ok, text) = ledger(&["backup", path_text(&backup), "--store", path_text(&store)]);
    assert!(ok, "{text}");
    pay(2);
    let restore = ["restore", path_text(&backup), "--store", path_text(&store)];
    let (ok, text) = ledger(&restore);
    assert!(!ok && text.contains("is in use by process"), "{text}");
    node.stop("KILL");
    claims.join().unwrap();
    let newest = first + i128::from(amount_of(2));
    assert_eq!(saved(&store, "alice").balance, newest);
    let (ok, text) = ledger(&restore);
    assert!(ok && text.starts_with("restored cut "), "{text}");
    let aside = store.with_extension("db.before-restore-1");
    assert!(text.contains(path_text(&aside)), "{text}");
    assert_eq!(saved(&aside, "alice").balance, newest, "what was there is kept");
    let other = folder.path().join("other.yaml");
    std::fs::write(&other, "nodeId: m\nstore: m.db\n").unwrap();
    let (ok, text) = ledger(&["restore", path_text(&backup), "--config", path_text(&other)]);
    assert!(!ok && text.contains("belongs to the node n, not to m"), "{text}");
    assert!(!folder.path().join("m.db").exists());
    let node = TestNode::start(&config_with_store(&store, "strict"));
    let balances = ["alice", "bob"].map(|account| node.balance(account)[0].clone());
    assert_eq!(balances, [first.to_string(), (-first).to_string()]);
}

/// SQLite wants to create files beside the store.
#[test]
fn a_store_in_a_read_only_directory_is_read() {
    let folder = temp_folder();
    if !disks::can_mount("a read-only directory", folder.path()) {
        return;
    }
    let store = folder.path().join("a store.db");
    let (ok, text) = ledger(&["balances", "--store", path_text(&store)]);
    let missing = format!("there is no store {}; check the path", store.display());
    assert!(!ok && text.contains(&missing), "{text}");
    let quoted = format!("'{}'", store.display());
    let node = TestNode::start(&config_with_store(Path::new(&quoted), "batched"));
    let (mut alice, bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    let claims = bob.fulfill_all();
    assert!(alice.request(1, &packet(1)).ends_with("Fulfill"));
    let read = || {
        let directory = folder.path().display();
        let script = format!(
            "mount --bind {directory} {directory} && mount -o remount,bind,ro {directory} && \
             exec {PROGRAM} ledger balances --json --store {quoted}"
        );
        let output = run(&mut disks::alone(&script));
        (output.status.success(), combined_output(&output))
    };
    let balance = format!("\"balance\": \"{}\"", amount_of(1));
    eventually("the payment is read beside the running node", TIMEOUT, || match read() {
        (true, text) if text.contains(&balance) => Ok(()),
        (_, text) => Err(text),
    });
    assert!(node.stop("TERM").0.success());
    claims.join().unwrap();
    let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().ends_with("-shm")));
    let (ok, text) = read();
    assert!(ok && text.contains(&balance), "{text}");
}
