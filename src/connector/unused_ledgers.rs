//! Ledgers that no account uses now: of saved accounts that are not configured, or that had another asset.

use std::collections::BTreeMap;

use super::cuts::account_row;
use crate::account::{AccountId, Asset, Ledger};
use crate::books::{AccountKind, AccountRow, ChangeError, ChangeRequest};

/// Ledgers that are kept before settled ones of guests are given up.
const GUESTS_KEPT_MAX: usize = 10_000;

/// The ledger of an account, and whether the account was a receiver.
#[derive(Clone, Copy, Debug)]
pub(super) struct SavedLedger {
    pub(super) ledger: Ledger,
    pub(super) is_receiver: bool,
    /// The store does not have it in this state.
    pub(super) is_changed: bool,
}

/// By account and asset.
#[derive(Debug, Default)]
pub(super) struct UnusedLedgers {
    ledgers: BTreeMap<(AccountId, Asset), SavedLedger>,
    /// Perhaps one of them has changed since the last cut. Otherwise a cut does not look at them.
    has_changed: bool,
}

impl UnusedLedgers {
    pub(super) fn insert(&mut self, id: AccountId, asset: Asset, saved: SavedLedger) {
        self.has_changed |= saved.is_changed;
        self.ledgers.insert((id, asset), saved);
    }

    /// Keeps the ledger of a guest that is forgotten. If there are very many, those that are settled and saved go.
    pub(super) fn insert_guest(&mut self, id: AccountId, asset: Asset, saved: SavedLedger) {
        if self.ledgers.len() >= GUESTS_KEPT_MAX {
            self.ledgers.retain(|(id, _), one| {
                !id.is_guest() || one.is_changed || one.ledger.unsettled().is_some()
            });
        }
        self.insert(id, asset, saved);
    }

    pub(super) fn remove(&mut self, id: &AccountId, asset: &Asset) -> Option<SavedLedger> {
        self.ledgers.remove(&(id.clone(), asset.clone()))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&AccountId, &Asset, &SavedLedger)> {
        self.ledgers.iter().map(|((id, asset), saved)| (id, asset, saved))
    }

    /// The assets in which a request may mean one of them.
    pub(super) fn assets(&self, request: &ChangeRequest) -> Vec<Asset> {
        let named = self.iter().filter(|(id, asset, _)| request.names(id.as_str(), asset));
        named.map(|(_, asset, _)| asset.clone()).collect()
    }

    /// Makes a change by an operator. Returns the new balance; `None`: there is no such ledger.
    pub(super) fn change(
        &mut self,
        request: &ChangeRequest,
        asset: &Asset,
    ) -> Option<Result<i128, ChangeError>> {
        let key = (request.account.parse().ok()?, asset.clone());
        let saved = self.ledgers.get_mut(&key)?;
        if let Err(error) = request.change.apply(&mut saved.ledger) {
            return Some(Err(error));
        }
        saved.is_changed = true;
        self.has_changed = true;
        Some(Ok(saved.ledger.balance()))
    }

    /// The rows of those that have changed since the last cut.
    pub(super) fn take_changed(&mut self) -> Vec<AccountRow> {
        if !std::mem::take(&mut self.has_changed) {
            return Vec::new();
        }
        let changed = self.ledgers.iter_mut().filter(|(_, saved)| saved.is_changed);
        let rows = changed.map(|((id, asset), saved)| {
            saved.is_changed = false;
            let kind = match saved.is_receiver {
                true => AccountKind::Receiver,
                false => AccountKind::Peer,
            };
            account_row(id.into(), kind, asset, &saved.ledger)
        });
        rows.collect()
    }

    /// The next cut has all of them.
    pub(super) fn note_all(&mut self) {
        self.has_changed = !self.ledgers.is_empty();
        self.ledgers.values_mut().for_each(|saved| saved.is_changed = true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Totals;

    #[test]
    fn of_very_many_forgotten_guests_those_go_that_are_settled_and_saved() {
        let mut ledgers = UnusedLedgers::default();
        let mut insert = |id: &str, fulfilled_in, is_changed| {
            let totals = Totals { fulfilled_in, ..Totals::default() };
            let ledger = Ledger::restore(totals, 0);
            let saved = SavedLedger { ledger, is_receiver: false, is_changed };
            ledgers.insert_guest(id.parse().unwrap(), Asset::default(), saved);
            ledgers.ledgers.len()
        };
        insert("peer", 0, false);
        insert("guest~owes", 5, false);
        insert("guest~unsaved", 0, true);
        for number in 3..GUESTS_KEPT_MAX {
            assert_eq!(insert(&format!("guest~{number}"), 0, false), number + 1);
        }
        assert_eq!(insert("guest~new", 0, false), 4);
        let kept: Vec<_> = ledgers.iter().map(|(id, ..)| id.as_str()).collect();
        assert_eq!(kept, ["guest~new", "guest~owes", "guest~unsaved", "peer"]);
    }
}
