//! Peers and strangers that misbehave on purpose: each costs itself, and nobody else. Checklist rows 70 and 140; D19.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ilp_connector::wire::btp::{BtpFrame, FrameKind, ILP, ProtocolEntry};

use crate::peer::{
    Ask, Daemon, PATIENCE, PREIMAGE, Peer, Seen, ask, body_of, fulfill, get, message, respond, tcp,
};
use crate::running::free_port;
use crate::support::eventually;

/// Each packet alone, from question to answer; the slowest of them.
fn slowest_of(count: usize, alice: &mut Peer, bob: &mut Peer) -> Duration {
    let mut slowest = Duration::ZERO;
    for _ in 0..count {
        let asked = Instant::now();
        alice.ask(1, &ask("test.bob"));
        let (id, _) = bob.prepare();
        bob.answer(id, &fulfill(&PREIMAGE));
        assert_eq!(alice.next(), "RESPONSE 1 Fulfill");
        slowest = slowest.max(asked.elapsed());
    }
    slowest
}

/// Two cores are shared by all tests and their nodes.
const SLOW: Duration = Duration::from_millis(800);

#[test]
fn strangers_who_do_not_log_in_rows_70_140() {
    let node = Daemon::with_peers(&["alice", "bob"], "authTimeoutMs: 1500\n");
    let (mut alice, mut bob) = (node.peer("alice"), node.peer("bob"));
    let opened = Instant::now();
    let mut strangers: Vec<_> = (0..1100).map(|_| tcp(node.port)).collect();
    // Some of them begin, byte by byte, and never finish.
    let mut loris = strangers.split_off(1090);
    let trickle = thread::spawn(move || {
        let request = b"GET / HTTP/1.1\r\nHost: node\r\nX: ";
        let mut sent = 0;
        while opened.elapsed() < Duration::from_secs(3) {
            let byte = request.get(sent).unwrap_or(&b'x');
            let alive = loris.iter_mut().filter_map(|socket| socket.write_all(&[*byte]).ok());
            if alive.count() == 0 {
                return opened.elapsed();
            }
            sent += 1;
            thread::park_timeout(Duration::from_millis(50));
        }
        opened.elapsed()
    });
    let slowest = slowest_of(20, &mut alice, &mut bob);
    assert!(slowest < SLOW, "peers that are in wait {slowest:?}");
    assert_eq!(get(node.health, "GET /health").0, 200);
    // All are shown out: those beyond the limit at once, the others when their time is up.
    for (number, stranger) in strangers.iter_mut().enumerate() {
        stranger.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let end = stranger.read(&mut [0; 64]);
        let closed = match &end {
            Ok(count) => *count == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        };
        assert!(closed, "stranger {number}: {end:?}");
    }
    let lasted = opened.elapsed();
    assert!(lasted < Duration::from_secs(8), "the last one went after {lasted:?}");
    assert!(trickle.join().unwrap() < Duration::from_millis(2900), "the slow ones are shown out");
    // And one that becomes a WebSocket and then is silent.
    let mut silent = Peer::open(node.port);
    assert_eq!(silent.closed(), (1008, "not authenticated in time".to_owned()));
    assert_eq!(node.peer("alice").fence(), [""; 0], "logging in works again");
    let lines = node.log().lines().count();
    assert!(lines < 40, "{lines} lines for 1,100 strangers");
}

#[test]
fn a_flood_of_rubbish_is_bounded_in_log_and_memory() {
    let node = Daemon::start_with(
        &crate::peer::yaml_of(&["alice", "bob", "rude"], ""),
        0,
        &["--log-level", "debug"],
    );
    let (mut alice, mut bob) = (node.peer("alice"), node.peer("bob"));
    drop(node.peer("rude"));
    let (memory, lines) = (node.memory_kib(), node.log().lines().count());
    for _ in 0..40 {
        // Strangers: no HTTP; no login; a wrong login.
        let mut stranger = tcp(node.port);
        stranger.write_all(b"\x16\x03\x01 hello\r\n\r\n").unwrap();
        Peer::open(node.port).send(&[0xff; 300]);
        let mut wrong = Peer::open(node.port);
        wrong.send(&crate::peer::auth(1, Some("rude\n\u{1b}[31m"), "guess-the-token"));
        wrong.closed();
        // A peer: 16 bad frames and out, again and again.
        let mut rude = node.peer("rude");
        for _ in 0..16 {
            let _ = rude.writer.try_send(&[0xff; 1000]);
        }
        rude.closed();
    }
    assert!(slowest_of(5, &mut alice, &mut bob) < SLOW);
    assert_eq!(node.counter("rude", "unreadableFrames"), 640);
    let log = node.log();
    let said = log.lines().count() - lines;
    // Sessions of a peer that come and go are two lines each; health requests of this test a few.
    assert!(said < 40 * 2 + 60, "{said} lines: {log}");
    assert!(!log.contains("guess-the-token"), "{log}");
    assert!(!log.contains('\u{1b}'), "{log}");
    let grown = node.memory_kib().saturating_sub(memory);
    assert!(grown < 12 * 1024, "memory grew by {grown} KiB");
}

