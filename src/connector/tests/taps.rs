//! What taps and packet logs have room for, and what becomes of the rest.

use super::observers::tapped;
use super::*;
use crate::connector::packet_sample::SampleKey;

#[test]
fn records_that_do_not_fit_into_the_packet_log_are_counted() {
    let (node, alice, bob) = connected_alice_and_bob();
    let ring = PacketRing::new(2);
    let log = Arc::new(PacketLog::new(ring.clone(), NodeNumber(3)));
    node.connector.set_packet_log(Some(log.clone()));
    assert!(ring.is_empty());
    for dropped in [0, 2, 4] {
        node.send(&alice, 1, &payment("test.bob", 1));
        node.fulfill_one(&bob);
        assert_eq!((log.dropped(), ring.is_empty()), (dropped, false));
    }
    let nodes: Vec<_> = std::iter::from_fn(|| ring.pop()).map(|(node, _)| node).collect();
    assert_eq!((nodes, ring.is_empty()), (vec![NodeNumber(3); 2], true));
}

#[test]
fn a_tap_says_how_many_records_wait() {
    let (node, alice, _bob, tap) = tapped();
    for id in 1..=3 {
        node.send(&alice, id, &payment("test.bob", 1));
    }
    assert_eq!(tap.record_count(), 3);
    assert!(tap.pop().is_some());
    assert_eq!(tap.record_count(), 2);
}

/// Where the sample keeps its size, a packet counts once: its answer.
#[test]
fn what_a_full_tap_loses_is_counted_and_makes_the_sample_smaller() {
    let key = SampleKey::of_condition(&PREIMAGE.condition());
    let all = Sample { seed: key.0, threshold: u64::MAX };
    for (tap, lost, threshold) in [
        (PacketTap::new(all), [1, 2], u64::MAX - u64::MAX / 16),
        (PacketTap::of_fixed_size(all), [0, 1], u64::MAX),
    ] {
        let (node, alice, bob) = connected_alice_and_bob();
        node.connector.set_packet_tap(Some(tap.clone()));
        for id in 0..=1_024 {
            node.send(&alice, id, &payment("test.bob", 0));
        }
        let seen = (tap.record_count(), tap.lost(), tap.sample().threshold);
        assert_eq!(seen, (1_024, lost[0], threshold));
        node.answer(&bob, node.prepare_ids(&bob)[0], &fulfill(PREIMAGE, b""));
        assert_eq!(tap.lost(), lost[1]);
    }
}

/// Only the taps remember pings that are in flight; their answers say nothing else about them.
#[test]
fn pings_that_a_tap_waits_for_are_bounded() {
    let (mut node, alice, bob, tap) = tapped();
    let ping = |node: &TestNode, id: u32| {
        let packet = payment_with("test.bob", 0, 25_000, &id.to_be_bytes(), Condition::PING);
        node.send(&alice, id, &packet);
        tap.pop().is_some()
    };
    for id in 0..4_096 {
        assert!(ping(&node, id), "ping {id}");
        // A tap has 2,000 records for each second.
        node.advance(Duration::from_millis(1));
    }
    assert_eq!((tap.waiting(), tap.lost()), (4_096, 0));
    assert!(!ping(&node, 4_096));
    assert_eq!((tap.waiting(), tap.lost()), (4_096, 1));
    node.answer(&bob, node.prepare_ids(&bob)[0], &fulfill(Fulfillment::PING, b""));
    assert!(tap.pop().is_some(), "its answer");
    assert!(ping(&node, 4_097));
}

#[test]
fn an_unreadable_packet_above_the_limit_is_in_the_tap_if_it_is_in_the_sample() {
    let node = alice_and_bob();
    let alice = node.connect("alice");
    let tap = PacketTap::new(Sample { seed: 5, threshold: u64::MAX / 2 });
    node.connector.set_packet_tap(Some(tap.clone()));
    // Those that are kept are not in it: each Reject is handed over once.
    (0..500).for_each(|id| node.send(&alice, id, b"no packet"));
    assert_eq!((node.connector.rejects().last_number(), tap.record_count()), (500, 0));
    (500..1_000).for_each(|id| node.send(&alice, id, b"no packet"));
    assert!((150..350).contains(&tap.record_count()), "{}", tap.record_count());
    let first = tap.pop().unwrap();
    assert_eq!(first.record.condition, Condition([0; 32]));
    assert!(first.record.request_id.is_some() && tap.sample().contains(first.key));
}
