//! Reads what a store tells of the past.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use super::{
    SqliteStore, StoreFault, adjustments, check_version, connect_read_only, flows, load,
    settlements,
};
use crate::books::BooksHistory;
use crate::store::OpenError;
use crate::wire::Timestamp;

impl SqliteStore {
    /// Reads the books of a file that may be in use, with their past.
    ///
    /// # Errors
    /// As [`SqliteStore::read`].
    pub fn read_history(path: &Path) -> Result<BooksHistory, OpenError> {
        let read = || {
            let reader = connect_read_only(path)?;
            check_version(path, &reader.connection)?;
            // One transaction: everything is as of the same cut.
            let transaction = reader.connection.unchecked_transaction()?;
            let books = load(path, &transaction)?;
            let cut_at = read_cut_at(&transaction)?;
            let adjustments = adjustments::read_all(&transaction)?;
            let flows = flows::read_all(&transaction)?;
            let settlements = settlements::read_all(&transaction)?;
            Ok(BooksHistory { books, cut_at, adjustments, flows, settlements })
        };
        read().map_err(|error: StoreFault| error.into_open_error(path))
    }
}

/// When the newest cut was taken. New books have none.
fn read_cut_at(connection: &Connection) -> Result<Timestamp, StoreFault> {
    let select = "SELECT value FROM meta WHERE key = 'cut_at'";
    let saved: Option<String> = connection.query_row(select, [], |row| row.get(0)).optional()?;
    let Some(saved) = saved else { return Ok(Timestamp::EPOCH) };
    let millis = saved.parse();
    millis
        .map(Timestamp::from_millis)
        .map_err(|_| StoreFault::Damaged(format!("the time of the cut is '{saved}'")))
}
