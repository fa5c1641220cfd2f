//! Who owes whom on one account, and what packets in flight may still change (RFC 32, with the signs of RFC 34).
//!
//! The balance goes up when this node fulfills a peer's Prepare and down when the peer fulfills one of ours, so that
//! the two ends of an account hold negatives of each other. Amounts of packets in flight are *held* in both directions
//! and count against the limits as if they were fulfilled; a Reject or a missed deadline lets them go again.

#![deny(clippy::arithmetic_side_effects)]

use crate::wire::Amount;

/// The balance and the holds of one account, in its own units.
///
/// An `i128` cannot overflow here: it takes 2^63 packets of the largest amount. The saturating arithmetic below says
/// so to the compiler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    balance: i128,
    held_in: i128,
    held_out: i128,
    excess_releases: u32,
}

/// A limit that a packet would pass: what it would lead to, and the limit. Its text is for the operator: it tells the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the balance would reach {reached}, {} of {limit}",
    if reached > limit { "above the maximum" } else { "below the minimum" }
)]
pub struct OverLimit {
    /// What the balance could become.
    pub reached: i128,
    /// The limit that forbids it.
    pub limit: i128,
}

impl Ledger {
    /// What fulfilled packets have added up to: positive = the peer owes us.
    pub fn balance(&self) -> i128 {
        self.balance
    }

    /// Sum of the peer's packets in flight.
    pub fn held_in(&self) -> i128 {
        self.held_in
    }

    /// Sum of our packets in flight to the peer.
    pub fn held_out(&self) -> i128 {
        self.held_out
    }

    /// How often more was to be released than was held: always 0, unless this program has an error. What was held is
    /// never less than nothing, so that such an error does not widen the peer's limits.
    pub fn excess_releases(&self) -> u32 {
        self.excess_releases
    }

    /// Holds the amount of a Prepare from the peer.
    pub fn hold_in(&mut self, amount: Amount, max_balance: Option<i128>) -> Result<(), OverLimit> {
        let held = self.held_in.saturating_add(amount.0.into());
        // A packet of amount zero moves no money, so no limit applies.
        if let (Some(limit), 1..) = (max_balance, amount.0) {
            let reached = self.balance.saturating_add(held);
            if reached > limit {
                return Err(OverLimit { reached, limit });
            }
        }
        self.held_in = held;
        Ok(())
    }

    /// The peer's Prepare was fulfilled: the hold becomes its debt.
    pub fn commit_in(&mut self, amount: Amount) {
        self.release_in(amount);
        self.balance = self.balance.saturating_add(amount.0.into());
    }

    /// The peer's Prepare was rejected: the hold goes.
    pub fn release_in(&mut self, amount: Amount) {
        self.held_in = self.held_in.saturating_sub(amount.0.into());
        if self.held_in < 0 {
            self.held_in = self.count_excess_release();
        }
    }

    /// How much more may be held for Prepares to the peer; negative if the limit is passed already.
    pub fn credit_left(&self, min_balance: i128) -> i128 {
        self.balance.saturating_sub(self.held_out).saturating_sub(min_balance)
    }

    /// Holds the amount of a Prepare to the peer.
    pub fn hold_out(&mut self, amount: Amount, min_balance: Option<i128>) -> Result<(), OverLimit> {
        let held = self.held_out.saturating_add(amount.0.into());
        if let (Some(limit), 1..) = (min_balance, amount.0) {
            let reached = self.balance.saturating_sub(held);
            if reached < limit {
                return Err(OverLimit { reached, limit });
            }
        }
        self.held_out = held;
        Ok(())
    }

    /// The peer fulfilled our Prepare: the hold becomes our debt.
    pub fn commit_out(&mut self, amount: Amount) {
        self.release_out(amount);
        self.balance = self.balance.saturating_sub(amount.0.into());
    }

    /// Our Prepare was rejected, or its time ran out: the hold goes.
    pub fn release_out(&mut self, amount: Amount) {
        self.held_out = self.held_out.saturating_sub(amount.0.into());
        if self.held_out < 0 {
            self.held_out = self.count_excess_release();
        }
    }

    /// Counts a release of more than was held. Nothing is held then.
    #[cold]
    fn count_excess_release(&mut self) -> i128 {
        self.excess_releases = self.excess_releases.saturating_add(1);
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_32() {
        let mut ledger = Ledger::default();
        let max = Some(20);
        ledger.hold_in(Amount(12), max).unwrap();
        ledger.commit_in(Amount(12));
        assert_eq!(ledger.hold_in(Amount(9), max), Err(OverLimit { reached: 21, limit: 20 }));
        assert_eq!(ledger.hold_in(Amount(7), max), Ok(()));
        assert_eq!((ledger.balance(), ledger.held_in()), (12, 7));
        ledger.release_in(Amount(7));
        assert_eq!((ledger.balance(), ledger.held_in()), (12, 0));
    }

    #[test]
    fn holds_count_against_the_limit() {
        let mut ledger = Ledger::default();
        assert!(ledger.hold_in(Amount(6), Some(10)).is_ok());
        assert!(ledger.hold_in(Amount(5), Some(10)).is_err());
        assert!(ledger.hold_out(Amount(6), Some(-10)).is_ok());
        assert!(ledger.hold_out(Amount(5), Some(-10)).is_err());
        assert!(ledger.hold_out(Amount(4), Some(-10)).is_ok());
    }

    #[test]
    fn zero_amounts_pass_every_limit() {
        let mut ledger = Ledger::default();
        assert!(ledger.hold_in(Amount(0), Some(-1)).is_ok());
        assert!(ledger.hold_out(Amount(0), Some(1)).is_ok());
    }

    #[test]
    fn more_than_is_held_is_never_released() {
        let mut ledger = Ledger::default();
        ledger.hold_in(Amount(5), None).unwrap();
        ledger.hold_out(Amount(7), None).unwrap();
        ledger.release_in(Amount(5));
        ledger.release_out(Amount(7));
        assert_eq!(ledger.excess_releases(), 0);
        ledger.release_in(Amount(1));
        assert_eq!((ledger.held_in(), ledger.excess_releases()), (0, 1));
        ledger.release_out(Amount(u64::MAX));
        assert_eq!((ledger.held_out(), ledger.excess_releases()), (0, 2));
        assert!(ledger.hold_in(Amount(11), Some(10)).is_err(), "the limit is where it was");
        assert!(ledger.hold_out(Amount(11), Some(-10)).is_err());
    }

    #[test]
    fn what_the_peer_fulfills_is_our_debt() {
        let mut ledger = Ledger::default();
        ledger.hold_out(Amount(u64::MAX), None).unwrap();
        ledger.commit_out(Amount(u64::MAX));
        assert_eq!(ledger.balance(), -i128::from(u64::MAX));
        assert_eq!(ledger.held_out(), 0);
    }
}
