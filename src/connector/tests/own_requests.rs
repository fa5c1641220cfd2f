//! Requests of the node's own: each has one outcome, and the outcome says whether the packet may be sent again.

use super::*;
use crate::link::Outcome;

/// alice, bob, and what became of the requests that the node sent to bob.
struct Asking {
    net: Net,
    outcomes: Arc<parking_lot::Mutex<Vec<Outcome>>>,
}

impl Asking {
    fn new() -> Self {
        Asking { net: alice_and_bob(), outcomes: Arc::default() }
    }

    /// Sends bob five units that expire after five seconds.
    fn ask(&self) {
        let since_start_ms = self.net.now.wall.as_millis() - START_MS;
        let expires_in_ms = i64::try_from(since_start_ms).unwrap() + 5_000;
        let packet = payment_with("test.bob", 5, expires_in_ms, &[], PREIMAGE.condition());
        let prepare = Prepare::parse(&packet).unwrap();
        let outcomes = Arc::clone(&self.outcomes);
        let to = "bob".parse().unwrap();
        self.net.connector.originate_prepare(&to, &prepare, self.net.now, move |outcome| {
            outcomes.lock().push(outcome);
        });
    }

    /// Asks, and lets bob answer.
    fn answered(&self, bob: &Peer, answer: PeerAnswer<'_>) -> String {
        self.ask();
        let id = self.net.prepare_id(bob);
        let turn = self.net.connector.start_batch(self.net.now);
        assert!(turn.handle_answer(&bob.account, id, answer));
        assert!(!turn.handle_answer(&bob.account, id, answer), "only the first answer counts");
        self.outcome()
    }

    /// The one outcome since the last look, in short.
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
fn an_answer_of_the_peer() {
    let asking = Asking::new();
    let bob = asking.net.connect("bob");
    let check = |packet: &[u8], expected: &str| {
        assert_eq!(asking.answered(&bob, PeerAnswer::Packet(packet)), expected);
    };
    check(&fulfill(PREIMAGE, b"fine"), "fulfilled fine");
    check(&reject(ErrorCode::F02, Some("test.far"), "no", b""), "rejected F02 by \"test.far\"");
    check(&reject(ErrorCode::T00, None, "", b""), "rejected T00 by \"\"");
    // Every hop can claim to be this node: it is a Reject of the peer all the same.
    check(&reject(ErrorCode::R00, Some("test.node"), "", b""), "rejected R00 by \"test.node\"");
    assert_eq!(asking.net.balance("bob"), -5);
}

#[test]
fn a_packet_that_may_have_arrived_has_no_answer_unless_the_peer_gives_one() {
    let mut asking = Asking::new();
    let bob = asking.net.connect("bob");
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
        assert_eq!(asking.answered(&bob, answer), format!("no answer {code}"), "{answer:?}");
    }
    // Silence; also when the session that it was written to is lost.
    asking.ask();
    asking.net.prepare_id(&bob);
    asking.net.lose(&bob);
    assert!(asking.outcomes.lock().is_empty(), "an answer may come on another session");
    asking.net.pass(Duration::from_secs(5));
    assert_eq!(asking.outcome(), "no answer R00");
    // One byte was written.
    let bob = asking.net.connect("bob");
    asking.ask();
    let mut first = true;
    let mut written = 0;
    let write = |_: &[u8]| {
        if std::mem::take(&mut first) { Poll::Ready(Ok(1)) } else { Poll::Pending }
    };
    assert!(bob.outbox.write_to(write, &mut written).is_pending());
    asking.net.lose(&bob);
    assert!(asking.outcomes.lock().is_empty());
    asking.net.connector.reject_pending(asking.net.now);
    assert_eq!(asking.outcome(), "no answer T00");
}

#[test]
fn a_packet_of_which_no_byte_was_written_was_not_sent() {
    let mut asking = Asking::new();
    asking.ask();
    assert_eq!(asking.outcome(), "not sent T01", "no session");
    let bob = asking.net.connect("bob");
    asking.ask();
    asking.net.lose(&bob);
    assert_eq!(asking.outcome(), "not sent T01", "the session was lost");
    let bob = asking.net.connect("bob");
    asking.ask();
    let newer = asking.net.connect("bob");
    assert_eq!(asking.outcome(), "not sent T01", "the session was replaced");
    drop((bob, newer));
    // What waits in the outbox until its time is up may be written later.
    asking.ask();
    asking.net.pass(Duration::from_secs(5));
    assert_eq!(asking.outcome(), "no answer R00");
    let mut poor = peer("bob");
    poor.limits.min_balance = Some(-4);
    let net = net(settings(vec![poor], &[]));
    let asking = Asking { net, outcomes: Arc::default() };
    let _bob = asking.net.connect("bob");
    asking.ask();
    assert_eq!(asking.outcome(), "not sent T04", "a limit");
}