#[test]
fn websocket_frames_in_pieces_and_too_long_row_140() {
    let node = Daemon::with_peers(&["alice"], "");
    let mut alice = node.peer("alice");
    let packet = ask("test.nobody").data(&[7; 300]).packet();
    let frame = message(9, &[ProtocolEntry::octets(ILP, &packet)]);
    // Byte by byte.
    for byte in alice.writer.framed(&frame) {
        alice.writer.raw(&[byte]).unwrap();
    }
    assert_eq!(alice.next(), "RESPONSE 9 Reject F02");
    // In three fragments, with a ping between them; the last is empty.
    let (first, rest) = frame.split_at(100);
    for (kind, part) in [(0x02, first), (0x00, rest), (0x80, &[])] {
        let mut bytes = alice.writer.framed(part);
        bytes[0] = kind;
        alice.writer.raw(&bytes).unwrap();
        alice.writer.control(0x89, b"still there?");
    }
    assert_eq!(alice.next(), "RESPONSE 9 Reject F02");
    assert_eq!(alice.fence(), [""; 0]);
    // Fragments without end are bounded like one long message.
    let mut bytes = alice.writer.framed(&[1; 60_000]);
    bytes[0] = 0x02;
    alice.writer.raw(&bytes).unwrap();
    bytes[0] = 0x00;
    alice.writer.raw(&bytes).unwrap();
    assert_eq!(alice.closed().0, 1009);
    // A claim of 4 GiB.
    let mut alice = node.peer("alice");
    alice.writer.raw(&[0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4]).unwrap();
    assert_eq!(alice.closed().0, 1009);
    assert!(node.memory_kib() < 64 * 1024);
}

