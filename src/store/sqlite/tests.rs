//! Cuts survive the end of the process; a file that cannot be trusted is refused with its own message.

mod damage;
mod versions;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use tempfile::TempDir;

use super::*;
use crate::account::{Asset, Totals};
use crate::books::{AccountKind, AccountRow, FlowSums, PaymentKey, ReceivedPayment};

fn identity() -> StoreIdentity {
    StoreIdentity { node: Some("b".parse().unwrap()) }
}

struct Fixture {
    directory: TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("b.db")
    }

    fn open(&self) -> (SqliteStore, SavedBooks) {
        SqliteStore::open(&self.path(), &identity()).unwrap()
    }

    /// The message of the error when the store is opened, with its causes, without the path.
    fn refusal(&self) -> String {
        let error = SqliteStore::open(&self.path(), &identity()).map(drop).unwrap_err();
        crate::net::error_chain(&error)
            .to_string()
            .replace(&*self.directory.path().to_string_lossy(), "DIR")
    }

    /// A store with one cut, closed without a clean stop.
    fn with_books() -> Self {
        let fixture = Self::new();
        let (mut store, _) = fixture.open();
        store.write(&cut(1, vec![account("c", 10)])).unwrap();
        fixture
    }

    fn execute(&self, sql: &str) {
        Connection::open(self.path()).unwrap().execute_batch(sql).unwrap();
    }
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

fn cut(number: u64, accounts: Vec<AccountRow>) -> Cut {
    Cut { number: CutNumber(number), at: crate::wire::Timestamp::EPOCH, accounts, ..Cut::default() }
}

#[test]
fn a_file_of_the_first_version_is_read_and_then_brought_to_this_one() {
    let fixture = Fixture::with_books();
    fixture.execute(
        "DROP TABLE payment; DROP TABLE flow; DROP TABLE settlement; DROP TABLE reconciliation; \
         ALTER TABLE account DROP COLUMN settled_in; ALTER TABLE account DROP COLUMN settled_out; \
         DROP TABLE event; DROP TABLE delivery; \
         PRAGMA user_version = 1",
    );
    assert!(SqliteStore::read(&fixture.path()).unwrap().payments.is_empty());
    let (mut store, books) = fixture.open();
    assert_eq!(books.accounts.len(), 1);
    let key = PaymentKey { receiver: "w".into(), asset: Asset::default(), connection: "x".into() };
    let last_at = crate::wire::Timestamp::EPOCH;
    let payments = vec![ReceivedPayment { key, packets: 1, amount: 2, announced: 1, last_at }];
    store.write(&Cut { payments: payments.clone(), ..cut(2, Vec::new()) }).unwrap();
    assert_eq!(SqliteStore::read(&fixture.path()).unwrap().payments, payments);
}

#[test]
fn flows_of_an_earlier_version_have_no_spread() {
    let fixture = Fixture::with_books();
    fixture.execute(
        "DROP TABLE reconciliation; ALTER TABLE flow DROP COLUMN amount_at_mid; \
         ALTER TABLE flow DROP COLUMN spread; INSERT INTO flow VALUES (3600000, 'a', 'USD', 9, 'c', 'EUR', 2, 4, '500', '7'); \
         PRAGMA user_version = 5",
    );
    let sums = FlowSums { amount_in: 500, ..FlowSums::at_par(4, 7) };
    let read = || SqliteStore::read_history(&fixture.path()).unwrap().flows;
    assert_eq!(read()[0].sums, sums, "as it is");
    let (mut store, books) = fixture.open();
    assert_eq!((read(), books.flows.len()), (books.flows.clone(), 1));
    let mut newer = books.flows[0].clone();
    newer.sums = FlowSums { amount_at_mid: 10, spread: 2, ..sums };
    store.write(&Cut { flows: vec![newer.clone()], ..cut(2, Vec::new()) }).unwrap();
    assert_eq!(read(), [newer]);
}

