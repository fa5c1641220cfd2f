//! The rows of what receivers got.

use rusqlite::{Connection, Row, params};

use super::{StoreFault, version};
use crate::account::Asset;
use crate::books::{Cut, PaymentKey, ReceivedPayment};
use crate::wire::Timestamp;

/// The version of the file that has them. A reader may find an older one.
const VERSION: u32 = 2;
/// The version that knows which part of a payment was announced.
const ANNOUNCED_VERSION: u32 = 5;

const UPSERT: &str = "\
INSERT INTO payment (receiver, asset, scale, connection, packets, amount, last_at, announced) \
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (receiver, asset, scale, connection) \
DO UPDATE SET packets = ?5, amount = ?6, last_at = ?7, announced = ?8";

const DELETE: &str = "\
DELETE FROM payment WHERE receiver = ?1 AND asset = ?2 AND scale = ?3 AND connection = ?4";

const SELECT: &str = "\
SELECT * FROM payment \
ORDER BY receiver, asset, scale, last_at, connection";

pub(super) fn save(connection: &Connection, cut: &Cut) -> Result<(), rusqlite::Error> {
    for PaymentKey { receiver, asset, connection: id } in &cut.summed_up {
        let mut delete = connection.prepare_cached(DELETE)?;
        delete.execute(params![&**receiver, &*asset.code, asset.scale, &**id])?;
    }
    for ReceivedPayment { key, packets, amount, announced, last_at } in &cut.payments {
        let mut upsert = connection.prepare_cached(UPSERT)?;
        upsert.execute(params![
            &*key.receiver,
            &*key.asset.code,
            key.asset.scale,
            &*key.connection,
            i64::try_from(*packets).unwrap_or(i64::MAX),
            amount.to_string(),
            i64::try_from(last_at.as_millis()).unwrap_or(i64::MAX),
            announced.to_string(),
        ])?;
    }
    Ok(())
}

/// All rows, those of each receiver in the order of their last times.
pub(super) fn read_all(connection: &Connection) -> Result<Vec<ReceivedPayment>, StoreFault> {
    if version(connection)? < VERSION {
        return Ok(Vec::new());
    }
    let mut select = connection.prepare(SELECT)?;
    let mut rows = select.query([])?;
    let has_announced = version(connection)? >= ANNOUNCED_VERSION;
    let mut payments = Vec::new();
    while let Some(row) = rows.next()? {
        payments.push(read(row, has_announced)?);
    }
    Ok(payments)
}

fn read(row: &Row<'_>, has_announced: bool) -> Result<ReceivedPayment, StoreFault> {
    let receiver: String = row.get("receiver")?;
    let damaged =
        |what: &str| StoreFault::Damaged(format!("a payment to {receiver} has a wrong {what}"));
    let number = |column: &str| {
        let number: i64 = row.get(column)?;
        u64::try_from(number).map_err(|_| damaged(column))
    };
    let (code, scale): (String, u8) = (row.get("asset")?, row.get("scale")?);
    let connection: String = row.get("connection")?;
    let amount = |column: &str| {
        let text: String = row.get(column)?;
        text.parse::<i128>().map_err(|_| damaged(column))
    };
    let announced = amount(if has_announced { "announced" } else { "amount" })?;
    Ok(ReceivedPayment {
        key: PaymentKey {
            receiver: receiver.as_str().into(),
            asset: Asset::checked(&code, scale).map_err(|_| damaged("asset"))?,
            connection: connection.into(),
        },
        packets: number("packets")?,
        amount: amount("amount")?,
        announced,
        last_at: Timestamp::from_millis(number("last_at")?),
    })
}
