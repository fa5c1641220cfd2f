//! Sessions that begin, end, stall and double: whatever dies, every Prepare gets one answer. Checklist rows 57, 72 to
//! 74, 88, 89 and 91; D4 and D5.

mod proxy;

use std::collections::{HashMap, HashSet};
use std::thread;
use std::time::{Duration, Instant};

use ilp_connector::wire::btp::{BtpErrorCode, BtpFrame, FrameBody, FrameKind, ILP, ProtocolEntry};
use ilp_connector::wire::timestamp::GeneralizedTime;

use crate::peer::{
    Daemon, PATIENCE, PREIMAGE, Peer, Seen, ask, body_of, frame, fulfill, listener, message,
};
use crate::running::free_port;
use proxy::Proxy;

/// A node that dials us as its peer `bob`.
fn dialling(port: u16, more: &str) -> Daemon {
    Daemon::start(&format!(
        "nodeId: n\nilpAddress: test.n\npeers:\n  - {{ id: alice, authToken: alice-token }}\n  \
           - {{ id: bob, url: 'ws://127.0.0.1:{port}/path', authToken: bob-token }}\n\
         routes: [{{ prefix: test.bob, nextHop: bob }}, {{ prefix: test.alice, nextHop: alice }}]\n{more}"
    ))
}

#[test]
fn a_dialling_node_logs_in_first_and_at_every_connection_rows_72_74() {
    let (listener, port) = listener();
    let node = dialling(port, "");
    let mut ids = Vec::new();
    for round in 0..2 {
        let mut bob = Peer::accept_silently(&listener);
        let login = bob.frame();
        ids.push(login.id);
        let entries = BtpFrame::parse(&login.raw).unwrap().protocol_data;
        let names: Vec<_> = entries.iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["auth", "auth_username", "auth_token"]);
        assert_eq!(entries.get("auth_username").unwrap().data, b"n");
        assert_eq!(entries.get("auth_token").unwrap().data, b"bob-token");
        let primary = entries.primary().unwrap();
        assert_eq!((primary.content_type.0, primary.data), (0, &b""[..]), "row 74");
        // Nothing else is said before the answer.
        let asked = node.peer("alice").asked(1, &ask("test.bob"));
        assert_eq!(asked, "RESPONSE 1 Reject T01", "not connected before the answer");
        assert_eq!(bob.frame_within(Duration::from_millis(50)), None);
        bob.send(&crate::peer::respond(login.id, None));
        node.until_connected("bob");
        let mut alice = node.peer("alice");
        alice.ask(2, &ask("test.bob"));
        let (id, _) = bob.prepare();
        bob.answer(id, &fulfill(&PREIMAGE));
        assert_eq!(alice.next(), "RESPONSE 2 Fulfill");
        if round == 0 {
            bob.cut();
        }
    }
    assert_ne!(ids[0], ids[1], "one counter of ids for the account (D5)");
}

#[test]
fn a_dialling_node_gives_up_on_silence_and_slows_down_rows_73_91() {
    let (listener, port) = listener();
    let node = dialling(port, "authTimeoutMs: 300\n");
    // Row 73: no answer to the login.
    let mut bob = Peer::accept_silently(&listener);
    bob.frame();
    assert_eq!(bob.closed(), (1001, "no answer to the authentication".to_owned()));
    // Row 91: refusals.
    let mut at = vec![Instant::now()];
    for _ in 0..2 {
        let mut bob = Peer::accept_silently(&listener);
        at.push(Instant::now());
        let login = bob.frame();
        let body = FrameBody::Error {
            code: BtpErrorCode::NOT_ACCEPTED,
            name: "NotAcceptedError",
            triggered_at: GeneralizedTime::parse(b"20180831025324.899Z").unwrap(),
            data: b"invalid auth_token bob-token",
        };
        bob.send(&frame(login.id, &body, &[]));
        bob.closed();
    }
    let gaps: Vec<_> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps[0] > Duration::from_millis(700), "{gaps:?}");
    assert!(gaps[1] > Duration::from_millis(1500), "{gaps:?}");
    node.until("the refusal is known as such", "bob", |bob| bob["state"] == "authenticationFailed");
    let told = node.account("bob")["lastError"].to_string() + &node.log();
    assert!(told.contains("F00"), "{told}");
    assert!(!told.contains("bob-token"), "a peer that sends our token back: {told}");
}

