//! Cuts of the ledger: copies of the accounts that have changed, taken between two batches of packets.
//!
//! Each batch holds the read side of a lock and a cut takes its write side, so that both halves of a packet are in the
//! same cut. Threads that move packets wait for a cut as long as it takes to copy the changed accounts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::asset_table::PriceDetail;
use super::changed_accounts::ChangedAccounts;
use super::core::Connector;
use super::own_account::own_flow_end;
use super::received_payments::{ChangedPayments, ReceivedPayments};
use super::registry::Registry;
use super::saved_events::{ChangedEvents, SavedEvents};
use super::settlements::DueSettlements;
use super::snapshot::{AccountEntry, Snapshot};
use crate::account::{AccountId, Asset, Ledger};
use crate::books::{
    AccountKind, AccountRow, Adjustment, ChangeError, ChangeRequest, Cut, CutRecords, FlowBook,
    FlowEnd, FlowRow, FlowSums, ReconciliationRow, Settlement, SettlementBook,
};
use crate::link::{CutNumber, DurableCuts, LeaseCheck, Slot};
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
    /// Changes by operators that are not durable yet, each with the first cut that has it. A later cut repeats them, in
    /// case that an earlier one was not saved. `node` makes one change at a time, and ends what is uncertain once for
    /// each account, so there are few.
    unsaved: Mutex<Vec<(CutNumber, Adjustment)>>,
    /// Whether there may be adjustments, settlements or events that no durable cut has. There seldom are, and a cut
    /// without them takes none of their locks.
    may_have_records: AtomicBool,
    pub(super) received: ReceivedPayments,
    pub(super) events: SavedEvents,
    flows: Mutex<FlowBook>,
    pub(super) settlements: Mutex<SettlementBook>,
    pub(super) due: Mutex<DueSettlements>,
}

/// An uncertain amount, and when it will be released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UncertainRelease {
    /// The account.
    pub account: AccountId,
    /// Its asset and scale.
    pub asset: Asset,
    /// The amount.
    pub amount: i128,
    /// The time of day.
    pub due: Timestamp,
}

/// Held by a batch: no cut is taken as long as it exists.
pub(super) type Turn<'a> = RwLockReadGuard<'a, ()>;

/// Held by a cut, and by a change of settings: no batch is under way as long as it exists.
pub(super) type NoTurn<'a> = RwLockWriteGuard<'a, ()>;

