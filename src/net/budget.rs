//! How much work connections may cause per second: those on which no peer has authenticated all together, each of their
//! origins half of that, and each peer by itself. Pure.

use std::collections::HashMap;
use std::hash::Hash;

use crate::time::MonoTime;

const SECOND_NS: u64 = 1_000_000_000;

/// Origins that are remembered. They are forgotten as soon as they have their whole budget again.
const ORIGINS_MAX: usize = 4096;

/// Units per second, of which two seconds' worth may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkRate(pub u32);

impl WorkRate {
    fn cost(self, units: u32) -> u64 {
        (SECOND_NS / u64::from(self.0.max(1))).saturating_mul(u64::from(units))
    }

    fn half(self) -> Self {
        Self(self.0.div_ceil(2))
    }
}

/// What has been used of a rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    /// The time up to which what was spent has used up the rate.
    used_until: MonoTime,
}

impl Bucket {
    /// When one more unit may be spent: now or later.
    pub fn ready_at(&self, rate: WorkRate, now: MonoTime) -> MonoTime {
        let until = self.used_until.0.saturating_add(rate.cost(1));
        MonoTime(until.saturating_sub(2 * SECOND_NS)).max(now)
    }

    /// Spends units, also more than there are.
    pub fn spend(&mut self, units: u32, rate: WorkRate, now: MonoTime) {
        let from = self.used_until.max(now);
        self.used_until = MonoTime(from.0.saturating_add(rate.cost(units)));
    }

    /// Gives units back.
    pub fn give_back(&mut self, units: u32, rate: WorkRate) {
        self.used_until = MonoTime(self.used_until.0.saturating_sub(rate.cost(units)));
    }

    fn is_full(&self, now: MonoTime) -> bool {
        self.used_until <= now
    }
}

/// One kind of work of many that share a rate: nobody may have more than half of it.
#[derive(Debug)]
pub struct SharedRate<K> {
    rate: WorkRate,
    all: Bucket,
    each: HashMap<K, Bucket>,
}

impl<K: Copy + Eq + Hash> SharedRate<K> {
    /// Nobody has used any of it.
    pub fn new(rate: WorkRate) -> Self {
        Self { rate, all: Bucket::default(), each: HashMap::new() }
    }

    /// When `who` may do one more: now or later.
    pub fn ready_at(&self, who: K, now: MonoTime) -> MonoTime {
        let own = self.each.get(&who).map_or(now, |own| own.ready_at(self.rate.half(), now));
        own.max(self.all.ready_at(self.rate, now))
    }

    /// `who` did so much.
    pub fn spend(&mut self, who: K, units: u32, now: MonoTime) {
        if self.each.len() >= ORIGINS_MAX && !self.each.contains_key(&who) {
            self.each.retain(|_, bucket| !bucket.is_full(now));
            if self.each.len() >= ORIGINS_MAX {
                // More of them than can be told apart: what all of them may do together still holds.
                self.each.clear();
            }
        }
        self.all.spend(units, self.rate, now);
        self.each.entry(who).or_default().spend(units, self.rate.half(), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: WorkRate = WorkRate(100);

    fn at(ms: u64) -> MonoTime {
        MonoTime(5 * SECOND_NS + ms * 1_000_000)
    }

    fn burst(shared: &mut SharedRate<u32>, who: u32, now: MonoTime) -> usize {
        let mut count = 0;
        while shared.ready_at(who, now) <= now {
            shared.spend(who, 1, now);
            count += 1;
        }
        count
    }

    #[test]
    fn one_has_half_and_all_have_the_whole() {
        let mut shared = SharedRate::new(RATE);
        assert_eq!(burst(&mut shared, 1, at(0)), 100, "two seconds of half the rate");
        assert_eq!(burst(&mut shared, 2, at(0)), 100);
        assert_eq!(burst(&mut shared, 3, at(0)), 0);
        assert_eq!(shared.ready_at(3, at(0)), at(10));
        assert_eq!(burst(&mut shared, 3, at(100)), 10);
        assert_eq!(burst(&mut shared, 1, at(100)), 0);
        assert_eq!(burst(&mut shared, 1, at(3000)), 100);
    }

    #[test]
    fn who_did_too_much_waits_for_as_long_as_that_was() {
        let mut shared = SharedRate::new(RATE);
        shared.spend(1, 500, at(0));
        assert_eq!(shared.ready_at(1, at(0)), at(8020), "ten seconds of work, less two, and one");
        assert_eq!(shared.ready_at(2, at(0)), at(3010));
    }

    #[test]
    fn what_is_given_back_may_be_spent_again() {
        let mut bucket = Bucket::default();
        bucket.spend(200, RATE, at(0));
        assert!(bucket.ready_at(RATE, at(0)) > at(0));
        bucket.give_back(1, RATE);
        assert_eq!(bucket.ready_at(RATE, at(0)), at(0));
        bucket.give_back(1000, RATE);
        bucket.spend(200, RATE, at(0));
        assert!(bucket.ready_at(RATE, at(0)) > at(0), "nothing is saved up");
    }

    #[test]
    fn origins_are_forgotten_in_time() {
        let mut shared = SharedRate::new(RATE);
        for who in 0..10_000_u32 {
            shared.spend(who, 1, at(u64::from(who)));
            assert!(shared.each.len() <= ORIGINS_MAX);
        }
    }
}
