//! Bounds the number of unauthenticated connections, in total and per origin, and evicts old ones. Pure.
//!
//! A new connection is always admitted. At the limit, the oldest connection of the origin with most is evicted, so that
//! one origin cannot displace the connections of others. Some of the connections are reserved for known origins, from
//! which peers have logged in before: unknown origins cannot have those, however many they are.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use super::client_origin::ClientOrigin;

/// How many unauthenticated connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OriginLimits {
    /// Connections in all, at least one.
    pub total: usize,
    /// Connections of one origin, at least one.
    pub per_origin: usize,
    /// Of `total`, connections that only known origins may have; at most half of `total`.
    pub reserved_for_known: usize,
}

/// Identifies a connection. Later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionNumber(u64);

/// The unauthenticated connections.
#[derive(Debug)]
pub struct OriginLimiter {
    limits: OriginLimits,
    next: u64,
    origin_of: HashMap<ConnectionNumber, ClientOrigin>,
    by_origin: HashMap<ClientOrigin, OriginConnections>,
    unknown: OriginClass,
    known: OriginClass,
}

/// The connections of one origin; at least one.
#[derive(Debug, Default)]
struct OriginConnections {
    is_known: bool,
    /// Oldest first.
    connections: BTreeSet<ConnectionNumber>,
}

/// All known origins, or all unknown ones.
#[derive(Debug, Default)]
struct OriginClass {
    connections: usize,
    /// The last origin loses the next connection: the one with most, and of equals the one with the oldest.
    ranking: BTreeSet<Rank>,
}

type Rank = (usize, Reverse<ConnectionNumber>, ClientOrigin);

impl OriginConnections {
    fn rank(&self, origin: ClientOrigin) -> Option<Rank> {
        let oldest = self.connections.first()?;
        Some((self.connections.len(), Reverse(*oldest), origin))
    }
}

impl OriginClass {
    /// The origin with most connections, and their number.
    fn largest(&self) -> (usize, Option<ClientOrigin>) {
        self.ranking.last().map_or((0, None), |(size, _, origin)| (*size, Some(*origin)))
    }
}

impl OriginLimiter {
    pub fn new(limits: OriginLimits) -> Self {
        let total = limits.total.max(1);
        let limits = OriginLimits {
            total,
            per_origin: limits.per_origin.clamp(1, total),
            reserved_for_known: limits.reserved_for_known.min(total / 2),
        };
        Self {
            limits,
            next: 0,
            origin_of: HashMap::new(),
            by_origin: HashMap::new(),
            unknown: OriginClass::default(),
            known: OriginClass::default(),
        }
    }

    pub fn len(&self) -> usize {
        self.origin_of.len()
    }

    /// Admits a new connection. `is_known`: a peer has logged in from this origin before. The second value is the
    /// evicted connection, which must be closed.
    pub fn admit(
        &mut self,
        origin: ClientOrigin,
        is_known: bool,
    ) -> (ConnectionNumber, Option<ConnectionNumber>) {
        self.classify(origin, is_known);
        let evicted =
            self.origin_to_evict(origin, is_known).and_then(|origin| self.oldest_of(origin));
        if let Some(evicted) = evicted {
            self.release(evicted);
        }
        let id = ConnectionNumber(self.next);
        self.next += 1;
        self.origin_of.insert(id, origin);
        self.update_origin(origin, is_known, |connections| {
            connections.insert(id);
        });
        (id, evicted)
    }

    /// Removes a connection, unless it was evicted before.
    pub fn release(&mut self, id: ConnectionNumber) {
        let Some(origin) = self.origin_of.remove(&id) else { return };
        let is_known = self.by_origin.get(&origin).is_some_and(|group| group.is_known);
        self.update_origin(origin, is_known, |connections| {
            connections.remove(&id);
        });
    }

    /// Evicts a connection to save another resource. `None`: there is none.
    pub fn evict_oldest_of_largest(&mut self) -> Option<ConnectionNumber> {
        let evicted = self.oldest_of(self.largest_origin()?)?;
        self.release(evicted);
        Some(evicted)
    }

    /// The origin that loses a connection to a new one of `origin`. `None`: the limits admit one more.
    fn origin_to_evict(&self, origin: ClientOrigin, is_known: bool) -> Option<ClientOrigin> {
        let own = self.by_origin.get(&origin).map_or(0, |group| group.connections.len());
        if own >= self.limits.per_origin {
            return Some(origin);
        }
        let for_unknown = self.limits.total - self.limits.reserved_for_known;
        let largest = if !is_known && self.unknown.connections >= for_unknown {
            self.unknown.largest().1
        } else if self.len() >= self.limits.total {
            self.largest_origin()
        } else {
            return None;
        };
        // With the new connection, its own origin may be the one with most.
        let size =
            largest.and_then(|largest| self.by_origin.get(&largest)).map(|g| g.connections.len());
        if size <= Some(own) && own > 0 { Some(origin) } else { largest }
    }

    /// Of equals, the unknown one.
    fn largest_origin(&self) -> Option<ClientOrigin> {
        let (unknown, known) = (self.unknown.largest(), self.known.largest());
        if known.0 > unknown.0 { known.1 } else { unknown.1 }
    }

    fn oldest_of(&self, origin: ClientOrigin) -> Option<ConnectionNumber> {
        self.by_origin.get(&origin)?.connections.first().copied()
    }

    /// Moves an origin that has become known, or unknown, since its first connection.
    fn classify(&mut self, origin: ClientOrigin, is_known: bool) {
        if self.by_origin.get(&origin).is_none_or(|group| group.is_known == is_known) {
            return;
        }
        let mut moved = BTreeSet::new();
        self.update_origin(origin, !is_known, |connections| moved = std::mem::take(connections));
        self.update_origin(origin, is_known, |connections| *connections = moved);
    }

    /// Changes the connections of an origin, and the totals of its class.
    fn update_origin(
        &mut self,
        origin: ClientOrigin,
        is_known: bool,
        change: impl FnOnce(&mut BTreeSet<ConnectionNumber>),
    ) {
        let class = if is_known { &mut self.known } else { &mut self.unknown };
        let mut group = self.by_origin.remove(&origin).unwrap_or_default();
        if let Some(rank) = group.rank(origin) {
            class.ranking.remove(&rank);
        }
        class.connections -= group.connections.len();
        group.is_known = is_known;
        change(&mut group.connections);
        class.connections += group.connections.len();
        if let Some(rank) = group.rank(origin) {
            class.ranking.insert(rank);
            self.by_origin.insert(origin, group);
        }
    }
}

#[cfg(test)]
mod tests;
