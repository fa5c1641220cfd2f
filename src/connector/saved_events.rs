//! Events for the store, and how far their deliveries to webhooks are, from the moment that they happen until a cut
//! with them is durable.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::core::Connector;
use super::received_payments::Announced;
use crate::books::{
    DeliveryState, EVENT_DAYS_KEPT, EventDelivery, EventId, EventKind, EventLevel, NewEvent,
    PaymentKey, SavedEvent,
};
use crate::link::CutNumber;
use crate::wire::Timestamp;

/// Events that wait for the store; while it fails for long, further ones are lost and counted.
const UNSAVED_EVENTS_MAX: usize = 10_000;
/// Deliveries that wait for the store. Each event has one for each webhook that asks for it.
const UNSAVED_DELIVERIES_MAX: usize = 4 * UNSAVED_EVENTS_MAX;
/// Old events are removed after so many new ones, and after this time.
const FORGET_AFTER_EVENTS: usize = 1_000;
const FORGET_AFTER: Duration = Duration::from_secs(3_600);

/// Payments that are announced at once; the others later.
const PAYMENTS_PER_CALL: usize = 200;

/// What a webhook asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSubscription {
    /// The id of the webhook.
    pub hook: Arc<str>,
    /// The kinds of events. Empty: all that are saved, but for tests.
    pub kinds: Vec<EventKind>,
}

impl WebhookSubscription {
    fn wants(&self, kind: EventKind) -> bool {
        match &*self.kinds {
            [] => kind != EventKind::WebhookTest,
            kinds => kinds.contains(&kind),
        }
    }
}

/// What is not durable yet, each with the first cut that has it. Later cuts repeat it until one is durable.
#[derive(Debug, Default)]
pub(super) struct SavedEvents(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    subscriptions: Vec<WebhookSubscription>,
    events: Vec<(CutNumber, Arc<SavedEvent>)>,
    deliveries: BTreeMap<(EventId, Arc<str>), (CutNumber, EventDelivery)>,
    lost: u64,
    /// Events since old ones were last removed.
    since_forgotten: usize,
    forgotten_at: Timestamp,
}

/// What a cut has of them.
#[derive(Debug, Default)]
pub(super) struct ChangedEvents {
    pub(super) events: Vec<Arc<SavedEvent>>,
    pub(super) deliveries: Vec<EventDelivery>,
    pub(super) forget_before: Option<Timestamp>,
}

impl SavedEvents {
    /// An event of this turn, in whose cut it is: `next`.
    pub(super) fn note(&self, id: EventId, event: &NewEvent, at: Timestamp, next: CutNumber) {
        let mut state = self.0.lock();
        let hooks = state.subscriptions.iter().filter(|one| one.wants(event.kind));
        let hooks = hooks.map(|one| Arc::clone(&one.hook)).collect();
        state.add(Arc::new(SavedEvent::new(id, at, event)), hooks, next);
    }

    /// What the next cut has. `at` is its time.
    pub(super) fn take_changed(&self, at: Timestamp) -> ChangedEvents {
        let mut state = self.0.lock();
        if state.events.is_empty() && state.deliveries.is_empty() {
            return ChangedEvents::default();
        }
        let since =
            Duration::from_millis(at.as_millis().saturating_sub(state.forgotten_at.as_millis()));
        let is_due = state.since_forgotten >= FORGET_AFTER_EVENTS || since >= FORGET_AFTER;
        let forget_before = is_due.then(|| {
            (state.since_forgotten, state.forgotten_at) = (0, at);
            let kept_ms = EVENT_DAYS_KEPT * 86_400_000;
            Timestamp::from_millis(at.as_millis().saturating_sub(kept_ms))
        });
        ChangedEvents {
            events: state.events.iter().map(|(_, event)| Arc::clone(event)).collect(),
            deliveries: state.deliveries.values().map(|(_, one)| one.clone()).collect(),
            forget_before,
        }
    }

    /// All cuts up to this one are durable. Returns whether later ones have something.
    pub(super) fn forget_saved(&self, cut: CutNumber) -> bool {
        let mut state = self.0.lock();
        state.events.retain(|(first, _)| *first > cut);
        state.deliveries.retain(|_, (first, _)| *first > cut);
        !(state.events.is_empty() && state.deliveries.is_empty())
    }
}

