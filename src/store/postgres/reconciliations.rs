//! The rows of what is known of peers' books, and the sums of changes that say which packets they are about.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio_postgres::GenericClient;

use super::error::PostgresError;
use super::read::{Columns, damaged_column};
use crate::account::{Asset, Corrected};
use crate::books::{BalanceChange, ReconcileState, ReconciliationRow, RecoveredAccount};

const SELECT: &str = "\
SELECT account, asset, scale, state FROM ilp_connector.reconciliation WHERE node = $1 ORDER BY account, asset, scale";

const SELECT_CORRECTIONS: &str = "\
SELECT account, asset, scale, kind, sum(amount)::text AS amount FROM ilp_connector.adjustment \
WHERE node = $1 AND kind <> 'adjust' GROUP BY account, asset, scale, kind";

/// The columns of the rows of a cut.
#[derive(Default)]
pub(super) struct Reconciliations<'a> {
    pub(super) account: Vec<&'a str>,
    pub(super) asset: Vec<&'a str>,
    pub(super) scale: Vec<i16>,
    pub(super) at: Vec<Option<i64>>,
    pub(super) verdict: Vec<&'a str>,
    pub(super) difference: Vec<String>,
    pub(super) state: Vec<String>,
}

impl<'a> Reconciliations<'a> {
    pub(super) fn of(rows: &'a [ReconciliationRow]) -> Self {
        // One statement changes each row once: of two states in a cut, the later one counts.
        let key = |row: &'a ReconciliationRow| (&*row.account, &*row.asset.code, row.asset.scale);
        let rows: BTreeMap<_, _> = rows.iter().map(|row| (key(row), &row.state)).collect();
        let mut columns = Self::default();
        for ((account, asset, scale), state) in rows {
            columns.account.push(account);
            columns.asset.push(asset);
            columns.scale.push(scale.into());
            columns.at.push(state.at.map(|at| i64::try_from(at.as_millis()).unwrap_or(i64::MAX)));
            columns.verdict.push(state.verdict.as_str());
            columns.difference.push(state.difference.total().to_string());
            columns.state.push(state.to_text());
        }
        columns
    }
}

/// All rows of a node, sorted.
pub(super) async fn read_all(
    client: &impl GenericClient,
    node: &str,
) -> Result<Vec<ReconciliationRow>, PostgresError> {
    let rows = client.query(SELECT, &[&node]).await.map_err(PostgresError::of_reading)?;
    let read = rows.iter().map(|row| {
        let damaged = |column: &str| damaged_column("reconciliation", column);
        let columns = Columns { row, damaged: &damaged };
        Ok(ReconciliationRow {
            account: columns.text("account")?.into(),
            asset: columns.asset("asset", "scale")?,
            state: ReconcileState::from_text(columns.text("state")?)
                .ok_or_else(|| damaged("state"))?,
        })
    });
    read.collect()
}

/// Sums up the changes of each account that say which packets they are about.
pub(super) async fn add_corrections(
    client: &impl GenericClient,
    node: &str,
    accounts: &mut [RecoveredAccount],
) -> Result<(), PostgresError> {
    let rows = client.query(SELECT_CORRECTIONS, &[&node]).await;
    let mut sums: HashMap<(Arc<str>, Asset), Corrected> = HashMap::new();
    for row in &rows.map_err(PostgresError::of_reading)? {
        let damaged = |column: &str| damaged_column("adjustment", column);
        let columns = Columns { row, damaged: &damaged };
        let change = BalanceChange::from_saved(columns.text("kind")?, columns.amount("amount")?);
        let key = (columns.text("account")?.into(), columns.asset("asset", "scale")?);
        change.ok_or_else(|| damaged("kind"))?.add_to(sums.entry(key).or_default());
    }
    for account in accounts {
        let key = (Arc::clone(&account.row.name), account.row.asset.clone());
        account.corrected = sums.get(&key).copied().unwrap_or_default();
    }
    Ok(())
}
