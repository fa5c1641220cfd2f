//! Every limit has its code, and lets go of everything it refused.

use std::num::NonZeroU32;

use super::*;
use crate::account::Limits;

fn limited(limits: Limits) -> Net {
    let mut alice = peer("alice");
    alice.limits = limits;
    net(settings(vec![alice, peer("bob")], &[("test.bob", "bob"), ("test.alice", "alice")]))
}

#[test]
fn a_packet_above_the_maximum_is_told_the_maximum() {
    let limits = Limits { max_packet_amount: Some(Amount(1000)), ..Limits::default() };
    let net = limited(limits);
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    net.ask(&alice, 1, &payment("test.bob", 1001));
    let Seen::Reject { code, data, .. } = net.read_one(&alice) else { panic!() };
    assert_eq!(
        (code.as_str(), data.as_slice()),
        ("F08", &[0, 0, 0, 0, 0, 0, 3, 0xe9, 0, 0, 0, 0, 0, 0, 3, 0xe8][..])
    );
    net.ask(&alice, 2, &payment("test.bob", 1000));
    net.prepare_id(&bob);
}

#[test]
fn packets_in_flight_are_bounded_both_ways() {
    let limits = Limits { max_packets_in_flight: 2, ..Limits::default() };
    let net = limited(limits);
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    for id in 0..2 {
        net.ask(&alice, id, &payment("test.bob", 1));
    }
    net.ask(&alice, 2, &payment("test.bob", 1));
    assert_eq!(net.code(&alice), "T03");
    let Seen::Prepare { id, .. } = net.read(&bob).remove(0) else { panic!() };
    net.answer(&bob, id, &fulfill(PREIMAGE, b""));
    assert_eq!(net.read(&alice).len(), 1);
    net.ask(&alice, 3, &payment("test.bob", 1));
    net.prepare_id(&bob);

    for id in 0..2 {
        net.ask(&bob, id, &payment("test.alice", 1));
    }
    net.ask(&bob, 2, &payment("test.alice", 1));
    assert_eq!(net.code(&bob), "T03");
}

/// What is refused at the first look has cost a look.
#[test]
fn packets_that_cannot_be_read_and_too_large_ones_count_in_the_rate() {
    let limits = Limits {
        packets_per_second: NonZeroU32::new(5),
        max_packet_amount: Some(Amount(1000)),
        ..Limits::default()
    };
    let mut net = limited(limits);
    let alice = net.connect("alice");
    for packet in [b"\x0c\x00".to_vec(), payment("test.bob", 1001)] {
        let mut codes = Vec::new();
        for id in 0..7 {
            net.ask(&alice, id, &packet);
            codes.push(net.code(&alice));
        }
        assert_eq!(codes[5..], ["T05", "T05"], "{codes:?}");
        assert!(codes[..5].iter().all(|code| code != "T05"), "{codes:?}");
        net.pass(Duration::from_secs(2));
    }
    assert_eq!(net.account("alice").in_flight_from, 0);
}

#[test]
fn packets_per_second_are_bounded_and_recover() {
    let limits = Limits { packets_per_second: NonZeroU32::new(5), ..Limits::default() };
    let mut net = limited(limits);
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    for id in 0..7 {
        net.ask(&alice, id, &payment("test.bob", 1));
    }
    assert_eq!((net.read(&alice).len(), net.read(&bob).len()), (2, 5));
    net.pass(Duration::from_millis(200));
    net.ask(&alice, 8, &payment("test.bob", 1));
    net.prepare_id(&bob);
    net.ask(&alice, 9, &payment("test.bob", 1));
    assert_eq!(net.code(&alice), "T05");
}

#[test]
fn the_balance_is_bounded_above_with_packets_in_flight_counted() {
    let net = limited(Limits { max_balance: Some(20), ..Limits::default() });
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    net.ask(&alice, 1, &payment("test.bob", 12));
    let id = net.prepare_id(&bob);
    net.ask(&alice, 2, &payment("test.bob", 9));
    assert_eq!(net.code(&alice), "T04");
    net.answer(&bob, id, &fulfill(PREIMAGE, b""));
    net.read(&alice);
    net.ask(&alice, 3, &payment("test.bob", 9));
    assert_eq!(net.code(&alice), "T04");
    net.ask(&alice, 4, &payment("test.bob", 7));
    net.prepare_id(&bob);
    assert_eq!((net.balance("alice"), net.account("alice").held_in), (12, 7));
}

