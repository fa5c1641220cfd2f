//! Networks of nodes: after any failures, each node has the shortest route to each reachable node, and no others.

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;

/// One step of the clock, in milliseconds.
const STEP: u64 = 10;

struct Network {
    nodes: Vec<Option<Ccp>>,
    /// Links by their ends, the lower one first.
    links: BTreeMap<(usize, usize), Link>,
    /// Requests in flight.
    in_flight: Vec<Message>,
    random: StdRng,
    /// Answers that get lost.
    lost_percent: u32,
    now: u64,
    starts: u64,
}

#[derive(Clone, Copy)]
struct Link {
    up: bool,
    /// How often it went up or down: a change loses the requests in flight.
    changes: u64,
}

struct Message {
    arrives: u64,
    from: usize,
    to: usize,
    link_changes: u64,
    request: CcpRequest,
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl Network {
    fn new(size: usize, links: &[(usize, usize)], seed: u64) -> Self {
        let link = |(a, b): &(usize, usize)| (pair(*a, *b), Link { up: false, changes: 0 });
        let mut network = Self {
            nodes: Vec::new(),
            links: links.iter().map(link).collect(),
            in_flight: Vec::new(),
            random: StdRng::seed_from_u64(seed),
            lost_percent: 0,
            now: 0,
            starts: 0,
        };
        network.nodes.resize_with(size, || None);
        (0..size).for_each(|node| network.start(node));
        links.iter().for_each(|(a, b)| network.set_link(*a, *b, true));
        network
    }

    fn neighbours(&self, node: usize) -> Vec<usize> {
        let ends = self.links.keys().filter(|(a, b)| *a == node || *b == node);
        ends.map(|(a, b)| if *a == node { *b } else { *a }).collect()
    }

    fn start(&mut self, node: usize) {
        self.starts += 1;
        let mut ccp = Ccp::new(hash(self.starts));
        let peers = self.neighbours(node).into_iter().map(|other| {
            ccp_peer(u32::try_from(other).unwrap(), &format!("n{other}"), Relation::Peer)
        });
        ccp.apply_settings(settings(&format!("test.n{node}"), peers.collect()), ms(self.now));
        self.nodes[node] = Some(ccp);
    }

    fn set_link(&mut self, a: usize, b: usize, up: bool) {
        let Some(link) = self.links.get_mut(&pair(a, b)) else { return };
        let both = self.nodes[a].is_some() && self.nodes[b].is_some();
        if link.up == (up && both) {
            return;
        }
        link.up = up && both;
        link.changes += 1;
        for (node, other) in [(a, b), (b, a)] {
            if let Some(ccp) = &mut self.nodes[node] {
                ccp.set_connected(Slot(u32::try_from(other).unwrap()), up, ms(self.now));
            }
        }
    }

    fn kill(&mut self, node: usize) {
        self.neighbours(node).into_iter().for_each(|other| self.set_link(node, other, false));
        self.nodes[node] = None;
    }

    fn restart(&mut self, node: usize) {
        self.kill(node);
        self.start(node);
        self.neighbours(node).into_iter().for_each(|other| self.set_link(node, other, true));
    }

    fn advance(&mut self, milliseconds: u64) {
        let end = self.now + milliseconds;
        while self.now < end {
            self.now += STEP;
            for node in 0..self.nodes.len() {
                self.send(node);
            }
            self.deliver();
        }
    }

    fn send(&mut self, from: usize) {
        let Some(ccp) = &mut self.nodes[from] else { return };
        for request in ccp.poll(ms(self.now)).to_send {
            let to = request.to.as_str()[1..].parse().unwrap();
            let link_changes = self.links[&pair(from, to)].changes;
            let arrives = self.now + self.random.random_range(1..40u64);
            self.in_flight.push(Message { arrives, from, to, link_changes, request });
        }
    }

    fn deliver(&mut self) {
        let (now, all) = (self.now, std::mem::take(&mut self.in_flight));
        let (mut due, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.arrives <= now);
        self.in_flight = rest;
        due.sort_by_key(|one| one.arrives);
        for Message { from, to, link_changes, request, .. } in due {
            let link = self.links[&pair(from, to)];
            if !link.up || link.changes != link_changes {
                continue;
            }
            let read = match request.destination == AddressRef::PEER_ROUTE_CONTROL {
                true => RouteControl::parse(&request.payload).map(RouteRequest::Control),
                false => RouteUpdate::parse(&request.payload).map(RouteRequest::Update),
            };
            let sender = Slot(u32::try_from(from).unwrap());
            let receiver = self.nodes[to].as_mut().expect("the link is up");
            let accepted = receiver.handle_request(sender, &read.unwrap(), ms(now)).is_ok();
            if self.random.random_range(0..100) >= self.lost_percent {
                let sender = self.nodes[from].as_mut().expect("the link is up");
                sender.record_answer(request.ticket, accepted, ms(now));
            }
        }
    }

    /// Hops from one node to all reachable ones.
    fn distances(&self, from: usize) -> BTreeMap<usize, usize> {
        let mut known = BTreeMap::from([(from, 0)]);
        let mut next = VecDeque::from([from]);
        while let Some(node) = next.pop_front() {
            for other in self.neighbours(node) {
                if self.links[&pair(node, other)].up && !known.contains_key(&other) {
                    known.insert(other, known[&node] + 1);
                    next.push_back(other);
                }
            }
        }
        known
    }

    /// Why the network has not converged, if it has not.
    fn check(&self) -> Result<(), String> {
        let tables: Vec<BTreeMap<Prefix, usize>> = (self.nodes.iter())
            .map(|node| {
                let learned = node.iter().flat_map(|ccp| ccp.learned_routes());
                learned.map(|(prefix, slot)| (prefix, slot.0 as usize)).collect()
            })
            .collect();
        let running = tables.iter().enumerate().filter(|(from, _)| self.nodes[*from].is_some());
        for (from, table) in running {
            let distances = self.distances(from);
            let expected: BTreeSet<Prefix> = distances
                .keys()
                .filter(|to| **to != from)
                .map(|to| format!("test.n{to}").parse().unwrap())
                .collect();
            let known: BTreeSet<Prefix> = table.keys().cloned().collect();
            if known != expected {
                return Err(format!("n{from} knows {known:?}, not {expected:?}"));
            }
            for prefix in known {
                let to: usize = prefix.as_str()["test.n".len()..].parse().unwrap();
                let (mut at, mut hops) = (from, 0);
                while at != to {
                    at =
                        *tables[at].get(&prefix).ok_or_else(|| format!("n{at} forgot {prefix}"))?;
                    hops += 1;
                    if hops > distances[&to] {
                        return Err(format!(
                            "n{from} needs more than {} hops to n{to}",
                            distances[&to]
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// Milliseconds until it has converged.
    fn converge(&mut self, max_ms: u64) -> u64 {
        let start = self.now;
        while let Err(why) = self.check() {
            assert!(self.now - start < max_ms, "after {max_ms} ms: {why}");
            self.advance(STEP);
        }
        self.now - start
    }
}

fn ring(size: usize) -> Vec<(usize, usize)> {
    (0..size).map(|node| (node, (node + 1) % size)).collect()
}

#[test]
fn a_ring_reroutes_around_a_dead_node_and_back() {
    let mut network = Network::new(20, &ring(20), 1);
    let cold = network.converge(10_000);
    network.advance(60_000);
    assert_eq!(network.check(), Ok(()));
    network.kill(7);
    let dead = network.converge(10_000);
    network.start(7);
    network.set_link(6, 7, true);
    network.set_link(7, 8, true);
    let back = network.converge(10_000);
    assert!(cold < 3_000 && dead < 5_000 && back < 3_000, "{cold} {dead} {back} ms");
}

#[test]
fn a_full_mesh_converges_on_direct_routes() {
    let links: Vec<_> = (0..8).flat_map(|a| (0..a).map(move |b| (a, b))).collect();
    let mut network = Network::new(8, &links, 2);
    network.converge(5_000);
    network.advance(120_000);
    assert_eq!(network.check(), Ok(()));
}

#[derive(Clone, Debug)]
enum Op {
    Cut(usize),
    Join(usize),
    Restart(usize),
    Lose(u32),
    Pass(u64),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        3 => any::<usize>().prop_map(Op::Cut),
        3 => any::<usize>().prop_map(Op::Join),
        1 => any::<usize>().prop_map(Op::Restart),
        1 => (0..50u32).prop_map(Op::Lose),
        4 => (1..3_000u64).prop_map(Op::Pass),
    ];
    prop::collection::vec(op, 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_network_converges_after_any_events(
        size in 2..9usize,
        chords in prop::collection::vec((0..9usize, 0..9usize), 0..8),
        ops in ops(),
        seed in any::<u64>(),
    ) {
        let mut links: Vec<_> = (1..size).map(|node| (node - 1, node)).collect();
        links.extend(chords.into_iter().map(|(a, b)| (a % size, b % size)).filter(|(a, b)| a != b));
        let mut network = Network::new(size, &links, seed);
        let known: Vec<(usize, usize)> = network.links.keys().copied().collect();
        for op in ops {
            match op {
                Op::Cut(which) => {
                    let (a, b) = known[which % known.len()];
                    network.set_link(a, b, false);
                }
                Op::Join(which) => {
                    let (a, b) = known[which % known.len()];
                    network.set_link(a, b, true);
                }
                Op::Restart(which) => network.restart(which % size),
                Op::Lose(percent) => network.lost_percent = percent,
                Op::Pass(time) => network.advance(time),
            }
        }
        network.lost_percent = 0;
        // A lost answer is noticed after 30 s, and tried again within 30 s more.
        network.converge(90_000);
        network.advance(100_000);
        prop_assert_eq!(network.check(), Ok(()));
    }
}
