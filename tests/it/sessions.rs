//! Sessions that begin, end, stall and are replaced: every Prepare still gets one answer. Checklist rows 57, 72 to
//! 74, 88, 89 and 91; D4 and D5.

use std::collections::{HashMap, HashSet};
use std::thread;
use std::time::{Duration, Instant};

use ilp_connector::wire::btp::{BtpErrorCode, BtpFrame, FrameBody, FrameKind, ILP, ProtocolEntry};
use ilp_connector::wire::timestamp::GeneralizedTime;
use serde_json::Value;

use crate::peer::{
    PREIMAGE, Peer, SocketEvent, TIMEOUT, TestNode, bind_listener, describe_frame, describe_packet,
    frame, fulfill, message, prepare_to,
};
use crate::process::free_port;
use crate::proxy::Proxy;
use crate::support::eventually;

/// A node that dials us as its peer `bob`.
fn dialling(port: u16, more: &str) -> TestNode {
    TestNode::start(&format!(
        "nodeId: n\nilpAddress: test.n\npeers:\n  - {{ id: alice, authToken: alice-token }}\n  \
           - {{ id: bob, url: 'ws://127.0.0.1:{port}/path', authToken: bob-token }}\n\
         routes: [{{ prefix: test.bob, nextHop: bob }}, {{ prefix: test.alice, nextHop: alice }}]\n{more}"
    ))
}

#[test]
fn a_dialling_node_sends_its_login_first_on_every_connection_rows_72_74() {
    let (listener, port) = bind_listener();
    let node = dialling(port, "");
    let mut ids = Vec::new();
    for round in 0..2 {
        let mut bob = Peer::accept(&listener);
        let login = bob.receive();
        ids.push(login.id);
        let entries = BtpFrame::parse(&login.raw).unwrap().protocol_data;
        let names: Vec<_> = entries.iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["auth", "auth_username", "auth_token"]);
        assert_eq!(entries.get("auth_username").unwrap().data, b"n");
        assert_eq!(entries.get("auth_token").unwrap().data, b"bob-token");
        let primary = entries.primary().unwrap();
        assert_eq!((primary.content_type.0, primary.data), (0, &b""[..]), "row 74");
        // The node sends nothing else before the answer.
        let asked = node.connect_peer("alice").request(1, &prepare_to("test.bob"));
        assert_eq!(asked, "RESPONSE 1 Reject T01", "not connected before the answer");
        assert_eq!(bob.receive_within(Duration::from_millis(50)), None);
        bob.send(&crate::peer::response(login.id, None));
        node.wait_connected("bob");
        let mut alice = node.connect_peer("alice");
        alice.send_prepare(2, &prepare_to("test.bob"));
        let (id, _) = bob.receive_prepare();
        bob.answer(id, &fulfill(&PREIMAGE));
        assert_eq!(alice.receive_described(), "RESPONSE 2 Fulfill");
        if round == 0 {
            bob.disconnect();
        }
    }
    assert_ne!(ids[0], ids[1], "one counter of ids for the account (D5)");
}

#[test]
fn a_dialling_node_closes_silent_connections_and_backs_off_rows_73_91() {
    let (listener, port) = bind_listener();
    let started = Instant::now();
    let node = dialling(port, "authTimeoutMs: 2000\n");
    // Row 73: no answer to the login.
    let mut bob = Peer::accept(&listener);
    bob.receive();
    assert_eq!(bob.wait_closed(), (1001, "no answer to the authentication".to_owned()));
    // Row 91: refusals. Each wait begins after its first moment, so that a slow machine only makes it longer.
    let mut at = Vec::new();
    for _ in 0..2 {
        let mut bob = Peer::accept(&listener);
        at.push(Instant::now());
        let login = bob.receive();
        let body = FrameBody::Error {
            code: BtpErrorCode::NOT_ACCEPTED,
            name: "NotAcceptedError",
            triggered_at: GeneralizedTime::parse(b"20180831025324.899Z").unwrap(),
            data: b"invalid auth_token bob-token",
        };
        bob.send(&frame(login.id, &body, &[]));
        bob.wait_closed();
    }
    let gaps = [at[0] - started, at[1] - at[0]];
    assert!(gaps[0] > Duration::from_millis(2000 + 700), "{gaps:?}");
    assert!(gaps[1] > Duration::from_millis(1500), "{gaps:?}");
    node.wait_for_account("the refusal is known as such", "bob", |bob| {
        bob["state"] == "authenticationFailed"
    });
    let output = node.account("bob")["lastError"].to_string() + &node.log();
    assert!(output.contains("F00"), "{output}");
    assert!(!output.contains("bob-token"), "a peer that sends our token back: {output}");
}

