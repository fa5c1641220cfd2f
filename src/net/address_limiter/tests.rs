//! Which connection is evicted, and that no limit is exceeded.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

fn at(n: u8) -> ClientAddress {
    std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, n)).into()
}

fn limiter(total: usize, per_address: usize, reserved_for_known: usize) -> AddressLimiter {
    AddressLimiter::new(AddressLimits { total, per_address, reserved_for_known })
}

/// The connection that each new one evicts, by number of arrival.
fn evicted(limiter: &mut AddressLimiter, arrivals: &[(u8, bool)]) -> Vec<Option<u64>> {
    let enter = |(n, is_known): &(u8, bool)| limiter.admit(at(*n), *is_known).1.map(|id| id.0);
    arrivals.iter().map(enter).collect()
}

#[test]
fn the_oldest_connection_of_the_address_with_most_is_evicted() {
    let mut limiter = limiter(5, 5, 0);
    let arrivals = [(1, false), (2, false), (1, false), (1, false), (2, false)];
    assert_eq!(evicted(&mut limiter, &arrivals), [None; 5]);
    // 1 has three (0, 2, 3), 2 has two (1, 4).
    assert_eq!(evicted(&mut limiter, &[(3, false)]), [Some(0)]);
    // Two, two and one: the older of both, unless the address of the new connection would be the largest.
    assert_eq!(evicted(&mut limiter, &[(1, false)]), [Some(2)]);
    assert_eq!(evicted(&mut limiter, &[(2, false)]), [Some(1)]);
    assert_eq!(evicted(&mut limiter, &[(3, false)]), [Some(3)]);
    assert_eq!(limiter.len(), 5);
}

#[test]
fn one_address_never_evicts_others() {
    let mut limiter = limiter(100, 100, 0);
    let (honest, _) = limiter.admit(at(1), false);
    for _ in 0..1000 {
        let (_, evicted) = limiter.admit(at(2), false);
        assert_ne!(evicted, Some(honest));
    }
    assert_eq!(limiter.len(), 100);
    limiter.release(honest);
    assert_eq!(limiter.len(), 99);
}

#[test]
fn one_address_has_a_limit_of_its_own() {
    let mut limiter = limiter(100, 2, 0);
    let arrivals = [(1, false), (1, false), (1, false), (2, false), (1, false)];
    assert_eq!(evicted(&mut limiter, &arrivals), [None, None, Some(0), None, Some(1)]);
    assert_eq!(limiter.len(), 3);
}

#[test]
fn unknown_addresses_leave_the_reserved_connections_to_known_ones() {
    let mut limiter = limiter(10, 10, 4);
    for n in 0..100 {
        limiter.admit(at(n), false);
    }
    assert_eq!(limiter.len(), 6);
    let mut known = |n| evicted(&mut limiter, &[(n, true)])[0];
    assert_eq!([known(200), known(201), known(202), known(203)], [None; 4]);
    assert!(
        known(204).is_some_and(|evicted| evicted < 100),
        "of equals the unknown one goes first"
    );
    // Unknown addresses get their own connections back, and no more.
    for n in 0..100 {
        let (_, evicted) = limiter.admit(at(n), false);
        let of_known =
            |id| (200..=204).any(|n| limiter.by_address[&at(n)].connections.contains(&id));
        assert!(!evicted.is_some_and(of_known));
    }
    assert_eq!((limiter.known.connections, limiter.unknown.connections), (5, 5));
}

#[test]
fn a_known_address_with_most_is_evicted_like_any_other() {
    let mut limiter = limiter(10, 10, 4);
    for _ in 0..10 {
        limiter.admit(at(1), true);
    }
    assert_eq!(evicted(&mut limiter, &[(2, false), (3, true), (1, true)]), [0, 1, 2].map(Some));
    assert_eq!(limiter.evict_oldest_of_largest(), Some(ConnectionNumber(3)));
    assert_eq!(limiter.len(), 9);
}

#[test]
fn an_address_that_becomes_known_keeps_its_connections() {
    let mut limiter = limiter(8, 8, 4);
    let first = limiter.admit(at(1), false).0;
    limiter.admit(at(1), true);
    assert_eq!((limiter.known.connections, limiter.unknown.connections), (2, 0));
    limiter.release(first);
    limiter.release(first);
    assert_eq!((limiter.known.connections, limiter.len()), (1, 1));
}

#[test]
fn contradictory_limits_are_corrected() {
    let mut none = limiter(0, 0, 0);
    assert_eq!(evicted(&mut none, &[(1, false), (2, true)]), [None, Some(0)]);
    let mut all_kept = limiter(4, 9, 9);
    assert_eq!(evicted(&mut all_kept, &[(1, false), (2, false)]), [None; 2], "half are left");
}

/// Against a plain model.
#[test]
fn limits_hold_and_no_connection_is_evicted_without_need() {
    for seed in 0..50 {
        let mut random = StdRng::seed_from_u64(seed);
        let limits = AddressLimits {
            total: random.random_range(1..20),
            per_address: random.random_range(1..10),
            reserved_for_known: random.random_range(0..12),
        };
        let mut limiter = AddressLimiter::new(limits);
        let limits = limiter.limits;
        let mut open: BTreeMap<ConnectionNumber, u8> = BTreeMap::new();
        for step in 0..400 {
            let context = format!("seed {seed}, step {step}");
            if random.random_bool(0.3) {
                if let Some(id) = open.keys().nth(random.random_range(0..20)).copied() {
                    open.remove(&id);
                    limiter.release(id);
                }
                continue;
            }
            let n = random.random_range(0..8);
            let own = open.values().filter(|other| **other == n).count();
            let before = open.len();
            let (id, evicted) = limiter.admit(at(n), n >= 6);
            open.insert(id, n);
            if let Some(evicted) = evicted {
                let of = open.remove(&evicted).expect(&context);
                let held = open.values().filter(|other| **other == of).count();
                assert!(
                    own >= limits.per_address || held + 1 >= own,
                    "{context}: not of the largest"
                );
                let full = before >= limits.total - limits.reserved_for_known;
                assert!(full || own >= limits.per_address, "{context}: without need");
            }
            assert_eq!(limiter.len(), open.len(), "{context}");
            assert!(open.len() <= limits.total, "{context}");
            let unknown = open.values().filter(|n| **n < 6).count();
            assert_eq!(limiter.unknown.connections, unknown, "{context}");
            assert!(unknown <= limits.total - limits.reserved_for_known, "{context}");
            let of_one = open.values().filter(|other| **other == n).count();
            assert!(of_one <= limits.per_address, "{context}");
        }
    }
}
