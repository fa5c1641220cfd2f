//! The limits of a listener's connections: how many are open, how long each stays, how much work it causes, and which
//! one is closed for another.
//!
//! Unauthenticated connections (those of SPSP clients always are) have a limit of their own with the eviction rules of
//! `net/address_limiter.rs`, and are closed after a minute. A peer's connection stays while it is used. At its own
//! limit, a peer's least recently used idle connection is closed; at the limit of all peers, a connection of the peer
//! with most, an idle one first. The connections of a named proxy, which bring requests of many clients, count as those
//! of one more peer.

mod connection;
mod guard;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;

pub(crate) use self::connection::{Connection, ConnectionEvent};
pub(crate) use self::guard::ConnectionGuard;
use super::bearer::WRONG_TOKENS;
use crate::account::AccountId;
use crate::net::{
    ClientAddress, HttpLimits, RemoteAddress, SharedRate, UnauthenticatedConnections, WorkBudget,
    WorkRate,
};
use crate::time::MonoTime;

/// HTTP/2 connections of one known address that carry [`WIDE_STREAMS`]; further ones carry [`KNOWN_STREAMS`].
const WIDE_PER_ADDRESS_MAX: usize = 8;
/// Concurrent requests on the first HTTP/2 connections from an address where a peer has logged in.
const WIDE_STREAMS: u32 = 256;
/// Concurrent requests on further ones.
const KNOWN_STREAMS: u32 = 32;
/// Concurrent requests on an HTTP/2 connection from any other address.
pub(crate) const NARROW_STREAMS: u32 = 8;
/// Frames per second of one peer beside those of its requests.
const PEER_FRAMES: WorkRate = WorkRate(2000);
/// Frames per second of all connections of proxies beside those of their requests.
const PROXY_FRAMES: WorkRate = WorkRate(10_000);
/// Frames that belong to one request of a peer, or of a proxy.
const REQUEST_FRAMES: u32 = 16;
/// Frames and reads per second of all unauthenticated connections together.
const UNAUTHENTICATED_FRAMES: WorkRate = WorkRate(10_000);
/// Frames and reads of one connection outside that rate: enough for a login, whatever others do.
const FIRST_FRAMES: u32 = 12;
/// Time to log in after the permit was evicted, if no request came yet. A peer's program may open hundreds
/// of connections at once, and shows its token only with the first request of each.
const EVICTION_GRACE: Duration = Duration::from_secs(2);
/// See [`ConnectionLimits::stream_write_time`].
const STREAM_WRITE_TIME: Duration = Duration::from_secs(10);
/// Wrong tokens on one connection before it is closed.
const WRONG_TOKENS_OF_CONNECTION_MAX: u32 = 5;

/// Limits of a listener's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionLimits {
    /// From the configuration.
    pub(crate) configured: HttpLimits,
    /// From the accepted socket to the end of the first request's head.
    pub(crate) head_time: Duration,
    /// For a request's body.
    pub(crate) body_time: Duration,
    /// Request bodies of one peer that may be incomplete at a time.
    pub(crate) bodies_max: usize,
    /// From the accepted socket to the end of an unauthenticated connection.
    pub(crate) unauthenticated_time: Duration,
    /// Between a peer's requests, and from an answer to the end of the next request's head.
    pub(crate) idle_time: Duration,
    /// For the last answers of a connection that has to close.
    pub(crate) closing_time: Duration,
    /// A stream is closed when its client has taken no byte for this long.
    pub(crate) stream_write_time: Duration,
    /// See [`EVICTION_GRACE`].
    pub(crate) eviction_grace: Duration,
    /// Frames and reads per second of all unauthenticated connections together; one address has half of it.
    pub(crate) unauthenticated_frames: WorkRate,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            configured: HttpLimits::default(),
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(10),
            bodies_max: 256,
            unauthenticated_time: Duration::from_secs(60),
            idle_time: Duration::from_secs(120),
            closing_time: Duration::from_secs(5),
            stream_write_time: STREAM_WRITE_TIME,
            eviction_grace: EVICTION_GRACE,
            unauthenticated_frames: UNAUTHENTICATED_FRAMES,
        }
    }
}

