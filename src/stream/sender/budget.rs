//! The money of a payment: amounts that remain, are in flight, and must arrive.
//!
//! Two promises. Money spent and in flight never exceeds the total, with any answers. And the minimum rate of all money
//! sent arrives: each packet carries its minimum, rounded down, and later minima make up for the rounding. Before the
//! end, up to one unit per fulfilled packet may be missing; at the end of a complete payment, nothing.

use super::progress::PaymentProgress;
use super::rate::PathRate;

/// Sums in units of the sender; `delivered`, `unconfirmed` and `promised` in units of the receiver. [`PaymentProgress`]
/// says what most of them are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Budget {
    total: u64,
    sent: u64,
    in_flight: u64,
    unresolved: u64,
    delivered: u64,
    unconfirmed: u64,
    promised: u64,
}

/// The share of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PacketShare {
    /// The packet's amount.
    pub(super) amount: u64,
    /// The amount that must arrive.
    pub(super) minimum: u64,
}

impl Budget {
    pub(super) fn new(total: u64) -> Self {
        Self { total, ..Self::default() }
    }

    /// Puts the sums into a payment's progress.
    pub(super) fn report_to(&self, progress: &mut PaymentProgress) {
        progress.total = self.total;
        progress.sent = self.sent;
        progress.delivered = self.delivered;
        progress.unconfirmed = self.unconfirmed;
        progress.in_flight = self.in_flight;
        progress.unresolved = self.unresolved;
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// The amount of packets without an answer: spent or not.
    pub(super) fn unresolved(&self) -> u64 {
        self.unresolved
    }

    /// The amount that may still be sent.
    pub(super) fn remaining(&self) -> u64 {
        let used = self.sent.saturating_add(self.in_flight).saturating_add(self.unresolved);
        self.total.saturating_sub(used)
    }

    /// Reserves the share of a packet: at most `size`, and at most the rest.
    pub(super) fn reserve(&mut self, size: u64, minimum: PathRate) -> PacketShare {
        let amount = size.min(self.remaining());
        let with_this = self.sent.saturating_add(self.in_flight).saturating_add(amount);
        let counted = self.delivered.saturating_add(self.unconfirmed).saturating_add(self.promised);
        let missing = minimum.apply_to(with_this).saturating_sub(counted);
        let share = PacketShare { amount, minimum: minimum.apply_to(amount).max(missing) };
        self.in_flight = self.in_flight.saturating_add(share.amount);
        self.promised = self.promised.saturating_add(share.minimum);
        share
    }

    /// A packet was fulfilled. `arrived` is the amount in the receiver's reply; without one, the minimum counts.
    pub(super) fn record_fulfilled(&mut self, share: PacketShare, arrived: Option<u64>) {
        self.release(share);
        self.sent = self.sent.saturating_add(share.amount);
        match arrived {
            Some(arrived) => self.delivered = self.delivered.saturating_add(arrived),
            None => self.unconfirmed = self.unconfirmed.saturating_add(share.minimum),
        }
    }

    /// Releases the share of a rejected packet.
    pub(super) fn release(&mut self, share: PacketShare) {
        self.in_flight = self.in_flight.saturating_sub(share.amount);
        self.promised = self.promised.saturating_sub(share.minimum);
    }

    /// A packet got no answer. Its amount may be spent, so it is never sent again.
    pub(super) fn record_unanswered(&mut self, share: PacketShare) {
        self.release(share);
        self.unresolved = self.unresolved.saturating_add(share.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::sender::rate::Slippage;

    #[test]
    fn never_more_than_the_total() {
        let mut budget = Budget::new(100);
        let rate = PathRate::measured(1, 1).unwrap();
        let [first, second, third] = [40, 40, 40].map(|size| budget.reserve(size, rate));
        assert_eq!((third.amount, budget.remaining()), (20, 0));
        assert_eq!(budget.reserve(40, rate), PacketShare { amount: 0, minimum: 0 });
        budget.release(first);
        assert_eq!(budget.remaining(), 40);
        budget.record_unanswered(second);
        let mut progress = PaymentProgress::default();
        budget.report_to(&mut progress);
        let (total, in_flight, unresolved) = (100, 20, 40);
        let expected =
            PaymentProgress { total, in_flight, unresolved, ..PaymentProgress::default() };
        assert_eq!((budget.remaining(), progress), (40, expected));
        budget.record_fulfilled(third, Some(20));
        assert_eq!((budget.remaining(), budget.sent, budget.delivered), (40, 20, 20));
    }

    #[test]
    fn minima_make_up_for_rounding() {
        let mut budget = Budget::new(1000);
        let rate = PathRate::measured(9, 10).unwrap();
        // One unit at 0.9 is nothing, ten of them are nine.
        let minima: Vec<u64> = (0..10).map(|_| budget.reserve(1, rate).minimum).collect();
        assert_eq!(minima, [0, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
        // A surplus does not lower the next minimum.
        let mut budget = Budget::new(1000);
        let least = PathRate::measured(1, 1).unwrap().minus(Slippage::USUAL);
        for _ in 0..5 {
            let share = budget.reserve(100, least);
            assert_eq!(share, PacketShare { amount: 100, minimum: 99 });
            budget.record_fulfilled(share, Some(100));
        }
        // A Fulfill whose data cannot be read counts with its minimum.
        let share = budget.reserve(100, least);
        budget.record_fulfilled(share, None);
        assert_eq!((budget.delivered, budget.unconfirmed), (500, 99));
    }
}