impl State {
    fn add(&mut self, event: Arc<SavedEvent>, hooks: Vec<Arc<str>>, next: CutNumber) {
        if self.events.len() >= UNSAVED_EVENTS_MAX
            || self.deliveries.len() + hooks.len() > UNSAVED_DELIVERIES_MAX
        {
            self.lost = self.lost.saturating_add(1);
            return;
        }
        self.since_forgotten = self.since_forgotten.saturating_add(1);
        for hook in hooks {
            let delivery = EventDelivery::new(event.id.clone(), Arc::clone(&hook), event.at);
            self.deliveries.insert((event.id.clone(), hook), (next, delivery));
        }
        self.events.push((next, event));
    }
}

impl Connector {
    /// Which webhooks there are. Events from now on are for them.
    pub fn set_webhooks(&self, subscriptions: Vec<WebhookSubscription>) {
        if let Some(cuts) = &self.cuts {
            cuts.events.0.lock().subscriptions = subscriptions;
        }
    }

    /// Has the next cut save an event. Without a store it is not kept.
    pub fn note_event(&self, id: EventId, event: &NewEvent, at: Timestamp) {
        let Some(cuts) = &self.cuts else { return };
        let _turn = cuts.begin_turn();
        cuts.events.note(id, event, at, cuts.next());
        cuts.note_records();
    }

    /// The same for one webhook, whatever it asks for.
    pub fn note_event_for(&self, hook: &str, id: EventId, event: &NewEvent, at: Timestamp) {
        let Some(cuts) = &self.cuts else { return };
        let _turn = cuts.begin_turn();
        let event = Arc::new(SavedEvent::new(id, at, event));
        cuts.events.0.lock().add(event, vec![hook.into()], cuts.next());
        cuts.note_records();
    }

    /// Has the next cut save how far a delivery is.
    pub fn note_delivery(&self, delivery: EventDelivery) {
        let Some(cuts) = &self.cuts else { return };
        let _turn = cuts.begin_turn();
        let key = (delivery.event.clone(), Arc::clone(&delivery.hook));
        cuts.events.0.lock().deliveries.insert(key, (cuts.next(), delivery));
        cuts.note_records();
    }

    /// Notes an event for each payment to a receiver that is over, or has gone on for a minute, and returns them. Each
    /// payment is announced in the cut that has its event.
    pub fn announce_payments(
        &self,
        now: Timestamp,
        mut new_id: impl FnMut() -> EventId,
    ) -> Vec<NewEvent> {
        let Some(cuts) = &self.cuts else { return Vec::new() };
        let _turn = cuts.begin_turn();
        let announced = cuts.received.announce(now, PAYMENTS_PER_CALL);
        let events: Vec<_> = announced.iter().map(payment_event).collect();
        for event in &events {
            cuts.events.note(new_id(), event, now, cuts.next());
            cuts.note_records();
        }
        events
    }

    /// The deliveries to this webhook that the store may not know as they are.
    pub fn unsaved_deliveries(&self, hook: &str) -> BTreeMap<EventId, EventDelivery> {
        let Some(cuts) = &self.cuts else { return BTreeMap::new() };
        let state = cuts.events.0.lock();
        let of_hook = state.deliveries.values().filter(|(_, one)| &*one.hook == hook);
        of_hook.map(|(_, one)| (one.event.clone(), one.clone())).collect()
    }

    /// The first `max` pending deliveries of events to this webhook that the store does not have, because it fails.
    pub fn unsaved_events(&self, hook: &str, max: usize) -> Vec<(EventDelivery, Arc<SavedEvent>)> {
        let Some(cuts) = &self.cuts else { return Vec::new() };
        let state = cuts.events.0.lock();
        let pending = state.events.iter().filter_map(|(_, event)| {
            let (_, delivery) = state.deliveries.get(&(event.id.clone(), hook.into()))?;
            let is_pending = delivery.state == DeliveryState::Pending;
            is_pending.then(|| (delivery.clone(), Arc::clone(event)))
        });
        pending.take(max).collect()
    }

    /// Events that were lost since the start, because the store failed for so long.
    pub fn lost_events(&self) -> u64 {
        self.cuts.as_ref().map_or(0, |cuts| cuts.events.0.lock().lost)
    }
}

