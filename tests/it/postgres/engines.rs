//! The same behaviour of both kinds of stores: one body for a file and for a database.

use ilp_connector::internals::account::{Asset, Corrected, Totals};
use ilp_connector::internals::books::{
    AccountKind, AccountRow, Adjustment, BalanceChange, Cut, CutRecords, FlowEnd, FlowRow,
    FlowSums, PaymentKey, Quantity, ReceivedPayment, ReconcileState, ReconciliationRow, SavedBooks,
    Settlement, SettlementDirection, SettlementState,
};
use ilp_connector::internals::link::CutNumber;
use ilp_connector::internals::net::StorePlace;
use ilp_connector::internals::store::Store;
use ilp_connector::wire::Timestamp;
use tempfile::TempDir;

use super::{TestDatabase, identity, try_open};
use crate::process::{TIMEOUT, temp_folder};
use crate::support::eventually;

/// The largest amount that a balance can be made of.
const LARGEST: i128 = i128::MAX / 2;

const NODE: &str = "b";

/// Runs a test with an empty store of each kind.
pub(super) fn check(test: &str, body: impl Fn(&StorePlace)) {
    let folder: TempDir = temp_folder();
    body(&StorePlace::from(folder.path().join("b.db")));
    let Some(database) = TestDatabase::create(test) else { return };
    body(&database.url().parse().unwrap());
}

pub(super) fn open(place: &StorePlace) -> (Store, SavedBooks) {
    // Another test may be starting a program, which has the lock of a closed file until it runs.
    eventually("the store is free", TIMEOUT, || match try_open(place, NODE) {
        Err(in_use) if in_use.is_in_use() => Err(in_use.to_string()),
        opened => Ok(opened.unwrap()),
    })
    .0
}

fn account(name: &str, fulfilled_in: i128) -> AccountRow {
    AccountRow {
        name: name.into(),
        kind: AccountKind::Peer,
        asset: Asset::default(),
        totals: Totals { fulfilled_in, fulfilled_out: 3, adjusted: -1, ..Totals::default() },
        held_out: 20,
        uncertain: 0,
        uncertain_since: None,
    }
}

pub(super) fn cut(number: u64, accounts: Vec<AccountRow>) -> Cut {
    let at = Timestamp::from_millis(number * 1_000);
    Cut { number: CutNumber(number), at, accounts, ..Cut::default() }
}

fn adjustment(id: &str, at: u64) -> Adjustment {
    Adjustment {
        id: id.parse().unwrap(),
        at: Timestamp::from_millis(at),
        account: "c".into(),
        asset: Asset::default(),
        change: BalanceChange::Resolve { conceded: 7 },
        balance: -LARGEST,
        reason: "a fee, für „c“".to_owned(),
        by: "ann".to_owned(),
    }
}

fn balances(books: &SavedBooks) -> Vec<(String, i128)> {
    let accounts = books.accounts.iter();
    accounts.map(|one| (one.row.name.to_string(), one.row.totals.balance())).collect()
}

#[test]
fn new_books_are_empty_and_clean() {
    check("new books", |place| {
        let (_, books) = open(place);
        assert!(books.accounts.is_empty() && books.was_clean);
        assert_eq!((books.cut, books.books_id.len()), (CutNumber(0), 32));
    });
}

#[test]
fn later_cuts_replace_earlier_ones_exactly() {
    check("later cuts", |place| {
        let (mut store, first) = open(place);
        store.write(&cut(1, vec![account("c", 5), account("D", 6)])).unwrap();
        // Of two states of an account in one cut, the later one counts.
        store.write(&cut(2, vec![account("c", 7), account("c", LARGEST)])).unwrap();
        store.write(&cut(3, Vec::new())).unwrap();
        let books = Store::read(place, &identity(NODE)).unwrap();
        assert_eq!(balances(&books), [("D".to_owned(), 2), ("c".to_owned(), LARGEST - 4)]);
        assert_eq!((books.cut, books.was_clean), (CutNumber(3), false));
        assert!(books.accounts.iter().all(|one| (one.row.held_out, one.row.uncertain) == (20, 0)));
        store.write_last(&cut(4, vec![account("c", 8)])).unwrap();
        drop(store);
        let (_, books) = open(place);
        assert_eq!(books.books_id, first.books_id);
        assert_eq!((books.cut, books.was_clean), (CutNumber(4), true));
        assert_eq!(balances(&books), [("D".to_owned(), 2), ("c".to_owned(), 4)]);
        assert!(books.accounts.iter().all(|one| one.newly_uncertain == 20));
    });
}

