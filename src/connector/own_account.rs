//! The node's own accounts, one for each asset and scale: what the node received, sent and converted itself.
//!
//! A paid ping adds to what a peer owes; a converted packet adds to one asset and takes from another. The other half of
//! each entry is booked here. So the balances of all accounts of one asset, including these and the receivers', add up
//! to zero after every packet. The signs are those of receivers: what the node received is a balance below zero.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::batch::Batch;
use super::snapshot::AccountEntry;
use crate::account::Asset;
use crate::link::Slot;
use crate::wire::Amount;

/// The own accounts of the process, by asset. At most one for each asset that an account ever had.
#[derive(Debug, Default)]
pub(super) struct OwnAccounts(HashMap<Asset, Arc<OwnAccount>>);

#[derive(Debug)]
pub(super) struct OwnAccount {
    asset: Asset,
    totals: Mutex<Totals>,
}

/// Saturating, though it takes 2^64 packets of the largest amount to get there.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    received: u128,
    sent: u128,
}

/// A copy of one own account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnAccountReport {
    /// The asset and scale of the balance.
    pub asset: Asset,
    /// Amounts sent minus amounts received.
    pub balance: i128,
}

impl OwnAccountReport {
    /// The name on pages and in metrics. Ids of peers have no colon, so no peer has this name.
    pub fn id(&self) -> String {
        format!("own:{}", self.asset)
    }
}

impl OwnAccounts {
    pub(super) fn find_or_add(&mut self, asset: &Asset) -> Arc<OwnAccount> {
        let new = || {
            let (asset, totals) = (asset.clone(), Mutex::default());
            Arc::new(OwnAccount { asset, totals })
        };
        Arc::clone(self.0.entry(asset.clone()).or_insert_with(new))
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
        let mut totals = self.totals.lock();
        totals.received = totals.received.saturating_add(amount.0.into());
    }

    fn add_sent(&self, amount: Amount) {
        let mut totals = self.totals.lock();
        totals.sent = totals.sent.saturating_add(amount.0.into());
    }

    fn report(&self) -> Option<OwnAccountReport> {
        let Totals { received, sent } = *self.totals.lock();
        let signed = |total: u128| i128::try_from(total).unwrap_or(i128::MAX);
        let balance = signed(sent).saturating_sub(signed(received));
        (received > 0 || sent > 0).then(|| OwnAccountReport { asset: self.asset.clone(), balance })
    }
}

impl Batch<'_> {
    /// Books a fulfilled packet between two accounts. If their assets differ, the node has bought one and sold the
    /// other.
    #[inline]
    pub(super) fn book_conversion(&self, from: Slot, incoming: Amount, to: Slot, outgoing: Amount) {
        if let (Some(from), Some(to)) = (self.snapshot.entry(from), self.snapshot.entry(to))
            && !Arc::ptr_eq(&from.own_account, &to.own_account)
        {
            from.own_account.add_received(incoming);
            to.own_account.add_sent(outgoing);
        }
    }

    /// Books a packet from this account that paid the node itself.
    pub(super) fn book_received(&self, from: Slot, amount: Amount) {
        self.book(from, amount, OwnAccount::add_received);
    }

    /// Books a packet to this account that the node itself paid.
    pub(super) fn book_sent(&self, to: Slot, amount: Amount) {
        self.book(to, amount, OwnAccount::add_sent);
    }

    fn book(&self, account: Slot, amount: Amount, how: fn(&OwnAccount, Amount)) {
        let book = |entry: &AccountEntry| how(&entry.own_account, amount);
        if amount > Amount::ZERO {
            self.snapshot.entry(account).map(book);
        }
    }
}
