//! The rows of what is known of peers' books.

use rusqlite::{Connection, params};

use super::{StoreFault, as_saved, version};
use crate::account::Asset;
use crate::books::{ReconcileState, ReconciliationRow};

/// The version of the tables that has this one. A reader may find an older one.
const VERSION: u32 = 7;

const UPSERT: &str = "\
INSERT INTO reconciliation (account, asset, scale, at, verdict, difference, state) \
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
ON CONFLICT (account, asset, scale) DO UPDATE SET at = ?4, verdict = ?5, difference = ?6, state = ?7";

const SELECT: &str =
    "SELECT account, asset, scale, state FROM reconciliation ORDER BY account, asset, scale";

pub(super) fn save(
    connection: &Connection,
    rows: &[ReconciliationRow],
) -> Result<(), rusqlite::Error> {
    for ReconciliationRow { account, asset, state } in rows {
        connection.prepare_cached(UPSERT)?.execute(params![
            &**account,
            &*asset.code,
            asset.scale,
            state.at.map(as_saved),
            state.verdict.as_str(),
            state.difference.total().to_string(),
            state.to_text(),
        ])?;
    }
    Ok(())
}

/// All rows, sorted.
pub(super) fn read_all(connection: &Connection) -> Result<Vec<ReconciliationRow>, StoreFault> {
    if version(connection)? < VERSION {
        return Ok(Vec::new());
    }
    let mut select = connection.prepare(SELECT)?;
    let mut rows = select.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let account: String = row.get("account")?;
        let damaged = |what: &str| {
            StoreFault::Damaged(format!("the reconciliation with {account} has a wrong {what}"))
        };
        let (code, scale): (String, u8) = (row.get("asset")?, row.get("scale")?);
        let asset = Asset::checked(&code, scale).map_err(|_| damaged("asset"))?;
        let state: String = row.get("state")?;
        let state = ReconcileState::from_text(&state).ok_or_else(|| damaged("state"))?;
        found.push(ReconciliationRow { account: account.into(), asset, state });
    }
    Ok(found)
}
