//! The rows of events, and of their deliveries to webhooks.

use std::sync::Arc;

use tokio_postgres::{GenericClient, Row};

use super::error::PostgresError;
use super::read::from_signed;
use super::save::{signed, without_zero_bytes};
use crate::books::{
    DeliveryCounts, DeliveryState, EventDelivery, EventId, EventLevel, EventQuery, FoundDeliveries,
    NumberedEvent, SavedEvent,
};
use crate::store::DeliveryQuery;

const SELECT_DUE: &str = "\
SELECT delivery.event, state, attempts, since, due, error, at, level, kind, text, peer, fields \
FROM ilp_connector.delivery \
JOIN ilp_connector.event ON event.node = delivery.node AND event.id = delivery.event \
WHERE delivery.node = $1 AND hook = $2 AND state = $3 AND due <= $4 ORDER BY due, number LIMIT $5";

/// The filters are left out where they are null.
const SELECT_NEWEST: &str = "\
SELECT number, id AS event, at, level, kind, text, peer, fields FROM ilp_connector.event \
WHERE node = $1 AND number < coalesce($2, number + 1) AND kind = coalesce($3, kind) \
AND ($4::text IS NULL OR peer = $4) ORDER BY number DESC LIMIT $5";

const SELECT_PENDING: &str = "\
SELECT min(due), min(since) FROM ilp_connector.delivery WHERE node = $1 AND hook = $2 AND state = 'pending'";

const COUNT: &str = "\
SELECT state, count(*) FROM ilp_connector.delivery WHERE node = $1 AND hook = $2 GROUP BY state";

/// The columns of events.
#[derive(Default)]
pub(super) struct Events<'a> {
    pub(super) id: Vec<&'a str>,
    pub(super) at: Vec<i64>,
    pub(super) level: Vec<&'a str>,
    pub(super) kind: Vec<&'a str>,
    pub(super) text: Vec<String>,
    pub(super) peer: Vec<Option<&'a str>>,
    pub(super) fields: Vec<String>,
}

impl<'a> Events<'a> {
    pub(super) fn of(events: &'a [Arc<SavedEvent>]) -> Self {
        let mut columns = Self::default();
        for event in events {
            columns.id.push(event.id.as_str());
            columns.at.push(signed(event.at.as_millis()));
            columns.level.push(event.level.as_str());
            columns.kind.push(&event.kind);
            columns.text.push(without_zero_bytes(&event.text));
            columns.peer.push(event.peer.as_deref());
            // JSON escapes zero bytes.
            columns.fields.push(serde_json::to_string(&event.fields).expect("texts are JSON"));
        }
        columns
    }
}

/// The columns of deliveries.
#[derive(Default)]
pub(super) struct Deliveries<'a> {
    pub(super) hook: Vec<&'a str>,
    pub(super) event: Vec<&'a str>,
    pub(super) state: Vec<&'a str>,
    pub(super) attempts: Vec<i64>,
    pub(super) since: Vec<i64>,
    pub(super) due: Vec<i64>,
    pub(super) error: Vec<Option<String>>,
}

impl<'a> Deliveries<'a> {
    pub(super) fn of(deliveries: &'a [EventDelivery]) -> Self {
        let mut columns = Self::default();
        for delivery in deliveries {
            columns.hook.push(&delivery.hook);
            columns.event.push(delivery.event.as_str());
            columns.state.push(delivery.state.as_str());
            columns.attempts.push(delivery.attempts.into());
            columns.since.push(signed(delivery.since.as_millis()));
            columns.due.push(signed(delivery.due.as_millis()));
            columns.error.push(delivery.error.as_deref().map(without_zero_bytes));
        }
        columns
    }
}

