//! Books settlements: the change of the balance and the record of it are in the same cut.
//!
//! The caller asks the store for a key first; a key that no durable cut has is found here. So a key has one effect.

use std::collections::BTreeSet;
use std::task::{Context, Poll, Waker};

use super::core::Connector;
use super::snapshot::{AccountEntry, Snapshot};
use crate::account::{AccountId, Asset, SettlementMode, SettlementRules};
use crate::books::{
    Leftover, Quantity, Settlement, SettlementDirection, SettlementError, SettlementKey,
    SettlementState,
};
use crate::link::CutNumber;
use crate::time::Now;
use crate::wire::Timestamp;
use crate::wire::ilp::ErrorCode;

/// Who books a settlement, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettlementNote {
    /// The operator's reference; empty without one.
    pub reference: String,
    /// Who asks for it.
    pub by: String,
}

/// How much a settlement pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettleAmount {
    /// As many units.
    Units(u128),
    /// What the balance lacks to the target, at most `max`.
    UpTo {
        /// The balance after it.
        target: i128,
        /// The most to pay.
        max: u128,
    },
}

impl SettleAmount {
    fn fixed(self) -> Option<u128> {
        match self {
            Self::Units(units) => Some(units),
            Self::UpTo { .. } => None,
        }
    }
}

/// What decides about settlements with a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettlementView {
    /// The account.
    pub account: AccountId,
    /// Its asset and scale.
    pub asset: Asset,
    /// The rules in force.
    pub rules: SettlementRules,
    /// Whether packets pass: a peer that is suspended is not paid.
    pub is_enabled: bool,
    /// The sum of what was fulfilled, settled and adjusted. What is in flight does not count.
    pub balance: i128,
    /// How often the peer rejected a packet of ours with T04.
    pub t04s: u64,
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
        cuts.note_records();
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
        amount: SettleAmount,
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
        let mut book = cuts.settlements.lock();
        let direction = SettlementDirection::Outgoing;
        if let Some((cut, booked)) = book.find_unsaved(direction, account.as_str(), key) {
            let quantity = amount.fixed().map(|units| Quantity::of_units(units, asset.scale));
            let quantity = quantity.unwrap_or_else(|| booked.quantity.clone());
            return Ok((*cut, booked.clone().check_repeated(&quantity)?));
        }
        if let (Some(other), SettlementState::Pending) = (book.under_way(account.as_str()), state) {
            return Err(SettlementError::UnderWay(other.key.clone()));
        }
        let units = {
            let mut state = entry.account.lock();
            let units = match amount {
                SettleAmount::Units(units) => units,
                SettleAmount::UpTo { target, max } => {
                    let missing = target.saturating_sub(state.ledger.balance()).max(0);
                    missing.unsigned_abs().min(max)
                }
            };
            if units == 0 {
                return Err(SettlementError::NothingOwed);
            }
            state.ledger.settle_out(units)?;
            let total = state.ledger.totals().settled_out;
            state.comparison.note_paid(units, total, at);
            units
        };
        let settlement = Settlement {
            key: key.clone(),
            account: account.into(),
            asset: asset.clone(),
            direction,
            quantity: Quantity::of_units(units, asset.scale),
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
        cuts.note_records();
        Ok((cut, settlement))
    }

    /// Saves the new state of a settlement. Its amount does not change. Returns the cut that has it; `None` without a
    /// store.
    pub fn note_settlement(&self, settlement: &Settlement) -> Option<CutNumber> {
        let cuts = self.cuts.as_ref()?;
        let (_turn, _) = cuts.begin_turn();
        let cut = cuts.next();
        cuts.settlements.lock().update(cut, settlement);
        cuts.note_records();
        Some(cut)
    }

    /// What decides about settlements with a peer; `None`: there is no such peer.
    pub fn settlement_view(&self, account: &AccountId) -> Option<SettlementView> {
        let snapshot = self.snapshot.load();
        let slot = snapshot.accounts_by_id.get(account)?.slot();
        snapshot.entry(slot).and_then(AccountEntry::settlement_view)
    }

    /// The same of all peers that have a mode of settlement. Locks one account at a time.
    pub fn settlement_views(&self) -> Vec<SettlementView> {
        let snapshot = self.snapshot.load();
        let entries = snapshot.entries.iter();
        let settling =
            entries.filter(|entry| entry.settings.settlement.mode != SettlementMode::None);
        settling.filter_map(AccountEntry::settlement_view).collect()
    }

    /// Waits until a cut has accounts whose settlement is due, and returns them. Never, without a store.
    pub fn poll_settlements_due(&self, cx: &Context<'_>) -> Poll<Vec<AccountId>> {
        let Some(cuts) = &self.cuts else { return Poll::Pending };
        let mut due = cuts.due.lock();
        if due.accounts.is_empty() {
            due.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(std::mem::take(&mut due.accounts).into_iter().collect())
    }

    /// How many units of an asset we have settled with an account within an hour.
    pub fn settled_within_hour(&self, account: &AccountId, asset: &Asset, now: Now) -> u128 {
        let Some(cuts) = &self.cuts else { return 0 };
        cuts.settlements.lock().settled_within_hour(account.as_str(), asset, now.wall)
    }

    /// A settlement that no durable cut has, with the cut that has it. Look for it before the store is asked: what is
    /// saved in between is in the store.
    pub fn find_unsaved_settlement(
        &self,
        direction: SettlementDirection,
        account: &AccountId,
        key: &SettlementKey,
    ) -> Option<(CutNumber, Settlement)> {
        let book = self.cuts.as_ref()?.settlements.lock();
        book.find_unsaved(direction, account.as_str(), key).cloned()
    }

    /// The settlements that engines have not accepted, also those with peers that a reload has removed.
    pub fn settlements_under_way(&self) -> Vec<Settlement> {
        let Some(cuts) = &self.cuts else { return Vec::new() };
        cuts.settlements.lock().all_under_way().cloned().collect()
    }

    /// The settlement of an account that its engine has not accepted.
    pub fn settlement_under_way(&self, account: &AccountId) -> Option<Settlement> {
        let cuts = self.cuts.as_ref()?;
        cuts.settlements.lock().under_way(account.as_str()).cloned()
    }
}

/// The accounts whose settlement is due by the newest cut.
#[derive(Debug, Default)]
pub(super) struct DueSettlements {
    accounts: BTreeSet<AccountId>,
    waker: Option<Waker>,
}

impl DueSettlements {
    /// Adds accounts, each once. A cut holds up all batches meanwhile, and may have all accounts.
    pub(super) fn add(&mut self, accounts: Vec<AccountId>) {
        self.accounts.extend(accounts);
        if let (false, Some(waker)) = (self.accounts.is_empty(), self.waker.take()) {
            waker.wake();
        }
    }
}

impl AccountEntry {
    fn settlement_view(&self) -> Option<SettlementView> {
        if self.removed || self.settings.is_receiver() {
            return None;
        }
        let (balance, t04s) = {
            let state = self.account.lock();
            (state.ledger.balance(), state.stats.received.count_rejects(ErrorCode::T04))
        };
        Some(SettlementView {
            account: self.account.id().clone(),
            asset: self.settings.asset.clone(),
            rules: self.settings.settlement.clone(),
            is_enabled: self.settings.enabled,
            balance,
            t04s,
        })
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
