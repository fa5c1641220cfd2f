//! Requests that the node itself sends: each has one outcome, which says whether the packet may be sent again.

use super::*;
use crate::link::Outcome;

/// A node with alice and bob, and the outcomes of its requests to bob.
struct OwnRequests {
    node: TestNode,
    outcomes: Arc<parking_lot::Mutex<Vec<Outcome>>>,
}

impl OwnRequests {
    fn new() -> Self {
        Self { node: alice_and_bob(), outcomes: Arc::default() }
    }

    /// Sends bob five units that expire after five seconds.
    fn send(&self) {
        let since_start_ms = self.node.now.wall.as_millis() - START_MS;
        let expires_in_ms = i64::try_from(since_start_ms).unwrap() + 5_000;
        let packet = payment_with("test.bob", 5, expires_in_ms, &[], PREIMAGE.condition());
        let outcomes = Arc::clone(&self.outcomes);
        self.node.originate("bob", &packet, move |outcome| outcomes.lock().push(outcome));
    }

    /// Sends a request, which bob answers.
    fn send_and_answer(&self, bob: &Peer, answer: PeerAnswer<'_>) -> String {
        self.send();
        let id = self.node.prepare_id(bob);
        let batch = self.node.connector.start_batch(self.node.now);
        assert!(batch.handle_answer(&bob.account, id, answer).was_pending());
        assert!(
            !batch.handle_answer(&bob.account, id, answer).was_pending(),
            "only the first answer counts"
        );
        self.outcome()
    }

    /// The only outcome since the last call, in short.
    fn outcome(&self) -> String {
        let mut outcomes = self.outcomes.lock();
        assert_eq!(outcomes.len(), 1, "{outcomes:?}");
        match outcomes.remove(0) {
            Outcome::Fulfilled { data, .. } => {
                format!("fulfilled {}", String::from_utf8(data).unwrap())
            }
            Outcome::Rejected(rejection) => {
                format!("rejected {} by {:?}", rejection.code, rejection.by)
            }
            Outcome::NotSent(cause) => format!("not sent {}", cause.code),
            Outcome::NoAnswer(cause) => format!("no answer {}", cause.code),
        }
    }
}

#[test]
fn the_peers_answer_is_the_outcome() {
    let own = OwnRequests::new();
    let bob = own.node.connect("bob");
    let check = |packet: &[u8], expected: &str| {
        assert_eq!(own.send_and_answer(&bob, PeerAnswer::Packet(packet)), expected);
    };
    check(&fulfill(PREIMAGE, b"fine"), "fulfilled fine");
    check(&reject(ErrorCode::F02, Some("test.far"), "no", b""), "rejected F02 by \"test.far\"");
    check(&reject(ErrorCode::T00, None, "", b""), "rejected T00 by \"\"");
    // Any hop can claim to be this node; the Reject still comes from the peer.
    check(&reject(ErrorCode::R00, Some("test.node"), "", b""), "rejected R00 by \"test.node\"");
    assert_eq!(own.node.balance("bob"), -5);
}

#[test]
fn a_packet_that_may_have_arrived_has_no_answer_unless_the_peer_gives_one() {
    let mut own = OwnRequests::new();
    let bob = own.node.connect("bob");
    let wrong = fulfill(Fulfillment([8; 32]), b"");
    for (answer, code) in [
        (PeerAnswer::Packet(&wrong), "F05"),
        (PeerAnswer::Packet(b"garbage"), "T00"),
        (PeerAnswer::Packet(&payment("test.node", 1)), "T00"),
        (PeerAnswer::Empty, "T00"),
        (PeerAnswer::Error, "T00"),
        (PeerAnswer::Unreachable, "T01"),
        (PeerAnswer::Busy, "T03"),
        (PeerAnswer::Declined, "F00"),
    ] {
        assert_eq!(own.send_and_answer(&bob, answer), format!("no answer {code}"), "{answer:?}");
    }
    // No answer until the expiry, although the session is lost before.
    own.send();
    own.node.prepare_id(&bob);
    own.node.disconnect(&bob);
    assert!(own.outcomes.lock().is_empty(), "an answer may come on another session");
    own.node.advance(Duration::from_secs(5));
    assert_eq!(own.outcome(), "no answer R00");
    // One byte was written.
    let bob = own.node.connect("bob");
    own.send();
    own.node.write_byte_and_disconnect(&bob);
    assert!(own.outcomes.lock().is_empty());
    own.node.connector.reject_all_pending(own.node.now);
    assert_eq!(own.outcome(), "no answer T00");
}

#[test]
fn a_packet_of_which_no_byte_was_written_was_not_sent() {
    let mut own = OwnRequests::new();
    own.send();
    assert_eq!(own.outcome(), "not sent T01", "no session");
    let bob = own.node.connect("bob");
    own.send();
    own.node.disconnect(&bob);
    assert_eq!(own.outcome(), "not sent T01", "the session was lost");
    let bob = own.node.connect("bob");
    own.send();
    let newer = own.node.connect("bob");
    assert_eq!(own.outcome(), "not sent T01", "the session was replaced");
    drop((bob, newer));
    // A packet that is still in the outbox at its expiry may be written later.
    own.send();
    own.node.advance(Duration::from_secs(5));
    assert_eq!(own.outcome(), "no answer R00");
    let mut poor = peer("bob");
    poor.limits.min_balance = Some(-4);
    let node = node(settings(vec![poor], &[]));
    let own = OwnRequests { node, outcomes: Arc::default() };
    let _bob = own.node.connect("bob");
    own.send();
    assert_eq!(own.outcome(), "not sent T04", "a limit");
}
