//! What other rooms ask of an account: whether it may be given up, and how long an answer may take.

use super::*;
use crate::account::Unsettled;

#[test]
fn an_account_is_idle_while_no_payment_from_or_to_it_is_in_flight() {
    let (node, alice, bob) = connected_alice_and_bob();
    let idle = || [&alice, &bob].map(|peer| peer.account.is_idle());
    assert_eq!(idle(), [true, true]);
    node.send(&alice, 1, &payment("test.bob", 5));
    assert_eq!(idle(), [false, false]);
    node.fulfill_one(&bob);
    assert_eq!(idle(), [true, true]);
}

#[test]
fn a_balance_is_in_the_way_of_giving_an_account_up() {
    let (node, alice, bob) = connected_alice_and_bob();
    node.send(&alice, 1, &payment("test.bob", 5));
    assert_eq!(alice.account.unsettled(), None, "what is in flight is no balance");
    node.fulfill_one(&bob);
    assert_eq!(alice.account.unsettled(), Unsettled::new(5, 0));
    assert_eq!(bob.account.unsettled(), Unsettled::new(-5, 0));
}

#[test]
fn the_time_left_for_an_answer_ends_at_the_outgoing_expiry() {
    let (node, alice, bob) = connected_alice_and_bob();
    node.send(&alice, 1, &payment("test.bob", 5));
    let id = node.prepare_id(&bob);
    let left = |after_ms| bob.account.time_left(id, node.now.mono.after_ms(after_ms));
    assert_eq!(left(0), Some(Duration::from_secs(9)));
    assert_eq!(left(8_999), Some(Duration::from_millis(1)));
    assert_eq!(left(9_000), None);
    assert_eq!(bob.account.time_left(RequestId(id.0.wrapping_add(1)), node.now.mono), None);
    node.answer(&bob, id, &fulfill(PREIMAGE, b""));
    assert_eq!(left(0), None, "it is not pending any more");
}

#[test]
fn a_login_and_a_prepare_have_different_ids() {
    let (node, alice, bob) = connected_alice_and_bob();
    let mut ids = vec![bob.account.next_request_id(), bob.account.next_request_id()];
    node.send(&alice, 1, &payment("test.bob", 5));
    ids.push(node.prepare_id(&bob));
    let first = ids[0].0;
    let expected = [0, 1, 2].map(|more| RequestId(first.wrapping_add(more)));
    assert_eq!(ids, expected);
}

#[test]
fn a_session_of_http_that_only_posts_gets_no_requests() {
    let node = alice_and_bob();
    let alice = node.connect("alice");
    let posted = node.connect_as("bob", SessionKind::Posted);
    assert!(!posted.account.is_connected());
    assert_eq!(node.send_rejected(&alice, &payment("test.bob", 5)), "T01");
    node.originate("bob", &payment("test.bob", 5), |_| {});
    assert_eq!(posted.outbox.waiting_bytes(), 0);
}
