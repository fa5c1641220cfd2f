//! The balance of one account, and the amounts that are held for packets in flight.
//!
//! RFC 32 "Accounts and Balances": the balance rises when this node fulfills a peer's Prepare and falls when the peer
//! fulfills one of ours, so the balances of both ends are negatives of each other. [rows 61, 62] Amounts of packets in
//! flight are *held* in both directions and count against the limits as if they were fulfilled; a Reject or a timeout
//! releases them.

#![deny(clippy::arithmetic_side_effects)]

use std::fmt;

use crate::wire::{Amount, Timestamp};

/// Everything that ever changed the balance of one account, by cause, in its own units.
///
/// Sums of packets cannot overflow an `i128`: that would take 2^63 packets of the largest amount. So they use the
/// arithmetic that costs least. An operator's amounts are bounded in `books/adjustment.rs`; it would take millions of
/// the largest for a sum to saturate. Sums of settlements are bounded by [`SETTLED_MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// The amounts of the peer's packets that were fulfilled.
    pub fulfilled_in: i128,
    /// The amounts of packets that the peer fulfilled.
    pub fulfilled_out: i128,
    /// What the peer paid us outside of Interledger.
    pub settled_in: i128,
    /// What we paid the peer outside of Interledger, or will: it counts from the moment of the decision.
    pub settled_out: i128,
    /// Changes by the operator: corrections, concessions.
    pub adjusted: i128,
}

/// The largest sum of settlements of an account in one direction, in units: far above every sum of money, and far below
/// where a balance would saturate.
pub const SETTLED_MAX: i128 = i128::MAX / 8;

impl Totals {
    /// The rule of the books: the balance is the sum of its causes. Positive: the peer owes us.
    pub fn balance(&self) -> i128 {
        self.fulfilled_in.saturating_sub(self.fulfilled_out).saturating_add(self.beside_packets())
    }

    /// What the balance has beside packets.
    fn beside_packets(&self) -> i128 {
        self.settled().saturating_add(self.adjusted)
    }

    /// What settlements add to the balance.
    pub fn settled(&self) -> i128 {
        self.settled_out.saturating_sub(self.settled_in)
    }
}

/// The adjustments that say which packets they are about. They are in [`Totals::adjusted`], too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Corrected {
    /// Of our packets, what the peer fulfilled although its answer was not seen: it is owed.
    pub conceded: i128,
    /// Of the peer's packets, what it does not owe although it was fulfilled; what it owes beyond that is taken off.
    pub written_off: i128,
}

/// The balance and the held amounts of one account, in its own units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    totals: Totals,
    /// What the balance has beside packets. It follows from the totals, and is kept because each packet needs it.
    beside_packets: i128,
    corrected: Corrected,
    held_in: i128,
    held_out: i128,
    /// What was in flight to the peer at an unclean end of the process.
    uncertain: i128,
    uncertain_since: Option<Timestamp>,
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

/// What must be settled before an account can be given up: a balance, an uncertain amount, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsettled {
    balance: i128,
    uncertain: i128,
}

impl Unsettled {
    /// `None`: both are zero.
    pub fn new(balance: i128, uncertain: i128) -> Option<Self> {
        ((balance, uncertain) != (0, 0)).then_some(Self { balance, uncertain })
    }
}

impl fmt::Display for Unsettled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { balance, uncertain } = self;
        match (balance, uncertain) {
            (_, 0) => write!(f, "a balance of {balance}"),
            (0, _) => write!(f, "an uncertain amount of {uncertain}"),
            _ => write!(f, "a balance of {balance} and an uncertain amount of {uncertain}"),
        }
    }
}

/// A settlement that the books cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the settlements of the account would add up to more than {SETTLED_MAX} units")]
pub struct AboveSettledMax;

/// More of the uncertain amount would be conceded than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{uncertain} is uncertain; between 0 and {uncertain} of it can be conceded")]
pub struct AboveUncertain {
    /// The uncertain amount.
    pub uncertain: i128,
}