/// All open connections of a listener, and what they may still do.
#[derive(Debug)]
pub(crate) struct ConnectionLimiter {
    limits: ConnectionLimits,
    unauthenticated: Arc<UnauthenticatedConnections>,
    open: Mutex<OpenConnections>,
    budgets: Mutex<Budgets>,
}

#[derive(Debug, Default)]
struct OpenConnections {
    next_id: u64,
    all: BTreeMap<u64, Arc<Connection>>,
    by_owner: HashMap<Owner, OwnedConnections>,
    owned_total: usize,
    wide_by_address: HashMap<ClientAddress, usize>,
}

/// The client whose connections stay while they are used.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Owner {
    /// The first peer that has authenticated.
    Peer(AccountId),
    /// All named proxies together.
    Proxies,
}

#[derive(Debug, Default)]
struct OwnedConnections {
    connections: BTreeMap<u64, Arc<Connection>>,
    incomplete_bodies: usize,
}

/// Work that may still be caused.
#[derive(Debug)]
struct Budgets {
    frames: SharedRate<ClientAddress>,
    requests: SharedRate<ClientAddress>,
    wrong_tokens: SharedRate<ClientAddress>,
    frames_by_owner: HashMap<Owner, WorkBudget>,
}

/// A request body that is incomplete, until this is dropped.
#[derive(Debug)]
pub(crate) struct IncompleteBody<'l> {
    limiter: &'l ConnectionLimiter,
    owner: Owner,
}

/// The peer has all the connections that it may have, and all are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooManyConnections;

/// A request is above the rate of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AboveRate;

impl ConnectionLimiter {
    pub(crate) fn new(limits: ConnectionLimits) -> Arc<Self> {
        let requests = WorkRate(limits.configured.unauthenticated_requests_per_second);
        let budgets = Budgets {
            frames: SharedRate::new(limits.unauthenticated_frames),
            requests: SharedRate::new(requests),
            wrong_tokens: SharedRate::new(WRONG_TOKENS),
            frames_by_owner: HashMap::new(),
        };
        let unauthenticated = UnauthenticatedConnections::new(limits.configured.unauthenticated);
        Arc::new(Self {
            limits,
            unauthenticated,
            open: Mutex::default(),
            budgets: Mutex::new(budgets),
        })
    }

    pub(crate) fn limits(&self) -> &ConnectionLimits {
        &self.limits
    }

    /// A permit for a new connection. `true`: the permit of another connection was evicted for it. `is_known`: a peer
    /// has logged in from this address before.
    pub(crate) fn admit_connection(
        self: &Arc<Self>,
        remote: impl Into<RemoteAddress>,
        is_known: bool,
        now: MonoTime,
    ) -> (ConnectionGuard, bool) {
        let remote = remote.into();
        let address = ClientAddress::from(remote);
        let (permit, has_evicted) = self.unauthenticated.admit(address, is_known);
        let mut open = self.open.lock();
        let id = open.next_id;
        open.next_id += 1;
        let is_wide = open.take_width(address, is_known);
        let connection = Arc::new(Connection::new(id, remote, (is_known, is_wide), now));
        open.all.insert(id, Arc::clone(&connection));
        drop(open);
        (ConnectionGuard::new(connection, Arc::clone(self), permit), has_evicted)
    }

    /// Closes a connection because open files are short: an unauthenticated one, or an idle one of the peer with most.
    /// `false`: there is neither.
    pub(crate) fn evict_one(&self) -> bool {
        if self.unauthenticated.evict_one() {
            return true;
        }
        let mut open = self.open.lock();
        let most = open.by_owner.iter().max_by_key(|(_, own)| own.connections.len());
        let Some(owner) = most.map(|(owner, _)| owner.clone()) else { return false };
        let idle = open.least_recently_used(&owner);
        if let Some(idle) = &idle {
            open.evict(idle);
        }
        idle.is_some()
    }

    /// Closes the oldest connection that is no stream because open files are short, if it has been open for `age`.
    pub(crate) fn close_oldest(&self, age: Duration, now: MonoTime) {
        let mut open = self.open.lock();
        if let Some(oldest) = open.all.values().find(|one| !one.is_stream()).cloned()
            && oldest.is_older_than(age, now)
        {
            open.evict(&oldest);
        }
    }

