//! Reads the books of a node, and what a store tells of the past.

use tokio_postgres::{GenericClient, Row};

use super::error::PostgresError;
use super::{reconciliations, settlements};
use crate::account::{Asset, Totals};
use crate::books::{
    AccountRow, Adjustment, BalanceChange, BooksHistory, ChangeId, FlowEnd, FlowRow, FlowSums,
    PaymentKey, ReceivedPayment, SavedBooks, StoredRow, recover_account,
};
use crate::link::CutNumber;
use crate::net::Clock;
use crate::wire::Timestamp;

const SELECT_BOOKS: &str = "\
SELECT books_id, clean, cut, cut_at FROM ilp_connector.books WHERE node = $1";

const SELECT_ACCOUNTS: &str = "\
SELECT name, asset, scale, kind, balance::text, fulfilled_in::text, fulfilled_out::text, adjusted::text, \
held_out::text, uncertain::text, uncertain_since, settled_in::text, settled_out::text FROM ilp_connector.account WHERE node = $1 \
ORDER BY name, asset, scale";

const SELECT_ADJUSTMENTS: &str = "\
SELECT id, at, account, asset, scale, kind, amount::text, balance::text, reason, made_by \
FROM ilp_connector.adjustment WHERE node = $1 AND ($2::text IS NULL OR id = $2) ORDER BY at, number";

const SELECT_PAYMENTS: &str = "\
SELECT receiver, asset, scale, connection, packets, amount::text, announced::text, last_at FROM ilp_connector.payment \
WHERE node = $1 ORDER BY receiver, asset, scale, last_at, connection";

const SELECT_FLOWS: &str = "\
SELECT hour, from_name, from_asset, from_scale, to_name, to_asset, to_scale, packets, amount_in::text, \
amount_out::text, coalesce(amount_at_mid, amount_out)::text AS amount_at_mid, coalesce(spread, 0)::text AS spread FROM ilp_connector.flow \
WHERE node = $1 AND hour >= (CASE WHEN $2 THEN 0 ELSE \
(SELECT max(hour) FROM ilp_connector.flow AS newest WHERE newest.node = $1) END) \
ORDER BY hour, from_name, from_asset, from_scale, to_name, to_asset, to_scale";

/// The books at the newest cut. `None`: the node has none.
pub(super) async fn load(
    client: &impl GenericClient,
    node: &str,
) -> Result<Option<SavedBooks>, PostgresError> {
    Ok(load_with_time(client, node).await?.map(|(books, _)| books))
}

async fn load_with_time(
    client: &impl GenericClient,
    node: &str,
) -> Result<Option<(SavedBooks, Timestamp)>, PostgresError> {
    let row = client.query_opt(SELECT_BOOKS, &[&node]).await.map_err(PostgresError::of_reading)?;
    let Some(row) = row else { return Ok(None) };
    let damaged =
        |what: &str| PostgresError::Damaged(format!("the node {node} has a wrong {what}"));
    let number = |column: &str| {
        let number: i64 = row.try_get(column).map_err(|_| damaged(column))?;
        u64::try_from(number).map_err(|_| damaged(column))
    };
    let mut books = SavedBooks {
        books_id: row.try_get("books_id").map_err(|_| damaged("books_id"))?,
        cut: CutNumber(number("cut")?),
        was_clean: row.try_get("clean").map_err(|_| damaged("clean"))?,
        accounts: Vec::new(),
        flows: select_flows(client, node, false).await?,
        payments: Vec::new(),
        settlements: Vec::new(),
        reconciliations: reconciliations::read_all(client, node).await?,
    };
    let cut_at = Timestamp::from_millis(number("cut_at")?);
    let rows = client.query(SELECT_ACCOUNTS, &[&node]).await.map_err(PostgresError::of_reading)?;
    let now = Clock::start().now().wall;
    for row in rows {
        let account =
            recover_account(read_account(&row)?, now).map_err(PostgresError::Unbalanced)?;
        books.accounts.push(account);
    }
    let rows = client.query(SELECT_PAYMENTS, &[&node]).await.map_err(PostgresError::of_reading)?;
    books.payments = rows.iter().map(read_payment).collect::<Result<_, _>>()?;
    reconciliations::add_corrections(client, node, &mut books.accounts).await?;
    books.settlements = settlements::read_open(client, node, now).await?;
    Ok(Some((books, cut_at)))
}

/// The books with their past. `None`: the node has none.
pub(super) async fn load_history(
    client: &impl GenericClient,
    node: &str,
) -> Result<Option<BooksHistory>, PostgresError> {
    let Some((books, cut_at)) = load_with_time(client, node).await? else { return Ok(None) };
    let adjustments = select_adjustments(client, node, None).await?;
    let flows = select_flows(client, node, true).await?;
    let settlements = settlements::read_all(client, node).await?;
    Ok(Some(BooksHistory { books, cut_at, adjustments, flows, settlements }))
}

/// The change with this id.
pub(super) async fn find_adjustment(
    client: &impl GenericClient,
    node: &str,
    id: &ChangeId,
) -> Result<Option<Adjustment>, PostgresError> {
    Ok(select_adjustments(client, node, Some(id.as_str())).await?.pop())
}

async fn select_adjustments(
    client: &impl GenericClient,
    node: &str,
    id: Option<&str>,
) -> Result<Vec<Adjustment>, PostgresError> {
    let rows = client.query(SELECT_ADJUSTMENTS, &[&node, &id]).await;
    rows.map_err(PostgresError::of_reading)?.iter().map(read_adjustment).collect()
}

/// All flows, or those of the newest hour, the oldest first.
async fn select_flows(
    client: &impl GenericClient,
    node: &str,
    all: bool,
) -> Result<Vec<FlowRow>, PostgresError> {
    let rows = client.query(SELECT_FLOWS, &[&node, &all]).await;
    rows.map_err(PostgresError::of_reading)?.iter().map(read_flow).collect()
}

