//! While the store fails, no new money moves; when it works again, nothing is lost.

use rusqlite::Connection;

use super::*;

/// Pays bob, packet after packet.
pub(super) struct Payments {
    pub(super) alice: Peer,
    last_id: u32,
    /// What alice has proofs for.
    pub(super) fulfilled: i128,
}

impl Payments {
    pub(super) fn new(alice: Peer) -> Self {
        Self { alice, last_id: 0, fulfilled: 0 }
    }

    pub(super) fn pay(&mut self) -> String {
        self.last_id += 1;
        let answer = self.alice.request(self.last_id, &packet(self.last_id));
        if answer.ends_with("Fulfill") {
            self.fulfilled += i128::from(amount_of(self.last_id));
        }
        answer
    }

    pub(super) fn pay_until(&mut self, what: &str, end: &str) {
        eventually(what, TIMEOUT * 4, || match self.pay() {
            answer if answer.ends_with(end) => Ok(()),
            answer => Err(answer),
        });
    }
}

/// Waits until `/health` names this reason.
pub(super) fn wait_for_reason(health_port: u64, reason: &str) {
    eventually(reason, TIMEOUT, || match get_json(health_port, "/health") {
        health if health["reasons"].to_string().contains(reason) => Ok(()),
        health => Err(health.to_string()),
    });
}

pub(super) fn wait_until_saved(store: &Path, fulfilled: i128) {
    let expected = Saved { balance: fulfilled, uncertain: 0 };
    eventually("everything is saved", TIMEOUT, || match saved(store, "alice") {
        seen if seen == expected => Ok(()),
        seen => Err(format!("{seen:?}, not {expected:?}")),
    });
}

/// A node that another program has started.
pub(super) struct SpawnedNode {
    pub(super) process: Process,
    pub(super) port: u64,
    pub(super) health_port: u64,
}

impl SpawnedNode {
    pub(super) fn start(command: &mut Command) -> Self {
        let process = Process::spawn(command);
        let port = |message| process.wait_for_log(message, "port").as_u64().unwrap();
        let (port, health_port) = (port("BTP server listening"), port("health server listening"));
        Self { process, port, health_port }
    }

    pub(super) fn connect(&self, id: &str) -> Peer {
        Peer::log_in(self.port, id, &format!("{id}-token"))
    }

    pub(super) fn kill(self) {
        self.process.signal("KILL");
        self.process.wait_exit();
    }
}

/// A node whose files may not grow beyond a limit: the same errors as of a full disk.
fn start_limited(file: &Path, blocks: u32) -> SpawnedNode {
    let script = format!(
        "trap '' XFSZ; ulimit -S -f {blocks}; exec {PROGRAM} run --config {}",
        file.display()
    );
    SpawnedNode::start(Command::new("sh").args(["-c", &script]))
}

fn lift_limit(node: &SpawnedNode) {
    let pid = node.process.pid().to_string();
    run_successfully(Command::new("prlimit").args(["--fsize=unlimited", "--pid", &pid]));
}

pub(super) fn node_file(folder: &Path, store: &Path, durability: &str) -> PathBuf {
    let ports = "btpServerHost: 127.0.0.1\nbtpServerPort: 0\nhealthCheckHost: 127.0.0.1\nhealthCheckPort: 0\n";
    let ports = format!("apiToken: an-operators-token\n{ports}");
    let file = folder.join("node.yaml");
    std::fs::write(&file, format!("{ports}{}", config_with_store(store, durability))).unwrap();
    file
}

