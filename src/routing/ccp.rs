//! The exchange of routes with peers (CCP), as a state machine without clock, socket or lock.
//!
//! The connector passes in requests of peers ([`Ccp::handle_request`]) and sessions that begin or
//! end ([`Ccp::set_connected`]), and sends the requests that [`Ccp::poll`] returns.
//!
//! `receiver.rs` applies an update of a peer: it checks epochs and each route (`import.rs`), stores accepted routes
//! within limits (`learned.rs`), and returns the changed prefixes. `ranking.rs` chooses the best route of each and
//! records changes in `change_log.rs`. `sender.rs` decides when a peer gets the next part of the log; `advertise.rs`
//! writes it with the routes that this peer may have (`export.rs`).
//!
//! Bounded: routes and bytes per peer, hops and bytes per path, entries of the log, one control and one update in
//! flight per peer. Deliberately absent: proof of a route's origin (no implementation has one), props of routes (none
//! exist), and leaving out routes that a shorter prefix covers (optional, and it hides more than it saves).

mod advertise;
mod change_log;
mod control;
mod export;
mod import;
mod learned;
#[cfg(any(test, fuzzing))]
pub mod model;
mod path;
mod ranking;
mod receiver;
mod report;
mod requests;
mod retry;
mod route_refusal;
mod sender;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ahash::RandomState;

pub use self::advertise::{CcpNotice, RequestTicket};
use self::change_log::ChangeLog;
pub use self::path::PATH_HOPS_MAX;
use self::ranking::BestRoute;
use self::receiver::RouteReceiver;
pub use self::report::{LearnedReport, PeerRoutesReport};
pub use self::requests::RouteRequestError;
pub use self::route_refusal::RouteRefusalCounts;
use self::sender::RouteSender;
pub use self::settings::{CcpPeer, CcpSettings, CcpTiming, LocalRoute};
use crate::link::Slot;
use crate::time::MonoTime;
use crate::wire::Prefix;
use crate::wire::ccp::TableId;

/// The state of CCP with all peers.
#[derive(Debug)]
pub struct Ccp {
    settings: CcpSettings,
    peers: BTreeMap<Slot, CcpPeerState>,
    /// Accounts with a session, also those that exchange no routes.
    connected: BTreeSet<Slot>,
    local_routes: HashMap<Prefix, Vec<Slot>, RandomState>,
    best_routes: HashMap<Prefix, BestRoute, RandomState>,
    log: ChangeLog,
    /// The best learned routes have changed since they were last taken.
    learned_changed: bool,
    last_serial: u64,
    tables_total: u64,
    notices: Vec<CcpNotice>,
    hash: RandomState,
}

/// The state of CCP with one peer.
#[derive(Debug)]
struct CcpPeerState {
    settings: CcpPeer,
    receiver: RouteReceiver,
    sender: RouteSender,
}

impl Ccp {
    /// CCP without peers. `hash` keys the maps of prefixes, which peers choose, and makes the ids of our tables.
    #[must_use]
    pub fn new(hash: RandomState) -> Self {
        Self {
            settings: CcpSettings::default(),
            peers: BTreeMap::new(),
            connected: BTreeSet::new(),
            local_routes: HashMap::with_hasher(hash.clone()),
            best_routes: HashMap::with_hasher(hash.clone()),
            log: ChangeLog::new(table_id(&hash, 0), hash.clone()),
            learned_changed: false,
            last_serial: 0,
            tables_total: 1,
            notices: Vec::new(),
            hash,
        }
    }

    /// Applies new settings. Peers that did not change keep their state.
    pub fn apply_settings(&mut self, settings: CcpSettings, now: MonoTime) {
        let renamed = settings.own_address != self.settings.own_address;
        self.settings = settings;
        if renamed {
            self.restart(now);
        }
        let mut changed: Vec<Prefix> = self.replace_local_routes();
        let mut must_readvertise = false;
        let mut removed: BTreeSet<Slot> = self.peers.keys().copied().collect();
        for settings in self.settings.peers.clone() {
            removed.remove(&settings.slot);
            match self.peers.get_mut(&settings.slot) {
                Some(peer) if peer.settings == settings => {}
                Some(peer) => {
                    let old = std::mem::replace(&mut peer.settings, settings);
                    changed.extend(peer.apply_change(&old, now));
                    must_readvertise = true;
                }
                None => {
                    let mut peer = CcpPeerState::new(settings, &self.hash);
                    if self.connected.contains(&peer.settings.slot) {
                        peer.receiver.control_sender.on_link_up(now);
                    }
                    self.peers.insert(peer.settings.slot, peer);
                }
            }
        }
        for slot in removed {
            if let Some(mut peer) = self.peers.remove(&slot) {
                changed.extend(peer.receiver.clear());
            }
        }
        if must_readvertise {
            // The relation of a peer decides which routes it and others may have.
            changed.extend(self.log.prefixes().cloned());
            self.readvertise(changed);
        } else {
            self.update_best(changed, None);
        }
    }

