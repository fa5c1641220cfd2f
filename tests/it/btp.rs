//! BTP frames on live sessions of a running node: every vector, valid or not. Checklist rows 1, 3 to 5, 58 and 65 to
//! 90. `peer::ReceivedFrame` checks row 1 for every frame of every test.

use ilp_connector::wire::btp::{
    BtpErrorCode, BtpFrame, ContentType, FrameBody, ILP, ProtocolEntry,
};
use ilp_connector::wire::timestamp::GeneralizedTime;

use crate::peer::{
    PREIMAGE, Peer, TestNode, auth_frame, frame, fulfill, fulfill_with, hex_vectors, message,
    prepare_to, reject, response,
};

fn hex_of(name: &str) -> Vec<u8> {
    let frames = hex_vectors("btp", "frames");
    frames.into_iter().find(|(known, ..)| known == name).unwrap().2
}

#[test]
fn valid_logins_are_accepted_and_invalid_ones_refused_rows_5_66_to_71_75_90() {
    // The tokens of the vectors.
    let node = TestNode::start(
        "nodeId: n\nilpAddress: test.n\npeers:\n  - { id: minimal, authToken: shh_its_a_secret }\n  \
           - { id: bob, authToken: secret }\n  - { id: other, authToken: b }\n",
    );
    let check = |what: &str, first: &[u8], expected: &str| {
        let mut peer = Peer::connect(node.port);
        // Row 90: JavaScript clients ping before they authenticate.
        peer.writer.send_control(0x89, b"early");
        peer.send(first);
        assert_eq!(peer.receive_described(), expected, "{what}");
        if expected.starts_with("ERROR") {
            let (code, reason) = peer.wait_closed();
            assert_eq!((code, reason.as_str()), (1008, "authentication failed"), "{what}");
        } else {
            assert_eq!(peer.drain_frames(), [""; 0], "{what}: the session works");
        }
    };
    check("auth-minimal", &hex_of("auth-minimal"), "RESPONSE 16909060");
    check("auth-js-client", &hex_of("auth-js-client"), "RESPONSE 7");
    // Row 5: exactly these bytes.
    let mut peer = Peer::connect(node.port);
    peer.send(&hex_of("auth-minimal"));
    assert_eq!(hex::encode(peer.receive().raw), "0101020304020100");
    for name in [
        "auth-bad-missing-token",
        "auth-bad-auth-not-first",
        "auth-bad-ilp-first",
        "auth-bad-duplicate-names",
    ] {
        check(name, &hex_of(name), "ERROR 9 F00");
    }
    check("auth-empty-token", &hex_of("auth-empty-token"), "ERROR 8 F00");
    check("transfer-as-first-packet", &hex_of("transfer-as-first-packet"), "ERROR 10 F00");
    check("unknown token", &auth_frame(u32::MAX, None, "nobody's"), "ERROR 4294967295 F00");
    check("unknown user", &auth_frame(0, Some("mallory"), "secret"), "ERROR 0 F00");
    check("another's token", &auth_frame(3, Some("bob"), "shh_its_a_secret"), "ERROR 3 F00");
    check("empty token with a name", &auth_frame(4, Some("bob"), ""), "ERROR 4 F00");
    for id in [0, 1, u32::MAX] {
        check("row 75", &auth_frame(id, Some("bob"), "secret"), &format!("RESPONSE {id}"));
    }
    // The node is lenient where implementations differ harmlessly.
    for name in ["auth-bad-auth-data-not-empty", "auth-bad-auth-wrong-contenttype"] {
        check(name, &hex_of(name), "RESPONSE 9");
    }
    // The name in the path, as interledger-rs sends it.
    let mut peer = Peer::connect_at(node.port, "/accounts/bob/ilp/btp");
    peer.send(&auth_frame(1, None, "secret"));
    assert_eq!(peer.receive_described(), "RESPONSE 1");
    let mut peer = Peer::connect_at(node.port, "/accounts/mallory/ilp/btp");
    peer.send(&auth_frame(1, None, "secret"));
    assert_eq!(peer.receive_described(), "ERROR 1 F00", "no fallback to the token alone");
    // A message that is no frame gets no answer.
    for (_, expect, bytes) in hex_vectors("btp", "frames") {
        if expect == "reject" {
            let mut peer = Peer::connect(node.port);
            peer.send(&bytes);
            assert_eq!(
                peer.wait_closed(),
                (1008, "not a BTP frame".to_owned()),
                "{}",
                hex::encode(bytes)
            );
        }
    }
    let (_, log) = node.stop("TERM");
    for secret in ["shh_its_a_secret", "\"secret\"", "nobody's"] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
    let refused = log.lines().filter(|line| line.contains("connection refused")).count();
    assert!((1..=10).contains(&refused), "{refused} lines about refused logins");
}