#[test]
fn a_file_without_settlements_is_read_and_then_brought_to_this_version() {
    let fixture = Fixture::with_books();
    fixture.execute(
        "DROP TABLE reconciliation; DROP TABLE event; DROP TABLE delivery; ALTER TABLE payment DROP COLUMN announced; \
         ALTER TABLE flow DROP COLUMN amount_at_mid; ALTER TABLE flow DROP COLUMN spread; \
         DROP TABLE settlement; ALTER TABLE account DROP COLUMN settled_in; \
         ALTER TABLE account DROP COLUMN settled_out; PRAGMA user_version = 3",
    );
    let read = SqliteStore::read(&fixture.path()).unwrap();
    assert_eq!((read.accounts[0].row.totals.settled(), read.settlements.len()), (0, 0));
    assert!(SqliteStore::read_history(&fixture.path()).unwrap().settlements.is_empty());
    let (mut store, books) = fixture.open();
    let mut row = books.accounts[0].row.clone();
    assert_eq!(row.totals, account("c", 10).totals);
    row.totals.settled_in = 5;
    store.write(&cut(2, vec![row.clone()])).unwrap();
    assert_eq!(SqliteStore::read(&fixture.path()).unwrap().accounts[0].row.totals, row.totals);
}

#[test]
fn payments_of_an_earlier_version_are_not_announced_again() {
    let fixture = Fixture::with_books();
    fixture.execute(
        "DROP TABLE reconciliation; DROP TABLE event; DROP TABLE delivery; ALTER TABLE payment DROP COLUMN announced; DROP TABLE settlement; \
         ALTER TABLE account DROP COLUMN settled_in; ALTER TABLE account DROP COLUMN settled_out; \
         ALTER TABLE flow DROP COLUMN amount_at_mid; ALTER TABLE flow DROP COLUMN spread; \
         INSERT INTO payment VALUES ('w', 'USD', 9, 'x', 1, '70', 5); PRAGMA user_version = 3",
    );
    let announced = |books: SavedBooks| books.payments[0].announced;
    assert_eq!(announced(SqliteStore::read(&fixture.path()).unwrap()), 70);
    assert_eq!(announced(fixture.open().1), 70);
}

#[test]
fn a_new_store_is_empty_and_clean() {
    let (_, books) = Fixture::new().open();
    assert!(books.accounts.is_empty() && books.was_clean);
    assert_eq!((books.cut, books.books_id.len()), (CutNumber(0), 32));
}

#[test]
fn cuts_are_read_back_exactly_and_later_ones_replace_earlier_ones() {
    let fixture = Fixture::new();
    let (mut store, first) = fixture.open();
    let largest = i128::MAX / 2;
    store.write(&cut(1, vec![account("c", 5), account("d", 6)])).unwrap();
    store.write(&cut(2, vec![account("c", largest)])).unwrap();
    drop(store);
    let (_, books) = fixture.open();
    assert_eq!(books.books_id, first.books_id);
    assert_eq!((books.cut, books.was_clean), (CutNumber(2), false));
    let balances: Vec<_> = books
        .accounts
        .iter()
        .map(|account| (&*account.row.name, account.ledger().balance()))
        .collect();
    assert_eq!(balances, [("c", largest - 4), ("d", 2)]);
    assert!(books.accounts.iter().all(|account| account.newly_uncertain == 20));
}

#[test]
fn a_clean_stop_leaves_nothing_uncertain() {
    let fixture = Fixture::with_books();
    let (mut store, books) = fixture.open();
    let rows = books.accounts.into_iter().map(|account| account.row);
    store.write_last(&cut(2, rows.collect())).unwrap();
    drop(store);
    let (_, books) = fixture.open();
    assert!(books.was_clean);
    assert_eq!((books.accounts[0].row.uncertain, books.accounts[0].newly_uncertain), (20, 0));
}

#[test]
fn an_account_with_another_asset_is_another_row() {
    let fixture = Fixture::with_books();
    let (mut store, _) = fixture.open();
    store
        .write(&cut(2, vec![AccountRow { asset: Asset::new("EUR", 2), ..account("c", 4) }]))
        .unwrap();
    drop(store);
    let (_, books) = fixture.open();
    assert_eq!(books.accounts.len(), 2);
}

