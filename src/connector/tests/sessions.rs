//! Packets survive the loss and the replacement of sessions (D5).

use super::*;
use crate::link::{CloseRequest, TokenFingerprint};

#[test]
fn unwritten_prepares_are_rejected_and_written_ones_may_still_be_answered() {
    let (mut node, alice, bob) = connected_alice_and_bob();
    node.send(&alice, 1, &payment("test.bob", 1));
    let written = node.prepare_id(&bob);
    node.send(&alice, 2, &payment("test.bob", 2));
    node.disconnect(&bob);
    assert!(
        matches!(node.read_one(&alice), Received::Reject { id: RequestId(2), code, .. } if code == "T01")
    );
    assert_eq!(node.send_rejected(&alice, &payment("test.bob", 3)), "T01");
    let bob = node.connect("bob");
    node.answer(&bob, written, &fulfill(PREIMAGE, b""));
    assert!(matches!(node.read_one(&alice), Received::Fulfill { id: RequestId(1), .. }));
    assert_eq!((node.balance("alice"), node.balance("bob")), (1, -1));
    node.send(&alice, 4, &payment("test.bob", 4));
    node.prepare_id(&bob);
    node.disconnect(&bob);
    node.advance(Duration::from_secs(10));
    assert_eq!(node.reject_code(&alice), "R00");
    assert_eq!(node.account("bob").held_out, 0);
}

#[test]
fn a_prepare_of_which_one_byte_was_written_counts_as_written() {
    let (node, alice, bob) = connected_alice_and_bob();
    for id in [1, 2] {
        node.send(&alice, id, &payment("test.bob", 1));
    }
    node.write_byte_and_disconnect(&bob);
    assert!(matches!(node.read_one(&alice), Received::Reject { id: RequestId(2), .. }));
    assert_eq!(node.connector.in_flight(), 1);
}

#[test]
fn requests_use_the_dialled_session_and_answers_that_of_their_request() {
    let node = alice_and_bob();
    let alice = node.connect("alice");
    let accepted = node.connect_as("bob", SessionKind::Accepted);
    let dialled = node.connect_as("bob", SessionKind::Dialled);
    node.send(&alice, 1, &payment("test.bob", 1));
    let id = node.prepare_id(&dialled);
    node.answer(&accepted, id, &fulfill(PREIMAGE, b""));
    assert_eq!(node.read(&alice).len(), 1, "an answer counts on any session of the account");
    assert_eq!(node.send_rejected(&accepted, &payment("test.node.x", 1)), "F02");
    assert!(node.read(&dialled).is_empty());
    node.disconnect(&dialled);
    node.send(&alice, 3, &payment("test.bob", 1));
    node.prepare_id(&accepted);
}

#[test]
fn an_answer_whose_session_is_lost_uses_another() {
    let node = alice_and_bob();
    let bob = node.connect("bob");
    let accepted = node.connect_as("alice", SessionKind::Accepted);
    let dialled = node.connect_as("alice", SessionKind::Dialled);
    for id in [1, 2] {
        node.send(&accepted, id, &payment("test.bob", 1));
    }
    node.send(&dialled, 2, &payment("test.bob", 1));
    let ids = node.prepare_ids(&bob);
    node.disconnect(&accepted);
    node.answer(&bob, ids[0], &fulfill(PREIMAGE, b"1"));
    node.answer(&bob, ids[1], &fulfill(PREIMAGE, b"2"));
    let seen = node.read(&dialled);
    assert!(matches!(seen.as_slice(), [Received::Fulfill { id: RequestId(1), .. }]), "{seen:?}");
    assert_eq!(node.account("alice").stats.dropped_answers, 1, "id 2 is in flight there");
    node.answer(&bob, ids[2], &fulfill(PREIMAGE, b"3"));
    assert!(matches!(node.read_one(&dialled), Received::Fulfill { id: RequestId(2), .. }));
    assert_eq!(node.balance("alice"), 3, "fulfilled packets count even if the answer is dropped");
    assert_eq!(node.account("alice").in_flight_from, 0);
}

#[test]
fn unwritten_answers_move_to_another_session() {
    let node = alice_and_bob();
    let accepted = node.connect_as("alice", SessionKind::Accepted);
    let dialled = node.connect_as("alice", SessionKind::Dialled);
    node.send(&accepted, 1, &payment("test.nowhere", 1));
    node.disconnect(&accepted);
    assert!(matches!(node.read_one(&dialled), Received::Reject { id: RequestId(1), .. }));
    node.send(&dialled, 2, &payment("test.nowhere", 1));
    let accepted = node.connect_as("alice", SessionKind::Accepted);
    node.disconnect(&dialled);
    assert!(
        matches!(node.read_one(&accepted), Received::Reject { id: RequestId(2), .. }),
        "its frame was unmasked"
    );
    node.send(&accepted, 3, &payment("test.nowhere", 1));
    node.disconnect(&accepted);
    assert_eq!(node.account("alice").stats.dropped_answers, 1);
}

