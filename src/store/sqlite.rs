//! The books in an SQLite file: one connection, write-ahead log, one synchronous write for each cut.
//!
//! Others may read the file while the node runs. Each open takes the lock, checks the whole file, and notes that the
//! books are in use; only a clean stop removes that note.

mod accounts;
mod adjustments;
mod backup;
mod events;
mod flows;
mod history;
mod payments;
mod read_only;
mod reconciliations;
mod restore;
mod settlements;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};
use rustix::fs::Access;

use self::read_only::connect_read_only;
use super::error::{OpenError, WriteError};
use super::file_lock::FileLock;
use super::identity::StoreIdentity;
use super::ownership;
use super::paths::{FileInUse, log_of};
use crate::account::AccountId;
use crate::books::{
    Adjustment, ChangeId, Cut, SavedBooks, Settlement, SettlementDirection, SettlementKey,
    recover_account,
};
use crate::link::CutNumber;
use crate::machine;
use crate::net::{Clock, directory_of};
use crate::wire::Timestamp;

/// Marks a file as ours ("ILPB").
const APPLICATION_ID: u32 = 0x494c_5042;
/// The statements that lead from each version to the next.
const MIGRATIONS: [&str; 7] = [
    include_str!("sqlite/0001_accounts.sql"),
    include_str!("sqlite/0002_payments.sql"),
    include_str!("sqlite/0003_flows.sql"),
    include_str!("sqlite/0004_settlements.sql"),
    include_str!("sqlite/0005_events.sql"),
    include_str!("sqlite/0006_flow_rates.sql"),
    include_str!("sqlite/0007_reconciliation.sql"),
];
/// How long a commit waits for a reader that blocks it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// In a simulated world, the log is copied into the file from so many pages on.
#[cfg(feature = "simulation")]
const SIMULATED_LOG_PAGES: u32 = 30;

/// An open store.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    file: FileInUse,
    log: FileInUse,
    connection: Connection,
    books_id: String,
    _lock: FileLock,
}

impl SqliteStore {
    /// Opens the books, or begins new ones if there is no file.
    ///
    /// # Errors
    /// [`OpenError`]: locked, foreign, newer, damaged, inconsistent, or not accessible.
    pub fn open(path: &Path, identity: &StoreIdentity) -> Result<(Self, SavedBooks), OpenError> {
        let opened = Self::open_allowed(path, identity);
        opened.map_err(|error| ownership::explain(error, path, Access::WRITE_OK | Access::READ_OK))
    }

    fn open_allowed(
        path: &Path,
        identity: &StoreIdentity,
    ) -> Result<(Self, SavedBooks), OpenError> {
        if !directory_of(path).is_dir() {
            return Err(OpenError::NoDirectory { path: path.to_owned() });
        }
        let mut lock = FileLock::acquire(path)?;
        let len = std::fs::metadata(path).map(|metadata| metadata.len()).ok();
        let is_empty = len.is_none_or(|len| len == 0);
        let emptied = lock.last_books_id().map(|books_id| OpenError::Emptied {
            path: path.to_owned(),
            is_missing: len.is_none(),
            lock: lock.path().to_owned(),
            books_id: books_id.to_owned(),
        });
        let emptied = match emptied {
            Some(emptied) if is_empty => return Err(emptied),
            other => other,
        };
        let opened = connect(path, OpenFlags::SQLITE_OPEN_CREATE)
            .and_then(|mut connection| {
                // A file of SQLite without a table.
                if let (true, Some(emptied)) = (is_new(&connection)?, emptied) {
                    return Err(StoreFault::open(emptied));
                }
                prepare(path, &mut connection, identity)?;
                let books = load(path, &connection)?;
                set_meta(&connection, "clean", "0")?;
                Ok((connection, books))
            })
            .map_err(|error| error.into_open_error(path));
        let (connection, books) = opened?;
        let books_id = books.books_id.clone();
        lock.write_holder(&books_id)
            .map_err(|error| OpenError::Io { path: lock.path().to_owned(), error })?;
        let path = path.to_owned();
        let in_use = |file: PathBuf| {
            FileInUse::new(file.clone()).map_err(|error| OpenError::Io { path: file, error })
        };
        let (file, log) = (in_use(path.clone())?, in_use(log_of(&path))?);
        Ok((Self { path, file, log, connection, books_id, _lock: lock }, books))
    }