fn read_flow(row: &Row) -> Result<FlowRow, PostgresError> {
    let damaged = |column: &str| damaged_column("flow", column);
    let columns = Columns { row, damaged: &damaged };
    let number = |column: &str| {
        let number: i64 = row.try_get(column).map_err(|_| damaged(column))?;
        u64::try_from(number).map_err(|_| damaged(column))
    };
    let end = |name: &str, asset: &str, scale: &str| {
        let (name, asset) = (columns.text(name)?.into(), columns.asset(asset, scale)?);
        Ok::<_, PostgresError>(FlowEnd { name, asset })
    };
    Ok(FlowRow {
        hour: Timestamp::from_millis(number("hour")?),
        from: end("from_name", "from_asset", "from_scale")?,
        to: end("to_name", "to_asset", "to_scale")?,
        sums: FlowSums {
            packets: number("packets")?,
            amount_in: columns.amount("amount_in")?,
            amount_out: columns.amount("amount_out")?,
            amount_at_mid: columns.amount("amount_at_mid")?,
            spread: columns.amount("spread")?,
        },
    })
}

fn read_account(row: &Row) -> Result<StoredRow, PostgresError> {
    let name: &str = row.try_get("name").map_err(|_| damaged_column("account", "name"))?;
    let damaged =
        |what: &str| PostgresError::Damaged(format!("the account {name} has a wrong {what}"));
    let columns = Columns { row, damaged: &damaged };
    Ok(StoredRow {
        balance: columns.amount("balance")?,
        row: AccountRow {
            kind: columns.text("kind")?.parse().map_err(|()| damaged("kind"))?,
            asset: columns.asset("asset", "scale")?,
            totals: Totals {
                fulfilled_in: columns.amount("fulfilled_in")?,
                fulfilled_out: columns.amount("fulfilled_out")?,
                settled_in: columns.amount("settled_in")?,
                settled_out: columns.amount("settled_out")?,
                adjusted: columns.amount("adjusted")?,
            },
            held_out: columns.amount("held_out")?,
            uncertain: columns.amount("uncertain")?,
            uncertain_since: match row.try_get("uncertain_since").map_err(|_| damaged("time"))? {
                Some(millis) => Some(from_signed(millis).ok_or_else(|| damaged("time"))?),
                None => None,
            },
            name: name.into(),
        },
    })
}

fn read_adjustment(row: &Row) -> Result<Adjustment, PostgresError> {
    let id: &str = row.try_get("id").map_err(|_| damaged_column("change", "id"))?;
    let damaged =
        |what: &str| PostgresError::Damaged(format!("the change {id} has a wrong {what}"));
    let columns = Columns { row, damaged: &damaged };
    let at: i64 = row.try_get("at").map_err(|_| damaged("time"))?;
    Ok(Adjustment {
        id: id.parse().map_err(|_| damaged("id"))?,
        at: from_signed(at).ok_or_else(|| damaged("time"))?,
        account: columns.text("account")?.into(),
        asset: columns.asset("asset", "scale")?,
        change: BalanceChange::from_saved(columns.text("kind")?, columns.amount("amount")?)
            .ok_or_else(|| damaged("kind"))?,
        balance: columns.amount("balance")?,
        reason: columns.text("reason")?.to_owned(),
        by: columns.text("made_by")?.to_owned(),
    })
}

/// `None`: it is no time.
pub(super) fn from_signed(millis: i64) -> Option<Timestamp> {
    u64::try_from(millis).ok().map(Timestamp::from_millis)
}

fn read_payment(row: &Row) -> Result<ReceivedPayment, PostgresError> {
    let receiver: &str =
        row.try_get("receiver").map_err(|_| damaged_column("payment", "receiver"))?;
    let damaged =
        |what: &str| PostgresError::Damaged(format!("a payment to {receiver} has a wrong {what}"));
    let columns = Columns { row, damaged: &damaged };
    let number = |column: &str| {
        let number: i64 = row.try_get(column).map_err(|_| damaged(column))?;
        u64::try_from(number).map_err(|_| damaged(column))
    };
    Ok(ReceivedPayment {
        key: PaymentKey {
            receiver: receiver.into(),
            asset: columns.asset("asset", "scale")?,
            connection: columns.text("connection")?.into(),
        },
        packets: number("packets")?,
        amount: columns.amount("amount")?,
        announced: columns.amount("announced")?,
        last_at: Timestamp::from_millis(number("last_at")?),
    })
}

pub(super) fn damaged_column(table: &str, column: &str) -> PostgresError {
    PostgresError::Damaged(format!("the table {table} has a wrong column {column}"))
}

/// The columns of a row.
pub(super) struct Columns<'a> {
    pub(super) row: &'a Row,
    /// The error that names a column of it.
    pub(super) damaged: &'a dyn Fn(&str) -> PostgresError,
}

impl<'a> Columns<'a> {
    pub(super) fn text(&self, column: &str) -> Result<&'a str, PostgresError> {
        self.row.try_get(column).map_err(|_| (self.damaged)(column))
    }

    pub(super) fn amount(&self, column: &str) -> Result<i128, PostgresError> {
        self.text(column)?.parse().map_err(|_| (self.damaged)(column))
    }

    pub(super) fn asset(&self, code: &str, scale: &str) -> Result<Asset, PostgresError> {
        let number: i16 = self.row.try_get(scale).map_err(|_| (self.damaged)(scale))?;
        let number = u8::try_from(number).map_err(|_| (self.damaged)(scale))?;
        Asset::checked(self.text(code)?, number).map_err(|_| (self.damaged)(code))
    }
}
