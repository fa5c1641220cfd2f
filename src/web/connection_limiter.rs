//! The open connections of the listener: who they belong to, how long they may stay, how much they may have us do, and who
//! has to go for another.
//!
//! Strangers (no peer has authenticated on the connection; SPSP clients never do) hold places of their own, by the same
//! rules as with BTP, and stay a minute. A peer's connection stays while it is used. When a peer has all the connections that
//! one may have, its least recently used idle one makes room; when all peers together have all places, one of the peer that
//! has most makes room, an idle one if there is one.

mod connection;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

pub(crate) use self::connection::{Guest, Told};
use crate::account::AccountId;
use crate::net;
use crate::net::{Bucket, ClientOrigin, HttpLimits, SharedRate, Unauthenticated, WorkRate};
use crate::time::MonoTime;

/// HTTP/2 connections of one known origin that take [`WIDE_STREAMS`]; further ones take [`KNOWN_STREAMS`].
const WIDE_PER_ORIGIN_MAX: usize = 8;
/// Requests side by side on the first HTTP/2 connections from where peers have logged in.
const WIDE_STREAMS: u32 = 256;
/// Requests side by side on further ones.
const KNOWN_STREAMS: u32 = 32;
/// Requests side by side on an HTTP/2 connection from anywhere else.
pub(crate) const NARROW_STREAMS: u32 = 8;
/// Frames per second that one peer may send beside those of its requests.
const PEER_FRAMES: WorkRate = WorkRate(2000);
/// Frames that belong to one request of a peer.
const REQUEST_FRAMES: u32 = 16;
/// Frames and reads per second of all connections together on which no peer has authenticated.
const STRANGERS_FRAMES: WorkRate = WorkRate(10_000);
/// Frames and reads of one connection that do not wait for that: enough to say who one is, whatever others do.
const FIRST_FRAMES: u32 = 12;
/// Requests with wrong tokens per second, from all addresses together. Beyond them none is looked at.
const WRONG_TOKENS: WorkRate = WorkRate(200);
/// Time that a connection which loses its place among strangers still has to log in, if nothing was asked on it yet: a
/// peer's program may open hundreds at once, and each shows its token only with its first request. Until then it is cheap;
/// asking for anything else ends it.
const EVICTION_GRACE: Duration = Duration::from_secs(2);
/// Requests with wrong tokens on one connection, before it is closed.
const WRONG_TOKENS_OF_CONNECTION_MAX: u32 = 5;

/// Bounds of the listener's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionLimits {
    /// Those that are configured.
    pub(crate) limits: HttpLimits,
    /// From the accepted socket to the end of the first request's head, and from there to the next one's.
    pub(crate) head_time: Duration,
    /// For a request's body.
    pub(crate) body_time: Duration,
    /// Bodies of one peer's requests that are waited for side by side.
    pub(crate) bodies_max: usize,
    /// How long a connection may live that no peer has authenticated on.
    pub(crate) stranger_time: Duration,
    /// How long a peer's connection may be without a request.
    pub(crate) idle_time: Duration,
    /// For what is on its way when a connection has to end.
    pub(crate) goodbye_time: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            limits: HttpLimits::default(),
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
pub(crate) struct Connections {
    bounds: ConnectionLimits,
    strangers: Arc<Unauthenticated>,
    open: Mutex<Open>,
    work: Mutex<Work>,
}

#[derive(Debug, Default)]
struct Open {
    next_id: u64,
    guests: BTreeMap<u64, Arc<Guest>>,
    of_peer: HashMap<AccountId, Peer>,
    /// Connections of all peers.
    peers_total: usize,
    wide_of: HashMap<ClientOrigin, usize>,
}

/// What one peer has open.
#[derive(Debug, Default)]
struct Peer {
    guests: BTreeMap<u64, Arc<Guest>>,
    /// Bodies that are waited for.
    bodies: usize,
}