#[test]
fn a_second_login_replaces_the_first_row_89() {
    let node = TestNode::with_peers(&["alice", "bob"], "");
    let mut alice = node.connect_peer("alice");
    let mut first = node.connect_peer("bob");
    alice.send_prepare(1, &prepare_to("test.bob").data(b"1"));
    let (written, _) = first.receive_prepare();
    first.send_prepare(77, &prepare_to("test.alice"));
    let (asked, _) = alice.receive_prepare();
    let mut second = node.connect_peer("bob");
    assert_eq!(first.wait_closed(), (1008, "replaced".to_owned()));
    // Prepares that arrived on the first session are answered on the second (row 88).
    second.answer(written, &fulfill(&PREIMAGE));
    assert_eq!(alice.receive_described(), "RESPONSE 1 Fulfill");
    alice.answer(asked, &fulfill(&PREIMAGE));
    assert_eq!(second.receive_described(), "RESPONSE 77 Fulfill");
    alice.send_prepare(2, &prepare_to("test.bob").data(b"2"));
    let (id, _) = second.receive_prepare();
    second.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(alice.receive_described(), "RESPONSE 2 Fulfill");
    // A failed login replaces no session.
    let mut wrong = Peer::connect(node.port);
    wrong.send(&crate::peer::auth_frame(1, Some("bob"), "alice-token"));
    wrong.wait_closed();
    assert_eq!(second.drain_frames(), [""; 0]);
    // Ten lines a minute are logged about one peer, including those about its connection.
    let sessions: Vec<_> = (0..20).map(|_| node.connect_peer("bob")).collect();
    drop(sessions);
    node.wait_for_account("bob is gone", "bob", |bob| bob["state"] == "disconnected");
    let lines = node.log().matches("replaced").count();
    assert!((1..=10).contains(&lines), "{lines} lines: {}", node.log());
}