#[test]
fn a_second_login_replaces_the_first_row_89() {
    let node = Daemon::with_peers(&["alice", "bob"], "");
    let mut alice = node.peer("alice");
    let mut first = node.peer("bob");
    alice.ask(1, &ask("test.bob").data(b"1"));
    let (written, _) = first.prepare();
    first.ask(77, &ask("test.alice"));
    let (asked, _) = alice.prepare();
    let mut second = node.peer("bob");
    assert_eq!(first.closed(), (1008, "replaced".to_owned()));
    // What the first one got is answered on the second (row 88), and the second gets the first one's answers.
    second.answer(written, &fulfill(&PREIMAGE));
    assert_eq!(alice.next(), "RESPONSE 1 Fulfill");
    alice.answer(asked, &fulfill(&PREIMAGE));
    assert_eq!(second.next(), "RESPONSE 77 Fulfill");
    alice.ask(2, &ask("test.bob").data(b"2"));
    let (id, _) = second.prepare();
    second.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(alice.next(), "RESPONSE 2 Fulfill");
    // A failed login replaces nobody.
    let mut wrong = Peer::open(node.port);
    wrong.send(&crate::peer::auth(1, Some("bob"), "alice-token"));
    wrong.closed();
    assert_eq!(second.fence(), [""; 0]);
    // Of many in a row ten lines a minute are logged, those about the connection included.
    let sessions: Vec<_> = (0..20).map(|_| node.peer("bob")).collect();
    drop(sessions);
    node.until("bob is gone", "bob", |bob| bob["state"] == "disconnected");
    let lines = node.log().matches("replaced").count();
    assert!((1..=10).contains(&lines), "{lines} lines: {}", node.log());
}

#[test]
fn pending_packets_outlive_the_session_rows_57_88() {
    let node = Daemon::with_peers(&["alice", "bob"], "");
    let (mut alice, mut bob) = (node.peer("alice"), node.peer("bob"));
    for id in 0..3 {
        alice.ask(id, &ask("test.bob").within(3000));
    }
    let held: Vec<_> = (0..3).map(|_| bob.prepare().0).collect();
    bob.cut();
    node.until("bob is gone", "bob", |bob| bob["state"] == "disconnected");
    assert_eq!(alice.fence(), [""; 0], "what was written is not rejected yet");
    let mut bob = node.peer("bob");
    bob.answer(held[0], &fulfill(&PREIMAGE));
    assert_eq!(alice.next(), "RESPONSE 0 Fulfill");
    // A new question does not take the id of one that waits.
    alice.ask(9, &ask("test.bob"));
    let (id, _) = bob.prepare();
    assert!(!held.contains(&id));
    bob.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(alice.next(), "RESPONSE 9 Fulfill");
    // The asker goes away as well, and its answer finds it on its new session.
    alice.cut();
    node.until("alice is gone", "alice", |alice| alice["state"] == "disconnected");
    let mut alice = node.peer("alice");
    bob.answer(held[1], &fulfill(&PREIMAGE));
    assert_eq!(alice.next(), "RESPONSE 1 Fulfill");
    // Whoever gets no answer gets R00 in time.
    assert_eq!(alice.next(), "RESPONSE 2 Reject R00");
    assert_eq!(node.balance("alice"), ["300", "0", "0"]);
    assert_eq!(node.balance("bob"), ["-300", "0", "0"]);
}

