//! The rows of settlements.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::{StoreFault, as_saved, from_saved, version};
use crate::account::Asset;
use crate::books::{Quantity, Settlement, SettlementDirection, SettlementKey};
use crate::wire::Timestamp;

/// The version of the tables that has this one. A reader may find an older one.
const VERSION: u32 = 4;
/// A node that starts knows what it settled in this time, because `settleMaxPerHour` limits it.
const RECENT_MS: u64 = 3_600_000;

const UPSERT: &str = "\
INSERT INTO settlement (direction, account, key, asset, scale, amount, amount_scale, units, leftover, state, \
attempts, created_at, updated_at, reference, made_by) \
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) \
ON CONFLICT (direction, account, key) DO UPDATE SET state = ?10, attempts = ?11, updated_at = ?13";

const SELECT: &str = "SELECT * FROM settlement WHERE direction = ?1 AND account = ?2 AND key = ?3";

const SELECT_ALL: &str = "SELECT * FROM settlement ORDER BY created_at, number";

const SELECT_NEWEST: &str = "\
SELECT * FROM settlement WHERE ?1 IS NULL OR account = ?1 ORDER BY number DESC LIMIT ?2";

/// Those that a node goes on with.
const SELECT_OPEN: &str = "\
SELECT * FROM settlement WHERE number IN (\
SELECT number FROM settlement WHERE state = 'pending' UNION \
SELECT max(number) FROM settlement WHERE direction = 'in' GROUP BY account, asset, scale UNION \
SELECT number FROM settlement WHERE direction = 'out' AND created_at >= ?1) ORDER BY number";

/// Adds settlements, or their new states. A cut whose write failed may have been saved: then nothing changes.
pub(super) fn save(
    connection: &Connection,
    settlements: &[Settlement],
) -> Result<(), rusqlite::Error> {
    if settlements.is_empty() {
        return Ok(());
    }
    let mut upsert = connection.prepare_cached(UPSERT)?;
    for settlement in settlements {
        let Settlement { key, account, asset, direction, quantity, .. } = settlement;
        upsert.execute(params![
            direction.as_str(),
            &**account,
            key.as_str(),
            &*asset.code,
            asset.scale,
            quantity.amount(),
            quantity.scale,
            settlement.units.to_string(),
            settlement.leftover.to_string(),
            settlement.state.as_str(),
            settlement.attempts,
            as_saved(settlement.created_at),
            as_saved(settlement.updated_at),
            settlement.reference,
            settlement.by,
        ])?;
    }
    Ok(())
}

pub(super) fn find(
    connection: &Connection,
    direction: SettlementDirection,
    account: &str,
    key: &SettlementKey,
) -> Result<Option<Settlement>, StoreFault> {
    let mut select = connection.prepare_cached(SELECT)?;
    let row = select.query_row([direction.as_str(), account, key.as_str()], |row| Ok(read(row)));
    row.optional()?.transpose()
}

/// All settlements, the oldest first.
pub(super) fn read_all(connection: &Connection) -> Result<Vec<Settlement>, StoreFault> {
    select(connection, SELECT_ALL, &[])
}

/// The newest first, of one account or of all.
pub(super) fn read_newest(
    connection: &Connection,
    account: Option<&str>,
    max: u32,
) -> Result<Vec<Settlement>, StoreFault> {
    select(connection, SELECT_NEWEST, &[&account, &max])
}

/// Those that a node goes on with that starts now.
pub(super) fn read_open(
    connection: &Connection,
    now: Timestamp,
) -> Result<Vec<Settlement>, StoreFault> {
    select(connection, SELECT_OPEN, &[&as_saved(now.saturating_sub_millis(RECENT_MS))])
}

fn select(
    connection: &Connection,
    query: &str,
    parameters: &[&dyn ToSql],
) -> Result<Vec<Settlement>, StoreFault> {
    if version(connection)? < VERSION {
        return Ok(Vec::new());
    }
    let mut select = connection.prepare_cached(query)?;
    let mut rows = select.query(parameters)?;
    let mut settlements = Vec::new();
    while let Some(row) = rows.next()? {
        settlements.push(read(row)?);
    }
    Ok(settlements)
}

fn read(row: &Row<'_>) -> Result<Settlement, StoreFault> {
    let key: String = row.get("key")?;
    let damaged =
        |what: &str| StoreFault::Damaged(format!("the settlement {key} has a wrong {what}"));
    let text = |column: &str| row.get::<_, String>(column);
    let time = |column: &str| from_saved(row.get(column)?).ok_or_else(|| damaged(column));
    Ok(Settlement {
        key: key.parse().map_err(|_| damaged("key"))?,
        account: text("account")?.into(),
        asset: Asset::checked(&text("asset")?, row.get("scale")?).map_err(|_| damaged("asset"))?,
        direction: text("direction")?.parse().map_err(|()| damaged("direction"))?,
        quantity: Quantity::new(&text("amount")?, row.get("amount_scale")?)
            .map_err(|_| damaged("amount"))?,
        units: text("units")?.parse().map_err(|_| damaged("units"))?,
        leftover: text("leftover")?.parse().map_err(|_| damaged("leftover"))?,
        state: text("state")?.parse().map_err(|()| damaged("state"))?,
        attempts: row.get("attempts")?,
        created_at: time("created_at")?,
        updated_at: time("updated_at")?,
        reference: text("reference")?,
        by: text("made_by")?,
    })
}
