//! The two kinds of stores behind one interface.

use std::path::{Path, PathBuf};

use tokio::sync::{mpsc, watch};

use super::delivery_query::DeliveryQuery;
use super::error::{OpenError, WriteError};
use super::identity::StoreIdentity;
use super::lease::{BooksHolder, Lease};
use super::postgres::PostgresStore;
use super::sqlite::SqliteStore;
use crate::account::AccountId;
use crate::books::{
    Adjustment, BooksHistory, ChangeId, Cut, EventQuery, FoundDeliveries, NumberedEvent,
    SavedBooks, Settlement, SettlementDirection, SettlementKey,
};
use crate::net::{Clock, PostgresUrl, StorePlace};

/// The open books of a node. All calls block.
#[derive(Debug)]
pub enum Store {
    /// In a file.
    Sqlite(Box<SqliteStore>),
    /// In a database.
    Postgres(Box<PostgresStore>),
}

impl Store {
    /// Opens the books of a node, or begins new ones. The clock is that of the node.
    ///
    /// # Errors
    /// [`OpenError`]; nothing in the store has changed then.
    pub fn open(
        place: &StorePlace,
        identity: &StoreIdentity,
        clock: Clock,
    ) -> Result<(Self, SavedBooks), OpenError> {
        match place {
            StorePlace::File(path) => {
                let (store, books) = SqliteStore::open(path, identity)?;
                Ok((Self::Sqlite(Box::new(store)), books))
            }
            StorePlace::Postgres(url) => {
                let failed = of_database(url);
                let node = match &identity.node {
                    Some(node) => node.clone(),
                    None => PostgresStore::find_only_node(url).map_err(&failed)?,
                };
                let (store, books) = PostgresStore::open(url, &node, clock).map_err(failed)?;
                Ok((Self::Postgres(Box::new(store)), books))
            }
        }
    }

    /// Waits until no other process has the books of a node in a database, or until `report`, which gets the one that
    /// has them, returns `false`.
    ///
    /// # Errors
    /// [`OpenError`]: the database cannot be asked.
    pub fn wait_until_free(
        url: &PostgresUrl,
        node: &AccountId,
        report: impl FnMut(BooksHolder) -> bool,
    ) -> Result<(), OpenError> {
        PostgresStore::wait_until_free(url, node, report).map_err(of_database(url))
    }

    /// The version of the tables in a file, which may be in use. Nothing is changed.
    ///
    /// # Errors
    /// [`OpenError`]: the file cannot be read, or is no store of a known version.
    pub fn tables_version(path: &Path) -> Result<u32, OpenError> {
        SqliteStore::tables_version(path)
    }

    /// Reads the books, which may be in use. What is in flight counts as in the last cut; nothing is changed.
    ///
    /// # Errors
    /// [`OpenError`]: there are no books of ours, or they are inconsistent.
    pub fn read(place: &StorePlace, identity: &StoreIdentity) -> Result<SavedBooks, OpenError> {
        match place {
            StorePlace::File(path) => SqliteStore::read(path),
            StorePlace::Postgres(url) => {
                let mut books = read_database(url, identity)?.books;
                books.show_as_saved();
                Ok(books)
            }
        }
    }

