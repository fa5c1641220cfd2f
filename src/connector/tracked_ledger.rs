//! An account's ledger that notes its first change since the last cut, so that a cut copies only accounts that have
//! changed.

use std::ops::Deref;
use std::sync::Arc;

use super::changed_accounts::ChangedAccounts;
use crate::account::{AboveSettledMax, Ledger, OverLimit};
use crate::books::{BalanceChange, ChangeError};
use crate::link::Slot;
use crate::wire::Amount;

/// All changes of a ledger pass through here. Amounts held for packets *from* the peer are not saved: they have no
/// effect after a restart.
#[derive(Debug)]
pub(super) struct TrackedLedger {
    ledger: Ledger,
    /// The account is in the list of those that have changed. Without a store always, so that nothing is noted.
    is_noted: bool,
    slot: Slot,
    changed: Option<Arc<ChangedAccounts>>,
}

impl Deref for TrackedLedger {
    type Target = Ledger;

    fn deref(&self) -> &Ledger {
        &self.ledger
    }
}

impl TrackedLedger {
    pub(super) fn new(ledger: Ledger, slot: Slot, changed: Option<Arc<ChangedAccounts>>) -> Self {
        Self { ledger, is_noted: changed.is_none(), slot, changed }
    }

    /// The list of what has changed. `None` without a store.
    pub(super) fn changed(&self) -> Option<Arc<ChangedAccounts>> {
        self.changed.clone()
    }

    pub(super) fn hold_in(
        &mut self,
        amount: Amount,
        max_balance: Option<i128>,
    ) -> Result<(), OverLimit> {
        self.ledger.hold_in(amount, max_balance)
    }

    pub(super) fn release_in(&mut self, amount: Amount) {
        self.ledger.release_in(amount);
    }

    pub(super) fn commit_in(&mut self, amount: Amount) {
        self.note_amount(amount);
        self.ledger.commit_in(amount);
    }

    pub(super) fn hold_out(
        &mut self,
        amount: Amount,
        min_balance: Option<i128>,
    ) -> Result<(), OverLimit> {
        self.note_amount(amount);
        self.ledger.hold_out(amount, min_balance)
    }

    pub(super) fn release_out(&mut self, amount: Amount) {
        self.note_amount(amount);
        self.ledger.release_out(amount);
    }

    pub(super) fn commit_out(&mut self, amount: Amount) {
        self.note_amount(amount);
        self.ledger.commit_out(amount);
    }

    /// The packet's answer will not be seen any more, and the peer may have fulfilled it.
    pub(super) fn make_uncertain(&mut self, amount: Amount) {
        self.note_amount(amount);
        self.ledger.make_uncertain(amount);
    }

    /// The peer has paid us.
    pub(super) fn settle_in(&mut self, units: u128) -> Result<(), AboveSettledMax> {
        self.ledger.settle_in(units)?;
        self.note();
        Ok(())
    }

    /// We pay the peer.
    pub(super) fn settle_out(&mut self, units: u128) -> Result<(), AboveSettledMax> {
        self.ledger.settle_out(units)?;
        self.note();
        Ok(())
    }

    /// Makes a change by an operator.
    pub(super) fn change(&mut self, change: BalanceChange) -> Result<(), ChangeError> {
        change.apply(&mut self.ledger)?;
        self.note();
        Ok(())
    }

    /// Goes on with the ledger of another asset. Returns the old one.
    pub(super) fn replace(&mut self, ledger: Ledger) -> Ledger {
        std::mem::replace(&mut self.ledger, ledger)
    }

    /// The cut copies the account now: the next change is noted again.
    pub(super) fn begin_cut(&mut self) {
        self.is_noted = self.changed.is_none();
    }

    #[inline]
    fn note_amount(&mut self, amount: Amount) {
        if !self.is_noted && amount.0 > 0 {
            self.note();
        }
    }

    /// Puts the account into the list of those that have changed, once.
    pub(super) fn note(&mut self) {
        if let (false, Some(changed)) = (self.is_noted, &self.changed) {
            changed.note(self.slot);
            self.is_noted = true;
        }
    }
}
