//! Every error code of the node itself: its cause, its text and `triggeredBy`. Checklist rows 19 and 21.

use std::collections::BTreeSet;

use ilp_connector::wire::btp::{BtpErrorCode, RequestId, put_error};
use ilp_connector::wire::ilp::{Packet, Prepare};
use ilp_connector::wire::{Condition, Fulfillment, Timestamp};

use crate::peer::{
    Peer, TIMEOUT, TestNode, TestPrepare, describe_frame, fulfill, message, prepare_to, reject,
    response,
};
use crate::support::eventually;

const FILE: &str = "nodeId: n\nilpAddress: test.n\nshutdownGraceMs: 3000\npeers:\n\
      - { id: alice, authToken: alice-token }\n\
      - { id: bob, authToken: bob-token }\n\
      - { id: small, maxPacketAmount: 10, authToken: small-token }\n\
      - { id: poor, maxBalance: 10, authToken: poor-token }\n\
      - { id: busy, maxPacketsInFlight: 1, authToken: busy-token }\n\
      - { id: slow, packetsPerSecond: 1, authToken: slow-token }\n\
      - { id: coarse, assetScale: 2, authToken: coarse-token }\n\
      - { id: fine, assetScale: 18, authToken: fine-token }\n\
      - { id: away, authToken: away-token }\n\
    routes:\n  - { prefix: test.bob, nextHop: bob }\n  - { prefix: test.coarse, nextHop: coarse }\n  \
      - { prefix: test.fine, nextHop: fine }\n  - { prefix: test.away, nextHop: away }\n";

/// The codes of the node's own Rejects so far.
struct Codes(BTreeSet<String>);

impl Codes {
    /// Expects the next frame to be a Reject of the node itself with this code, and these words in its message.
    fn expect(&mut self, peer: &mut Peer, code: &str, words: &str) {
        let got = peer.receive();
        let reject = match got.ilp.as_deref().map(Packet::parse) {
            Some(Ok(Packet::Reject(reject))) => reject,
            _ => panic!("{} instead of {code}", describe_frame(&got)),
        };
        let text = str::from_utf8(reject.message).unwrap();
        assert_eq!(reject.code.to_string(), code, "{text}");
        let by = reject.triggered_by.map(|address| address.as_str().to_owned());
        assert_eq!(by.as_deref(), Some("test.n"), "row 19: {code}");
        assert!(text.contains(words), "{code}: {text}");
        self.0.insert(code.to_owned());
    }
}

