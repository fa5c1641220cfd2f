//! Cuts of the ledger: copies of the accounts that have changed, taken between two batches of packets.
//!
//! Each batch holds the read side of a lock and a cut takes its write side, so that both halves of a packet are in the
//! same cut. Threads that move packets wait for a cut as long as it takes to copy the changed accounts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::{Mutex, RwLock, RwLockReadGuard};

use super::core::Connector;
use super::snapshot::AccountEntry;
use crate::account::{Asset, Ledger};
use crate::books::{AccountKind, AccountRow, Cut};
use crate::link::{CutNumber, DurableCuts, Slot};
use crate::wire::Timestamp;

/// What a connector with a store needs to take cuts.
#[derive(Debug)]
pub(super) struct Cuts {
    turns: RwLock<()>,
    /// The number of the next cut.
    next: AtomicU64,
    /// Whether packets that move money wait for their cut.
    strict: AtomicBool,
    pub(super) changed: Arc<ChangedAccounts>,
    pub(super) durable: Arc<DurableCuts>,
    /// Rows of accounts that have begun again with another asset.
    replaced: Mutex<Vec<AccountRow>>,
}

/// Held by a batch: no cut is taken as long as it exists.
pub(super) type Turn<'a> = RwLockReadGuard<'a, ()>;

impl Cuts {
    /// The first cut follows `newest`, the newest one in the store.
    pub(super) fn new(newest: CutNumber) -> Self {
        let durable = DurableCuts::default();
        durable.publish(newest);
        Self {
            turns: RwLock::default(),
            next: AtomicU64::new(newest.next().0),
            strict: AtomicBool::new(false),
            changed: Arc::default(),
            durable: Arc::new(durable),
            replaced: Mutex::default(),
        }
    }

    /// Begins a turn. Returns the cut that its packets wait for.
    pub(super) fn begin_turn(&self) -> (Turn<'_>, CutNumber) {
        let turn = self.turns.read();
        let after = match self.strict.load(Ordering::Relaxed) {
            true => CutNumber(self.next.load(Ordering::Relaxed)),
            false => CutNumber::NONE,
        };
        (turn, after)
    }

    /// Saves the last state of an account that has changed its asset with the next cut.
    pub(super) fn add_replaced(&self, row: AccountRow) {
        self.replaced.lock().push(row);
    }
}

/// The accounts that have changed since the last cut.
#[derive(Debug, Default)]
pub(super) struct ChangedAccounts(Mutex<ChangedSlots>);

#[derive(Debug, Default)]
struct ChangedSlots {
    slots: Vec<Slot>,
    waker: Option<Waker>,
}

impl ChangedAccounts {
    /// The caller holds the lock of the account.
    #[cold]
    pub(super) fn note(&self, slot: Slot) {
        let mut changed = self.0.lock();
        changed.slots.push(slot);
        if let Some(waker) = changed.waker.take() {
            waker.wake();
        }
    }

    fn take(&self) -> Vec<Slot> {
        std::mem::take(&mut self.0.lock().slots)
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let mut changed = self.0.lock();
        if changed.slots.is_empty() {
            changed.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl Connector {
    /// Waits until an account has changed since the last cut. Never, without a store.
    pub fn poll_changed(&self, cx: &Context<'_>) -> Poll<()> {
        self.cuts.as_ref().map_or(Poll::Pending, |cuts| cuts.changed.poll(cx))
    }

    /// Whether packets that move money wait until their cut is durable. Without a store they never do.
    pub fn set_strict(&self, strict: bool) {
        if let Some(cuts) = &self.cuts {
            cuts.strict.store(strict, Ordering::Relaxed);
        }
    }

    /// Copies all accounts that have changed since the last cut. `None`: this connector has no store.
    pub fn take_cut(&self, at: Timestamp) -> Option<Cut> {
        let cuts = self.cuts.as_ref()?;
        let _no_turn = cuts.turns.write();
        let number = CutNumber(cuts.next.fetch_add(1, Ordering::Relaxed));
        let snapshot = self.snapshot.load();
        let mut accounts = std::mem::take(&mut *cuts.replaced.lock());
        for slot in cuts.changed.take() {
            let Some(entry) = snapshot.entry(slot) else { continue };
            let mut state = entry.account.lock();
            state.ledger.begin_cut();
            accounts.push(entry.row(&state.ledger));
        }
        // There are few of them, and each entry has one.
        accounts.extend(self.configuration.lock().registry.take_changed_own_accounts());
        Some(Cut { number, at, accounts, adjustments: Vec::new() })
    }

    /// The next cut has all accounts, because it is not known what the store holds after an error.
    pub fn note_all_accounts(&self) {
        for entry in &self.snapshot.load().entries {
            entry.account.lock().ledger.note();
        }
        self.configuration.lock().registry.note_own_accounts();
    }

    /// All cuts up to this one are durable: what waits for them may leave.
    pub fn publish_durable(&self, cut: CutNumber) {
        if let Some(cuts) = &self.cuts {
            cuts.durable.publish(cut);
        }
    }
}

impl AccountEntry {
    /// The account's row with this ledger.
    pub(super) fn row(&self, ledger: &Ledger) -> AccountRow {
        let kind =
            if self.settings.is_receiver() { AccountKind::Receiver } else { AccountKind::Peer };
        account_row(self.account.id().into(), kind, &self.settings.asset, ledger)
    }
}

pub(super) fn account_row(
    name: Arc<str>,
    kind: AccountKind,
    asset: &Asset,
    ledger: &Ledger,
) -> AccountRow {
    AccountRow {
        name,
        kind,
        asset: asset.clone(),
        totals: ledger.totals(),
        held_out: ledger.held_out(),
        uncertain: ledger.uncertain(),
    }
}
