//! CCP with dishonest peers, driven by operations that are derived from bytes: the input of a
//! fuzzer and of a property test.
//!
//! Peers connect and disconnect, send inconsistent parts of logs, advertise routes of others and invalid bytes, request
//! epochs that never existed, and answer late, twice or not at all; settings change; time jumps.
//!
//! Invariants, after any sequence: nothing panics; a peer never has more routes than its limit; a learned route belongs
//! to a connected peer whose routes are accepted, and lies outside the own address; a sent request parses, goes to a
//! permitted peer, has the own address first in each path, and advertises no route to its next hop; at most one control
//! and one update are in flight per peer.

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

/// Numbers of events, so that a test can check that each occurs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct CcpEventCounts {
    /// Accepted updates.
    pub accepted: u64,
    /// Refused updates and controls.
    pub refused: u64,
    /// Learned routes, summed over all operations.
    pub learned: u64,
    /// Controls sent.
    pub controls_sent: u64,
    /// Updates sent.
    pub updates_sent: u64,
    /// Advertised routes in them.
    pub advertised: u64,
    /// Withdrawn prefixes in them.
    pub withdrawn: u64,
}

/// Runs the operations of `input`.
pub fn run(input: &[u8]) -> CcpEventCounts {
    let mut world = World::new();
    let mut script = Script(input);
    while !script.0.is_empty() {
        world.step(&mut script);
        world.check();
    }
    world.counts
}

/// Bytes as decisions; zeros at the end.
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

/// A request without an answer yet.
#[derive(Debug, PartialEq)]
struct OpenRequest {
    to: usize,
    is_control: bool,
    ticket: RequestTicket,
    sent: MonoTime,
}

struct World {
    ccp: Ccp,
    settings: CcpSettings,
    now: MonoTime,
    connected: [bool; PEERS.len()],
    /// Table and epoch of each peer's own log.
    logs: [(u8, u32); PEERS.len()],
    /// Requests without an answer, oldest first.
    open: Vec<OpenRequest>,
    counts: CcpEventCounts,
}

impl World {
    fn new() -> Self {
        let peer = |(index, (id, relation)): (usize, &(&str, Relation))| CcpPeer {
            slot: slot(index),
            id: id.parse().unwrap(),
            relation: *relation,
            policy: RoutePolicy {
                send: true,
                receive: true,
                routes_max: 3 + index,
                ..RoutePolicy::default()
            },
        };
        let settings = CcpSettings {
            own_address: Some(OWN[0].parse().unwrap()),
            peers: PEERS.iter().enumerate().map(peer).collect(),
            local_routes: vec![LocalRoute { prefix: "test.c".parse().unwrap(), next_hop: slot(3) }],
            ..CcpSettings::default()
        };
        let mut ccp = Ccp::new(RandomState::with_seeds(1, 2, 3, 4));
        ccp.apply_settings(settings.clone(), MonoTime(0));
        Self {
            ccp,
            settings,
            now: MonoTime(0),
            connected: Default::default(),
            logs: [(1, 0); PEERS.len()],
            open: Vec::new(),
            counts: CcpEventCounts::default(),
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let (what, peer) = (script.below(16), script.below(PEERS.len()));
        match what {
            0 => self.set_link(peer, !self.connected[peer]),
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
        self.connected[peer] = up;
        self.open.retain(|one| one.to != peer);
        self.ccp.set_connected(slot(peer), up, self.now);
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
            1 => self.ccp.log.table(),
            _ => TableId::NONE,
        };
        let current = self.ccp.log.epoch();
        let epoch = match script.below(3) {
            0 => script.u32(),
            1 => current,
            _ => current.saturating_sub(u32::from(script.byte())),
        };
        let control = RouteControl::new(mode, table, epoch);
        let answer = self.ccp.handle_request(slot(peer), &RouteRequest::Control(control), self.now);
        // A control cancels the update in flight.
        self.open.retain(|one| one.to != peer || one.is_control);
        self.counts.refused += u64::from(answer.is_err());
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
            let index = usize::from(script.byte()) % payload.len();
            payload[index] = script.byte();
        }
        let Ok(update) = RouteUpdate::parse(&payload) else { return };
        match self.ccp.handle_request(slot(peer), &RouteRequest::Update(update), self.now) {
            Ok(()) => {
                self.counts.accepted += 1;
                self.logs[peer].1 = update.epochs.to;
            }
            Err(_) => self.counts.refused += 1,
        }
    }

    fn poll(&mut self) {
        let polled = self.ccp.poll(self.now);
        for sent in polled.to_send {
            self.read(&sent);
        }
        if polled.learned_changed {
            self.ccp.take_learned_routes();
        }
    }

