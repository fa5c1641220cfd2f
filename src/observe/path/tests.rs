//! Random networks and packets, whose records arrive shuffled, twice, or not at all.

use proptest::prelude::*;

use super::*;
use crate::observe::model::{LinkKind, LinkState, PacketLane};

/// Nodes in a tree: node `n + 1` has a link to node `parents[n] % (n + 1)`, over HTTP if told so.
#[derive(Clone, Debug)]
struct Network {
    links: Vec<(usize, bool)>,
}

impl Network {
    fn parent(&self, node: usize) -> Option<(usize, bool)> {
        let (parent, is_http) = *self.links.get(node.checked_sub(1)?)?;
        Some((parent % node, is_http))
    }

    fn links(&self) -> Vec<LinkBody> {
        let links = (1..=self.links.len()).filter_map(|node| {
            let (parent, is_http) = self.parent(node)?;
            Some(LinkBody {
                id: format!("n{parent}~n{node}"),
                a: format!("n{parent}"),
                b: format!("n{node}"),
                a_peer: format!("n{node}"),
                b_peer: Some(format!("n{parent}")),
                a_state: None,
                b_state: None,
                state: LinkState::Up,
                since: None,
                last_error: None,
                kind: LinkKind::Peer,
                transport: Some(if is_http { "http" } else { "btp" }.to_owned()),
                asset: "USD/9".to_owned(),
            })
        });
        links.collect()
    }

    /// The nodes between two nodes, both included.
    fn path(&self, from: usize, to: usize) -> Vec<usize> {
        let ancestors = |node| std::iter::successors(Some(node), |n| Some(self.parent(*n)?.0));
        let up: Vec<usize> = ancestors(from).collect();
        let mut down: Vec<usize> = ancestors(to).take_while(|node| !up.contains(node)).collect();
        let top = ancestors(to).find(|node| up.contains(node)).unwrap();
        let mut path: Vec<_> = up.into_iter().take_while(|node| *node != top).collect();
        path.push(top);
        down.reverse();
        path.extend(down);
        path
    }

    fn is_http(&self, a: usize, b: usize) -> bool {
        self.parent(a.max(b)).unwrap().1
    }
}

/// What the records of one packet at one node are.
#[derive(Clone, Debug)]
struct TrueHop {
    node: usize,
    records: Vec<PacketBody>,
}

/// Packets as the nodes record them.
#[derive(Default)]
struct Recorder {
    records: u64,
    next_ids: HashMap<(usize, usize), u32>,
}

impl Recorder {
    fn record(&mut self, node: usize, phase: PacketPhase, condition: &str) -> PacketBody {
        self.records += 1;
        PacketBody {
            id: format!("c0ffee00-{}", self.records),
            at: format!("2026-01-01T00:00:{:02}.000Z", self.records / 16 % 60),
            node: format!("n{node}"),
            phase,
            lane: PacketLane::Sample,
            condition: condition.to_owned(),
            sample_key: None,
            from: None,
            request_id: None,
            to: None,
            outgoing_request_id: None,
            destination: None,
            prefix: None,
            amount: None,
            outgoing_amount: None,
            expires_at: None,
            balance_after: None,
            latency_us: None,
            code: None,
            decided_here: false,
            reason: None,
            triggered_by: None,
            message: None,
        }
    }

    fn next_id(&mut self, from: usize, to: usize) -> u32 {
        // Every link begins with the same few ids, so that ids alone mean nothing.
        let id = self.next_ids.entry((from, to)).or_insert(7);
        *id += 1;
        *id
    }

    /// One packet from a user of the first node to the last one, which answers.
    fn send(
        &mut self,
        network: &Network,
        path: &[usize],
        condition: &str,
        sample_key: Option<&str>,
    ) -> Vec<TrueHop> {
        let mut incoming = ("user".to_owned(), self.next_id(usize::MAX, path[0]));
        let mut hops = Vec::new();
        for (index, node) in path.iter().enumerate() {
            let next = path.get(index + 1);
            let outgoing = next.map(|next| (format!("n{next}"), self.next_id(*node, *next)));
            let phases = match next {
                Some(_) => vec![PacketPhase::Forwarded, PacketPhase::Rejected],
                None => vec![PacketPhase::Rejected],
            };
            let records = phases.into_iter().map(|phase| PacketBody {
                from: Some(incoming.0.clone()),
                request_id: Some(incoming.1),
                to: outgoing.as_ref().map(|(to, _)| to.clone()),
                outgoing_request_id: outgoing.as_ref().map(|(_, id)| *id),
                sample_key: sample_key.map(str::to_owned),
                ..self.record(*node, phase, condition)
            });
            hops.push(TrueHop { node: *node, records: records.collect() });
            if let (Some(next), Some((_, id))) = (next, outgoing) {
                // An HTTP server counts for itself.
                let id = if network.is_http(*node, *next) { id + 1_000 } else { id };
                incoming = (format!("n{node}"), id);
            }
        }
        hops
    }
}

fn network() -> impl Strategy<Value = Network> {
    let link = (0..64_usize, prop::bool::weighted(0.2));
    prop::collection::vec(link, 1..8).prop_map(|links| Network { links })
}