impl Ledger {
    /// The ledger of an account that the store has saved. What was in flight to the peer when the process ended without
    /// a clean stop is uncertain: the peer may have fulfilled it.
    pub fn restore(totals: Totals, uncertain: i128) -> Self {
        Self { totals, beside_packets: totals.beside_packets(), uncertain, ..Self::default() }
    }

    /// The same, with the restart that made the amount uncertain.
    #[must_use]
    pub fn with_uncertain_since(self, since: Option<Timestamp>) -> Self {
        Self { uncertain_since: since, ..self }
    }

    /// The same, with the corrections that its adjustments have.
    #[must_use]
    pub fn with_corrected(self, corrected: Corrected) -> Self {
        Self { corrected, ..self }
    }

    /// The adjustments that say which packets they are about.
    pub fn corrected(&self) -> Corrected {
        self.corrected
    }

    /// The restart that made the newest part of the uncertain amount uncertain. `None`: nothing is uncertain, or the
    /// part became so when the node stopped, and the restart is still to come.
    pub fn uncertain_since(&self) -> Option<Timestamp> {
        self.uncertain_since
    }

    /// What the balance is made of.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// The sum of all fulfilled packets and adjustments. Positive: the peer owes us.
    pub fn balance(&self) -> i128 {
        let Totals { fulfilled_in, fulfilled_out, .. } = self.totals;
        fulfilled_in.saturating_sub(fulfilled_out).saturating_add(self.beside_packets)
    }

    /// The sum of the peer's packets in flight.
    pub fn held_in(&self) -> i128 {
        self.held_in
    }

    /// The sum of our packets in flight to the peer.
    pub fn held_out(&self) -> i128 {
        self.held_out
    }

    /// The sum of the packets to the peer that were in flight at an unclean end of the process. The peer may claim
    /// them, so they count against the minimum balance like packets in flight.
    pub fn uncertain(&self) -> i128 {
        self.uncertain
    }

    /// The balance and the uncertain amount, unless both are zero.
    pub fn unsettled(&self) -> Option<Unsettled> {
        Unsettled::new(self.balance(), self.uncertain)
    }

    /// A packet that is held for the peer gets no answer any more, and the peer may have fulfilled it.
    pub fn make_uncertain(&mut self, amount: Amount) {
        self.release_out(amount);
        self.uncertain = self.uncertain.saturating_add(amount.0.into());
        self.uncertain_since = None;
    }

    /// The uncertain amount is settled: the peer fulfilled `conceded` of it, and the rest not.
    ///
    /// # Errors
    /// [`AboveUncertain`] if more would be conceded than is uncertain, or less than nothing; nothing has changed then.
    pub fn resolve_uncertain(&mut self, conceded: i128) -> Result<(), AboveUncertain> {
        if !(0..=self.uncertain).contains(&conceded) {
            return Err(AboveUncertain { uncertain: self.uncertain });
        }
        self.uncertain = 0;
        self.uncertain_since = None;
        self.concede(conceded);
        Ok(())
    }

    /// Of our packets, the peer fulfilled this much more: it is owed.
    pub fn concede(&mut self, amount: i128) {
        let amount = if planted!(ConcededTwice) { amount.saturating_mul(2) } else { amount };
        self.corrected.conceded = self.corrected.conceded.saturating_add(amount);
        self.adjust(amount.saturating_neg());
    }

    /// Of the peer's packets that were fulfilled, it owes this much less.
    pub fn write_off(&mut self, amount: i128) {
        self.corrected.written_off = self.corrected.written_off.saturating_add(amount);
        self.adjust(amount.saturating_neg());
    }

    /// Changes the balance by an amount that no packet moved.
    pub fn adjust(&mut self, amount: i128) {
        self.totals.adjusted = self.totals.adjusted.saturating_add(amount);
        self.beside_packets = self.totals.beside_packets();
    }

    /// The peer has paid us this many units: its debt falls.
    ///
    /// # Errors
    /// [`AboveSettledMax`]; nothing has changed then.
    pub fn settle_in(&mut self, units: u128) -> Result<(), AboveSettledMax> {
        self.totals.settled_in = settled_sum(self.totals.settled_in, units)?;
        self.beside_packets = self.totals.beside_packets();
        Ok(())
    }

