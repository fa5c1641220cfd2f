//! The open connections of the listener: who they belong to, how long they may stay, and who has to go for another.
//!
//! Strangers (nobody has authenticated on the connection; SPSP clients never do) stay a minute. A peer's connection stays
//! while it is used. When all places are taken, the oldest stranger makes room for the newcomer; peers never do.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::account::AccountId;
use crate::time::Mono;

/// Bounds of the listener's connections, with the defaults of the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Open connections.
    pub(super) connections_max: usize,
    /// Open connections of one peer.
    pub(super) of_one_peer_max: usize,
    /// From the accepted socket to the end of the first request's head, and from there to the next one's.
    pub(super) head_time: Duration,
    /// For a request's body.
    pub(super) body_time: Duration,
    /// Bodies of one peer's requests that are waited for side by side.
    pub(super) bodies_max: usize,
    /// How long a connection may live that no peer has authenticated on.
    pub(super) stranger_time: Duration,
    /// How long a peer's connection may be without a request.
    pub(super) idle_time: Duration,
    /// For what is on its way when a connection has to end.
    pub(super) goodbye_time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            of_one_peer_max: 1024,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(10),
            bodies_max: 256,
            stranger_time: Duration::from_secs(60),
            idle_time: Duration::from_secs(120),
            goodbye_time: Duration::from_secs(5),
        }
    }
}

/// All open connections.
#[derive(Debug)]
pub(super) struct Guests {
    bounds: Bounds,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next_id: u64,
    /// Oldest first.
    guests: BTreeMap<u64, Arc<Guest>>,
    of_peer: HashMap<AccountId, usize>,
    /// Bodies that are waited for.
    bodies_of: HashMap<AccountId, usize>,
}

/// A body that is waited for, until this is dropped.
#[derive(Debug)]
pub(super) struct Body<'g> {
    guests: &'g Guests,
    peer: &'g AccountId,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Guest {
    /// Where it comes from.
    pub(super) remote: SocketAddr,
    id: u64,
    came: Mono,
    owner: Mutex<Option<AccountId>>,
    /// Requests that have not been answered.
    busy: AtomicUsize,
    requests: AtomicU64,
    /// When a request came or was answered last (nanoseconds).
    used: AtomicU64,
    leave: Notify,
    /// It has to make room for another one.
    evicted: AtomicBool,
}

/// A guest's place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    guest: Arc<Guest>,
    guests: Arc<Guests>,
}

/// The peer has as many connections as it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

impl Guests {
    pub(super) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, open: Mutex::default() })
    }

    pub(super) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// A place for a newcomer. `None`: all are taken by peers.
    pub(super) fn enter(self: &Arc<Self>, remote: SocketAddr, now: Mono) -> Option<Place> {
        let mut open = self.open.lock();
        if open.guests.len() >= self.bounds.connections_max && !open.make_room() {
            return None;
        }
        let id = open.next_id;
        open.next_id += 1;
        let guest = Arc::new(Guest {
            remote,
            id,
            came: now,
            owner: Mutex::default(),
            busy: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            used: AtomicU64::new(now.0),
            leave: Notify::new(),
            evicted: AtomicBool::new(false),
        });
        open.guests.insert(id, Arc::clone(&guest));
        drop(open);
        Some(Place { guest, guests: Arc::clone(self) })
    }

    /// Closes a connection, for want of something else than places. `false`: all are peers'.
    pub(super) fn make_room(&self) -> bool {
        self.open.lock().make_room()
    }

    /// A peer has authenticated on this connection: it is the peer's from now on, if it may have one more.
    pub(super) fn belongs(&self, guest: &Guest, peer: &AccountId) -> Result<(), TooMany> {
        let mut open = self.open.lock();
        let mut owner = guest.owner.lock();
        // Gone already, or known; a proxy may bring several peers on one connection, which is the first one's.
        if owner.is_some() || !open.guests.contains_key(&guest.id) {
            return Ok(());
        }
        let count = open.of_peer.entry(peer.clone()).or_default();
        if *count >= self.bounds.of_one_peer_max {
            return Err(TooMany);
        }
        *count += 1;
        *owner = Some(peer.clone());
        Ok(())
    }

    /// A body of the peer's is to be waited for. `None`: as many as may be are, already.
    pub(super) fn body<'g>(&'g self, peer: &'g AccountId) -> Option<Body<'g>> {
        let mut open = self.open.lock();
        let count = open.bodies_of.entry(peer.clone()).or_default();
        if *count >= self.bounds.bodies_max {
            return None;
        }
        *count += 1;
        Some(Body { guests: self, peer })
    }

    /// How many are open.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.open.lock().guests.len()
    }

    /// Asks all to leave when they have their answers.
    pub(super) fn all_leave(&self) {
        for guest in self.open.lock().guests.values() {
            guest.leave.notify_one();
        }
    }
}