#[test]
fn each_error_code_of_the_node_has_its_cause_and_text_rows_19_21() {
    let node = TestNode::start(FILE);
    let mut codes = Codes(BTreeSet::new());
    let (mut alice, mut bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    let (_coarse, _fine) = (node.connect_peer("coarse"), node.connect_peer("fine"));
    let mut check = |peer: &mut Peer, prepare: &TestPrepare, code: &str, words: &str| {
        peer.send_prepare(1, prepare);
        codes.expect(peer, code, words);
    };
    let to_bob = || prepare_to("test.bob");
    // Final errors.
    let config = prepare_to("peer.config").amount(0).condition(Fulfillment::ZERO.condition());
    check(&mut alice, &config, "F00", "child");
    check(&mut alice, &prepare_to("peer.unknown"), "F01", "peer.");
    check(&mut alice, &prepare_to("test.nobody"), "F02", "no route");
    check(&mut alice, &prepare_to("g.bob"), "F02", "no route");
    check(&mut alice, &prepare_to("test.alice.x"), "F02", "no route");
    check(&mut alice, &prepare_to("test.n"), "F06", "");
    check(&mut node.connect_peer("small"), &to_bob().amount(11), "F08", "maximum of 10");
    // More than `maxBalance`, whatever the balance is.
    check(&mut node.connect_peer("poor"), &to_bob().amount(11), "F08", "maximum of 10");
    check(&mut alice, &prepare_to("test.fine").amount(u64::MAX), "F08", "at most 18446744073");
    // Relative errors.
    check(&mut alice, &prepare_to("test.coarse").amount(9_999_999), "R01", "rounds to zero");
    check(&mut alice, &to_bob().expires_in_ms(-1000), "R02", "expired");
    check(&mut alice, &to_bob().expires_in_ms(1500), "R02", "this hop needs 2000 ms");
    // Temporary errors.
    check(&mut alice, &prepare_to("test.away"), "T01", "away is not connected");
    let mut slow = node.connect_peer("slow");
    eventually("the rate is exceeded", TIMEOUT, || {
        slow.send_prepare(1, &prepare_to("test.nobody"));
        let got = slow.receive();
        if describe_frame(&got).ends_with("T05") { Ok(()) } else { Err(describe_frame(&got)) }
    });
    codes.0.insert("T05".to_owned());
    // Codes that involve a next hop.
    let mut poor = node.connect_peer("poor");
    poor.send_prepare(1, &to_bob().amount(10));
    let (held, _) = bob.receive_prepare();
    poor.send_prepare(2, &to_bob().amount(10));
    codes.expect(&mut poor, "T04", "more than its maximum balance allows");
    bob.answer(held, &reject(b"F99"));
    assert_eq!(poor.receive_described(), "RESPONSE 1 Reject F99");
    let mut busy = node.connect_peer("busy");
    busy.send_prepare(1, &to_bob());
    let (held, _) = bob.receive_prepare();
    busy.send_prepare(2, &to_bob());
    codes.expect(&mut busy, "T03", "in flight");
    bob.answer(held, &fulfill(&Fulfillment([9; 32])));
    codes.expect(&mut busy, "F05", "bob answered with a fulfillment that does not match");
    let mut through = |answer: &dyn Fn(u32) -> Vec<u8>, code: &str, words: &str| {
        alice.send_prepare(1, &to_bob());
        let (id, _) = bob.receive_prepare();
        bob.send(&answer(id));
        codes.expect(&mut alice, code, words);
    };
    let refused = |id: u32| {
        let mut frame = Vec::new();
        let now = Timestamp::EPOCH;
        put_error(
            RequestId(id),
            BtpErrorCode::NOT_ACCEPTED,
            "NotAcceptedError",
            now,
            b"",
            &mut frame,
        );
        frame
    };
    through(&refused, "T00", "bob could not process");
    through(&|id| response(id, None), "T00", "bob gave an answer that cannot be read");
    alice.send_prepare(1, &to_bob().expires_in_ms(4000));
    let (_, packet) = bob.receive_prepare();
    codes.expect(&mut alice, "R00", "bob did not answer in time");
    assert!(Prepare::parse(&packet).unwrap().expires_at <= crate::peer::now());
    // An unreadable packet.
    alice.send(&message(
        1,
        &[ilp_connector::wire::btp::ProtocolEntry::octets("ilp", b"\x0c\x01\x00")],
    ));
    codes.expect(&mut alice, "F01", "not a valid Prepare");
    // While the node stops, new packets are refused; at the end of the grace period the packet in flight is rejected.
    alice.send_prepare(1, &to_bob().expires_in_ms(30_000).condition(Condition([3; 32])));
    bob.receive_prepare();
    node.process.signal("TERM");
    node.process.wait_for_log("stopping", "in_flight");
    eventually("the node refuses new packets", TIMEOUT, || {
        alice.send_prepare(2, &to_bob().amount(0));
        let got = alice.receive();
        // The packet may have arrived before the signal.
        if got.ilp.as_deref().is_some_and(|packet| packet.windows(3).any(|code| code == b"T03")) {
            Ok(())
        } else {
            Err(describe_frame(&got))
        }
    });
    codes.expect(&mut alice, "T00", "this connector stopped");
    let all = [
        "F00", "F01", "F02", "F05", "F06", "F08", "R00", "R01", "R02", "T00", "T01", "T03", "T04",
        "T05",
    ];
    assert_eq!(codes.0.iter().map(String::as_str).collect::<Vec<_>>(), all);
}