    /// Reads the books of a file that may be in use. What is in flight counts as in the last cut; nothing is changed.
    ///
    /// # Errors
    /// [`OpenError`]: there is no store of ours, or it is inconsistent.
    pub fn read(path: &Path) -> Result<SavedBooks, OpenError> {
        let read = || {
            let reader = connect_read_only(path)?;
            check_version(path, &reader.connection)?;
            // One transaction: all rows are of the same cut.
            let transaction = reader.connection.unchecked_transaction()?;
            let mut books = load(path, &transaction)?;
            books.show_as_saved();
            Ok(books)
        };
        read().map_err(|error: StoreFault| {
            ownership::explain(error.into_open_error(path), path, Access::READ_OK)
        })
    }

    /// The version of the tables of a file that is ours. It may be in use; nothing is changed.
    ///
    /// # Errors
    /// [`OpenError`]: it cannot be read, or is no store of a known version.
    pub fn tables_version(path: &Path) -> Result<u32, OpenError> {
        let read = || check_version(path, &connect_read_only(path)?.connection);
        read().map_err(|error: StoreFault| error.into_open_error(path))
    }

    /// Checks the whole file, every row, and whose books they are. It may be in use.
    ///
    /// # Errors
    /// [`OpenError`]: the first thing that is wrong.
    pub fn verify(path: &Path, identity: &StoreIdentity) -> Result<SavedBooks, OpenError> {
        let books = Self::read(path)?;
        let check = || {
            let reader = connect_read_only(path)?;
            check_pages(&reader.connection)?;
            check_owner(path, &reader.connection, identity)
        };
        check().map_err(|error| error.into_open_error(path))?;
        Ok(books)
    }

    /// Saves a cut. When this returns without an error, it is durable.
    ///
    /// # Errors
    /// [`WriteError`]. Then [`SqliteStore::reopen`] it: after a failed synchronous write, the state of this
    /// connection's file is unknown.
    pub fn write(&mut self, cut: &Cut) -> Result<(), WriteError> {
        self.write_transaction(cut, false)
    }

    /// Saves the last cut of a node that stops, and notes that the stop was clean.
    ///
    /// # Errors
    /// As [`SqliteStore::write`].
    pub fn write_last(&mut self, cut: &Cut) -> Result<(), WriteError> {
        self.write_transaction(cut, true)
    }

