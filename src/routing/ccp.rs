//! The exchange of routes with peers (CCP): what they told, which of it is best, and what they are told in turn.
//!
//! Nothing here has a clock, a socket or a lock. The connector hands in what peers ask ([`Ccp::request`]) and links
//! that come and go ([`Ccp::set_link`]), and asks from time to time what is to be sent ([`Ccp::poll`]).
//!
//! One way of everything: `receiver.rs` takes an update of one peer (epochs, gaps, what is accepted: `import.rs`, how
//! many: `learned.rs`) and says which prefixes changed; `ranking.rs` looks for each of them which route is best now, and
//! notes a change in `change_log.rs`; `sender.rs` decides per peer when a part of the log is due, and `advertise.rs` writes it, as
//! far as that peer may know it (`export.rs`).
//!
//! Bounded: routes and bytes per peer, hops and bytes per path, entries of the log, one control and one update under
//! way per peer. Deliberately absent: proof of who announced what (nobody has any), props of routes (nobody uses any),
//! the filter of routes that a shorter one covers (optional, and it hides more than it saves).

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
mod sender;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ahash::RandomState;

use self::change_log::ChangeLog;
use self::ranking::BestRoute;
use self::receiver::RouteReceiver;
use self::sender::RouteSender;
use crate::link::Slot;
use crate::time::MonoTime;
use crate::wire::Prefix;
use crate::wire::ccp::TableId;

pub use self::advertise::{CcpNotice, RequestTicket};
pub use self::import::RouteRefusalCounts;
pub use self::path::PATH_HOPS_MAX;
pub use self::report::{LearnedReport, PeerRoutesReport};
pub use self::requests::RouteRequestError;
pub use self::settings::{CcpPeer, CcpSettings, CcpTiming, LocalRoute};

/// The state of the exchange with all peers.
#[derive(Debug)]
pub struct Ccp {
    settings: CcpSettings,
    peers: BTreeMap<Slot, CcpPeerState>,
    /// Accounts with a session, whether or not routes are exchanged with them.
    connected: BTreeSet<Slot>,
    local_routes: HashMap<Prefix, Vec<Slot>, RandomState>,
    best_routes: HashMap<Prefix, BestRoute, RandomState>,
    log: ChangeLog,
    /// Learned routes are best for other prefixes than when they were last asked for.
    learned_changed: bool,
    last_serial: u64,
    tables_total: u64,
    notices: Vec<CcpNotice>,
    hash: RandomState,
}

/// One peer.
#[derive(Debug)]
struct CcpPeerState {
    settings: CcpPeer,
    receiver: RouteReceiver,
    sender: RouteSender,
}

impl Ccp {
    /// An exchange without peers. `hash` keys the tables of what peers choose, and makes the ids of our own.
    #[must_use]
    pub fn new(hash: RandomState) -> Self {
        Ccp {
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

    /// Puts new settings in force. Peers that are not concerned keep what they told and know.
    pub fn apply_settings(&mut self, settings: CcpSettings, now: MonoTime) {
        let renamed = settings.own_address != self.settings.own_address;
        self.settings = settings;
        if renamed {
            self.restart(now);
        }
        let mut touched: Vec<Prefix> = self.replace_local_routes();
        let mut retell = false;
        let mut left: BTreeSet<Slot> = self.peers.keys().copied().collect();
        for member in self.settings.peers.clone() {
            left.remove(&member.slot);
            match self.peers.get_mut(&member.slot) {
                Some(peer) if peer.settings == member => {}
                Some(peer) => {
                    let old = std::mem::replace(&mut peer.settings, member);
                    touched.extend(peer.apply_change(&old, now));
                    retell = true;
                }
                None => {
                    let mut peer = CcpPeerState::new(member, &self.hash);
                    if self.connected.contains(&peer.settings.slot) {
                        peer.receiver.control_sender.on_link_up(now);
                    }
                    self.peers.insert(peer.settings.slot, peer);
                }
            }
        }
        for slot in left {
            if let Some(mut peer) = self.peers.remove(&slot) {
                touched.extend(peer.receiver.clear());
            }
        }
        if retell {
            // What a peer is, decides what it and others may be told.
            touched.extend(self.log.prefixes().cloned());
            self.readvertise(touched);
        } else {
            self.update_best(touched, None);
        }
    }

    /// A session of this account has begun or ended; `connected` says whether one is up now.
    pub fn set_connected(&mut self, slot: Slot, connected: bool, now: MonoTime) {
        let was = match connected {
            true => !self.connected.insert(slot),
            false => self.connected.remove(&slot),
        };
        if connected {
            // Also when another session was up: whoever logs in again may have started again.
            if let Some(peer) = self.peers.get_mut(&slot) {
                peer.receiver.control_sender.on_link_up(now);
            }
        }
        if was == connected {
            return;
        }
        let mut touched = self.local_prefixes_over(slot);
        if !connected && let Some(peer) = self.peers.get_mut(&slot) {
            touched.extend(peer.receiver.clear());
            peer.receiver.control_sender = control::ControlSender::default();
            peer.sender.stop();
        }
        self.update_best(touched, Some(slot));
    }

    /// Whether routes are exchanged with anybody.
    #[must_use]
    pub fn is_active(&self) -> bool {
        let members = &mut self.settings.peers.iter();
        members.any(|member| member.policy.send || member.policy.receive)
    }

    /// The best learned routes, to be put behind all others in the routing table; `None` = as last time.
    pub fn take_learned_routes(&mut self) -> Option<Vec<(Prefix, Slot)>> {
        std::mem::take(&mut self.learned_changed).then(|| self.learned_routes())
    }

    /// What was taken was of no use: it is to be taken again.
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

    /// Another own address: all that was learned was judged by the old one, all that was told named it.
    fn restart(&mut self, now: MonoTime) {
        self.best_routes.clear();
        self.log = ChangeLog::new(self.next_table_id(), self.hash.clone());
        self.learned_changed = true;
        let linked = &self.connected;
        for (slot, peer) in &mut self.peers {
            peer.receiver.clear();
            peer.sender.restart(0);
            if linked.contains(slot) {
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
        CcpPeerState {
            settings,
            receiver: RouteReceiver::new(hash.clone()),
            sender: RouteSender::default(),
        }
    }

    /// Which routes are gone because the peer is something else now.
    fn apply_change(&mut self, old: &CcpPeer, now: MonoTime) -> Vec<Prefix> {
        let (new, old) = (&self.settings.policy, &old.policy);
        if !new.send {
            self.sender.stop();
        }
        let same = (new.receive, new.routes_max) == (old.receive, old.routes_max)
            && new.accept == old.accept;
        if same {
            // Its relation may be another one: then others may be better.
            return self.receiver.routes.iter().map(|(prefix, _)| prefix.clone()).collect();
        }
        let gone = self.receiver.clear();
        if new.receive {
            self.receiver.control_sender.schedule(now);
        }
        gone
    }
}

/// A fresh id for each number, as unlike others as the hash's key is random; marked as a random UUID.
fn table_id(hash: &RandomState, number: u64) -> TableId {
    let [high, low] = [0u8, 1].map(|half| hash.hash_one((number, half)));
    let mut id = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut id;
    *version = *version & 0x0f | 0x40;
    *variant = *variant & 0x3f | 0x80;
    TableId(id)
}