#[test]
fn readers_may_look_while_the_store_is_open() {
    let fixture = Fixture::new();
    let (mut store, _) = fixture.open();
    store.write(&cut(1, vec![account("c", 5)])).unwrap();
    let reader =
        Connection::open_with_flags(fixture.path(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut select = reader.prepare("SELECT balance FROM account").unwrap();
    let mut rows = select.query([]).unwrap();
    let balance: String = rows.next().unwrap().unwrap().get(0).unwrap();
    // The reader is in the middle of its query.
    store.write(&cut(2, vec![account("c", 6)])).unwrap();
    assert_eq!(balance, "1");
}

#[test]
fn a_store_in_use_names_the_process() {
    let fixture = Fixture::new();
    let _open = fixture.open();
    assert_eq!(
        fixture.refusal(),
        format!(
            "the store DIR/b.db is in use by process {}, perhaps one in a container; stop that node or container first: a store belongs to one node, and a node runs once",
            std::process::id()
        )
    );
}

#[test]
fn a_missing_directory_is_named() {
    let path = Fixture::new().path().join("b.db");
    let error = SqliteStore::open(&path, &identity()).map(drop).unwrap_err().to_string();
    assert!(
        error.contains("b.db does not exist; create it for the user of the process"),
        "{error}"
    );
}

#[test]
fn files_of_other_programs_versions_and_nodes_are_refused() {
    let foreign = Fixture::new();
    foreign.execute("CREATE TABLE t (x)");
    let before = fs::read(foreign.path()).unwrap();
    assert_eq!(
        foreign.refusal(),
        "DIR/b.db is not a store of ilp-connector, or was copied without its log (-wal), as `ledger backup` does not; \
         choose another file"
    );
    assert!(fs::read(foreign.path()).unwrap() == before, "it has not changed");
    let newer = Fixture::with_books();
    newer.execute("PRAGMA user_version = 99");
    assert!(newer.refusal().contains("has version 99, and this program knows versions up to"));
    let other = Fixture::with_books();
    other.execute("UPDATE meta SET value = 'a' WHERE key = 'node'");
    assert!(other.refusal().contains("belongs to the node a, not to b"));
}

#[test]
fn a_file_that_has_become_empty_is_not_taken_for_a_new_one() {
    let fixture = Fixture::with_books();
    fs::write(fixture.path(), "").unwrap();
    assert!(fixture.refusal().contains("is empty, but it held the books"), "{}", fixture.refusal());
    fs::remove_file(fixture.path()).unwrap();
    let refusal = fixture.refusal();
    assert!(refusal.contains("is missing, but it held the books"), "{refusal}");
    assert!(!fixture.path().exists(), "the next start must not find an empty file");
    assert!(refusal.contains("ledger restore"), "{refusal}");
    assert!(refusal.contains("remove DIR/b.db.lock"), "{refusal}");
    fixture.execute("PRAGMA journal_mode = WAL");
    assert!(fs::metadata(fixture.path()).unwrap().len() > 0, "a file of SQLite without a table");
    assert!(fixture.refusal().contains("is empty, but it held the books"), "{}", fixture.refusal());
    fs::remove_file(fixture.path()).unwrap();
    fs::remove_file(fixture.directory.path().join("b.db.lock")).unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(fixture.directory.path().join(format!("b.db{suffix}")));
    }
    assert!(fixture.open().1.accounts.is_empty());
}

#[test]
fn a_balance_that_does_not_add_up_is_refused_with_its_account() {
    let fixture = Fixture::with_books();
    fixture.execute("UPDATE account SET balance = '7'");
    assert_eq!(
        fixture.refusal(),
        "the store DIR/b.db is inconsistent; put a backup in its place with `ilp-connector ledger restore`: the account c (USD/9) does not add up: fulfilled_in 10 - fulfilled_out 3 - settled_in 0 + settled_out 0 + adjusted -1 is 6, but its balance is 7"
    );
}

#[test]
fn a_refused_store_has_not_changed() {
    let fixture = Fixture::with_books();
    fixture.execute("UPDATE account SET balance = '7'; PRAGMA wal_checkpoint(TRUNCATE)");
    let before = fs::read(fixture.path()).unwrap();
    fixture.refusal();
    assert!(fs::read(fixture.path()).unwrap() == before);
}

#[test]
fn a_missing_file_is_not_made_anew_by_a_reopened_store() {
    let fixture = Fixture::with_books();
    let (mut store, _) = fixture.open();
    fs::remove_file(fixture.path()).unwrap();
    store.reopen().unwrap_err();
    assert!(!fixture.path().exists());
}

#[test]
fn a_store_that_was_moved_is_not_written_until_it_is_back() {
    let fixture = Fixture::with_books();
    let (mut store, _) = fixture.open();
    let elsewhere = fixture.directory.path().join("moved.db");
    let moved =
        "the store is not the file that was opened: it was moved, deleted or replaced; put it back";
    for replaced_by_copy in [false, true] {
        fs::rename(fixture.path(), &elsewhere).unwrap();
        if replaced_by_copy {
            fs::copy(&elsewhere, fixture.path()).unwrap();
        }
        let error = store.write(&cut(2, vec![account("c", 50)])).unwrap_err();
        assert_eq!(error.to_string(), moved);
        assert_eq!(store.write_last(&cut(2, Vec::new())).unwrap_err().to_string(), moved);
        assert_eq!(store.reopen().unwrap_err().to_string(), moved);
        fs::rename(&elsewhere, fixture.path()).unwrap();
        store.reopen().unwrap();
        assert_eq!(SqliteStore::read(&fixture.path()).unwrap().cut, CutNumber(1));
    }
    store.write(&cut(2, vec![account("c", 50)])).unwrap();
    drop(store);
    assert_eq!(fixture.open().1.accounts[0].ledger().balance(), 46);
}

#[test]
fn a_store_without_its_log_is_not_written() {
    let fixture = Fixture::with_books();
    let (mut store, _) = fixture.open();
    fs::remove_file(fixture.directory.path().join("b.db-wal")).unwrap();
    let error = store.write(&cut(2, vec![account("c", 50)])).unwrap_err().to_string();
    assert!(error.contains("its log (-wal) was moved, deleted or replaced"), "{error}");
}

#[test]
fn another_name_of_a_store_in_use_is_the_same_store() {
    let fixture = Fixture::with_books();
    let link = fixture.directory.path().join("link.db");
    std::os::unix::fs::symlink("b.db", &link).unwrap();
    let in_use = |error: OpenError| matches!(error, OpenError::Locked { .. });
    let (mut store, _) = fixture.open();
    assert!(in_use(SqliteStore::open(&link, &identity()).map(drop).unwrap_err()));
    assert!(in_use(SqliteStore::restore(&link, &fixture.path(), &identity()).unwrap_err()));
    store.write(&cut(2, Vec::new())).unwrap();
    drop(store);
    let backup = fixture.directory.path().join("backup.db");
    SqliteStore::backup(&link, &backup).unwrap();
    SqliteStore::restore(&link, &backup, &identity()).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fixture.open().1.cut, CutNumber(2));
    fs::remove_file(fixture.path()).unwrap();
    let emptied = SqliteStore::open(&link, &identity()).map(drop).unwrap_err();
    assert!(matches!(emptied, OpenError::Emptied { is_missing: true, .. }), "{emptied}");
}

