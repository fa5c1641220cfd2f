//! What a node concludes from a saved account when it starts.

use super::row::{AccountRow, StoredRow};
use crate::account::{Corrected, Ledger};
use crate::wire::Timestamp;

/// A saved row that breaks the rule of the books.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the account {name} ({asset}) does not add up: fulfilled_in {} - fulfilled_out {} - settled_in {} + settled_out {} + adjusted {} is {}, but its balance is {balance}",
    totals.fulfilled_in, totals.fulfilled_out, totals.settled_in, totals.settled_out, totals.adjusted, totals.balance()
)]
pub struct UnbalancedRow {
    /// The account.
    pub name: String,
    /// Its asset and scale.
    pub asset: String,
    /// What the balance should be made of.
    pub totals: crate::account::Totals,
    /// The saved balance.
    pub balance: i128,
}

/// An account after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredAccount {
    /// The row as it counts from now on.
    pub row: AccountRow,
    /// What became uncertain by this restart.
    pub newly_uncertain: i128,
    /// The store does not have the row in this state.
    pub is_changed: bool,
    /// What its adjustments say of packets.
    pub corrected: Corrected,
}

impl RecoveredAccount {
    /// The row as it was saved, with what is in flight.
    pub fn saved_row(self) -> AccountRow {
        let Self { mut row, newly_uncertain, is_changed, .. } = self;
        row.uncertain = row.uncertain.saturating_sub(newly_uncertain);
        row.held_out = newly_uncertain;
        if is_changed {
            row.uncertain_since = None;
        }
        row
    }

    /// The ledger to go on with.
    pub fn ledger(&self) -> Ledger {
        let ledger = Ledger::restore(self.row.totals, self.row.uncertain);
        ledger.with_uncertain_since(self.row.uncertain_since).with_corrected(self.corrected)
    }
}

/// Recovers an account at a restart, which is now. The peer may have fulfilled what was in flight to it, so that amount
/// becomes uncertain; after a clean stop it is zero. What was in flight from the peer is not in the books: it gets no
/// answer and expires.
///
/// # Errors
/// [`UnbalancedRow`]: the row was changed by other means than this program.
pub fn recover_account(
    stored: StoredRow,
    now: Timestamp,
) -> Result<RecoveredAccount, Box<UnbalancedRow>> {
    let StoredRow { mut row, balance } = stored;
    if row.totals.balance() != balance {
        return Err(Box::new(UnbalancedRow {
            name: row.name.to_string(),
            asset: row.asset.to_string(),
            totals: row.totals,
            balance,
        }));
    }
    let newly_uncertain = if planted!(UncertainForgotten) { 0 } else { row.held_out };
    row.uncertain = row.uncertain.saturating_add(newly_uncertain);
    row.held_out = 0;
    let begins_now = newly_uncertain != 0 || (row.uncertain != 0 && row.uncertain_since.is_none());
    if begins_now {
        row.uncertain_since = Some(now);
    }
    let corrected = Corrected::default();
    Ok(RecoveredAccount { row, newly_uncertain, is_changed: begins_now, corrected })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Asset, Totals};
    use crate::books::{AccountKind, SavedBooks};

    const NOW: Timestamp = Timestamp::from_millis(1000);

    fn stored(balance: i128) -> StoredRow {
        let row = AccountRow {
            name: "c".into(),
            kind: AccountKind::Peer,
            asset: Asset::default(),
            totals: Totals {
                fulfilled_in: 100,
                fulfilled_out: 30,
                settled_in: 4,
                settled_out: 4,
                adjusted: -1,
            },
            held_out: 20,
            uncertain: 5,
            uncertain_since: Some(Timestamp::from_millis(1)),
        };
        StoredRow { row, balance }
    }

    #[test]
    fn what_was_in_flight_to_a_peer_is_uncertain_after_an_unclean_end() {
        let account = recover_account(stored(69), NOW).unwrap();
        assert_eq!((account.row.uncertain, account.newly_uncertain), (25, 20));
        assert_eq!((account.row.uncertain_since, account.is_changed), (Some(NOW), true));
        assert_eq!(account.row.held_out, 0);
        let ledger = account.ledger();
        assert_eq!((ledger.balance(), ledger.held_out(), ledger.uncertain()), (69, 0, 25));
    }

    #[test]
    fn with_nothing_in_flight_only_older_amounts_are_uncertain() {
        let mut stored = stored(69);
        stored.row.held_out = 0;
        let account = recover_account(stored.clone(), NOW).unwrap();
        assert_eq!((account.row.uncertain, account.newly_uncertain), (5, 0));
        let since = Some(Timestamp::from_millis(1));
        assert_eq!((account.row.uncertain_since, account.is_changed), (since, false));
        stored.row.uncertain_since = None;
        let account = recover_account(stored.clone(), NOW).unwrap();
        assert_eq!((account.row.uncertain_since, account.is_changed), (Some(NOW), true));
        stored.row.uncertain = 0;
        let account = recover_account(stored, NOW).unwrap();
        assert_eq!((account.row.uncertain_since, account.is_changed), (None, false));
    }

    #[test]
    fn a_row_that_does_not_add_up_is_named() {
        let message = recover_account(stored(70), NOW).unwrap_err().to_string();
        assert_eq!(
            message,
            "the account c (USD/9) does not add up: fulfilled_in 100 - fulfilled_out 30 - settled_in 4 + settled_out 4 + adjusted -1 is 69, but its balance is 70"
        );
    }

    #[test]
    fn a_reader_of_the_books_has_the_rows_as_they_were_saved() {
        let mut stored = stored(69);
        stored.row.uncertain_since = None;
        let account = recover_account(stored.clone(), NOW).unwrap();
        assert_ne!(account.row, stored.row);
        let mut books = SavedBooks { accounts: vec![account], ..SavedBooks::default() };
        books.show_as_saved();
        assert_eq!(books.accounts[0].row, stored.row);
        // Nothing has changed, so neither has the time.
        stored.row.held_out = 0;
        stored.row.uncertain_since = Some(Timestamp::from_millis(1));
        let account = recover_account(stored.clone(), NOW).unwrap();
        assert_eq!(account.saved_row(), stored.row);
    }
}
