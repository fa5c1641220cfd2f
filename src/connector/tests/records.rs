//! Changes by operators, settlements and events that the store does not have yet: each is in every cut until one with
//! it is durable, and webhooks get events that are not saved.

use std::task::{Context, Waker};

use super::receivers::{sender, wallet};
use super::virtual_store::VirtualStore;
use super::*;
use crate::books::{
    BalanceChange, DeliveryState, EventDelivery, EventId, EventKind, EventLevel, NewEvent, Quantity,
};
use crate::connector::{SettlementNote, WebhookSubscription};
use crate::testing::change_request;

/// Alice, bob and a receiver, with books.
fn with_books() -> TestNode {
    let mut settings = connector_settings("node", &["alice", "bob"]);
    settings.accounts.push(wallet());
    node_with_books(settings, VirtualStore::default().books(true))
}

fn id(number: u32) -> EventId {
    EventId::from_random(number.into())
}

fn event(kind: EventKind) -> NewEvent {
    let (level, text) = (EventLevel::Info, "text".to_owned());
    NewEvent { level, kind, text, peer: None, fields: Vec::new() }
}

fn hook(id: &str, kinds: &[EventKind]) -> WebhookSubscription {
    WebhookSubscription { hook: id.into(), kinds: kinds.to_vec() }
}

impl TestNode {
    fn change_bob(&self, number: u32) {
        let mut request = change_request("bob", BalanceChange::Adjust(-1));
        request.id = number.to_string().parse().unwrap();
        self.connector.change_balance(&request, self.now.wall).unwrap();
    }

    fn credit_bob(&self, number: u32) {
        let (bob, key) = ("bob".parse().unwrap(), number.to_string().parse().unwrap());
        let note = SettlementNote { reference: String::new(), by: "ann".to_owned() };
        let quantity = Quantity::of_units(5, 9);
        self.connector.credit_settlement(&bob, &key, &quantity, note, self.now.wall).unwrap();
    }

    fn note_event(&self, number: u32, kind: EventKind) {
        self.connector.note_event(id(number), &event(kind), self.now.wall);
    }

    fn deliver(&self, hook: &str, number: u32) -> EventDelivery {
        let new = EventDelivery::new(id(number), hook.into(), self.now.wall);
        let delivered = EventDelivery { state: DeliveryState::Delivered, attempts: 1, ..new };
        self.connector.note_delivery(delivered.clone());
        delivered
    }

    fn take(&self) -> Cut {
        self.connector.take_cut(self.now.wall).unwrap()
    }

    /// The events that the store does not have, and that this webhook waits for; at most `max`.
    fn waiting(&self, hook: &str, max: usize) -> Vec<EventId> {
        let found = self.connector.unsaved_events(hook, max).into_iter();
        let ids = found.map(|(delivery, event)| {
            assert_eq!(delivery.event, event.id);
            delivery.event
        });
        ids.collect()
    }
}

/// The numbers of the records of each kind in a cut.
fn numbers(cut: &Cut) -> [Vec<String>; 4] {
    let records = cut.records();
    let number = |id: &str| id.trim_start_matches("evt_").trim_start_matches('0').to_owned();
    [
        records.adjustments.iter().map(|made| number(&made.id.to_string())).collect(),
        records.settlements.iter().map(|settlement| number(settlement.key.as_str())).collect(),
        records.events.iter().map(|event| number(event.id.as_str())).collect(),
        records.deliveries.iter().map(|delivery| number(delivery.event.as_str())).collect(),
    ]
}

/// How many records of each kind a cut has.
fn counts(cut: &Cut) -> [usize; 4] {
    numbers(cut).map(|of_kind| of_kind.len())
}

