//! An exchange among peers that do as they like, driven by operations that are derived from bytes: what a fuzzer and a
//! property test run. That honest peers find their routes is for the tests of networks; here nobody is honest.
//!
//! Peers come and go, tell parts of logs that do not fit together, announce what is not theirs, or bytes that are no
//! update, ask for epochs that never were, answer late, twice or not at all; the configuration changes; time jumps.
//! What must hold, whatever happens in whatever order: nothing panics; of each peer no more routes are kept than the
//! configuration allows; what is learned comes from a connected peer whose routes are wanted, and lies outside of the
//! node's own address; what is sent can be read, goes to whom it may, names the node in front, and tells nobody a route
//! that leads to them; no more than one control and one update are under way to a peer that does not ask anew.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use ahash::RandomState;

use super::advertise::CcpRequest;
use super::retry::ANSWER_TIMEOUT;
use super::{Ccp, CcpPeer, CcpSettings, LocalRoute, RequestTicket};
use crate::account::{Relation, RoutePolicy};
use crate::link::Slot;
use crate::time::MonoTime;
use crate::wire::ccp::{
    Epochs, MAX_PAYLOAD, RouteControl, RouteControlMode, RouteRequest, RouteUpdate, TableId,
    UpdateWriter, put_hop,
};
use crate::wire::{Address, AddressRef, Prefix};

const PEERS: [(&str, Relation); 4] = [
    ("parent", Relation::Parent),
    ("one", Relation::Peer),
    ("other", Relation::Peer),
    ("child", Relation::Child),
];
const OWN: [&str; 2] = ["test.me", "test.metoo"];
const PREFIXES: [&str; 14] = [
    "test.a",
    "test.a.b",
    "test.a.b.c",
    "test.b",
    "test.c",
    "test.me",
    "test.me.child",
    "test.me2",
    "test.metoo.x",
    "test",
    "",
    "g.a",
    "no address",
    "test..a",
];
const HOPS: [&str; 8] =
    ["test.one", "test.other", "test.far", "test.me", "test.metoo", "test.far.x", "?", ""];

/// How often what happened, so that a test can see that everything does happen.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct CcpEventCounts {
    /// Updates that were taken.
    pub taken: u64,
    /// Updates and controls that were refused.
    pub refused: u64,
    /// Routes that were learned at the end of an operation.
    pub learned: u64,
    /// Controls that went out.
    pub asked: u64,
    /// Updates that went out.
    pub told: u64,
    /// Routes that they announced.
    pub announced: u64,
    /// Prefixes that they withdrew.
    pub withdrawn: u64,
}

/// Runs the operations that `input` spells.
pub fn run(input: &[u8]) -> CcpEventCounts {
    let mut world = World::new();
    let mut script = Script(input);
    while !script.0.is_empty() {
        world.step(&mut script);
        world.check();
    }
    world.happened
}

/// Bytes as decisions; zeros when there are no more.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    fn pick<T: Copy>(&mut self, some: &[T]) -> T {
        some[self.below(some.len())]
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }
}

/// A request to a peer that waits for its answer.
#[derive(Debug, PartialEq)]
struct Open {
    to: usize,
    control: bool,
    ticket: RequestTicket,
    sent: MonoTime,
}

struct World {
    exchange: Ccp,
    settings: CcpSettings,
    now: MonoTime,
    linked: [bool; PEERS.len()],
    /// What each peer has told so far, as it counts itself: the table and the epoch.
    logs: [(u8, u32); PEERS.len()],
    /// Requests without an answer, oldest first.
    open: Vec<Open>,
    happened: CcpEventCounts,
}