#[test]
fn a_second_login_replaces_the_first() {
    let node = alice_and_bob();
    let alice = node.connect("alice");
    let old = node.connect("bob");
    node.send(&alice, 1, &payment("test.bob", 1));
    let id = node.prepare_id(&old);
    let new = node.connect("bob");
    assert!(is_replaced(&old));
    node.disconnect(&old);
    assert!(node.account("bob").sessions.len() == 1 && new.account.is_connected());
    node.answer(&new, id, &fulfill(PREIMAGE, b""));
    assert_eq!(node.read(&alice).len(), 1);
    node.send(&alice, 2, &payment("test.bob", 1));
    node.prepare_id(&new);
}

#[test]
fn a_reload_keeps_balances_and_packets_in_flight() {
    let (node, alice, bob) = connected_alice_and_bob();
    node.send(&alice, 1, &payment("test.bob", 10));
    let id = node.prepare_id(&bob);

    node.apply(settings(vec![peer("carl"), peer("alice")], &[("test.carl", "carl")]));
    assert!(node.account("bob").removed);
    assert_eq!(node.send_rejected(&alice, &payment("test.bob", 10)), "F02");
    node.answer(&bob, id, &fulfill(PREIMAGE, b""));
    assert_eq!(node.read(&alice).len(), 1, "a packet in flight is still answered");
    assert_eq!(node.send_rejected(&bob, &payment("test.alice", 1)), "F00");
    let carl = node.connect("carl");
    node.send(&alice, 3, &payment("test.carl", 1));
    node.prepare_id(&carl);

    node.apply(settings(vec![peer("bob"), peer("alice")], &[("test.bob", "bob")]));
    assert_eq!((node.balance("bob"), node.balance("alice")), (-10, 10));
    node.send(&alice, 4, &payment("test.bob", 1));
    node.prepare_id(&bob);

    let wrong = node.connector.apply_settings(settings(vec![peer("bob")], &[("test.x", "nobody")]));
    assert!(matches!(wrong, Err(RegistryError::UnknownNextHop { .. })));
    let other_asset = settings(vec![with_asset(peer("bob"), "EUR", 2)], &[]);
    assert_eq!(
        node.connector.apply_settings(other_asset),
        Err(RegistryError::AssetInUse("bob".parse().unwrap()))
    );
    assert_eq!(node.balance("bob"), -10, "an error changes nothing");
}

#[test]
fn a_stop_closes_the_sessions_of_removed_peers_too() {
    let (node, alice, bob) = connected_alice_and_bob();
    node.apply(settings(vec![peer("alice")], &[]));
    node.connector.close_all_sessions(CloseRequest { code: 1001, reason: "stopping" });
    for peer in [alice, bob] {
        assert_eq!(peer.outbox.close_request().map(|request| request.code), Some(1001));
    }
}

#[test]
fn settings_that_are_refused_change_nothing() {
    let node = alice_and_bob();
    let alice = node.connect("alice");
    let mut tight = peer("alice");
    tight.limits.max_packets_in_flight = 1;
    let wrong = settings(vec![tight, peer("carol")], &[("test.bob", "nobody")]);
    assert!(matches!(
        node.connector.apply_settings(wrong),
        Err(RegistryError::UnknownNextHop { .. })
    ));
    assert!(node.connector.account("carol").is_none());
    node.connect("bob");
    for id in 0..2 {
        node.send(&alice, id, &payment("test.bob", 1));
    }
    assert_eq!(node.read(&alice), [], "the old limits hold");
}

/// alice, who may have several sessions, and bob.
fn several(max_sessions: usize) -> TestNode {
    node(several_settings(max_sessions))
}

fn several_settings(max_sessions: usize) -> ConnectorSettings {
    let mut settings = connector_settings("node", &["alice", "bob"]);
    settings.accounts[0].limits.max_sessions = max_sessions;
    settings
}

fn is_replaced(peer: &Peer) -> bool {
    peer.outbox.close_request() == Some(CloseRequest { code: 1008, reason: "replaced" })
}

#[test]
fn sessions_of_one_account_get_their_own_answers() {
    let node = several(3);
    let bob = node.connect("bob");
    let programs = [node.connect("alice"), node.connect("alice"), node.connect("alice")];
    // The same id on each.
    for program in &programs {
        node.send(program, 5, &payment("test.bob", 1));
    }
    for (n, id) in node.prepare_ids(&bob).into_iter().enumerate().rev() {
        node.answer(&bob, id, &fulfill(PREIMAGE, &[u8::try_from(n).unwrap()]));
    }
    for (n, program) in programs.iter().enumerate() {
        let Received::Fulfill { id, data, .. } = node.read_one(program) else { panic!() };
        assert_eq!((id, data), (RequestId(5), vec![u8::try_from(n).unwrap()]));
    }
    assert_eq!(node.balance("alice"), 3);
}

