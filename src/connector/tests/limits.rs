//! Each limit has its error code, and a refused packet holds nothing.

use std::num::NonZeroU32;

use super::*;
use crate::account::Limits;

fn limited(limits: Limits) -> TestNode {
    alice_and_bob_with(|alice| alice.limits = limits)
}

#[test]
fn a_packet_above_the_maximum_gets_a_reject_with_the_maximum() {
    let limits = Limits { max_packet_amount: Some(Amount(1000)), ..Limits::default() };
    let (node, alice, bob) = connect_both(limited(limits));
    node.send(&alice, 1, &payment("test.bob", 1001));
    let Received::Reject { code, data, .. } = node.read_one(&alice) else { panic!() };
    assert_eq!(
        (code.as_str(), data.as_slice()),
        ("F08", &[0, 0, 0, 0, 0, 0, 3, 0xe9, 0, 0, 0, 0, 0, 0, 3, 0xe8][..])
    );
    node.send(&alice, 2, &payment("test.bob", 1000));
    node.prepare_id(&bob);
}

#[test]
fn packets_in_flight_are_bounded_both_ways() {
    let limits = Limits { max_packets_in_flight: 2, ..Limits::default() };
    let (node, alice, bob) = connect_both(limited(limits));
    for id in 0..2 {
        node.send(&alice, id, &payment("test.bob", 1));
    }
    assert_eq!(node.send_rejected(&alice, &payment("test.bob", 1)), "T03");
    let id = node.prepare_ids(&bob)[0];
    node.answer(&bob, id, &fulfill(PREIMAGE, b""));
    assert_eq!(node.read(&alice).len(), 1);
    node.send(&alice, 3, &payment("test.bob", 1));
    node.prepare_id(&bob);

    for id in 0..2 {
        node.send(&bob, id, &payment("test.alice", 1));
    }
    assert_eq!(node.send_rejected(&bob, &payment("test.alice", 1)), "T03");
}

#[test]
fn unreadable_and_too_large_packets_count_in_the_rate() {
    let limits = Limits {
        packets_per_second: NonZeroU32::new(5),
        max_packet_amount: Some(Amount(1000)),
        ..Limits::default()
    };
    let mut node = limited(limits);
    let alice = node.connect("alice");
    for packet in [b"\x0c\x00".to_vec(), payment("test.bob", 1001)] {
        let mut codes = Vec::new();
        for id in 0..7 {
            node.send(&alice, id, &packet);
            codes.push(node.reject_code(&alice));
        }
        assert_eq!(codes[5..], ["T05", "T05"], "{codes:?}");
        assert!(codes[..5].iter().all(|code| code != "T05"), "{codes:?}");
        node.advance(Duration::from_secs(2));
    }
    assert_eq!(node.account("alice").in_flight_from, 0);
}

#[test]
fn packets_per_second_are_bounded_and_recover() {
    let limits = Limits { packets_per_second: NonZeroU32::new(5), ..Limits::default() };
    let (mut node, alice, bob) = connect_both(limited(limits));
    for id in 0..7 {
        node.send(&alice, id, &payment("test.bob", 1));
    }
    assert_eq!((node.read(&alice).len(), node.read(&bob).len()), (2, 5));
    node.advance(Duration::from_millis(200));
    node.send(&alice, 8, &payment("test.bob", 1));
    node.prepare_id(&bob);
    assert_eq!(node.send_rejected(&alice, &payment("test.bob", 1)), "T05");
}