    /// Checks a sent request.
    fn read(&mut self, sent: &CcpRequest) {
        let peer = PEERS.iter().position(|(id, _)| sent.to.as_str() == *id).unwrap();
        let policy = &self.settings.peers[peer].policy;
        assert!(self.connected[peer], "{sent:?} to a peer without a link");
        assert!(sent.payload.len() <= MAX_PAYLOAD, "{} bytes", sent.payload.len());
        let is_control = sent.destination == AddressRef::PEER_ROUTE_CONTROL;
        self.open.retain(|one| self.now < one.sent.after(ANSWER_TIMEOUT));
        let in_flight = self.open.iter().find(|one| (one.to, one.is_control) == (peer, is_control));
        assert_eq!(in_flight, None, "two in flight to {}", sent.to);
        self.open.push(OpenRequest { to: peer, is_control, ticket: sent.ticket, sent: self.now });
        if is_control {
            RouteControl::parse(&sent.payload).unwrap();
            assert!(policy.receive, "no routes of {} are accepted", sent.to);
            self.counts.controls_sent += 1;
            return;
        }
        let update = RouteUpdate::parse(&sent.payload).unwrap();
        assert!(policy.send, "{} must get no updates", sent.to);
        let Epochs { current, from, to } = update.epochs;
        assert!(from <= to && to <= current, "{:?}", update.epochs);
        let own = self.settings.own_address.as_ref().unwrap();
        assert_eq!(update.speaker, own.view());
        let learned: BTreeMap<_, _> = self.ccp.learned_routes().into_iter().collect();
        for route in update.new_routes {
            assert_eq!(route.path.clone().next(), Some(own.as_str().as_bytes()));
            let prefix: Prefix = std::str::from_utf8(route.prefix).unwrap().parse().unwrap();
            assert_ne!(
                learned.get(&prefix),
                Some(&slot(peer)),
                "{prefix} is sent back to {}",
                sent.to
            );
            self.counts.advertised += 1;
        }
        self.counts.withdrawn += update.withdrawn_routes.len() as u64;
        self.counts.updates_sent += 1;
    }

    /// Answers some request once or twice.
    fn answer(&mut self, script: &mut Script<'_>) {
        if self.open.is_empty() {
            return;
        }
        let index = script.below(self.open.len());
        let accepted = script.below(4) != 0;
        let ticket = self.open.remove(index).ticket;
        for _ in 0..=script.below(2) {
            self.ccp.record_answer(ticket, accepted, self.now);
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
        // Changed settings cancel all requests.
        self.open.clear();
        self.ccp.apply_settings(self.settings.clone(), self.now);
    }

    fn check(&mut self) {
        let learned = self.ccp.learned_routes();
        self.counts.learned += learned.len() as u64;
        let own = self.settings.own_address.as_ref();
        for (prefix, from) in &learned {
            let index = from.0 as usize;
            let policy = &self.settings.peers[index].policy;
            assert!(self.connected[index] && policy.receive, "{prefix} of {}", PEERS[index].0);
            assert!(policy.accepts(prefix), "{prefix} is not accepted from {}", PEERS[index].0);
            let inside = own.is_some_and(|own: &Address| Prefix::from(own).covers(prefix));
            assert!(!inside, "{prefix} is our own");
            assert_eq!(prefix.scheme(), own.map(|own| own.scheme()), "{prefix}");
        }
        for report in self.ccp.report() {
            let index = PEERS.iter().position(|(id, _)| report.peer.as_str() == *id).unwrap();
            let routes_max = self.settings.peers[index].policy.routes_max;
            assert!(report.routes <= routes_max, "{} routes of {}", report.routes, report.peer);
        }
    }
}

/// The routes of an update.
fn routes(script: &mut Script<'_>) -> UpdateWriter {
    let mut writer = UpdateWriter::default();
    for _ in 0..script.below(6) {
        let mut path = Vec::new();
        // Sometimes too many hops.
        let hops = if script.below(16) == 0 { script.below(64) } else { script.below(4) };
        for _ in 0..hops {
            match AddressRef::new(script.pick(&HOPS)) {
                Ok(hop) => put_hop(hop, &mut path),
                Err(_) => path.extend(b"\x03a b"),
            }
        }
        let prefix = script.pick(&PREFIXES);
        writer.advertise(prefix.as_bytes(), hops, [&*path], &[7; 32], std::iter::empty());
    }
    for _ in 0..script.below(4) {
        writer.withdraw(script.pick(&PREFIXES).as_bytes());
    }
    writer
}

fn slot(index: usize) -> Slot {
    Slot(u32::try_from(index).unwrap())
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
        fn the_rules_hold_for_any_input(
            input in prop::collection::vec(any::<u8>(), 0..1500),
        ) {
            run(&input);
        }
    }

    /// The invariants are not trivial: each event occurs.
    #[test]
    fn every_event_occurs() {
        let mut random = StdRng::seed_from_u64(1);
        let mut input = [0; 75_000];
        random.fill_bytes(&mut input);
        let counts = run(&input);
        let CcpEventCounts {
            accepted,
            refused,
            learned,
            controls_sent,
            updates_sent,
            advertised,
            withdrawn,
        } = counts;
        let sent = [controls_sent, updates_sent, advertised, withdrawn];
        let all = [accepted, refused, learned].into_iter().chain(sent);
        assert!(all.min() > Some(50), "{counts:?}");
    }
}