/// Asks without end on a thread until the socket takes no more or `enough` are sent; how many were sent.
fn flood(mut peer: Peer, question: &Ask, enough: usize) -> JoinHandle<(Peer, usize)> {
    let packet = question.packet();
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
fn a_next_hop_that_never_reads_d19() {
    let node = Daemon::with_peers(&["alice", "bob", "flooder", "deaf"], "writeTimeoutMs: 2500\n");
    let (mut alice, mut bob) = (node.peer("alice"), node.peer("bob"));
    let _deaf = node.peer("deaf");
    let memory = node.memory_kib();
    let Peer { mut writer, mut reader, .. } = node.peer("flooder");
    const COUNT: u32 = 1500;
    let asking = thread::spawn(move || {
        let packet = ask("test.deaf").data(&[9; 32_000]).within(4000).packet();
        for id in 0..COUNT {
            writer.send(&message(id, &[ProtocolEntry::octets(ILP, &packet)]));
        }
        writer
    });
    let slowest = slowest_of(30, &mut alice, &mut bob);
    assert!(slowest < SLOW, "others wait {slowest:?}");
    let grown = node.memory_kib().saturating_sub(memory);
    assert!(grown < 24 * 1024, "memory grew by {grown} KiB for an outbox of 4 MiB");
    // Each of the 1,500 gets one answer: T03 while the outbox is full, T01 when the session is closed with the Prepare
    // unwritten, R00 where it was written.
    let mut codes: HashMap<String, u32> = HashMap::new();
    let mut left: std::collections::HashSet<u32> = (0..COUNT).collect();
    let deadline = Instant::now() + PATIENCE;
    while !left.is_empty() {
        let Some(Seen::Binary(raw)) = reader.next(deadline) else {
            panic!("{} unanswered; {codes:?}", left.len())
        };
        let frame = BtpFrame::parse(&raw).unwrap();
        assert!(left.remove(&frame.request_id.0), "twice: {}", frame.request_id);
        *codes.entry(body_of(frame.ilp().unwrap())).or_default() += 1;
    }
    asking.join().unwrap();
    assert!(codes.get("Reject T03") > Some(&500), "{codes:?}");
    assert!(
        codes
            .keys()
            .all(|code| ["Reject T03", "Reject T01", "Reject R00"].contains(&code.as_str())),
        "{codes:?}"
    );
    node.until("the deaf one is closed", "deaf", |deaf| deaf["state"] == "disconnected");
    assert_eq!(node.balance("flooder"), ["0", "0", "0"]);
}

#[test]
fn a_peer_that_asks_and_never_reads_its_answers_d19() {
    let node = Daemon::with_peers(&["alice", "bob", "deaf"], "writeTimeoutMs: 2500\n");
    let (mut alice, mut bob) = (node.peer("alice"), node.peer("bob"));
    let memory = node.memory_kib();
    // A ping comes back with its data.
    let question = ask("test.n").condition(ilp_connector::wire::Condition::PING).data(&[9; 32_000]);
    let flooding = flood(node.peer("deaf"), &question, 5000);
    let slowest = slowest_of(30, &mut alice, &mut bob);
    let (deaf, sent) = flooding.join().unwrap();
    assert!(sent < 2500, "we read {sent} questions of a peer that reads none of its answers");
    assert!(slowest < SLOW, "others wait {slowest:?}");
    let grown = node.memory_kib().saturating_sub(memory);
    assert!(grown < 32 * 1024, "memory grew by {grown} KiB for an outbox of 4 MiB");
    node.until("the deaf one is closed", "deaf", |deaf| deaf["state"] == "disconnected");
    drop(deaf);
    // It may come back and behave.
    assert_eq!(node.peer("deaf").fence(), [""; 0]);
}

#[test]
fn the_health_port_stands_idlers_and_rubbish() {
    let node = Daemon::with_peers(&["alice"], "");
    let mut idlers: Vec<_> = (0..300).map(|_| tcp(node.health)).collect();
    for (number, idler) in idlers.iter_mut().enumerate() {
        // Some may be shown out already.
        let _ = idler.write_all(match number % 3 {
            0 => b"GET /health HTTP/1.1\r\nX: ",
            1 => b"\0\0\0\0\r\n\r\n",
            _ => b"",
        });
    }
    for _ in 0..20 {
        let asked = Instant::now();
        assert_eq!(get(node.health, "GET /health").0, 200);
        assert!(asked.elapsed() < SLOW, "{:?}", asked.elapsed());
    }
    for (request, status) in [
        ("GET /nowhere", 404),
        ("POST /health", 405),
        ("DELETE /peers", 405),
        ("GET /health/live", 200),
        ("GET //health", 404),
        ("GET /../../etc/passwd", 404),
    ] {
        assert_eq!(get(node.health, request).0, status, "{request}");
    }
    assert!(node.memory_kib() < 64 * 1024);
}

/// Two nodes flood each other with large packets, in both directions of one session. Both outboxes fill with
/// Prepares; the two must not stop reading (D19) and wait for each other. 262,144 bytes, so that eight are enough.
#[test]
fn two_nodes_that_are_both_full_go_on() {
    let left_port = free_port();
    let node = |id: &str, address: &str, peer: &str, there: &str, stub: &str| {
        format!(
            "nodeId: {id}\nilpAddress: {address}\npeers:\n  - {peer}\n  \
               - {{ id: {stub}, authToken: {stub}-token, outboxBytesMax: 536870912 }}\n\
             routes: [{{ prefix: {there}, nextHop: other }}, {{ prefix: {address}.{stub}, nextHop: {stub} }}]\n"
        )
    };
    let right_peer = "{ id: other, username: left, authToken: both, outboxBytesMax: 262144 }";
    let left = Daemon::start_on(
        &node(
            "left",
            "test.left",
            "{ id: other, username: right, authToken: both, outboxBytesMax: 262144 }",
            "test.right",
            "stub",
        ),
        left_port,
    );
    let right = Daemon::start(&node(
        "right",
        "test.right",
        &right_peer.replace(
            "username: left,",
            &format!("username: left, url: 'ws://127.0.0.1:{left_port}',"),
        ),
        "test.left",
        "stub",
    ));
    left.until_connected("other");
    right.until_connected("other");
    const COUNT: u32 = 1000;
    let finished = Arc::new(AtomicUsize::new(0));
    let run = |stub: Peer, there: &str| {
        let Peer { mut writer, mut reader, .. } = stub;
        let question = ask(there).data(&[5; 32_000]).within(9000);
        let (mut answers, finished) = (writer.try_clone(), Arc::clone(&finished));
        thread::spawn(move || {
            let packet = question.packet();
            for id in 0..COUNT {
                writer.send(&message(id, &[ProtocolEntry::octets(ILP, &packet)]));
            }
        });
        // Fulfills what the other stub asks, and counts the answers to what this one asked, until both have all.
        thread::spawn(move || {
            let (answer, mut kinds) = (fulfill(&PREIMAGE), HashMap::<String, u32>::new());
            let (deadline, mut left) = (Instant::now() + Duration::from_secs(20), COUNT);
            while finished.load(Ordering::SeqCst) < 2 {
                let raw = match reader.next(Instant::now() + Duration::from_millis(20)) {
                    Some(Seen::Binary(raw)) => raw,
                    None if Instant::now() < deadline => continue,
                    other => panic!("{other:?}; so far {kinds:?}"),
                };
                let frame = BtpFrame::parse(&raw).unwrap();
                if frame.body.kind() == FrameKind::Message {
                    answers.send(&respond(frame.request_id.0, Some(&answer)));
                    continue;
                }
                *kinds.entry(body_of(frame.ilp().unwrap())).or_default() += 1;
                left -= 1;
                if left == 0 {
                    finished.fetch_add(1, Ordering::SeqCst);
                }
            }
            kinds
        })
    };
    let began = Instant::now();
    // Both are there before either asks.
    let (left_stub, right_stub) = (left.peer("stub"), right.peer("stub"));
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
    // And the link still works.
    let mut stub = left.peer("stub");
    let mut other = right.peer("stub");
    eventually("a packet passes", PATIENCE, || {
        stub.ask(1, &ask("test.right.stub"));
        let Some(got) = other.frame_within(Duration::from_secs(1)) else {
            return Err("nothing".to_owned());
        };
        other.answer(got.id, &fulfill(&PREIMAGE));
        Ok(())
    });
    assert_eq!(stub.next(), "RESPONSE 1 Fulfill");
}
