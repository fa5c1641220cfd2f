//! The books as a journal in double entry: entries whose postings add up to zero in each asset.
//!
//! A posting of an account of the node has the sign of its balance: above zero, the peer owes us. The other side of an
//! adjustment stands on an account that only the journal has.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::adjustment::{Adjustment, BalanceChange};
use super::date::date;
use super::flow::{FlowRow, FlowSums};
use super::history::BooksHistory;
use super::row::{AccountKind, own_account_name};
use super::settlement::{Settlement, SettlementDirection};
use crate::account::{Asset, Totals};
use crate::wire::Timestamp;

const DAY_MS: u64 = 86_400_000;

/// A span of time in UTC: from its first moment up to, but without, its last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// `None`: since the books began.
    pub from: Option<Timestamp>,
    /// `None`: until the newest cut.
    pub to: Option<Timestamp>,
}

/// Why there is no such period.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the period begins at {from} and ends before {to}, so no moment is in it")]
pub struct EmptyPeriod {
    from: String,
    to: String,
}

impl Period {
    /// The time from `from` on and before `to`.
    ///
    /// # Errors
    /// No moment is in it.
    pub fn new(from: Option<Timestamp>, to: Option<Timestamp>) -> Result<Self, EmptyPeriod> {
        match (from, to) {
            (Some(from), Some(to)) if from >= to => {
                Err(EmptyPeriod { from: date(from), to: date(to) })
            }
            _ => Ok(Self { from, to }),
        }
    }