    /// Reads the books with their past. They may be in use.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn read_history(
        place: &StorePlace,
        identity: &StoreIdentity,
    ) -> Result<BooksHistory, OpenError> {
        match place {
            StorePlace::File(path) => SqliteStore::read_history(path),
            StorePlace::Postgres(url) => read_database(url, identity),
        }
    }

    /// Checks a whole file, and every row of the books. They may be in use.
    ///
    /// # Errors
    /// [`OpenError`]: the first thing that is wrong.
    pub fn verify(place: &StorePlace, identity: &StoreIdentity) -> Result<SavedBooks, OpenError> {
        match place {
            StorePlace::File(path) => SqliteStore::verify(path, identity),
            StorePlace::Postgres(_) => Self::read(place, identity),
        }
    }

    /// Copies a file to a new one, also while it is in use.
    ///
    /// # Errors
    /// [`OpenError`]: the store is not ours, damaged or a database, or the new file exists or cannot be written.
    pub fn backup(place: &StorePlace, target: &Path) -> Result<(), OpenError> {
        match place {
            StorePlace::File(path) => SqliteStore::backup(path, target),
            StorePlace::Postgres(url) => {
                Err(OpenError::NotAFile { database: url.to_string(), tool: "pg_dump" })
            }
        }
    }

    /// Puts a copy of a backup in the place of a file that is not in use. Returns the books that are in force then, and
    /// the new name of the file that was there.
    ///
    /// # Errors
    /// [`OpenError`]: the backup is not a whole store of ours, a node runs with the store, it is a database, or a file
    /// cannot be written.
    pub fn restore(
        place: &StorePlace,
        backup: &Path,
        identity: &StoreIdentity,
    ) -> Result<(SavedBooks, Option<PathBuf>), OpenError> {
        match place {
            StorePlace::File(path) => SqliteStore::restore(path, backup, identity),
            StorePlace::Postgres(url) => {
                Err(OpenError::NotAFile { database: url.to_string(), tool: "pg_restore" })
            }
        }
    }

    /// The lease of the books. `None`: a lock holds them as long as the process runs.
    pub fn watch_lease(&self) -> Option<watch::Receiver<Lease>> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(store) => Some(store.watch_lease()),
        }
    }

    /// Saves a cut. When this returns without an error, it is durable.
    ///
    /// # Errors
    /// [`WriteError`]. Then [`Store::reopen`] it.
    pub fn write(&mut self, cut: &Cut) -> Result<(), WriteError> {
        match self {
            Self::Sqlite(store) => store.write(cut),
            Self::Postgres(store) => store.write(cut),
        }
    }

    /// Saves the last cut of a node that stops, and notes that the stop was clean.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn write_last(&mut self, cut: &Cut) -> Result<(), WriteError> {
        match self {
            Self::Sqlite(store) => store.write_last(cut),
            Self::Postgres(store) => store.write_last(cut),
        }
    }

    /// The change with this id, if the store has it.
    ///
    /// # Errors
    /// [`WriteError`]: the store cannot be read.
    pub fn find_adjustment(&mut self, id: &ChangeId) -> Result<Option<Adjustment>, WriteError> {
        match self {
            Self::Sqlite(store) => store.find_adjustment(id),
            Self::Postgres(store) => store.find_adjustment(id),
        }
    }

    /// The settlement with this key, if the store has it.
    ///
    /// # Errors
    /// [`WriteError`]: the store cannot be read.
    pub fn find_settlement(
        &mut self,
        direction: SettlementDirection,
        account: &str,
        key: &SettlementKey,
    ) -> Result<Option<Settlement>, WriteError> {
        match self {
            Self::Sqlite(store) => store.find_settlement(direction, account, key),
            Self::Postgres(store) => store.find_settlement(direction, account, key),
        }
    }

    /// The newest settlements, the newest first, of one account or of all.
    ///
    /// # Errors
    /// [`WriteError`]: the store cannot be read.
    pub fn list_settlements(
        &mut self,
        account: Option<&str>,
        max: u32,
    ) -> Result<Vec<Settlement>, WriteError> {
        match self {
            Self::Sqlite(store) => store.list_settlements(account, max),
            Self::Postgres(store) => store.list_settlements(account, max),
        }
    }

    /// The deliveries to a webhook that a query asks for.
    ///
    /// # Errors
    /// [`WriteError`]: the store cannot be read.
    pub fn find_deliveries(
        &mut self,
        query: &DeliveryQuery,
    ) -> Result<FoundDeliveries, WriteError> {
        match self {
            Self::Sqlite(store) => store.find_deliveries(query),
            Self::Postgres(store) => store.find_deliveries(query),
        }
    }

    /// The events that a query asks for, the newest first.
    ///
    /// # Errors
    /// [`WriteError`]: the store cannot be read.
    pub fn find_events(&mut self, query: &EventQuery) -> Result<Vec<NumberedEvent>, WriteError> {
        match self {
            Self::Sqlite(store) => store.find_events(query),
            Self::Postgres(store) => store.find_events(query),
        }
    }

    /// Opens the store again after an error. No other process can have used it meanwhile.
    ///
    /// # Errors
    /// [`WriteError`]: it is still not usable, or another process has taken it.
    pub fn reopen(&mut self) -> Result<(), WriteError> {
        match self {
            Self::Sqlite(store) => store.reopen(),
            Self::Postgres(store) => store.reopen(),
        }
    }

    /// Waits for the next request, and keeps the store until it comes. `None`: there will be none.
    pub(super) fn next_request<T>(&mut self, requests: &mut mpsc::Receiver<T>) -> Option<T> {
        match self {
            Self::Sqlite(_) => requests.blocking_recv(),
            Self::Postgres(store) => store.next_request(requests),
        }
    }

    /// Lets other processes have the store at once.
    pub(super) fn close(self) {
        match self {
            Self::Sqlite(_) => {}
            Self::Postgres(store) => store.close(),
        }
    }
}

fn read_database(url: &PostgresUrl, identity: &StoreIdentity) -> Result<BooksHistory, OpenError> {
    PostgresStore::read_history(url, identity.node.as_ref()).map_err(of_database(url))
}

fn of_database(url: &PostgresUrl) -> impl Fn(super::postgres::PostgresError) -> OpenError {
    |error| OpenError::Postgres { database: url.to_string(), error: Box::new(error) }
}
