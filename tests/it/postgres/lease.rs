//! One process at a time writes the books of a node in a database, and a database that cannot be trusted is refused.

use std::thread;

use ilp_connector::internals::account::{Asset, Totals};
use ilp_connector::internals::books::{AccountKind, AccountRow, Cut, SavedBooks};
use ilp_connector::internals::link::CutNumber;
use ilp_connector::internals::net::{Clock, PostgresUrl, StorePlace};
use ilp_connector::internals::store::{BooksHolder, Store, StoreIdentity, WriteError};
use ilp_connector::wire::Timestamp;

use super::{TestDatabase, chain, identity, try_open};

fn open(database: &TestDatabase, node: &str) -> (Store, SavedBooks) {
    try_open(&database.url().parse().unwrap(), node).unwrap()
}

fn url(database: &TestDatabase) -> PostgresUrl {
    match database.url().parse().unwrap() {
        StorePlace::Postgres(url) => url,
        StorePlace::File(path) => panic!("{}", path.display()),
    }
}

/// The message of the error when the books of the node b are opened, without the URL. It never has the password.
fn refusal(database: &TestDatabase) -> String {
    refusal_at(&database.url())
}

fn refusal_at(url: &str) -> String {
    let place: StorePlace = url.parse().unwrap();
    let text = chain(&try_open(&place, "b").map(drop).unwrap_err());
    assert!(!text.contains("p@ss") && !text.contains("p%40ss"), "{text}");
    let start = format!("cannot use the store {place}: ");
    text.strip_prefix(&start).unwrap_or_else(|| panic!("{text}")).to_owned()
}

fn cut(number: u64, fulfilled_in: i128) -> Cut {
    let account = AccountRow {
        name: "c".into(),
        kind: AccountKind::Peer,
        asset: Asset::default(),
        totals: Totals { fulfilled_in, ..Totals::default() },
        held_out: 0,
        uncertain: 0,
        uncertain_since: None,
    };
    let (number, at) = (CutNumber(number), Timestamp::EPOCH);
    Cut { number, at, accounts: vec![account], ..Cut::default() }
}

fn balance(database: &TestDatabase) -> String {
    database.query("SELECT balance FROM ilp_connector.account WHERE node = 'b'")
}

/// As if its process had been frozen for long enough.
fn end_lease(database: &TestDatabase) {
    database.query("UPDATE ilp_connector.books SET lease_until = now() - interval '1 ms'");
}

#[test]
fn a_process_that_has_lost_the_lease_writes_nothing() {
    let Some(database) = TestDatabase::create("a lost lease") else { return };
    let (mut old, _) = open(&database, "b");
    old.write(&cut(1, 10)).unwrap();
    let text = refusal(&database);
    let holder = format!("its books are in use by process {} on ", std::process::id());
    assert!(text.starts_with(&holder) && text.contains("whose lease ends at "), "{text}");
    end_lease(&database);
    let (mut new, books) = open(&database, "b");
    assert_eq!((books.cut, books.was_clean), (CutNumber(1), false));
    assert!(matches!(old.write(&cut(2, 666)), Err(WriteError::LeaseLost { .. })));
    for _ in 0..2 {
        assert!(matches!(old.reopen(), Err(WriteError::LeaseLost { .. })), "for ever");
    }
    assert_eq!(balance(&database), "10");
    new.write_last(&cut(2, 20)).unwrap();
    assert!(matches!(old.reopen(), Err(WriteError::LeaseLost { .. })), "also when it is free");
    assert_eq!(balance(&database), "20");
    let (_, books) = open(&database, "b");
    assert!(books.was_clean, "the clean stop has given the lease back");
}

#[test]
fn a_lease_that_nobody_took_goes_on() {
    let Some(database) = TestDatabase::create("an expired lease") else { return };
    let (mut store, _) = open(&database, "b");
    end_lease(&database);
    store.write(&cut(1, 10)).unwrap();
    assert!(refusal(&database).starts_with("its books are in use"), "the cut has renewed it");
    end_lease(&database);
    store.reopen().unwrap();
    assert!(refusal(&database).starts_with("its books are in use"));
}

