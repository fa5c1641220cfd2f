//! Reads what a store tells of the past.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row};

use super::{SqliteStore, StoreFault, check_version, connect_read_only, load};
use crate::account::Asset;
use crate::books::{Adjustment, BalanceChange, BooksHistory};
use crate::store::OpenError;
use crate::wire::Timestamp;

impl SqliteStore {
    /// Reads the books of a file that may be in use, with their past.
    ///
    /// # Errors
    /// As [`SqliteStore::read`].
    pub fn read_history(path: &Path) -> Result<BooksHistory, OpenError> {
        let read = || {
            let connection = connect_read_only(path)?;
            check_version(path, &connection)?;
            // One transaction: everything is as of the same cut.
            let transaction = connection.unchecked_transaction()?;
            let books = load(path, &transaction)?;
            let cut_at = read_cut_at(&transaction)?;
            Ok(BooksHistory { books, cut_at, adjustments: read_adjustments(&transaction)? })
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

fn read_adjustments(connection: &Connection) -> Result<Vec<Adjustment>, StoreFault> {
    let mut select = connection.prepare(
        "SELECT number, at, account, asset, scale, kind, amount, reason, made_by \
        FROM adjustment ORDER BY at, number",
    )?;
    let mut rows = select.query([])?;
    let mut adjustments = Vec::new();
    while let Some(row) = rows.next()? {
        adjustments.push(read_adjustment(row)?);
    }
    Ok(adjustments)
}

fn read_adjustment(row: &Row<'_>) -> Result<Adjustment, StoreFault> {
    let number: i64 = row.get("number")?;
    let damaged =
        |what: &str| StoreFault::Damaged(format!("the adjustment {number} has a wrong {what}"));
    let at: i64 = row.get("at")?;
    let (account, code, scale): (String, String, u8) =
        (row.get("account")?, row.get("asset")?, row.get("scale")?);
    let (kind, amount): (String, String) = (row.get("kind")?, row.get("amount")?);
    let amount = amount.parse().map_err(|_| damaged("amount"))?;
    Ok(Adjustment {
        at: Timestamp::from_millis(at.try_into().map_err(|_| damaged("time"))?),
        account: account.as_str().into(),
        asset: Asset::checked(&code, scale).map_err(|_| damaged("asset"))?,
        change: BalanceChange::from_saved(&kind, amount).ok_or_else(|| damaged("kind"))?,
        amount,
        reason: row.get("reason")?,
        by: row.get("made_by")?,
    })
}
