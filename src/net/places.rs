//! Who may hold a place among connections that have not authenticated, and who has to go for a newcomer. Pure: what is
//! open comes in, what has to close goes out.
//!
//! A newcomer always gets a place. When there is none left, the oldest connection of the origin that holds most has to
//! go, so that one origin cannot push out the connections of others. Some places are kept for origins that peers have
//! logged in from before: strangers cannot take those, whatever number of addresses they have.

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
    /// Of `total`, places that only known origins may take. At most half of `total` is kept.
    pub kept_for_known: usize,
}

/// A place that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlaceId(u64);

/// The places that are taken.
#[derive(Debug)]
pub struct Places {
    limits: PlaceLimits,
    next: u64,
    origin_of: HashMap<PlaceId, ClientOrigin>,
    groups: HashMap<ClientOrigin, Group>,
    strangers: Class,
    known: Class,
}

/// The places of one origin, of which there is at least one.
#[derive(Debug, Default)]
struct Group {
    is_known: bool,
    /// Oldest first.
    places: BTreeSet<PlaceId>,
}

/// All groups that are known, or all that are not.
#[derive(Debug, Default)]
struct Class {
    places: usize,
    /// The group that has to give next is last: the largest one, and of equals the one whose oldest place is oldest.
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
    /// All places are free.
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
            strangers: Class::default(),
            known: Class::default(),
        }
    }

    /// How many places are taken.
    pub fn taken(&self) -> usize {
        self.origin_of.len()
    }

    /// A newcomer takes a place. `is_known`: a peer has logged in from there before. The second value has lost its place
    /// to the newcomer: it is to be closed.
    pub fn enter(&mut self, origin: ClientOrigin, is_known: bool) -> (PlaceId, Option<PlaceId>) {
        self.classify(origin, is_known);
        let loser = self.who_gives_way(origin, is_known).and_then(|origin| self.oldest(origin));
        if let Some(loser) = loser {
            self.leave(loser);
        }
        let id = PlaceId(self.next);
        self.next += 1;
        self.origin_of.insert(id, origin);
        self.change(origin, is_known, |places| {
            places.insert(id);
        });
        (id, loser)
    }

    /// A place is free again. Nothing happens if it was lost before.
    pub fn leave(&mut self, id: PlaceId) {
        let Some(origin) = self.origin_of.remove(&id) else { return };
        let is_known = self.groups.get(&origin).is_some_and(|group| group.is_known);
        self.change(origin, is_known, |places| {
            places.remove(&id);
        });
    }

    /// Takes a place away for want of something else than places. `None`: none is taken.
    pub fn evict(&mut self) -> Option<PlaceId> {
        let loser = self.oldest(self.largest_of_all()?)?;
        self.leave(loser);
        Some(loser)
    }

    /// Whose oldest place has to be given up before `client_origin` takes one. `None`: there is a place left.
    fn who_gives_way(&self, origin: ClientOrigin, is_known: bool) -> Option<ClientOrigin> {
        let own = self.groups.get(&origin).map_or(0, |group| group.places.len());
        if own >= self.limits.per_origin {
            return Some(origin);
        }
        let for_strangers = self.limits.total - self.limits.kept_for_known;
        let largest = if !is_known && self.strangers.places >= for_strangers {
            self.strangers.largest().1
        } else if self.taken() >= self.limits.total {
            self.largest_of_all()
        } else {
            return None;
        };
        // With the newcomer its own group may be the largest.
        let size = largest.and_then(|largest| self.groups.get(&largest)).map(|g| g.places.len());
        if size <= Some(own) && own > 0 { Some(origin) } else { largest }
    }

    /// Of equals, strangers go first.
    fn largest_of_all(&self) -> Option<ClientOrigin> {
        let (strangers, known) = (self.strangers.largest(), self.known.largest());
        if known.0 > strangers.0 { known.1 } else { strangers.1 }
    }

    fn oldest(&self, origin: ClientOrigin) -> Option<PlaceId> {
        self.groups.get(&origin)?.places.first().copied()
    }

    /// An origin may have become known, or may have been forgotten, since it took its first place.
    fn classify(&mut self, origin: ClientOrigin, is_known: bool) {
        if self.groups.get(&origin).is_none_or(|group| group.is_known == is_known) {
            return;
        }
        let mut moved = BTreeSet::new();
        self.change(origin, !is_known, |places| moved = std::mem::take(places));
        self.change(origin, is_known, |places| *places = moved);
    }

    /// Changes the places of a group, and what is known of its class.
    fn change(
        &mut self,
        origin: ClientOrigin,
        is_known: bool,
        change: impl FnOnce(&mut BTreeSet<PlaceId>),
    ) {
        let class = if is_known { &mut self.known } else { &mut self.strangers };
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
