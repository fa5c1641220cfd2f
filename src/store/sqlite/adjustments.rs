//! The rows of changes that no packet made.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{StoreFault, as_saved, from_saved};
use crate::account::{Asset, Corrected};
use crate::books::{Adjustment, BalanceChange, ChangeId, RecoveredAccount};

const INSERT: &str = "\
INSERT INTO adjustment (id, at, account, asset, scale, kind, amount, balance, reason, made_by) \
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (id) DO NOTHING";

const SELECT: &str = "\
SELECT id, at, account, asset, scale, kind, amount, balance, reason, made_by FROM adjustment WHERE id = ?1";

const SELECT_ALL: &str = "\
SELECT id, at, account, asset, scale, kind, amount, balance, reason, made_by FROM adjustment \
ORDER BY at, number";

const SELECT_CORRECTIONS: &str = "\
SELECT id, at, account, asset, scale, kind, amount, balance, reason, made_by FROM adjustment \
WHERE kind <> 'adjust'";

/// Adds a change, unless an earlier cut has added it: a cut whose write failed may have been saved.
pub(super) fn insert(connection: &Connection, made: &Adjustment) -> Result<(), rusqlite::Error> {
    let Adjustment { id, at, account, asset, change, balance, reason, by } = made;
    connection.prepare_cached(INSERT)?.execute(params![
        id.as_str(),
        as_saved(*at),
        &**account,
        &*asset.code,
        asset.scale,
        change.kind(),
        change.amount().to_string(),
        balance.to_string(),
        reason,
        by,
    ])?;
    Ok(())
}

pub(super) fn find(
    connection: &Connection,
    id: &ChangeId,
) -> Result<Option<Adjustment>, StoreFault> {
    let mut select = connection.prepare_cached(SELECT)?;
    select.query_row([id.as_str()], |row| Ok(read(row))).optional()?.transpose()
}

/// Sums up the changes of each account that say which packets they are about.
pub(super) fn add_corrections(
    connection: &Connection,
    accounts: &mut [RecoveredAccount],
) -> Result<(), StoreFault> {
    let mut sums: HashMap<(Arc<str>, Asset), Corrected> = HashMap::new();
    let mut select = connection.prepare(SELECT_CORRECTIONS)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let Adjustment { account, asset, change, .. } = read(row)?;
        change.add_to(sums.entry((account, asset)).or_default());
    }
    for account in accounts {
        let key = (Arc::clone(&account.row.name), account.row.asset.clone());
        account.corrected = sums.get(&key).copied().unwrap_or_default();
    }
    Ok(())
}

/// All changes, the oldest first.
pub(super) fn read_all(connection: &Connection) -> Result<Vec<Adjustment>, StoreFault> {
    let mut select = connection.prepare(SELECT_ALL)?;
    let mut rows = select.query([])?;
    let mut adjustments = Vec::new();
    while let Some(row) = rows.next()? {
        adjustments.push(read(row)?);
    }
    Ok(adjustments)
}

fn read(row: &Row<'_>) -> Result<Adjustment, StoreFault> {
    let id: String = row.get("id")?;
    let damaged = |what: &str| StoreFault::Damaged(format!("the change {id} has a wrong {what}"));
    let number = |column: &str| {
        let text: String = row.get(column)?;
        text.parse::<i128>().map_err(|_| damaged(column))
    };
    let (account, kind): (String, String) = (row.get("account")?, row.get("kind")?);
    let (code, scale): (String, u8) = (row.get("asset")?, row.get("scale")?);
    let at: i64 = row.get("at")?;
    Ok(Adjustment {
        id: id.parse().map_err(|_| damaged("id"))?,
        at: from_saved(at).ok_or_else(|| damaged("time"))?,
        account: account.into(),
        asset: Asset::checked(&code, scale).map_err(|_| damaged("asset"))?,
        change: BalanceChange::from_saved(&kind, number("amount")?)
            .ok_or_else(|| damaged("kind"))?,
        balance: number("balance")?,
        reason: row.get("reason")?,
        by: row.get("made_by")?,
    })
}
