//! CCP in memory with a virtual clock. All requests pass the real codec.

mod forgetting;
mod network;
mod rules;

use std::collections::BTreeMap;

use super::advertise::CcpRequest;
use super::route_refusal::RouteRefusal;
use super::*;
use crate::account::{Relation, RoutePolicy};
use crate::time::MonoTime;
use crate::wire::ccp::{
    Epochs, RouteControl, RouteControlMode, RouteRequest, RouteUpdate, UpdateWriter,
};
use crate::wire::{AddressRef, Prefix};

pub(super) fn ms(milliseconds: u64) -> MonoTime {
    MonoTime(0).after_ms(milliseconds)
}

fn hash(seed: u64) -> RandomState {
    RandomState::with_seeds(seed, 2, 3, 4)
}

/// The nodes of a path as an update encodes them, valid or not.
pub(super) fn encoded(path: &[&str]) -> Vec<u8> {
    let mut encoded = Vec::new();
    path.iter().for_each(|hop| oer_codec::put_var_octet_string(hop.as_bytes(), &mut encoded));
    encoded
}

fn ccp_peer(slot: u32, id: &str, relation: Relation) -> CcpPeer {
    let policy = RoutePolicy { send: true, receive: true, ..RoutePolicy::default() };
    CcpPeer { slot: Slot(slot), id: id.parse().unwrap(), relation, policy }
}

fn settings(own: &str, peers: Vec<CcpPeer>) -> CcpSettings {
    CcpSettings { own_address: Some(own.parse().unwrap()), peers, ..CcpSettings::default() }
}

/// The fields of a peer's update.
#[derive(Clone)]
struct UpdateFields<'a> {
    table: u8,
    epochs: (u32, u32, u32),
    routes: &'a [(&'a str, &'a [&'a str])],
    withdrawn: &'a [&'a str],
}

/// The first update of a peer, without routes.
const FIRST: UpdateFields<'_> =
    UpdateFields { table: 1, epochs: (1, 0, 1), routes: &[], withdrawn: &[] };

impl UpdateFields<'_> {
    fn payload(&self, speaker: &str) -> Vec<u8> {
        let mut writer = UpdateWriter::default();
        for (prefix, path) in self.routes {
            let (path, hops) = (encoded(path), path.len());
            writer.advertise(prefix.as_bytes(), hops, [&*path], &[7; 32], std::iter::empty());
        }
        self.withdrawn.iter().for_each(|prefix| writer.withdraw(prefix.as_bytes()));
        let (current, from, to) = self.epochs;
        let epochs = Epochs { current, from, to };
        writer.finish(TableId([self.table; 16]), epochs, 45_000, AddressRef::new(speaker).unwrap())
    }
}

/// A node whose peers accept all requests.
struct TestNode {
    ccp: Ccp,
    now: u64,
}

/// A request sent to a peer.
#[derive(Debug, PartialEq)]
enum Sent {
    /// Known table and known epoch.
    Control([u8; 16], u32),
    /// Epochs, routes as `prefix: path`, withdrawn prefixes.
    Update((u32, u32, u32), Vec<String>, Vec<String>),
}

impl TestNode {
    fn new(settings: CcpSettings) -> Self {
        let mut ccp = Ccp::new(hash(1));
        ccp.apply_settings(settings.clone(), ms(0));
        settings.peers.iter().for_each(|peer| ccp.set_connected(peer.slot, true, ms(0)));
        let mut node = Self { ccp, now: 0 };
        // The first controls.
        node.advance(100);
        node
    }

    fn send_update(
        &mut self,
        peer: u32,
        fields: &UpdateFields<'_>,
    ) -> Result<(), RouteRequestError> {
        let payload = fields.payload(&format!("test.p{peer}"));
        let update = RouteUpdate::parse(&payload).unwrap();
        self.ccp.handle_request(Slot(peer), &RouteRequest::Update(update), ms(self.now))
    }

    fn send_control(
        &mut self,
        peer: u32,
        mode: RouteControlMode,
        table: TableId,
        epoch: u32,
    ) -> Result<(), RouteRequestError> {
        let control = RouteControl::new(mode, table, epoch);
        self.ccp.handle_request(Slot(peer), &RouteRequest::Control(control), ms(self.now))
    }

    /// Advances the clock; returns the requests sent, each with its peer.
    fn advance(&mut self, milliseconds: u64) -> Vec<(String, Sent)> {
        let end = self.now + milliseconds;
        let mut sent = Vec::new();
        loop {
            let polled = self.ccp.poll(ms(self.now));
            for request in polled.to_send {
                sent.push((request.to.to_string(), read(&request)));
                self.ccp.record_answer(request.ticket, true, ms(self.now));
            }
            if self.now >= end {
                return sent;
            }
            self.now = end.min(self.now + 10);
        }
    }

    fn learned(&self) -> Vec<(String, u32)> {
        let mut learned: Vec<_> = self
            .ccp
            .learned_routes()
            .into_iter()
            .map(|(p, slot)| (p.to_string(), slot.0))
            .collect();
        learned.sort();
        learned
    }
}

fn read(request: &CcpRequest) -> Sent {
    if request.destination == AddressRef::PEER_ROUTE_CONTROL {
        let control = RouteControl::parse(&request.payload).unwrap();
        return Sent::Control(control.last_known_table.0, control.last_known_epoch);
    }
    let update = RouteUpdate::parse(&request.payload).unwrap();
    let text = |bytes| std::str::from_utf8(bytes).unwrap().to_owned();
    let routes = update.new_routes.map(|route| {
        let path: Vec<String> = route.path.map(text).collect();
        format!("{}: {}", text(route.prefix), path.join(" "))
    });
    let Epochs { current, from, to } = update.epochs;
    let withdrawn = update.withdrawn_routes.map(text).collect();
    Sent::Update((current, from, to), routes.collect(), withdrawn)
}
