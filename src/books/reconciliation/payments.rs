//! The settlements of one direction, as far as the end that is paid may not have credited them: since when each is due,
//! and what of it is missing for too long.
//!
//! Both ends know sums only. So the oldest settlement is taken to be the one that was credited first.

use crate::wire::Timestamp;

/// Settlements that are remembered one by one. Of more, two that follow each other become one, at the later time.
const PAYMENTS_MAX: usize = 32;

/// What was paid and when, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payments {
    /// The sum of those that are forgotten, because they were credited. It is the sum at the end of a settlement.
    pub(super) forgotten: i128,
    pub(super) payments: Vec<Payment>,
}

/// One settlement, or several that were made together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Payment {
    /// The sum of all settlements until this one.
    pub(super) total: i128,
    pub(super) at: Timestamp,
}

/// What is missing of the settlements of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Missing {
    /// For too long.
    pub(super) overdue: i128,
    /// On its way.
    pub(super) pending: i128,
    /// Less than the engines can pay. It counts with the next settlement.
    pub(super) dust: i128,
}

impl Payments {
    /// A settlement of so many units was made, which brought the sum to `total`.
    pub fn note_settlement(&mut self, units: i128, total: i128, at: Timestamp) {
        if self.payments.is_empty() {
            self.forgotten = self.forgotten.max(total.saturating_sub(units));
        }
        self.note_total(total, at);
    }

    /// The sum is `total` now. What is not remembered yet was paid at this time.
    pub(super) fn note_total(&mut self, total: i128, at: Timestamp) {
        // The books of the one that paid may have lost some.
        self.payments.retain(|payment| payment.total <= total);
        self.forgotten = self.forgotten.min(total);
        if self.last_total() < total {
            self.payments.push(Payment { total, at });
        }
        if self.payments.len() > PAYMENTS_MAX {
            // So that they stay spread over the whole time.
            let span = |(_, around): &(usize, &[Payment])| match around {
                [before, _, after] => after.at.millis_since(before.at),
                _ => u64::MAX,
            };
            let closest = self.payments.windows(3).enumerate().min_by_key(span);
            let index = closest.map_or(0, |(index, _)| index.saturating_add(1));
            self.payments.remove(index);
        }
    }

    fn last_total(&self) -> i128 {
        self.payments.last().map_or(self.forgotten, |last| last.total)
    }

    /// The sum of those that are younger than `overdue_ms`: they may be on their way.
    pub(super) fn young(&self, now: Timestamp, overdue_ms: u64) -> i128 {
        let is_old = |payment: &&Payment| now.millis_since(payment.at) >= overdue_ms;
        let old = self.payments.iter().rev().find(is_old).map_or(self.forgotten, |one| one.total);
        self.last_total().saturating_sub(old)
    }

    /// What is missing, of `value` units, when the other end was credited for `credited` in all. `smallest`: what the
    /// engines can pay.
    pub(super) fn missing(
        &mut self,
        (value, credited): (i128, i128),
        smallest: i128,
        (now, overdue_ms): (Timestamp, u64),
    ) -> Missing {
        let is_credited = |payment: &Payment| payment.total <= credited;
        if let Some(last) = self.payments.iter().rev().find(|payment| is_credited(payment)) {
            self.forgotten = last.total;
        }
        self.payments.retain(|payment| !is_credited(payment));
        if value <= 0 {
            return Missing::default();
        }
        let is_old = |payment: &&Payment| now.millis_since(payment.at) >= overdue_ms;
        let old = self.payments.iter().rev().find(is_old);
        let overdue = old.map_or(0, |old| old.total.saturating_sub(credited)).clamp(0, value);
        // A settlement that was credited in part: its engine keeps the rest, if it cannot pay it.
        let is_in_part = credited > self.forgotten;
        let dust = match is_in_part && overdue < smallest {
            true if value < smallest => value,
            true => self.rest_of_first(credited).filter(|rest| *rest < smallest).unwrap_or(0),
            false => 0,
        };
        let overdue = if is_in_part && overdue < smallest { 0 } else { overdue };
        Missing { overdue, pending: value.saturating_sub(overdue).saturating_sub(dust), dust }
    }

