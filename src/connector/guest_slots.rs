//! The slots of guests that were forgotten, for the guests that come after them: guests come and go as they like, and
//! must not make the table of accounts longer for ever.
//!
//! An account gives its slot up once nothing refers to it any more: it was removed by an earlier configuration, has no
//! session and nothing in flight, and only the snapshot in force holds it. Its ledger is kept, so that no money is
//! lost, and goes on when the guest comes back. What still counts for the slot for a while (a share of a next hop,
//! counters of Rejects) passes to the next guest, and never to a peer.

use std::collections::HashSet;
use std::sync::Arc;

use super::account::Account;
use super::core::Connector;
use super::registry::Registry;
use super::snapshot::AccountEntry;
use super::unused_ledgers::SavedLedger;
use crate::account::{AccountId, AccountSettings, Totals};
use crate::books::ReconcileState;
use crate::link::Slot;

/// What is known of peers' books for accounts that are not in use; above it, that of guests is given up.
const COMPARISONS_MAX: usize = 10_000;
/// Holders of an account that nothing uses: the table by id, and the entry of the snapshot in force.
const HOLDERS_MAX: usize = 2;

/// What the registry knows of guests from the snapshot before.
#[derive(Debug, Default)]
pub(super) struct ForgottenGuests {
    /// The guests that the snapshot in force has without serving them.
    removed: HashSet<AccountId>,
    /// Slots that their accounts have given up, for the new guests of the snapshot that is built.
    free: Vec<Slot>,
}

/// What guests owe the node, and what it owes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuestSums {
    /// Units that guests owe the node.
    pub owe: i128,
    /// Units that the node owes to guests.
    pub owed: i128,
}

impl GuestSums {
    /// Adds the balance of a guest. Positive: it owes the node.
    pub fn add(&mut self, balance: i128) {
        self.owe = self.owe.saturating_add(balance.max(0));
        self.owed = self.owed.saturating_add(balance.min(0).saturating_neg());
    }
}

impl Connector {
    /// The balances of guests whose slots others have now. No account of a report has them.
    pub fn forgotten_guest_sums(&self) -> GuestSums {
        let mut sums = GuestSums::default();
        let configuration = self.configuration.lock();
        let ledgers = configuration.registry.unused_ledgers.iter();
        let guests = ledgers.filter(|(id, ..)| id.is_guest());
        guests.for_each(|(_, _, saved)| sums.add(saved.ledger.balance()));
        sums
    }
}

impl Registry {
    /// Frees as many slots as there are new guests in `configured`, if so many guests have left. `removed`: the
    /// accounts that no configuration names now; those whose slots are freed leave the list.
    pub(super) fn free_slots_of_guests(
        &mut self,
        configured: &[AccountSettings],
        removed: &mut Vec<AccountSettings>,
    ) {
        let is_new_guest =
            |new: &&AccountSettings| new.id.is_guest() && !self.by_id.contains_key(&new.id);
        let wanted = configured.iter().filter(is_new_guest).count();
        let is_leaving = |settings: &&AccountSettings| {
            let account = self.by_id.get(&settings.id);
            self.forgotten_guests.removed.contains(&settings.id) && account.is_some_and(is_unused)
        };
        // All are chosen before the table changes, which may copy it, and then it holds each account twice.
        let leaving = removed.iter().filter(is_leaving).take(wanted);
        let leaving: HashSet<_> = leaving.map(|settings| settings.id.clone()).collect();
        for settings in removed.extract_if(.., |settings| leaving.contains(&settings.id)) {
            self.give_up(settings);
        }
    }

    /// Frees the slot of an account, and keeps its ledger.
    fn give_up(&mut self, settings: AccountSettings) {
        let AccountSettings { id, asset, .. } = settings;
        let Some(account) = Arc::make_mut(&mut self.by_id).remove(&id) else { return };
        self.last_assets.remove(&id);
        self.forgotten_guests.free.push(account.slot());
        let (ledger, comparison) = {
            let state = account.lock();
            (*state.ledger, state.comparison.state.clone())
        };
        if ledger.totals() == Totals::default() && ledger.unsettled().is_none() {
            return;
        }
        if comparison != ReconcileState::default() {
            if self.comparisons.len() >= COMPARISONS_MAX {
                self.comparisons.retain(|(id, _), _| !id.is_guest());
            }
            self.comparisons.insert((id.clone(), asset.clone()), comparison);
        }
        // The store may not have it yet, and its slot will mean another account.
        let saved = SavedLedger { ledger, is_receiver: false, is_changed: self.changed.is_some() };
        self.unused_ledgers.insert_guest(id, asset, saved);
        if let Some(changed) = &self.changed {
            changed.note_other();
        }
    }

    /// The slot of a new account. Only a guest gets one that was freed: a peer must not begin with what is counted for
    /// another account.
    pub(super) fn next_slot(&mut self, id: &AccountId) -> Slot {
        let free = &mut self.forgotten_guests.free;
        let freed = if id.is_guest() { free.pop() } else { None };
        freed.unwrap_or_else(|| Slot::from_index(self.by_id.len() + free.len()))
    }

    /// Notes the guests of a snapshot. Where a next hop is shared, all of them count as one requester.
    pub(super) fn note_guests(&mut self, entries: &[AccountEntry]) {
        let guests = || entries.iter().filter(|entry| entry.settings.id.is_guest());
        let removed = guests().filter(|guest| guest.removed);
        self.forgotten_guests.removed = removed.map(|guest| guest.settings.id.clone()).collect();
        // The slot of a guest is never that of another account, so that an earlier snapshot had no guests either.
        if guests().next().is_none() {
            return;
        }
        let is_guest: Arc<[bool]> =
            entries.iter().map(|entry| entry.settings.id.is_guest()).collect();
        entries.iter().for_each(|entry| entry.account.lock().shares.set_guests(&is_guest));
    }
}

/// Whether nothing refers to an account but the table by id and the entry of the snapshot in force.
fn is_unused(account: &Arc<Account>) -> bool {
    let state = account.lock();
    let is_idle = state.in_flight == 0 && state.pending.is_empty() && state.sessions.is_empty();
    is_idle && Arc::strong_count(account) <= HOLDERS_MAX
}
