//! The rows of events, and of their deliveries to webhooks.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{SqliteStore, StoreFault, as_saved, from_saved};
use crate::books::{
    Cut, DeliveryCounts, DeliveryState, EVENTS_SAVED_MAX, EventDelivery, EventId, EventLevel,
    EventQuery, FoundDeliveries, NumberedEvent, SavedEvent,
};
use crate::store::{DeliveryQuery, WriteError};
use crate::wire::Timestamp;

const INSERT: &str = "\
INSERT INTO event (id, at, level, kind, text, peer, fields) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
ON CONFLICT (id) DO NOTHING";

const UPSERT_DELIVERY: &str = "\
INSERT INTO delivery (hook, event, state, attempts, since, due, error) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
ON CONFLICT (hook, event) DO UPDATE SET state = ?3, attempts = ?4, since = ?5, due = ?6, error = ?7";

/// What is too old, and the oldest of those that are too many; what a webhook waits for stays longest.
const FORGET: &str = "\
DELETE FROM event WHERE at < ?1 OR id IN ( \
    SELECT id FROM event AS one ORDER BY EXISTS (SELECT 1 FROM delivery \
        WHERE delivery.event = one.id AND delivery.state = 'pending') DESC, number DESC LIMIT -1 OFFSET ?2)";

const FORGET_DELIVERIES: &str =
    "DELETE FROM delivery WHERE NOT EXISTS (SELECT 1 FROM event WHERE event.id = delivery.event)";

const SELECT_DUE: &str = "\
SELECT delivery.event AS event, state, attempts, since, due, error, at, level, kind, text, peer, fields \
FROM delivery JOIN event ON event.id = delivery.event \
WHERE hook = ?1 AND state = ?2 AND due <= ?3 ORDER BY due, number LIMIT ?4";

/// The filters are left out where they are null.
const SELECT_NEWEST: &str = "\
SELECT number, id AS event, at, level, kind, text, peer, fields FROM event \
WHERE number < coalesce(?1, number + 1) AND kind = coalesce(?2, kind) AND (?3 IS NULL OR peer = ?3) \
ORDER BY number DESC LIMIT ?4";

const SELECT_PENDING: &str =
    "SELECT min(due), min(since) FROM delivery WHERE hook = ?1 AND state = 'pending'";

const COUNT: &str = "SELECT state, count(*) FROM delivery WHERE hook = ?1 GROUP BY state";

pub(super) fn save(connection: &Connection, cut: &Cut) -> Result<(), rusqlite::Error> {
    for event in &cut.records().events {
        connection.prepare_cached(INSERT)?.execute(params![
            event.id.as_str(),
            as_saved(event.at),
            event.level.as_str(),
            &*event.kind,
            event.text,
            event.peer,
            fields_as_json(&event.fields),
        ])?;
    }
    for delivery in &cut.records().deliveries {
        connection.prepare_cached(UPSERT_DELIVERY)?.execute(params![
            &*delivery.hook,
            delivery.event.as_str(),
            delivery.state.as_str(),
            delivery.attempts,
            as_saved(delivery.since),
            as_saved(delivery.due),
            delivery.error,
        ])?;
    }
    if let Some(before) = cut.records().forget_events_before {
        connection.prepare_cached(FORGET)?.execute(params![as_saved(before), EVENTS_SAVED_MAX])?;
        connection.prepare_cached(FORGET_DELIVERIES)?.execute([])?;
    }
    Ok(())
}

fn fields_as_json(fields: &BTreeMap<String, String>) -> String {
    serde_json::to_string(fields).expect("texts are JSON")
}

impl SqliteStore {
    /// The deliveries to a webhook that a query asks for.
    ///
    /// # Errors
    /// [`WriteError`]: the store cannot be read.
    pub fn find_deliveries(&self, query: &DeliveryQuery) -> Result<FoundDeliveries, WriteError> {
        find(&self.connection, query).map_err(StoreFault::into_write_error)
    }
}

impl SqliteStore {
    /// The events that a query asks for, the newest first.
    ///
    /// # Errors
    /// [`WriteError`]: the store cannot be read.
    pub fn find_events(&self, query: &EventQuery) -> Result<Vec<NumberedEvent>, WriteError> {
        find_newest(&self.connection, query).map_err(StoreFault::into_write_error)
    }
}

fn find_newest(
    connection: &Connection,
    query: &EventQuery,
) -> Result<Vec<NumberedEvent>, StoreFault> {
    let EventQuery { before, kind, peer, max } = query;
    let mut select = connection.prepare_cached(SELECT_NEWEST)?;
    let mut rows = select.query(params![before, kind, peer, max])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(NumberedEvent { number: row.get("number")?, event: read_event(row)? });
    }
    Ok(found)
}

fn find(connection: &Connection, query: &DeliveryQuery) -> Result<FoundDeliveries, StoreFault> {
    let hook = &*query.hook;
    let mut found = Vec::new();
    {
        let mut select = connection.prepare_cached(SELECT_DUE)?;
        let mut rows =
            select.query(params![hook, query.state.as_str(), as_saved(query.due_by), query.max])?;
        while let Some(row) = rows.next()? {
            found.push(read(&query.hook, row)?);
        }
    }
    let mut select = connection.prepare_cached(SELECT_PENDING)?;
    let pending = select.query_row([hook], |row| Ok((row.get(0)?, row.get(1)?)));
    let (next_due, oldest): (Option<i64>, Option<i64>) = pending.optional()?.unwrap_or_default();
    let mut counts = DeliveryCounts::default();
    if query.counts_all {
        let mut select = connection.prepare_cached(COUNT)?;
        let mut rows = select.query([hook])?;
        while let Some(row) = rows.next()? {
            let state: String = row.get(0)?;
            let state = DeliveryState::from_saved(&state).ok_or_else(|| damaged("state"))?;
            counts.add(state, row.get(1)?);
        }
    }
    let next_due = next_due.and_then(from_saved);
    Ok(FoundDeliveries { found, next_due, oldest_since: oldest.and_then(from_saved), counts })
}

fn read(hook: &Arc<str>, row: &Row<'_>) -> Result<(EventDelivery, Arc<SavedEvent>), StoreFault> {
    let text = |column: &str| row.get::<_, String>(column);
    let time = |column: &str| -> Result<Timestamp, StoreFault> {
        from_saved(row.get(column)?).ok_or_else(|| damaged(column))
    };
    let delivery = EventDelivery {
        event: EventId::from_saved(&text("event")?),
        hook: Arc::clone(hook),
        state: DeliveryState::from_saved(&text("state")?).ok_or_else(|| damaged("state"))?,
        attempts: row.get("attempts")?,
        since: time("since")?,
        due: time("due")?,
        error: row.get("error")?,
    };
    Ok((delivery, Arc::new(read_event(row)?)))
}

fn read_event(row: &Row<'_>) -> Result<SavedEvent, StoreFault> {
    let text = |column: &str| row.get::<_, String>(column);
    Ok(SavedEvent {
        id: EventId::from_saved(&text("event")?),
        at: from_saved(row.get("at")?).ok_or_else(|| damaged("at"))?,
        level: EventLevel::from_saved(&text("level")?).ok_or_else(|| damaged("level"))?,
        kind: text("kind")?.into(),
        text: text("text")?,
        peer: row.get("peer")?,
        fields: serde_json::from_str(&text("fields")?).map_err(|_| damaged("fields"))?,
    })
}

fn damaged(column: &str) -> StoreFault {
    StoreFault::Damaged(format!("an event has a wrong {column}"))
}
