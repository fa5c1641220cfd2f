//! The prefix table: a hash map of prefixes, probed from the longest prefix of an address to the shortest.
//!
//! Only lengths (in segments) that occur in the table are probed, so a usual lookup takes one to
//! three probes with any number of routes. Short prefixes are stored in the map itself, so a probe
//! touches one place in memory. The hash is keyed, because peers choose the addresses.

use std::borrow::Borrow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};

use ahash::RandomState;
use smol_str::SmolStr;

use super::RouteOrigin;
use crate::link::Slot;
use crate::wire::{AddressRef, Prefix};

/// Lengths from here on share one bit.
const DEPTH_BITS: u32 = 63;

/// The key of the table's hash: random in a node, fixed for measurements that repeat to the instruction.
#[derive(Clone, Copy, Debug)]
pub enum HashSeed {
    /// Random, from the operating system.
    Random,
    /// The same in each run.
    Fixed(u64),
}

impl HashSeed {
    /// The hash keys of this seed.
    pub fn hash_state(self) -> RandomState {
        match self {
            Self::Random => RandomState::new(),
            Self::Fixed(seed) => RandomState::with_seeds(seed, !seed, seed.rotate_left(17), 42),
        }
    }
}

/// One next hop for a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RouteCandidate {
    /// The account to send to.
    pub next_hop: Slot,
    /// Higher is better.
    pub priority: i32,
    /// Where the route comes from.
    pub origin: RouteOrigin,
}

/// The result of a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteMatch<'a> {
    /// Bytes of the prefix; 0 for the default route.
    pub prefix_len: usize,
    /// The next hops, best first; never empty.
    pub candidates: &'a [RouteCandidate],
}

/// A prefix of the table, compared as bytes, because addresses of packets are bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key(SmolStr);

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_bytes().hash(state);
    }
}

/// An immutable table of prefixes. Built once, then only read.
#[derive(Debug)]
pub struct RouteTable {
    /// Prefix -> index into `candidate_sets`. Many prefixes share one set.
    prefixes: HashMap<Key, u32, RandomState>,
    candidate_sets: Vec<Box<[RouteCandidate]>>,
    /// Bit n: some prefix has n segments.
    depth_mask: u64,
}

impl RouteTable {
    /// Builds the table. Candidates of one prefix are ordered by priority, then origin, then the order given.
    pub fn new(routes: impl IntoIterator<Item = (Prefix, RouteCandidate)>, seed: HashSeed) -> Self {
        let mut table = Self {
            prefixes: HashMap::with_hasher(seed.hash_state()),
            candidate_sets: Vec::new(),
            depth_mask: 0,
        };
        // Nearly each prefix has one next hop and goes straight to its set; the others are collected first.
        let mut known: HashMap<Box<[RouteCandidate]>, u32> = HashMap::new();
        let mut several: BTreeMap<Key, Vec<RouteCandidate>> = BTreeMap::new();
        for (prefix, candidate) in routes {
            let key = Key(SmolStr::new(prefix.as_str()));
            table.depth_mask |= depth_bit(segment_count(key.borrow()));
            let set = intern_set(&mut known, &mut table.candidate_sets, vec![candidate]);
            match table.prefixes.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(set);
                }
                Entry::Occupied(entry) => {
                    let first = table.candidate_sets.get(*entry.get() as usize);
                    several
                        .entry(entry.key().clone())
                        .or_insert_with(|| {
                            first.expect("the index of a set of this table").to_vec()
                        })
                        .push(candidate);
                }
            }
        }
        for (prefix, mut candidates) in several {
            candidates.sort_by_key(|c| (std::cmp::Reverse(c.priority), c.origin));
            let set = intern_set(&mut known, &mut table.candidate_sets, candidates);
            table.prefixes.insert(prefix, set);
        }
        table
    }

    /// The longest prefix that covers `address`, segment by segment.
    ///
    /// RFC 15 "Routing": among the prefixes of an address, the longest one wins. [row 25] A prefix
    /// ends between two segments. [row 26] A prefix longer than the address never matches. [row 27]
    #[inline(always)]
    pub fn lookup(&self, address: AddressRef<'_>) -> Option<RouteMatch<'_>> {
        self.longest_match(address, |key| self.prefixes.get(key))
    }

    /// The same for reports and records.
    // A search by another type of key is another function, so that the packet path has its own inlined.
    #[inline(never)]
    pub fn lookup_for_report(&self, address: AddressRef<'_>) -> Option<RouteMatch<'_>> {
        self.longest_match(address, |key| {
            let prefix = address.as_str().get(..key.len())?;
            self.prefixes.get(&Key(SmolStr::new(prefix)))
        })
    }

    #[inline(always)]
    fn longest_match<'a>(
        &'a self,
        address: AddressRef<'_>,
        find: impl Fn(&[u8]) -> Option<&'a u32>,
    ) -> Option<RouteMatch<'a>> {
        let mut key = address.as_bytes();
        let mut segments = segment_count(key);
        loop {
            if self.depth_mask & depth_bit(segments) != 0
                && let Some(set) = find(key)
            {
                let candidates = self.candidate_sets.get(*set as usize)?;
                return Some(RouteMatch { prefix_len: key.len(), candidates });
            }
            if key.is_empty() {
                return None;
            }
            key = parent_prefix(key);
            segments -= 1;
        }
    }

    /// The number of prefixes.
    pub fn prefix_count(&self) -> usize {
        self.prefixes.len()
    }

    /// All prefixes and their next hops, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[RouteCandidate])> {
        self.prefixes.iter().filter_map(|(prefix, set)| {
            self.candidate_sets.get(*set as usize).map(|set| (prefix.0.as_str(), set.as_ref()))
        })
    }
}