    /// A peer has authenticated on this connection, which belongs to it from now on. Another one may be closed for it.
    pub(crate) fn set_owner(
        &self,
        connection: &Connection,
        peer: &AccountId,
    ) -> Result<(), TooManyConnections> {
        self.give(connection, Owner::Peer(peer.clone()))
    }

    /// The connection is one of a named proxy, and brings requests of many clients. Another one may be closed for it.
    pub(crate) fn give_to_proxies(
        &self,
        connection: &Connection,
    ) -> Result<(), TooManyConnections> {
        self.give(connection, Owner::Proxies)
    }

    fn give(&self, connection: &Connection, owner: Owner) -> Result<(), TooManyConnections> {
        // A proxy without a name may bring several peers on one connection: it stays the first one's.
        if connection.is_owned() {
            return Ok(());
        }
        let mut guard = self.open.lock();
        let open = &mut *guard;
        if connection.is_owned() {
            return Ok(());
        }
        // Closed meanwhile.
        let Some(connection) = open.all.get(&connection.id).cloned() else { return Ok(()) };
        let configured = &self.limits.configured;
        let own = open.by_owner.get(&owner).map_or(0, |own| own.connections.len());
        let own_max = match owner {
            Owner::Peer(_) => configured.of_one_peer_max,
            Owner::Proxies => configured.of_peers_max,
        };
        let evicted = if own >= own_max {
            Some(open.least_recently_used(&owner).ok_or(TooManyConnections)?)
        } else if open.owned_total >= configured.of_peers_max {
            Some(open.choose_victim(&owner, own).ok_or(TooManyConnections)?)
        } else {
            None
        };
        if let Some(evicted) = evicted {
            open.evict(&evicted);
        }
        *connection.owner.lock() = Some(owner.clone());
        open.owned_total += 1;
        // Wakes its task, which releases the permit.
        connection.changed.notify_one();
        let own = open.by_owner.entry(owner).or_default();
        own.connections.insert(connection.id, connection);
        Ok(())
    }

    /// Permits one more request body of the peer to be received. `None`: too many are incomplete.
    pub(crate) fn begin_body(&self, peer: &AccountId) -> Option<IncompleteBody<'_>> {
        let owner = Owner::Peer(peer.clone());
        let mut open = self.open.lock();
        let count = &mut open.by_owner.entry(owner.clone()).or_default().incomplete_bodies;
        if *count >= self.limits.bodies_max {
            return None;
        }
        *count += 1;
        Some(IncompleteBody { limiter: self, owner })
    }

    /// When the connection may be read next: now or later.
    pub(crate) fn readable_at(&self, connection: &Connection, now: MonoTime) -> MonoTime {
        let budgets = self.budgets.lock();
        match &*connection.owner.lock() {
            None if connection.frames.load(Ordering::Relaxed) < FIRST_FRAMES => now,
            None => budgets.frames.ready_at(connection.remote.into(), now),
            Some(owner) => {
                let own = budgets.frames_by_owner.get(owner);
                own.map_or(now, |own| own.ready_at(owner.frames(), now))
            }
        }
    }

    pub(crate) fn record_frames(&self, connection: &Connection, frames: u32, now: MonoTime) {
        let mut budgets = self.budgets.lock();
        match &*connection.owner.lock() {
            None => {
                connection.frames.fetch_add(frames, Ordering::Relaxed);
                budgets.frames.spend(connection.remote.into(), frames, now);
            }
            Some(owner) => match budgets.frames_by_owner.get_mut(owner) {
                Some(budget) => budget.spend(frames, owner.frames(), now),
                None => {
                    let mut budget = WorkBudget::default();
                    budget.spend(frames, owner.frames(), now);
                    budgets.frames_by_owner.insert(owner.clone(), budget);
                }
            },
        }
    }

    /// Admits a request of `address` by its rate; those of a connection's peer have none. `is_login`: it carries a
    /// token, of which only wrong ones count.
    pub(crate) fn admit_request(
        &self,
        connection: &Connection,
        address: ClientAddress,
        is_login: bool,
        now: MonoTime,
    ) -> Result<(), AboveRate> {
        let mut budgets = self.budgets.lock();
        if let Some(owner) = &*connection.owner.lock() {
            if let Some(budget) = budgets.frames_by_owner.get_mut(owner) {
                budget.refund(REQUEST_FRAMES, owner.frames());
            }
            if *owner != Owner::Proxies {
                return Ok(());
            }
        }
        if is_login {
            let is_ready = budgets.wrong_tokens.ready_at(address, now) <= now;
            return is_ready.then_some(()).ok_or(AboveRate);
        }
        if budgets.requests.ready_at(address, now) > now {
            return Err(AboveRate);
        }
        budgets.requests.spend(address, 1, now);
        Ok(())
    }

    /// `true`: this was one too many, the connection must close. That of a proxy stays, because others use it.
    pub(crate) fn record_wrong_token(
        &self,
        connection: &Connection,
        address: ClientAddress,
        now: MonoTime,
    ) -> bool {
        self.budgets.lock().wrong_tokens.spend(address, 1, now);
        if connection.is_of_proxy() {
            return false;
        }
        let before = connection.wrong_tokens.fetch_add(1, Ordering::Relaxed);
        before + 1 >= WRONG_TOKENS_OF_CONNECTION_MAX
    }

    #[cfg(test)]
    pub(crate) fn connections(&self) -> usize {
        self.open.lock().all.len()
    }

    /// Closes all connections as soon as their requests are answered.
    pub(crate) fn close_all_when_idle(&self) {
        for connection in self.open.lock().all.values() {
            connection.close_when_idle();
        }
    }
}