impl Cuts {
    /// The first cut follows `newest`, the newest one in the store, which has these flows of its hour.
    pub(super) fn new(
        newest: CutNumber,
        received: ReceivedPayments,
        flows: Vec<FlowRow>,
        settlements: Vec<Settlement>,
    ) -> Self {
        let durable = DurableCuts::default();
        durable.publish(newest);
        Self {
            turns: RwLock::default(),
            next: AtomicU64::new(newest.next().0),
            strict: AtomicBool::new(false),
            changed: Arc::default(),
            durable: Arc::new(durable),
            unsaved: Mutex::default(),
            may_have_records: AtomicBool::new(false),
            received,
            events: SavedEvents::default(),
            flows: Mutex::new(FlowBook::new(flows)),
            settlements: Mutex::new(SettlementBook::new(settlements)),
            due: Mutex::default(),
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

    /// The cuts from this one on have the record of a change, until one of them is durable.
    pub(super) fn note_made(&self, number: CutNumber, made: Adjustment) {
        self.unsaved.lock().push((number, made));
        self.may_have_records.store(true, Ordering::Relaxed);
    }

    /// A settlement, an event or a delivery was added for the next cut. The caller holds a turn.
    pub(super) fn note_records(&self) {
        self.may_have_records.store(true, Ordering::Relaxed);
        self.changed.note_other();
    }

    /// The records that no durable cut has, with these.
    #[cold]
    fn take_records(&self, at: Timestamp, reconciliations: Vec<ReconciliationRow>) -> CutRecords {
        let ChangedEvents { events, deliveries, forget_before } = self.events.take_changed(at);
        CutRecords {
            adjustments: self.unsaved.lock().iter().map(|(_, made)| made.clone()).collect(),
            settlements: self.settlements.lock().unsaved(),
            events,
            deliveries,
            forget_events_before: forget_before,
            reconciliations,
        }
    }

    /// All cuts up to this one are durable.
    #[cold]
    fn forget_saved_records(&self, cut: CutNumber) {
        let mut unsaved = self.unsaved.lock();
        unsaved.retain(|(first, _)| *first > cut);
        let has_adjustments = !unsaved.is_empty();
        drop(unsaved);
        let has_settlements = self.settlements.lock().forget_saved(cut);
        let has_events = self.events.forget_saved(cut);
        if has_adjustments || has_settlements || has_events {
            self.may_have_records.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn next(&self) -> CutNumber {
        CutNumber(self.next.load(Ordering::Relaxed))
    }

    /// Waits for the batches under way, and lets none begin.
    pub(super) fn stop_turns(&self) -> NoTurn<'_> {
        self.turns.write()
    }

    /// Books what was paid to these accounts, and to the node itself, since the last call.
    pub(super) fn collect_flows<'e>(
        &self,
        snapshot: &Snapshot,
        paid: impl Iterator<Item = &'e AccountEntry>,
        registry: &Registry,
    ) {
        let mut flows = self.flows.lock();
        let mut add = |to: &FlowEnd, entry: Option<&AccountEntry>, sums: Vec<(Slot, FlowSums)>| {
            for (from, sums) in sums {
                let from = snapshot.entry(from);
                let sums = match from.zip(entry) {
                    Some((from, entry)) => snapshot.value_at_mid(from, entry, sums),
                    None => sums,
                };
                let from = from.map_or_else(|| own_flow_end(&to.asset), AccountEntry::flow_end);
                flows.add(from, to.clone(), sums);
            }
        };
        for entry in paid {
            let mut state = entry.account.lock();
            let Some(paid_by) = &mut state.paid_by else { continue };
            let sums = paid_by.take();
            drop(state);
            add(&entry.flow_end(), Some(entry), sums);
        }
        for (own, sums) in registry.own_accounts.take_paid_by() {
            add(&own, None, sums);
        }
    }

    /// The flows of a cut, if they are due.
    fn take_flows(
        &self,
        (at, number): (Timestamp, CutNumber),
        snapshot: &Snapshot,
        registry: &Registry,
    ) -> Vec<FlowRow> {
        if !self.flows.lock().is_due(at) {
            return Vec::new();
        }
        let paid = self.changed.take_paid();
        let paid = paid.iter().filter_map(|slot| snapshot.entry(*slot));
        self.collect_flows(snapshot, paid, registry);
        self.flows.lock().take_changed(at, number)
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
        let _no_turn = cuts.stop_turns();
        let number = CutNumber(cuts.next.fetch_add(1, Ordering::Relaxed));
        let snapshot = self.snapshot.load();
        let mut accounts = self.configuration.lock().registry.take_changed_unused();
        let changed = cuts.changed.take();
        // And one of the node itself.
        accounts.reserve(changed.len() + 1);
        let mut due = Vec::new();
        let mut reconciliations = Vec::new();
        for entry in changed.iter().filter_map(|slot| snapshot.entry(*slot)) {
            let mut state = entry.account.lock();
            state.ledger.begin_cut();
            accounts.push(entry.row(&state.ledger));
            let rules = &entry.settings.settlement;
            if rules.threshold.is_some() && rules.is_due(state.ledger.balance()) {
                due.push(entry.account.id().clone());
            }
            if state.comparison.is_changed() {
                let (id, asset) = (entry.account.id(), &entry.settings.asset);
                reconciliations.extend(state.comparison.take_row(id, asset));
            }
        }
        cuts.changed.reuse(changed);
        if !due.is_empty() {
            cuts.due.lock().add(due);
        }
        // There are few of them, and each entry has one.
        let configuration = self.configuration.lock();
        let registry = &configuration.registry;
        accounts.extend(registry.take_changed_own_accounts());
        let flows = cuts.take_flows((at, number), &snapshot, registry);
        let ChangedPayments { payments, summed_up } = cuts.received.take_changed();
        let has_records =
            !reconciliations.is_empty() || cuts.may_have_records.load(Ordering::Relaxed);
        let records = has_records.then(|| Box::new(cuts.take_records(at, reconciliations)));
        Some(Cut { number, at, accounts, flows, payments, summed_up, records })
    }

    /// Has a cut taken if flows are due that the last one lacks. Call it every second or more often.
    pub fn note_due_flows(&self, at: Timestamp) {
        let Some(cuts) = &self.cuts else { return };
        let (has_collected, is_due) = {
            let flows = cuts.flows.lock();
            (flows.has_new(), flows.is_due(at))
        };
        if is_due && (has_collected || cuts.changed.has_paid()) {
            cuts.changed.note_other();
        }
    }

    /// The next cut has all accounts, because it is not known what the store holds after an error.
    pub fn note_all_accounts(&self) {
        // During a reload, a ledger could pass from the registry to an account unseen.
        let _turn = self.cuts.as_ref().map(Cuts::begin_turn);
        self.cuts.iter().for_each(|cuts| cuts.received.note_all());
        for entry in self.snapshot.load().entries.iter() {
            let mut state = entry.account.lock();
            state.ledger.note();
            state.comparison.note();
        }
        let mut configuration = self.configuration.lock();
        configuration.registry.note_own_accounts();
        configuration.registry.note_unused();
        if let Some(cuts) = &self.cuts {
            cuts.flows.lock().note_all();
        }
    }

    /// Makes a change by an operator, of any account that has a ledger, configured or not. Returns its record, and the
    /// cut that has both.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing has changed then.
    pub fn change_balance(
        &self,
        request: &ChangeRequest,
        at: Timestamp,
    ) -> Result<(CutNumber, Adjustment), ChangeError> {
        let cuts = self.cuts.as_ref().ok_or(ChangeError::NoStore)?;
        // The balance and the record are in the same cut.
        let _turn = cuts.turns.read();
        let number = cuts.next();
        let mut configuration = self.configuration.lock();
        let snapshot = self.snapshot.load();
        let entries = snapshot.entries.iter();
        let named =
            entries.filter(|one| request.names(one.account.id().as_str(), &one.settings.asset));
        let named: Vec<_> = named.collect();
        let mut assets = configuration.registry.unused_assets(request);
        assets.extend(named.iter().map(|entry| entry.settings.asset.clone()));
        let asset = match &*assets {
            [] => return Err(ChangeError::UnknownAccount(request.account.clone())),
            [asset] => asset.clone(),
            [one, other, ..] => {
                let (account, one, other) = (request.account.clone(), one.clone(), other.clone());
                return Err(ChangeError::SeveralAssets { account, one, other });
            }
        };
        let balance = match &*named {
            [entry, ..] => {
                let mut state = entry.account.lock();
                state.ledger.change(request.change)?;
                state.ledger.balance()
            }
            [] => {
                let balance = configuration.registry.change_unused(request, &asset)?;
                cuts.changed.note_other();
                balance
            }
        };
        let made = request.made(at, request.account.as_str().into(), asset, balance);
        cuts.note_made(number, made.clone());
        Ok((number, made))
    }

    /// The number of the next cut: what is booked by now is in it, or in an earlier one. `None`: this
    /// connector has no store.
    pub fn next_cut(&self) -> Option<CutNumber> {
        self.cuts.as_ref().map(Cuts::next)
    }

    /// The uncertain amounts that `uncertainHoldMs` releases. Locks one account at a time.
    pub fn uncertain_releases(&self) -> Vec<UncertainRelease> {
        let snapshot = self.snapshot.load();
        let releases = snapshot.entries.iter().filter_map(|entry| {
            let hold = entry.settings.limits.uncertain_hold?;
            let ledger = *entry.account.lock().ledger;
            let hold_ms = u64::try_from(hold.as_millis()).unwrap_or(u64::MAX);
            Some(UncertainRelease {
                account: entry.account.id().clone(),
                asset: entry.settings.asset.clone(),
                amount: ledger.uncertain(),
                due: ledger.uncertain_since()?.saturating_add_millis(hold_ms),
            })
        });
        releases.collect()
    }

    /// The newest durable cut.
    pub fn durable_cut(&self) -> CutNumber {
        self.cuts.as_ref().map_or(CutNumber::NONE, |cuts| cuts.durable.newest())
    }

    /// Waits until a cut is durable. Never, without a store.
    pub fn poll_durable(&self, cut: CutNumber, cx: &Context<'_>) -> Poll<()> {
        self.cuts.as_ref().map_or(Poll::Pending, |cuts| cuts.durable.poll_durable(cut, cx))
    }

    /// From now on, packets leave only while this process has the lease of the books.
    pub fn set_lease(&self, check: LeaseCheck) {
        if let Some(cuts) = &self.cuts {
            cuts.durable.set_lease(check);
        }
    }

    /// The lease is valid: what waited for it may leave.
    pub fn wake_for_lease(&self) {
        if let Some(cuts) = &self.cuts {
            cuts.durable.wake_for_lease();
        }
    }

    /// All cuts up to this one are durable: what waits for them may leave.
    pub fn publish_durable(&self, cut: CutNumber) {
        if let Some(cuts) = &self.cuts {
            // What is added from now on sets it again.
            if cuts.may_have_records.swap(false, Ordering::Relaxed) {
                cuts.forget_saved_records(cut);
            }
            cuts.received.forget_saved(cut);
            cuts.durable.publish(cut);
            cuts.flows.lock().forget_saved(cut);
        }
    }
}

impl Snapshot {
    /// The sums of a flow, with their value at the rate in force.
    fn value_at_mid(&self, from: &AccountEntry, to: &AccountEntry, sums: FlowSums) -> FlowSums {
        match self.price_detail(from, to) {
            Some(PriceDetail::Price { mid: Some(mid), spread }) => {
                sums.at_rate(*mid, from.settings.spread.unwrap_or(*spread))
            }
            // Packets that were in flight when their rate ended.
            _ => sums,
        }
    }
}

impl AccountEntry {
    fn flow_end(&self) -> FlowEnd {
        FlowEnd { name: self.account.id().into(), asset: self.settings.asset.clone() }
    }

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
        uncertain_since: ledger.uncertain_since(),
    }
}
