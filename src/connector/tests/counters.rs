//! What the counters of an account count.

use super::*;

/// Prepares to bob that ended without an answer in time, answers of bob that belonged to no packet or came too late,
/// and fulfillments that did not match.
fn answers(node: &TestNode) -> (u64, u64, u64) {
    let stats = node.account("bob").stats;
    (stats.timeouts, stats.unexpected_answers, stats.wrong_fulfillments)
}

#[test]
fn answers_that_change_no_balance_are_counted_by_what_is_wrong() {
    let (mut node, alice, bob) = connected_alice_and_bob();
    let ask = |node: &TestNode, id| {
        node.send(&alice, id, &payment_with("test.bob", 5, 10_000, b"", PREIMAGE.condition()));
        node.prepare_id(&bob)
    };
    for times in 1..3 {
        let id = ask(&node, 1);
        node.answer(&bob, id, &fulfill(Fulfillment([8; 32]), b""));
        assert_eq!(node.reject_code(&alice), "F05");
        assert_eq!(answers(&node), (0, 0, times));
    }
    for times in 1..3 {
        node.answer(&bob, RequestId(4_000), &fulfill(PREIMAGE, b""));
        assert_eq!(answers(&node), (0, times, 2));
    }
    // At the deadline, before it was looked at.
    let ids = [ask(&node, 2), ask(&node, 3)];
    node.now.mono = node.now.mono.after(Duration::from_secs(10));
    for (id, times) in ids.into_iter().zip(1..) {
        node.answer(&bob, id, &fulfill(PREIMAGE, b""));
        assert_eq!(node.reject_code(&alice), "R00");
        assert_eq!(answers(&node), (times, 2 + times, 2));
    }
    assert_eq!((node.balance("alice"), node.balance("bob")), (0, 0));
}

#[test]
fn packets_of_both_directions_are_counted_with_their_answers() {
    let (node, alice, bob) = connected_alice_and_bob();
    for times in 1..3 {
        node.send(&alice, 1, &payment("test.bob", 5));
        node.fulfill_one(&bob);
        node.read(&alice);
        assert_eq!(node.send_rejected(&alice, &payment("test.nobody", 5)), "F02");
        let (alice, bob) = (node.account("alice").stats, node.account("bob").stats);
        assert_eq!((alice.received.prepares, bob.sent.prepares), (2 * times, times));
        assert_eq!((alice.sent.fulfills, bob.received.fulfills), (times, times));
        assert_eq!(alice.sent.rejects.iter().sum::<u64>(), times);
    }
}

#[test]
fn each_packet_that_has_no_answer_until_its_deadline_is_counted() {
    let (mut node, alice, bob) = connected_alice_and_bob();
    for id in 1..4 {
        node.send(&alice, id, &payment("test.bob", 5));
        node.prepare_id(&bob);
    }
    node.advance(Duration::from_millis(8_999));
    assert_eq!(answers(&node), (0, 0, 0));
    node.advance(Duration::from_millis(1));
    assert_eq!((answers(&node), node.read(&alice).len()), ((3, 0, 0), 3));
}
