//! What each requester paid to one account since the last cut, under that account's lock.

use std::sync::Arc;

use super::changed_accounts::ChangedAccounts;
use crate::books::FlowSums;
use crate::link::Slot;
use crate::wire::Amount;

/// Requesters with sums of their own between two cuts. Packets of others are in the balances, and in no flow.
const REQUESTERS_MAX: usize = 128;
/// No requester: there is no account with this slot, and it is not the node itself.
const NO_REQUESTER: Slot = Slot(Slot::NONE.0 - 1);

/// Kept only by a connector with a store.
#[derive(Debug)]
pub(super) struct RequesterSums {
    /// The requester of the last packet is likely to be that of the next one.
    last: PaidSums,
    others: Vec<PaidSums>,
    /// The account that was paid.
    slot: Slot,
    changed: Arc<ChangedAccounts>,
}

/// Sums of 2^64 packets would be needed to overflow, so they use the arithmetic that costs least.
#[derive(Clone, Copy, Debug)]
struct PaidSums {
    requester: Slot,
    packets: u64,
    amount_in: u128,
    amount_out: u128,
}

impl PaidSums {
    fn new(requester: Slot) -> Self {
        Self { requester, packets: 0, amount_in: 0, amount_out: 0 }
    }

    fn sums(self) -> (Slot, FlowSums) {
        let amount = |sum| i128::try_from(sum).unwrap_or(i128::MAX);
        let (amount_in, amount_out) = (amount(self.amount_in), amount(self.amount_out));
        // At no rate yet: that follows from the accounts.
        let sums = FlowSums { amount_in, ..FlowSums::at_par(self.packets, amount_out) };
        (self.requester, sums)
    }
}

impl RequesterSums {
    /// Empty sums of an account.
    pub(super) fn new(slot: Slot, changed: Arc<ChangedAccounts>) -> Self {
        Self { last: PaidSums::new(NO_REQUESTER), others: Vec::new(), slot, changed }
    }

    /// Adds a fulfilled packet. [`Slot::NONE`] is the node itself.
    #[inline]
    pub(super) fn add(&mut self, requester: Slot, incoming: Amount, outgoing: Amount) {
        // A packet without money changes nothing that is saved.
        if incoming.0 | outgoing.0 == 0 {
            return;
        }
        if self.last.requester != requester && !self.change_last(requester) {
            return;
        }
        let last = &mut self.last;
        last.packets = last.packets.wrapping_add(1);
        last.amount_in = last.amount_in.wrapping_add(incoming.0.into());
        last.amount_out = last.amount_out.wrapping_add(outgoing.0.into());
    }

    /// Goes on with the sums of another requester. `false`: there are too many.
    #[cold]
    fn change_last(&mut self, requester: Slot) -> bool {
        let is_first = self.last.requester == NO_REQUESTER;
        if is_first {
            self.changed.note_paid(self.slot);
        }
        let known = self.others.iter().position(|other| other.requester == requester);
        let next = match known {
            Some(index) => self.others.swap_remove(index),
            None if self.others.len() + 1 >= REQUESTERS_MAX => return false,
            None => PaidSums::new(requester),
        };
        let last = std::mem::replace(&mut self.last, next);
        if !is_first {
            self.others.push(last);
        }
        true
    }

    /// Takes the sums, for a cut.
    pub(super) fn take(&mut self) -> Vec<(Slot, FlowSums)> {
        let last = std::mem::replace(&mut self.last, PaidSums::new(NO_REQUESTER));
        let all = self.others.drain(..).chain([last]);
        all.filter(|paid| paid.packets > 0).map(PaidSums::sums).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_requester_has_its_sums_until_they_are_taken() {
        let changed = Arc::<ChangedAccounts>::default();
        let mut sums = RequesterSums::new(Slot(3), Arc::clone(&changed));
        assert_eq!(sums.take(), []);
        for (requester, amount) in [(1, 5), (2, 0), (2, 7), (1, 6), (2, 8)] {
            sums.add(Slot(requester), Amount(amount), Amount(amount * 2));
        }
        let of = |amount_in| FlowSums { amount_in, ..FlowSums::at_par(2, amount_in * 2) };
        let mut taken = sums.take();
        taken.sort_by_key(|(requester, _)| *requester);
        assert_eq!(taken, [(Slot(1), of(11)), (Slot(2), of(15))]);
        assert_eq!(sums.take(), []);
        assert_eq!(changed.take_paid(), [Slot(3)], "noted once");
        sums.add(Slot(2), Amount(1), Amount(1));
        assert_eq!(changed.take_paid(), [Slot(3)], "and once more");
    }

    #[test]
    fn what_the_node_itself_paid_is_noted_and_summed() {
        let changed = Arc::<ChangedAccounts>::default();
        let mut sums = RequesterSums::new(Slot(3), Arc::clone(&changed));
        sums.add(Slot::NONE, Amount(5), Amount(5));
        assert_eq!(changed.take_paid(), [Slot(3)]);
        let paid = FlowSums { amount_in: 5, ..FlowSums::at_par(1, 5) };
        assert_eq!(sums.take(), [(Slot::NONE, paid)]);
    }

    #[test]
    fn too_many_requesters_have_no_sums() {
        let changed = Arc::<ChangedAccounts>::default();
        let mut sums = RequesterSums::new(Slot(3), Arc::clone(&changed));
        for requester in 0..1000 {
            sums.add(Slot(requester), Amount(1), Amount(1));
        }
        assert_eq!(sums.take().len(), REQUESTERS_MAX);
        sums.add(Slot(999), Amount(1), Amount(1));
        assert_eq!(sums.take().len(), 1);
    }
}