/// Sends frames, few enough per session that it stays open; none may be answered.
fn unanswered(node: &TestNode, frames: &[Vec<u8>]) {
    let mut count = node.counter("alice", "unreadableFrames");
    for some in frames.chunks(15) {
        let mut peer = node.connect_peer("alice");
        for frame in some {
            peer.send(frame);
        }
        let tried = || some.iter().map(hex::encode).collect::<Vec<_>>();
        assert_eq!(peer.drain_frames(), [""; 0], "{:?}", tried());
        count += some.len() as u64;
        assert_eq!(node.counter("alice", "unreadableFrames"), count, "{:?}", tried());
    }
}

#[test]
fn unreadable_frames_are_counted_and_not_answered_rows_3_4_79() {
    let node = TestNode::with_peers(&["alice", "bob"], "");
    let mut bystander = node.connect_peer("bob");
    let vectors: Vec<_> = hex_vectors("btp", "frames")
        .into_iter()
        .filter(|(_, expect, _)| expect == "reject")
        .map(|(_, _, bytes)| bytes)
        .collect();
    assert!(vectors.len() > 20, "the vectors are there");
    let memory = node.memory_kib();
    unanswered(&node, &vectors);
    // A valid frame, cut at every byte.
    for good in ["message-ilp-prepare", "js-error", "transfer-max", "auth-js-client"] {
        let good = hex_of(good);
        let cut: Vec<_> = (0..good.len()).map(|length| good[..length].to_vec()).collect();
        unanswered(&node, &cut);
    }
    // Lengths of 4 GiB and more, in each length field.
    let huge = ["060000000184ffffffff0100", "06000000018801000000000000000100"];
    let huge: Vec<_> = huge
        .into_iter()
        .chain(["060000000106010184ffffffff", "06000000010b01010369 6c700084ffffffff"])
        .map(|text| hex::decode(text.replace(' ', "")).unwrap())
        .collect();
    unanswered(&node, &huge);
    assert_eq!(bystander.drain_frames(), [""; 0], "others notice nothing");
    let grown = node.memory_kib().saturating_sub(memory);
    assert!(grown < 8 * 1024, "memory grew by {grown} KiB");
}

#[test]
fn repeated_text_and_invalid_frames_close_the_session_d19() {
    let node = TestNode::with_peers(&["alice"], "");
    for text in [true, false] {
        let mut peer = node.connect_peer("alice");
        let send = |peer: &mut Peer| {
            if text { peer.writer.send_control(0x81, b"hello") } else { peer.send(&[9]) }
        };
        (0..15).for_each(|_| send(&mut peer));
        assert_eq!(peer.drain_frames(), [""; 0], "15 are forgiven");
        send(&mut peer);
        assert_eq!(peer.wait_closed(), (1008, "too many unreadable frames".to_owned()));
    }
    // The next session starts with a count of zero.
    assert_eq!(node.connect_peer("alice").drain_frames(), [""; 0]);
}

#[test]
fn every_valid_frame_is_answered_as_rfc_23_requires_rows_9_75_78_80_to_87() {
    let node = TestNode::with_peers(&["alice"], "");
    let mut peer = node.connect_peer("alice");
    for (name, expect, bytes) in hex_vectors("btp", "frames") {
        if expect == "reject" {
            continue;
        }
        let (kind, id) = (bytes[0], u32::from_be_bytes(bytes[1..5].try_into().unwrap()));
        let expected = match (kind, name.as_str()) {
            // Answers without a pending request.
            (1 | 2, _) => vec![],
            (7, _) => vec![format!("ERROR {id} F00")],
            (_, "rs-swapped-fulfill-in-message") => vec![format!("ERROR {id} F00")],
            (_, "auth-bad-duplicate-names") => vec![format!("ERROR {id} F00")],
            // example.alice is in another network than test.n.
            (_, "message-ilp-prepare" | "message-ilp-prepare-81" | "message-ilp-prepare-82") => {
                vec![format!("RESPONSE {id} Reject F02")]
            }
            (_, "auth-bad-ilp-first") => vec![format!("RESPONSE {id} Reject F02")],
            // An ilp entry without a packet.
            (_, "js-message" | "outer-trailing" | "inner-trailing")
                if bytes.windows(3).any(|window| window == b"ilp") =>
            {
                vec![format!("RESPONSE {id} Reject F01")]
            }
            // An empty message gets an empty response; anything else, such as another login, gets F00.
            _ => match BtpFrame::parse(&bytes).unwrap().protocol_data.primary() {
                None => vec![format!("RESPONSE {id}")],
                Some(_) => vec![format!("ERROR {id} F00")],
            },
        };
        peer.send(&bytes);
        assert_eq!(peer.drain_frames(), expected, "{name}");
    }
    // Rows 82 and 84: the packet may be in any entry, with any content type; a second login changes nothing.
    let packet = prepare_to("test.nobody").encode();
    let odd = |content_type| ProtocolEntry {
        name: "odd",
        content_type: ContentType(content_type),
        data: b"x",
    };
    for content_type in [0, 1, 2, 3, 200, 255] {
        peer.send(&message(5, &[odd(content_type), ProtocolEntry::octets(ILP, &packet)]));
        assert_eq!(peer.receive_described(), "RESPONSE 5 Reject F02");
    }
    peer.send(&auth_frame(6, Some("alice"), "alice-token"));
    assert_eq!(peer.receive_described(), "RESPONSE 6");
    assert_eq!(node.counter("alice", "unreadableFrames"), 0);
    assert_eq!(node.balance("alice"), ["0", "0", "0"], "row 85");
}

