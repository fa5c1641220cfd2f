//! Two processes with the same configuration: one has the books, the other one waits for them, and takes over after a
//! kill, a freeze, a lost database or a stop of the first. The first one never gives away what its books lack.

use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::TestDatabase;
use crate::peer::{
    PREIMAGE, Peer, SocketEvent, TIMEOUT, config_of, describe_frame, fulfill, prepare_to,
    try_http_get,
};
use crate::process::{Process, free_port, path_text, temp_folder, write_file};
use crate::proxy::Proxy;
use crate::support::{eventually, print_line};

/// The design allows twelve seconds, which the constants of the store prove but for the start of the process. The time
/// is printed and does not decide, as this machine may be busy.
const TAKEOVER_MAX: Duration = Duration::from_secs(60);
/// Packets in flight when a process loses its books, of 7 units each.
const IN_FLIGHT: u32 = 10;
const AMOUNT: u64 = 7;
const SUM: i64 = IN_FLIGHT as i64 * AMOUNT as i64;

/// A process that has the books, or waits for them.
struct Candidate {
    process: Process,
    health_port: u64,
    _folder: TempDir,
}

impl Candidate {
    fn start(url: &str, durability: &str) -> Self {
        let (folder, health_port) = (temp_folder(), free_port());
        let ports = format!(
            "btpServerHost: 127.0.0.1\nbtpServerPort: 0\nhealthCheckHost: 127.0.0.1\nhealthCheckPort: {health_port}\n"
        );
        let store = format!("store: \"{url}\"\ndurability: {durability}\n");
        let yaml = config_of(&["alice", "bob"], &store);
        let file = write_file(&folder, "node.yaml", &format!("{ports}{yaml}"));
        let process = Process::start(&["run", "--config", path_text(&file)], []);
        Self { process, health_port: health_port.into(), _folder: folder }
    }

    /// Waits until it has the books, and listens.
    fn wait_active(self) -> Self {
        self.btp_port();
        self
    }

    fn btp_port(&self) -> u64 {
        self.process.wait_for_log("BTP server listening", "port").as_u64().unwrap()
    }

    fn connect(&self, id: &str) -> Peer {
        Peer::log_in(self.btp_port(), id, &format!("{id}-token"))
    }

    fn get(&self, path: &str) -> Result<(u16, Value), String> {
        let (code, body) = try_http_get(self.health_port, &format!("GET {path}"))?;
        Ok((code, serde_json::from_str(&body).map_err(|error| error.to_string())?))
    }

    fn wait_for_status(&self, code: u16, status: &str) -> Value {
        let look = || match self.get("/health")? {
            (seen, health) if seen == code && health["status"] == status => Ok(health),
            other => Err(format!("{other:?}")),
        };
        eventually(status, TIMEOUT, look).0
    }

    /// Waits until it is a standby of another one.
    fn wait_standby(self, holder: &Self) -> Self {
        let health = self.wait_for_status(503, "standby");
        let reason = format!("process {} on ", holder.process.pid());
        let reasons = health["reasons"].as_array().unwrap();
        assert!(reasons.len() == 1, "{health}");
        let text = reasons[0].as_str().unwrap();
        assert!(text.starts_with(&reason) && text.contains(" has the books; its lease"), "{text}");
        self
    }

    /// Waits until it has taken over.
    fn wait_taken_over(&self) {
        let look = || {
            let lines = self.process.output_lines();
            let listens = lines.iter().any(|line| line.contains("BTP server listening"));
            if listens { Ok(()) } else { Err(lines.join("\n")) }
        };
        let (_, took) = eventually("it takes over", TAKEOVER_MAX, look);
        print_line(&format!("a standby took over after {took:?}"));
        self.wait_for_status(200, "healthy");
    }

    /// An account's balance, and what is uncertain.
    fn balance(&self, id: &str) -> [String; 2] {
        let (_, page) = self.get("/peers").unwrap();
        let peers = page["peers"].as_array().unwrap();
        let peer = peers.iter().find(|peer| peer["id"] == id).unwrap();
        [&peer["balance"], &peer["uncertain"]].map(|value| value.as_str().unwrap().to_owned())
    }

    /// Waits until it has ended by itself, because it has lost its books.
    fn wait_given_up(self) {
        let (status, lines) = self.process.wait_exit();
        let log = lines.join("\n");
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains("another process has taken the books; this one ends"), "{log}");
    }
}

fn number(value: i64) -> String {
    value.to_string()
}

/// Alice's packets reach bob, who does not answer yet, and the database has what is in flight. Returns the ids.
fn send_in_flight(database: &TestDatabase, alice: &mut Peer, bob: &mut Peer) -> Vec<u32> {
    let ids = (1..=IN_FLIGHT).map(|id| {
        let prepare = prepare_to("test.bob.x").amount(AMOUNT).expires_in_ms(60_000);
        alice.send_prepare(id, &prepare);
        bob.receive_prepare().0
    });
    let ids = ids.collect();
    eventually("what is in flight is saved", TIMEOUT, || {
        let held = "SELECT held_out FROM ilp_connector.account WHERE name = 'bob'";
        match database.query(held) {
            held if held == number(SUM) => Ok(()),
            held => Err(held),
        }
    });
    ids
}

