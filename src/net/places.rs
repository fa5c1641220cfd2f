//! A bounded number of places for unauthenticated connections, and the eviction of old ones. Pure.
//!
//! A new connection always gets a place. If none is free, the oldest connection of the origin that holds most is
//! evicted, so that one origin cannot displace the connections of others. Some places are reserved for known origins,
//! from which peers have logged in before: unknown origins cannot take those, however many they are.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use super::client_origin::ClientOrigin;

/// How many places there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaceLimits {
    /// Places in all, at least one.
    pub total: usize,
    /// Places that one origin may hold, at least one.
    pub per_origin: usize,
    /// Of `total`, places that only known origins may take; at most half of `total`.
    pub kept_for_known: usize,
}

/// A taken place. Later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlaceId(u64);

/// The taken places.
#[derive(Debug)]
pub struct Places {
    limits: PlaceLimits,
    next: u64,
    origin_of: HashMap<PlaceId, ClientOrigin>,
    groups: HashMap<ClientOrigin, Group>,
    unknown: Class,
    known: Class,
}

/// The places of one origin; at least one.
#[derive(Debug, Default)]
struct Group {
    is_known: bool,
    /// Oldest first.
    places: BTreeSet<PlaceId>,
}

/// All known groups, or all unknown ones.
#[derive(Debug, Default)]
struct Class {
    places: usize,
    /// The last group loses the next place: the largest one, and of equals the one with the oldest place.
    ranking: BTreeSet<Rank>,
}

type Rank = (usize, Reverse<PlaceId>, ClientOrigin);

impl Group {
    fn rank(&self, origin: ClientOrigin) -> Option<Rank> {
        let oldest = self.places.first()?;
        Some((self.places.len(), Reverse(*oldest), origin))
    }
}

impl Class {
    /// The largest group's size and origin.
    fn largest(&self) -> (usize, Option<ClientOrigin>) {
        self.ranking.last().map_or((0, None), |(size, _, origin)| (*size, Some(*origin)))
    }
}

impl Places {
    /// Free places.
    pub fn new(limits: PlaceLimits) -> Self {
        let total = limits.total.max(1);
        let limits = PlaceLimits {
            total,
            per_origin: limits.per_origin.clamp(1, total),
            kept_for_known: limits.kept_for_known.min(total / 2),
        };
        Self {
            limits,
            next: 0,
            origin_of: HashMap::new(),
            groups: HashMap::new(),
            unknown: Class::default(),
            known: Class::default(),
        }
    }

    /// How many places are taken.
    pub fn taken(&self) -> usize {
        self.origin_of.len()
    }

    /// Takes a place for a new connection. `is_known`: a peer has logged in from this origin before. The second value
    /// is the evicted place, whose connection must be closed.
    pub fn enter(&mut self, origin: ClientOrigin, is_known: bool) -> (PlaceId, Option<PlaceId>) {
        self.classify(origin, is_known);
        let evicted = self.origin_to_evict(origin, is_known).and_then(|origin| self.oldest(origin));
        if let Some(evicted) = evicted {
            self.leave(evicted);
        }
        let id = PlaceId(self.next);
        self.next += 1;
        self.origin_of.insert(id, origin);
        self.change(origin, is_known, |places| {
            places.insert(id);
        });
        (id, evicted)
    }

    /// Frees a place, unless it was evicted before.
    pub fn leave(&mut self, id: PlaceId) {
        let Some(origin) = self.origin_of.remove(&id) else { return };
        let is_known = self.groups.get(&origin).is_some_and(|group| group.is_known);
        self.change(origin, is_known, |places| {
            places.remove(&id);
        });
    }

    /// Evicts a place to save another resource. `None`: none is taken.
    pub fn evict(&mut self) -> Option<PlaceId> {
        let evicted = self.oldest(self.largest_of_all()?)?;
        self.leave(evicted);
        Some(evicted)
    }

    /// The origin that loses a place to a new connection of `origin`. `None`: a place is free.
    fn origin_to_evict(&self, origin: ClientOrigin, is_known: bool) -> Option<ClientOrigin> {
        let own = self.groups.get(&origin).map_or(0, |group| group.places.len());
        if own >= self.limits.per_origin {
            return Some(origin);
        }
        let for_unknown = self.limits.total - self.limits.kept_for_known;
        let largest = if !is_known && self.unknown.places >= for_unknown {
            self.unknown.largest().1
        } else if self.taken() >= self.limits.total {
            self.largest_of_all()
        } else {
            return None;
        };
        // With the new connection its own group may be the largest.
        let size = largest.and_then(|largest| self.groups.get(&largest)).map(|g| g.places.len());
        if size <= Some(own) && own > 0 { Some(origin) } else { largest }
    }

    /// Of equals, the unknown one.
    fn largest_of_all(&self) -> Option<ClientOrigin> {
        let (unknown, known) = (self.unknown.largest(), self.known.largest());
        if known.0 > unknown.0 { known.1 } else { unknown.1 }
    }

    fn oldest(&self, origin: ClientOrigin) -> Option<PlaceId> {
        self.groups.get(&origin)?.places.first().copied()
    }

    /// Moves an origin that has become known, or unknown, since it took its first place.
    fn classify(&mut self, origin: ClientOrigin, is_known: bool) {
        if self.groups.get(&origin).is_none_or(|group| group.is_known == is_known) {
            return;
        }
        let mut moved = BTreeSet::new();
        self.change(origin, !is_known, |places| moved = std::mem::take(places));
        self.change(origin, is_known, |places| *places = moved);
    }

    /// Changes the places of a group, and the totals of its class.
    fn change(
        &mut self,
        origin: ClientOrigin,
        is_known: bool,
        change: impl FnOnce(&mut BTreeSet<PlaceId>),
    ) {
        let class = if is_known { &mut self.known } else { &mut self.unknown };
        let mut group = self.groups.remove(&origin).unwrap_or_default();
        if let Some(rank) = group.rank(origin) {
            class.ranking.remove(&rank);
        }
        class.places -= group.places.len();
        group.is_known = is_known;
        change(&mut group.places);
        class.places += group.places.len();
        if let Some(rank) = group.rank(origin) {
            class.ranking.insert(rank);
            self.groups.insert(origin, group);
        }
    }
}

#[cfg(test)]
mod tests;
