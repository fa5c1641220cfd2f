//! Polls CCP: expires routes, and writes the controls and updates that are due.

use super::export::ExportedRoute;
use super::{Ccp, CcpPeerState};
use crate::account::AccountId;
use crate::link::Slot;
use crate::time::MonoTime;
use crate::wire::ccp::{Epochs, UpdateWriter, put_hop};
use crate::wire::{Address, AddressRef};

/// The result of [`Ccp::poll`].
#[derive(Debug, Default)]
pub struct CcpPoll {
    /// Requests to peers.
    pub to_send: Vec<CcpRequest>,
    /// Events for the log.
    pub notices: Vec<CcpNotice>,
    /// The best learned routes have changed since they were last taken.
    pub learned_changed: bool,
}

/// A request to one peer.
#[derive(Debug)]
pub struct CcpRequest {
    /// The account of the peer.
    pub to: AccountId,
    /// `peer.route.control` or `peer.route.update`.
    pub destination: AddressRef<'static>,
    /// The data of the Prepare.
    pub payload: Vec<u8>,
    /// Passed to [`Ccp::record_answer`] with the answer.
    pub ticket: RequestTicket,
}

/// Identifies the request of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestTicket {
    peer: Slot,
    serial: u64,
}

/// An event for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CcpNotice {
    /// The peer sent no update within its hold-down; its routes are dropped.
    Expired {
        /// The peer.
        peer: AccountId,
        /// Its number of routes.
        routes: usize,
    },
    /// The peer has advertised more routes than its limit; reported once per connection.
    TooManyRoutes {
        /// The peer.
        peer: AccountId,
        /// The number of routes that are kept.
        routes: usize,
    },
}

impl Ccp {
    /// Returns the requests that are due. Call it every 50 ms, and after each answer.
    pub fn poll(&mut self, now: MonoTime) -> CcpPoll {
        if !self.is_active() {
            return CcpPoll { learned_changed: self.learned_changed, ..CcpPoll::default() };
        }
        self.expire_routes(now);
        self.prune_log();
        let mut to_send = Vec::new();
        if let Some(own) = self.settings.own_address.clone() {
            let connected = self.peers.keys().filter(|slot| self.connected.contains(slot));
            for slot in connected.copied().collect::<Vec<Slot>>() {
                to_send.extend(self.next_control(slot, now));
                to_send.extend(self.next_update(slot, &own, now));
            }
        }
        CcpPoll {
            to_send,
            notices: std::mem::take(&mut self.notices),
            learned_changed: self.learned_changed,
        }
    }

    /// Records the answer to a request; a missing one is not accepted.
    pub fn record_answer(&mut self, ticket: RequestTicket, accepted: bool, now: MonoTime) {
        if let Some(peer) = self.peers.get_mut(&ticket.peer) {
            // Serial numbers are unique, so only one of the two knows it.
            if peer.receiver.control_sender.record_answer(ticket.serial, accepted, now) {
                peer.receiver.expect_update(now.after(self.settings.timing.broadcast_interval));
            }
            peer.sender.record_answer(ticket.serial, accepted, now);
        }
    }

    fn expire_routes(&mut self, now: MonoTime) {
        let grace = self.settings.timing.broadcast_interval;
        let mut dropped = Vec::new();
        for (slot, CcpPeerState { settings, receiver, .. }) in &mut self.peers {
            let expired = receiver.expire_routes(now, grace);
            if expired.is_peer_silent {
                let (peer, routes) = (settings.id.clone(), expired.prefixes.len());
                self.notices.push(CcpNotice::Expired { peer, routes });
            }
            if receiver.take_overflow() {
                let (peer, routes) = (settings.id.clone(), receiver.routes.len());
                self.notices.push(CcpNotice::TooManyRoutes { peer, routes });
            }
            if !expired.prefixes.is_empty() {
                dropped.push((*slot, expired.prefixes));
            }
        }
        for (slot, prefixes) in dropped {
            self.update_best(prefixes, Some(slot));
        }
    }

