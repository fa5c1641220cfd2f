//! The books as a journal in double entry: entries whose postings add up to zero in each asset.
//!
//! A posting of an account of the node has the sign of its balance: above zero, the peer owes us. The other side of an
//! adjustment stands on an account that only the journal has.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::adjustment::{Adjustment, BalanceChange};
use super::history::BooksHistory;
use super::row::AccountKind;
use crate::account::{Asset, Totals};
use crate::wire::Timestamp;

/// A span of time in UTC: from its first moment up to, but without, its last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// `None`: since the books began.
    pub from: Option<Timestamp>,
    /// `None`: until the newest cut.
    pub to: Option<Timestamp>,
}

/// An account of the journal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum JournalAccount {
    /// An account of the node, by its name in the store.
    Node(AccountKind, Arc<str>),
    /// The other side of `ledger adjust`.
    Adjustments,
    /// The other side of `ledger resolve`.
    Concessions,
    /// What the packets of all accounts lack to add up to zero; empty unless the store was changed by other means.
    Unbalanced,
}

/// An amount on one account, in units of the asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// The account.
    pub account: JournalAccount,
    /// The asset and scale.
    pub asset: Asset,
    /// The amount.
    pub amount: i128,
}

/// Postings that add up to zero in each asset and scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// When it happened.
    pub at: Timestamp,
    /// What happened, on one line.
    pub text: String,
    /// The amounts.
    pub postings: Vec<Posting>,
}

/// The entries of a period, and the balances at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// Which books these are.
    pub books_id: String,
    /// In the order of time. What was before the period is the first one.
    pub entries: Vec<JournalEntry>,
    /// The last moment of the period.
    pub closed_at: Timestamp,
    /// The balance of each account of the node then. Without an end of the period they are those that the store keeps,
    /// not sums of the entries.
    pub balances: Vec<Posting>,
}

type Sums = BTreeMap<(JournalAccount, Arc<str>, u8), i128>;

impl Journal {
    /// The journal of a period.
    pub fn new(history: &BooksHistory, period: Period) -> Self {
        let mut entries: Vec<_> = history
            .adjustments
            .iter()
            .map(|adjustment| adjustment_entry(adjustment, history))
            .collect();
        entries.extend(packets_entry(history));
        entries.sort_by_key(|entry| entry.at);
        let last_at = entries.last().map_or(history.cut_at, |entry| entry.at.max(history.cut_at));
        if let Some(to) = period.to {
            entries.retain(|entry| entry.at < to);
        }
        let sums = sum(&entries);
        let first = entries.partition_point(|entry| Some(entry.at) < period.from);
        let in_period = entries.split_off(first);
        let before = sum(&entries);
        let mut entries = Vec::new();
        if let (Some(at), false) = (period.from, before.is_empty()) {
            let text = "opening balances".to_owned();
            entries.push(JournalEntry { at, text, postings: postings_of(before) });
        }
        entries.extend(in_period);
        let (closed_at, balances) = match period.to.filter(|to| *to <= last_at) {
            Some(to) => {
                let is_of_node =
                    |posting: &Posting| matches!(posting.account, JournalAccount::Node(..));
                let balances = postings_of(sums).into_iter().filter(is_of_node).collect();
                (to.saturating_sub_millis(1), balances)
            }
            None => (last_at, saved_balances(history)),
        };
        Self { books_id: history.books.books_id.clone(), entries, closed_at, balances }
    }
}

impl Posting {
    fn key(&self) -> (JournalAccount, Arc<str>, u8) {
        (self.account.clone(), Arc::clone(&self.asset.code), self.asset.scale)
    }
}

/// What the postings add up to, on each account. Accounts without an amount are left out.
fn sum(entries: &[JournalEntry]) -> Sums {
    let mut sums = Sums::new();
    for posting in entries.iter().flat_map(|entry| &entry.postings) {
        let sum = sums.entry(posting.key()).or_default();
        *sum = sum.saturating_add(posting.amount);
    }
    sums.retain(|_, sum| *sum != 0);
    sums
}

fn postings_of(sums: Sums) -> Vec<Posting> {
    let posting = |((account, code, scale), amount)| Posting {
        account,
        asset: Asset { code, scale },
        amount,
    };
    sums.into_iter().map(posting).collect()
}

/// All packets since the books began: the store keeps their sums, and the other side of each is in the same cut.
fn packets_entry(history: &BooksHistory) -> Option<JournalEntry> {
    let mut postings: Vec<_> =
        node_postings(history, |totals| totals.fulfilled_in.saturating_sub(totals.fulfilled_out));
    postings.retain(|posting| posting.amount != 0);
    let mut missing: BTreeMap<(Arc<str>, u8), i128> = BTreeMap::new();
    for Posting { asset, amount, .. } in &postings {
        let missing = missing.entry((Arc::clone(&asset.code), asset.scale)).or_default();
        *missing = missing.saturating_sub(*amount);
    }
    let missing = missing.into_iter().filter(|(_, amount)| *amount != 0);
    postings.extend(missing.map(|((code, scale), amount)| Posting {
        account: JournalAccount::Unbalanced,
        asset: Asset { code, scale },
        amount,
    }));
    let text = format!("packets until cut {}", history.books.cut.0);
    (!postings.is_empty()).then_some(JournalEntry { at: history.cut_at, text, postings })
}

fn saved_balances(history: &BooksHistory) -> Vec<Posting> {
    node_postings(history, Totals::balance)
}

fn node_postings(history: &BooksHistory, amount: impl Fn(&Totals) -> i128) -> Vec<Posting> {
    let rows = history.books.accounts.iter().map(|account| &account.row);
    rows.map(|row| Posting {
        account: JournalAccount::Node(row.kind, Arc::clone(&row.name)),
        asset: row.asset.clone(),
        amount: amount(&row.totals),
    })
    .collect()
}

/// An adjustment and its other side.
fn adjustment_entry(adjustment: &Adjustment, history: &BooksHistory) -> JournalEntry {
    let Adjustment { at, account, asset, change, reason, by, .. } = adjustment;
    let amount = change.amount();
    let rows = history.books.accounts.iter().map(|account| &account.row);
    let kind = rows.filter(|row| row.name == *account).map(|row| row.kind).next();
    let account = JournalAccount::Node(kind.unwrap_or(AccountKind::Peer), Arc::clone(account));
    let (other, verb) = match change {
        BalanceChange::Adjust(_) => (JournalAccount::Adjustments, "adjusted"),
        BalanceChange::Resolve { .. } => (JournalAccount::Concessions, "resolved"),
    };
    let posting = |account, amount| Posting { account, asset: asset.clone(), amount };
    JournalEntry {
        at: *at,
        text: format!("{verb} by {by}: {reason}"),
        postings: vec![posting(account, amount), posting(other, amount.saturating_neg())],
    }
}

#[cfg(test)]
mod tests;