fn intern_set(
    known: &mut HashMap<Box<[RouteCandidate]>, u32>,
    sets: &mut Vec<Box<[RouteCandidate]>>,
    candidates: Vec<RouteCandidate>,
) -> u32 {
    let candidates = candidates.into_boxed_slice();
    *known.entry(candidates).or_insert_with_key(|candidates| {
        sets.push(candidates.clone());
        u32::try_from(sets.len() - 1)
            .expect("limits on routes keep the number of sets far below 2^32")
    })
}

/// The part before the last dot.
fn parent_prefix(prefix: &[u8]) -> &[u8] {
    let dot = prefix.iter().rposition(|byte| *byte == b'.');
    prefix.split_at(dot.unwrap_or(0)).0
}

/// The number of segments; 0 for the empty prefix.
fn segment_count(prefix: &[u8]) -> u32 {
    if prefix.is_empty() {
        return 0;
    }
    // Counting in bytes vectorises; a chunk of 128 cannot overflow one.
    let dots: u32 = prefix
        .chunks(128)
        .map(|chunk| chunk.iter().fold(0u8, |dots, byte| dots + u8::from(*byte == b'.')))
        .map(u32::from)
        .sum();
    dots + 1
}

fn depth_bit(depth: u32) -> u64 {
    1 << depth.min(DEPTH_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Address;

    fn candidate(next_hop: u32, priority: i32, origin: RouteOrigin) -> RouteCandidate {
        RouteCandidate { next_hop: Slot(next_hop), priority, origin }
    }

    fn table(routes: &[(&str, u32)]) -> RouteTable {
        let routes = routes.iter().map(|(prefix, hop)| {
            (prefix.parse().unwrap(), candidate(*hop, 0, RouteOrigin::Configured))
        });
        RouteTable::new(routes, HashSeed::Fixed(1))
    }

    fn hop(table: &RouteTable, address: &str) -> Option<u32> {
        let address: Address = address.parse().unwrap();
        table.lookup(address.view()).map(|found| found.candidates[0].next_hop.0)
    }

    #[test]
    fn the_vectors_of_routing_json() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/vectors/routing.json")).unwrap();
        let mut looked_up = 0;
        for case in vectors["lookups"].as_array().unwrap() {
            let entries: Vec<(&str, &str)> = case["table"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(prefix, hop)| (prefix.as_str(), hop.as_str().unwrap()))
                .collect();
            let numbered: Vec<_> =
                (0..).zip(&entries).map(|(n, (prefix, _))| (*prefix, n)).collect();
            let table = table(&numbered);
            for (address, expected) in case["lookups"].as_object().unwrap() {
                // `peer.*` is never looked up: the connector answers or refuses it before.
                let is_address = address.parse::<Address>().is_ok();
                if address.starts_with("peer.") || !is_address {
                    continue;
                }
                let found = hop(&table, address).map(|n| entries[n as usize].1);
                assert_eq!(found, expected.as_str(), "{} {address}", case["name"]);
                looked_up += 1;
            }
        }
        assert!(looked_up > 30, "{looked_up} lookups");
    }

    #[test]
    fn next_hops_of_one_prefix_are_ordered() {
        let prefix: Prefix = "g.x".parse().unwrap();
        let candidates = [
            candidate(1, 0, RouteOrigin::Computed),
            candidate(2, 5, RouteOrigin::Computed),
            candidate(3, 0, RouteOrigin::Configured),
        ];
        let table = RouteTable::new(candidates.map(|c| (prefix.clone(), c)), HashSeed::Fixed(1));
        let address: Address = "g.x.y".parse().unwrap();
        let order: Vec<_> =
            table.lookup(address.view()).unwrap().candidates.iter().map(|c| c.next_hop.0).collect();
        assert_eq!(order, [2, 3, 1]);
        assert_eq!(table.prefix_count(), 1);
    }

    #[test]
    fn prefixes_longer_than_the_mask() {
        let deep = format!("g{}", ".a".repeat(100));
        let table = table(&[(&deep, 1), ("g", 0)]);
        assert_eq!(hop(&table, &deep), Some(1));
        assert_eq!(hop(&table, &format!("{deep}.b")), Some(1));
        assert_eq!(hop(&table, &format!("g{}", ".a".repeat(99))), Some(0));
        assert_eq!(hop(&table, &format!("g{}", ".b".repeat(300))), Some(0));
    }

    #[test]
    fn lookup_agrees_with_comparing_segments() {
        use proptest::prelude::*;
        let segment = prop_oneof!["a", "b", "ab", "a-b", "a~"];
        let text = prop::collection::vec(segment, 1..5).prop_map(|s| format!("g.{}", s.join(".")));
        proptest!(|(prefixes in prop::collection::vec(text.clone(), 1..20), address in text)| {
            let routes: Vec<_> = (0..).zip(&prefixes).map(|(n, p)| (p.as_str(), n)).collect();
            let table = table(&routes);
            let address: Address = address.parse().unwrap();
            let longest = prefixes
                .iter()
                .filter(|p| p.parse::<Prefix>().unwrap().matches(address.view()))
                .map(String::len)
                .max();
            prop_assert_eq!(table.lookup(address.view()).map(|m| m.prefix_len), longest);
            prop_assert_eq!(table.lookup_for_report(address.view()), table.lookup(address.view()));
        });
    }
}
