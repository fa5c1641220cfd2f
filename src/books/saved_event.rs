//! Events in the store, and how far their delivery to webhooks is.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::event::{EventLevel, NewEvent};
use crate::wire::Timestamp;

/// Characters of an event's text.
const TEXT_CHARS_MAX: usize = 500;

/// How long events are kept.
pub const EVENT_DAYS_KEPT: u64 = 30;
/// Events that are kept; beyond, the oldest go, and first those that no webhook waits for.
pub const EVENTS_SAVED_MAX: u32 = 100_000;

/// Identifies an event for ever: the `webhook-id` of each of its deliveries.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Arc<str>);

impl EventId {
    /// The id that these random bits make.
    pub fn from_random(bits: u128) -> Self {
        Self(format!("evt_{bits:032x}").into())
    }

    /// An id as it was saved.
    pub fn from_saved(text: &str) -> Self {
        Self(text.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An event in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedEvent {
    /// Its id.
    pub id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// How important it is.
    pub level: EventLevel,
    /// What happened. An older or newer program may have kinds that this one does not know.
    pub kind: Arc<str>,
    /// A sentence.
    pub text: String,
    /// The peer that it is about.
    pub peer: Option<String>,
    /// More about it.
    pub fields: BTreeMap<String, String>,
}

impl SavedEvent {
    /// An event that happens now, with bounded texts.
    pub fn new(id: EventId, at: Timestamp, event: &NewEvent) -> Self {
        let fields = event.fields.iter();
        let fields = fields.map(|(name, value)| ((*name).to_owned(), clip_text(value)));
        Self {
            id,
            at,
            level: event.level,
            kind: event.kind.as_str().into(),
            text: clip_text(&event.text),
            peer: event.peer.clone(),
            fields: fields.collect(),
        }
    }
}

/// An event with its place in the order of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedEvent {
    /// Rises from event to event.
    pub number: i64,
    /// The event.
    pub event: SavedEvent,
}

/// Which events are wanted, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Only those with a smaller number.
    pub before: Option<i64>,
    /// Only those of this kind.
    pub kind: Option<String>,
    /// Only those about this peer.
    pub peer: Option<String>,
    /// At most so many.
    pub max: u32,
}

/// At most so many characters of a text, so that a peer cannot make it long.
pub fn clip_text(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// How far the delivery of an event to a webhook is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is tried until the webhook accepts it.
    Pending,
    /// The webhook has accepted it.
    Delivered,
    /// It was tried for three days in vain, or the webhook is gone.
    GivenUp,
}

impl DeliveryState {
    /// The spelling in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::GivenUp => "givenUp",
        }
    }

    /// The state that is saved as this text.
    pub fn from_saved(text: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::GivenUp].into_iter().find(|one| one.as_str() == text)
    }
}

/// The delivery of an event to a webhook. A later row replaces an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventDelivery {
    /// The event.
    pub event: EventId,
    /// The id of the webhook.
    pub hook: Arc<str>,
    /// How far it is.
    pub state: DeliveryState,
    /// Requests that were made.
    pub attempts: u32,
    /// When the first attempt was due.
    pub since: Timestamp,
    /// When the next attempt is due, or when the last one was made.
    pub due: Timestamp,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

impl EventDelivery {
    /// One that is due at once.
    pub fn new(event: EventId, hook: Arc<str>, at: Timestamp) -> Self {
        let state = DeliveryState::Pending;
        Self { event, hook, state, attempts: 0, since: at, due: at, error: None }
    }
}

/// The deliveries to a webhook, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// Those that are tried.
    pub pending: u64,
    /// Those that were accepted, as long as their events are kept.
    pub delivered: u64,
    /// Those that are not tried any more.
    pub given_up: u64,
}

impl DeliveryCounts {
    /// So many more in this state.
    pub fn add(&mut self, state: DeliveryState, more: i64) {
        let count = match state {
            DeliveryState::Pending => &mut self.pending,
            DeliveryState::Delivered => &mut self.delivered,
            DeliveryState::GivenUp => &mut self.given_up,
        };
        *count = count.saturating_add(u64::try_from(more).unwrap_or(0));
    }
}

/// What a store knows of the deliveries to a webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundDeliveries {
    /// The first ones, with their events.
    pub found: Vec<(EventDelivery, Arc<SavedEvent>)>,
    /// When the first pending one is due.
    pub next_due: Option<Timestamp>,
    /// When the first attempt of the oldest pending one was due.
    pub oldest_since: Option<Timestamp>,
    /// All of them, if they were counted.
    pub counts: DeliveryCounts,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books::EventKind;

    #[test]
    fn texts_are_bounded_and_states_are_read_as_they_are_saved() {
        let event = NewEvent {
            level: EventLevel::Warn,
            kind: EventKind::PeerDown,
            text: "ä".repeat(TEXT_CHARS_MAX + 1),
            peer: None,
            fields: vec![("error", "x".repeat(TEXT_CHARS_MAX))],
        };
        let saved = SavedEvent::new(EventId::from_random(255), Timestamp::EPOCH, &event);
        assert_eq!(saved.text.chars().count(), TEXT_CHARS_MAX + 1);
        assert_eq!(saved.fields["error"].len(), TEXT_CHARS_MAX);
        assert_eq!(saved.id.as_str(), "evt_000000000000000000000000000000ff");
        for state in [DeliveryState::Pending, DeliveryState::Delivered, DeliveryState::GivenUp] {
            assert_eq!(DeliveryState::from_saved(state.as_str()), Some(state));
        }
        assert_eq!(DeliveryState::from_saved("lost"), None);
    }

    #[test]
    fn a_new_delivery_is_pending_and_due_at_once() {
        let (at, event) = (Timestamp::from_millis(5), EventId::from_saved("evt_1"));
        let delivery = EventDelivery::new(event.clone(), "hook".into(), at);
        assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Pending, 0));
        assert_eq!((delivery.since, delivery.due, delivery.error), (at, at, None));
        assert_eq!((delivery.event.as_str(), delivery.event == event), ("evt_1", true));
    }

    #[test]
    fn deliveries_are_counted_by_their_state() {
        let mut counts = DeliveryCounts::default();
        counts.add(DeliveryState::Pending, 3);
        counts.add(DeliveryState::Delivered, 4);
        counts.add(DeliveryState::GivenUp, 5);
        counts.add(DeliveryState::Pending, 2);
        counts.add(DeliveryState::Delivered, -1);
        let expected = DeliveryCounts { pending: 5, delivered: 4, given_up: 5 };
        assert_eq!(counts, expected, "no number of rows is below zero");
    }
}