    /// Reports that a session of this account has begun or ended. A lost peer's routes are
    /// withdrawn. [row 113] `connected` says whether any session is up now.
    pub fn set_connected(&mut self, slot: Slot, connected: bool, now: MonoTime) {
        let was = match connected {
            true => !self.connected.insert(slot),
            false => self.connected.remove(&slot),
        };
        if connected {
            // Also if another session was up: a peer that logs in again may have restarted.
            if let Some(peer) = self.peers.get_mut(&slot) {
                peer.receiver.control_sender.on_link_up(now);
            }
        }
        if was == connected {
            return;
        }
        let mut changed = self.local_prefixes_over(slot);
        if !connected && let Some(peer) = self.peers.get_mut(&slot) {
            changed.extend(peer.receiver.clear());
            peer.receiver.control_sender = control::ControlSender::default();
            peer.sender.stop();
        }
        self.update_best(changed, Some(slot));
    }

    /// Whether routes are exchanged with any peer.
    #[must_use]
    pub fn is_active(&self) -> bool {
        let peers = &mut self.settings.peers.iter();
        peers.any(|peer| peer.policy.send || peer.policy.receive)
    }

    /// The best learned routes, which rank below all others; `None` if they have not changed since the last call.
    pub fn take_learned_routes(&mut self) -> Option<Vec<(Prefix, Slot)>> {
        std::mem::take(&mut self.learned_changed).then(|| self.learned_routes())
    }

    /// Makes [`Ccp::take_learned_routes`] return them again, after the caller could not use them.
    pub fn mark_learned_changed(&mut self) {
        self.learned_changed = true;
    }

    /// The best learned routes.
    #[must_use]
    pub fn learned_routes(&self) -> Vec<(Prefix, Slot)> {
        let learned = self.best_routes.iter().filter_map(|(prefix, best)| match best {
            BestRoute::Learned(slot) => Some((prefix.clone(), *slot)),
            _ => None,
        });
        learned.collect()
    }

    /// After a change of the own address: learned routes were checked with the old one, and advertised routes named it.
    fn restart(&mut self, now: MonoTime) {
        self.best_routes.clear();
        self.log = ChangeLog::new(self.next_table_id(), self.hash.clone());
        self.learned_changed = true;
        let connected = &self.connected;
        for (slot, peer) in &mut self.peers {
            peer.receiver.clear();
            peer.sender.restart(0);
            if connected.contains(slot) {
                peer.receiver.control_sender.on_link_up(now);
            }
        }
    }

    fn next_table_id(&mut self) -> TableId {
        self.tables_total += 1;
        table_id(&self.hash, self.tables_total)
    }
}

impl CcpPeerState {
    fn new(settings: CcpPeer, hash: &RandomState) -> Self {
        Self {
            settings,
            receiver: RouteReceiver::new(hash.clone()),
            sender: RouteSender::default(),
        }
    }

    /// Applies a change of the peer's settings; returns the prefixes whose best route may change.
    fn apply_change(&mut self, old: &CcpPeer, now: MonoTime) -> Vec<Prefix> {
        let (new, old) = (&self.settings.policy, &old.policy);
        if !new.send {
            self.sender.stop();
        }
        let same = (new.receive, new.routes_max) == (old.receive, old.routes_max)
            && new.accept == old.accept;
        if same {
            // The relation may have changed, which changes the ranking.
            return self.receiver.routes.iter().map(|(prefix, _)| prefix.clone()).collect();
        }
        let gone = self.receiver.clear();
        if new.receive {
            self.receiver.control_sender.schedule(now);
        }
        gone
    }
}

/// The id of our table with this number: a UUID made by the keyed hash, so that no two nodes have the same.
fn table_id(hash: &RandomState, number: u64) -> TableId {
    let [high, low] = [0u8, 1].map(|half| hash.hash_one((number, half)));
    let mut id = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut id;
    *version = *version & 0x0f | 0x40;
    *variant = *variant & 0x3f | 0x80;
    TableId(id)
}