impl OpenConnections {
    /// Whether a connection of this address is one of the wide ones, of which it is one from now on.
    fn take_width(&mut self, address: ClientAddress, is_known: bool) -> bool {
        let wide = self.wide_by_address.get(&address).copied().unwrap_or(0);
        let is_wide = is_known && wide < WIDE_PER_ADDRESS_MAX;
        if is_wide {
            self.wide_by_address.insert(address, wide + 1);
        }
        is_wide
    }

    fn release_width(&mut self, connection: &Connection) {
        if !connection.is_wide {
            return;
        }
        let address = ClientAddress::from(connection.remote);
        if let Some(wide) = self.wide_by_address.get_mut(&address) {
            *wide -= 1;
            if *wide == 0 {
                self.wide_by_address.remove(&address);
            }
        }
    }

    /// Of the owner's idle connections.
    fn least_recently_used(&self, owner: &Owner) -> Option<Arc<Connection>> {
        let idle = self.by_owner.get(owner)?.connections.values().filter(|one| one.is_idle());
        idle.min_by_key(|one| one.used_at()).cloned()
    }

    /// What to close for one more connection of `newcomer`, which has `own` ones: of the peer with most, an idle one or
    /// else the oldest.
    fn choose_victim(&self, newcomer: &Owner, own: usize) -> Option<Arc<Connection>> {
        let (owner, most) = self.by_owner.iter().max_by_key(|(_, own)| own.connections.len())?;
        if most.connections.len() <= own + 1 {
            // All have a fair share, so the newcomer can only replace a connection of its own.
            return self.least_recently_used(newcomer);
        }
        self.least_recently_used(owner).or_else(|| most.connections.values().next().cloned())
    }

    fn evict(&mut self, connection: &Connection) {
        self.remove_from_owner(connection);
        connection.evict();
    }

    fn remove_from_owner(&mut self, connection: &Connection) {
        let Some(owner) = &*connection.owner.lock() else { return };
        let Some(own) = self.by_owner.get_mut(owner) else { return };
        if own.connections.remove(&connection.id).is_some() {
            self.owned_total -= 1;
        }
        self.remove_if_empty(owner);
    }

    fn remove_if_empty(&mut self, owner: &Owner) {
        let own = self.by_owner.get(owner);
        if own.is_some_and(|own| own.connections.is_empty() && own.incomplete_bodies == 0) {
            self.by_owner.remove(owner);
        }
    }
}

impl Owner {
    /// Frames per second beside those of requests.
    fn frames(&self) -> WorkRate {
        match self {
            Self::Peer(_) => PEER_FRAMES,
            Self::Proxies => PROXY_FRAMES,
        }
    }
}

impl Drop for IncompleteBody<'_> {
    fn drop(&mut self) {
        let mut open = self.limiter.open.lock();
        if let Some(own) = open.by_owner.get_mut(&self.owner) {
            own.incomplete_bodies -= 1;
        }
        open.remove_if_empty(&self.owner);
    }
}

#[cfg(test)]
mod tests;
