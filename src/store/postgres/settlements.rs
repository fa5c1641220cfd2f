//! Reads settlements.

use tokio_postgres::types::ToSql;
use tokio_postgres::{GenericClient, Row};

use super::error::PostgresError;
use super::read::{Columns, damaged_column, from_signed};
use crate::books::{Quantity, Settlement, SettlementDirection, SettlementKey};
use crate::wire::Timestamp;

/// A node that starts knows what it settled in this time, because `settleMaxPerHour` limits it.
const RECENT_MS: u64 = 3_600_000;

const COLUMNS: &str = "\
SELECT direction, account, key, asset, scale, amount, amount_scale, units::text, leftover, state, attempts, \
created_at, updated_at, reference, made_by FROM ilp_connector.settlement WHERE node = $1";

/// Those that a node goes on with.
const OPEN: &str = "\
AND number IN (SELECT number FROM ilp_connector.settlement WHERE node = $1 AND state = 'pending' UNION \
SELECT max(number) FROM ilp_connector.settlement WHERE node = $1 AND direction = 'in' \
GROUP BY account, asset, scale UNION \
SELECT number FROM ilp_connector.settlement WHERE node = $1 AND direction = 'out' AND created_at >= $2) \
ORDER BY number";

pub(super) async fn find(
    client: &impl GenericClient,
    node: &str,
    direction: SettlementDirection,
    account: &str,
    key: &SettlementKey,
) -> Result<Option<Settlement>, PostgresError> {
    let which = "AND direction = $2 AND account = $3 AND key = $4";
    let parameters: [&(dyn ToSql + Sync); 4] =
        [&node, &direction.as_str(), &account, &key.as_str()];
    Ok(select(client, which, &parameters).await?.pop())
}

/// All settlements, the oldest first.
pub(super) async fn read_all(
    client: &impl GenericClient,
    node: &str,
) -> Result<Vec<Settlement>, PostgresError> {
    select(client, "ORDER BY created_at, number", &[&node]).await
}

/// The newest first, of one account or of all.
pub(super) async fn read_newest(
    client: &impl GenericClient,
    node: &str,
    account: Option<&str>,
    max: u32,
) -> Result<Vec<Settlement>, PostgresError> {
    let which = "AND ($2::text IS NULL OR account = $2) ORDER BY number DESC LIMIT $3";
    select(client, which, &[&node, &account, &i64::from(max)]).await
}

/// Those that a node goes on with that starts now.
pub(super) async fn read_open(
    client: &impl GenericClient,
    node: &str,
    now: Timestamp,
) -> Result<Vec<Settlement>, PostgresError> {
    let since = i64::try_from(now.saturating_sub_millis(RECENT_MS).as_millis());
    select(client, OPEN, &[&node, &since.unwrap_or(i64::MAX)]).await
}

async fn select(
    client: &impl GenericClient,
    which: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Settlement>, PostgresError> {
    let rows = client.query(&format!("{COLUMNS} {which}"), parameters).await;
    rows.map_err(PostgresError::of_reading)?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Settlement, PostgresError> {
    let key: &str = row.try_get("key").map_err(|_| damaged_column("settlement", "key"))?;
    let damaged =
        |what: &str| PostgresError::Damaged(format!("the settlement {key} has a wrong {what}"));
    let columns = Columns { row, damaged: &damaged };
    let time = |column: &str| {
        let millis = row.try_get(column).map_err(|_| damaged(column))?;
        from_signed(millis).ok_or_else(|| damaged(column))
    };
    let scale: i16 = row.try_get("amount_scale").map_err(|_| damaged("amount_scale"))?;
    let scale = u8::try_from(scale).map_err(|_| damaged("amount_scale"))?;
    let attempts: i64 = row.try_get("attempts").map_err(|_| damaged("attempts"))?;
    Ok(Settlement {
        key: key.parse().map_err(|_| damaged("key"))?,
        account: columns.text("account")?.into(),
        asset: columns.asset("asset", "scale")?,
        direction: columns.text("direction")?.parse().map_err(|()| damaged("direction"))?,
        quantity: Quantity::new(columns.text("amount")?, scale).map_err(|_| damaged("amount"))?,
        units: columns.text("units")?.parse().map_err(|_| damaged("units"))?,
        leftover: columns.text("leftover")?.parse().map_err(|_| damaged("leftover"))?,
        state: columns.text("state")?.parse().map_err(|()| damaged("state"))?,
        attempts: u32::try_from(attempts).map_err(|_| damaged("attempts"))?,
        created_at: time("created_at")?,
        updated_at: time("updated_at")?,
        reference: columns.text("reference")?.to_owned(),
        by: columns.text("made_by")?.to_owned(),
    })
}