#[test]
fn a_file_system_without_a_write_ahead_log_is_not_called_damaged() {
    let memory = Connection::open_in_memory().unwrap();
    let fault = use_write_ahead_log(Path::new("n.db"), &memory).unwrap_err();
    assert_eq!(
        fault.into_open_error(Path::new("n.db")).to_string(),
        "the store n.db is on a file system where SQLite has no write-ahead log, only 'memory'; put it on a local disk"
    );
}

#[test]
fn a_reader_sees_what_is_in_flight() {
    let fixture = Fixture::with_books();
    let books = SqliteStore::read(&fixture.path()).unwrap();
    assert_eq!((books.accounts[0].row.held_out, books.accounts[0].row.uncertain), (20, 0));
}

#[test]
fn a_reopened_store_goes_on_and_another_file_in_its_place_is_noticed() {
    let fixture = Fixture::with_books();
    let (mut store, _) = fixture.open();
    store.reopen().unwrap();
    store.write(&cut(2, vec![account("c", 5)])).unwrap();
    fixture.execute("UPDATE meta SET value = 'others' WHERE key = 'books_id'");
    let error = store.reopen().unwrap_err().to_string();
    assert_eq!(error, "the store is not the file that was opened: it holds the books others");
}

#[test]
fn a_restored_backup_replaces_the_store_with_its_log() {
    let fixture = Fixture::with_books();
    let backup = fixture.directory.path().join("backup.db");
    SqliteStore::backup(&fixture.path(), &backup).unwrap();
    let (mut store, before) = fixture.open();
    store.write(&cut(2, vec![account("c", 100)])).unwrap();
    let error = SqliteStore::restore(&fixture.path(), &backup, &identity()).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    // As a crash leaves it: the newest cut is in the log.
    let log = fixture.directory.path().join("b.db-wal");
    let kept = fs::read(&log).unwrap();
    drop(store);
    fs::write(&log, kept).unwrap();
    // What an earlier attempt has left does not matter.
    fs::write(fixture.directory.path().join("b.db.restoring"), "half of a copy").unwrap();
    let mode = fs::Permissions::from_mode(0o640);
    fs::set_permissions(fixture.path(), mode.clone()).unwrap();
    let (books, aside) = SqliteStore::restore(&fixture.path(), &backup, &identity()).unwrap();
    assert_eq!((&books.books_id, books.cut), (&before.books_id, CutNumber(1)));
    assert_eq!(fs::metadata(fixture.path()).unwrap().mode() & 0o777, mode.mode());
    assert!(!log.exists());
    let (_, books) = fixture.open();
    assert_eq!(books.accounts[0].ledger().balance(), 6);
    let aside = SqliteStore::read(&aside.unwrap()).unwrap();
    assert_eq!((aside.cut, aside.accounts[0].ledger().balance()), (CutNumber(2), 96));
}