/// What connections have had us do.
#[derive(Debug)]
struct Work {
    frames: SharedRate<ClientOrigin>,
    requests: SharedRate<ClientOrigin>,
    wrong_tokens: SharedRate<ClientOrigin>,
    of_peer: HashMap<AccountId, Bucket>,
}

/// A body that is waited for, until this is dropped.
#[derive(Debug)]
pub(crate) struct PendingBody<'g> {
    guests: &'g Connections,
    peer: &'g AccountId,
}

/// A guest's place; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPlace {
    guest: Arc<Guest>,
    guests: Arc<Connections>,
    /// Until a peer has authenticated.
    stranger: Option<net::UnauthenticatedPlace>,
    /// The place among strangers is lost: when the connection has to go, unless a peer authenticates on it before.
    goes_at: Option<Instant>,
    told_outgrown: bool,
}

/// The peer has as many connections as it may have, and all of them are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooManyConnections;

/// Too much was asked for; when it may be worth trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RetryAfter;

impl Connections {
    pub(crate) fn new(bounds: ConnectionLimits) -> Arc<Self> {
        let limits = bounds.limits;
        let requests = WorkRate(limits.stranger_requests_per_second);
        let work = Work {
            frames: SharedRate::new(STRANGERS_FRAMES),
            requests: SharedRate::new(requests),
            wrong_tokens: SharedRate::new(WRONG_TOKENS),
            of_peer: HashMap::new(),
        };
        let (strangers, work) = (Unauthenticated::new(limits.unauthenticated), Mutex::new(work));
        Arc::new(Self { bounds, strangers, open: Mutex::default(), work })
    }

    pub(crate) fn bounds(&self) -> &ConnectionLimits {
        &self.bounds
    }

    /// A place for a newcomer, and whether another stranger has lost its place to it. `is_known`: a peer has logged in from
    /// there before.
    pub(crate) fn enter(
        self: &Arc<Self>,
        remote: SocketAddr,
        is_known: bool,
        now: MonoTime,
    ) -> (ConnectionPlace, bool) {
        let origin = ClientOrigin::from(remote);
        let (stranger, has_loser) = self.strangers.enter(origin, is_known);
        let mut open = self.open.lock();
        let id = open.next_id;
        open.next_id += 1;
        let wide = open.wide_of.get(&origin).copied().unwrap_or(0);
        let is_wide = is_known && wide < WIDE_PER_ORIGIN_MAX;
        if is_wide {
            open.wide_of.insert(origin, wide + 1);
        }
        let guest = Arc::new(Guest::new(id, remote, (is_known, is_wide), now));
        open.guests.insert(id, Arc::clone(&guest));
        drop(open);
        (
            ConnectionPlace {
                guest,
                guests: Arc::clone(self),
                stranger: Some(stranger),
                goes_at: None,
                told_outgrown: false,
            },
            has_loser,
        )
    }

    /// Closes a connection, for want of something else than places: a stranger's, or an idle one of the peer that has most.
    /// `false`: there is none.
    pub(crate) fn make_room(&self) -> bool {
        if self.strangers.evict() {
            return true;
        }
        let mut open = self.open.lock();
        let most = open.of_peer.iter().max_by_key(|(_, peer)| peer.guests.len());
        let Some(peer) = most.map(|(id, _)| id.clone()) else { return false };
        let idle = open.idle_of(&peer);
        if let Some(idle) = &idle {
            open.evict(idle);
        }
        idle.is_some()
    }

