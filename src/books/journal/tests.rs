//! Entries add up to zero, periods include their first moment only, and balances are those of the store.

use super::*;
use crate::account::Corrected;
use crate::books::{AccountRow, FlowEnd, RecoveredAccount, SavedBooks};
use crate::link::CutNumber;

pub(in crate::books) fn at(day: u64) -> Timestamp {
    Timestamp::from_millis(day * 86_400_000)
}

fn account(name: &str, kind: AccountKind, totals: Totals) -> RecoveredAccount {
    let (asset, held_out, uncertain) = (Asset::default(), 7, 7);
    let row = AccountRow {
        name: name.into(),
        kind,
        asset,
        totals,
        held_out,
        uncertain,
        uncertain_since: None,
    };
    let corrected = Corrected::default();
    RecoveredAccount { row, newly_uncertain: 0, is_changed: false, corrected }
}

pub(in crate::books) fn adjustment(day: u64, change: BalanceChange) -> Adjustment {
    Adjustment {
        id: format!("day-{day}").parse().unwrap(),
        at: at(day),
        account: "c".into(),
        asset: Asset::default(),
        change,
        balance: 0,
        reason: "why".to_owned(),
        by: "op".to_owned(),
    }
}

pub(in crate::books) fn history() -> BooksHistory {
    let totals = |fulfilled_in, fulfilled_out, adjusted| Totals {
        fulfilled_in,
        fulfilled_out,
        adjusted,
        ..Totals::default()
    };
    let accounts = vec![
        account("a", AccountKind::Peer, totals(100, 0, 0)),
        account("c", AccountKind::Peer, totals(20, 90, 30)),
        account("w", AccountKind::Receiver, totals(0, 30, 0)),
    ];
    let books =
        SavedBooks { cut: CutNumber(5), was_clean: true, accounts, ..SavedBooks::default() };
    let adjustments = vec![
        adjustment(10, BalanceChange::Adjust(50)),
        adjustment(20, BalanceChange::Resolve { conceded: 20 }),
    ];
    let (flows, settlements) = (Vec::new(), Vec::new());
    BooksHistory { books, cut_at: at(30), adjustments, flows, settlements }
}

pub(in crate::books) fn period(from: Option<u64>, to: Option<u64>) -> Period {
    Period { from: from.map(at), to: to.map(at) }
}

/// Texts of the entries, and the closing balances.
fn outline(history: &BooksHistory, period: Period) -> (Vec<String>, Vec<i128>) {
    let journal = Journal::new(history, period);
    for entry in &journal.entries {
        let mut sums: BTreeMap<_, i128> = BTreeMap::new();
        for posting in &entry.postings {
            *sums.entry(posting.asset.to_string()).or_default() += posting.amount;
        }
        assert!(sums.values().all(|sum| *sum == 0), "{entry:?}");
    }
    let texts = journal.entries.into_iter().map(|entry| entry.text).collect();
    (texts, journal.balances.into_iter().map(|balance| balance.amount).collect())
}

#[test]
fn a_journal_has_the_entries_of_its_period() {
    let (adjusted, resolved) = ("adjusted by op: why", "resolved by op: why");
    let (packets, opening) = ("packets in no flow, until cut 5", "opening balances");
    let all: &[i128] = &[100, -40, -30];
    let check = |from, to, texts: &[&str], balances: &[i128]| {
        let expected: (Vec<String>, Vec<i128>) =
            (texts.iter().map(|text| (*text).to_owned()).collect(), balances.to_vec());
        assert_eq!(outline(&history(), period(from, to)), expected, "{from:?} to {to:?}");
    };
    check(None, None, &[adjusted, resolved, packets], all);
    check(None, Some(31), &[adjusted, resolved, packets], all);
    check(Some(10), None, &[adjusted, resolved, packets], all);
    check(Some(11), None, &[opening, resolved, packets], all);
    check(Some(31), None, &[opening], all);
    check(None, Some(30), &[adjusted, resolved], &[30]);
    check(Some(11), Some(20), &[opening], &[50]);
    check(None, Some(10), &[], &[]);
}

#[test]
fn what_packets_lack_is_shown() {
    let mut history = history();
    history.books.accounts.pop();
    let journal = Journal::new(&history, Period::default());
    let posting = journal.entries.last().and_then(|entry| entry.postings.last()).unwrap();
    assert_eq!((&posting.account, posting.amount), (&JournalAccount::Unbalanced, -30));
}

pub(in crate::books) fn flow(hour: u64, from: &str, to: &str, amount: i128) -> FlowRow {
    let end = |name: &str| FlowEnd { name: name.into(), asset: Asset::default() };
    let sums = FlowSums::at_par(2, amount);
    let hour = Timestamp::from_millis(hour * 3_600_000);
    FlowRow { hour, from: end(from), to: end(to), sums }
}

#[test]
fn what_a_spread_keeps_in_one_asset_stands_on_the_own_account() {
    let mut history = history();
    let mut kept = flow(24, "a", "c", 1_000);
    (kept.sums.amount_out, kept.sums.spread) = (990, 10);
    history.flows = vec![kept];
    let journal = Journal::new(&history, period(None, None));
    let entry = journal.entries.iter().find(|entry| entry.text.contains("from a to c")).unwrap();
    let own: Vec<_> = entry.postings.iter().skip(2).map(|posting| posting.amount).collect();
    assert_eq!((own.as_slice(), entry.postings[0].amount), (&[-1_000, 990][..], 1_000));
    // And the sums of the entries are zero.
    outline(&history, period(None, None));
}

#[test]
fn flows_are_entries_of_their_days_and_the_rest_is_shown() {
    let mut history = history();
    history.adjustments.clear();
    for account in &mut history.books.accounts {
        account.row.totals.adjusted = 0;
    }
    history.flows = vec![
        flow(24, "a", "c", 10),
        flow(47, "a", "c", 20),
        flow(48, "a", "c", 50),
        flow(48, "c", "w", 20),
    ];
    let (ac, cw, rest) =
        ("packets from a to c", "2 packets from c to w", "packets in no flow, until cut 5");
    let texts = [format!("4 {ac}"), format!("2 {ac}"), cw.to_owned(), rest.to_owned()];
    assert_eq!(outline(&history, Period::default()), (texts.to_vec(), vec![100, -70, -30]));
    let journal = Journal::new(&history, Period::default());
    let rest = journal.entries.last().unwrap().postings.iter();
    assert_eq!(rest.map(|posting| posting.amount).collect::<Vec<_>>(), [20, -10, -10]);
    assert_eq!(outline(&history, period(Some(1), Some(2))), (texts[..1].to_vec(), vec![30, -30]));
}
