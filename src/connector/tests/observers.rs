//! What the packet path hands to observers: the sample, the reject lane, and the counters.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::connector::packet_observers::OBSERVED_MESSAGE_MAX;
use crate::connector::packet_tap::TAP_RECORDS_PER_SECOND_MAX;
use crate::connector::reject_lane::REJECTS_KEPT;

pub(super) const ALL: Sample = Sample { seed: 0, threshold: u64::MAX };

/// Alice and bob, and a tap that wants all packets.
pub(super) fn tapped() -> (TestNode, Peer, Peer, Arc<PacketTap>) {
    let (node, alice, bob) = connected_alice_and_bob();
    let tap = PacketTap::new(ALL);
    node.connector.set_packet_tap(Some(tap.clone()));
    (node, alice, bob, tap)
}

/// Nodes in a tree, each with a user who sends and receives packets. Links are lists of packets in memory.
struct Tree {
    nodes: Vec<TestNode>,
    /// By node and name of the peer.
    peers: HashMap<(usize, String), Peer>,
    /// The preimage of each packet that its receiver fulfills.
    preimages: HashMap<Condition, Fulfillment>,
}

impl Tree {
    /// Node `n + 1` has a link to node `parents[n] % (n + 1)`.
    fn new(parents: &[usize]) -> Self {
        let count = parents.len() + 1;
        let link = |child: usize| (child, parents[child - 1] % child);
        // The next hop from each node to each other one, filled up node by node.
        let mut hops = vec![vec![0; count]; count];
        for (child, parent) in (1..count).map(link) {
            hops[child][..child].fill(parent);
            for (other, hops) in hops.iter_mut().enumerate().take(child) {
                hops[child] = if other == parent { child } else { hops[parent] };
            }
        }
        let neighbours = |at: usize| {
            let links = (1..count).map(link).filter(move |(a, b)| *a == at || *b == at);
            links.map(move |(a, b)| if a == at { b } else { a })
        };
        let nodes = (0..count).map(|at| {
            let names: Vec<_> = neighbours(at).map(|other| format!("n{other}")).collect();
            let mut settings = connector_settings(&format!("n{at}"), &[]);
            settings.accounts = names.iter().map(|name| peer(name)).chain([peer("user")]).collect();
            let others = (0..count).filter(|other| *other != at);
            settings.routes = others
                .map(|other| route(&format!("test.n{other}"), &format!("n{}", hops[at][other]), 0))
                .chain([route(&format!("test.n{at}.user"), "user", 0)])
                .collect();
            node(settings)
        });
        let nodes: Vec<_> = nodes.collect();
        let peers = (0..count).flat_map(|at| {
            let names = neighbours(at).map(|other| format!("n{other}")).chain(["user".to_owned()]);
            names.map(|name| ((at, name.clone()), nodes[at].connect(&name))).collect::<Vec<_>>()
        });
        Self { peers: peers.collect(), nodes, preimages: HashMap::new() }
    }

