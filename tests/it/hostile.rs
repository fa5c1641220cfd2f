//! Clients that misbehave on purpose, peers or not, harm no other peer. Checklist rows 70 and 140; D19.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ilp_connector::wire::btp::{BtpFrame, FrameKind, ILP, ProtocolEntry};

use crate::peer::{
    PREIMAGE, Peer, SocketEvent, TIMEOUT, TestNode, TestPrepare, connect_tcp, describe_packet,
    fulfill, http_get, message, prepare_to, response,
};
use crate::process::free_port;
use crate::support::eventually;

/// Sends packets one by one; returns the longest time from a request to its answer, but one.
fn slowest_answer_but_one(count: usize, alice: &mut Peer, bob: &mut Peer) -> Duration {
    slowest_but_one(count, || {
        alice.send_prepare(1, &prepare_to("test.bob"));
        let (id, _) = bob.receive_prepare();
        bob.answer(id, &fulfill(&PREIMAGE));
        assert_eq!(alice.receive_described(), "RESPONSE 1 Fulfill");
    })
}

/// The slowest is not decisive, because a busy machine may delay any process.
fn slowest_but_one(count: usize, mut act: impl FnMut()) -> Duration {
    let mut times: Vec<_> = (0..count)
        .map(|_| {
            let began = Instant::now();
            act();
            began.elapsed()
        })
        .collect();
    times.sort();
    times[count - 2]
}

/// Generous, because all tests and their nodes share the machine.
const SLOW: Duration = Duration::from_millis(800);

#[test]
fn unauthenticated_sockets_are_closed_and_do_not_delay_peers_rows_70_140() {
    let node = TestNode::with_peers(&["alice", "bob"], "authTimeoutMs: 1500\n");
    let (mut alice, mut bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    let mut clients: Vec<_> = (0..1100).map(|_| connect_tcp(node.port)).collect();
    // Ten of them send a request byte by byte and never finish it.
    let mut loris = clients.split_off(1090);
    let trickle = thread::spawn(move || {
        let request = b"GET / HTTP/1.1\r\nHost: node\r\nX: ";
        let (mut sent, deadline) = (0, Instant::now() + TIMEOUT);
        while Instant::now() < deadline {
            let byte = request.get(sent).unwrap_or(&b'x');
            let alive = loris.iter_mut().filter_map(|socket| socket.write_all(&[*byte]).ok());
            if alive.count() == 0 {
                return true;
            }
            sent += 1;
            thread::park_timeout(Duration::from_millis(50));
        }
        false
    });
    let time = slowest_answer_but_one(20, &mut alice, &mut bob);
    assert!(time < SLOW, "peers that are logged in wait {time:?}");
    assert_eq!(http_get(node.health_port, "GET /health").0, 200);
    // All are closed: those above the limit at once, the others after `authTimeoutMs`.
    let deadline = Instant::now() + TIMEOUT;
    for (number, client) in clients.iter_mut().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        client.set_read_timeout(Some(left.max(Duration::from_millis(1)))).unwrap();
        let end = client.read(&mut [0; 64]);
        let closed = match &end {
            Ok(count) => *count == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        };
        assert!(closed, "client {number}: {end:?}");
    }
    assert!(trickle.join().unwrap(), "the slow ones are closed");
    // A client that opens a WebSocket and is then silent.
    let mut silent = Peer::connect(node.port);
    assert_eq!(silent.wait_closed(), (1008, "not authenticated in time".to_owned()));
    assert_eq!(node.connect_peer("alice").drain_frames(), [""; 0], "logging in works again");
    let lines = node.log().lines().count();
    assert!(lines < 40, "{lines} lines for 1,100 clients");
}