#[test]
fn rows_of_each_kind_and_asset_are_kept_apart() {
    check("kinds and assets", |place| {
        let (mut store, _) = open(place);
        let mut rows = vec![account("c", 4)];
        rows.push(AccountRow { asset: Asset::new("EUR", 2), ..account("c", 5) });
        rows.push(AccountRow { asset: Asset::new("EUR", 38), ..account("c", -LARGEST) });
        rows.push(AccountRow { kind: AccountKind::Receiver, ..account("wallet", 6) });
        let (held_out, uncertain) = (0, 8);
        let uncertain_since = Some(Timestamp::from_millis(5_000));
        rows.push(AccountRow { held_out, uncertain, uncertain_since, ..account("d", 9) });
        rows.push(AccountRow { kind: AccountKind::Own, uncertain: 9, ..account("own:USD/9", 7) });
        store.write(&cut(1, rows.clone())).unwrap();
        let books = Store::verify(place, &identity(NODE)).unwrap();
        let saved: Vec<_> = books.accounts.into_iter().map(|one| one.row).collect();
        rows.sort_by_key(|row| (row.name.clone(), row.asset.code.clone(), row.asset.scale));
        assert_eq!(saved, rows);
    });
}

#[test]
fn a_change_that_two_cuts_have_is_saved_once() {
    check("a change", |place| {
        let (mut store, _) = open(place);
        let (first, second) = (adjustment("fee-1", 5), adjustment("fee-2", 4));
        let with = |adjustments: &[Adjustment], number| {
            let records = CutRecords { adjustments: adjustments.to_vec(), ..CutRecords::default() };
            cut(number, vec![account("c", 10)]).with_records(records)
        };
        store.write(&with(std::slice::from_ref(&first), 1)).unwrap();
        store.write(&with(&[first.clone(), second.clone()], 2)).unwrap();
        assert_eq!(store.find_adjustment(&first.id).unwrap(), Some(first.clone()));
        assert_eq!(store.find_adjustment(&"fee-3".parse().unwrap()).unwrap(), None);
        let history = Store::read_history(place, &identity(NODE)).unwrap();
        assert_eq!(history.cut_at, Timestamp::from_millis(2_000));
        assert_eq!(history.adjustments, [second, first]);
    });
}

#[test]
fn payments_to_receivers_are_replaced_and_summed_up() {
    fn payment(connection: &str, amount: i128, at: u64) -> ReceivedPayment {
        let (receiver, asset, connection) = ("w".into(), Asset::default(), connection.into());
        let key = PaymentKey { receiver, asset, connection };
        let last_at = Timestamp::from_millis(at);
        ReceivedPayment { key, packets: 2, amount, announced: amount / 2, last_at }
    }
    check("payments", |place| {
        let (mut store, _) = open(place);
        let all = [payment("b", 5, 1), payment("a", LARGEST, 2), payment("c", 6, 3)];
        store.write(&Cut { payments: all.to_vec(), ..cut(1, Vec::new()) }).unwrap();
        let seen = || Store::read(place, &identity(NODE)).unwrap().payments;
        assert_eq!(seen(), all, "in the order of their times");
        let changed = vec![payment("", 5, 1), payment("c", 7, 4)];
        let summed_up = vec![all[0].key.clone(), payment("unknown", 0, 0).key];
        let later = Cut { payments: changed.clone(), summed_up, ..cut(2, Vec::new()) };
        store.write(&later).unwrap();
        store.write_last(&Cut { number: CutNumber(3), ..later }).unwrap();
        let left = [changed[0].clone(), all[1].clone(), changed[1].clone()];
        assert_eq!(seen(), left);
        drop(store);
        assert_eq!(open(place).1.payments, left);
    });
}