#[test]
fn a_standby_asks_until_the_lease_has_ended_or_it_gives_up() {
    let Some(database) = TestDatabase::create("a standby") else { return };
    let b = "b".parse().unwrap();
    let (mut store, _) = open(&database, "b");
    let mut holders = Vec::new();
    let goes_on = |holder: BooksHolder| {
        holders.push(holder.process);
        holders.len() < 2
    };
    Store::wait_until_free(&url(&database), &b, goes_on).unwrap();
    assert!(holders.iter().all(|one| one.starts_with("process ")), "{holders:?}");
    assert_eq!(holders.len(), 2);
    let mut asked = 0;
    let save_last = |_| {
        asked += 1;
        store.write_last(&cut(1, 10)).unwrap();
        true
    };
    Store::wait_until_free(&url(&database), &b, save_last).unwrap();
    assert_eq!(asked, 1);
    assert!(open(&database, "b").1.was_clean);
}

#[test]
fn what_an_old_connection_still_sends_has_no_effect() {
    let Some(database) = TestDatabase::create("an old connection") else { return };
    let (mut store, _) = open(&database, "b");
    store.write(&cut(1, 10)).unwrap();
    let epoch = || database.query("SELECT epoch FROM ilp_connector.books WHERE node = 'b'");
    let before = epoch();
    store.reopen().unwrap();
    assert_ne!(epoch(), before);
    store.write(&cut(2, 20)).unwrap();
    assert_eq!(balance(&database), "20");
}

#[test]
fn an_answer_that_was_lost_does_not_lose_the_books() {
    let Some(database) = TestDatabase::create("a lost answer") else { return };
    let (mut store, _) = open(&database, "b");
    store.write(&cut(1, 10)).unwrap();
    // What an attempt to take the books again leaves if its answer is lost.
    database.query("UPDATE ilp_connector.books SET epoch = epoch + 1");
    store.reopen().unwrap();
    store.write(&cut(2, 20)).unwrap();
    assert_eq!(balance(&database), "20");
}