    /// Whether a moment is in it.
    pub fn has(self, at: Timestamp) -> bool {
        Some(at) >= self.from && self.to.is_none_or(|to| at < to)
    }
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
    /// The other side of settlements: where the money outside of Interledger is.
    Settlements,
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

/// By name, asset code and scale: a name may have been a peer in one asset and a receiver in another.
type Kinds = BTreeMap<(Arc<str>, Arc<str>, u8), AccountKind>;
type Sums = BTreeMap<(JournalAccount, Arc<str>, u8), i128>;

impl Journal {
    /// The journal of a period.
    pub fn new(history: &BooksHistory, period: Period) -> Self {
        let rows = history.books.accounts.iter().map(|account| &account.row);
        let kinds: Kinds = rows.map(|row| (kind_key(&row.name, &row.asset), row.kind)).collect();
        let mut entries = flow_entries(history, &kinds);
        entries.extend(packets_entry(history, sum(&entries)));
        let adjustments = history.adjustments.iter();
        entries.extend(adjustments.map(|adjustment| adjustment_entry(adjustment, &kinds)));
        let settlements = history.settlements.iter().filter(|one| one.units != 0);
        entries.extend(settlements.map(|settlement| settlement_entry(settlement, &kinds)));
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

fn kind_key(name: &Arc<str>, asset: &Asset) -> (Arc<str>, Arc<str>, u8) {
    (Arc::clone(name), Arc::clone(&asset.code), asset.scale)
}

fn node_account(name: &Arc<str>, asset: &Asset, kinds: &Kinds) -> JournalAccount {
    let kind = kinds.get(&kind_key(name, asset)).copied().unwrap_or(AccountKind::Peer);
    JournalAccount::Node(kind, Arc::clone(name))
}

/// The flows between each two accounts in an entry for each day. If their assets differ, the node has bought one and
/// sold the other: both other sides stand on its own accounts. So does what a spread keeps in one asset.
fn flow_entries(history: &BooksHistory, kinds: &Kinds) -> Vec<JournalEntry> {
    let mut days: BTreeMap<_, (FlowSums, &FlowRow)> = BTreeMap::new();
    for flow in &history.flows {
        let FlowRow { hour, from, to, sums } = flow;
        let day = hour.as_millis() / DAY_MS;
        let key = (day, &from.name, from.asset.to_string(), &to.name, to.asset.to_string());
        days.entry(key).or_insert((FlowSums::default(), flow)).0.add(*sums);
    }
    let entries = days.into_iter();
    entries.map(|((day, ..), (sums, flow))| flow_entry(day, sums, flow, kinds)).collect()
}

/// The packets of one day between the accounts of `flow`.
fn flow_entry(day: u64, sums: FlowSums, flow: &FlowRow, kinds: &Kinds) -> JournalEntry {
    let FlowRow { from, to, .. } = flow;
    let FlowSums { packets, amount_in, amount_out, .. } = sums;
    let posting =
        |account, asset: &Asset, amount| Posting { account, asset: asset.clone(), amount };
    let mut postings = vec![
        posting(node_account(&from.name, &from.asset, kinds), &from.asset, amount_in),
        posting(node_account(&to.name, &to.asset, kinds), &to.asset, amount_out.saturating_neg()),
    ];
    if from.asset != to.asset || amount_in != amount_out {
        let own = |asset: &Asset| JournalAccount::Node(AccountKind::Own, own_account_name(asset));
        postings.push(posting(own(&from.asset), &from.asset, amount_in.saturating_neg()));
        postings.push(posting(own(&to.asset), &to.asset, amount_out));
    }
    let plural = if packets == 1 { "" } else { "s" };
    let text = format!("{packets} packet{plural} from {} to {}", from.name, to.name);
    JournalEntry { at: Timestamp::from_millis(day.saturating_mul(DAY_MS)), text, postings }
}

/// The packets that are in no flow, from the sums of all packets that the store keeps for each account.
fn packets_entry(history: &BooksHistory, mut in_flows: Sums) -> Option<JournalEntry> {
    let mut postings =
        node_postings(history, |totals| totals.fulfilled_in.saturating_sub(totals.fulfilled_out));
    for posting in &mut postings {
        let in_flows = in_flows.remove(&posting.key()).unwrap_or_default();
        posting.amount = posting.amount.saturating_sub(in_flows);
    }
    let without_row = postings_of(in_flows).into_iter();
    postings.extend(
        without_row.map(|posting| Posting { amount: posting.amount.saturating_neg(), ..posting }),
    );
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
    let text = format!("packets in no flow, until cut {}", history.books.cut.0);
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
fn adjustment_entry(adjustment: &Adjustment, kinds: &Kinds) -> JournalEntry {
    let Adjustment { at, account, asset, change, reason, by, .. } = adjustment;
    let amount = change.amount();
    let account = node_account(account, asset, kinds);
    let (other, verb) = match change {
        BalanceChange::Adjust(_) => (JournalAccount::Adjustments, "adjusted"),
        BalanceChange::Resolve { .. } => (JournalAccount::Concessions, "resolved"),
        BalanceChange::Concede(_) => (JournalAccount::Concessions, "conceded"),
        BalanceChange::WriteOff(_) => (JournalAccount::Concessions, "written off"),
    };
    let posting = |account, amount| Posting { account, asset: asset.clone(), amount };
    JournalEntry {
        at: *at,
        text: format!("{verb} by {by}: {reason}"),
        postings: vec![posting(account, amount), posting(other, amount.saturating_neg())],
    }
}

/// A settlement and its other side.
fn settlement_entry(settlement: &Settlement, kinds: &Kinds) -> JournalEntry {
    let Settlement { key, account, asset, direction, reference, by, .. } = settlement;
    let what = match direction {
        SettlementDirection::Incoming => "received from",
        SettlementDirection::Outgoing => "paid to",
    };
    let reference = if reference.is_empty() { key.as_str() } else { reference };
    let amount = settlement.balance_change();
    let posting = |account, amount| Posting { account, asset: asset.clone(), amount };
    JournalEntry {
        at: settlement.created_at,
        text: format!("{what} {account}, by {by}: {reference}"),
        postings: vec![
            posting(node_account(account, asset, kinds), amount),
            posting(JournalAccount::Settlements, amount.saturating_neg()),
        ],
    }
}

#[cfg(test)]
pub(super) mod tests;
