//! The balance of one account, and the amounts that are held for packets in flight.
//!
//! RFC 32 "Accounts and Balances": the balance rises when this node fulfills a peer's Prepare and falls when the peer
//! fulfills one of ours, so the balances of both ends are negatives of each other. [rows 61, 62] Amounts of packets in
//! flight are *held* in both directions and count against the limits as if they were fulfilled; a Reject or a timeout
//! releases them.

#![deny(clippy::arithmetic_side_effects)]

use crate::wire::Amount;

/// The balance and the held amounts of one account, in its own units.
///
/// An `i128` cannot overflow: that would take 2^63 packets of the largest amount. The arithmetic saturates only because
/// the compiler does not know this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    balance: i128,
    held_in: i128,
    held_out: i128,
    excess_releases: u32,
}

/// A balance limit that a packet would exceed. The text has figures, so it is for the operator only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the balance would reach {reached}, {} of {limit}",
    if reached > limit { "above the maximum" } else { "below the minimum" }
)]
pub struct OverLimit {
    /// The balance if all packets in flight were fulfilled, this one included.
    pub reached: i128,
    /// The limit.
    pub limit: i128,
}

impl Ledger {
    /// The sum of all fulfilled packets. Positive: the peer owes us.
    pub fn balance(&self) -> i128 {
        self.balance
    }

    /// The sum of the peer's packets in flight.
    pub fn held_in(&self) -> i128 {
        self.held_in
    }

    /// The sum of our packets in flight to the peer.
    pub fn held_out(&self) -> i128 {
        self.held_out
    }

    /// How often a release was larger than the held amount: 0 unless this program has an error. The held amount then
    /// becomes zero, never negative, so that the error does not widen the peer's limits.
    pub fn excess_releases(&self) -> u32 {
        self.excess_releases
    }

    /// Holds the amount of a Prepare from the peer.
    ///
    /// # Errors
    /// [`OverLimit`]; nothing has changed then.
    pub fn hold_in(&mut self, amount: Amount, max_balance: Option<i128>) -> Result<(), OverLimit> {
        let held = self.held_in.saturating_add(amount.0.into());
        // A packet with amount zero moves no money and passes every limit. [row 50]
        if let (Some(limit), 1..) = (max_balance, amount.0) {
            let reached = self.balance.saturating_add(held);
            if reached > limit {
                return Err(OverLimit { reached, limit });
            }
        }
        self.held_in = held;
        Ok(())
    }

    /// The peer's Prepare was fulfilled: the held amount becomes the peer's debt.
    pub fn commit_in(&mut self, amount: Amount) {
        self.release_in(amount);
        self.balance = self.balance.saturating_add(amount.0.into());
    }

    /// The peer's Prepare was rejected: the held amount is released.
    pub fn release_in(&mut self, amount: Amount) {
        self.held_in = self.held_in.saturating_sub(amount.0.into());
        if self.held_in < 0 {
            self.held_in = self.count_excess_release();
        }
    }

    /// How much more may be held for Prepares to the peer; negative if the limit is exceeded already.
    pub fn credit_left(&self, min_balance: i128) -> i128 {
        self.balance.saturating_sub(self.held_out).saturating_sub(min_balance)
    }

    /// Holds the amount of a Prepare to the peer.
    ///
    /// # Errors
    /// [`OverLimit`]; nothing has changed then.
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

    /// The peer fulfilled our Prepare: the held amount becomes our debt.
    pub fn commit_out(&mut self, amount: Amount) {
        self.release_out(amount);
        self.balance = self.balance.saturating_sub(amount.0.into());
    }

    /// Our Prepare was rejected or timed out: the held amount is released.
    pub fn release_out(&mut self, amount: Amount) {
        self.held_out = self.held_out.saturating_sub(amount.0.into());
        if self.held_out < 0 {
            self.held_out = self.count_excess_release();
        }
    }

    /// Counts a release that was larger than the held amount. Returns the new held amount, zero.
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
    fn a_release_above_the_held_amount_is_counted() {
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
        assert!(ledger.hold_in(Amount(11), Some(10)).is_err(), "the limit is unchanged");
        assert!(ledger.hold_out(Amount(11), Some(-10)).is_err());
    }

    #[test]
    fn packets_that_the_peer_fulfills_are_our_debt() {
        let mut ledger = Ledger::default();
        ledger.hold_out(Amount(u64::MAX), None).unwrap();
        ledger.commit_out(Amount(u64::MAX));
        assert_eq!(ledger.balance(), -i128::from(u64::MAX));
        assert_eq!(ledger.held_out(), 0);
    }
}
