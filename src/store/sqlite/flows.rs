//! Writes and reads the flows between accounts.

use rusqlite::{Connection, Row, params};

use super::{StoreFault, version};
use crate::account::Asset;
use crate::books::{FlowEnd, FlowRow, FlowSums};
use crate::wire::Timestamp;

/// The version of the tables that has this one.
const VERSION: u32 = 3;

const UPSERT: &str = "\
INSERT INTO flow (hour, from_name, from_asset, from_scale, to_name, to_asset, to_scale, packets, amount_in, \
amount_out, amount_at_mid, spread) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
ON CONFLICT (hour, from_name, from_asset, from_scale, to_name, to_asset, to_scale) \
DO UPDATE SET packets = ?8, amount_in = ?9, amount_out = ?10, amount_at_mid = ?11, spread = ?12";

/// Writes rows of a cut, which replace earlier ones of the same hour.
pub(super) fn write(connection: &Connection, flows: &[FlowRow]) -> Result<(), rusqlite::Error> {
    let mut upsert = connection.prepare_cached(UPSERT)?;
    for FlowRow { hour, from, to, sums } in flows {
        upsert.execute(params![
            i64::try_from(hour.as_millis()).unwrap_or(i64::MAX),
            &*from.name,
            &*from.asset.code,
            from.asset.scale,
            &*to.name,
            &*to.asset.code,
            to.asset.scale,
            i64::try_from(sums.packets).unwrap_or(i64::MAX),
            sums.amount_in.to_string(),
            sums.amount_out.to_string(),
            sums.amount_at_mid.to_string(),
            sums.spread.to_string(),
        ])?;
    }
    Ok(())
}

/// The rows that a node that starts goes on with.
pub(super) fn read_newest_hour(connection: &Connection) -> Result<Vec<FlowRow>, StoreFault> {
    read(connection, "SELECT * FROM flow WHERE hour = (SELECT max(hour) FROM flow)")
}

/// All rows, the oldest first.
pub(super) fn read_all(connection: &Connection) -> Result<Vec<FlowRow>, StoreFault> {
    read(
        connection,
        "SELECT * FROM flow ORDER BY hour, from_name, from_asset, from_scale, to_name, to_asset, to_scale",
    )
}

fn read(connection: &Connection, query: &str) -> Result<Vec<FlowRow>, StoreFault> {
    if version(connection)? < VERSION {
        return Ok(Vec::new());
    }
    let mut select = connection.prepare(query)?;
    let mut rows = select.query([])?;
    let mut flows = Vec::new();
    while let Some(row) = rows.next()? {
        flows.push(read_row(row)?);
    }
    Ok(flows)
}

fn read_row(row: &Row<'_>) -> Result<FlowRow, StoreFault> {
    let end = |name: &str, asset: &str, scale: &str| {
        let (name, code): (String, String) = (row.get(name)?, row.get(asset)?);
        let asset = Asset::checked(&code, row.get(scale)?).map_err(|_| damaged(asset))?;
        Ok::<_, StoreFault>(FlowEnd { name: name.as_str().into(), asset })
    };
    let number = |column: &str| row.get::<_, i64>(column)?.try_into().map_err(|_| damaged(column));
    let amount = |column: &str| {
        let text: String = row.get(column)?;
        text.parse().map_err(|_| damaged(column))
    };
    // Rows that were written before these columns existed have none, and neither has a file that is only read.
    let newer = |column: &str| -> Result<Option<i128>, StoreFault> {
        let Ok(text) = row.get::<_, Option<String>>(column) else { return Ok(None) };
        text.map(|text| text.parse().map_err(|_| damaged(column))).transpose()
    };
    Ok(FlowRow {
        hour: Timestamp::from_millis(number("hour")?),
        from: end("from_name", "from_asset", "from_scale")?,
        to: end("to_name", "to_asset", "to_scale")?,
        sums: FlowSums {
            packets: number("packets")?,
            amount_in: amount("amount_in")?,
            amount_out: amount("amount_out")?,
            amount_at_mid: newer("amount_at_mid")?.unwrap_or(amount("amount_out")?),
            spread: newer("spread")?.unwrap_or(0),
        },
    })
}

fn damaged(column: &str) -> StoreFault {
    StoreFault::Damaged(format!("a flow has a wrong {column}"))
}
