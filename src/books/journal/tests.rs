//! Entries add up to zero, periods include their first moment only, and balances are those of the store.

use super::*;
use crate::account::Corrected;
use crate::books::{AccountRow, FlowEnd, RecoveredAccount, SavedBooks, SettlementState};
use crate::link::CutNumber;
use crate::testing::settlement;

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

#[test]
fn a_period_has_its_first_moment_and_not_its_end() {
    let days = |period: Period| [9, 10, 19, 20].map(|day| period.has(at(day)));
    for (from, to, expected) in [
        (None, None, [true; 4]),
        (Some(10), None, [false, true, true, true]),
        (None, Some(20), [true, true, true, false]),
        (Some(10), Some(20), [false, true, true, false]),
    ] {
        let made = Period::new(from.map(at), to.map(at)).unwrap();
        assert_eq!((made, days(made)), (period(from, to), expected));
    }
    for to in [9, 10] {
        let error = Period::new(Some(at(10)), Some(at(to))).unwrap_err().to_string();
        let end = if to == 9 { "1970-01-10" } else { "1970-01-11" };
        let text =
            format!("the period begins at 1970-01-11 and ends before {end}, so no moment is in it");
        assert_eq!(error, text);
    }
}

/// The text of the entry with it, and its postings.
fn entry(journal: &Journal, text: &str) -> Vec<(JournalAccount, i128)> {
    let found = journal.entries.iter().find(|entry| entry.text.contains(text));
    let postings = &found.unwrap_or_else(|| panic!("{text}: {journal:#?}")).postings;
    postings.iter().map(|posting| (posting.account.clone(), posting.amount)).collect()
}

fn peer(name: &str) -> JournalAccount {
    JournalAccount::Node(AccountKind::Peer, name.into())
}

#[test]
fn settlements_stand_against_the_account_of_what_is_paid_outside() {
    let made = |key, direction, units, reference: &str| Settlement {
        units,
        reference: reference.to_owned(),
        ..settlement(key, direction, SettlementState::Done, 86_400_000)
    };
    let mut history = history();
    history.settlements = vec![
        made("one", SettlementDirection::Incoming, 10, "wire 7"),
        made("two", SettlementDirection::Outgoing, 4, ""),
        made("none", SettlementDirection::Incoming, 0, ""),
    ];
    let journal = Journal::new(&history, Period::default());
    let by = "by ilp-connector";
    for (text, amount) in
        [(format!("received from c, {by}: wire 7"), -10), (format!("paid to c, {by}: two"), 4)]
    {
        let expected = [(peer("c"), amount), (JournalAccount::Settlements, -amount)];
        assert_eq!(entry(&journal, &text), expected);
    }
    let is_of_nothing = |entry: &JournalEntry| entry.text.contains("none");
    assert!(!journal.entries.iter().any(is_of_nothing), "less than a unit was received");
}

#[test]
fn changes_by_operators_stand_against_adjustments_or_concessions() {
    let (adjusted, conceded) = (JournalAccount::Adjustments, JournalAccount::Concessions);
    for (change, text, other) in [
        (BalanceChange::Adjust(-5), "adjusted by op: why", adjusted),
        (BalanceChange::Resolve { conceded: 5 }, "resolved by op: why", conceded.clone()),
        (BalanceChange::Concede(5), "conceded by op: why", conceded.clone()),
        (BalanceChange::WriteOff(5), "written off by op: why", conceded),
    ] {
        let mut history = history();
        history.adjustments = vec![adjustment(10, change)];
        let journal = Journal::new(&history, Period::default());
        assert_eq!(entry(&journal, text), [(peer("c"), -5), (other, 5)]);
    }
}

#[test]
fn a_flow_between_assets_passes_the_own_accounts_of_both() {
    let mut history = history();
    let mut exchanged = flow(24, "a", "c", 1_000);
    exchanged.to.asset = Asset::new("EUR", 2);
    history.flows = vec![exchanged];
    let own = |name: &str| JournalAccount::Node(AccountKind::Own, name.into());
    let postings = [
        (peer("a"), 1_000),
        (peer("c"), -1_000),
        (own("own:USD/9"), -1_000),
        (own("own:EUR/2"), 1_000),
    ];
    let journal = Journal::new(&history, Period::default());
    assert_eq!(entry(&journal, "packets from a to c"), postings);
    // The store has no such account of c, and none of the node itself.
    let rest = entry(&journal, "packets in no flow");
    for missing in [(peer("c"), 1_000), (own("own:USD/9"), 1_000), (own("own:EUR/2"), -1_000)] {
        assert!(rest.contains(&missing), "{missing:?} is not in {rest:?}");
    }
}
