//! Rate limits for the work that connections cause: one for all unauthenticated connections together, half of it for
//! each of their addresses, and one for each peer. Pure.

use std::collections::HashMap;
use std::hash::Hash;

use crate::time::MonoTime;

const SECOND_NS: u64 = 1_000_000_000;

/// Addresses with a budget of their own. An address with its whole budget needs none.
const ADDRESSES_MAX: usize = 4096;

/// Units per second. The units of two seconds may be spent at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkRate(pub u32);

impl WorkRate {
    /// No limit: a unit of it takes less than a nanosecond.
    pub const UNLIMITED: Self = Self(u32::MAX);

    fn cost(self, units: u32) -> u64 {
        (SECOND_NS / u64::from(self.0.max(1))).saturating_mul(u64::from(units))
    }

    fn half(self) -> Self {
        Self(self.0.div_ceil(2))
    }
}

/// What one user has spent of a [`WorkRate`] (GCRA). Unlike `account/rate_limit.rs`, which refuses a packet above the
/// rate, it records work that is already done, even beyond the rate, and says when more may follow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorkBudget {
    /// The spent units use up the rate until then.
    used_until: MonoTime,
}

impl WorkBudget {
    /// When the next unit may be spent: now or later.
    pub fn ready_at(&self, rate: WorkRate, now: MonoTime) -> MonoTime {
        let until = self.used_until.0.saturating_add(rate.cost(1));
        MonoTime(until.saturating_sub(2 * SECOND_NS)).max(now)
    }

    /// Spends units, even more than the budget.
    pub fn spend(&mut self, units: u32, rate: WorkRate, now: MonoTime) {
        let from = self.used_until.max(now);
        self.used_until = MonoTime(from.0.saturating_add(rate.cost(units)));
    }

    pub fn refund(&mut self, units: u32, rate: WorkRate) {
        self.used_until = MonoTime(self.used_until.0.saturating_sub(rate.cost(units)));
    }

    fn is_unspent(&self, now: MonoTime) -> bool {
        self.used_until <= now
    }
}

/// A rate that many users share. Each may use at most half of it.
#[derive(Debug)]
pub struct SharedRate<K> {
    rate: WorkRate,
    total: WorkBudget,
    by_user: HashMap<K, WorkBudget>,
}

impl<K: Copy + Eq + Hash> SharedRate<K> {
    pub fn new(rate: WorkRate) -> Self {
        Self { rate, total: WorkBudget::default(), by_user: HashMap::new() }
    }

    /// When `user` may spend the next unit: now or later.
    pub fn ready_at(&self, user: K, now: MonoTime) -> MonoTime {
        let own = self.by_user.get(&user).map_or(now, |own| own.ready_at(self.rate.half(), now));
        own.max(self.total.ready_at(self.rate, now))
    }

    pub fn spend(&mut self, user: K, units: u32, now: MonoTime) {
        if self.by_user.len() >= ADDRESSES_MAX && !self.by_user.contains_key(&user) {
            self.by_user.retain(|_, budget| !budget.is_unspent(now));
            if self.by_user.len() >= ADDRESSES_MAX {
                // Too many users to count each: the limit for all together still holds.
                self.by_user.clear();
            }
        }
        self.total.spend(units, self.rate, now);
        self.by_user.entry(user).or_default().spend(units, self.rate.half(), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: WorkRate = WorkRate(100);

    fn at(ms: u64) -> MonoTime {
        MonoTime(5 * SECOND_NS + ms * 1_000_000)
    }

    fn burst(shared: &mut SharedRate<u32>, user: u32, now: MonoTime) -> usize {
        let mut count = 0;
        while shared.ready_at(user, now) <= now {
            shared.spend(user, 1, now);
            count += 1;
        }
        count
    }

    #[test]
    fn one_user_has_half_of_the_rate_and_all_have_the_whole() {
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
    fn a_user_above_its_rate_waits_until_it_has_made_up_for_it() {
        let mut shared = SharedRate::new(RATE);
        shared.spend(1, 500, at(0));
        assert_eq!(shared.ready_at(1, at(0)), at(8020), "ten seconds of work, less two, and one");
        assert_eq!(shared.ready_at(2, at(0)), at(3010));
    }

    #[test]
    fn returned_units_may_be_spent_again() {
        let mut budget = WorkBudget::default();
        budget.spend(200, RATE, at(0));
        assert!(budget.ready_at(RATE, at(0)) > at(0));
        budget.refund(1, RATE);
        assert_eq!(budget.ready_at(RATE, at(0)), at(0));
        budget.refund(1000, RATE);
        budget.spend(200, RATE, at(0));
        assert!(budget.ready_at(RATE, at(0)) > at(0), "the budget has an upper bound");
    }

    #[test]
    fn the_number_of_users_is_bounded() {
        let mut shared = SharedRate::new(RATE);
        for user in 0..10_000_u32 {
            shared.spend(user, 1, at(u64::from(user)));
            assert!(shared.by_user.len() <= ADDRESSES_MAX);
        }
    }
}