/// From now on no lease ends by itself: a standby takes over only if the holder gives the books back.
fn keep_leases_from_ending(database: &TestDatabase) {
    database.query(
        "CREATE FUNCTION prolong() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN NEW.lease_until = NEW.lease_until + interval ''1 day''; RETURN NEW; END'; \
         CREATE TRIGGER prolong BEFORE UPDATE ON ilp_connector.books \
         FOR EACH ROW EXECUTE FUNCTION prolong(); \
         UPDATE ilp_connector.books SET lease_until = lease_until",
    );
}

/// Nothing but the end of the session comes.
fn check_nothing_arrives(mut peer: Peer) {
    let deadline = std::time::Instant::now() + TIMEOUT;
    loop {
        match peer.reader.next_event(deadline) {
            Some(SocketEvent::Closed | SocketEvent::Close(..)) => return,
            Some(SocketEvent::Ping(_) | SocketEvent::Pong) => {}
            other => panic!("instead of the end: {other:?}"),
        }
    }
}

/// The other process has the same balances, and what bob has fulfilled is uncertain there.
fn check_books_after(other: &Candidate) {
    assert_eq!(other.balance("alice"), [number(0), number(0)]);
    assert_eq!(other.balance("bob"), [number(0), number(SUM)]);
}

#[test]
fn a_standby_takes_over_after_kill_9() {
    let Some(database) = TestDatabase::create("a standby after kill -9") else { return };
    let holder = Candidate::start(&database.url(), "strict").wait_active();
    let standby = Candidate::start(&database.url(), "strict").wait_standby(&holder);
    assert_eq!(standby.get("/health/ready").unwrap().0, 503);
    assert_eq!(standby.get("/health/live").unwrap().0, 200);
    for page in ["/peers", "/routes"] {
        let (code, body) = standby.get(page).unwrap();
        assert!(code == 503 && body["error"].as_str().unwrap().contains("is a standby"), "{body}");
    }
    let (_, metrics) = try_http_get(standby.health_port, "GET /metrics").unwrap();
    assert!(metrics.contains("\nilp_standby 1\n") && metrics.contains("\nilp_ready 0\n"));
    let claims = holder.connect("bob").fulfill_all();
    let mut alice = holder.connect("alice");
    let pay = |alice: &mut Peer, ids: std::ops::RangeInclusive<u32>| {
        for id in ids {
            let answer = alice.request(id, &prepare_to("test.bob.x").amount(AMOUNT));
            assert!(answer.ends_with("Fulfill"), "{answer}");
        }
    };
    pay(&mut alice, 1..=IN_FLIGHT);
    let log = standby.process.output_lines().join("\n");
    assert!(!log.contains("BTP server listening"), "a standby has no listener for peers: {log}");
    holder.process.signal("KILL");
    holder.process.wait_exit();
    standby.wait_taken_over();
    claims.join().unwrap();
    assert_eq!(standby.balance("alice"), [number(SUM), number(0)]);
    let claims = standby.connect("bob").fulfill_all();
    let mut alice = standby.connect("alice");
    pay(&mut alice, 1..=1);
    let (sum, per_packet) = (SUM, i64::try_from(AMOUNT).unwrap());
    assert_eq!(standby.balance("alice")[0], number(sum + per_packet));
    standby.process.signal("TERM");
    assert!(standby.process.wait_exit().0.success());
    claims.join().unwrap();
}

/// The holder is frozen with packets in flight, and wakes after another process has taken the books. Answers that
/// arrived meanwhile are not passed on, and neither are new packets.
fn check_frozen_holder(durability: &str) {
    let Some(database) = TestDatabase::create("a frozen holder") else { return };
    let holder = Candidate::start(&database.url(), durability).wait_active();
    let standby = Candidate::start(&database.url(), durability).wait_standby(&holder);
    let (mut alice, mut bob) = (holder.connect("alice"), holder.connect("bob"));
    let ids = send_in_flight(&database, &mut alice, &mut bob);
    holder.process.signal("STOP");
    for id in ids {
        bob.answer(id, &fulfill(&PREIMAGE));
    }
    alice.send_prepare(IN_FLIGHT + 1, &prepare_to("test.bob.x").expires_in_ms(60_000));
    standby.wait_taken_over();
    holder.process.signal("CONT");
    check_nothing_arrives(alice);
    check_nothing_arrives(bob);
    holder.wait_given_up();
    check_books_after(&standby);
}

#[test]
fn a_frozen_strict_holder_that_wakes_gives_nothing_away() {
    check_frozen_holder("strict");
}

#[test]
fn a_frozen_batched_holder_that_wakes_gives_nothing_away() {
    check_frozen_holder("batched");
}

