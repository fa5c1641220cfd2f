//! The node's own accounts, one for each asset and scale: what the node received, sent and converted itself.
//!
//! A paid ping adds to what a peer owes; a converted packet adds to one asset and takes from another. The other half of
//! each entry is booked here. So the balances of all accounts of one asset, including these and the receivers', add up
//! to zero after every packet. The signs are those of receivers: what the node received is a balance below zero.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::batch::Batch;
use super::changed_accounts::ChangedAccounts;
use super::requester_sums::RequesterSums;
use super::snapshot::AccountEntry;
use crate::account::{Asset, Ledger, Totals};
use crate::books::{
    AccountKind, AccountRow, ChangeError, ChangeRequest, FlowEnd, FlowSums, own_account_name,
};
use crate::link::Slot;
use crate::wire::Amount;

/// The own accounts of the process, by asset. At most one for each asset that an account ever had.
#[derive(Debug, Default)]
pub(super) struct OwnAccounts(BTreeMap<Asset, Arc<OwnAccount>>);

#[derive(Debug)]
pub(super) struct OwnAccount {
    asset: Asset,
    state: Mutex<OwnTotals>,
}

#[derive(Debug, Default)]
struct OwnTotals {
    /// What was received has gone out of the books' other accounts, and what was sent has come into them.
    totals: Totals,
    /// Since the last cut. An own account changes only together with another account, which is noted.
    has_changed: bool,
    /// What accounts paid to the node itself since the last cut; `None` without a store.
    paid_by: Option<RequesterSums>,
}

/// A copy of one own account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnAccountReport {
    /// The asset and scale of the balance.
    pub asset: Asset,
    /// Amounts sent minus amounts received.
    pub balance: i128,
    /// What the balance is made of: `fulfilled_in` has been sent, `fulfilled_out` received.
    pub totals: Totals,
}

impl OwnAccountReport {
    /// The name on pages and in metrics. Ids of peers have no colon, so no peer has this name.
    pub fn id(&self) -> String {
        own_account_name(&self.asset).to_string()
    }
}

/// The node itself, as one end of a flow in this asset.
pub(super) fn own_flow_end(asset: &Asset) -> FlowEnd {
    FlowEnd { name: own_account_name(asset), asset: asset.clone() }
}

impl OwnAccounts {
    pub(super) fn find_or_add(
        &mut self,
        asset: &Asset,
        changed: Option<&Arc<ChangedAccounts>>,
    ) -> Arc<OwnAccount> {
        let new = || {
            let paid_by =
                changed.map(|changed| RequesterSums::new(Slot::NONE, Arc::clone(changed)));
            let state = Mutex::new(OwnTotals { paid_by, ..OwnTotals::default() });
            Arc::new(OwnAccount { asset: asset.clone(), state })
        };
        Arc::clone(self.0.entry(asset.clone()).or_insert_with(new))
    }

    /// Goes on with a saved account.
    pub(super) fn restore(
        &mut self,
        asset: &Asset,
        totals: Totals,
        changed: Option<&Arc<ChangedAccounts>>,
    ) {
        self.find_or_add(asset, changed).state.lock().totals = totals;
    }

    /// The rows of the accounts that have changed since the last cut.
    pub(super) fn take_changed(&self) -> Vec<AccountRow> {
        self.0.values().filter_map(|own| own.take_changed()).collect()
    }

    /// The asset of the account that a request names, if it has moved money.
    pub(super) fn assets(&self, request: &ChangeRequest) -> Vec<Asset> {
        let assets = self.0.values().filter(|own| own.report().is_some()).map(|own| &own.asset);
        assets.filter(|asset| request.names(&own_account_name(asset), asset)).cloned().collect()
    }

    /// Makes a change by an operator. Returns the new balance.
    pub(super) fn change(
        &self,
        request: &ChangeRequest,
        asset: &Asset,
    ) -> Result<i128, ChangeError> {
        let unknown = || ChangeError::UnknownAccount(request.account.clone());
        let mut state = self.0.get(asset).ok_or_else(unknown)?.state.lock();
        let mut ledger = Ledger::restore(state.totals, 0);
        request.change.apply(&mut ledger)?;
        (state.totals, state.has_changed) = (ledger.totals(), true);
        Ok(ledger.balance())
    }