#[test]
fn flows_of_an_hour_are_replaced_and_the_newest_are_loaded() {
    check("flows", |place| {
        let (mut store, _) = open(place);
        let end =
            |name: &str, scale| FlowEnd { name: name.into(), asset: Asset::new("EUR", scale) };
        let flow = |hour: u64, packets, amount_in| FlowRow {
            hour: Timestamp::from_millis(hour * 3_600_000),
            from: end("c", 2),
            to: end("own:EUR/9", 9),
            sums: FlowSums { packets, amount_in, ..FlowSums::at_par(1, i128::MAX) },
        };
        for (number, flows) in [(1, vec![flow(1, 1, 1), flow(2, 1, 5)]), (2, vec![flow(2, 2, 7)])] {
            store.write(&Cut { flows, ..cut(number, Vec::new()) }).unwrap();
        }
        store.write_last(&cut(3, Vec::new())).unwrap();
        drop(store);
        assert_eq!(open(place).1.flows, [flow(2, 2, 7)]);
        let history = Store::read_history(place, &identity(NODE)).unwrap();
        assert_eq!(history.flows, [flow(1, 1, 1), flow(2, 2, 7)]);
    });
}

fn settlement(
    key: &str,
    direction: SettlementDirection,
    state: SettlementState,
    at_ms: u64,
) -> Settlement {
    Settlement {
        key: key.parse().unwrap(),
        account: "c".into(),
        asset: Asset::default(),
        direction,
        quantity: Quantity::new("000123456789", 18).unwrap(),
        units: i128::MAX.unsigned_abs() / 8,
        leftover: "0.123".parse().unwrap(),
        state,
        attempts: 2,
        created_at: Timestamp::from_millis(at_ms),
        updated_at: Timestamp::from_millis(at_ms + 1),
        reference: "SEPA 77".to_owned(),
        by: "engine".to_owned(),
    }
}

#[test]
fn settlements_are_kept_by_their_keys_and_change_their_state_only() {
    use SettlementDirection::{Incoming, Outgoing};
    use SettlementState::{Done, Pending};
    check("settlements", |place| {
        let (mut store, _) = open(place);
        let first = settlement("k", Incoming, Done, 1);
        // The same key in the other direction, and twice in one cut.
        let pending = settlement("k", Outgoing, Pending, 2);
        let settlements = vec![first.clone(), pending.clone()];
        store
            .write(&cut(1, Vec::new()).with_records(CutRecords {
                settlements: settlements.clone(),
                ..CutRecords::default()
            }))
            .unwrap();
        store
            .write(
                &cut(2, Vec::new())
                    .with_records(CutRecords { settlements, ..CutRecords::default() }),
            )
            .unwrap();
        let find = |store: &mut Store, direction, account: &str| {
            store.find_settlement(direction, account, &"k".parse().unwrap()).unwrap()
        };
        assert_eq!(find(&mut store, Incoming, "c"), Some(first.clone()));
        assert_eq!(find(&mut store, Outgoing, "c"), Some(pending.clone()));
        assert_eq!(find(&mut store, Outgoing, "d"), None);
        let done = Settlement { state: Done, attempts: 3, ..pending.clone() };
        let later = settlement("l", Incoming, Done, 3);
        let changed = Settlement { units: 1, reference: "other".to_owned(), ..done.clone() };
        let settlements = vec![pending.clone(), later.clone(), changed];
        store
            .write(
                &cut(3, Vec::new())
                    .with_records(CutRecords { settlements, ..CutRecords::default() }),
            )
            .unwrap();
        assert_eq!(find(&mut store, Outgoing, "c"), Some(done.clone()), "only its state changes");
        let newest = store.list_settlements(Some("c"), 2).unwrap();
        assert_eq!(newest, [later.clone(), done.clone()]);
        assert_eq!(store.list_settlements(Some("d"), 2).unwrap(), []);
        assert_eq!(store.list_settlements(None, 9).unwrap().len(), 3);
        let open_one = settlement("m", Outgoing, Pending, 4);
        let mut row = account("c", 10);
        (row.totals.settled_in, row.totals.settled_out) = (LARGEST / 4, 7);
        let totals = row.totals;
        let settlements = vec![open_one.clone()];
        store
            .write_last(
                &cut(4, vec![row])
                    .with_records(CutRecords { settlements, ..CutRecords::default() }),
            )
            .unwrap();
        drop(store);
        let (store, books) = open(place);
        assert_eq!(books.settlements, [later.clone(), open_one.clone()], "what a start needs");
        assert_eq!(books.accounts[0].row.totals, totals);
        drop(store);
        let history = Store::read_history(place, &identity(NODE)).unwrap();
        assert_eq!(history.settlements, [first, done, later, open_one]);
    });
}

