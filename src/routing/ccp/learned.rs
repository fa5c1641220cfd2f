//! Stores the routes that one peer has advertised, within limits.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use ahash::RandomState;

use super::path::RoutePath;
use crate::wire::Prefix;

/// Mean bytes of prefix and path: the limit in bytes is this, times the limit of routes.
const ROUTE_BYTES_MEAN: usize = 256;

/// A route as a peer advertised it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LearnedRoute {
    pub(super) path: RoutePath,
    /// As received; hashed when the route is passed on.
    pub(super) auth: [u8; 32],
    /// Counts the peer's tables.
    generation: u32,
}

/// The result of an advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InsertOutcome {
    /// The route is new or different.
    Changed,
    /// The route is the same as before.
    Same,
    /// The limit of routes or bytes is reached.
    LimitReached,
}

/// The routes of one peer.
#[derive(Debug)]
pub(super) struct LearnedRoutes {
    routes: HashMap<Prefix, LearnedRoute, RandomState>,
    bytes: usize,
    generation: u32,
    /// Number of routes of earlier tables that the new table has not advertised yet.
    stale: usize,
}

impl LearnedRoutes {
    pub(super) fn new(hash: RandomState) -> Self {
        Self { routes: HashMap::with_hasher(hash), bytes: 0, generation: 0, stale: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.routes.len()
    }

    pub(super) fn get(&self, prefix: &Prefix) -> Option<&LearnedRoute> {
        self.routes.get(prefix)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Prefix, &LearnedRoute)> {
        self.routes.iter()
    }

    /// Whether routes of an earlier table remain.
    pub(super) fn has_stale(&self) -> bool {
        self.stale > 0
    }

    /// Begins a new table of the peer. Earlier routes stay until it is complete.
    pub(super) fn begin_generation(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.stale = self.routes.len();
    }

    /// Stores an advertised route, up to `max` routes.
    pub(super) fn insert(
        &mut self,
        prefix: &Prefix,
        path: RoutePath,
        auth: [u8; 32],
        max: usize,
    ) -> InsertOutcome {
        let max = if planted!(RoutesUnlimited) { usize::MAX } else { max };
        let generation = self.generation;
        let new = LearnedRoute { path, auth, generation };
        let size = stored_bytes(prefix, &new);
        let bytes_max = max.saturating_mul(ROUTE_BYTES_MEAN);
        let count = self.routes.len();
        match self.routes.entry(prefix.clone()) {
            Entry::Occupied(mut entry) => {
                let old = entry.get();
                let bytes = self.bytes - stored_bytes(prefix, old) + size;
                if bytes > bytes_max {
                    return InsertOutcome::LimitReached;
                }
                self.stale -= usize::from(old.generation != generation);
                let same = old.path == new.path && old.auth == new.auth;
                self.bytes = bytes;
                entry.insert(new);
                if same { InsertOutcome::Same } else { InsertOutcome::Changed }
            }
            Entry::Vacant(_) if count >= max || self.bytes + size > bytes_max => {
                InsertOutcome::LimitReached
            }
            Entry::Vacant(entry) => {
                self.bytes += size;
                entry.insert(new);
                InsertOutcome::Changed
            }
        }
    }

    /// Removes a route; returns whether there was one.
    pub(super) fn remove(&mut self, prefix: &Prefix) -> bool {
        let Some(old) = self.routes.remove(prefix) else { return false };
        self.bytes -= stored_bytes(prefix, &old);
        self.stale -= usize::from(old.generation != self.generation);
        true
    }

    /// Removes the remaining routes of earlier tables; returns their prefixes.
    pub(super) fn take_stale(&mut self) -> Vec<Prefix> {
        let generation = self.generation;
        let old = self.routes.iter().filter(|(_, route)| route.generation != generation);
        let stale: Vec<Prefix> = old.map(|(prefix, _)| prefix.clone()).collect();
        for prefix in &stale {
            self.remove(prefix);
        }
        stale
    }

    /// Removes all routes; returns their prefixes.
    pub(super) fn take_all(&mut self) -> Vec<Prefix> {
        let all = std::mem::replace(self, Self::new(self.routes.hasher().clone()));
        all.routes.into_keys().collect()
    }
}

fn stored_bytes(prefix: &Prefix, route: &LearnedRoute) -> usize {
    prefix.as_str().len() + route.path.encoded().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::ccp::tests::encoded;
    use crate::wire::ccp::Strings;

    fn routes() -> LearnedRoutes {
        LearnedRoutes::new(RandomState::with_seeds(1, 2, 3, 4))
    }

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    fn path(text: &str) -> RoutePath {
        let path = encoded(&[text]);
        let path = Strings::from_encoded(1, &path);
        RoutePath::parse(path, &"g.own".parse().unwrap(), None).unwrap()
    }

    #[test]
    fn routes_are_limited_in_number() {
        let mut routes = routes();
        for (one, expected) in [
            ("g.a", InsertOutcome::Changed),
            ("g.b", InsertOutcome::Changed),
            ("g.c", InsertOutcome::LimitReached),
        ] {
            assert_eq!(routes.insert(&prefix(one), path("g.x"), [0; 32], 2), expected, "{one}");
        }
        assert_eq!(routes.insert(&prefix("g.a"), path("g.x"), [0; 32], 2), InsertOutcome::Same);
        assert_eq!(routes.insert(&prefix("g.a"), path("g.y"), [0; 32], 2), InsertOutcome::Changed);
        assert!(routes.remove(&prefix("g.b")) && !routes.remove(&prefix("g.b")));
        assert_eq!(routes.insert(&prefix("g.c"), path("g.x"), [0; 32], 2), InsertOutcome::Changed);
    }

    #[test]
    fn routes_are_limited_in_bytes() {
        let mut routes = routes();
        let long = path(&format!("g.{}", "x".repeat(1_000)));
        let kept = (0..100).filter(|number| {
            let prefix = prefix(&format!("g.{number}"));
            routes.insert(&prefix, long.clone(), [0; 32], 100) != InsertOutcome::LimitReached
        });
        assert_eq!(kept.count(), 100 * ROUTE_BYTES_MEAN / 1_010);
        routes.take_all();
        assert_eq!((routes.len(), routes.bytes), (0, 0));
    }

    #[test]
    fn a_new_table_replaces_routes_one_by_one() {
        let mut routes = routes();
        for one in ["g.a", "g.b", "g.c"] {
            routes.insert(&prefix(one), path("g.x"), [0; 32], 9);
        }
        assert!(!routes.has_stale());
        routes.begin_generation();
        routes.insert(&prefix("g.a"), path("g.x"), [0; 32], 9);
        routes.remove(&prefix("g.b"));
        assert!(routes.has_stale());
        assert_eq!(routes.take_stale(), [prefix("g.c")]);
        assert!(!routes.has_stale());
        assert_eq!(routes.iter().map(|(prefix, _)| prefix.as_str()).collect::<Vec<_>>(), ["g.a"]);
    }
}
