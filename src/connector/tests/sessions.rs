//! Sessions are lost and replaced; packets are not (D5).

use super::*;
use crate::link::TokenFingerprint;

#[test]
fn what_was_not_written_is_rejected_at_once_and_the_rest_may_still_be_answered() {
    let mut net = alice_and_bob();
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    net.ask(&alice, 1, &payment("test.bob", 1));
    let written = net.prepare_id(&bob);
    net.ask(&alice, 2, &payment("test.bob", 2));
    net.lose(&bob);
    assert!(
        matches!(net.read_one(&alice), Seen::Reject { id: RequestId(2), code, .. } if code == "T01")
    );
    net.ask(&alice, 3, &payment("test.bob", 3));
    assert_eq!(net.code(&alice), "T01");
    let bob = net.connect("bob");
    net.answer(&bob, written, &fulfill(PREIMAGE, b""));
    assert!(matches!(net.read_one(&alice), Seen::Fulfill { id: RequestId(1), .. }));
    assert_eq!((net.balance("alice"), net.balance("bob")), (1, -1));
    net.ask(&alice, 4, &payment("test.bob", 4));
    net.prepare_id(&bob);
    net.lose(&bob);
    net.pass(Duration::from_secs(10));
    assert_eq!(net.code(&alice), "R00");
    assert_eq!(net.account("bob").held_out, 0);
}

#[test]
fn a_prepare_of_which_one_byte_was_written_counts_as_written() {
    let net = alice_and_bob();
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    for id in [1, 2] {
        net.ask(&alice, id, &payment("test.bob", 1));
    }
    let mut first = true;
    let mut written = 0;
    let write = |_: &[u8]| {
        if std::mem::take(&mut first) { Poll::Ready(Ok(1)) } else { Poll::Pending }
    };
    assert!(bob.outbox.write_to(write, &mut written).is_pending());
    net.lose(&bob);
    assert!(matches!(net.read_one(&alice), Seen::Reject { id: RequestId(2), .. }));
    assert_eq!(net.connector.in_flight(), 1);
}

#[test]
fn requests_go_out_on_the_dialled_session_and_answers_where_they_were_asked() {
    let net = alice_and_bob();
    let alice = net.connect("alice");
    let accepted = net.connect_as("bob", SessionKind::Accepted);
    let dialled = net.connect_as("bob", SessionKind::Dialled);
    net.ask(&alice, 1, &payment("test.bob", 1));
    let id = net.prepare_id(&dialled);
    net.answer(&accepted, id, &fulfill(PREIMAGE, b""));
    assert_eq!(net.read(&alice).len(), 1, "an answer is taken from any session of the account");
    net.ask(&accepted, 2, &payment("test.node.x", 1));
    assert_eq!(net.code(&accepted), "F02");
    assert!(net.read(&dialled).is_empty());
    net.lose(&dialled);
    net.ask(&alice, 3, &payment("test.bob", 1));
    net.prepare_id(&accepted);
}

#[test]
fn an_answer_whose_session_is_gone_takes_the_other_one() {
    let net = alice_and_bob();
    let bob = net.connect("bob");
    let accepted = net.connect_as("alice", SessionKind::Accepted);
    let dialled = net.connect_as("alice", SessionKind::Dialled);
    for id in [1, 2] {
        net.ask(&accepted, id, &payment("test.bob", 1));
    }
    net.ask(&dialled, 2, &payment("test.bob", 1));
    let ids: Vec<_> = net
        .read(&bob)
        .into_iter()
        .map(|seen| match seen {
            Seen::Prepare { id, .. } => id,
            other => panic!("{other:?}"),
        })
        .collect();
    net.lose(&accepted);
    net.answer(&bob, ids[0], &fulfill(PREIMAGE, b"1"));
    net.answer(&bob, ids[1], &fulfill(PREIMAGE, b"2"));
    let seen = net.read(&dialled);
    assert!(matches!(seen.as_slice(), [Seen::Fulfill { id: RequestId(1), .. }]), "{seen:?}");
    assert_eq!(net.account("alice").stats.dropped_answers, 1, "id 2 is in flight there");
    net.answer(&bob, ids[2], &fulfill(PREIMAGE, b"3"));
    assert!(matches!(net.read_one(&dialled), Seen::Fulfill { id: RequestId(2), .. }));
    assert_eq!(net.balance("alice"), 3, "what the peer fulfilled is owed, whoever heard of it");
    assert_eq!(net.account("alice").in_flight_from, 0);
}

#[test]
fn answers_that_were_not_written_move_to_the_other_session() {
    let net = alice_and_bob();
    let accepted = net.connect_as("alice", SessionKind::Accepted);
    let dialled = net.connect_as("alice", SessionKind::Dialled);
    net.ask(&accepted, 1, &payment("test.nowhere", 1));
    net.lose(&accepted);
    assert!(matches!(net.read_one(&dialled), Seen::Reject { id: RequestId(1), .. }));
    net.ask(&dialled, 2, &payment("test.nowhere", 1));
    let accepted = net.connect_as("alice", SessionKind::Accepted);
    net.lose(&dialled);
    assert!(
        matches!(net.read_one(&accepted), Seen::Reject { id: RequestId(2), .. }),
        "unmasked on the way"
    );
    net.ask(&accepted, 3, &payment("test.nowhere", 1));
    net.lose(&accepted);
    assert_eq!(net.account("alice").stats.dropped_answers, 1);
}