#[test]
fn a_zero_byte_in_a_reason_stops_no_cut() {
    check("a zero byte", |place| {
        let (mut store, _) = open(place);
        let reason = "a\0b".to_owned();
        let adjustments = vec![Adjustment { reason, ..adjustment("fee", 5) }];
        store
            .write(
                &cut(1, vec![account("c", 10)])
                    .with_records(CutRecords { adjustments, ..CutRecords::default() }),
            )
            .unwrap();
        assert!(store.find_adjustment(&"fee".parse().unwrap()).unwrap().is_some());
    });
}

#[test]
fn a_file_has_backups_and_a_database_has_tools_of_its_own() {
    let folder = temp_folder();
    check("backups", |place| {
        let (mut store, _) = open(place);
        store.write_last(&cut(1, vec![account("c", 5)])).unwrap();
        drop(store);
        let target = folder.path().join("backup.db");
        let saved = Store::backup(place, &target);
        let restored = Store::restore(place, &target, &identity(NODE));
        match place {
            StorePlace::File(path) => {
                saved.unwrap();
                let (books, aside) = restored.unwrap();
                assert_eq!(balances(&books), [("c".to_owned(), 1)]);
                assert!(aside.is_some_and(|aside| aside != *path && aside.is_file()));
            }
            StorePlace::Postgres(_) => {
                assert!(saved.unwrap_err().to_string().contains("; use pg_dump, see"));
                assert!(restored.unwrap_err().to_string().contains("; use pg_restore, see"));
            }
        }
    });
}

#[test]
fn a_reopened_store_goes_on() {
    check("reopened", |place| {
        let (mut store, _) = open(place);
        store.write(&cut(1, vec![account("c", 5)])).unwrap();
        store.reopen().unwrap();
        store.write_last(&cut(2, vec![account("c", 6)])).unwrap();
        drop(store);
        assert_eq!(balances(&open(place).1), [("c".to_owned(), 2)]);
    });
}

#[test]
fn books_in_use_name_the_process() {
    check("in use", |place| {
        let (_open, _) = open(place);
        let error = try_open(place, NODE).map(drop).unwrap_err();
        assert!(error.is_in_use(), "{error}");
        let text = super::chain(&error);
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        assert!(!text.contains("p@ss") && !text.contains("p%40ss"), "{text}");
    });
}

/// As many accounts as a large node has: one cut, and one start.
#[test]
fn ten_thousand_accounts_are_one_cut() {
    check("ten thousand accounts", |place| {
        let (mut store, _) = open(place);
        let rows = (0..10_000).map(|number| account(&format!("peer-{number:05}"), number));
        store.write_last(&cut(1, rows.collect())).unwrap();
        drop(store);
        assert_eq!(open(place).1.accounts.len(), 10_000);
    });
}

#[test]
fn what_is_known_of_peers_is_read_back_and_corrections_are_summed_up() {
    check("reconciliations", |place| {
        let (mut store, _) = open(place);
        let row = |is_recovering| {
            let state = ReconcileState { is_recovering, ..ReconcileState::default() };
            ReconciliationRow { account: "c".into(), asset: Asset::default(), state }
        };
        let made = |id: &str, change| Adjustment {
            id: id.parse().unwrap(),
            at: Timestamp::from_millis(1),
            account: "c".into(),
            asset: Asset::default(),
            change,
            balance: 0,
            reason: "compared".to_owned(),
            by: "ann".to_owned(),
        };
        let adjustments = vec![
            made("one", BalanceChange::Adjust(50)),
            made("two", BalanceChange::Resolve { conceded: 7 }),
            made("three", BalanceChange::Concede(3)),
            made("four", BalanceChange::WriteOff(-4)),
        ];
        let reconciliations = vec![row(false), row(false)];
        let accounts = vec![account("c", 10)];
        store
            .write(&cut(1, accounts).with_records(CutRecords {
                adjustments,
                reconciliations,
                ..CutRecords::default()
            }))
            .unwrap();
        let reconciliations = vec![row(true)];
        store
            .write_last(
                &cut(2, Vec::new())
                    .with_records(CutRecords { reconciliations, ..CutRecords::default() }),
            )
            .unwrap();
        drop(store);
        let (_store, books) = open(place);
        assert_eq!(books.reconciliations, [row(true)]);
        let expected = Corrected { conceded: 10, written_off: -4 };
        assert_eq!(books.accounts[0].corrected, expected);
    });
}
