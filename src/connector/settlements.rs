//! Books settlements: the change of the balance and the record of it are in the same cut.
//!
//! The caller asks the store for a key first; a key that no durable cut has is found here. So a key has one effect.

use super::core::Connector;
use super::snapshot::{AccountEntry, Snapshot};
use crate::account::AccountId;
use crate::books::{
    Leftover, Quantity, Settlement, SettlementDirection, SettlementError, SettlementKey,
    SettlementState,
};
use crate::link::CutNumber;
use crate::wire::Timestamp;

/// Who books a settlement, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettlementNote {
    /// The operator's reference; empty without one.
    pub reference: String,
    /// Who asks for it.
    pub by: String,
}

impl Connector {
    /// Books what a peer has paid us. Returns the record, and the cut that has it; of a settlement that was booked
    /// before and that no durable cut has, its own.
    ///
    /// # Errors
    /// [`SettlementError`]; nothing has changed then.
    pub fn credit_settlement(
        &self,
        account: &AccountId,
        key: &SettlementKey,
        quantity: &Quantity,
        note: SettlementNote,
        at: Timestamp,
    ) -> Result<(CutNumber, Settlement), SettlementError> {
        let cuts = self.cuts.as_ref().ok_or(SettlementError::NoStore)?;
        // The balance and the record are in the same cut, and no reload changes the asset meanwhile.
        let (_turn, _) = cuts.begin_turn();
        let _configuration = self.configuration.lock();
        let snapshot = self.snapshot.load();
        let entry = find_peer(&snapshot, account)?;
        let mut book = cuts.settlements.lock();
        let direction = SettlementDirection::Incoming;
        if let Some((cut, booked)) = book.find_unsaved(direction, account.as_str(), key) {
            return Ok((*cut, booked.clone().check_repeated(quantity)?));
        }
        let asset = &entry.settings.asset;
        let left_over = book.left_over(account.as_str(), asset);
        let (units, leftover) = quantity.to_units(asset.scale, &left_over)?;
        entry.account.lock().ledger.settle_in(units)?;
        let settlement = Settlement {
            key: key.clone(),
            account: account.into(),
            asset: asset.clone(),
            direction,
            quantity: quantity.clone(),
            units,
            leftover,
            state: SettlementState::Done,
            attempts: 0,
            created_at: at,
            updated_at: at,
            reference: note.reference,
            by: note.by,
        };
        let cut = cuts.next();
        book.begin(cut, &settlement);
        cuts.changed.note_other();
        Ok((cut, settlement))
    }

    /// Books what we pay a peer, before it is paid. `Pending`: an engine pays it, and no other settlement of the
    /// account may begin before the engine has accepted it. `Done`: it is paid by other means.
    ///
    /// # Errors
    /// [`SettlementError`]; nothing has changed then.
    pub fn begin_settlement(
        &self,
        account: &AccountId,
        key: &SettlementKey,
        units: u128,
        state: SettlementState,
        note: SettlementNote,
        at: Timestamp,
    ) -> Result<(CutNumber, Settlement), SettlementError> {
        let cuts = self.cuts.as_ref().ok_or(SettlementError::NoStore)?;
        let (_turn, _) = cuts.begin_turn();
        let _configuration = self.configuration.lock();
        let snapshot = self.snapshot.load();
        let entry = find_peer(&snapshot, account)?;
        let asset = &entry.settings.asset;
        let quantity = Quantity::of_units(units, asset.scale);
        let mut book = cuts.settlements.lock();
        let direction = SettlementDirection::Outgoing;
        if let Some((cut, booked)) = book.find_unsaved(direction, account.as_str(), key) {
            return Ok((*cut, booked.clone().check_repeated(&quantity)?));
        }
        if let (Some(other), SettlementState::Pending) = (book.under_way(account.as_str()), state) {
            return Err(SettlementError::UnderWay(other.key.clone()));
        }
        entry.account.lock().ledger.settle_out(units)?;
        let settlement = Settlement {
            key: key.clone(),
            account: account.into(),
            asset: asset.clone(),
            direction,
            quantity,
            units,
            leftover: Leftover::default(),
            state,
            attempts: 0,
            created_at: at,
            updated_at: at,
            reference: note.reference,
            by: note.by,
        };
        let cut = cuts.next();
        book.begin(cut, &settlement);
        cuts.changed.note_other();
        Ok((cut, settlement))
    }

    /// Saves the new state of a settlement. Its amount does not change. Returns the cut that has it; `None` without a
    /// store.
    pub fn note_settlement(&self, settlement: &Settlement) -> Option<CutNumber> {
        let cuts = self.cuts.as_ref()?;
        let (_turn, _) = cuts.begin_turn();
        let cut = cuts.next();
        cuts.settlements.lock().update(cut, settlement);
        cuts.changed.note_other();
        Some(cut)
    }

    /// A credit that no durable cut has, with the cut that has it.
    pub fn find_unsaved_credit(
        &self,
        account: &AccountId,
        key: &SettlementKey,
    ) -> Option<(CutNumber, Settlement)> {
        let book = self.cuts.as_ref()?.settlements.lock();
        book.find_unsaved(SettlementDirection::Incoming, account.as_str(), key).cloned()
    }

    /// The settlement of an account that its engine has not accepted.
    pub fn settlement_under_way(&self, account: &AccountId) -> Option<Settlement> {
        let cuts = self.cuts.as_ref()?;
        cuts.settlements.lock().under_way(account.as_str()).cloned()
    }
}

fn find_peer<'s>(
    snapshot: &'s Snapshot,
    account: &AccountId,
) -> Result<&'s AccountEntry, SettlementError> {
    let found = snapshot.entries.iter().find(|entry| entry.account.id() == account);
    found
        .filter(|entry| !entry.removed && !entry.settings.is_receiver())
        .ok_or_else(|| SettlementError::UnknownAccount(account.to_string()))
}