#[test]
fn silence_is_noticed_by_keep_alive() {
    let keep_alive = "keepAliveIntervalMs: 300\nkeepAliveTimeoutMs: 400\n";
    let port = free_port();
    let b_yaml = format!(
        "nodeId: b\nilpAddress: test.b\npeers:\n  - {{ id: a, authToken: ab }}\n{keep_alive}"
    );
    let b = Daemon::start_on(&b_yaml, port);
    let a = Daemon::start(&format!(
        "nodeId: a\nilpAddress: test.a\npeers:\n  - {{ id: b, url: 'ws://127.0.0.1:{port}', authToken: ab }}\n  \
           - {{ id: mute, authToken: mute-token }}\nroutes: [{{ prefix: test.b, nextHop: b }}]\n{keep_alive}"
    ));
    a.until_connected("b");
    // A peer that does not answer a ping is lost; one that does stays.
    let mut mute = Peer::login(a.port, "mute", "mute-token");
    let began = Instant::now();
    let first = mute.reader.next(began + PATIENCE);
    assert!(matches!(first, Some(Seen::Ping(_))), "{first:?}");
    let pinged = began.elapsed();
    assert!((250..2000).contains(&pinged.as_millis()), "{pinged:?}");
    mute.closed();
    let lost = began.elapsed();
    assert!((650..3000).contains(&lost.as_millis()), "{lost:?}");
    // A node that is stopped.
    let mut asker = Peer::login(a.port, "mute", "mute-token");
    b.running.signal("STOP");
    let stopped = Instant::now();
    asker.ask(1, &ask("test.b").within(2500));
    a.until("the stopped node is noticed", "b", |b| b["state"] != "connected");
    let noticed = stopped.elapsed();
    assert!(noticed < Duration::from_millis(2500), "{noticed:?}");
    assert_eq!(asker.asked(2, &ask("test.b")), "RESPONSE 2 Reject T01");
    assert_eq!(asker.next(), "RESPONSE 1 Reject R00", "what was written waits for its time");
    b.running.signal("CONT");
    a.until_connected("b");
    assert_eq!(asker.asked(3, &ask("test.b")), "RESPONSE 3 Reject F06");
    let log = a.log();
    assert!(log.contains("no sign of life from the peer"), "the log says why: {log}");
}

/// Asks `count` questions, so many at a time, while `meanwhile` happens; every one must get one answer.
fn under_load(
    asker: Peer,
    destination: &'static str,
    for_how_long: Duration,
) -> thread::JoinHandle<HashMap<String, u32>> {
    const WINDOW: usize = 64;
    let Peer { mut writer, mut reader, .. } = asker;
    thread::spawn(move || {
        let (began, mut next) = (Instant::now(), 0_u32);
        let mut open: HashSet<u32> = HashSet::new();
        let mut kinds: HashMap<String, u32> = HashMap::new();
        loop {
            while began.elapsed() < for_how_long && open.len() < WINDOW {
                let packet = ask(destination).within(4000).packet();
                writer.send(&message(next, &[ProtocolEntry::octets(ILP, &packet)]));
                open.insert(next);
                next += 1;
            }
            if open.is_empty() {
                return kinds;
            }
            match reader.next(Instant::now() + PATIENCE) {
                Some(Seen::Binary(raw)) => {
                    let frame = BtpFrame::parse(&raw).unwrap();
                    assert_eq!(frame.body.kind(), FrameKind::Response);
                    let id = frame.request_id.0;
                    assert!(open.remove(&id), "a second answer to {id}");
                    let kind = body_of(frame.ilp().unwrap());
                    if kind != "Fulfill" {
                        // Not connected: everything is refused at once, and nothing is gained by asking again so soon.
                        thread::park_timeout(Duration::from_millis(1));
                    }
                    *kinds.entry(kind).or_default() += 1;
                }
                Some(Seen::Ping(_)) => {}
                other => panic!("{} unanswered: {other:?}; so far {kinds:?}", open.len()),
            }
        }
    })
}

fn node_of_pair(id: &str, other: &str, url: &str) -> String {
    format!(
        "nodeId: {id}\nilpAddress: test.{id}\npeers:\n  - {{ id: {other}, url: '{url}', authToken: both }}\n  \
           - {{ id: asker, authToken: asker-token }}\n  - {{ id: sink, authToken: sink-token }}\n\
         routes: [{{ prefix: test.{id}.sink, nextHop: sink }}, {{ prefix: test.{other}, nextHop: {other} }}]\n"
    )
}