#[test]
fn the_balance_is_bounded_below_by_what_we_may_owe() {
    let net = limited(Limits { min_balance: Some(-10), ..Limits::default() });
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    net.ask(&bob, 1, &payment("test.alice", 6));
    net.ask(&bob, 2, &payment("test.alice", 5));
    assert_eq!(net.code(&bob), "T04");
    assert_eq!(net.account("bob").held_in, 6);
    net.prepare_id(&alice);
}

#[test]
fn a_next_hop_that_does_not_read_is_spared() {
    let mut bob = peer("bob");
    bob.limits.outbox_bytes_max = 300;
    let net = net(settings(vec![peer("alice"), bob], &[("test.bob", "bob")]));
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    let mut forwarded = 0;
    let mut refused = 0;
    for id in 0..20 {
        net.ask(&alice, id, &payment("test.bob", 1));
        match net.read(&alice).as_slice() {
            [] => forwarded += 1,
            [Seen::Reject { code, .. }] if code == "T03" => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!((2..6).contains(&forwarded), "{forwarded}");
    assert_eq!(forwarded + refused, 20);
    assert_eq!(net.account("bob").held_out, i128::from(forwarded));
    assert_eq!(net.read(&bob).len(), usize::try_from(forwarded).unwrap());
    net.ask(&alice, 99, &payment("test.bob", 1));
    net.prepare_id(&bob);
}

#[test]
fn a_suspended_peer_is_refused_both_ways() {
    let mut alice = peer("alice");
    alice.enabled = false;
    let net =
        net(settings(vec![alice, peer("bob")], &[("test.bob", "bob"), ("test.alice", "alice")]));
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    net.ask(&alice, 1, &payment("test.bob", 1));
    assert_eq!(net.code(&alice), "F00");
    net.ask(&bob, 1, &payment("test.alice", 1));
    assert_eq!(net.code(&bob), "T01");
}

#[test]
fn a_stopping_node_finishes_what_it_began() {
    let net = alice_and_bob();
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    for id in [1, 2] {
        net.ask(&alice, id, &payment("test.bob", 10));
    }
    let Seen::Prepare { id, .. } = net.read(&bob).remove(0) else { panic!() };
    net.connector.stop_admitting();
    net.ask(&alice, 3, &payment("test.bob", 1));
    assert_eq!(net.code(&alice), "T03");
    net.answer(&bob, id, &fulfill(PREIMAGE, b""));
    assert_eq!(net.read(&alice).len(), 1);
    assert_eq!(net.connector.in_flight(), 1);
    let exposures = net.connector.reject_pending(net.now);
    assert_eq!(exposures.len(), 1);
    assert_eq!((exposures[0].packets, exposures[0].amount), (1, 10));
    assert_eq!(exposures[0].account.as_str(), "bob");
    assert_eq!(net.code(&alice), "T00");
    assert_eq!(net.connector.in_flight(), 0);
}

#[test]
fn no_reject_of_ours_has_a_message_that_is_too_long() {
    let long = "X".repeat(20_000);
    let accounts = vec![peer("alice"), with_asset(peer("bob"), &long, 9)];
    let net = net(settings(accounts, &[("test.bob", "bob")]));
    let (alice, _bob) = (net.connect("alice"), net.connect("bob"));
    net.ask(&alice, 1, &payment("test.bob", 1));
    let Seen::Reject { code, message, .. } = net.read_one(&alice) else { panic!() };
    assert_eq!((code.as_str(), message.len()), ("T00", 8191));
}

/// The Reject of a packet: its code, its words, and the maximum of an F08.
fn refused(net: &Net, from: &Peer, packet: &[u8]) -> (String, String, Option<u64>) {
    net.ask(from, 77, packet);
    let Seen::Reject { code, message, data, .. } = net.read_one(from) else { panic!() };
    let maximum = crate::wire::ilp::AmountTooLarge::parse(&data).ok().map(|told| told.maximum.0);
    (code, message, maximum)
}

#[test]
fn an_amount_that_the_maximum_balance_could_never_bear_is_too_large() {
    let check = |max_balance, min_balance, amount, expected: (&str, Option<u64>)| {
        let net = limited(Limits { max_balance, min_balance, ..Limits::default() });
        let (alice, _bob) = (net.connect("alice"), net.connect("bob"));
        let (code, _, maximum) = refused(&net, &alice, &payment("test.bob", amount));
        assert_eq!((code.as_str(), maximum), expected, "{max_balance:?} {min_balance:?} {amount}");
        assert_eq!(net.account("alice").held_in, 0);
    };
    check(Some(1000), None, 1001, ("F08", Some(1000)));
    check(Some(1000), None, u64::MAX, ("F08", Some(1000)));
    // From the lowest balance it could pass.
    check(Some(1000), Some(-500), 1001, ("T04", None));
    check(Some(1000), Some(-500), 1500, ("T04", None));
    check(Some(1000), Some(-500), 1501, ("F08", Some(1500)));
    // No amount at all could, so no smaller one helps.
    check(Some(0), Some(0), 1, ("T04", None));
    // What we owe the peer it may send, whatever its maximum.
    let net = limited(Limits { max_balance: Some(10), ..Limits::default() });
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    net.ask(&bob, 1, &payment("test.alice", 100));
    let id = net.prepare_id(&alice);
    net.answer(&alice, id, &fulfill(PREIMAGE, b""));
    net.read(&bob);
    net.ask(&alice, 2, &payment("test.bob", 110));
    net.prepare_id(&bob);
}

#[test]
fn rejects_tell_no_figures_of_balances_and_limits() {
    let digits = |text: &str| text.chars().any(|c| c.is_ascii_digit());
    let limits = Limits {
        max_balance: Some(1000),
        min_balance: Some(-1000),
        max_packets_in_flight: 2,
        packets_per_second: NonZeroU32::new(6),
        ..Limits::default()
    };
    let mut net = limited(limits);
    let log = PacketRing::new(64);
    net.connector.set_packet_log(Some(Arc::new(PacketLog::new(log.clone(), NodeNumber(3)))));
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    let check = |net: &Net, from: &Peer, packet: &[u8], code: &str, words: &str, figures: &str| {
        while log.pop().is_some() {}
        let (is, message, _) = refused(net, from, packet);
        assert!(is == code && message.contains(words) && !digits(&message), "{is} {message}");
        let PacketEvent::Rejected { reason, .. } = log.pop().unwrap().1.event else { panic!() };
        assert_eq!(reason.as_deref(), Some(&*format!("{message}: {figures}")));
    };
    let too_much = "the balance would reach 1200, above the maximum of 1000";
    net.ask(&alice, 1, &payment("test.bob", 600));
    net.prepare_id(&bob);
    check(&net, &alice, &payment("test.bob", 600), "T04", "maximum balance", too_much);
    let told = net.account("alice").last_refusal.unwrap();
    assert_eq!((told.0, told.1.to_string()), (net.now.wall, too_much.to_owned()));
    // Towards alice.
    let too_low = "the balance would reach -1100, below the minimum of -1000";
    check(&net, &bob, &payment("test.alice", 1100), "T04", "liquidity", too_low);
    assert_eq!(net.account("alice").last_refusal.unwrap().1.to_string(), too_low);
    assert_eq!(net.account("bob").last_refusal, None);
    for id in 2..4 {
        net.ask(&bob, id, &payment("test.alice", 1));
    }
    net.read(&alice);
    let limit = "the limit is 2 packets";
    check(
        &net,
        &bob,
        &payment("test.alice", 1),
        "T03",
        "next hop alice has too many packets in flight",
        limit,
    );
    net.ask(&alice, 4, &payment("test.bob", 1));
    check(&net, &alice, &payment("test.bob", 1), "T03", "packets of this account", limit);
    net.ask(&alice, 5, &payment("test.bob", 1));
    net.read(&alice);
    let limit = "the limit is 6 packets per second";
    net.ask(&alice, 6, &payment("test.bob", 1));
    net.read(&alice);
    check(&net, &alice, &payment("test.bob", 1), "T05", "packets per second", limit);
    net.pass(Duration::from_secs(20));
}
