//! What a session of a node requires of its server: limits of its statements, and that it waits for the disk.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use ilp_connector::internals::net::StorePlace;
use ilp_connector::internals::store::Store;
use tracing::field::Field;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::engines::cut;
use super::{PostgresServer, TestDatabase, chain, try_open};
use crate::process::{Process, TIMEOUT};
use crate::support::eventually;

/// Opens the books of the node b; an error is one text.
fn open(url: &str) -> Result<Store, String> {
    let place: StorePlace = url.parse().unwrap();
    try_open(&place, "b").map(|(store, _)| store).map_err(|error| chain(&error))
}

/// Has the server do this for each row of the books that a cut writes.
fn at_each_cut(database: &TestDatabase, statement: &str) {
    database.query(&format!(
        "CREATE FUNCTION public.at_each_cut() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS \
         $$ BEGIN {statement}; RETURN NEW; END $$; \
         CREATE TRIGGER at_each_cut AFTER UPDATE ON ilp_connector.books FOR EACH ROW \
         EXECUTE FUNCTION public.at_each_cut()"
    ));
}

/// The warnings of this thread, a line each.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<String>>);

impl Warnings {
    fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        event.record(&mut |field: &Field, value: &dyn Debug| {
            *text += &format!("{field}={value:?} ");
        });
        text.push('\n');
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The server gives up before the node does, and well within the lease.
#[test]
fn the_server_ends_a_statement_that_takes_too_long() {
    let Some(database) = TestDatabase::create("a slow statement") else { return };
    let mut store = open(&database.url()).unwrap();
    at_each_cut(&database, "PERFORM pg_sleep(60)");
    let error = chain(&store.write(&cut(1, Vec::new())).unwrap_err());
    assert!(error.contains("canceling statement due to statement timeout"), "{error}");
}

#[test]
fn the_sessions_of_a_node_wait_for_the_disk_although_the_database_does_not() {
    let Some(database) = TestDatabase::create("an asynchronous database") else { return };
    let mut store = open(&database.url()).unwrap();
    database.query("CREATE TABLE public.seen (setting text)");
    at_each_cut(
        &database,
        "INSERT INTO public.seen VALUES (current_setting('synchronous_commit'))",
    );
    let seen = || database.query("SELECT string_agg(setting, ' ') FROM public.seen");
    store.write(&cut(1, Vec::new())).unwrap();
    assert_eq!(seen(), "on");
    database.query(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$",
    );
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    store.reopen().unwrap();
    assert!(warnings.text().contains("does not wait for the disk"), "{}", warnings.text());
    database.query("TRUNCATE public.seen");
    store.write(&cut(2, Vec::new())).unwrap();
    assert_eq!(seen(), "local");
}

#[test]
fn a_server_whose_files_a_power_cut_may_damage_is_reported() {
    let Some(server) = PostgresServer::start_own("a careless server") else { return };
    let database = TestDatabase::on(&server);
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    let mut store = open(&database.url()).unwrap();
    assert_eq!(warnings.text(), "");
    database.query("ALTER SYSTEM SET full_page_writes = off");
    database.query("SELECT pg_reload_conf()");
    eventually("the setting is in force", TIMEOUT, || {
        let setting = database.query("SHOW full_page_writes");
        if setting == "off" { Ok(()) } else { Err(setting) }
    });
    store.reopen().unwrap();
    let text = warnings.text();
    assert!(text.contains("setting=\"full_page_writes\"") && !text.contains("fsync"), "{text}");
}

#[test]
fn a_database_that_cannot_hold_every_text_is_refused() {
    let Some(database) = TestDatabase::create("another encoding") else { return };
    database.query("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 OWNER ilp");
    let url = database.url();
    let (server, _) = url.rsplit_once('/').unwrap();
    let error = open(&format!("{server}/latin")).unwrap_err();
    assert!(
        error.ends_with("the database has the encoding LATIN1; create one with ENCODING 'UTF8'"),
        "{error}"
    );
}

/// A process that froze in the middle of a write keeps its locks, until a standby ends its session.
#[test]
fn a_standby_ends_the_session_of_a_frozen_process() {
    let Some(database) = TestDatabase::create("a frozen session") else { return };
    let frozen = open(&database.url()).unwrap();
    let mut session = Process::spawn(database.program("psql").args(["-X", &database.url()]));
    session.write_stdin("BEGIN; UPDATE ilp_connector.books SET cut = cut; SELECT 'is locked';\n");
    session.wait_for_line("the row is locked", |line| line.contains("is locked").then_some(()));
    let (url, node) = (database.url(), "b".parse().unwrap());
    let StorePlace::Postgres(place) = url.parse().unwrap() else { panic!("{url}") };
    eventually("the books are free", TIMEOUT, || {
        Store::wait_until_free(&place, &node, |_| true).map_err(|error| chain(&error))?;
        open(&url).map(drop)
    });
    drop(frozen);
}