    fn write_transaction(&mut self, cut: &Cut, is_last: bool) -> Result<(), WriteError> {
        self.check_files()?;
        let mut transaction = self.connection.transaction()?;
        accounts::save(&transaction, cut)?;
        flows::write(&transaction, &cut.flows)?;
        if planted!(CutInTwo) {
            transaction.commit()?;
            transaction = self.connection.transaction()?;
        }
        for adjustment in &cut.records().adjustments {
            adjustments::insert(&transaction, adjustment)?;
        }
        settlements::save(&transaction, &cut.records().settlements)?;
        payments::save(&transaction, cut)?;
        events::save(&transaction, cut)?;
        reconciliations::save(&transaction, &cut.records().reconciliations)?;
        set_meta(&transaction, "cut", &cut.number.0.to_string())?;
        set_meta(&transaction, "cut_at", &cut.at.as_millis().to_string())?;
        if is_last {
            set_meta(&transaction, "clean", "1")?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// The change with this id, if the store has it.
    ///
    /// # Errors
    /// [`WriteError`]: the store cannot be read.
    pub fn find_adjustment(&self, id: &ChangeId) -> Result<Option<Adjustment>, WriteError> {
        adjustments::find(&self.connection, id).map_err(StoreFault::into_write_error)
    }

    /// The settlement with this key, if the store has it.
    ///
    /// # Errors
    /// [`WriteError`]: the store cannot be read.
    pub fn find_settlement(
        &self,
        direction: SettlementDirection,
        account: &str,
        key: &SettlementKey,
    ) -> Result<Option<Settlement>, WriteError> {
        let found = settlements::find(&self.connection, direction, account, key);
        found.map_err(StoreFault::into_write_error)
    }

    /// The newest settlements, the newest first, of one account or of all.
    ///
    /// # Errors
    /// [`WriteError`]: the store cannot be read.
    pub fn list_settlements(
        &self,
        account: Option<&str>,
        max: u32,
    ) -> Result<Vec<Settlement>, WriteError> {
        let listed = settlements::read_newest(&self.connection, account, max);
        listed.map_err(StoreFault::into_write_error)
    }

    /// Opens the file again after an error. The lock is held all the time.
    ///
    /// # Errors
    /// [`WriteError`]: it is still not usable, or is not the same file any more.
    pub fn reopen(&mut self) -> Result<(), WriteError> {
        self.check_files()?;
        let connection =
            connect(&self.path, OpenFlags::empty()).map_err(StoreFault::into_write_error)?;
        let books_id = meta(&connection, "books_id").map_err(StoreFault::into_write_error)?;
        if books_id != self.books_id {
            return Err(WriteError::Replaced(format!("it holds the books {books_id}")));
        }
        use_write_ahead_log(&self.path, &connection).map_err(StoreFault::into_write_error)?;
        self.connection = connection;
        Ok(())
    }

    /// SQLite would go on writing to files that have lost their names, and what it saves would be lost.
    fn check_files(&self) -> Result<(), WriteError> {
        for (file, what) in [
            (&self.file, "it was moved, deleted or replaced; put it back"),
            (&self.log, "its log (-wal) was moved, deleted or replaced; put it back"),
        ] {
            if !file.is_in_place() {
                return Err(WriteError::Replaced(what.to_owned()));
            }
        }
        Ok(())
    }
}

/// What can be wrong with a file, before its path is added.
#[derive(Debug)]
enum StoreFault {
    Sqlite(rusqlite::Error),
    Damaged(String),
    Open(Box<OpenError>),
}

impl From<rusqlite::Error> for StoreFault {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged(error.to_string())
            }
            _ => Self::Sqlite(error),
        }
    }
}

impl StoreFault {
    fn open(error: OpenError) -> Self {
        Self::Open(Box::new(error))
    }

    fn into_open_error(self, path: &Path) -> OpenError {
        match self {
            Self::Sqlite(error) => OpenError::Sqlite { path: path.to_owned(), error },
            Self::Damaged(detail) => OpenError::Damaged { path: path.to_owned(), detail },
            Self::Open(error) => *error,
        }
    }

    fn into_write_error(self) -> WriteError {
        match self {
            Self::Sqlite(error) => WriteError::Sqlite(error),
            Self::Damaged(detail) => WriteError::Damaged(detail),
            Self::Open(error) => WriteError::Open(error),
        }
    }
}

/// Opens the file and changes nothing in it: it may belong to another program.
fn connect(path: &Path, more: OpenFlags) -> Result<Connection, StoreFault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // A commit returns when its pages in the log are on the disk.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    #[cfg(feature = "simulation")]
    if machine::is_simulated() {
        // So that crashes come while SQLite copies its log, too.
        connection.pragma_update(None, "wal_autocheckpoint", SIMULATED_LOG_PAGES)?;
    }
    Ok(connection)
}

fn use_write_ahead_log(path: &Path, connection: &Connection) -> Result<(), StoreFault> {
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreFault::open(OpenError::NoWriteAheadLog { path: path.to_owned(), mode }));
    }
    Ok(())
}

/// Whether nothing was written to the file yet.
fn is_new(connection: &Connection) -> Result<bool, rusqlite::Error> {
    let tables: u32 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(tables == 0 && application_id(connection)? == 0)
}

fn check_pages(connection: &Connection) -> Result<(), StoreFault> {
    let checked: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if checked == "ok" { Ok(()) } else { Err(StoreFault::Damaged(checked)) }
}

fn known_version() -> u32 {
    u32::try_from(MIGRATIONS.len()).expect("there are few migrations")
}