/// The hops around `at` that can be found: as far as there are records, and over one node without any, if condition or
/// sample key belong to this packet alone. Over HTTP pings without a key cannot be told apart.
fn reach(
    hops: &[TrueHop],
    at: usize,
    is_anonymous: bool,
    is_http: impl Fn(usize, usize) -> bool,
) -> Vec<usize> {
    let has = |index: usize| hops.get(index).is_some_and(|hop| !hop.records.is_empty());
    let crosses = |a: usize, b: usize| !(is_anonymous && is_http(hops[a].node, hops[b].node));
    let walk = |step: isize| {
        let mut reached = Vec::new();
        let mut current = at;
        while let Some(next) = current.checked_add_signed(step).filter(|next| *next < hops.len()) {
            let over = next.checked_add_signed(step).is_some_and(&has);
            if !crosses(current, next) || !has(next) && (is_anonymous || !over) {
                break;
            }
            reached.push(next);
            current = next;
        }
        reached
    };
    let mut reached: Vec<_> = walk(-1).into_iter().chain([at]).chain(walk(1)).collect();
    reached.sort_unstable();
    reached
}

proptest! {
    #[test]
    fn a_path_has_all_that_is_known_of_its_packet_and_nothing_of_others(
        network in network(),
        packets in prop::collection::vec((0..64_usize, 0..64_usize, 0..3_u8), 1..12),
        fates in prop::collection::vec(0..10_u8, 1..200),
        order in any::<u64>(),
    ) {
        let count = network.links.len() + 1;
        let mut recorder = Recorder::default();
        let mut truth = Vec::new();
        for (number, (from, to, kind)) in packets.iter().enumerate() {
            // A ping outside of the sample, one in it, or a packet with a condition of its own.
            let (condition, key) = match kind {
                0 => (hex(&Condition::PING), None),
                1 => (hex(&Condition::PING), Some(format!("{number:016x}"))),
                _ if number == 0 => ("ab".repeat(32), None),
                _ => (format!("{number:064x}"), None),
            };
            let path = network.path(from % count, to % count);
            let hops = recorder.send(&network, &path, &condition, key.as_deref());
            truth.push((hops, *kind == 0));
        }
        // Some records are lost, some come twice.
        let mut fates = fates.iter().cycle();
        let mut kept = Vec::new();
        for (hops, _) in &mut truth {
            for hop in hops.iter_mut() {
                hop.records.retain(|_| fates.next() != Some(&0) );
                for record in &hop.records {
                    kept.push(record.clone());
                    if fates.next() == Some(&1) {
                        kept.push(record.clone());
                    }
                }
            }
        }
        kept.sort_by_key(|record| sequence(&record.id).wrapping_mul(order | 1).rotate_left(23));
        let links = network.links();
        for (hops, is_anonymous) in &truth {
            for (at, record) in hops.iter().enumerate().flat_map(|(at, hop)| hop.records.iter().map(move |r| (at, r))) {
                let path = packet_path(kept.iter(), &links, &record.id).unwrap();
                let expected = reach(hops, at, *is_anonymous, |a, b| network.is_http(a, b));
                let expected = expected.into_iter().map(|index| {
                    let of = |is_wanted: fn(PacketPhase) -> bool| {
                        hops[index].records.iter().find(|record| is_wanted(record.phase)).cloned()
                    };
                    HopBody {
                        node: format!("n{}", hops[index].node),
                        forwarded: of(|phase| phase == PacketPhase::Forwarded),
                        answer: of(|phase| phase != PacketPhase::Forwarded),
                    }
                });
                prop_assert_eq!(&path.hops, &expected.collect::<Vec<_>>());
                prop_assert_eq!(&path.condition, &record.condition);
                // Names say the same as links do.
                let same = kept.iter().filter(|kept| kept.condition == record.condition);
                prop_assert!(packet_paths(same).contains(&path.hops));
            }
        }
    }
}

#[test]
fn a_request_id_that_is_used_again_belongs_to_the_later_packet() {
    let network = Network { links: vec![(0, false)] };
    let mut records = Vec::new();
    let mut recorder = Recorder::default();
    for _ in 0..3 {
        // Both packets have the same ids everywhere, as after two restarts.
        recorder.next_ids.clear();
        recorder.records += 100;
        records.extend(recorder.send(&network, &[0, 1], &hex(&Condition::PING), None));
    }
    let all: Vec<_> = records.iter().flat_map(|hop| hop.records.clone()).collect();
    for hops in records.chunks(2) {
        let path = packet_path(all.iter().rev(), &network.links(), &hops[0].records[0].id).unwrap();
        let found: Vec<_> =
            path.hops.iter().flat_map(|hop| [&hop.forwarded, &hop.answer]).flatten().collect();
        assert_eq!(found, hops.iter().flat_map(|hop| &hop.records).collect::<Vec<_>>());
    }
}

#[test]
fn an_unknown_record_has_no_path_and_unreadable_packets_stay_alone() {
    let network = Network { links: vec![(0, false)] };
    let mut recorder = Recorder::default();
    assert_eq!(packet_path([].iter(), &network.links(), "c0ffee00-1"), None);
    let unreadable = PacketBody {
        from: Some("user".to_owned()),
        request_id: Some(3),
        ..recorder.record(1, PacketPhase::Rejected, &"00".repeat(32))
    };
    let path = packet_path([&unreadable].into_iter(), &network.links(), &unreadable.id).unwrap();
    let hop = HopBody { node: "n1".to_owned(), forwarded: None, answer: Some(unreadable) };
    assert_eq!(path.hops, [hop]);
}