impl World {
    fn new() -> Self {
        let member = |(place, (id, relation)): (usize, &(&str, Relation))| CcpPeer {
            slot: slot(place),
            id: id.parse().unwrap(),
            relation: *relation,
            policy: RoutePolicy {
                send: true,
                receive: true,
                routes_max: 3 + place,
                ..RoutePolicy::default()
            },
        };
        let settings = CcpSettings {
            own_address: Some(OWN[0].parse().unwrap()),
            peers: PEERS.iter().enumerate().map(member).collect(),
            local_routes: vec![LocalRoute { prefix: "test.c".parse().unwrap(), next_hop: slot(3) }],
            ..CcpSettings::default()
        };
        let mut exchange = Ccp::new(RandomState::with_seeds(1, 2, 3, 4));
        exchange.apply_settings(settings.clone(), MonoTime(0));
        Self {
            exchange,
            settings,
            now: MonoTime(0),
            linked: Default::default(),
            logs: [(1, 0); PEERS.len()],
            open: Vec::new(),
            happened: CcpEventCounts::default(),
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let (what, peer) = (script.below(16), script.below(PEERS.len()));
        match what {
            0 => self.set_link(peer, !self.linked[peer]),
            1 => self.set_link(peer, true),
            2..=3 => self.control(peer, script),
            4..=8 => self.update(peer, script),
            9..=11 => self.poll(),
            12..=13 => self.answer(script),
            14 => self.now = self.now.after_ms(u64::from(script.byte()).pow(2)),
            _ => self.configure(peer, script),
        }
    }

    fn set_link(&mut self, peer: usize, up: bool) {
        self.linked[peer] = up;
        self.open.retain(|one| one.to != peer);
        self.exchange.set_connected(slot(peer), up, self.now);
    }

    fn control(&mut self, peer: usize, script: &mut Script<'_>) {
        let mode = script.pick(&[
            RouteControlMode::Sync,
            RouteControlMode::Sync,
            RouteControlMode::Sync,
            RouteControlMode::Idle,
        ]);
        let table = match script.below(3) {
            0 => TableId([script.byte(); 16]),
            1 => self.exchange.log.table(),
            _ => TableId::NONE,
        };
        let current = self.exchange.log.epoch();
        let epoch = match script.below(3) {
            0 => script.u32(),
            1 => current,
            _ => current.saturating_sub(u32::from(script.byte())),
        };
        let control = RouteControl::new(mode, table, epoch);
        let answer =
            self.exchange.handle_request(slot(peer), &RouteRequest::Control(control), self.now);
        // Who asks begins anew: an update that is under way no longer counts.
        self.open.retain(|one| one.to != peer || one.control);
        self.happened.refused += u64::from(answer.is_err());
    }

    fn update(&mut self, peer: usize, script: &mut Script<'_>) {
        let (table, known) = &mut self.logs[peer];
        if script.below(16) == 0 {
            (*table, *known) = (script.byte() % 3, 0);
        }
        let from = match script.below(8) {
            0 => script.u32(),
            1 => known.saturating_sub(u32::from(script.byte() % 4)),
            2 => known.saturating_add(1),
            _ => *known,
        };
        let to = match script.below(8) {
            0 => script.u32(),
            _ => from.saturating_add(u32::from(script.byte() % 4)),
        };
        let current = if script.below(8) == 0 { script.u32() } else { to.max(*known) };
        let epochs = Epochs { current, from, to };
        let hold_down = script.pick(&[45_000, 45_000, 1, 0, u32::MAX]);
        let speaker = AddressRef::new(script.pick(&["test.one", "test.far", "test.me"])).unwrap();
        let mut payload = routes(script).finish(TableId([*table; 16]), epochs, hold_down, speaker);
        if script.below(16) == 0 {
            let place = usize::from(script.byte()) % payload.len();
            payload[place] = script.byte();
        }
        let Ok(update) = RouteUpdate::parse(&payload) else { return };
        match self.exchange.handle_request(slot(peer), &RouteRequest::Update(update), self.now) {
            Ok(()) => {
                self.happened.taken += 1;
                self.logs[peer].1 = update.epochs.to;
            }
            Err(_) => self.happened.refused += 1,
        }
    }

    fn poll(&mut self) {
        let polled = self.exchange.poll(self.now);
        for sent in polled.to_send {
            self.read(&sent);
        }
        if polled.learned_changed {
            self.exchange.take_learned_routes();
        }
    }

    /// What goes out.
    fn read(&mut self, sent: &CcpRequest) {
        let peer = PEERS.iter().position(|(id, _)| sent.to.as_str() == *id).unwrap();
        let policy = &self.settings.peers[peer].policy;
        assert!(self.linked[peer], "{sent:?} to a peer without a link");
        assert!(sent.payload.len() <= MAX_PAYLOAD, "{} bytes", sent.payload.len());
        let control = sent.destination == AddressRef::PEER_ROUTE_CONTROL;
        self.open.retain(|one| self.now < one.sent.after(ANSWER_TIMEOUT));
        let under_way = self.open.iter().find(|one| (one.to, one.control) == (peer, control));
        assert_eq!(under_way, None, "two under way to {}", sent.to);
        self.open.push(Open { to: peer, control, ticket: sent.ticket, sent: self.now });
        if control {
            RouteControl::parse(&sent.payload).unwrap();
            assert!(policy.receive, "routes of {} are not wanted", sent.to);
            self.happened.asked += 1;
            return;
        }
        let update = RouteUpdate::parse(&sent.payload).unwrap();
        assert!(policy.send, "{} must not be told", sent.to);
        let Epochs { current, from, to } = update.epochs;
        assert!(from <= to && to <= current, "{:?}", update.epochs);
        let own = self.settings.own_address.as_ref().unwrap();
        assert_eq!(update.speaker, own.view());
        let learned: BTreeMap<_, _> = self.exchange.learned_routes().into_iter().collect();
        for route in update.new_routes {
            assert_eq!(route.path.clone().next(), Some(own.as_str().as_bytes()));
            let prefix: Prefix = std::str::from_utf8(route.prefix).unwrap().parse().unwrap();
            assert_ne!(learned.get(&prefix), Some(&slot(peer)), "{prefix} leads to {}", sent.to);
            self.happened.announced += 1;
        }
        self.happened.withdrawn += update.withdrawn_routes.len() as u64;
        self.happened.told += 1;
    }

    /// Some answer, once or twice; those to peers that are gone come to nothing.
    fn answer(&mut self, script: &mut Script<'_>) {
        if self.open.is_empty() {
            return;
        }
        let place = script.below(self.open.len());
        let accepted = script.below(4) != 0;
        let ticket = self.open.remove(place).ticket;
        for _ in 0..=script.below(2) {
            self.exchange.record_answer(ticket, accepted, self.now);
        }
    }

    fn configure(&mut self, peer: usize, script: &mut Script<'_>) {
        match script.below(6) {
            0 => self.settings.own_address = Some(script.pick(&OWN).parse().unwrap()),
            1 if script.below(4) == 0 => self.settings.own_address = None,
            2 => self.settings.peers[peer].policy.routes_max = 1 + script.below(9),
            3 => self.settings.peers[peer].policy.send = script.below(2) == 0,
            4 => self.settings.peers[peer].policy.receive = script.below(2) == 0,
            _ => {
                let accept = vec![script.pick(&["test.a", "test.b"]).parse().unwrap()];
                self.settings.peers[peer].policy.accept = (script.below(2) == 0).then_some(accept);
            }
        }
        // A node that is something else begins anew with everybody.
        self.open.clear();
        self.exchange.apply_settings(self.settings.clone(), self.now);
    }

    fn check(&mut self) {
        let learned = self.exchange.learned_routes();
        self.happened.learned += learned.len() as u64;
        let own = self.settings.own_address.as_ref();
        for (prefix, from) in &learned {
            let place = from.0 as usize;
            let policy = &self.settings.peers[place].policy;
            assert!(self.linked[place] && policy.receive, "{prefix} of {}", PEERS[place].0);
            assert!(policy.accepts(prefix), "{prefix} is not wanted of {}", PEERS[place].0);
            let inside = own.is_some_and(|own: &Address| Prefix::from(own).covers(prefix));
            assert!(!inside, "{prefix} is our own");
            assert_eq!(prefix.scheme(), own.map(|own| own.scheme()), "{prefix}");
        }
        for report in self.exchange.report() {
            let place = PEERS.iter().position(|(id, _)| report.peer.as_str() == *id).unwrap();
            let most = self.settings.peers[place].policy.routes_max;
            assert!(report.routes <= most, "{} routes of {}", report.routes, report.peer);
        }
    }
}

/// What an update tells.
fn routes(script: &mut Script<'_>) -> UpdateWriter {
    let mut writer = UpdateWriter::default();
    for _ in 0..script.below(6) {
        let mut path = Vec::new();
        // Now and then more hops than anybody needs.
        let hops = if script.below(16) == 0 { script.below(64) } else { script.below(4) };
        for _ in 0..hops {
            match AddressRef::new(script.pick(&HOPS)) {
                Ok(hop) => put_hop(hop, &mut path),
                Err(_) => path.extend(b"\x03a b"),
            }
        }
        let prefix = script.pick(&PREFIXES);
        writer.announce(prefix.as_bytes(), hops, [&*path], &[7; 32], std::iter::empty());
    }
    for _ in 0..script.below(4) {
        writer.withdraw(script.pick(&PREFIXES).as_bytes());
    }
    writer
}

fn slot(place: usize) -> Slot {
    Slot(u32::try_from(place).unwrap())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
        #[test]
        fn whatever_peers_tell_the_rules_hold(
            input in prop::collection::vec(any::<u8>(), 0..1500),
        ) {
            run(&input);
        }
    }

    /// The property must not hold for want of events.
    #[test]
    fn everything_happens() {
        let mut random = StdRng::seed_from_u64(1);
        let mut sum = CcpEventCounts::default();
        for _ in 0..50 {
            let mut input = [0; 1500];
            random.fill_bytes(&mut input);
            let happened = run(&input);
            sum.taken += happened.taken;
            sum.refused += happened.refused;
            sum.learned += happened.learned;
            sum.asked += happened.asked;
            sum.told += happened.told;
            sum.announced += happened.announced;
            sum.withdrawn += happened.withdrawn;
        }
        let CcpEventCounts { taken, refused, learned, asked, told, announced, withdrawn } = sum;
        for (count, what) in [
            (taken, "taken"),
            (refused, "refused"),
            (learned, "learned"),
            (asked, "asked"),
            (told, "told"),
            (announced, "announced"),
            (withdrawn, "withdrawn"),
        ] {
            assert!(count > 50, "{what}: {count}");
        }
    }
}