#[test]
fn a_damaged_backup_is_not_restored() {
    let fixture = Fixture::with_books();
    let backup = fixture.directory.path().join("backup.db");
    fs::write(&backup, [b'x'; 8192]).unwrap();
    let error = SqliteStore::restore(&fixture.path(), &backup, &identity()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    let missing = SqliteStore::read(&fixture.directory.path().join("other.db")).unwrap_err();
    assert!(matches!(missing, OpenError::Missing { .. }), "{missing}");
    assert_eq!(fixture.open().1.cut, CutNumber(1));
}

#[test]
fn what_cannot_make_room_for_a_copy_restores_nothing() {
    let fixture = Fixture::with_books();
    let backup = fixture.directory.path().join("backup.db");
    SqliteStore::backup(&fixture.path(), &backup).unwrap();
    fs::create_dir(fixture.directory.path().join("b.db.restoring")).unwrap();
    let error = SqliteStore::restore(&fixture.path(), &backup, &identity()).unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
    assert_eq!(fixture.open().1.cut, CutNumber(1));
}

#[test]
fn a_backup_of_another_node_is_not_restored() {
    let fixture = Fixture::with_books();
    let backup = fixture.directory.path().join("backup.db");
    SqliteStore::backup(&fixture.path(), &backup).unwrap();
    let other = StoreIdentity { node: Some("a".parse().unwrap()) };
    let error = SqliteStore::restore(&fixture.path(), &backup, &other).unwrap_err().to_string();
    assert!(error.contains("backup.db belongs to the node b, not to a"), "{error}");
    SqliteStore::restore(&fixture.path(), &backup, &StoreIdentity { node: None }).unwrap();
}

#[test]
fn a_missing_store_is_restored() {
    let fixture = Fixture::with_books();
    let backup = fixture.directory.path().join("backup.db");
    SqliteStore::backup(&fixture.path(), &backup).unwrap();
    fs::remove_file(fixture.path()).unwrap();
    let (_, aside) = SqliteStore::restore(&fixture.path(), &backup, &identity()).unwrap();
    assert_eq!(aside, None);
    assert_eq!(fixture.open().1.accounts.len(), 1);
}