    fn rest_of_first(&self, credited: i128) -> Option<i128> {
        self.payments.first().map(|first| first.total.saturating_sub(credited))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVERDUE_MS: u64 = 1_000;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    /// Settlements of these units at these times.
    fn paid(settlements: &[(i128, u64)]) -> Payments {
        let (mut payments, mut total) = (Payments::default(), 0);
        for (units, ms) in settlements {
            total += units;
            payments.note_settlement(*units, total, at(*ms));
        }
        payments
    }

    /// Overdue, pending and dust, if so much is credited at this time.
    fn missing(payments: &mut Payments, credited: i128, ms: u64) -> (i128, i128, i128) {
        let value = payments.last_total() - credited;
        let Missing { overdue, pending, dust } =
            payments.missing((value, credited), 1_000, (at(ms), OVERDUE_MS));
        (overdue, pending, dust)
    }

    #[test]
    fn each_settlement_is_overdue_by_its_own_time() {
        let mut payments = paid(&[(10_000, 0), (20_000, 600)]);
        assert_eq!(missing(&mut payments, 0, 999), (0, 30_000, 0));
        assert_eq!(missing(&mut payments, 0, 1_000), (10_000, 20_000, 0));
        assert_eq!(missing(&mut payments, 0, 1_600), (30_000, 0, 0));
        assert_eq!(missing(&mut payments, 10_000, 1_600), (20_000, 0, 0));
        payments.note_settlement(5_000, 35_000, at(1_700));
        assert_eq!(missing(&mut payments, 30_000, 9_000), (5_000, 0, 0));
        assert_eq!(missing(&mut payments, 35_000, 9_000), (0, 0, 0));
        assert_eq!((payments.payments.len(), payments.forgotten), (0, 35_000));
    }

    #[test]
    fn a_rest_below_what_the_engines_can_pay_is_dust() {
        let mut payments = paid(&[(1_500, 0)]);
        assert_eq!(missing(&mut payments, 0, 500), (0, 1_500, 0));
        assert_eq!(missing(&mut payments, 1_000, 500), (0, 0, 500));
        assert_eq!(missing(&mut payments, 1_000, 5_000), (0, 0, 500));
        payments.note_settlement(2_000, 3_500, at(5_000));
        assert_eq!(missing(&mut payments, 1_000, 5_001), (0, 2_000, 500));
        assert_eq!(missing(&mut payments, 1_000, 6_000), (2_500, 0, 0), "none of it has arrived");
        assert_eq!(missing(&mut payments, 3_000, 6_000), (0, 0, 500));
        // A whole settlement that is missing is no dust, however small it is.
        let mut small = paid(&[(9_000, 0), (500, 0)]);
        assert_eq!(missing(&mut small, 9_000, 1_000), (500, 0, 0));
    }

    #[test]
    fn sums_that_fall_and_many_settlements_are_followed() {
        let mut payments = paid(&[(10_000, 0), (20_000, 10)]);
        payments.note_total(10_000, at(20));
        assert_eq!(missing(&mut payments, 0, 1_000), (10_000, 0, 0));
        payments.note_total(40_000, at(2_000));
        assert_eq!(missing(&mut payments, 0, 2_000), (10_000, 30_000, 0));
        assert_eq!(payments.young(at(2_999), OVERDUE_MS), 30_000);
        assert_eq!(payments.young(at(3_000), OVERDUE_MS), 0);
        let many: Vec<_> = (0..1_000).map(|second| (1_000, second * 100)).collect();
        let mut payments = paid(&many);
        assert_eq!(payments.payments.len(), PAYMENTS_MAX);
        let (overdue, pending, _) = missing(&mut payments, 0, 100_000);
        assert_eq!(overdue + pending, 1_000_000);
        assert!(overdue <= 991_000, "none is overdue too early: {overdue}");
        assert!(overdue > 900_000, "{overdue}");
    }

    #[test]
    fn what_the_engines_can_pay_is_due_to_the_unit() {
        for (settlements, ms, expected) in [
            // At the same time, and together as much as the engines can pay.
            (&[(1_400, 0), (600, 0)][..], 1_000, (1_000, 0, 0)),
            (&[(1_400, 0), (599, 0)], 1_000, (0, 0, 999)),
            // What is younger is dust too, as long as all of it is too little.
            (&[(1_500, 0), (200, 100)], 500, (0, 0, 700)),
            (&[(1_500, 0), (499, 100)], 500, (0, 0, 999)),
            (&[(1_500, 0), (500, 100)], 500, (0, 500, 500)),
            (&[(2_000, 0)], 999, (0, 1_000, 0)),
        ] {
            let mut payments = paid(settlements);
            assert_eq!(missing(&mut payments, 1_000, ms), expected, "{settlements:?}");
        }
    }

    #[test]
    fn of_too_many_settlements_the_closest_are_one_at_the_later_time() {
        let mut times: Vec<u64> = (0..32).map(|index| index * 100).collect();
        let spread = times.clone();
        times.insert(11, 1_010);
        let settlements: Vec<_> = times.iter().map(|ms| (1_000, *ms)).collect();
        let payments = paid(&settlements).payments;
        let remembered: Vec<_> = payments.iter().map(|payment| payment.at.as_millis()).collect();
        assert_eq!(remembered, spread);
        assert_eq!((payments[10].total, payments[11].total), (11_000, 13_000));
    }
}
