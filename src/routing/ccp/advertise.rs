//! What is to be sent now: controls and updates, written; and what has run out.

use super::export::ExportedRoute;
use super::{Ccp, Peer};
use crate::account::AccountId;
use crate::link::Slot;
use crate::time::MonoTime;
use crate::wire::ccp::{Epochs, UpdateWriter, put_hop};
use crate::wire::{Address, AddressRef};

/// What one look at the exchange yields.
#[derive(Debug, Default)]
pub struct CcpPoll {
    /// Requests to peers.
    pub to_send: Vec<CcpRequest>,
    /// What an operator may want to know.
    pub notices: Vec<CcpNotice>,
    /// The best learned routes are others than when they were last taken.
    pub learned_changed: bool,
}

/// A request to one peer.
#[derive(Debug)]
pub struct CcpRequest {
    /// Whose.
    pub to: AccountId,
    /// `peer.route.control` or `peer.route.update`.
    pub destination: AddressRef<'static>,
    /// The data of the Prepare.
    pub payload: Vec<u8>,
    /// To be handed in with the answer.
    pub ticket: Ticket,
}

/// Which request an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    peer: Slot,
    serial: u64,
}

/// Something that happened to a peer's routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CcpNotice {
    /// The peer was silent for too long; its routes are dropped.
    Expired {
        /// Who.
        peer: AccountId,
        /// How many routes it had.
        routes: usize,
    },
    /// The peer has announced more routes than are kept; said once until its link is lost.
    Full {
        /// Who.
        peer: AccountId,
        /// How many are kept.
        routes: usize,
    },
}

impl Ccp {
    /// What is to be sent now. To be called often, such as every 50 ms, and after every answer.
    pub fn poll(&mut self, now: MonoTime) -> CcpPoll {
        if !self.is_active() {
            return CcpPoll { learned_changed: self.learned_changed, ..CcpPoll::default() };
        }
        self.expire(now);
        self.tidy();
        let mut to_send = Vec::new();
        if let Some(own) = self.settings.own.clone() {
            let linked = self.peers.keys().filter(|slot| self.linked.contains(slot));
            for slot in linked.copied().collect::<Vec<Slot>>() {
                to_send.extend(self.ask(slot, now));
                to_send.extend(self.tell(slot, &own, now));
            }
        }
        CcpPoll {
            to_send,
            notices: std::mem::take(&mut self.notices),
            learned_changed: self.learned_changed,
        }
    }

    /// The answer to a request, or that there was none.
    pub fn answered(&mut self, ticket: Ticket, accepted: bool, now: MonoTime) {
        if let Some(peer) = self.peers.get_mut(&ticket.peer) {
            // Serial numbers are never used twice, so one of the two does not know it.
            peer.hearing.asking.answered(ticket.serial, accepted, now);
            peer.telling.answered(ticket.serial, accepted, now);
        }
    }

    fn expire(&mut self, now: MonoTime) {
        let grace = self.settings.timing.broadcast_interval;
        let mut dropped = Vec::new();
        for (slot, Peer { member, hearing, .. }) in &mut self.peers {
            let expired = hearing.expire(now, grace);
            if expired.silent {
                let (peer, routes) = (member.id.clone(), expired.prefixes.len());
                self.notices.push(CcpNotice::Expired { peer, routes });
            }
            if hearing.is_full_untold() {
                let (peer, routes) = (member.id.clone(), hearing.routes.len());
                self.notices.push(CcpNotice::Full { peer, routes });
            }
            if !expired.prefixes.is_empty() {
                dropped.push((*slot, expired.prefixes));
            }
        }
        for (slot, prefixes) in dropped {
            self.settle(prefixes, Some(slot));
        }
    }

    /// Keeps the log within its bounds.
    fn tidy(&mut self) {
        let current = self.log.current();
        if let Some(behind_max) = self.log.behind_max() {
            let wanted = self.peers.values_mut().filter(|peer| peer.telling.is_wanted());
            for Peer { telling, .. } in wanted {
                if current - telling.settled() > behind_max {
                    telling.renew(current);
                }
            }
        }
        if self.log.wants_pruning() {
            let told = self.peers.values().filter(|peer| peer.telling.is_wanted());
            let settled = told.map(|peer| peer.telling.settled()).min();
            self.log.prune(settled.unwrap_or(current));
        }
        if self.log.is_used_up() {
            let table = self.next_table_id();
            self.log.begin_anew(table);
            let current = self.log.current();
            self.peers.values_mut().for_each(|peer| peer.telling.begin_anew(current));
        }
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn ask(&mut self, slot: Slot, now: MonoTime) -> Option<CcpRequest> {
        let serial = self.next_serial();
        let Peer { member, hearing, .. } = self.peers.get_mut(&slot)?;
        if !member.policy.receive || !hearing.asking.is_due(now) {
            return None;
        }
        hearing.asking.sent(serial, now);
        let mut payload = Vec::new();
        hearing.control().encode(&mut payload);
        let ticket = Ticket { peer: slot, serial };
        let destination = AddressRef::PEER_ROUTE_CONTROL;
        Some(CcpRequest { to: member.id.clone(), destination, payload, ticket })
    }

    fn tell(&mut self, slot: Slot, own: &Address, now: MonoTime) -> Option<CcpRequest> {
        let serial = self.next_serial();
        let interval = self.settings.timing.broadcast_interval;
        let current = self.log.current();
        let peer = self.peers.get_mut(&slot)?;
        let due = peer.telling.due(current, now, interval)?;
        let (payload, to) = self.update(slot, own, due.from, due.fresh_below)?;
        let peer = self.peers.get_mut(&slot)?;
        peer.telling.sent(serial, to, now);
        let ticket = Ticket { peer: slot, serial };
        let destination = AddressRef::PEER_ROUTE_UPDATE;
        Some(CcpRequest { to: peer.member.id.clone(), destination, payload, ticket })
    }

    /// As many changes as one update holds, and the epoch that it leads to.
    fn update(
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
        let mut to = self.log.current();
        for (epoch, prefix) in self.log.since(from) {
            let export = self.export(prefix, slot, peer);
            let size = match &export {
                Some(ExportedRoute { hops, path, .. }) => {
                    UpdateWriter::announcement_len(prefix, hops + 1, own_hop.len() + path.len())
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
                    writer.announce(prefix, hops + 1, path, &auth, std::iter::empty());
                }
                None if epoch < fresh_below => {}
                None => writer.withdraw(prefix),
            }
        }
        let epochs = Epochs { current: self.log.current(), from, to };
        let hold_down_ms = self.settings.timing.hold_down.as_millis();
        let hold_down_ms = u32::try_from(hold_down_ms).unwrap_or(u32::MAX);
        Some((writer.finish(peer.telling.table(&self.log), epochs, hold_down_ms, own.view()), to))
    }
}
