//! Which place is evicted, and that no limit is exceeded.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

fn at(n: u8) -> ClientOrigin {
    std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, n)).into()
}

fn places(total: usize, per_origin: usize, kept_for_known: usize) -> Places {
    Places::new(PlaceLimits { total, per_origin, kept_for_known })
}

/// The place that each new connection evicts, by number of arrival.
fn evicted(places: &mut Places, arrivals: &[(u8, bool)]) -> Vec<Option<u64>> {
    let enter = |(n, is_known): &(u8, bool)| places.enter(at(*n), *is_known).1.map(|id| id.0);
    arrivals.iter().map(enter).collect()
}

#[test]
fn the_oldest_of_the_origin_that_holds_most_is_evicted() {
    let mut places = places(5, 5, 0);
    let arrivals = [(1, false), (2, false), (1, false), (1, false), (2, false)];
    assert_eq!(evicted(&mut places, &arrivals), [None; 5]);
    // 1 holds three (0, 2, 3), 2 holds two (1, 4).
    assert_eq!(evicted(&mut places, &[(3, false)]), [Some(0)]);
    // Two, two and one: the older of both, unless the origin of the new connection would be the largest.
    assert_eq!(evicted(&mut places, &[(1, false)]), [Some(2)]);
    assert_eq!(evicted(&mut places, &[(2, false)]), [Some(1)]);
    assert_eq!(evicted(&mut places, &[(3, false)]), [Some(3)]);
    assert_eq!(places.taken(), 5);
}

#[test]
fn one_origin_never_evicts_others() {
    let mut places = places(100, 100, 0);
    let (honest, _) = places.enter(at(1), false);
    for _ in 0..1000 {
        let (_, evicted) = places.enter(at(2), false);
        assert_ne!(evicted, Some(honest));
    }
    assert_eq!(places.taken(), 100);
    places.leave(honest);
    assert_eq!(places.taken(), 99);
}

#[test]
fn one_origin_has_its_own_limit_while_places_are_free() {
    let mut places = places(100, 2, 0);
    let arrivals = [(1, false), (1, false), (1, false), (2, false), (1, false)];
    assert_eq!(evicted(&mut places, &arrivals), [None, None, Some(0), None, Some(1)]);
    assert_eq!(places.taken(), 3);
}

#[test]
fn unknown_origins_leave_the_kept_places_to_known_ones() {
    let mut places = places(10, 10, 4);
    for n in 0..100 {
        places.enter(at(n), false);
    }
    assert_eq!(places.taken(), 6);
    let mut known = |n| evicted(&mut places, &[(n, true)])[0];
    assert_eq!([known(200), known(201), known(202), known(203)], [None; 4]);
    assert!(
        known(204).is_some_and(|evicted| evicted < 100),
        "of equals the unknown one goes first"
    );
    // Unknown origins get their own places back, and no more.
    for n in 0..100 {
        let (_, evicted) = places.enter(at(n), false);
        let of_known = |id| (200..=204).any(|n| places.groups[&at(n)].places.contains(&id));
        assert!(!evicted.is_some_and(of_known));
    }
    assert_eq!((places.known.places, places.unknown.places), (5, 5));
}

#[test]
fn a_known_origin_that_holds_most_is_evicted_like_any_other() {
    let mut places = places(10, 10, 4);
    for _ in 0..10 {
        places.enter(at(1), true);
    }
    assert_eq!(evicted(&mut places, &[(2, false), (3, true), (1, true)]), [0, 1, 2].map(Some));
    assert_eq!(places.evict(), Some(PlaceId(3)));
    assert_eq!(places.taken(), 9);
}

#[test]
fn an_origin_that_becomes_known_keeps_its_places() {
    let mut places = places(8, 8, 4);
    let first = places.enter(at(1), false).0;
    places.enter(at(1), true);
    assert_eq!((places.known.places, places.unknown.places), (2, 0));
    places.leave(first);
    places.leave(first);
    assert_eq!((places.known.places, places.taken()), (1, 1));
}

#[test]
fn contradictory_limits_are_corrected() {
    let mut none = places(0, 0, 0);
    assert_eq!(evicted(&mut none, &[(1, false), (2, true)]), [None, Some(0)]);
    let mut all_kept = places(4, 9, 9);
    assert_eq!(evicted(&mut all_kept, &[(1, false), (2, false)]), [None; 2], "half are left");
}

/// Against a plain model.
#[test]
fn no_limit_is_exceeded_and_no_place_is_evicted_without_need() {
    for seed in 0..50 {
        let mut random = StdRng::seed_from_u64(seed);
        let limits = PlaceLimits {
            total: random.random_range(1..20),
            per_origin: random.random_range(1..10),
            kept_for_known: random.random_range(0..12),
        };
        let mut places = Places::new(limits);
        let limits = places.limits;
        let mut open: BTreeMap<PlaceId, u8> = BTreeMap::new();
        for step in 0..400 {
            let context = format!("seed {seed}, step {step}");
            if random.random_bool(0.3) {
                if let Some(id) = open.keys().nth(random.random_range(0..20)).copied() {
                    open.remove(&id);
                    places.leave(id);
                }
                continue;
            }
            let n = random.random_range(0..8);
            let own = open.values().filter(|other| **other == n).count();
            let before = open.len();
            let (id, evicted) = places.enter(at(n), n >= 6);
            open.insert(id, n);
            if let Some(evicted) = evicted {
                let of = open.remove(&evicted).expect(&context);
                let held = open.values().filter(|other| **other == of).count();
                assert!(
                    own >= limits.per_origin || held + 1 >= own,
                    "{context}: not of the largest"
                );
                let full = before >= limits.total - limits.kept_for_known;
                assert!(full || own >= limits.per_origin, "{context}: without need");
            }
            assert_eq!(places.taken(), open.len(), "{context}");
            assert!(open.len() <= limits.total, "{context}");
            let unknown = open.values().filter(|n| **n < 6).count();
            assert_eq!(places.unknown.places, unknown, "{context}");
            assert!(unknown <= limits.total - limits.kept_for_known, "{context}");
            let of_one = open.values().filter(|other| **other == n).count();
            assert!(of_one <= limits.per_origin, "{context}");
        }
    }
}