fn payment_event(Announced { key, news, amount, packets }: &Announced) -> NewEvent {
    let PaymentKey { receiver, asset, connection } = key;
    let on = match connection.is_empty() {
        true => "several connections".to_owned(),
        false => format!("the connection {connection}"),
    };
    NewEvent {
        level: EventLevel::Info,
        kind: EventKind::PaymentReceived,
        text: format!("{receiver} got {news} units of {asset} on {on}; {amount} in all"),
        peer: Some(receiver.to_string()),
        fields: vec![
            ("receiver", receiver.to_string()),
            ("connection", connection.to_string()),
            ("amount", news.to_string()),
            ("total", amount.to_string()),
            ("packets", packets.to_string()),
            ("assetCode", asset.code.to_string()),
            ("assetScale", asset.scale.to_string()),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: EventKind) -> NewEvent {
        let (level, text) = (EventLevel::Warn, "text".to_owned());
        NewEvent { level, kind, text, peer: None, fields: Vec::new() }
    }

    fn note(events: &SavedEvents, number: u128, kind: EventKind, next: u64) {
        let at = Timestamp::from_millis(1_000);
        events.note(EventId::from_random(number), &event(kind), at, CutNumber(next));
    }

    fn subscribed(kinds: &[&[EventKind]]) -> SavedEvents {
        let events = SavedEvents::default();
        let hooks = kinds.iter().enumerate().map(|(number, kinds)| WebhookSubscription {
            hook: format!("hook{number}").into(),
            kinds: kinds.to_vec(),
        });
        events.0.lock().subscriptions = hooks.collect();
        events
    }

    #[test]
    fn cuts_repeat_an_event_until_one_is_durable() {
        let events = subscribed(&[&[]]);
        note(&events, 1, EventKind::PeerDown, 7);
        let at = Timestamp::from_millis(2_000);
        for _ in 0..2 {
            let changed = events.take_changed(at);
            assert_eq!((changed.events.len(), changed.deliveries.len()), (1, 1));
        }
        note(&events, 2, EventKind::PeerUp, 8);
        events.forget_saved(CutNumber(7));
        let changed = events.take_changed(at);
        assert_eq!(changed.events[0].id, EventId::from_random(2));
        assert_eq!(changed.deliveries[0].event, EventId::from_random(2));
        events.forget_saved(CutNumber(8));
        assert!(events.take_changed(at).events.is_empty());
    }

    #[test]
    fn a_webhook_gets_the_kinds_that_it_asks_for() {
        let events = subscribed(&[&[], &[EventKind::PeerDown], &[EventKind::RateStale]]);
        for (number, kind) in (0..).zip([EventKind::PeerDown, EventKind::WebhookTest]) {
            note(&events, number, kind, 1);
        }
        let changed = events.take_changed(Timestamp::EPOCH);
        let hooks: Vec<_> = changed.deliveries.iter().map(|one| &*one.hook).collect();
        assert_eq!(hooks, ["hook0", "hook1"]);
        assert_eq!(changed.events.len(), 2);
    }

    #[test]
    fn events_do_not_pile_up_while_the_store_fails() {
        let events = subscribed(&[]);
        for number in 0..UNSAVED_EVENTS_MAX + 3 {
            note(&events, number as u128, EventKind::PeerDown, 1);
        }
        assert_eq!(events.take_changed(Timestamp::EPOCH).events.len(), UNSAVED_EVENTS_MAX);
        assert_eq!(events.0.lock().lost, 3);
    }

    #[test]
    fn deliveries_do_not_pile_up_while_the_store_fails() {
        let all: &[EventKind] = &[];
        let events = subscribed(&[all; 5]);
        (0..8_002).for_each(|number| note(&events, number, EventKind::PeerDown, 1));
        let changed = events.take_changed(Timestamp::EPOCH);
        assert_eq!((changed.events.len(), changed.deliveries.len()), (8_000, 40_000));
        assert_eq!(events.0.lock().lost, 2, "an event has all of its deliveries or none");
    }

    #[test]
    fn old_events_are_removed_now_and_then() {
        let events = subscribed(&[]);
        let at = Timestamp::from_millis(40 * 86_400_000);
        note(&events, 1, EventKind::PeerDown, 1);
        let before = events.take_changed(at).forget_before;
        assert_eq!(before, Some(Timestamp::from_millis(10 * 86_400_000)));
        assert_eq!(events.take_changed(at).forget_before, None);
        (0..FORGET_AFTER_EVENTS).for_each(|_| note(&events, 2, EventKind::PeerUp, 1));
        assert!(events.take_changed(at).forget_before.is_some());
    }
}