#[test]
fn nodes_share_a_database() {
    let Some(database) = TestDatabase::create("a shared database") else { return };
    let place: StorePlace = database.url().parse().unwrap();
    // All at once, in a database without tables.
    let nodes: Vec<String> = (0..8).map(|number| format!("n{number}")).collect();
    let stores: Vec<Store> = thread::scope(|scope| {
        let opening = nodes.iter().map(|node| scope.spawn(|| try_open(&place, node).unwrap().0));
        let opening: Vec<_> = opening.collect();
        opening.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (number, mut store) in stores.into_iter().enumerate() {
        store.write_last(&cut(1, number as i128)).unwrap();
    }
    for (number, node) in nodes.iter().enumerate() {
        let books = Store::read(&place, &identity(node)).unwrap();
        assert_eq!(books.accounts[0].row.totals.balance(), number as i128);
    }
    let anyone = StoreIdentity { node: None };
    let error = chain(&Store::read(&place, &anyone).unwrap_err());
    assert!(error.contains("the books of several nodes (n0, n1, n2"), "{error}");
    let error = chain(&Store::read(&place, &identity("x")).unwrap_err());
    assert!(error.ends_with("it has no books of the node x"), "{error}");
}

#[test]
fn the_only_node_of_a_database_needs_no_name() {
    let Some(database) = TestDatabase::create("the only node") else { return };
    let place: StorePlace = database.url().parse().unwrap();
    let anyone = StoreIdentity { node: None };
    let error = chain(&Store::read(&place, &anyone).unwrap_err());
    assert!(error.ends_with("it has no books: no node has used it"), "{error}");
    open(&database, "b").0.write_last(&cut(1, 10)).unwrap();
    assert_eq!(Store::read(&place, &anyone).unwrap().accounts.len(), 1);
    Store::open(&place, &anyone, Clock::start()).unwrap();
}

#[test]
fn databases_that_cannot_be_trusted_are_refused() {
    let with_books = |sql: &str| {
        let database = TestDatabase::create("a refused database")?;
        open(&database, "b").0.write_last(&cut(1, 10)).unwrap();
        let dump = "SELECT (SELECT string_agg(b::text, ' ') FROM ilp_connector.books b), \
            (SELECT string_agg(a::text, ' ') FROM ilp_connector.account a)";
        database.query(sql);
        let before = database.query(dump);
        let text = refusal(&database);
        assert_eq!(database.query(dump), before, "a refused store has not changed: {text}");
        Some(text)
    };
    for (sql, expected) in [
        (
            "UPDATE ilp_connector.meta SET value = '99' WHERE key = 'version'",
            "its books have version 99, and this program knows versions up to",
        ),
        (
            "UPDATE ilp_connector.meta SET value = 'x' WHERE key = 'application'",
            "its schema ilp_connector was not made by ilp-connector",
        ),
        (
            "UPDATE ilp_connector.account SET kind = 'bank'",
            "the books are damaged (the account c has a wrong kind); restore a backup",
        ),
        (
            "UPDATE ilp_connector.account SET scale = 300",
            "the books are damaged (the account c has a wrong scale)",
        ),
        (
            "UPDATE ilp_connector.account SET balance = balance * 9 * 10 ^ 37",
            "the books are damaged (the account c has a wrong balance)",
        ),
        (
            "UPDATE ilp_connector.account SET balance = 7",
            "the books are inconsistent; restore a backup: the account c (USD/9) does not add up: fulfilled_in 10",
        ),
        (
            // That is no damage.
            "REVOKE SELECT ON ilp_connector.account FROM ilp",
            "the database failed: ",
        ),
        (
            "ALTER TABLE ilp_connector.account RENAME COLUMN uncertain TO other",
            "the books are damaged (column \"uncertain\" of relation \"account\" does not exist)",
        ),
    ] {
        let Some(text) = with_books(sql) else { return };
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
fn tables_of_an_earlier_version_are_brought_to_this_one_by_a_node() {
    let Some(database) = TestDatabase::create("an earlier version") else { return };
    let place: StorePlace = database.url().parse().unwrap();
    open(&database, "b").0.write_last(&cut(1, 10)).unwrap();
    database.query(
        "DROP TABLE ilp_connector.reconciliation; UPDATE ilp_connector.meta SET value = '6' WHERE key = 'version'",
    );
    let error = chain(&Store::read(&place, &identity("b")).unwrap_err());
    let expected =
        "no books of this version, but of version 6; start the node once with this program";
    assert!(error.ends_with(expected), "{error}");
    open(&database, "b").0.write_last(&cut(2, 20)).unwrap();
    let books = Store::read(&place, &identity("b")).unwrap();
    assert_eq!(books.accounts[0].row.totals.balance(), 20);
}

#[test]
fn schemas_of_others_are_refused_and_empty_ones_used() {
    let Some(database) = TestDatabase::create("a foreign schema") else { return };
    database.query(
        "CREATE SCHEMA ilp_connector AUTHORIZATION ilp; CREATE TABLE ilp_connector.account (x int)",
    );
    assert!(refusal(&database).contains("was not made by ilp-connector; choose another database"));
    database.query("DROP TABLE ilp_connector.account; CREATE TABLE ilp_connector.meta (x int); GRANT ALL ON ilp_connector.meta TO ilp");
    assert!(refusal(&database).contains("was not made by ilp-connector; choose another database"));
    database.query("DROP TABLE ilp_connector.meta; REVOKE CREATE ON DATABASE postgres FROM ilp");
    open(&database, "b");
}

#[test]
fn a_database_that_cannot_be_reached_is_named_without_its_password() {
    let Some(database) = TestDatabase::create("an unreachable database") else { return };
    let unreachable = database.url_at(crate::process::free_port());
    assert!(refusal_at(&unreachable).starts_with("cannot connect to the database; check that"));
    let wrong = database.url().replace("of-the-tests", "p@ss-wrong".replace('@', "%40").as_str());
    let text = refusal_at(&wrong);
    assert!(text.contains("password authentication failed for user \"ilp\""), "{text}");
    let folder = crate::process::temp_folder();
    let file = crate::process::write_file(&folder, "pass", "*:*:*:ilp:wrong\n");
    let (login, host) =
        database.url().rsplit_once('@').map(|(_, host)| ("ilp", host.to_owned())).unwrap();
    let from_file = format!("postgres://{login}@{host}?passfile={}", file.display());
    let text = refusal_at(&from_file);
    assert!(text.contains("password authentication failed for user \"ilp\""), "{text}");
    std::fs::write(&file, "*:*:*:ilp:p@ss/w\\:rd of-the-tests\n").unwrap();
    try_open(&from_file.parse().unwrap(), "b").unwrap();
    std::fs::write(&file, "*:*:*:other:x\n").unwrap();
    let text = refusal_at(&from_file);
    assert!(text.contains("no line in it fits host, port, database and user"), "{text}");
    let text = refusal_at(&format!("{}?sslmode=require", database.url()));
    assert!(text.contains("server does not support TLS"), "{text}");
}
