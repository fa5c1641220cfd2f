//! Pruning of the log: no peer keeps a withdrawn route, and a peer that does not answer causes no resend to others.

use super::*;

/// A peer like other implementations: it keeps its routes while the link is down, and drops them at a new table id.
#[derive(Default)]
struct Listener {
    table: TableId,
    epoch: u32,
    routes: BTreeSet<String>,
    tables: usize,
}

impl Listener {
    fn receive(&mut self, payload: &[u8]) {
        let update = RouteUpdate::parse(payload).unwrap();
        if update.table != self.table {
            self.tables += 1;
            self.table = update.table;
            self.epoch = 0;
            self.routes.clear();
        }
        assert!(
            update.epochs.from <= self.epoch,
            "a gap: {:?} after {}",
            update.epochs,
            self.epoch
        );
        let text = |bytes| std::str::from_utf8(bytes).unwrap().to_owned();
        for prefix in update.withdrawn_routes {
            self.routes.remove(&text(prefix));
        }
        self.routes.extend(update.new_routes.map(|route| text(route.prefix)));
        self.epoch = update.epochs.to;
    }
}

/// `p0` advertises routes, `p1` and `p2` receive them.
struct ThreePeers {
    node: TestNode,
    listeners: [Listener; 2],
    epoch: u32,
}

impl ThreePeers {
    fn new() -> Self {
        let peers = (0..3).map(|slot| ccp_peer(slot, &format!("p{slot}"), Relation::Peer));
        let node = TestNode::new(settings("test.me", peers.collect()));
        Self { node, listeners: Default::default(), epoch: 0 }
    }

    fn request_updates(&mut self, peer: u32, mode: RouteControlMode) {
        let listener = &self.listeners[peer as usize - 1];
        self.node.send_control(peer, mode, listener.table, listener.epoch).unwrap();
    }

    /// Advertises or withdraws routes with these numbers.
    fn advertise_from_p0(&mut self, numbers: std::ops::Range<u32>, is_advertised: bool) {
        let prefixes: Vec<String> = numbers.map(|number| format!("test.r{number}")).collect();
        let routes: Vec<(&str, &[&str])> =
            prefixes.iter().map(|one| (one.as_str(), &[][..])).collect();
        let gone: Vec<&str> = prefixes.iter().map(String::as_str).collect();
        let epochs = (self.epoch + 1, self.epoch, self.epoch + 1);
        let fields = match is_advertised {
            true => UpdateFields { epochs, routes: &routes, ..FIRST },
            false => UpdateFields { epochs, withdrawn: &gone, ..FIRST },
        };
        self.node.send_update(0, &fields).unwrap();
        self.epoch += 1;
    }

    /// Advances the clock. Peers in `unresponsive` receive requests and send no answers.
    fn advance(&mut self, milliseconds: u64, unresponsive: &[u32]) {
        let end = self.node.now + milliseconds;
        while self.node.now < end {
            let polled = self.node.ccp.poll(ms(self.node.now));
            for sent in polled.to_send {
                let peer: u32 = sent.to.as_str()[1..].parse().unwrap();
                if unresponsive.contains(&peer) {
                    continue;
                }
                if sent.destination == AddressRef::PEER_ROUTE_UPDATE {
                    self.listeners[peer as usize - 1].receive(&sent.payload);
                }
                self.node.ccp.record_answer(sent.ticket, true, ms(self.node.now));
            }
            self.node.now += 10;
        }
    }

    fn check(&self, peer: usize, expected: std::ops::Range<u32>) {
        let routes = &self.listeners[peer - 1].routes;
        let known: BTreeSet<String> =
            routes.iter().filter(|one| one.contains(".r")).cloned().collect();
        let expected: BTreeSet<String> = expected.map(|number| format!("test.r{number}")).collect();
        assert!(known == expected, "p{peer} has {} routes, not {}", known.len(), expected.len());
    }
}

#[test]
fn a_peer_that_missed_pruned_withdrawals_drops_its_old_routes() {
    let mut peers = ThreePeers::new();
    peers.advertise_from_p0(0..6_000, true);
    (1..3).for_each(|peer| peers.request_updates(peer, RouteControlMode::Sync));
    peers.advance(1_000, &[]);
    (1..3).for_each(|peer| peers.check(peer, 0..6_000));
    peers.request_updates(1, RouteControlMode::Idle);
    peers.advertise_from_p0(0..5_500, false);
    peers.advance(1_000, &[]);
    peers.check(2, 5_500..6_000);
    // p1 continues at its epoch; the withdrawals that it missed are pruned.
    peers.request_updates(1, RouteControlMode::Sync);
    peers.advance(1_000, &[]);
    peers.check(1, 5_500..6_000);
    assert_eq!(peers.listeners[1].tables, 1, "p2 got the table once");
}

#[test]
fn a_peer_that_does_not_answer_causes_no_resend_to_others() {
    let mut peers = ThreePeers::new();
    (1..3).for_each(|peer| peers.request_updates(peer, RouteControlMode::Sync));
    peers.advertise_from_p0(0..10, true);
    peers.advance(1_000, &[]);
    for round in 1..8 {
        let numbers = round * 20_000..(round + 1) * 20_000;
        peers.advertise_from_p0(numbers.clone(), true);
        peers.advance(500, &[1]);
        peers.advertise_from_p0(numbers, false);
        peers.advance(500, &[1]);
    }
    peers.check(2, 0..10);
    assert_eq!(peers.listeners[1].tables, 1, "p2 got the table once");
    // When p1 answers again, it soon has all routes.
    peers.advance(62_000, &[]);
    peers.check(1, 0..10);
    assert_eq!(peers.listeners[0].tables, 2);
}