#[test]
fn a_record_that_is_made_while_a_cut_is_saved_is_in_the_next_one() {
    let adds: [fn(&TestNode, u32); 4] = [
        TestNode::change_bob,
        TestNode::credit_bob,
        |node, number| node.note_event(number, EventKind::PeerUp),
        |node, number| drop(node.deliver("ops", number)),
    ];
    for (kind, add) in adds.into_iter().enumerate() {
        let node = with_books();
        let alone = |number: &str| {
            let number = vec![number.to_owned()];
            std::array::from_fn(|other| if other == kind { number.clone() } else { Vec::new() })
        };
        let cx = Context::from_waker(Waker::noop());
        assert!(node.connector.poll_changed(&cx).is_pending());
        add(&node, 1);
        assert!(node.connector.poll_changed(&cx).is_ready(), "kind {kind}: a cut is taken for it");
        let first = node.take();
        assert_eq!(numbers(&first), alone("1"));
        add(&node, 2);
        node.connector.publish_durable(first.number);
        let second = node.take();
        assert_eq!(numbers(&second), alone("2"), "kind {kind}");
        node.connector.publish_durable(second.number);
        assert_eq!(node.take().records, None, "kind {kind}: nothing is left");
    }
}

#[test]
fn webhooks_get_events_that_the_store_does_not_have() {
    let node = with_books();
    node.connector.set_webhooks(vec![hook("ops", &[EventKind::PeerDown]), hook("audit", &[])]);
    node.note_event(1, EventKind::PeerDown);
    node.note_event(2, EventKind::PeerUp);
    // A test is for one webhook, whatever it asks for.
    node.connector.note_event_for("ops", id(3), &event(EventKind::WebhookTest), node.now.wall);
    assert_eq!(node.waiting("ops", 9), [id(1), id(3)]);
    assert_eq!(node.waiting("audit", 9), [id(1), id(2)]);
    assert_eq!(node.waiting("ops", 1), [id(1)]);
    let delivered = node.deliver("ops", 1);
    assert_eq!(node.waiting("ops", 9), [id(3)]);
    let unsaved = node.connector.unsaved_deliveries("ops");
    assert_eq!(unsaved.keys().collect::<Vec<_>>(), [&id(1), &id(3)]);
    assert_eq!(unsaved[&id(1)], delivered);
    let cut = node.take();
    assert_eq!(counts(&cut), [0, 0, 3, 4]);
    node.connector.publish_durable(cut.number);
    assert_eq!(node.waiting("audit", 9), []);
    assert!(node.connector.unsaved_deliveries("ops").is_empty());
}

#[test]
fn while_the_store_fails_for_long_further_events_are_counted_as_lost() {
    let node = with_books();
    (0..10_000).for_each(|number| node.note_event(number, EventKind::PeerUp));
    assert_eq!(node.connector.lost_events(), 0);
    (10_000..10_002).for_each(|number| node.note_event(number, EventKind::PeerUp));
    assert_eq!((node.connector.lost_events(), counts(&node.take())), (2, [0, 0, 10_000, 0]));
    // Without a store, no event is kept.
    let node = alice_and_bob();
    node.note_event(1, EventKind::PeerUp);
    node.connector.note_event_for("ops", id(2), &event(EventKind::PeerUp), node.now.wall);
    assert_eq!((node.waiting("ops", 9), node.connector.lost_events()), (vec![], 0));
}

#[test]
fn a_payment_is_announced_in_the_cut_that_has_its_event() {
    let mut node = with_books();
    let alice = node.connect("alice");
    let mut number = 0;
    let mut announce = |node: &TestNode| {
        let new_id = || {
            number += 1;
            id(number)
        };
        node.connector.announce_payments(node.now.wall, new_id)
    };
    for (request, amount) in [(1, 30), (2, 12)] {
        node.send(&alice, request, &sender(&node).payment_until(amount, 0, true, 10_000));
    }
    assert_eq!(node.read(&alice).len(), 2);
    assert_eq!(announce(&node), [], "it may go on");
    node.connector.publish_durable(node.take().number);
    node.advance(Duration::from_secs(2));
    let [event] = &*announce(&node) else { panic!("no event") };
    assert_eq!((event.kind, event.peer.as_deref()), (EventKind::PaymentReceived, Some("wallet")));
    assert!(event.text.starts_with("wallet got 42 units of USD/9 on the connection "), "{event:?}");
    let cut = node.take();
    assert_eq!((counts(&cut), &*cut.records().events[0].text), ([0, 0, 1, 0], &*event.text));
    assert_eq!((cut.payments[0].announced, cut.payments[0].packets), (42, 2));
    assert_eq!(announce(&node), [], "once");
}