#[test]
fn answers_carry_the_request_id_of_their_request_rows_75_to_77() {
    let node = TestNode::with_peers(&["alice", "bob"], "");
    let (mut alice, mut bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    for id in [0, 1, u32::MAX, u32::MAX - 1] {
        alice.send_prepare(id, &prepare_to("test.bob"));
        let (theirs, _) = bob.receive_prepare();
        // Row 77: bob's request has the id of the node's pending request.
        bob.send_prepare(theirs, &prepare_to("test.alice").data(b"other way"));
        let (back, _) = alice.receive_prepare();
        alice.answer(back, &fulfill_with(&PREIMAGE, b"a"));
        assert_eq!(bob.receive_described(), format!("RESPONSE {theirs} Fulfill"));
        bob.answer(theirs, &fulfill_with(&PREIMAGE, b"b"));
        assert_eq!(alice.receive_described(), format!("RESPONSE {id} Fulfill"));
    }
    // The same id is in flight from two peers, and twice from one.
    alice.send_prepare(7, &prepare_to("test.bob").data(b"1"));
    alice.send_prepare(7, &prepare_to("test.bob").data(b"2"));
    let (first, second) = (bob.receive_prepare().0, bob.receive_prepare().0);
    assert_ne!(first, second);
    bob.answer(second, &fulfill(&PREIMAGE));
    assert_eq!(alice.receive_described(), "RESPONSE 7 Fulfill");
    bob.answer(first, &reject(b"F99"));
    assert_eq!(alice.receive_described(), "RESPONSE 7 Reject F99");
    assert_eq!(node.account("alice")["packetsInFlight"]["received"], 0);
}

#[test]
fn unexpected_answers_change_nothing_and_invalid_ones_get_t00_rows_58_78_87() {
    let node = TestNode::with_peers(&["alice", "bob"], "");
    let (mut alice, mut bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    bob.answer(123, &fulfill(&PREIMAGE));
    bob.send(&hex_of("error-F00"));
    assert_eq!(bob.drain_frames(), [""; 0]);
    assert_eq!(node.counter("bob", "unexpectedAnswers"), 2);
    let time = GeneralizedTime::parse(b"20180831025324.899Z");
    let triggered_at = time.unwrap();
    let error = |id: u32, code: &[u8; 3], name: &'static str| {
        let body = FrameBody::Error { code: BtpErrorCode(*code), name, triggered_at, data: b"{}" };
        frame(id, &body, &[])
    };
    type Answering<'a> = &'a dyn Fn(u32) -> Vec<u8>;
    let twice = [ProtocolEntry::octets(ILP, b"1"), ProtocolEntry::octets(ILP, b"2")];
    let check = |alice: &mut Peer, bob: &mut Peer, answer: Answering<'_>, expected: &str| {
        alice.send_prepare(9, &prepare_to("test.bob"));
        let (id, _) = bob.receive_prepare();
        bob.send(&answer(id));
        assert_eq!(alice.receive_described(), format!("RESPONSE 9 {expected}"));
        // Row 58: later answers change nothing.
        bob.answer(id, &fulfill(&PREIMAGE));
        bob.answer(id, &reject(b"F00"));
        assert_eq!(bob.drain_frames(), [""; 0]);
        assert_eq!(alice.drain_frames(), [""; 0]);
    };
    check(&mut alice, &mut bob, &|id| error(id, b"F00", "NotAcceptedError"), "Reject T00");
    check(&mut alice, &mut bob, &|id| error(id, b"L13", "errorName"), "Reject T00");
    check(&mut alice, &mut bob, &|id| response(id, None), "Reject T00");
    check(&mut alice, &mut bob, &|id| response(id, Some(b"\x0d\x05junk")), "Reject T00");
    check(&mut alice, &mut bob, &|id| response(id, Some(&[])), "Reject T00");
    check(&mut alice, &mut bob, &|id| frame(id, &FrameBody::Response, &twice), "Reject T00");
    let prepare = prepare_to("test.bob").encode();
    check(&mut alice, &mut bob, &|id| response(id, Some(&prepare)), "Reject T00");
    assert_eq!(node.balance("alice"), ["0", "0", "0"]);
    assert_eq!(node.balance("bob"), ["0", "0", "0"]);
    check(&mut alice, &mut bob, &|id| response(id, Some(&fulfill(&PREIMAGE))), "Fulfill");
    assert_eq!(node.balance("alice"), ["100", "0", "0"]);
    assert_eq!(node.balance("bob"), ["-100", "0", "0"]);
}
