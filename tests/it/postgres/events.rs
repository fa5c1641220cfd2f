//! Events and their deliveries, in both kinds of stores.

use std::sync::Arc;

use ilp_connector::internals::books::{
    CutRecords, DeliveryState, EVENTS_SAVED_MAX, EventDelivery, EventId, EventKind, EventLevel,
    EventQuery, NewEvent, SavedEvent,
};
use ilp_connector::internals::link::CutNumber;
use ilp_connector::internals::store::{DeliveryQuery, Store};
use ilp_connector::wire::Timestamp;

use super::engines::{check, cut, open};

fn event(number: u128, at: u64) -> Arc<SavedEvent> {
    let event = NewEvent {
        level: EventLevel::Warn,
        kind: EventKind::PeerDown,
        text: "„c“ is down: \0".to_owned(),
        peer: Some("c".to_owned()),
        fields: vec![("why", "silence \0".to_owned())],
    };
    let id = EventId::from_random(number);
    Arc::new(SavedEvent::new(id, Timestamp::from_millis(at), &event))
}

fn pending(event: &SavedEvent, hook: &str) -> EventDelivery {
    EventDelivery::new(event.id.clone(), hook.into(), event.at)
}

fn query(hook: &str, state: DeliveryState, due_by: u64) -> DeliveryQuery {
    let due_by = Timestamp::from_millis(due_by);
    DeliveryQuery { hook: hook.into(), state, due_by, max: 2, counts_all: true }
}

fn found(store: &mut Store, query: &DeliveryQuery) -> Vec<(EventId, u32)> {
    let found = store.find_deliveries(query).unwrap().found.into_iter();
    found.map(|(delivery, event)| (event.id.clone(), delivery.attempts)).collect()
}

#[test]
fn deliveries_are_found_by_webhook_state_and_time_in_order() {
    check("deliveries", |place| {
        let (mut store, _) = open(place);
        let events: Vec<_> =
            (1..=4u64).map(|number| event(number.into(), 1_000 + number)).collect();
        let mut deliveries: Vec<_> = events.iter().map(|one| pending(one, "ops")).collect();
        deliveries.push(pending(&events[0], "other"));
        let first = cut(1, Vec::new()).with_records(CutRecords {
            events: events.clone(),
            deliveries: deliveries.clone(),
            ..CutRecords::default()
        });
        store.write(&first).unwrap();
        // Repeated, with the first one tried again and the second one delivered.
        deliveries[0].attempts = 3;
        deliveries[0].due = Timestamp::from_millis(9_000);
        deliveries[0].error = Some("HTTP 500 \0".to_owned());
        (deliveries[1].attempts, deliveries[1].state) = (1, DeliveryState::Delivered);
        store
            .write(&cut(2, Vec::new()).with_records(CutRecords {
                events: events.clone(),
                deliveries,
                ..CutRecords::default()
            }))
            .unwrap();
        let due = query("ops", DeliveryState::Pending, 8_000);
        let ids = |numbers: &[usize]| -> Vec<_> {
            numbers.iter().map(|number| events[*number].id.clone()).collect()
        };
        let known: Vec<_> = found(&mut store, &due).into_iter().map(|(id, _)| id).collect();
        assert_eq!(known, ids(&[2, 3]));
        let all = store.find_deliveries(&due).unwrap();
        let counts = all.counts;
        assert_eq!((counts.pending, counts.delivered, counts.given_up), (3, 1, 0));
        assert_eq!(all.next_due, Some(events[2].at));
        let late = found(&mut store, &DeliveryQuery { max: 9, ..query("ops", due.state, 9_000) });
        assert_eq!(late.last(), Some(&(events[0].id.clone(), 3)));
        assert_eq!(found(&mut store, &query("ops", DeliveryState::Delivered, 9_000)).len(), 1);
        let other = store.find_deliveries(&query("other", due.state, 9_000)).unwrap();
        let (delivery, saved) = &other.found[0];
        assert_eq!((delivery, saved.peer.as_deref()), (&pending(&events[0], "other"), Some("c")));
        assert_eq!((&*saved.kind, &*saved.fields["why"]), ("peer.down", "silence \0"));
    });
}