#[test]
fn other_messages_use_up_the_rate_and_answers_that_are_only_late_do_not() {
    let limits = Limits { packets_per_second: NonZeroU32::new(5), ..Limits::default() };
    let (mut node, alice, bob) = connect_both(limited(limits));
    let use_up = |node: &TestNode, is_answer: bool| {
        let batch = node.connector.start_batch(node.now);
        let charge = || match is_answer {
            true => batch.charge_stray_answer(&alice.account),
            false => batch.charge_other_message(&alice.account),
        };
        assert_eq!([(); 4].map(|()| charge()), [None; 4]);
        assert_eq!(charge(), Some(node.now.mono.after(Duration::from_millis(200))));
    };
    use_up(&node, false);
    assert_eq!(node.send_rejected(&alice, &payment("test.bob", 1)), "T05");
    let batch = node.connector.start_batch(node.now);
    assert_eq!([(); 9].map(|()| batch.charge_other_message(&bob.account)), [None; 9], "no rate");
    drop(batch);
    for id in [1, 2] {
        node.send(&bob, id, &payment("test.alice", 1));
    }
    assert_eq!(node.prepare_ids(&alice).len(), 2);
    node.advance(Duration::from_secs(10));
    let batch = node.connector.start_batch(node.now);
    assert_eq!([(); 2].map(|()| batch.charge_stray_answer(&alice.account)), [None; 2]);
    drop(batch);
    use_up(&node, true);
}

#[test]
fn the_balance_is_bounded_above_with_packets_in_flight_counted() {
    let (node, alice, bob) =
        connect_both(limited(Limits { max_balance: Some(20), ..Limits::default() }));
    node.send(&alice, 1, &payment("test.bob", 12));
    let id = node.prepare_id(&bob);
    assert_eq!(node.send_rejected(&alice, &payment("test.bob", 9)), "T04");
    node.answer(&bob, id, &fulfill(PREIMAGE, b""));
    node.read(&alice);
    assert_eq!(node.send_rejected(&alice, &payment("test.bob", 9)), "T04");
    node.send(&alice, 4, &payment("test.bob", 7));
    node.prepare_id(&bob);
    assert_eq!((node.balance("alice"), node.account("alice").held_in), (12, 7));
}

#[test]
fn the_balance_is_bounded_below_by_what_we_may_owe() {
    let (node, alice, bob) =
        connect_both(limited(Limits { min_balance: Some(-10), ..Limits::default() }));
    node.send(&bob, 1, &payment("test.alice", 6));
    assert_eq!(node.send_rejected(&bob, &payment("test.alice", 5)), "T04");
    assert_eq!(node.account("bob").held_in, 6);
    node.prepare_id(&alice);
}