/// The deliveries to a webhook that a query asks for.
pub(super) async fn find_deliveries(
    client: &impl GenericClient,
    node: &str,
    query: &DeliveryQuery,
) -> Result<FoundDeliveries, PostgresError> {
    let hook = &*query.hook;
    let (state, due_by) = (query.state.as_str(), signed(query.due_by.as_millis()));
    let max = i64::from(query.max);
    let rows = client.query(SELECT_DUE, &[&node, &hook, &state, &due_by, &max]).await;
    let rows = rows.map_err(PostgresError::of_reading)?;
    let found = rows.iter().map(|row| read(&query.hook, row)).collect::<Result<_, _>>()?;
    let row = client.query_one(SELECT_PENDING, &[&node, &hook]).await;
    let row = row.map_err(PostgresError::of_reading)?;
    let (next_due, oldest): (Option<i64>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    let mut counts = DeliveryCounts::default();
    if query.counts_all {
        let rows = client.query(COUNT, &[&node, &hook]).await.map_err(PostgresError::of_reading)?;
        for row in &rows {
            let state = DeliveryState::from_saved(row.try_get(0)?);
            counts.add(state.ok_or_else(|| damaged("state"))?, row.try_get(1)?);
        }
    }
    let next_due = next_due.and_then(from_signed);
    Ok(FoundDeliveries { found, next_due, oldest_since: oldest.and_then(from_signed), counts })
}

/// The events that a query asks for, the newest first.
pub(super) async fn find_events(
    client: &impl GenericClient,
    node: &str,
    query: &EventQuery,
) -> Result<Vec<NumberedEvent>, PostgresError> {
    let EventQuery { before, kind, peer, max } = query;
    let max = i64::from(*max);
    // It is what a client wrote. The database refuses a text with a zero byte, and an error would end the session.
    let peer = peer.as_deref().map(without_zero_bytes);
    let rows = client.query(SELECT_NEWEST, &[&node, before, kind, &peer, &max]).await;
    let rows = rows.map_err(PostgresError::of_reading)?;
    let numbered =
        |row: &Row| Ok(NumberedEvent { number: row.try_get("number")?, event: read_event(row)? });
    rows.iter().map(numbered).collect()
}

fn read(hook: &Arc<str>, row: &Row) -> Result<(EventDelivery, Arc<SavedEvent>), PostgresError> {
    let text = |column: &str| row.try_get::<_, &str>(column).map_err(|_| damaged(column));
    let optional = |column: &str| {
        let text: Result<Option<String>, _> = row.try_get(column);
        text.map_err(|_| damaged(column))
    };
    let number = |column: &str| row.try_get::<_, i64>(column).map_err(|_| damaged(column));
    let time = |column: &str| from_signed(number(column)?).ok_or_else(|| damaged(column));
    let delivery = EventDelivery {
        event: EventId::from_saved(text("event")?),
        hook: Arc::clone(hook),
        state: DeliveryState::from_saved(text("state")?).ok_or_else(|| damaged("state"))?,
        attempts: u32::try_from(number("attempts")?).map_err(|_| damaged("attempts"))?,
        since: time("since")?,
        due: time("due")?,
        error: optional("error")?,
    };
    Ok((delivery, Arc::new(read_event(row)?)))
}

fn read_event(row: &Row) -> Result<SavedEvent, PostgresError> {
    let text = |column: &str| row.try_get::<_, &str>(column).map_err(|_| damaged(column));
    let at = row.try_get::<_, i64>("at").map_err(|_| damaged("at"))?;
    Ok(SavedEvent {
        id: EventId::from_saved(text("event")?),
        at: from_signed(at).ok_or_else(|| damaged("at"))?,
        level: EventLevel::from_saved(text("level")?).ok_or_else(|| damaged("level"))?,
        kind: text("kind")?.into(),
        text: text("text")?.to_owned(),
        peer: row.try_get("peer").map_err(|_| damaged("peer"))?,
        fields: serde_json::from_str(text("fields")?).map_err(|_| damaged("fields"))?,
    })
}

fn damaged(column: &str) -> PostgresError {
    PostgresError::Damaged(format!("an event has a wrong {column}"))
}