#[test]
fn pending_packets_outlive_the_session_rows_57_88() {
    let node = TestNode::with_peers(&["alice", "bob"], "");
    let (mut alice, mut bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    for (id, time) in [(0, 20_000), (1, 20_000), (2, 6_000)] {
        alice.send_prepare(id, &prepare_to("test.bob").expires_in_ms(time));
    }
    let held: Vec<_> = (0..3).map(|_| bob.receive_prepare().0).collect();
    bob.disconnect();
    node.wait_for_account("bob is gone", "bob", |bob| bob["state"] == "disconnected");
    assert_eq!(alice.drain_frames(), [""; 0], "what was written is not rejected yet");
    let mut bob = node.connect_peer("bob");
    bob.answer(held[0], &fulfill(&PREIMAGE));
    assert_eq!(alice.receive_described(), "RESPONSE 0 Fulfill");
    // A new Prepare does not reuse the id of a pending one.
    alice.send_prepare(9, &prepare_to("test.bob"));
    let (id, _) = bob.receive_prepare();
    assert!(!held.contains(&id));
    bob.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(alice.receive_described(), "RESPONSE 9 Fulfill");
    // The sender reconnects as well, and gets its answer on the new session.
    alice.disconnect();
    node.wait_for_account("alice is gone", "alice", |alice| alice["state"] == "disconnected");
    let mut alice = node.connect_peer("alice");
    bob.answer(held[1], &fulfill(&PREIMAGE));
    assert_eq!(alice.receive_described(), "RESPONSE 1 Fulfill");
    // A Prepare without an answer gets R00 in time.
    assert_eq!(alice.receive_described(), "RESPONSE 2 Reject R00");
    assert_eq!(node.balance("alice"), ["300", "0", "0"]);
    assert_eq!(node.balance("bob"), ["-300", "0", "0"]);
}

#[test]
fn keep_alive_closes_a_silent_session() {
    let keep_alive = "keepAliveIntervalMs: 600\nkeepAliveTimeoutMs: 1500\n";
    let port = free_port();
    let b_yaml = format!(
        "nodeId: b\nilpAddress: test.b\npeers:\n  - {{ id: a, authToken: ab }}\n{keep_alive}"
    );
    let b = TestNode::start_on(&b_yaml, port);
    let a = TestNode::start(&format!(
        "nodeId: a\nilpAddress: test.a\npeers:\n  - {{ id: b, url: 'ws://127.0.0.1:{port}', authToken: ab }}\n  \
           - {{ id: mute, authToken: mute-token }}\nroutes: [{{ prefix: test.b, nextHop: b }}]\n{keep_alive}"
    ));
    a.wait_connected("b");
    // A peer that answers no ping is disconnected; one that answers stays.
    let began = Instant::now();
    let mut mute = Peer::log_in(a.port, "mute", "mute-token");
    let first = mute.reader.next_event(began + TIMEOUT);
    assert!(matches!(first, Some(SocketEvent::Ping(_))), "{first:?}");
    let pinged = began.elapsed();
    assert!(pinged.as_millis() >= 600, "{pinged:?}");
    mute.wait_closed();
    let lost = began.elapsed();
    assert!(lost.as_millis() >= 2100, "{lost:?}");
    // A node whose process is suspended.
    let mut asker = Peer::log_in(a.port, "mute", "mute-token");
    b.process.signal("STOP");
    asker.send_prepare(1, &prepare_to("test.b").expires_in_ms(6000));
    // The asker answers its own pings meanwhile.
    let mut answers = Vec::new();
    let wait = |asker: &mut Peer, what, is_so: fn(&Value) -> bool, answers: &mut Vec<String>| {
        eventually(what, TIMEOUT, || {
            let frame = asker.receive_within(Duration::from_millis(20));
            answers.extend(frame.as_ref().map(describe_frame));
            let state = a.account("b")["state"].clone();
            if is_so(&state) { Ok(()) } else { Err(state.to_string()) }
        });
    };
    wait(&mut asker, "the stopped node is noticed", |state| state != "connected", &mut answers);
    asker.send_prepare(2, &prepare_to("test.b"));
    while answers.len() < 2 {
        answers.push(asker.receive_described());
    }
    answers.sort();
    // What was written waits for its time.
    assert_eq!(answers, ["RESPONSE 1 Reject R00", "RESPONSE 2 Reject T01"]);
    b.process.signal("CONT");
    wait(&mut asker, "the node is back", |state| state == "connected", &mut answers);
    assert_eq!(asker.request(3, &prepare_to("test.b")), "RESPONSE 3 Reject F06");
    a.process
        .wait_for_line("why", |line| line.contains("no sign of life from the peer").then_some(()));
}

/// Sends `count` Prepares, a window at a time, while `meanwhile` runs; each must get one answer.
fn pay_under_load(
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
                let packet = prepare_to(destination).expires_in_ms(10_000).encode();
                writer.send(&message(next, &[ProtocolEntry::octets(ILP, &packet)]));
                open.insert(next);
                next += 1;
            }
            if open.is_empty() {
                return kinds;
            }
            match reader.next_event(Instant::now() + TIMEOUT) {
                Some(SocketEvent::Binary(raw)) => {
                    let frame = BtpFrame::parse(&raw).unwrap();
                    assert_eq!(frame.body.kind(), FrameKind::Response);
                    let id = frame.request_id.0;
                    assert!(open.remove(&id), "a second answer to {id}");
                    let kind = describe_packet(frame.ilp().unwrap());
                    if kind != "Fulfill" {
                        // While disconnected, every packet is refused at once; wait a little before the next.
                        thread::park_timeout(Duration::from_millis(1));
                    }
                    *kinds.entry(kind).or_default() += 1;
                }
                Some(SocketEvent::Ping(_)) => {}
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
fn two_nodes_that_dial_each_other_survive_the_loss_of_either_session_d5() {
    let (a_port, b_port) = (free_port(), free_port());
    let (to_a, to_b) = (Proxy::start(a_port), Proxy::start(b_port));
    let url = |proxy: &Proxy| format!("ws://127.0.0.1:{}", proxy.port);
    let a = TestNode::start_on(&node_of_pair("a", "b", &url(&to_b)), a_port);
    let b = TestNode::start_on(&node_of_pair("b", "a", &url(&to_a)), b_port);
    let both = |node: &TestNode, id: &str, what: &str| {
        node.wait_for_account(what, id, |peer| {
            peer["sessions"].as_array().is_some_and(|s| s.len() == 2)
        });
    };
    both(&a, "b", "two sessions at a");
    both(&b, "a", "two sessions at b");
    let _sinks = [a.connect_peer("sink").fulfill_all(), b.connect_peer("sink").fulfill_all()];
    let time = Duration::from_secs(5);
    let from_a = pay_under_load(a.connect_peer("asker"), "test.b.sink", time);
    let from_b = pay_under_load(b.connect_peer("asker"), "test.a.sink", time);
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
        // Packets of the lost session are answered on the other, were never written (T01), or expire.
        assert!(
            kinds
                .keys()
                .all(|kind| ["Fulfill", "Reject R00", "Reject T01"].contains(&kind.as_str())),
            "{who}: {kinds:?}"
        );
        let lost = kinds.get("Reject R00").copied().unwrap_or(0);
        assert!(lost <= 4 * 64, "{who}: {kinds:?}");
    }
    // No session was replaced: the two do not displace each other in turn.
    for node in [&a, &b] {
        assert!(!node.log().contains("replaced"), "{}", node.log());
        let in_flight = node.account("asker")["packetsInFlight"]["received"].clone();
        assert_eq!(in_flight, 0);
    }
    // The two balances mirror each other (row 61), but for packets that were lost on the way.
    let balance = |node: &TestNode, id: &str| node.balance(id)[0].parse::<i64>().unwrap();
    let (ours, theirs) = (balance(&a, "b"), balance(&b, "a"));
    assert!((ours + theirs).abs() <= 100 * 4 * 128, "{ours} + {theirs}");
}

#[test]
fn packets_flow_again_after_a_killed_next_hop_returns() {
    let port = free_port();
    let yaml = "nodeId: b\nilpAddress: test.b\npeers:\n  - { id: a, authToken: both }\n";
    let b = TestNode::start_on(yaml, port);
    let a = TestNode::start(&format!(
        "nodeId: a\nilpAddress: test.a\npeers:\n  - {{ id: b, url: 'ws://127.0.0.1:{port}', authToken: both }}\n  \
           - {{ id: asker, authToken: asker-token }}\nroutes: [{{ prefix: test.b, nextHop: b }}]\n"
    ));
    a.wait_connected("b");
    let mut asker = a.connect_peer("asker");
    assert_eq!(asker.request(1, &prepare_to("test.b")), "RESPONSE 1 Reject F06");
    let load = pay_under_load(asker, "test.b", Duration::from_secs(8));
    thread::park_timeout(Duration::from_millis(300));
    b.process.signal("KILL");
    a.wait_for_account("it is missed", "b", |b| b["state"] != "connected");
    drop(b);
    let b = TestNode::start_on(yaml, port);
    a.wait_connected("b");
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