fn application_id(connection: &Connection) -> Result<u32, rusqlite::Error> {
    connection.pragma_query_value(None, "application_id", |row| row.get(0))
}

/// The version of a file that is ours.
fn check_version(path: &Path, connection: &Connection) -> Result<u32, StoreFault> {
    if application_id(connection)? != APPLICATION_ID {
        return Err(StoreFault::open(OpenError::Foreign { path: path.to_owned() }));
    }
    let found = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = known_version();
    if found > known {
        return Err(StoreFault::open(OpenError::Newer { path: path.to_owned(), found, known }));
    }
    Ok(found)
}

/// Makes sure that the books are of this node.
fn check_owner(
    path: &Path,
    connection: &Connection,
    identity: &StoreIdentity,
) -> Result<(), StoreFault> {
    let Some(wanted) = &identity.node else { return Ok(()) };
    let found = meta(connection, "node")?;
    if found != wanted.as_str() {
        let (path, wanted) = (path.to_owned(), wanted.to_string());
        return Err(StoreFault::open(OpenError::OtherNode { path, found, wanted }));
    }
    Ok(())
}

/// Makes sure that the file is ours, whole, and of this version, and brings it to this version.
fn prepare(
    path: &Path,
    connection: &mut Connection,
    identity: &StoreIdentity,
) -> Result<(), StoreFault> {
    let is_new = is_new(connection)?;
    let found = if is_new { 0 } else { check_version(path, connection)? };
    check_pages(connection)?;
    if !is_new {
        check_owner(path, connection, identity)?;
    }
    use_write_ahead_log(path, connection)?;
    let known = known_version();
    if found == known {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    for migration in MIGRATIONS.iter().skip(found as usize) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    if is_new {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        set_meta(&transaction, "books_id", &format!("{:032x}", machine::random::<u128>()))?;
        let node = identity.node.as_ref().map_or("", AccountId::as_str);
        set_meta(&transaction, "node", node)?;
        set_meta(&transaction, "cut", "0")?;
        set_meta(&transaction, "clean", "1")?;
    }
    transaction.commit()?;
    Ok(())
}

/// Reads the books.
fn load(path: &Path, connection: &Connection) -> Result<SavedBooks, StoreFault> {
    let was_clean = meta(connection, "clean")? == "1";
    let cut = meta(connection, "cut")?;
    let cut = cut.parse().map_err(|_| StoreFault::Damaged(format!("the cut '{cut}'")))?;
    let now = Clock::start().now().wall;
    let mut accounts = Vec::new();
    for stored in accounts::read_all(connection)? {
        accounts.push(recover_account(stored, now).map_err(|row| {
            let path = path.to_owned();
            StoreFault::open(OpenError::Unbalanced { path, row })
        })?);
    }
    let books_id = meta(connection, "books_id")?;
    let flows = flows::read_newest_hour(connection)?;
    let payments = payments::read_all(connection)?;
    let settlements = settlements::read_open(connection, now)?;
    let reconciliations = reconciliations::read_all(connection)?;
    adjustments::add_corrections(connection, &mut accounts)?;
    Ok(SavedBooks {
        books_id,
        cut: CutNumber(cut),
        was_clean,
        accounts,
        payments,
        flows,
        settlements,
        reconciliations,
    })
}

/// A time, as the store has it.
fn as_saved(time: Timestamp) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// `None`: it is no time.
fn from_saved(millis: i64) -> Option<Timestamp> {
    u64::try_from(millis).ok().map(Timestamp::from_millis)
}

/// The version of the tables, which may be an earlier one for a reader.
fn version(connection: &Connection) -> Result<u32, rusqlite::Error> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn meta(connection: &Connection, key: &str) -> Result<String, StoreFault> {
    let value = connection
        .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
        .optional()?;
    value.ok_or_else(|| StoreFault::Damaged(format!("the value {key} is missing")))
}

fn set_meta(connection: &Connection, key: &str, value: &str) -> Result<(), rusqlite::Error> {
    let mut set = connection.prepare_cached(
        "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
    )?;
    set.execute([key, value]).map(drop)
}

#[cfg(test)]
mod tests;
