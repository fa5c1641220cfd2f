//! Delays between attempts, and what a change of a webhook does to those that wait.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::books::{EventKind, EventLevel, NewEvent};
use crate::net::Secret;
use crate::node::tests::{StoredNode, save_cuts};
use crate::testing::until;

const HOUR_MS: u64 = 3_600_000;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEXT_SECRET: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn webhook(listener: &TcpListener, secret: &str) -> WebhookSettings {
    WebhookSettings {
        id: "ops".parse().unwrap(),
        url: format!("http://{}/in", listener.local_addr().unwrap()).parse().unwrap(),
        secret: Some(Secret::new(secret)),
        secrets: None,
        events: None,
    }
}

fn peer_down() -> NewEvent {
    let (level, kind, text) = (EventLevel::Warn, EventKind::PeerDown, "c is down".to_owned());
    NewEvent { level, kind, text, peer: None, fields: Vec::new() }
}

/// Answers one request. Returns its head.
async fn answer_one(listener: &TcpListener, status: u16) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn a_changed_url_or_secret_is_tried_at_once_and_the_old_error_is_forgotten() {
    let StoredNode { directory: _directory, worker, store, context, status, .. } =
        StoredNode::new();
    std::thread::spawn(|| worker.run());
    let _saver = save_cuts(store.clone(), &context);
    let mut tasks = WebhookTasks::new(store, Arc::clone(&context), status);
    let listen = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (first, second) = (listen().await, listen().await);
    tasks.follow_config(&[webhook(&first, SECRET)]);
    let meter = || context.webhook_meters.snapshot()["ops"].clone();
    let changes = [(&first, &second, SECRET), (&second, &second, NEXT_SECRET)];
    for (number, (before, after, secret)) in changes.into_iter().enumerate() {
        let id = EventId::from_random(number as u128);
        let now = || context.clock.now().wall;
        context.connector.note_event_for("ops", id.clone(), &peer_down(), now());
        answer_one(before, 401).await;
        until("the failure", || meter().is_failing).await;
        // As after many attempts.
        let waiting = EventDelivery::new(id.clone(), "ops".into(), now());
        let due = now().saturating_add(Duration::from_millis(HOUR_MS));
        context.connector.note_delivery(EventDelivery { due, attempts: 9, ..waiting });
        tasks.follow_config(&[webhook(after, secret)]);
        let forgotten = meter();
        assert!(!forgotten.is_failing && forgotten.last_failure.is_none(), "{forgotten:?}");
        let head = answer_one(after, 204).await;
        assert!(head.contains(id.as_str()), "{head}");
        until("the delivery", || meter().delivered_at.is_some()).await;
        until("the empty queue", || meter().oldest_pending.is_none()).await;
        assert_eq!((meter().delivered, meter().failed), (number as u64 + 1, number as u64 + 1));
    }
}

#[tokio::test]
async fn what_was_delivered_and_is_not_saved_yet_is_not_tried_again() {
    let StoredNode { directory: _directory, worker, store, context, .. } = StoredNode::new();
    std::thread::spawn(|| worker.run());
    let saver = save_cuts(store.clone(), &context);
    let connector = &context.connector;
    let subscription = WebhookSubscription { hook: "ops".into(), kinds: Vec::new() };
    connector.set_webhooks(vec![subscription]);
    let hook: Arc<str> = "ops".into();
    let now = context.clock.now().wall;
    let later = now.saturating_add(Duration::from_millis(HOUR_MS));
    let ids = [1, 2, 3].map(EventId::from_random);
    let delivery = |id: &EventId, state| {
        let new = EventDelivery::new(id.clone(), Arc::clone(&hook), now);
        EventDelivery { state, due: later, attempts: 3, ..new }
    };
    let states = [DeliveryState::Pending, DeliveryState::Pending, DeliveryState::GivenUp];
    for (id, state) in ids.iter().zip(states) {
        connector.note_event_for("ops", id.clone(), &peer_down(), now);
        connector.note_delivery(delivery(id, state));
    }
    until("the cut", || connector.unsaved_deliveries("ops").is_empty()).await;
    // From now on, nothing is saved.
    drop(saver);
    connector.note_delivery(delivery(&ids[0], DeliveryState::Delivered));
    for (state, expected) in [(DeliveryState::Pending, &ids[1]), (DeliveryState::GivenUp, &ids[2])]
    {
        assert_eq!(try_now(&hook, state, &store, &context).await, Ok(1), "{state:?}");
        let noted = &connector.unsaved_deliveries("ops")[expected];
        assert_eq!((noted.state, noted.attempts), (DeliveryState::Pending, 0));
        assert!(noted.due < later, "{noted:?}");
        assert_eq!(try_now(&hook, state, &store, &context).await, Ok(0), "it is due already");
    }
    assert_eq!(connector.unsaved_deliveries("ops")[&ids[0]].state, DeliveryState::Delivered);
}

#[test]
fn delays_grow_to_an_hour_and_end_after_three_days() {
    let start = Timestamp::from_millis(1_000_000);
    let mut delivery = EventDelivery::new(EventId::from_random(1), "ops".into(), start);
    let (mut now, mut delays) = (start, Vec::new());
    while delivery.state == DeliveryState::Pending {
        delivery = after_attempt(delivery, &Err(DeliveryError::Status(500)), now, 0);
        delays.push((delivery.due.as_millis() - now.as_millis()) / 1_000);
        now = delivery.due;
    }
    assert_eq!(delays[..4], [2, 4, 8, 16]);
    assert_eq!(delays.iter().max(), Some(&3_600));
    assert_eq!(delivery.state, DeliveryState::GivenUp);
    let tried_s = (now.as_millis() - start.as_millis()) / 1_000;
    assert!((259_200..259_200 + 3_600).contains(&tried_s), "{tried_s}");
    assert_eq!(delivery.error.as_deref(), Some("HTTP 500"));
}

#[test]
fn an_accepted_event_is_done_and_a_webhook_that_is_gone_gets_no_more() {
    let now = Timestamp::from_millis(5_000);
    let delivery = EventDelivery::new(EventId::from_random(1), "ops".into(), now);
    let done = after_attempt(delivery.clone(), &Ok(()), now, 9);
    assert_eq!((done.state, done.attempts, done.error), (DeliveryState::Delivered, 1, None));
    let gone = after_attempt(delivery.clone(), &Err(DeliveryError::Status(410)), now, 9);
    assert_eq!(gone.state, DeliveryState::GivenUp);
    let least = after_attempt(delivery, &Err(DeliveryError::Status(302)), now, u16::MAX);
    assert_eq!(least.due, Timestamp::from_millis(6_500));
}