#[test]
fn a_second_login_replaces_the_first() {
    let net = alice_and_bob();
    let alice = net.connect("alice");
    let old = net.connect("bob");
    net.ask(&alice, 1, &payment("test.bob", 1));
    let id = net.prepare_id(&old);
    let new = net.connect("bob");
    assert_eq!(
        old.outbox.close_request().map(|order| (order.code, order.reason)),
        Some((1008, "replaced"))
    );
    net.lose(&old);
    assert!(net.account("bob").sessions.len() == 1 && new.account.is_connected());
    net.answer(&new, id, &fulfill(PREIMAGE, b""));
    assert_eq!(net.read(&alice).len(), 1);
    net.ask(&alice, 2, &payment("test.bob", 1));
    net.prepare_id(&new);
}

#[test]
fn a_reload_keeps_balances_and_packets_in_flight() {
    let net = alice_and_bob();
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    net.ask(&alice, 1, &payment("test.bob", 10));
    let id = net.prepare_id(&bob);

    net.connector
        .apply_settings(settings(vec![peer("carl"), peer("alice")], &[("test.carl", "carl")]))
        .unwrap();
    assert!(net.account("bob").removed);
    net.ask(&alice, 2, &payment("test.bob", 10));
    assert_eq!(net.code(&alice), "F02");
    net.answer(&bob, id, &fulfill(PREIMAGE, b""));
    assert_eq!(net.read(&alice).len(), 1, "what was in flight is still answered");
    net.ask(&bob, 1, &payment("test.alice", 1));
    assert_eq!(net.code(&bob), "F00");
    let carl = net.connect("carl");
    net.ask(&alice, 3, &payment("test.carl", 1));
    net.prepare_id(&carl);

    net.connector
        .apply_settings(settings(vec![peer("bob"), peer("alice")], &[("test.bob", "bob")]))
        .unwrap();
    assert_eq!((net.balance("bob"), net.balance("alice")), (-10, 10));
    net.ask(&alice, 4, &payment("test.bob", 1));
    net.prepare_id(&bob);

    let wrong = net.connector.apply_settings(settings(vec![peer("bob")], &[("test.x", "nobody")]));
    assert!(matches!(wrong, Err(RegistryError::UnknownNextHop { .. })));
    let other_asset = settings(vec![with_asset(peer("bob"), "EUR", 2)], &[]);
    assert_eq!(
        net.connector.apply_settings(other_asset),
        Err(RegistryError::AssetInUse("bob".parse().unwrap()))
    );
    assert_eq!(net.balance("bob"), -10, "an error changes nothing");
}

#[test]
fn a_stop_closes_the_sessions_of_removed_peers_too() {
    let net = alice_and_bob();
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    net.connector.apply_settings(settings(vec![peer("alice")], &[])).unwrap();
    net.connector.close_all_sessions(1001, "stopping");
    for peer in [alice, bob] {
        assert_eq!(peer.outbox.close_request().map(|order| order.code), Some(1001));
    }
}

#[test]
fn settings_that_are_refused_change_nothing() {
    let net = alice_and_bob();
    let alice = net.connect("alice");
    let mut tight = peer("alice");
    tight.limits.max_packets_in_flight = 1;
    let wrong = settings(vec![tight, peer("carol")], &[("test.bob", "nobody")]);
    assert!(matches!(
        net.connector.apply_settings(wrong),
        Err(RegistryError::UnknownNextHop { .. })
    ));
    assert!(net.connector.account("carol").is_none());
    net.connect("bob");
    for id in 0..2 {
        net.ask(&alice, id, &payment("test.bob", 1));
    }
    assert_eq!(net.read(&alice), [], "the old limits hold");
}

/// alice with room for so many sessions, and bob.
fn several(max_sessions: usize) -> Net {
    net(several_settings(max_sessions))
}

fn several_settings(max_sessions: usize) -> ConnectorSettings {
    let mut alice = peer("alice");
    alice.limits.max_sessions = max_sessions;
    settings(vec![alice, peer("bob")], &[("test.alice", "alice"), ("test.bob", "bob")])
}

fn is_replaced(peer: &Peer) -> bool {
    peer.outbox.close_request().map(|order| (order.code, order.reason)) == Some((1008, "replaced"))
}