#[test]
fn a_prepare_goes_to_the_newest_session_that_has_space() {
    let mut with = several_settings(3);
    with.accounts[0].limits.outbox_bytes_max = 300;
    let node = node(with);
    let bob = node.connect("bob");
    let (first, second) = (node.connect("alice"), node.connect("alice"));
    let mut sent = 0;
    while node.read(&bob).is_empty() {
        sent += 1;
        node.send(&bob, sent, &payment("test.alice", 1));
    }
    let newest = node.read(&second).len();
    let other = node.read(&first).len();
    assert!(newest >= 2 && other >= 2, "first the newest, then the other: {newest}, {other}");
    assert_eq!(newest + other + 1, sent as usize);
    node.disconnect(&second);
    node.send(&bob, 100, &payment("test.alice", 1));
    node.prepare_id(&first);
    // A dialled session comes before the accepted ones.
    let dialled = node.connect_as("alice", SessionKind::Dialled);
    node.connect("alice");
    node.send(&bob, 101, &payment("test.alice", 1));
    node.prepare_id(&dialled);
}

#[test]
fn one_session_too_many_replaces_the_oldest_of_its_kind() {
    let node = several(2);
    let dialled = node.connect_as("alice", SessionKind::Dialled);
    let posted = node.connect_as("alice", SessionKind::Posted);
    let [first, second, third] = [(); 3].map(|()| node.connect("alice"));
    assert!(is_replaced(&first));
    assert!(![&second, &third, &dialled, &posted].into_iter().any(is_replaced));
    assert_eq!(node.account("alice").sessions.len(), 4);
    node.disconnect(&first);
    assert_eq!(node.account("alice").sessions.len(), 4, "it was removed before");
    node.apply(several_settings(1));
    assert!(is_replaced(&second) && !is_replaced(&third), "the limit holds at once");
    node.connect("alice");
    node.disconnect(&second);
    assert_eq!(node.account("alice").sessions.len(), 3);
}

#[test]
fn answers_of_a_lost_session_use_the_newest_where_their_id_is_free() {
    let node = several(3);
    let bob = node.connect("bob");
    let [first, second, third] = [(); 3].map(|()| node.connect("alice"));
    for (program, id) in [(&first, 1), (&first, 2), (&third, 2)] {
        node.send(program, id, &payment("test.bob", 1));
    }
    let ids = node.prepare_ids(&bob);
    node.disconnect(&first);
    ids.into_iter().for_each(|id| node.answer(&bob, id, &fulfill(PREIMAGE, b"")));
    let ids = |peer: &Peer| -> Vec<u32> {
        let seen = node.read(peer).into_iter().map(|seen| match seen {
            Received::Fulfill { id, .. } => id.0,
            other => panic!("{other:?}"),
        });
        seen.collect()
    };
    assert_eq!(ids(&third), [1, 2], "its own 2, and the 1 of the first");
    assert_eq!(ids(&second), [2], "on the third session, the 2 of the first would be ambiguous");
}

#[test]
fn sessions_of_tokens_that_are_still_valid_are_not_closed() {
    let node = alice_and_bob();
    let account = node.connector.account("alice").unwrap();
    let (old, new) = (TokenFingerprint([1; 32]), TokenFingerprint([2; 32]));
    let attach = |kind, login| {
        let outbox = Outbox::new(Framing::Server, account.outbox_bytes_max());
        node.connector.attach_session(&account, kind, login, Arc::clone(&outbox), node.now);
        outbox
    };
    let by_old = attach(SessionKind::Dialled, Some(old));
    let by_new = attach(SessionKind::Accepted, Some(new));
    let by_none = attach(SessionKind::Posted, None);
    let closed = || [&by_old, &by_new, &by_none].map(|outbox| outbox.close_request().is_some());
    let close = |valid: &[TokenFingerprint]| {
        node.connector.close_sessions_by_other_tokens(&account, valid, REPLACED);
    };
    close(&[new, old]);
    assert_eq!(closed(), [false, false, false]);
    close(&[new]);
    assert_eq!(closed(), [true, false, false]);
    close(&[]);
    assert_eq!(closed(), [true, true, false], "a session without a token stays");
}

#[test]
fn an_operator_closes_all_sessions_of_a_peer() {
    let node = several(3);
    let bob = node.connect("bob");
    let sessions = [(); 3].map(|()| node.connect("alice"));
    let request = CloseRequest { code: 1000, reason: "by an operator" };
    assert_eq!(node.connector.close_sessions(&sessions[0].account, request), 3);
    assert!(sessions.iter().all(|one| one.outbox.close_request() == Some(request)));
    assert_eq!(bob.outbox.close_request(), None);
}
