//! Who makes room for whom, and that no bound is passed.

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

/// Lets newcomers enter, one by one; who lost a place for each of them, by number of arrival.
fn losers(places: &mut Places, newcomers: &[(u8, bool)]) -> Vec<Option<u64>> {
    let enter = |(n, is_known): &(u8, bool)| places.enter(at(*n), *is_known).1.map(|id| id.0);
    newcomers.iter().map(enter).collect()
}

#[test]
fn the_oldest_of_the_origin_that_holds_most_makes_room() {
    let mut places = places(5, 5, 0);
    let arrivals = [(1, false), (2, false), (1, false), (1, false), (2, false)];
    assert_eq!(losers(&mut places, &arrivals), [None; 5]);
    // 1 holds three (0, 2, 3), 2 holds two (1, 4).
    assert_eq!(losers(&mut places, &[(3, false)]), [Some(0)]);
    // Two and two and one: the older of both, unless the newcomer's own would be the largest.
    assert_eq!(losers(&mut places, &[(1, false)]), [Some(2)]);
    assert_eq!(losers(&mut places, &[(2, false)]), [Some(1)]);
    assert_eq!(losers(&mut places, &[(3, false)]), [Some(3)]);
    assert_eq!(places.taken(), 5);
}

#[test]
fn one_origin_never_pushes_out_others() {
    let mut places = places(100, 100, 0);
    let (honest, _) = places.enter(at(1), false);
    for _ in 0..1000 {
        let (_, loser) = places.enter(at(2), false);
        assert_ne!(loser, Some(honest));
    }
    assert_eq!(places.taken(), 100);
    places.leave(honest);
    assert_eq!(places.taken(), 99);
}

#[test]
fn one_origin_has_its_own_limit_while_places_are_free() {
    let mut places = places(100, 2, 0);
    let arrivals = [(1, false), (1, false), (1, false), (2, false), (1, false)];
    assert_eq!(losers(&mut places, &arrivals), [None, None, Some(0), None, Some(1)]);
    assert_eq!(places.taken(), 3);
}

#[test]
fn many_strangers_leave_the_kept_places_to_known_origins() {
    let mut places = places(10, 10, 4);
    for n in 0..100 {
        places.enter(at(n), false);
    }
    assert_eq!(places.taken(), 6);
    let mut known = |n| losers(&mut places, &[(n, true)])[0];
    assert_eq!([known(200), known(201), known(202), known(203)], [None; 4]);
    assert!(known(204).is_some_and(|loser| loser < 100), "of equals a stranger goes first");
    // Strangers come back to what is theirs, and to no more.
    for n in 0..100 {
        let (_, loser) = places.enter(at(n), false);
        let of_known = |id| (200..=204).any(|n| places.groups[&at(n)].places.contains(&id));
        assert!(!loser.is_some_and(of_known));
    }
    assert_eq!((places.known.places, places.strangers.places), (5, 5));
}

#[test]
fn a_known_origin_that_holds_most_makes_room_like_any_other() {
    let mut places = places(10, 10, 4);
    for _ in 0..10 {
        places.enter(at(1), true);
    }
    assert_eq!(losers(&mut places, &[(2, false), (3, true), (1, true)]), [0, 1, 2].map(Some));
    assert_eq!(places.evict(), Some(PlaceId(3)));
    assert_eq!(places.taken(), 9);
}

#[test]
fn an_origin_that_becomes_known_takes_its_places_along() {
    let mut places = places(8, 8, 4);
    let first = places.enter(at(1), false).0;
    places.enter(at(1), true);
    assert_eq!((places.known.places, places.strangers.places), (2, 0));
    places.leave(first);
    places.leave(first);
    assert_eq!((places.known.places, places.taken()), (1, 1));
}

#[test]
fn limits_that_do_not_fit_each_other() {
    let mut none = places(0, 0, 0);
    assert_eq!(losers(&mut none, &[(1, false), (2, true)]), [None, Some(0)]);
    let mut all_kept = places(4, 9, 9);
    assert_eq!(losers(&mut all_kept, &[(1, false), (2, false)]), [None; 2], "half are left");
}

/// Against a plain model: whatever comes and goes, no bound is passed, and nobody is closed without need.
#[test]
fn no_bound_is_passed_whatever_comes_and_goes() {
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
            let told = format!("seed {seed}, step {step}");
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
            let (id, loser) = places.enter(at(n), n >= 6);
            open.insert(id, n);
            if let Some(loser) = loser {
                let of = open.remove(&loser).expect(&told);
                let held = open.values().filter(|other| **other == of).count();
                assert!(own >= limits.per_origin || held + 1 >= own, "{told}: not of the largest");
                let full = before >= limits.total - limits.kept_for_known;
                assert!(full || own >= limits.per_origin, "{told}: without need");
            }
            assert_eq!(places.taken(), open.len(), "{told}");
            assert!(open.len() <= limits.total, "{told}");
            let strangers = open.values().filter(|n| **n < 6).count();
            assert_eq!(places.strangers.places, strangers, "{told}");
            assert!(strangers <= limits.total - limits.kept_for_known, "{told}");
            let of_one = open.values().filter(|other| **other == n).count();
            assert!(of_one <= limits.per_origin, "{told}");
        }
    }
}