#[test]
fn a_flood_of_invalid_frames_is_bounded_in_log_and_memory() {
    let node = TestNode::start_with(
        &crate::peer::config_of(&["alice", "bob", "rude"], ""),
        0,
        &["--log-level", "debug"],
    );
    let (mut alice, mut bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    drop(node.connect_peer("rude"));
    let (memory, lines) = (node.memory_kib(), node.log().lines().count());
    for _ in 0..40 {
        // Clients that send no HTTP, no login, or a wrong login.
        let mut client = connect_tcp(node.port);
        client.write_all(b"\x16\x03\x01 hello\r\n\r\n").unwrap();
        Peer::connect(node.port).send(&[0xff; 300]);
        let mut wrong = Peer::connect(node.port);
        wrong.send(&crate::peer::auth_frame(1, Some("rude\n\u{1b}[31m"), "guess-the-token"));
        wrong.wait_closed();
        // A peer is closed after 16 invalid frames, each time.
        let mut rude = node.connect_peer("rude");
        for _ in 0..16 {
            let _ = rude.writer.try_send(&[0xff; 1000]);
        }
        rude.wait_closed();
    }
    assert!(slowest_answer_but_one(5, &mut alice, &mut bob) < SLOW);
    assert_eq!(node.counter("rude", "unreadableFrames"), 640);
    let log = node.log();
    let new_lines = log.lines().count() - lines;
    // Each session of the peer logs two lines, and the health requests of this test a few.
    assert!(new_lines < 40 * 2 + 60, "{new_lines} lines: {log}");
    assert!(!log.contains("guess-the-token"), "{log}");
    assert!(!log.contains('\u{1b}'), "{log}");
    let grown = node.memory_kib().saturating_sub(memory);
    assert!(grown < 12 * 1024, "memory grew by {grown} KiB");
}

#[test]
fn split_websocket_messages_are_joined_and_oversized_ones_end_the_session_row_140() {
    let node = TestNode::with_peers(&["alice"], "");
    let mut alice = node.connect_peer("alice");
    let packet = prepare_to("test.nobody").data(&[7; 300]).encode();
    let frame = message(9, &[ProtocolEntry::octets(ILP, &packet)]);
    // Byte by byte.
    for byte in alice.writer.encode(&frame) {
        alice.writer.send_raw(&[byte]).unwrap();
    }
    assert_eq!(alice.receive_described(), "RESPONSE 9 Reject F02");
    // In three fragments with pings between them; the last fragment is empty.
    let (first, rest) = frame.split_at(100);
    for (kind, part) in [(0x02, first), (0x00, rest), (0x80, &[])] {
        let mut bytes = alice.writer.encode(part);
        bytes[0] = kind;
        alice.writer.send_raw(&bytes).unwrap();
        alice.writer.send_control(0x89, b"still there?");
    }
    assert_eq!(alice.receive_described(), "RESPONSE 9 Reject F02");
    assert_eq!(alice.drain_frames(), [""; 0]);
    // Endless fragments are bounded like one long message.
    let mut bytes = alice.writer.encode(&[1; 60_000]);
    bytes[0] = 0x02;
    alice.writer.send_raw(&bytes).unwrap();
    bytes[0] = 0x00;
    alice.writer.send_raw(&bytes).unwrap();
    assert_eq!(alice.wait_closed().0, 1009);
    // An announced length of 4 GiB.
    let mut alice = node.connect_peer("alice");
    alice.writer.send_raw(&[0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4]).unwrap();
    assert_eq!(alice.wait_closed().0, 1009);
    assert!(node.memory_kib() < 64 * 1024);
}

/// Sends Prepares on a thread until a write fails or `enough` are sent. Returns how many were sent.
fn flood(mut peer: Peer, prepare: &TestPrepare, enough: usize) -> JoinHandle<(Peer, usize)> {
    let packet = prepare.encode();
    thread::spawn(move || {
        peer.writer.set_timeout(Duration::from_secs(1));
        let mut sent = 0;
        while sent < enough {
            let id = u32::try_from(sent).unwrap();
            let frame = message(id, &[ProtocolEntry::octets(ILP, &packet)]);
            if peer.writer.try_send(&frame).is_err() {
                break;
            }
            sent += 1;
        }
        (peer, sent)
    })
}

#[test]
fn a_next_hop_that_never_reads_delays_no_other_packets_d19() {
    let node = TestNode::with_peers(&["alice", "bob", "flooder", "deaf"], "writeTimeoutMs: 2500\n");
    let (mut alice, mut bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    let _deaf = node.connect_peer("deaf");
    let memory = node.memory_kib();
    let Peer { mut writer, mut reader, .. } = node.connect_peer("flooder");
    const COUNT: u32 = 1500;
    let sending = thread::spawn(move || {
        let prepare = prepare_to("test.deaf").data(&[9; 32_000]);
        for id in 0..COUNT {
            let packet = prepare.clone().expires_in_ms(4000).encode();
            writer.send(&message(id, &[ProtocolEntry::octets(ILP, &packet)]));
        }
        writer
    });
    let time = slowest_answer_but_one(30, &mut alice, &mut bob);
    assert!(time < SLOW, "others wait {time:?}");
    let grown = node.memory_kib().saturating_sub(memory);
    assert!(grown < 24 * 1024, "memory grew by {grown} KiB for an outbox of 4 MiB");
    // Each of the 1,500 gets one answer: T03 while the outbox is full, T01 when the session is closed with the Prepare
    // unwritten, R00 where it was written.
    let mut codes: HashMap<String, u32> = HashMap::new();
    let mut left: std::collections::HashSet<u32> = (0..COUNT).collect();
    let deadline = Instant::now() + TIMEOUT;
    while !left.is_empty() {
        let Some(SocketEvent::Binary(raw)) = reader.next_event(deadline) else {
            panic!("{} unanswered; {codes:?}", left.len())
        };
        let frame = BtpFrame::parse(&raw).unwrap();
        assert!(left.remove(&frame.request_id.0), "twice: {}", frame.request_id);
        *codes.entry(describe_packet(frame.ilp().unwrap())).or_default() += 1;
    }
    sending.join().unwrap();
    assert!(codes.get("Reject T03") > Some(&500), "{codes:?}");
    assert!(
        codes
            .keys()
            .all(|code| ["Reject T03", "Reject T01", "Reject R00"].contains(&code.as_str())),
        "{codes:?}"
    );
    node.wait_for_account("the peer that does not read is closed", "deaf", |deaf| {
        deaf["state"] == "disconnected"
    });
    assert_eq!(node.balance("flooder"), ["0", "0", "0"]);
}

#[test]
fn a_peer_that_never_reads_its_answers_is_paused_and_closed_d19() {
    let node = TestNode::with_peers(&["alice", "bob", "deaf"], "writeTimeoutMs: 2500\n");
    let (mut alice, mut bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    let memory = node.memory_kib();
    // A ping is answered with its data.
    let prepare =
        prepare_to("test.n").condition(ilp_connector::wire::Condition::PING).data(&[9; 32_000]);
    let flooding = flood(node.connect_peer("deaf"), &prepare, 5000);
    let time = slowest_answer_but_one(30, &mut alice, &mut bob);
    let (deaf, sent) = flooding.join().unwrap();
    assert!(sent < 2500, "{sent} requests were read of a peer that reads no answers");
    assert!(time < SLOW, "others wait {time:?}");
    let grown = node.memory_kib().saturating_sub(memory);
    assert!(grown < 32 * 1024, "memory grew by {grown} KiB for an outbox of 4 MiB");
    node.wait_for_account("the peer that does not read is closed", "deaf", |deaf| {
        deaf["state"] == "disconnected"
    });
    drop(deaf);
    // The peer may log in again.
    assert_eq!(node.connect_peer("deaf").drain_frames(), [""; 0]);
}

#[test]
fn the_health_port_withstands_idle_and_invalid_connections() {
    let node = TestNode::with_peers(&["alice"], "");
    let mut idlers: Vec<_> = (0..300).map(|_| connect_tcp(node.health_port)).collect();
    for (number, idler) in idlers.iter_mut().enumerate() {
        // Some may be closed already.
        let _ = idler.write_all(match number % 3 {
            0 => b"GET /health HTTP/1.1\r\nX: ",
            1 => b"\0\0\0\0\r\n\r\n",
            _ => b"",
        });
    }
    let time = slowest_but_one(20, || assert_eq!(http_get(node.health_port, "GET /health").0, 200));
    assert!(time < SLOW, "{time:?}");
    for (request, status) in [
        ("GET /nowhere", 404),
        ("POST /health", 405),
        ("DELETE /peers", 405),
        ("GET /health/live", 200),
        ("GET //health", 404),
        ("GET /../../etc/passwd", 404),
    ] {
        assert_eq!(http_get(node.health_port, request).0, status, "{request}");
    }
    assert!(node.memory_kib() < 64 * 1024);
}

/// Two nodes flood each other with large packets over one session. Both outboxes fill with Prepares, yet neither node
/// may stop reading and wait for the other (ADR 8). With 262,144 bytes, eight packets fill an outbox.
#[test]
fn two_nodes_with_full_outboxes_continue() {
    let left_port = free_port();
    let node = |id: &str, address: &str, peer: &str, there: &str, stub: &str| {
        format!(
            "nodeId: {id}\nilpAddress: {address}\npeers:\n  - {peer}\n  \
               - {{ id: {stub}, authToken: {stub}-token, outboxBytesMax: 536870912 }}\n\
             routes: [{{ prefix: {there}, nextHop: other }}, {{ prefix: {address}.{stub}, nextHop: {stub} }}]\n"
        )
    };
    let right_peer = "{ id: other, username: left, authToken: both, outboxBytesMax: 262144 }";
    let left = TestNode::start_on(
        &node(
            "left",
            "test.left",
            "{ id: other, username: right, authToken: both, outboxBytesMax: 262144 }",
            "test.right",
            "stub",
        ),
        left_port,
    );
    let right = TestNode::start(&node(
        "right",
        "test.right",
        &right_peer.replace(
            "username: left,",
            &format!("username: left, url: 'ws://127.0.0.1:{left_port}',"),
        ),
        "test.left",
        "stub",
    ));
    left.wait_connected("other");
    right.wait_connected("other");
    const COUNT: u32 = 1000;
    let finished = Arc::new(AtomicUsize::new(0));
    let run = |stub: Peer, there: &str| {
        let Peer { mut writer, mut reader, .. } = stub;
        let prepare = prepare_to(there).data(&[5; 32_000]).expires_in_ms(40_000);
        let (mut answers, finished) = (writer.try_clone(), Arc::clone(&finished));
        thread::spawn(move || {
            let packet = prepare.encode();
            for id in 0..COUNT {
                writer.send(&message(id, &[ProtocolEntry::octets(ILP, &packet)]));
            }
        });
        // Fulfills the other stub's Prepares and counts the answers to its own, until both have all answers.
        thread::spawn(move || {
            let (answer, mut kinds) = (fulfill(&PREIMAGE), HashMap::<String, u32>::new());
            let (deadline, mut left) = (Instant::now() + Duration::from_secs(60), COUNT);
            while finished.load(Ordering::SeqCst) < 2 {
                let raw = match reader.next_event(Instant::now() + Duration::from_millis(20)) {
                    Some(SocketEvent::Binary(raw)) => raw,
                    None if Instant::now() < deadline => continue,
                    other => panic!("{other:?}; so far {kinds:?}"),
                };
                let frame = BtpFrame::parse(&raw).unwrap();
                if frame.body.kind() == FrameKind::Message {
                    answers.send(&response(frame.request_id.0, Some(&answer)));
                    continue;
                }
                *kinds.entry(describe_packet(frame.ilp().unwrap())).or_default() += 1;
                left -= 1;
                if left == 0 {
                    finished.fetch_add(1, Ordering::SeqCst);
                }
            }
            kinds
        })
    };
    let began = Instant::now();
    // Both are connected before either sends.
    let (left_stub, right_stub) = (left.connect_peer("stub"), right.connect_peer("stub"));
    let (left_done, right_done) =
        (run(left_stub, "test.right.stub"), run(right_stub, "test.left.stub"));
    for (side, done) in [("left", left_done), ("right", right_done)] {
        let kinds = done.join().unwrap();
        assert_eq!(kinds.values().sum::<u32>(), COUNT, "{side}: {kinds:?}");
        assert!(
            kinds.keys().all(|kind| ["Fulfill", "Reject T03"].contains(&kind.as_str())),
            "{side}: {kinds:?} after {:?}",
            began.elapsed()
        );
        assert!(kinds.get("Fulfill") > Some(&10), "{side}: {kinds:?}");
    }
    // The link still works.
    let mut stub = left.connect_peer("stub");
    let mut other = right.connect_peer("stub");
    eventually("a packet passes", TIMEOUT, || {
        stub.send_prepare(1, &prepare_to("test.right.stub"));
        let Some(got) = other.receive_within(Duration::from_secs(1)) else {
            return Err("nothing".to_owned());
        };
        other.answer(got.id, &fulfill(&PREIMAGE));
        Ok(())
    });
    assert_eq!(stub.receive_described(), "RESPONSE 1 Fulfill");
}