impl Open {
    /// The oldest stranger has to leave.
    fn make_room(&mut self) -> bool {
        let stranger = self.guests.values().find(|guest| guest.owner.lock().is_none());
        let Some(stranger) = stranger.map(|guest| guest.id) else { return false };
        if let Some(stranger) = self.guests.remove(&stranger) {
            stranger.evicted.store(true, Ordering::Relaxed);
            stranger.leave.notify_one();
        }
        true
    }
}

impl Guest {
    /// A request came.
    pub(super) fn begins(&self, now: Mono) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.used.store(now.0, Ordering::Relaxed);
    }

    /// A request was answered, or given up.
    pub(super) fn ends(&self, now: Mono) {
        self.busy.fetch_sub(1, Ordering::Relaxed);
        self.used.store(now.0, Ordering::Relaxed);
    }

    /// When it has to leave as things stand; looked at again then, for things change.
    pub(super) fn leaves_at(&self, bounds: &Bounds) -> Mono {
        if self.requests.load(Ordering::Relaxed) == 0 {
            return self.came.after(bounds.head_time);
        }
        if self.owner.lock().is_none() {
            return self.came.after(bounds.stranger_time);
        }
        if self.busy.load(Ordering::Relaxed) > 0 {
            // Its answer comes, or its deadline does; then it is looked at again.
            return Mono::MAX;
        }
        Mono(self.used.load(Ordering::Relaxed)).after(bounds.idle_time)
    }

    /// Until somebody wants it to leave; `true`: at once, for its place is taken already.
    pub(super) async fn asked_to_leave(&self) -> bool {
        self.leave.notified().await;
        self.evicted.load(Ordering::Relaxed)
    }
}

impl Drop for Body<'_> {
    fn drop(&mut self) {
        give_back(&mut self.guests.open.lock().bodies_of, self.peer);
    }
}

/// One less; nothing is kept of who has none.
fn give_back(counts: &mut HashMap<AccountId, usize>, peer: &AccountId) {
    if let Some(count) = counts.get_mut(peer) {
        *count -= 1;
        if *count == 0 {
            counts.remove(peer);
        }
    }
}

impl std::ops::Deref for Place {
    type Target = Arc<Guest>;

    fn deref(&self) -> &Arc<Guest> {
        &self.guest
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.guests.open.lock();
        open.guests.remove(&self.guest.id);
        if let Some(owner) = self.guest.owner.lock().take() {
            give_back(&mut open.of_peer, &owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        connections_max: 3,
        of_one_peer_max: 2,
        head_time: Duration::from_secs(10),
        body_time: Duration::from_secs(10),
        bodies_max: 256,
        stranger_time: Duration::from_secs(60),
        idle_time: Duration::from_secs(120),
        goodbye_time: Duration::from_secs(5),
    };

    fn remote() -> SocketAddr {
        "127.0.0.1:1".parse().unwrap()
    }

    fn seconds(seconds: u64) -> Mono {
        Mono(seconds * 1_000_000_000)
    }

    #[test]
    fn strangers_make_room_and_peers_do_not() {
        let guests = Guests::new(BOUNDS);
        let [alice, bob]: [AccountId; 2] = ["alice", "bob"].map(|id| id.parse().unwrap());
        let mut places: Vec<Place> =
            (0..3).map(|_| guests.enter(remote(), seconds(0)).unwrap()).collect();
        assert_eq!(guests.belongs(&places[0], &alice), Ok(()));
        assert_eq!(guests.belongs(&places[0], &bob), Ok(()), "it stays the first one's");
        places.push(guests.enter(remote(), seconds(1)).unwrap());
        assert_eq!(guests.len(), 3, "the second one has to go");
        assert_eq!(guests.belongs(&places[1], &bob), Ok(()), "too late, and no matter");
        assert_eq!(guests.belongs(&places[2], &alice), Ok(()));
        assert_eq!(guests.belongs(&places[3], &alice), Err(TooMany));
        assert_eq!(guests.belongs(&places[3], &bob), Ok(()));
        assert!(guests.enter(remote(), seconds(2)).is_none(), "all are peers'");
        places.remove(0);
        assert!(guests.enter(remote(), seconds(2)).is_some());
        drop(places);
        assert_eq!(guests.len(), 0);
        assert!(guests.open.lock().of_peer.is_empty());
    }

    #[test]
    fn who_may_stay_how_long() {
        let guests = Guests::new(BOUNDS);
        let guest = guests.enter(remote(), seconds(0)).unwrap();
        let check = |expected: Mono| assert_eq!(guest.leaves_at(&BOUNDS), expected);
        check(seconds(10));
        guest.begins(seconds(5));
        check(seconds(60));
        guests.belongs(&guest, &"alice".parse().unwrap()).unwrap();
        check(Mono::MAX);
        guest.ends(seconds(7));
        check(seconds(127));
        guest.begins(seconds(100));
        guest.begins(seconds(101));
        guest.ends(seconds(102));
        check(Mono::MAX);
        guest.ends(seconds(103));
        check(seconds(223));
    }
}