#[test]
fn a_holder_that_is_cut_off_from_the_database_gives_nothing_away() {
    let Some(database) = TestDatabase::create("a holder that is cut off") else { return };
    let proxy = Proxy::start(database.port());
    let holder = Candidate::start(&database.url_at(proxy.port), "batched").wait_active();
    let standby = Candidate::start(&database.url(), "batched").wait_standby(&holder);
    let (mut alice, mut bob) = (holder.connect("alice"), holder.connect("bob"));
    let ids = send_in_flight(&database, &mut alice, &mut bob);
    proxy.freeze();
    standby.wait_taken_over();
    for id in ids {
        bob.answer(id, &fulfill(&PREIMAGE));
    }
    let early = alice.receive_within(Duration::from_millis(500));
    assert!(early.is_none(), "{early:?}");
    // Now it finds out.
    proxy.thaw();
    check_nothing_arrives(alice);
    holder.wait_given_up();
    check_books_after(&standby);
}

#[test]
fn a_clean_stop_hands_the_books_over_at_once() {
    let Some(database) = TestDatabase::create("a hand-over") else { return };
    let holder = Candidate::start(&database.url(), "batched").wait_active();
    let standby = Candidate::start(&database.url(), "batched").wait_standby(&holder);
    let claims = holder.connect("bob").fulfill_all();
    let mut alice = holder.connect("alice");
    assert!(alice.request(1, &prepare_to("test.bob.x").amount(AMOUNT)).ends_with("Fulfill"));
    keep_leases_from_ending(&database);
    holder.process.signal("TERM");
    assert!(holder.process.wait_exit().0.success());
    standby.wait_taken_over();
    claims.join().unwrap();
    let per_packet = i64::try_from(AMOUNT).unwrap();
    assert_eq!(standby.balance("alice"), [number(per_packet), number(0)]);
    assert_eq!(standby.balance("bob"), [number(-per_packet), number(0)]);
}

#[test]
fn of_two_that_start_at_once_one_is_the_standby() {
    let Some(database) = TestDatabase::create("two at once") else { return };
    let both = [(); 2].map(|()| Candidate::start(&database.url(), "strict"));
    let (first, _) = eventually("one has the books", TIMEOUT, || {
        let status = |one: &Candidate| Ok::<_, String>(one.get("/health")?.1["status"].clone());
        let [a, b] = [status(&both[0])?, status(&both[1])?];
        match (a.as_str(), b.as_str()) {
            (Some("healthy"), Some("standby")) => Ok(0),
            (Some("standby"), Some("healthy")) => Ok(1),
            other => Err(format!("{other:?}")),
        }
    });
    let [a, b] = both;
    let (holder, standby) = if first == 0 { (a, b) } else { (b, a) };
    keep_leases_from_ending(&database);
    holder.process.signal("TERM");
    assert!(holder.process.wait_exit().0.success());
    standby.wait_taken_over();
    // A standby stops at once, too.
    let last = Candidate::start(&database.url(), "strict").wait_standby(&standby);
    last.process.signal("TERM");
    assert!(last.process.wait_exit().0.success());
}

#[test]
fn a_lease_that_ends_holds_answers_back_until_it_is_renewed() {
    let Some(database) = TestDatabase::create("a lease that ends") else { return };
    let proxy = Proxy::start(database.port());
    let holder = Candidate::start(&database.url_at(proxy.port), "batched").wait_active();
    let (mut alice, mut bob) = (holder.connect("alice"), holder.connect("bob"));
    let ids = send_in_flight(&database, &mut alice, &mut bob);
    proxy.freeze();
    let has_logged = |message: &str| {
        let look = || {
            let lines = holder.process.output_lines();
            let found = lines.iter().any(|line| line.contains(message));
            if found { Ok(()) } else { Err(lines.join("\n")) }
        };
        eventually(message, TIMEOUT, look);
    };
    has_logged("the lease of the books has ended");
    for id in ids {
        bob.answer(id, &fulfill(&PREIMAGE));
    }
    let early = alice.receive_within(Duration::from_millis(500));
    assert!(early.is_none(), "{early:?}");
    proxy.thaw();
    for _ in 1..=IN_FLIGHT {
        let answer = describe_frame(&alice.receive());
        assert!(answer.ends_with("Fulfill"), "{answer}");
    }
    has_logged("the lease of the books is valid again");
    assert_eq!(holder.balance("bob"), [number(-SUM), number(0)]);
}

/// A process that froze in the middle of a write keeps its locks, until the standby ends its session.
#[test]
fn a_lock_of_a_frozen_process_does_not_stop_the_standby() {
    let Some(database) = TestDatabase::create("a lock of a frozen process") else { return };
    let holder = Candidate::start(&database.url(), "strict").wait_active();
    let standby = Candidate::start(&database.url(), "strict").wait_standby(&holder);
    holder.process.signal("STOP");
    // As one of its sessions would.
    let mut session = Process::spawn(database.program("psql").args(["-X", &database.url()]));
    session.write_stdin("BEGIN; UPDATE ilp_connector.books SET cut = cut; SELECT 'is locked';\n");
    session.wait_for_line("the row is locked", |line| line.contains("is locked").then_some(()));
    standby.wait_taken_over();
    holder.process.signal("CONT");
    holder.wait_given_up();
}