    /// A peer has authenticated on this connection: it is the peer's from now on, if it may have one more. Another
    /// connection may have to go for it.
    pub(crate) fn set_owner(
        &self,
        guest: &Guest,
        peer: &AccountId,
    ) -> Result<(), TooManyConnections> {
        // Known already: a proxy may bring several peers on one connection, which is the first one's.
        if guest.is_owned() {
            return Ok(());
        }
        let mut guard = self.open.lock();
        let open = &mut *guard;
        if guest.is_owned() {
            return Ok(());
        }
        // Gone already.
        let Some(guest) = open.guests.get(&guest.id).cloned() else { return Ok(()) };
        let limits = &self.bounds.limits;
        let own = open.of_peer.get(peer).map_or(0, |peer| peer.guests.len());
        let loser = if own >= limits.of_one_peer_max {
            Some(open.idle_of(peer).ok_or(TooManyConnections)?)
        } else if open.peers_total >= limits.of_peers_max {
            Some(open.of_who_has_most(peer, own).ok_or(TooManyConnections)?)
        } else {
            None
        };
        if let Some(loser) = loser {
            open.evict(&loser);
        }
        *guest.owner.lock() = Some(peer.clone());
        open.peers_total += 1;
        // So that its place among strangers is given back.
        guest.leave.notify_one();
        open.of_peer.entry(peer.clone()).or_default().guests.insert(guest.id, guest);
        Ok(())
    }

    /// A body of the peer's is to be waited for. `None`: as many as may be are, already.
    pub(crate) fn body<'g>(&'g self, peer: &'g AccountId) -> Option<PendingBody<'g>> {
        let mut open = self.open.lock();
        let count = &mut open.of_peer.entry(peer.clone()).or_default().bodies;
        if *count >= self.bounds.bodies_max {
            return None;
        }
        *count += 1;
        Some(PendingBody { guests: self, peer })
    }

    /// When the connection may be read from: now or later.
    pub(crate) fn reads_at(&self, guest: &Guest, now: MonoTime) -> MonoTime {
        let work = self.work.lock();
        match &*guest.owner.lock() {
            None if guest.frames.load(Ordering::Relaxed) < FIRST_FRAMES => now,
            None => work.frames.ready_at(guest.remote.into(), now),
            Some(peer) => work.of_peer.get(peer).map_or(now, |own| own.ready_at(PEER_FRAMES, now)),
        }
    }

    /// So many frames were read.
    pub(crate) fn has_read(&self, guest: &Guest, frames: u32, now: MonoTime) {
        let mut work = self.work.lock();
        match &*guest.owner.lock() {
            None => {
                guest.frames.fetch_add(frames, Ordering::Relaxed);
                work.frames.spend(guest.remote.into(), frames, now);
            }
            Some(peer) => match work.of_peer.get_mut(peer) {
                Some(bucket) => bucket.spend(frames, PEER_FRAMES, now),
                None => {
                    let mut bucket = Bucket::default();
                    bucket.spend(frames, PEER_FRAMES, now);
                    work.of_peer.insert(peer.clone(), bucket);
                }
            },
        }
    }

    /// A request came; `is_login`: with a token, which is looked at later.
    pub(crate) fn admits(
        &self,
        guest: &Guest,
        is_login: bool,
        now: MonoTime,
    ) -> Result<(), RetryAfter> {
        let mut work = self.work.lock();
        if let Some(peer) = &*guest.owner.lock() {
            if let Some(bucket) = work.of_peer.get_mut(peer) {
                bucket.give_back(REQUEST_FRAMES, PEER_FRAMES);
            }
            return Ok(());
        }
        let origin = guest.remote.into();
        if is_login {
            let ready = work.wrong_tokens.ready_at(origin, now) <= now;
            return ready.then_some(()).ok_or(RetryAfter);
        }
        if work.requests.ready_at(origin, now) > now {
            return Err(RetryAfter);
        }
        work.requests.spend(origin, 1, now);
        Ok(())
    }

    /// A request had a wrong token. `true`: the connection is to be closed.
    pub(crate) fn wrong_token(&self, guest: &Guest, now: MonoTime) -> bool {
        self.work.lock().wrong_tokens.spend(guest.remote.into(), 1, now);
        guest.wrong_tokens.fetch_add(1, Ordering::Relaxed) + 1 >= WRONG_TOKENS_OF_CONNECTION_MAX
    }

    /// How many are open.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.open.lock().guests.len()
    }

    /// Asks all to leave when they have their answers.
    pub(crate) fn close_all(&self) {
        for guest in self.open.lock().guests.values() {
            guest.end();
        }
    }
}