    /// We pay the peer this many units: our debt falls.
    ///
    /// # Errors
    /// [`AboveSettledMax`]; nothing has changed then.
    pub fn settle_out(&mut self, units: u128) -> Result<(), AboveSettledMax> {
        self.totals.settled_out = settled_sum(self.totals.settled_out, units)?;
        self.beside_packets = self.totals.beside_packets();
        Ok(())
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
        let held = self.held_in.wrapping_add(amount.0.into());
        // A packet with amount zero moves no money and passes every limit. [row 50]
        if let (Some(limit), 1..) = (max_balance, amount.0) {
            let counted = if planted!(HoldsUncounted) { amount.0.into() } else { held };
            let reached = self.balance().saturating_add(counted);
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
        self.totals.fulfilled_in = self.totals.fulfilled_in.wrapping_add(amount.0.into());
    }

    /// The peer's Prepare was rejected: the held amount is released.
    pub fn release_in(&mut self, amount: Amount) {
        self.held_in = self.held_in.wrapping_sub(amount.0.into());
        if self.held_in < 0 {
            self.count_excess_release();
            self.held_in = 0;
        }
    }

    /// How much more may be held for Prepares to the peer; negative if the limit is exceeded already.
    pub fn credit_left(&self, min_balance: i128) -> i128 {
        self.lowest_balance(self.held_out).saturating_sub(min_balance)
    }

    /// Holds the amount of a Prepare to the peer.
    ///
    /// # Errors
    /// [`OverLimit`]; nothing has changed then.
    pub fn hold_out(&mut self, amount: Amount, min_balance: Option<i128>) -> Result<(), OverLimit> {
        let held = self.held_out.wrapping_add(amount.0.into());
        if let (Some(limit), 1..) = (min_balance, amount.0) {
            let reached = self.lowest_balance(held);
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
        self.totals.fulfilled_out = self.totals.fulfilled_out.wrapping_add(amount.0.into());
    }

    /// Our Prepare was rejected or timed out: the held amount is released.
    pub fn release_out(&mut self, amount: Amount) {
        self.held_out = self.held_out.wrapping_sub(amount.0.into());
        if self.held_out < 0 {
            self.count_excess_release();
            self.held_out = 0;
        }
    }

    /// The balance if the peer has fulfilled what is uncertain and fulfills what is held.
    fn lowest_balance(&self, held_out: i128) -> i128 {
        self.balance().saturating_sub(self.uncertain).saturating_sub(held_out)
    }

    /// Counts a release that was larger than the held amount.
    #[cold]
    fn count_excess_release(&mut self) {
        self.excess_releases = self.excess_releases.saturating_add(1);
    }
}

/// The sum with one more settlement.
fn settled_sum(sum: i128, units: u128) -> Result<i128, AboveSettledMax> {
    let units = i128::try_from(units).map_err(|_| AboveSettledMax)?;
    sum.checked_add(units).filter(|sum| *sum <= SETTLED_MAX).ok_or(AboveSettledMax)
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
        assert!(ledger.hold_in(Amount(4), Some(10)).is_ok());
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
    fn uncertain_amounts_count_against_the_minimum_until_they_are_resolved() {
        let totals =
            Totals { fulfilled_in: 50, fulfilled_out: 20, adjusted: -5, ..Totals::default() };
        let mut ledger = Ledger::restore(totals, 10);
        assert_eq!((ledger.balance(), ledger.held_out(), ledger.uncertain()), (25, 0, 10));
        assert!(ledger.hold_out(Amount(16), Some(0)).is_err(), "25 - 10 are left");
        ledger.hold_out(Amount(15), Some(0)).unwrap();
        assert_eq!((ledger.held_out(), ledger.credit_left(0)), (15, 0));
        assert_eq!((ledger.credit_left(-5), ledger.credit_left(5)), (5, -5));
        ledger.release_out(Amount(15));
        assert_eq!((ledger.held_out(), ledger.excess_releases()), (0, 0));
        ledger.release_out(Amount(1));
        assert_eq!((ledger.uncertain(), ledger.excess_releases()), (10, 1), "it is not released");
        ledger.hold_out(Amount(7), Some(0)).unwrap();
        assert_eq!(ledger.resolve_uncertain(11), Err(AboveUncertain { uncertain: 10 }));
        assert_eq!(ledger.resolve_uncertain(-1), Err(AboveUncertain { uncertain: 10 }));
        ledger.resolve_uncertain(4).unwrap();
        assert_eq!((ledger.balance(), ledger.held_out(), ledger.uncertain()), (21, 7, 0));
        assert_eq!(ledger.totals(), Totals { adjusted: -9, ..totals });
        ledger.concede(1);
        ledger.write_off(-3);
        assert_eq!(ledger.corrected(), Corrected { conceded: 5, written_off: -3 });
        assert_eq!((ledger.balance(), ledger.totals().adjusted), (23, -7));
        assert_eq!(ledger.balance(), ledger.totals().balance());
    }

    #[test]
    fn a_restored_ledger_knows_its_restart_and_its_corrections() {
        let (restart, corrected) =
            (Timestamp::from_millis(5), Corrected { conceded: 3, written_off: -1 });
        let totals = Totals { fulfilled_in: 50, ..Totals::default() };
        let mut ledger = Ledger::restore(totals, 10)
            .with_uncertain_since(Some(restart))
            .with_corrected(corrected);
        assert_eq!((ledger.balance(), ledger.uncertain(), ledger.held_in()), (50, 10, 0));
        assert_eq!((ledger.uncertain_since(), ledger.corrected()), (Some(restart), corrected));
        assert_eq!(ledger.unsettled(), Unsettled::new(50, 10));

        ledger.hold_out(Amount(4), None).unwrap();
        ledger.make_uncertain(Amount(4));
        assert_eq!((ledger.held_out(), ledger.uncertain()), (0, 14));
        assert_eq!(ledger.uncertain_since(), None, "its restart is still to come");

        let mut ledger = ledger.with_uncertain_since(Some(restart));
        ledger.resolve_uncertain(14).unwrap();
        assert_eq!((ledger.uncertain(), ledger.uncertain_since()), (0, None));
        assert_eq!((ledger.balance(), ledger.corrected().conceded), (36, 17));
        ledger.concede(36);
        assert_eq!(ledger.unsettled(), None);
    }

    #[test]
    fn settlements_bring_the_balance_towards_zero() {
        let mut ledger = Ledger::default();
        ledger.hold_in(Amount(100), None).unwrap();
        ledger.commit_in(Amount(100));
        ledger.settle_in(70).unwrap();
        assert_eq!(ledger.balance(), 30, "the peer has paid 70 of what it owes");
        ledger.settle_out(5).unwrap();
        assert_eq!((ledger.balance(), ledger.totals().settled()), (35, -65));
        assert_eq!(ledger.balance(), ledger.totals().balance());
        assert_eq!(Ledger::restore(ledger.totals(), 0).balance(), 35);
        let before = ledger;
        let most = u128::try_from(SETTLED_MAX).unwrap();
        for too_large in [most - 69, u128::MAX] {
            assert_eq!(ledger.settle_in(too_large), Err(AboveSettledMax));
        }
        assert_eq!(ledger, before);
        ledger.settle_in(most - 70).unwrap();
        ledger.settle_out(most - 5).unwrap();
        assert_eq!(ledger.balance(), 100, "the largest sums are exact");
    }

    #[test]
    fn what_is_unsettled_is_named() {
        let check = |balance, uncertain, text: Option<&str>| {
            let unsettled =
                Unsettled::new(balance, uncertain).map(|unsettled| unsettled.to_string());
            assert_eq!(unsettled.as_deref(), text);
        };
        check(0, 0, None);
        check(-5, 0, Some("a balance of -5"));
        check(0, 30, Some("an uncertain amount of 30"));
        check(5, 30, Some("a balance of 5 and an uncertain amount of 30"));
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
