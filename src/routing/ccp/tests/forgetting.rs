//! The log forgets what is gone, and still nobody is left with a route that is not there; and who does not listen makes
//! nobody else hear everything again.

use super::*;

/// A peer that listens as other implementations do: it keeps what it was told while its link is away, and drops it
/// when it hears of another table.
#[derive(Default)]
struct Listener {
    table: TableId,
    epoch: u32,
    routes: BTreeSet<String>,
    tables: usize,
}

impl Listener {
    fn hears(&mut self, payload: &[u8]) {
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

/// `p0` tells of routes, `p1` and `p2` listen.
struct Three {
    one: One,
    listeners: [Listener; 2],
    told: u32,
}

impl Three {
    fn new() -> Self {
        let members = (0..3).map(|slot| member(slot, &format!("p{slot}"), Relation::Peer));
        let one = One::new(settings("test.me", members.collect()));
        Three { one, listeners: Default::default(), told: 0 }
    }

    fn wants(&mut self, peer: u32, mode: RouteControlMode) {
        let listener = &self.listeners[peer as usize - 1];
        self.one.asks(peer, mode, listener.table, listener.epoch).unwrap();
    }

    /// Routes of these numbers come, or go.
    fn p0_says(&mut self, numbers: std::ops::Range<u32>, come: bool) {
        let prefixes: Vec<String> = numbers.map(|number| format!("test.r{number}")).collect();
        let routes: Vec<(&str, &[&str])> =
            prefixes.iter().map(|one| (one.as_str(), &[][..])).collect();
        let gone: Vec<&str> = prefixes.iter().map(String::as_str).collect();
        let epochs = (self.told + 1, self.told, self.told + 1);
        let said = match come {
            true => Said { epochs, routes: &routes, ..Said::default() },
            false => Said { epochs, withdrawn: &gone, ..Said::default() },
        };
        self.one.says(0, &said).unwrap();
        self.told += 1;
    }

    /// Time passes; those of `deaf` get what they are sent and never say so.
    fn pass(&mut self, milliseconds: u64, deaf: &[u32]) {
        let end = self.one.now + milliseconds;
        while self.one.now < end {
            let polled = self.one.exchange.poll(ms(self.one.now));
            for sent in polled.to_send {
                let peer: u32 = sent.to.as_str()[1..].parse().unwrap();
                if deaf.contains(&peer) {
                    continue;
                }
                if sent.destination == AddressRef::PEER_ROUTE_UPDATE {
                    self.listeners[peer as usize - 1].hears(&sent.payload);
                }
                self.one.exchange.record_answer(sent.ticket, true, ms(self.one.now));
            }
            self.one.now += 10;
        }
    }

    fn check(&self, peer: usize, expected: std::ops::Range<u32>) {
        let routes = &self.listeners[peer - 1].routes;
        let told: BTreeSet<String> =
            routes.iter().filter(|one| one.contains(".r")).cloned().collect();
        let expected: BTreeSet<String> = expected.map(|number| format!("test.r{number}")).collect();
        assert!(told == expected, "p{peer} has {} routes, not {}", told.len(), expected.len());
    }
}

#[test]
fn who_looked_away_while_the_log_forgot_is_not_left_with_old_routes() {
    let mut three = Three::new();
    three.p0_says(0..6_000, true);
    (1..3).for_each(|peer| three.wants(peer, RouteControlMode::Sync));
    three.pass(1_000, &[]);
    (1..3).for_each(|peer| three.check(peer, 0..6_000));
    three.wants(1, RouteControlMode::Idle);
    three.p0_says(0..5_500, false);
    three.pass(1_000, &[]);
    three.check(2, 5_500..6_000);
    // It goes on where it stood; what it missed is no longer in the log.
    three.wants(1, RouteControlMode::Sync);
    three.pass(1_000, &[]);
    three.check(1, 5_500..6_000);
    assert_eq!(three.listeners[1].tables, 1, "p2 has heard everything once");
}

#[test]
fn who_does_not_listen_makes_nobody_hear_everything_again() {
    let mut three = Three::new();
    (1..3).for_each(|peer| three.wants(peer, RouteControlMode::Sync));
    three.p0_says(0..10, true);
    three.pass(1_000, &[]);
    for round in 1..8 {
        let numbers = round * 20_000..(round + 1) * 20_000;
        three.p0_says(numbers.clone(), true);
        three.pass(500, &[1]);
        three.p0_says(numbers, false);
        three.pass(500, &[1]);
    }
    three.check(2, 0..10);
    assert_eq!(three.listeners[1].tables, 1, "p2 has heard everything once");
    // When it listens again, it hears what is there, soon.
    three.pass(62_000, &[]);
    three.check(1, 0..10);
    assert_eq!(three.listeners[0].tables, 2);
}