    /// Keeps the log within its bounds: peers that are far behind get a new table id.
    fn prune_log(&mut self) {
        let current = self.log.epoch();
        if let Some(lag_max) = self.log.lag_max() {
            let subscribed = self.peers.values_mut().filter(|peer| peer.sender.is_subscribed());
            for CcpPeerState { sender, .. } in subscribed {
                if current - sender.settled_epoch() > lag_max {
                    sender.reset_table(current);
                }
            }
        }
        if self.log.needs_pruning() {
            let subscribed = self.peers.values().filter(|peer| peer.sender.is_subscribed());
            let settled = subscribed.map(|peer| peer.sender.settled_epoch()).min();
            self.log.prune(settled.unwrap_or(current));
        }
        if self.log.is_exhausted() {
            let table = self.next_table_id();
            self.log.restart(table);
            let current = self.log.epoch();
            self.peers.values_mut().for_each(|peer| peer.sender.restart(current));
        }
    }

    fn next_serial(&mut self) -> u64 {
        self.last_serial += 1;
        self.last_serial
    }

    fn next_control(&mut self, slot: Slot, now: MonoTime) -> Option<CcpRequest> {
        let serial = self.next_serial();
        let CcpPeerState { settings, receiver, .. } = self.peers.get_mut(&slot)?;
        if !settings.policy.receive || !receiver.control_sender.is_due(now) {
            return None;
        }
        receiver.control_sender.mark_sent(serial, now);
        let mut payload = Vec::new();
        receiver.sync_request().encode(&mut payload);
        let ticket = RequestTicket { peer: slot, serial };
        let destination = AddressRef::PEER_ROUTE_CONTROL;
        Some(CcpRequest { to: settings.id.clone(), destination, payload, ticket })
    }

    fn next_update(&mut self, slot: Slot, own: &Address, now: MonoTime) -> Option<CcpRequest> {
        let serial = self.next_serial();
        let interval = self.settings.timing.broadcast_interval;
        let current = self.log.epoch();
        let peer = self.peers.get_mut(&slot)?;
        let due = peer.sender.due_update(current, now, interval)?;
        let (payload, to) = self.encode_update(slot, own, due.from, due.fresh_below)?;
        let peer = self.peers.get_mut(&slot)?;
        peer.sender.mark_sent(serial, to, now);
        let ticket = RequestTicket { peer: slot, serial };
        let destination = AddressRef::PEER_ROUTE_UPDATE;
        Some(CcpRequest { to: peer.settings.id.clone(), destination, payload, ticket })
    }

    /// Writes as many changes as fit one update; returns it with the epoch that it reaches. Our own
    /// address is put before the path of each route. [row 114]
    fn encode_update(
        &self,
        slot: Slot,
        own: &Address,
        from: u32,
        fresh_below: u32,
    ) -> Option<(Vec<u8>, u32)> {
        let peer = self.peers.get(&slot)?;
        let mut own_hop = Vec::new();
        put_hop(own.view(), &mut own_hop);
        let mut writer = UpdateWriter::default();
        let mut to = self.log.epoch();
        for (epoch, prefix) in self.log.changes_since(from) {
            let export = self.exported_route(prefix, slot, peer);
            let size = match &export {
                Some(ExportedRoute { hops, path, .. }) => {
                    UpdateWriter::advertisement_len(prefix, hops + 1, own_hop.len() + path.len())
                }
                None => UpdateWriter::withdrawal_len(prefix),
            };
            if !writer.has_room(own.view(), size) {
                to = epoch;
                break;
            }
            let prefix = prefix.as_str().as_bytes();
            match export {
                Some(ExportedRoute { hops, path, auth }) => {
                    let path = [&own_hop, path];
                    writer.advertise(prefix, hops + 1, path, &auth, std::iter::empty());
                }
                None if epoch < fresh_below => {}
                None => writer.withdraw(prefix),
            }
        }
        let epochs = Epochs { current: self.log.epoch(), from, to };
        let hold_down_ms = self.settings.timing.hold_down.as_millis();
        let hold_down_ms = u32::try_from(hold_down_ms).unwrap_or(u32::MAX);
        Some((writer.finish(peer.sender.table_id(&self.log), epochs, hold_down_ms, own.view()), to))
    }
}