#[test]
fn old_events_go_and_of_too_many_those_that_no_webhook_waits_for() {
    check("old events", |place| {
        let (mut store, _) = open(place);
        let old = event(1, 999);
        let count = u128::from(EVENTS_SAVED_MAX) + 2;
        let kept: Vec<_> = (2..count + 2).map(|number| event(number, 1_000)).collect();
        let mut events = vec![Arc::clone(&old)];
        events.extend(kept.iter().cloned());
        // The oldest of those that are kept waits, and of the next two, one was delivered.
        let mut deliveries = vec![pending(&old, "ops"), pending(&kept[0], "ops")];
        deliveries
            .push(EventDelivery { state: DeliveryState::Delivered, ..pending(&kept[1], "ops") });
        store
            .write(&cut(1, Vec::new()).with_records(CutRecords {
                events,
                deliveries,
                ..CutRecords::default()
            }))
            .unwrap();
        let forget_events_before = Some(Timestamp::from_millis(1_000));
        store
            .write(
                &cut(2, Vec::new())
                    .with_records(CutRecords { forget_events_before, ..CutRecords::default() }),
            )
            .unwrap();
        let due = query("ops", DeliveryState::Pending, 5_000);
        assert_eq!(found(&mut store, &due), [(kept[0].id.clone(), 0)]);
        let counts = store.find_deliveries(&due).unwrap().counts;
        assert_eq!((counts.pending, counts.delivered), (1, 0));
        // The number of the cut is that of the last write.
        store.write_last(&cut(3, Vec::new())).unwrap();
        drop(store);
        assert_eq!(open(place).1.cut, CutNumber(3));
    });
}

#[test]
fn the_newest_events_are_found_page_by_page() {
    check("newest events", |place| {
        let (mut store, _) = open(place);
        let mut events: Vec<_> =
            (1..=5u64).map(|number| event(number.into(), 1_000 + number)).collect();
        let of_the_store = NewEvent {
            level: EventLevel::Error,
            kind: EventKind::StoreFailing,
            text: "full".to_owned(),
            peer: None,
            fields: Vec::new(),
        };
        let at = Timestamp::from_millis(2_000);
        events.push(Arc::new(SavedEvent::new(EventId::from_random(6), at, &of_the_store)));
        let records = CutRecords { events: events.clone(), ..CutRecords::default() };
        store.write(&cut(1, Vec::new()).with_records(records)).unwrap();
        let mut find = |query: EventQuery| -> (Vec<EventId>, Option<i64>) {
            let found = store.find_events(&query).unwrap();
            let last = found.last().map(|last| last.number);
            (found.into_iter().map(|found| found.event.id).collect(), last)
        };
        let ids = |numbers: &[u128]| -> Vec<EventId> {
            numbers.iter().map(|number| EventId::from_random(*number)).collect()
        };
        let page = |before| EventQuery { before, max: 4, ..EventQuery::default() };
        let (first, last) = find(page(None));
        assert_eq!(first, ids(&[6, 5, 4, 3]));
        assert_eq!(find(page(last)).0, ids(&[2, 1]));
        let kind = Some("store.failing".to_owned());
        assert_eq!(find(EventQuery { kind: kind.clone(), ..page(None) }).0, ids(&[6]));
        let peer = Some("c".to_owned());
        let of_c = EventQuery { peer: peer.clone(), max: 2, ..EventQuery::default() };
        assert_eq!(find(of_c).0, ids(&[5, 4]));
        assert_eq!(find(EventQuery { kind, peer, ..page(None) }).0, ids(&[]));
        // No account has such a name, and the store goes on.
        let odd = Some("c\0d".to_owned());
        assert_eq!(find(EventQuery { peer: odd, ..page(None) }).0, ids(&[]));
        let found = store.find_events(&page(last)).unwrap();
        assert_eq!((found[1].event.at, &found[1].event.fields), (events[0].at, &events[0].fields));
    });
}