    /// What accounts paid to the node itself since the last call, for each own account.
    pub(super) fn take_paid_by(&self) -> Vec<(FlowEnd, Vec<(Slot, FlowSums)>)> {
        self.0.values().map(|own| (own_flow_end(&own.asset), own.take_paid_by())).collect()
    }

    /// The next cut has all accounts.
    pub(super) fn note_all(&self) {
        for own in self.0.values() {
            own.state.lock().has_changed = true;
        }
    }

    /// The accounts that have moved money, sorted by name.
    pub(super) fn report(&self) -> Vec<OwnAccountReport> {
        let mut reports: Vec<_> = self.0.values().filter_map(|own| own.report()).collect();
        reports.sort_by_key(OwnAccountReport::id);
        reports
    }
}

impl OwnAccount {
    fn add_received(&self, amount: Amount) {
        let mut state = self.state.lock();
        let received = &mut state.totals.fulfilled_out;
        *received = received.saturating_add(amount.0.into());
        state.has_changed = true;
    }

    /// Adds what this account paid to the node itself.
    fn add_paid_by(&self, from: Slot, amount: Amount) {
        self.add_received(amount);
        if let Some(paid_by) = &mut self.state.lock().paid_by {
            paid_by.add(from, amount, amount);
        }
    }

    /// Takes what accounts paid to the node itself since the last call.
    fn take_paid_by(&self) -> Vec<(Slot, FlowSums)> {
        let mut state = self.state.lock();
        state.paid_by.as_mut().map(RequesterSums::take).unwrap_or_default()
    }

    fn add_sent(&self, amount: Amount) {
        let mut state = self.state.lock();
        let sent = &mut state.totals.fulfilled_in;
        *sent = sent.saturating_add(amount.0.into());
        state.has_changed = true;
    }

    fn report(&self) -> Option<OwnAccountReport> {
        let totals = self.state.lock().totals;
        let balance = totals.balance();
        let report = || OwnAccountReport { asset: self.asset.clone(), balance, totals };
        (totals != Totals::default()).then(report)
    }

    fn take_changed(&self) -> Option<AccountRow> {
        let mut state = self.state.lock();
        std::mem::take(&mut state.has_changed).then(|| AccountRow {
            name: own_account_name(&self.asset),
            kind: AccountKind::Own,
            asset: self.asset.clone(),
            totals: state.totals,
            held_out: 0,
            uncertain: 0,
            uncertain_since: None,
        })
    }
}

impl Batch<'_> {
    /// Books a fulfilled packet between two accounts. If their assets differ, the node has bought one and sold the
    /// other; in one asset, it has kept the peer's spread.
    #[inline]
    pub(super) fn book_conversion(&self, from: Slot, incoming: Amount, to: Slot, outgoing: Amount) {
        if let (Some(from), Some(to)) = (self.snapshot.entry(from), self.snapshot.entry(to))
            && (!Arc::ptr_eq(&from.own_account, &to.own_account) || incoming != outgoing)
        {
            from.own_account.add_received(incoming);
            to.own_account.add_sent(outgoing);
        }
    }

    /// Books a packet from this account that paid the node itself.
    pub(super) fn book_received(&self, from: Slot, amount: Amount) {
        self.book(from, amount, |own, amount| own.add_paid_by(from, amount));
    }

    /// Books a packet to this account that the node itself paid.
    pub(super) fn book_sent(&self, to: Slot, amount: Amount) {
        self.book(to, amount, OwnAccount::add_sent);
    }

    fn book(&self, account: Slot, amount: Amount, how: impl Fn(&OwnAccount, Amount)) {
        let book = |entry: &AccountEntry| how(&entry.own_account, amount);
        if amount > Amount::ZERO {
            self.snapshot.entry(account).map(book);
        }
    }
}