#[test]
fn both_dial_and_either_session_is_lost_under_load_d5() {
    let (a_port, b_port) = (free_port(), free_port());
    let (to_a, to_b) = (Proxy::start(a_port), Proxy::start(b_port));
    let url = |proxy: &Proxy| format!("ws://127.0.0.1:{}", proxy.port);
    let a = Daemon::start_on(&node_of_pair("a", "b", &url(&to_b)), a_port);
    let b = Daemon::start_on(&node_of_pair("b", "a", &url(&to_a)), b_port);
    let both = |node: &Daemon, id: &str, what: &str| {
        node.until(what, id, |peer| peer["sessions"].as_array().is_some_and(|s| s.len() == 2));
    };
    both(&a, "b", "two sessions at a");
    both(&b, "a", "two sessions at b");
    let _sinks = [a.peer("sink").fulfill_all(), b.peer("sink").fulfill_all()];
    let time = Duration::from_secs(5);
    let from_a = under_load(a.peer("asker"), "test.b.sink", time);
    let from_b = under_load(b.peer("asker"), "test.a.sink", time);
    // Each session is lost twice, while the other stays.
    for proxy in [&to_a, &to_b, &to_a, &to_b] {
        thread::park_timeout(Duration::from_millis(300));
        proxy.cut();
        both(&a, "b", "two sessions again at a");
        both(&b, "a", "two sessions again at b");
    }
    for (who, load) in [("a", from_a), ("b", from_b)] {
        let kinds = load.join().unwrap();
        assert!(kinds.get("Fulfill") > Some(&200), "{who}: {kinds:?}");
        // What was on the lost session is answered on the other, or was never written (T01), or expires.
        assert!(
            kinds
                .keys()
                .all(|kind| ["Fulfill", "Reject R00", "Reject T01"].contains(&kind.as_str())),
            "{who}: {kinds:?}"
        );
        let lost = kinds.get("Reject R00").copied().unwrap_or(0);
        assert!(lost <= 4 * 64, "{who}: {kinds:?}");
    }
    // Nobody was replaced: there is no ping-pong of logins.
    for node in [&a, &b] {
        assert!(!node.log().contains("replaced"), "{}", node.log());
        let in_flight = node.account("asker")["packetsInFlight"]["received"].clone();
        assert_eq!(in_flight, 0);
    }
    // What one side counts as owed, the other counts as due (row 61), but for what was lost on the way.
    let balance = |node: &Daemon, id: &str| node.balance(id)[0].parse::<i64>().unwrap();
    let (ours, theirs) = (balance(&a, "b"), balance(&b, "a"));
    assert!((ours + theirs).abs() <= 100 * 4 * 128, "{ours} + {theirs}");
}

#[test]
fn the_next_hop_is_killed_and_comes_back_under_load() {
    let port = free_port();
    let yaml = "nodeId: b\nilpAddress: test.b\npeers:\n  - { id: a, authToken: both }\n";
    let b = Daemon::start_on(yaml, port);
    let a = Daemon::start(&format!(
        "nodeId: a\nilpAddress: test.a\npeers:\n  - {{ id: b, url: 'ws://127.0.0.1:{port}', authToken: both }}\n  \
           - {{ id: asker, authToken: asker-token }}\nroutes: [{{ prefix: test.b, nextHop: b }}]\n"
    ));
    a.until_connected("b");
    let mut asker = a.peer("asker");
    assert_eq!(asker.asked(1, &ask("test.b")), "RESPONSE 1 Reject F06");
    let load = under_load(asker, "test.b", Duration::from_secs(4));
    thread::park_timeout(Duration::from_millis(300));
    b.running.signal("KILL");
    a.until("it is missed", "b", |b| b["state"] != "connected");
    drop(b);
    let b = Daemon::start_on(yaml, port);
    a.until_connected("b");
    let kinds = load.join().unwrap();
    assert!(kinds.get("Reject F06") > Some(&100), "answered by b: {kinds:?}");
    assert!(kinds.get("Reject T01") > Some(&10), "while it was away: {kinds:?}");
    assert!(
        kinds.keys().all(|k| ["Reject F06", "Reject T01", "Reject R00"].contains(&k.as_str())),
        "{kinds:?}"
    );
    assert!(
        b.account("a")["packets"]["received"]["prepares"].as_u64() > Some(0),
        "traffic resumed"
    );
    assert_eq!(a.balance("asker"), ["0", "0", "0"]);
}