#[test]
fn sessions_of_one_account_get_their_own_answers() {
    let net = several(3);
    let bob = net.connect("bob");
    let programs = [net.connect("alice"), net.connect("alice"), net.connect("alice")];
    // The same id on each.
    for program in &programs {
        net.ask(program, 5, &payment("test.bob", 1));
    }
    let sent = net.read(&bob);
    for (n, seen) in sent.iter().enumerate().rev() {
        let Seen::Prepare { id, .. } = seen else { panic!("{seen:?}") };
        net.answer(&bob, *id, &fulfill(PREIMAGE, &[u8::try_from(n).unwrap()]));
    }
    for (n, program) in programs.iter().enumerate() {
        let Seen::Fulfill { id, data, .. } = net.read_one(program) else { panic!() };
        assert_eq!((id, data), (RequestId(5), vec![u8::try_from(n).unwrap()]));
    }
    assert_eq!(net.balance("alice"), 3);
}

#[test]
fn a_prepare_goes_to_the_newest_session_that_has_room() {
    let mut with = several_settings(3);
    with.accounts[0].limits.outbox_bytes_max = 300;
    let net = net(with);
    let bob = net.connect("bob");
    let (first, second) = (net.connect("alice"), net.connect("alice"));
    let mut sent = 0;
    while net.read(&bob).is_empty() {
        sent += 1;
        net.ask(&bob, sent, &payment("test.alice", 1));
    }
    let newest = net.read(&second).len();
    let other = net.read(&first).len();
    assert!(newest >= 2 && other >= 2, "first the newest, then the other: {newest}, {other}");
    assert_eq!(newest + other + 1, sent as usize);
    net.lose(&second);
    net.ask(&bob, 100, &payment("test.alice", 1));
    net.prepare_id(&first);
    // The one that we dialled comes before all of them.
    let dialled = net.connect_as("alice", SessionKind::Dialled);
    net.connect("alice");
    net.ask(&bob, 101, &payment("test.alice", 1));
    net.prepare_id(&dialled);
}

#[test]
fn one_session_too_many_replaces_the_oldest_of_its_side() {
    let net = several(2);
    let dialled = net.connect_as("alice", SessionKind::Dialled);
    let posted = net.connect_as("alice", SessionKind::Posted);
    let [first, second, third] = [(); 3].map(|()| net.connect("alice"));
    assert!(is_replaced(&first));
    assert!(![&second, &third, &dialled, &posted].into_iter().any(is_replaced));
    assert_eq!(net.account("alice").sessions.len(), 4);
    net.lose(&first);
    assert_eq!(net.account("alice").sessions.len(), 4, "it was taken out already");
    net.connector.apply_settings(several_settings(1)).unwrap();
    assert!(is_replaced(&second) && !is_replaced(&third), "the limit holds at once");
    net.connect("alice");
    net.lose(&second);
    assert_eq!(net.account("alice").sessions.len(), 3);
}

#[test]
fn answers_of_a_session_that_is_gone_go_to_the_newest_where_their_id_is_free() {
    let net = several(3);
    let bob = net.connect("bob");
    let [first, second, third] = [(); 3].map(|()| net.connect("alice"));
    for (program, id) in [(&first, 1), (&first, 2), (&third, 2)] {
        net.ask(program, id, &payment("test.bob", 1));
    }
    let sent = net.read(&bob);
    net.lose(&first);
    for seen in &sent {
        let Seen::Prepare { id, .. } = seen else { panic!("{seen:?}") };
        net.answer(&bob, *id, &fulfill(PREIMAGE, b""));
    }
    let ids = |peer: &Peer| -> Vec<u32> {
        let seen = net.read(peer).into_iter().map(|seen| match seen {
            Seen::Fulfill { id, .. } => id.0,
            other => panic!("{other:?}"),
        });
        seen.collect()
    };
    assert_eq!(ids(&third), [1, 2], "its own 2, and the 1 of the first");
    assert_eq!(ids(&second), [2], "the 2 of the first would be taken for the third's");
}

#[test]
fn sessions_of_tokens_that_are_still_valid_are_not_closed() {
    let net = alice_and_bob();
    let account = net.connector.account("alice").unwrap();
    let (old, new) = (TokenFingerprint([1; 32]), TokenFingerprint([2; 32]));
    let attach = |side, login| {
        let outbox = Outbox::new(Framing::Server, account.outbox_bytes_max());
        net.connector.attach_session(&account, side, login, Arc::clone(&outbox), net.now);
        outbox
    };
    let by_old = attach(SessionKind::Dialled, Some(old));
    let by_new = attach(SessionKind::Accepted, Some(new));
    let by_none = attach(SessionKind::Posted, None);
    let closed = || [&by_old, &by_new, &by_none].map(|outbox| outbox.close_request().is_some());
    let close = |valid: &[TokenFingerprint]| {
        net.connector.close_sessions_by_other_tokens(&account, valid, 1008, "reconfigured");
    };
    close(&[new, old]);
    assert_eq!(closed(), [false, false, false]);
    close(&[new]);
    assert_eq!(closed(), [true, false, false]);
    close(&[]);
    assert_eq!(closed(), [true, true, false], "what depends on no token stays");
}