#[test]
fn packets_to_a_next_hop_that_does_not_read_are_rejected() {
    let mut bob = peer("bob");
    bob.limits.outbox_bytes_max = 300;
    let node = node(settings(vec![peer("alice"), bob], &[("test.bob", "bob")]));
    let (alice, bob) = (node.connect("alice"), node.connect("bob"));
    let mut forwarded = 0;
    let mut refused = 0;
    for id in 0..20 {
        node.send(&alice, id, &payment("test.bob", 1));
        match node.read(&alice).as_slice() {
            [] => forwarded += 1,
            [Received::Reject { code, .. }] if code == "T03" => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!((2..6).contains(&forwarded), "{forwarded}");
    assert_eq!(forwarded + refused, 20);
    assert_eq!(node.account("bob").held_out, i128::from(forwarded));
    assert_eq!(node.read(&bob).len(), usize::try_from(forwarded).unwrap());
    node.send(&alice, 99, &payment("test.bob", 1));
    node.prepare_id(&bob);
}

#[test]
fn a_suspended_peer_is_refused_both_ways() {
    let (node, alice, bob) = connect_both(alice_and_bob_with(|alice| alice.enabled = false));
    assert_eq!(node.send_rejected(&alice, &payment("test.bob", 1)), "F00");
    assert_eq!(node.send_rejected(&bob, &payment("test.alice", 1)), "T01");
}

#[test]
fn a_reject_names_the_end_of_a_suspension_that_an_operator_has_set() {
    let until = Timestamp::from_millis(START_MS + 60_000);
    let mut settings = connector_settings("node", &["alice", "bob"]);
    let check = |settings: &ConnectorSettings, by_alice: (&str, bool), to_alice: (&str, bool)| {
        let (node, alice, bob) = connect_both(alice_and_bob());
        node.apply(settings.clone());
        let is_named = |message: String| message.contains(&until.to_string());
        let (code, message, _) = refused(&node, &alice, &payment("test.bob", 1));
        assert_eq!((code.as_str(), is_named(message)), by_alice);
        let (code, message, _) = refused(&node, &bob, &payment("test.alice", 1));
        assert_eq!((code.as_str(), is_named(message)), to_alice);
    };
    settings.accounts[0].enabled = false;
    check(&settings, ("F00", false), ("T01", false));
    settings.accounts[0].suspended_until = Some(until);
    check(&settings, ("F00", true), ("T01", true));
    // A peer that the configuration has removed since does not come back by itself.
    let (node, alice, _bob) = connect_both(node(settings.clone()));
    settings.accounts.remove(0);
    settings.routes.remove(0);
    node.apply(settings);
    let (code, message, _) = refused(&node, &alice, &payment("test.bob", 1));
    assert_eq!((code.as_str(), message.contains(&until.to_string())), ("F00", false));
}

#[test]
fn a_stopping_node_completes_packets_in_flight() {
    let (node, alice, bob) = connected_alice_and_bob();
    for id in [1, 2] {
        node.send(&alice, id, &payment("test.bob", 10));
    }
    let id = node.prepare_ids(&bob)[0];
    node.connector.stop_admitting();
    assert_eq!(node.send_rejected(&alice, &payment("test.bob", 1)), "T03");
    node.answer(&bob, id, &fulfill(PREIMAGE, b""));
    assert_eq!(node.read(&alice).len(), 1);
    assert_eq!(node.connector.in_flight(), 1);
    let unanswered = node.connector.reject_all_pending(node.now);
    assert_eq!(unanswered.len(), 1);
    assert_eq!((unanswered[0].packets, unanswered[0].amount), (1, 10));
    assert_eq!(unanswered[0].account.as_str(), "bob");
    assert_eq!(node.reject_code(&alice), "T00");
    assert_eq!(node.connector.in_flight(), 0);
}

#[test]
fn messages_of_own_rejects_are_bounded() {
    let long = "X".repeat(20_000);
    let accounts = vec![peer("alice"), with_asset(peer("bob"), &long, 9)];
    let node = node(settings(accounts, &[("test.bob", "bob")]));
    let (alice, _bob) = (node.connect("alice"), node.connect("bob"));
    node.send(&alice, 1, &payment("test.bob", 1));
    let Received::Reject { code, message, .. } = node.read_one(&alice) else { panic!() };
    assert_eq!((code.as_str(), message.len()), ("T00", 8191));
}

/// The code and message of a packet's Reject, and the maximum of an F08.
fn refused(node: &TestNode, from: &Peer, packet: &[u8]) -> (String, String, Option<u64>) {
    node.send(from, 77, packet);
    let Received::Reject { code, message, data, .. } = node.read_one(from) else { panic!() };
    let maximum = crate::wire::ilp::AmountTooLarge::parse(&data).ok().map(|error| error.maximum.0);
    (code, message, maximum)
}

#[test]
fn an_amount_that_can_never_fit_the_maximum_balance_is_too_large() {
    let check = |max_balance, min_balance, amount, expected: (&str, Option<u64>)| {
        let (node, alice, _bob) =
            connect_both(limited(Limits { max_balance, min_balance, ..Limits::default() }));
        let (code, _, maximum) = refused(&node, &alice, &payment("test.bob", amount));
        assert_eq!((code.as_str(), maximum), expected, "{max_balance:?} {min_balance:?} {amount}");
        assert_eq!(node.account("alice").held_in, 0);
    };
    check(Some(1000), None, 1001, ("F08", Some(1000)));
    check(Some(1000), None, u64::MAX, ("F08", Some(1000)));
    // It could pass from the lowest balance.
    check(Some(1000), Some(-500), 1001, ("T04", None));
    check(Some(1000), Some(-500), 1500, ("T04", None));
    check(Some(1000), Some(-500), 1501, ("F08", Some(1500)));
    // No amount could pass, so a smaller one would not help.
    check(Some(0), Some(0), 1, ("T04", None));
    // The peer may always send what we owe it.
    let (node, alice, bob) =
        connect_both(limited(Limits { max_balance: Some(10), ..Limits::default() }));
    node.send(&bob, 1, &payment("test.alice", 100));
    node.fulfill_one(&alice);
    node.read(&bob);
    node.send(&alice, 2, &payment("test.bob", 110));
    node.prepare_id(&bob);
}

#[test]
fn rejects_reveal_no_figures_of_balances_and_limits() {
    let digits = |text: &str| text.chars().any(|c| c.is_ascii_digit());
    let limits = Limits {
        max_balance: Some(1000),
        min_balance: Some(-1000),
        max_packets_in_flight: 2,
        packets_per_second: NonZeroU32::new(6),
        ..Limits::default()
    };
    let mut node = limited(limits);
    let log = node.log_packets();
    let (alice, bob) = (node.connect("alice"), node.connect("bob"));
    let check =
        |node: &TestNode, from: &Peer, packet: &[u8], code: &str, text: &str, figures: &str| {
            while log.pop().is_some() {}
            let (is, message, _) = refused(node, from, packet);
            assert!(is == code && message.contains(text) && !digits(&message), "{is} {message}");
            let PacketEvent::Rejected { reason, .. } = log.pop().unwrap().1.event else { panic!() };
            let refusal = reason.unwrap();
            assert_eq!(
                (refusal.to_string(), refusal.figures().as_deref()),
                (message, Some(figures))
            );
        };
    let too_much = "the balance would reach 1200, above the maximum of 1000";
    node.send(&alice, 1, &payment("test.bob", 600));
    node.prepare_id(&bob);
    check(&node, &alice, &payment("test.bob", 600), "T04", "maximum balance", too_much);
    let refusal = node.account("alice").last_refusal.unwrap();
    assert_eq!((refusal.0, refusal.1.to_string()), (node.now.wall, too_much.to_owned()));
    // Towards alice.
    let too_low = "the balance would reach -1100, below the minimum of -1000";
    check(&node, &bob, &payment("test.alice", 1100), "T04", "liquidity", too_low);
    assert_eq!(node.account("alice").last_refusal.unwrap().1.to_string(), too_low);
    assert_eq!(node.account("bob").last_refusal, None);
    for id in 2..4 {
        node.send(&bob, id, &payment("test.alice", 1));
    }
    node.read(&alice);
    let limit = "the limit is 2 packets";
    check(
        &node,
        &bob,
        &payment("test.alice", 1),
        "T03",
        "next hop alice has too many packets in flight",
        limit,
    );
    node.send(&alice, 4, &payment("test.bob", 1));
    check(&node, &alice, &payment("test.bob", 1), "T03", "packets of this account", limit);
    node.send(&alice, 5, &payment("test.bob", 1));
    node.read(&alice);
    let limit = "the limit is 6 packets per second";
    node.send(&alice, 6, &payment("test.bob", 1));
    node.read(&alice);
    check(&node, &alice, &payment("test.bob", 1), "T05", "packets per second", limit);
    node.advance(Duration::from_secs(20));
}

/// Also those that exchange routes: their answers could come after the end.
#[test]
fn a_node_that_stops_takes_no_packets_whether_its_store_works_or_not() {
    let (node, alice, bob) = connected_alice_and_bob();
    node.connector.stop_admitting();
    for is_failing in [false, true, false] {
        node.connector.set_store_failing(is_failing);
        for amount in [0, 5] {
            node.send(&alice, 1, &payment("test.bob", amount));
            let Received::Reject { code, message, .. } = node.read_one(&alice) else { panic!() };
            assert_eq!((&*code, &*message), ("T03", "this connector is stopping"));
        }
    }
    assert_eq!(node.read(&bob), []);
}