#[test]
fn a_full_disk_stops_new_packets_and_loses_nothing() {
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let file = node_file(folder.path(), &store, "batched");
    let node = start_limited(&file, 400);
    let (alice, bob) = (node.connect("alice"), node.connect("bob"));
    let claims = bob.fulfill_all();
    let mut payments = Payments::new(alice);
    payments.pay_until("the store is full", "Reject T03");
    let fulfilled = payments.fulfilled;
    let health = get_json(node.health_port, "/health");
    let reasons = health["reasons"].to_string();
    assert!(reasons.contains("the store cannot be written: cannot write the store"), "{health}");
    let adjust = |amount: &str| {
        let mut command = Command::new(PROGRAM);
        command.args(["ledger", "adjust", "bob", amount, "--reason", "a fee", "--id", "fee"]);
        command.args(["--config", path_text(&file)]);
        let output = run(command.env("HEALTH_CHECK_PORT", node.health_port.to_string()));
        (output.status.success(), combined_output(&output))
    };
    let (ok, text) = adjust("-7");
    assert!(!ok && text.contains("nothing has changed, because the store fails"), "{text}");
    assert!(text.contains("to repeat this change safely, add --id fee"), "{text}");
    lift_limit(&node);
    payments.pay_until("packets pass again", "Fulfill");
    assert!(payments.fulfilled > fulfilled);
    assert_eq!(get_json(node.health_port, "/health")["status"], "healthy");
    let (ok, text) = adjust(&i128::MIN.to_string());
    assert!(!ok && text.contains("units is too large"), "{text}");
    let (ok, text) = adjust("-7");
    assert!(ok && text.contains("the balance changes by -7"), "{text}");
    wait_until_saved(&store, payments.fulfilled);
    node.kill();
    assert_eq!(saved(&store, "alice").balance, payments.fulfilled);
    drop(payments);
    assert!(claims.join().unwrap() > 0);
}

#[test]
fn a_store_that_was_moved_stops_new_packets_until_it_is_back() {
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let node = TestNode::start(&config_with_store(&store, "batched"));
    let (alice, bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    let claims = bob.fulfill_all();
    let mut payments = Payments::new(alice);
    payments.pay_until("a packet passes", "Fulfill");
    wait_until_saved(&store, payments.fulfilled);
    let elsewhere = folder.path().join("elsewhere.db");
    std::fs::rename(&store, &elsewhere).unwrap();
    payments.pay_until("no packet passes", "Reject T03");
    wait_for_reason(node.health_port, "the store is not the file that was opened: it was moved");
    std::fs::rename(&elsewhere, &store).unwrap();
    payments.pay_until("packets pass again", "Fulfill");
    wait_until_saved(&store, payments.fulfilled);
    node.stop("KILL");
    assert_eq!(saved(&store, "alice").balance, payments.fulfilled);
    assert!(claims.join().unwrap() > 0);
}

#[test]
fn a_store_that_hangs_stops_new_packets_and_holds_those_in_flight() {
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let node = TestNode::start(&config_with_store(&store, "strict"));
    let (alice, bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    let claims = bob.fulfill_all();
    let mut payments = Payments::new(alice);
    payments.pay_until("a packet passes", "Fulfill");
    // Another program that writes makes the next cut wait.
    let other = Connection::open(&store).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    payments.alice.send_prepare(1_000_000, &packet(1_000_000));
    wait_for_reason(node.health_port, "the store has not answered for 500ms");
    let answer = payments.pay();
    assert!(answer.ends_with("Reject T03"), "{answer}");
    other.execute_batch("ROLLBACK").unwrap();
    let answer = payments.alice.receive_described();
    assert!(answer.ends_with("Fulfill"), "{answer}");
    payments.fulfilled += i128::from(amount_of(1_000_000));
    payments.pay_until("packets pass again", "Fulfill");
    assert_eq!(get_json(node.health_port, "/health")["status"], "healthy");
    // A line at each first failure and one when the store works again, however often it was asked between them.
    eventually("the log says what happened", TIMEOUT, || {
        let log = node.log();
        let lines = |text: &str| log.matches(text).count();
        match lines("cannot save the balances") {
            1.. if lines("cannot save the balances") == lines("the balances are saved again") => {
                Ok(())
            }
            _ => Err(log),
        }
    });
    node.stop("KILL");
    assert_eq!(saved(&store, "alice").balance, payments.fulfilled);
    claims.join().unwrap();
}
