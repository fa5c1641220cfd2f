//! Every error code that a node raises itself: when, with which words, and signed by whom. Checklist rows 19 and 21.

use std::collections::BTreeSet;

use ilp_connector::wire::btp::{BtpErrorCode, RequestId, put_error};
use ilp_connector::wire::ilp::{Packet, Prepare};
use ilp_connector::wire::{Condition, Fulfillment, Timestamp};

use crate::peer::{Ask, Daemon, PATIENCE, Peer, ask, describe, fulfill, message, reject, respond};
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

/// What was seen of the node's own Rejects.
struct Codes(BTreeSet<String>);

impl Codes {
    /// The next frame is a Reject of the node itself with this code, and these words in its message.
    fn expect(&mut self, peer: &mut Peer, code: &str, words: &str) {
        let got = peer.frame();
        let reject = match got.ilp.as_deref().map(Packet::parse) {
            Some(Ok(Packet::Reject(reject))) => reject,
            _ => panic!("{} instead of {code}", describe(&got)),
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
fn every_code_that_the_node_raises_rows_19_21() {
    let node = Daemon::start(FILE);
    let mut codes = Codes(BTreeSet::new());
    let (mut alice, mut bob) = (node.peer("alice"), node.peer("bob"));
    let (_coarse, _fine) = (node.peer("coarse"), node.peer("fine"));
    let mut check = |peer: &mut Peer, ask: &Ask, code: &str, words: &str| {
        peer.ask(1, ask);
        codes.expect(peer, code, words);
    };
    let to_bob = || ask("test.bob");
    // Final errors.
    let config = ask("peer.config").amount(0).condition(Fulfillment::ZERO.condition());
    check(&mut alice, &config, "F00", "child");
    check(&mut alice, &ask("peer.unknown"), "F01", "peer.");
    check(&mut alice, &ask("test.nobody"), "F02", "no route");
    check(&mut alice, &ask("g.bob"), "F02", "no route");
    check(&mut alice, &ask("test.alice.x"), "F02", "no route");
    check(&mut alice, &ask("test.n"), "F06", "");
    check(&mut node.peer("small"), &to_bob().amount(11), "F08", "maximum of 10");
    // More than the balance could ever bear.
    check(&mut node.peer("poor"), &to_bob().amount(11), "F08", "maximum of 10");
    check(&mut alice, &ask("test.fine").amount(u64::MAX), "F08", "at most 18446744073");
    // Relative errors.
    check(&mut alice, &ask("test.coarse").amount(9_999_999), "R01", "rounds to zero");
    check(&mut alice, &to_bob().within(-1000), "R02", "expired");
    check(&mut alice, &to_bob().within(1500), "R02", "this hop needs 2000 ms");
    // Temporary errors.
    check(&mut alice, &ask("test.away"), "T01", "away is not connected");
    let mut slow = node.peer("slow");
    eventually("the rate is exceeded", PATIENCE, || {
        slow.ask(1, &ask("test.nobody"));
        let got = slow.frame();
        if describe(&got).ends_with("T05") { Ok(()) } else { Err(describe(&got)) }
    });
    codes.0.insert("T05".to_owned());
    // Those that take a next hop.
    let mut poor = node.peer("poor");
    poor.ask(1, &to_bob().amount(10));
    let (held, _) = bob.prepare();
    poor.ask(2, &to_bob().amount(10));
    codes.expect(&mut poor, "T04", "more than its maximum balance allows");
    bob.answer(held, &reject(b"F99"));
    assert_eq!(poor.next(), "RESPONSE 1 Reject F99");
    let mut busy = node.peer("busy");
    busy.ask(1, &to_bob());
    let (held, _) = bob.prepare();
    busy.ask(2, &to_bob());
    codes.expect(&mut busy, "T03", "in flight");
    bob.answer(held, &fulfill(&Fulfillment([9; 32])));
    codes.expect(&mut busy, "F05", "bob answered with a fulfillment that does not match");
    let mut through = |answer: &dyn Fn(u32) -> Vec<u8>, code: &str, words: &str| {
        alice.ask(1, &to_bob());
        let (id, _) = bob.prepare();
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
    through(&|id| respond(id, None), "T00", "bob gave an answer that cannot be read");
    alice.ask(1, &to_bob().within(2100));
    let (_, packet) = bob.prepare();
    codes.expect(&mut alice, "R00", "bob did not answer in time");
    assert!(Prepare::parse(&packet).unwrap().expires_at <= crate::peer::now());
    // What cannot be read.
    alice.send(&message(
        1,
        &[ilp_connector::wire::btp::ProtocolEntry::octets("ilp", b"\x0c\x01\x00")],
    ));
    codes.expect(&mut alice, "F01", "not a valid Prepare");
    // Stopping: a packet in flight holds the node while new ones are refused, then it is rejected.
    alice.ask(1, &to_bob().within(30_000).condition(Condition([3; 32])));
    bob.prepare();
    node.running.signal("TERM");
    eventually("the node refuses new packets", PATIENCE, || {
        alice.ask(2, &to_bob().amount(0));
        let got = alice.frame();
        // It may have heard the packet before the signal.
        if got.ilp.as_deref().is_some_and(|packet| packet.windows(3).any(|code| code == b"T03")) {
            Ok(())
        } else {
            Err(describe(&got))
        }
    });
    codes.expect(&mut alice, "T00", "this connector stopped");
    let all = [
        "F00", "F01", "F02", "F05", "F06", "F08", "R00", "R01", "R02", "T00", "T01", "T03", "T04",
        "T05",
    ];
    assert_eq!(codes.0.iter().map(String::as_str).collect::<Vec<_>>(), all);
}
