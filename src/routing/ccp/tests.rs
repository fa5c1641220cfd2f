//! Exchanges wired to each other in memory, with a clock that is turned by hand. Everything passes the real codec.

mod forgetting;
mod network;
mod rules;

use std::collections::BTreeMap;

use super::advertise::CcpRequest;
use super::import::RouteRefusal;
use super::*;
use crate::account::{Relation, RoutePolicy};
use crate::time::MonoTime;
use crate::wire::ccp::{
    Epochs, RouteControl, RouteControlMode, RouteRequest, RouteUpdate, UpdateWriter, put_hop,
};
use crate::wire::{AddressRef, Prefix};

fn ms(milliseconds: u64) -> MonoTime {
    MonoTime(0).after_ms(milliseconds)
}

fn hash(seed: u64) -> RandomState {
    RandomState::with_seeds(seed, 2, 3, 4)
}

fn member(slot: u32, id: &str, relation: Relation) -> CcpPeer {
    let policy = RoutePolicy { send: true, receive: true, ..RoutePolicy::default() };
    CcpPeer { slot: Slot(slot), id: id.parse().unwrap(), relation, policy }
}

fn settings(own: &str, members: Vec<CcpPeer>) -> CcpSettings {
    CcpSettings {
        own_address: Some(own.parse().unwrap()),
        peers: members,
        ..CcpSettings::default()
    }
}

/// What a peer says in an update.
#[derive(Clone)]
struct Said<'a> {
    table: u8,
    epochs: (u32, u32, u32),
    routes: &'a [(&'a str, &'a [&'a str])],
    withdrawn: &'a [&'a str],
}

impl Default for Said<'_> {
    fn default() -> Self {
        Said { table: 1, epochs: (1, 0, 1), routes: &[], withdrawn: &[] }
    }
}

impl Said<'_> {
    fn payload(&self, speaker: &str) -> Vec<u8> {
        let mut writer = UpdateWriter::default();
        for (prefix, path) in self.routes {
            let mut encoded = Vec::new();
            path.iter().for_each(|hop| put_hop(AddressRef::new(hop).unwrap(), &mut encoded));
            let path_len = path.len();
            writer.announce(prefix.as_bytes(), path_len, [&*encoded], &[7; 32], std::iter::empty());
        }
        self.withdrawn.iter().for_each(|prefix| writer.withdraw(prefix.as_bytes()));
        let (current, from, to) = self.epochs;
        let epochs = Epochs { current, from, to };
        writer.finish(TableId([self.table; 16]), epochs, 45_000, AddressRef::new(speaker).unwrap())
    }
}

/// One exchange, and everything that goes out of it answered with yes.
struct One {
    exchange: Ccp,
    now: u64,
}

/// What went out to one peer.
#[derive(Debug, PartialEq)]
enum Sent {
    /// Table known, epoch known.
    Control([u8; 16], u32),
    /// Epochs, routes as `prefix: path`, withdrawn prefixes.
    Update((u32, u32, u32), Vec<String>, Vec<String>),
}

impl One {
    fn new(settings: CcpSettings) -> One {
        let mut exchange = Ccp::new(hash(1));
        exchange.apply_settings(settings.clone(), ms(0));
        settings.peers.iter().for_each(|member| exchange.set_connected(member.slot, true, ms(0)));
        let mut one = One { exchange, now: 0 };
        // The first controls.
        one.pass(100);
        one
    }

    fn says(&mut self, peer: u32, said: &Said<'_>) -> Result<(), RouteRequestError> {
        let payload = said.payload(&format!("test.p{peer}"));
        let update = RouteUpdate::parse(&payload).unwrap();
        self.exchange.handle_request(Slot(peer), &RouteRequest::Update(update), ms(self.now))
    }

    fn asks(
        &mut self,
        peer: u32,
        mode: RouteControlMode,
        table: TableId,
        epoch: u32,
    ) -> Result<(), RouteRequestError> {
        let control = RouteControl::new(mode, table, epoch);
        self.exchange.handle_request(Slot(peer), &RouteRequest::Control(control), ms(self.now))
    }

    /// Time passes; what went out meanwhile, to whom.
    fn pass(&mut self, milliseconds: u64) -> Vec<(String, Sent)> {
        let end = self.now + milliseconds;
        let mut sent = Vec::new();
        loop {
            let polled = self.exchange.poll(ms(self.now));
            for one in polled.to_send {
                sent.push((one.to.to_string(), read(&one)));
                self.exchange.record_answer(one.ticket, true, ms(self.now));
            }
            if self.now >= end {
                return sent;
            }
            self.now = end.min(self.now + 10);
        }
    }

    fn best(&self) -> Vec<(String, u32)> {
        let mut learned: Vec<_> = self
            .exchange
            .learned_routes()
            .into_iter()
            .map(|(p, slot)| (p.to_string(), slot.0))
            .collect();
        learned.sort();
        learned
    }
}

fn read(one: &CcpRequest) -> Sent {
    if one.destination == AddressRef::PEER_ROUTE_CONTROL {
        let control = RouteControl::parse(&one.payload).unwrap();
        return Sent::Control(control.last_known_table.0, control.last_known_epoch);
    }
    let update = RouteUpdate::parse(&one.payload).unwrap();
    let text = |bytes| std::str::from_utf8(bytes).unwrap().to_owned();
    let routes = update.new_routes.map(|route| {
        let path: Vec<String> = route.path.map(text).collect();
        format!("{}: {}", text(route.prefix), path.join(" "))
    });
    let Epochs { current, from, to } = update.epochs;
    let withdrawn = update.withdrawn_routes.map(text).collect();
    Sent::Update((current, from, to), routes.collect(), withdrawn)
}