    /// Moves packets over all links and to all users until nothing moves.
    fn run(&self) {
        loop {
            let mut moved = false;
            for ((at, name), peer) in &self.peers {
                for packet in self.nodes[*at].read(peer) {
                    moved = true;
                    match name.strip_prefix('n') {
                        Some(other) => self.arrive(other.parse().unwrap(), *at, packet),
                        None => self.reach_user(*at, peer, packet),
                    }
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn arrive(&self, at: usize, from: usize, packet: Received) {
        let (node, peer) = (&self.nodes[at], &self.peers[&(at, format!("n{from}"))]);
        match packet {
            Received::Prepare { id, amount, expires_in_ms, destination, data, condition } => {
                let packet = payment_with(&destination, amount, expires_in_ms, &data, condition);
                node.send(peer, id.0, &packet);
            }
            Received::Fulfill { id, fulfillment, data } => {
                node.answer(peer, id, &fulfill(fulfillment, &data));
            }
            Received::Reject { id, triggered_by, message, data, code } => {
                let code = ErrorCode(code.as_bytes().try_into().unwrap());
                node.answer(peer, id, &reject(code, Some(&triggered_by), &message, &data));
            }
        }
    }

    fn reach_user(&self, at: usize, user: &Peer, packet: Received) {
        if let Received::Prepare { id, condition, .. } = packet {
            let answer = match self.preimages.get(&condition) {
                Some(preimage) => fulfill(*preimage, b""),
                None => reject(ErrorCode::F99, Some("test.user"), "no", b""),
            };
            self.nodes[at].answer(user, id, &answer);
        }
    }
}

fn kind(event: &PacketEvent) -> &'static str {
    match event {
        PacketEvent::Forwarded { .. } => "forwarded",
        PacketEvent::Received { .. } => "received",
        PacketEvent::Fulfilled { .. } => "fulfilled",
        PacketEvent::Rejected { .. } => "rejected",
    }
}

/// Everything that waits in the tap and in the lane.
fn observed(tap: &PacketTap, connector: &Connector) -> Vec<PacketRecord> {
    let rejects =
        connector.rejects().kept_after(0).into_iter().map(|one| one.packet.record.clone());
    std::iter::from_fn(|| tap.pop()).map(|packet| packet.record).chain(rejects).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn the_sample_has_a_packet_at_each_of_its_hops_or_at_none(
        parents in prop::collection::vec(0..64_usize, 0..8),
        packets in prop::collection::vec((0..64_usize, 0..64_usize, any::<bool>()), 1..40),
        seed in any::<u64>(),
        one_in in 1..6_u64,
    ) {
        let mut tree = Tree::new(&parents);
        let sample = Sample { seed, threshold: u64::MAX / one_in };
        let count = tree.nodes.len();
        let observers: Vec<_> = tree.nodes.iter().map(|node| {
            let tap = PacketTap::new(sample);
            node.connector.set_packet_tap(Some(tap.clone()));
            let ring = PacketRing::new(1_024);
            let log = PacketLog::new(ring.clone(), NodeNumber(0));
            node.connector.set_packet_log(Some(Arc::new(log)));
            (tap, ring)
        }).collect();
        let mut conditions = BTreeSet::new();
        // Zeros would be the fulfillment of a shared condition.
        for (number, (from, to, is_paid)) in (1_u8..).zip(&packets) {
            let preimage = Fulfillment([number; 32]);
            let (condition, from) = (preimage.condition(), from % count);
            conditions.insert(condition.0);
            if *is_paid {
                tree.preimages.insert(condition, preimage);
            }
            // One of the destinations does not exist.
            let destination = format!("test.n{}.user.x", to % (count + 1));
            let packet = payment_with(&destination, 1, 25_000, b"", condition);
            tree.nodes[from].send(&tree.peers[&(from, "user".to_owned())], number.into(), &packet);
        }
        tree.run();
        let mut logged = BTreeSet::new();
        let mut sampled = BTreeSet::new();
        let place = |at: usize, record: &PacketRecord| {
            (record.condition.0, at, record.request_id.unwrap().0, kind(&record.event))
        };
        for (at, (tap, ring)) in observers.iter().enumerate() {
            logged.extend(std::iter::from_fn(|| ring.pop()).map(|(_, record)| place(at, &record)));
            let observed = observed(tap, &tree.nodes[at].connector);
            // Each Reject is in the lane. Its condition says whether it is in the sample.
            let is_in = |record: &&PacketRecord| {
                sample.contains(SampleKey::of_condition(&record.condition))
            };
            let observed = observed.iter().filter(is_in);
            let before = sampled.len();
            let observed: Vec<_> = observed.map(|record| place(at, record)).collect();
            sampled.extend(observed.iter().copied());
            prop_assert_eq!(sampled.len() - before, observed.len(), "no record comes twice");
            prop_assert_eq!(tap.lost(), 0);
        }
        for condition in conditions {
            let of = |places: &BTreeSet<([u8; 32], usize, u32, &'static str)>| {
                places.iter().filter(|place| place.0 == condition).copied().collect::<Vec<_>>()
            };
            let (all, seen) = (of(&logged), of(&sampled));
            prop_assert!(!all.is_empty());
            let is_in = sample.contains(SampleKey::of_condition(&Condition(condition)));
            prop_assert_eq!(seen, if is_in { all } else { Vec::new() });
        }
    }
}

#[test]
fn received_and_lost_records_of_a_tap_are_all_that_were_made() {
    let (mut node, alice, bob, tap) = tapped();
    let second = Duration::from_secs(1);
    let pay = |node: &TestNode, packets: usize| {
        for _ in 0..packets {
            tap.set_threshold(u64::MAX);
            node.send(&alice, 1, &payment("test.bob", 1));
            tap.set_threshold(u64::MAX);
            node.fulfill_one(&bob);
            node.read(&alice);
        }
    };
    let read = || std::iter::from_fn(|| tap.pop()).count();
    // The records are not read: the queue is full.
    pay(&node, 600);
    assert_eq!((read(), tap.lost()), (TAP_CAPACITY, 1_200 - 1_024));
    // They are read, and the second has no records left.
    let left = TAP_RECORDS_PER_SECOND_MAX as usize - TAP_CAPACITY;
    pay(&node, 500);
    assert_eq!((read(), tap.lost()), (left, 176 + 1_000 - u64::try_from(left).unwrap()));
    node.advance(second);
    pay(&node, 500);
    assert_eq!((read(), tap.lost()), (1_000, 200));
    // A smaller sample makes no records, and loses none.
    tap.set_threshold(0);
    node.send(&alice, 1, &payment("test.bob", 1));
    node.fulfill_one(&bob);
    node.read(&alice);
    node.connector.set_packet_tap(None);
    pay(&node, 10);
    assert_eq!((read(), tap.lost()), (0, 200));
}

#[test]
fn the_tap_of_the_export_keeps_its_size_and_counts_each_packet_once() {
    let (mut node, alice, bob) = connected_alice_and_bob();
    let (export, watched) = (PacketTap::of_fixed_size(ALL), PacketTap::new(ALL));
    node.connector.set_export_tap(Some(export.clone()));
    node.connector.set_packet_tap(Some(watched.clone()));
    let pay = |node: &TestNode, packets: u32| {
        for _ in 0..packets {
            node.send(&alice, 1, &payment("test.bob", 1));
            node.fulfill_one(&bob);
            node.read(&alice);
        }
    };
    let answers = || {
        let records = std::iter::from_fn(|| export.pop());
        records
            .filter(|packet| !matches!(packet.record.event, PacketEvent::Forwarded { .. }))
            .count()
    };
    // Nothing is read: what does not fit is counted, and the sample stays.
    pay(&node, 600);
    let read = answers();
    assert_eq!(read as u64 + export.lost(), 600);
    assert!(export.lost() > 0 && export.sample() == ALL);
    assert!(watched.sample() != ALL, "the other one has become smaller");
    // Rejects that the lane keeps are in it, too.
    node.advance(Duration::from_secs(1));
    let lost = export.lost();
    node.send(&alice, 2, &payment("test.nowhere", 1));
    node.read(&alice);
    assert_eq!((answers(), export.lost()), (1, lost));
    node.connector.set_export_tap(None);
    pay(&node, 1);
    assert_eq!(export.record_count(), 0);
}

#[test]
fn a_full_tap_makes_its_sample_smaller_by_itself() {
    let (mut node, alice, _bob, tap) = tapped();
    for number in 0..4_000_u32 {
        let mut preimage = [1; 32];
        preimage[..4].copy_from_slice(&number.to_be_bytes());
        let condition = Fulfillment(preimage).condition();
        node.send(&alice, number, &payment_with("test.bob", 1, 25_000, b"", condition));
        node.advance(Duration::from_micros(1));
    }
    // About 3,000 are lost if the sample stays as it is.
    let (lost, threshold) = (tap.lost(), tap.sample().threshold);
    assert!((1..150).contains(&lost), "{lost} lost");
    assert!(threshold < u64::MAX / 50, "{threshold}");
}

#[test]
fn records_of_the_tap_name_the_prefix_of_the_route() {
    let (node, alice, _bob, tap) = tapped();
    node.send(&alice, 1, &payment("test.bob.wallet.x", 1));
    let packet = tap.pop().unwrap();
    assert_eq!(packet.prefix.as_deref(), Some("test.bob"));
    // The node's own packets follow no route.
    node.originate("bob", &payment("test.bob.x", 0), drop);
    let packet = tap.pop().unwrap();
    assert_eq!((packet.prefix, packet.record.from), (None, None));
}

#[test]
fn records_have_the_balance_of_the_next_hop_right_after() {
    let (node, alice, bob, tap) = tapped();
    for id in 1..=2 {
        node.send(&alice, id, &payment("test.bob", 7));
        node.fulfill_one(&bob);
        node.read(&alice);
    }
    let balances: Vec<_> = std::iter::from_fn(|| tap.pop()).map(|one| one.balance_after).collect();
    // Sent, fulfilled, sent, fulfilled.
    assert_eq!(balances, [Some(0), Some(-7), Some(-7), Some(-14)]);
    node.send(&alice, 3, &payment("test.nowhere", 7));
    assert_eq!(node.connector.rejects().kept_after(0)[0].packet.balance_after, None);
}

#[test]
fn log_and_tap_are_switched_independently() {
    let (node, alice, bob) = connected_alice_and_bob();
    let (tap, ring) = (PacketTap::new(ALL), node.log_packets());
    let pay = || {
        node.send(&alice, 1, &payment("test.bob", 1));
        node.fulfill_one(&bob);
        node.read(&alice);
        let logged = std::iter::from_fn(|| ring.pop()).count();
        (logged, std::iter::from_fn(|| tap.pop()).count())
    };
    assert_eq!(pay(), (2, 0));
    node.connector.set_packet_tap(Some(tap.clone()));
    assert_eq!(pay(), (2, 2));
    node.connector.set_packet_log(None);
    assert_eq!(pay(), (0, 2));
    node.connector.set_packet_tap(None);
    assert_eq!(pay(), (0, 0));
}

#[test]
fn a_flood_of_rejects_is_counted_in_full_and_kept_in_part() {
    let mut node = alice_and_bob();
    let alice = node.connect("alice");
    let flood = |node: &TestNode, packets: u32| {
        for id in 0..packets {
            node.send(&alice, id, &payment("test.nowhere", 1));
        }
        node.read(&alice);
    };
    flood(&node, 1_500);
    let lane = || node.connector.rejects();
    assert_eq!((lane().last_number(), lane().not_kept()), (500, 1_000));
    let kept = lane().kept_after(0);
    assert_eq!(
        kept.iter().map(|one| one.number).collect::<Vec<_>>(),
        (1..=500).collect::<Vec<_>>()
    );
    assert_eq!(lane().kept_after(498).len(), 2);
    assert!(lane().kept_after(500).is_empty() && lane().kept_after(9_999).is_empty());
    for _ in 0..2 {
        node.advance(Duration::from_secs(1));
        flood(&node, 700);
    }
    let lane = node.connector.rejects();
    assert_eq!((lane.last_number(), lane.not_kept()), (1_500, 1_400));
    // A reader who had the first 100 has lost those that are no longer kept.
    let kept = lane.kept_after(100);
    let lost = kept[0].number - 100 - 1;
    assert_eq!((kept.len(), lost), (REJECTS_KEPT, 1_400 - 1_024));
    let [count] = node.connector.reject_counts().try_into().unwrap();
    assert_eq!((count.count, count.code, count.is_summed), (2_900, "F02", false));
    assert_eq!(count.last_at, node.now.wall);
    assert_eq!(count.refusal.unwrap().kind(), "noRoute");
    assert_eq!((count.from.unwrap().as_str(), count.to), ("alice", None));
}

#[test]
fn rejects_above_the_limit_reach_the_tap_if_they_are_in_the_sample() {
    let node = alice_and_bob();
    let alice = node.connect("alice");
    let tap = PacketTap::new(ALL);
    node.connector.set_packet_tap(Some(tap.clone()));
    for id in 0..600 {
        node.send(&alice, id, &payment("test.nowhere", 1));
    }
    assert_eq!(node.connector.rejects().last_number(), 500);
    assert_eq!(std::iter::from_fn(|| tap.pop()).count(), 100, "each Reject is handed over once");
}

#[test]
fn a_reject_of_the_next_hop_is_kept_with_what_it_says() {
    let (node, alice, bob) = connected_alice_and_bob();
    node.send(&alice, 7, &payment("test.bob.x", 5));
    let id = node.prepare_id(&bob);
    let message = "\u{1b}[2J".repeat(100);
    node.answer(&bob, id, &reject(ErrorCode(*b"X\"\n"), Some("test.far"), &message, b""));
    node.send(&alice, 8, b"no packet");
    let [passed_back, own] = node.connector.rejects().kept_after(0).try_into().unwrap();
    let packet = &passed_back.packet;
    assert_eq!(packet.triggered_by.as_deref(), Some("test.far"));
    assert_eq!(packet.message.as_deref().unwrap(), &message.as_bytes()[..OBSERVED_MESSAGE_MAX]);
    let PacketEvent::Rejected { outgoing_request_id, reason, outgoing_amount, .. } =
        &packet.record.event
    else {
        panic!("{packet:?}")
    };
    assert_eq!((*outgoing_request_id, *outgoing_amount), (Some(id), Some(Amount(5))));
    assert!(reason.is_none());
    assert_eq!(own.packet.triggered_by.as_deref(), Some("test.node"));
    assert_eq!(own.packet.record.condition, Condition([0; 32]));
    let mut counts = node.connector.reject_counts();
    counts.sort_by_key(|count| count.code);
    let rows: Vec<_> = counts
        .iter()
        .map(|row| (row.refusal.as_ref().map(Refusal::kind), row.code, row.count))
        .collect();
    assert_eq!(rows, [(Some("unreadable"), "F01", 1), (None, "other", 1)]);
}

#[test]
fn every_way_to_lose_a_packet_names_its_request_at_the_next_hop() {
    let outgoing = |node: &TestNode| {
        let kept = node.connector.rejects().kept_after(0);
        match kept.last().map(|one| &one.packet.record.event) {
            Some(PacketEvent::Rejected { outgoing_request_id, reason: Some(reason), .. }) => {
                (reason.kind(), *outgoing_request_id)
            }
            other => panic!("{other:?}"),
        }
    };
    let (mut node, alice, bob) = connected_alice_and_bob();
    node.send(&alice, 1, &payment("test.bob", 5));
    let id = node.prepare_id(&bob);
    node.answer(&bob, id, &fulfill(Fulfillment([9; 32]), b""));
    assert_eq!(outgoing(&node), ("nextHopWrongFulfillment", Some(id)));
    node.send(&alice, 2, &payment("test.bob", 5));
    let id = node.prepare_id(&bob);
    node.advance(Duration::from_secs(20));
    assert_eq!(outgoing(&node), ("nextHopTimedOut", Some(id)));
    node.now.wall = Timestamp::from_millis(START_MS);
    node.send(&alice, 3, &payment("test.bob", 5));
    node.disconnect(&bob);
    assert_eq!(outgoing(&node), ("nextHopSessionLost", Some(RequestId(id.0.wrapping_add(1)))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    /// All pings have one condition, so that it cannot decide.
    #[test]
    fn a_ping_is_in_the_sample_at_each_of_its_hops_or_at_none(
        parents in prop::collection::vec(0..64_usize, 0..6),
        pings in prop::collection::vec((0..64_usize, 0..64_usize), 24..40),
        seed in any::<u64>(),
    ) {
        let tree = Tree::new(&parents);
        let count = tree.nodes.len();
        let observers: Vec<_> = tree.nodes.iter().map(|node| {
            let tap = PacketTap::new(Sample { seed, threshold: u64::MAX / 2 });
            node.connector.set_packet_tap(Some(tap.clone()));
            (tap, node.log_packets())
        }).collect();
        let place = |at: usize, record: PacketRecord| {
            (at, record.request_id.unwrap().0, kind(&record.event))
        };
        let mut sampled_pings = 0;
        for (number, (from, to)) in (0_u8..).zip(&pings) {
            // One of the destinations does not exist.
            let (from, destination) = (from % count, format!("test.n{}", to % (count + 1)));
            let packet = payment_with(&destination, 0, 25_000, &[number], Condition::PING);
            tree.nodes[from].send(&tree.peers[&(from, "user".to_owned())], 7, &packet);
            tree.run();
            let (mut logged, mut sampled) = (BTreeSet::new(), BTreeSet::new());
            for (at, (tap, ring)) in observers.iter().enumerate() {
                let records = std::iter::from_fn(|| ring.pop()).map(|(_, record)| record);
                // Rejects are in their lane, in any case.
                let is_fulfill = |record: &PacketRecord| kind(&record.event) != "rejected";
                logged.extend(records.filter(is_fulfill).map(|record| place(at, record)));
                let records = std::iter::from_fn(|| tap.pop()).map(|packet| packet.record);
                sampled.extend(records.map(|record| place(at, record)));
                prop_assert_eq!((tap.lost(), tap.waiting()), (0, 0));
            }
            if !sampled.is_empty() {
                prop_assert_eq!(&sampled, &logged);
                sampled_pings += 1;
            }
        }
        prop_assert!((1..pings.len()).contains(&sampled_pings), "{} of {}", sampled_pings, pings.len());
    }
}

#[test]
fn answers_of_pings_that_do_not_come_fill_no_tap() {
    let (mut node, alice, bob, tap) = tapped();
    let ping = |node: &TestNode, id: u32| {
        let packet = payment_with("test.bob", 0, 5_000, &id.to_be_bytes(), Condition::PING);
        node.send(&alice, id, &packet);
    };
    ping(&node, 1);
    node.prepare_id(&bob);
    ping(&node, 2);
    let second = node.prepare_id(&bob);
    assert_eq!(tap.waiting(), 2);
    node.answer(&bob, second, &reject(ErrorCode::T00, None, "", b""));
    assert_eq!(tap.waiting(), 1, "also of a Reject, which the lane keeps");
    node.advance(Duration::from_secs(5));
    assert_eq!(tap.waiting(), 0);
}
