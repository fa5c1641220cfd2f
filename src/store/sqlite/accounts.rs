//! The rows of accounts.

use rusqlite::{Connection, Row, params};

use super::{StoreFault, as_saved, from_saved, version};
use crate::account::{Asset, Totals};
use crate::books::{AccountRow, Cut, StoredRow};

/// The version of the tables that has the sums of settlements. A reader may find an older one.
const SETTLED_SINCE: u32 = 4;

const UPSERT: &str = "\
INSERT INTO account (name, asset, scale, kind, balance, fulfilled_in, fulfilled_out, adjusted, held_out, \
uncertain, cut, uncertain_since, settled_in, settled_out) \
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) \
ON CONFLICT (name, asset, scale) DO UPDATE SET kind = ?4, balance = ?5, fulfilled_in = ?6, fulfilled_out = ?7, \
adjusted = ?8, held_out = ?9, uncertain = ?10, cut = ?11, uncertain_since = ?12, settled_in = ?13, \
settled_out = ?14";

const SELECT: &str = "SELECT * FROM account ORDER BY name, asset, scale";

/// Writes the rows of a cut, which replace earlier ones.
pub(super) fn save(connection: &Connection, cut: &Cut) -> Result<(), rusqlite::Error> {
    let mut upsert = connection.prepare_cached(UPSERT)?;
    let number = i64::try_from(cut.number.0).unwrap_or(i64::MAX);
    for account in &cut.accounts {
        let AccountRow { name, kind, asset, totals, .. } = account;
        upsert.execute(params![
            &**name,
            &*asset.code,
            asset.scale,
            kind.as_str(),
            totals.balance().to_string(),
            totals.fulfilled_in.to_string(),
            totals.fulfilled_out.to_string(),
            totals.adjusted.to_string(),
            account.held_out.to_string(),
            account.uncertain.to_string(),
            number,
            account.uncertain_since.map(as_saved),
            totals.settled_in.to_string(),
            totals.settled_out.to_string(),
        ])?;
    }
    Ok(())
}

/// All rows, sorted.
pub(super) fn read_all(connection: &Connection) -> Result<Vec<StoredRow>, StoreFault> {
    let version = version(connection)?;
    let mut select = connection.prepare(SELECT)?;
    let mut rows = select.query([])?;
    let mut accounts = Vec::new();
    while let Some(row) = rows.next()? {
        accounts.push(read(row, version)?);
    }
    Ok(accounts)
}

fn read(row: &Row<'_>, version: u32) -> Result<StoredRow, StoreFault> {
    let name: String = row.get("name")?;
    let damaged =
        |what: &str| StoreFault::Damaged(format!("the account {name} has a wrong {what}"));
    let amount = |column: &str| {
        let text: String = row.get(column)?;
        text.parse::<i128>().map_err(|_| damaged(column))
    };
    let settled = |column: &str| if version < SETTLED_SINCE { Ok(0) } else { amount(column) };
    let kind: String = row.get("kind")?;
    let (code, scale): (String, u8) = (row.get("asset")?, row.get("scale")?);
    Ok(StoredRow {
        balance: amount("balance")?,
        row: AccountRow {
            kind: kind.parse().map_err(|()| damaged("kind"))?,
            asset: Asset::checked(&code, scale).map_err(|_| damaged("asset"))?,
            totals: Totals {
                fulfilled_in: amount("fulfilled_in")?,
                fulfilled_out: amount("fulfilled_out")?,
                settled_in: settled("settled_in")?,
                settled_out: settled("settled_out")?,
                adjusted: amount("adjusted")?,
            },
            held_out: amount("held_out")?,
            uncertain: amount("uncertain")?,
            uncertain_since: match row.get::<_, Option<i64>>("uncertain_since")? {
                Some(millis) => Some(from_saved(millis).ok_or_else(|| damaged("time"))?),
                None => None,
            },
            name: name.as_str().into(),
        },
    })
}