impl Open {
    /// The peer's connection without requests that was used longest ago.
    fn idle_of(&self, peer: &AccountId) -> Option<Arc<Guest>> {
        let guests = self.of_peer.get(peer)?.guests.values();
        guests.filter(|guest| guest.is_idle()).min_by_key(|guest| guest.used()).cloned()
    }

    /// A connection of the peer that has most, which is not `newcomer` with its `own` ones and one more: an idle one if
    /// there is one, else the oldest.
    fn of_who_has_most(&self, newcomer: &AccountId, own: usize) -> Option<Arc<Guest>> {
        let (peer, most) = self.of_peer.iter().max_by_key(|(_, peer)| peer.guests.len())?;
        if most.guests.len() <= own + 1 {
            // Everybody has a fair share: the newcomer makes room for itself, if it can.
            return self.idle_of(newcomer);
        }
        self.idle_of(peer).or_else(|| most.guests.values().next().cloned())
    }

    fn evict(&mut self, guest: &Guest) {
        self.remove_of_peer(guest);
        guest.evicted.store(true, Ordering::Relaxed);
        guest.leave.notify_one();
    }

    fn remove_of_peer(&mut self, guest: &Guest) {
        let Some(owner) = &*guest.owner.lock() else { return };
        let Some(peer) = self.of_peer.get_mut(owner) else { return };
        if peer.guests.remove(&guest.id).is_some() {
            self.peers_total -= 1;
        }
        // Nothing is kept of who has nothing.
        if peer.guests.is_empty() && peer.bodies == 0 {
            self.of_peer.remove(owner);
        }
    }
}

impl ConnectionPlace {
    /// Until the connection is told something.
    pub(crate) async fn told(&mut self) -> Told {
        loop {
            if let Some(told) = self.news() {
                return told;
            }
            let lost = async {
                match (&self.stranger, self.goes_at) {
                    (None, _) => std::future::pending().await,
                    (Some(stranger), None) => stranger.evicted().await,
                    (Some(_), Some(at)) => sleep_until(at).await,
                }
            };
            tokio::select! {
                biased;
                () = self.guest.leave.notified() => {}
                () = lost => {
                    if self.goes_at.is_some() || self.guest.has_asked() {
                        return Told::Evicted;
                    }
                    // Kept here: this future may be dropped and made again.
                    self.goes_at = Some(Instant::now() + EVICTION_GRACE);
                    self.guest.may_only_log_in.store(true, Ordering::Relaxed);
                }
            }
        }
    }

    /// What the connection has not been told yet; each thing once.
    fn news(&mut self) -> Option<Told> {
        if self.guest.evicted.load(Ordering::Relaxed) {
            return Some(Told::Evicted);
        }
        if self.guest.asked.swap(false, Ordering::Relaxed) {
            return Some(Told::Leave);
        }
        if self.stranger.is_some() && self.guest.is_owned() {
            (self.stranger, self.goes_at) = (None, None);
            return Some(Told::Owned);
        }
        if !self.told_outgrown && self.guest.outgrown.load(Ordering::Relaxed) {
            self.told_outgrown = true;
            return Some(Told::Outgrown);
        }
        None
    }
}

impl Drop for PendingBody<'_> {
    fn drop(&mut self) {
        let mut open = self.guests.open.lock();
        let Some(peer) = open.of_peer.get_mut(self.peer) else { return };
        peer.bodies -= 1;
        if peer.guests.is_empty() && peer.bodies == 0 {
            open.of_peer.remove(self.peer);
        }
    }
}

impl std::ops::Deref for ConnectionPlace {
    type Target = Arc<Guest>;

    fn deref(&self) -> &Arc<Guest> {
        &self.guest
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        let mut open = self.guests.open.lock();
        open.guests.remove(&self.guest.id);
        open.remove_of_peer(&self.guest);
        if self.guest.is_wide {
            let origin = ClientOrigin::from(self.guest.remote);
            if let Some(wide) = open.wide_of.get_mut(&origin) {
                *wide -= 1;
                if *wide == 0 {
                    open.wide_of.remove(&origin);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
