//! What one reader gets, and what it loses.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use super::*;

const ALL: Topics = Topics { state: true, rates: true, events: true, packets: true };

fn queue(packets_per_second: u32) -> Arc<StreamQueue> {
    let filter = PacketFilter::default();
    StreamQueue::new(Subscription { topics: ALL, filter, packets_per_second, seed: None })
}

fn message(kind: &'static str, number: u64, bytes: usize) -> Arc<EncodedMessage> {
    let json = format!("{{\"n\":{number},\"pad\":\"{}\"}}", "x".repeat(bytes));
    Arc::new(EncodedMessage { kind, id: Some(format!("00000001-{number}")), json })
}

fn take(queue: &StreamQueue) -> Option<Arc<EncodedMessage>> {
    match queue.poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(message) => message,
        Poll::Pending => None,
    }
}

fn json(message: &EncodedMessage) -> Value {
    serde_json::from_str(&message.json).unwrap()
}

fn kinds(queue: &StreamQueue) -> Vec<&'static str> {
    std::iter::from_fn(|| take(queue)).map(|message| message.kind).collect()
}

/// Received, and told as lost.
fn total(queue: &StreamQueue) -> (u64, u64) {
    let (mut received, mut lost) = (0, 0);
    while let Some(message) = take(queue) {
        match message.kind {
            "gap" => lost += json(&message)["lost"].as_u64().unwrap(),
            _ => received += 1,
        }
    }
    (received, lost)
}

#[test]
fn what_is_received_and_what_is_lost_is_all_that_was_produced() {
    for seed in 0..50 {
        let mut random = StdRng::seed_from_u64(seed);
        let queue = queue(random.random_range(1..200));
        let (mut produced, mut received, mut lost) = (0_u64, 0, 0);
        let mut last = 0;
        for _ in 0..300 {
            match random.random_range(0..4) {
                0 => {
                    for _ in 0..random.random_range(0..20) {
                        let Some(message) = take(&queue) else { break };
                        if message.kind == "gap" {
                            lost += json(&message)["lost"].as_u64().unwrap();
                            continue;
                        }
                        let number = json(&message)["n"].as_u64().unwrap();
                        assert!(number > last, "seed {seed}: {number} after {last}");
                        (received, last) = (received + 1, number);
                    }
                }
                1 => {
                    produced += 1;
                    queue.add_event(&message("event", produced, random.random_range(0..50_000)));
                }
                _ => {
                    for _ in 0..random.random_range(0..30) {
                        produced += 1;
                        let bytes = random.random_range(0..50_000);
                        queue.add_packet(&message("packet", produced, bytes), produced / 100);
                    }
                }
            }
        }
        queue.set_rates(None, u64::MAX);
        let (more, more_lost) = total(&queue);
        assert_eq!(received + more + lost + more_lost, produced, "seed {seed}");
    }
}

#[test]
fn a_slow_reader_gets_one_gap_and_the_state_again() {
    let queue = queue(u32::MAX);
    for number in 1..=100 {
        queue.add_event(&message("event", number, QUEUE_BYTES_MAX / 10));
    }
    assert!(queue.needs_state());
    let waiting = queue.waiting.lock();
    assert!(waiting.bytes <= QUEUE_BYTES_MAX, "{}", waiting.bytes);
    drop(waiting);
    for number in 1..=9 {
        assert_eq!(json(&take(&queue).unwrap())["n"], number);
    }
    let gap = json(&take(&queue).unwrap());
    assert_eq!(
        (&gap["type"], &gap["topic"], &gap["lost"]),
        (&"gap".into(), &"events".into(), &91.into())
    );
    assert_eq!((&gap["fromId"], &gap["toId"]), (&"00000001-10".into(), &"00000001-100".into()));
    assert_eq!(gap["why"], "slow");
    queue.set_state(&message("state", 1, 1));
    assert!(!queue.needs_state());
    assert_eq!(kinds(&queue), ["state"]);
}

#[test]
fn a_large_object_waits_alone() {
    let queue = queue(u32::MAX);
    queue.add_event(&message("event", 1, QUEUE_BYTES_MAX * 2));
    queue.add_event(&message("event", 2, 1));
    assert_eq!(total(&queue), (1, 1));
}

#[test]
fn packets_above_the_budget_are_told_once_a_second() {
    let queue = queue(2);
    for number in 1..=5 {
        queue.add_packet(&message("packet", number, 1), 7);
    }
    assert_eq!(kinds(&queue), ["packet", "packet"]);
    queue.set_rates(None, 7);
    assert_eq!(kinds(&queue), [""; 0]);
    queue.add_packet(&message("packet", 6, 1), 8);
    let found: Vec<_> = std::iter::from_fn(|| take(&queue)).collect();
    assert_eq!(json(&found[1])["lost"], 3);
    assert_eq!(json(&found[1])["why"], "budget");
    queue.set_rates(None, 9);
    assert_eq!(kinds(&queue), [""; 0]);
}

#[test]
fn state_and_figures_are_replaced_and_the_end_comes_last() {
    let queue = queue(1);
    for number in 1..=3 {
        queue.set_state(&message("state", number, 1));
        queue.set_rates(Some(&message("rates", number, 1)), number);
    }
    queue.add_event(&message("event", 1, 1));
    queue.end("the node stops", 1_000);
    queue.end("again", 1);
    let found: Vec<_> = std::iter::from_fn(|| take(&queue)).collect();
    let kinds: Vec<_> = found.iter().map(|message| message.kind).collect();
    assert_eq!(kinds, ["event", "state", "rates", "bye"]);
    assert_eq!((&json(&found[1])["n"], &json(&found[2])["n"]), (&3.into(), &3.into()));
    assert_eq!(json(&found[3])["why"], "the node stops");
    assert_eq!(queue.poll_next(&mut Context::from_waker(Waker::noop())), Poll::Ready(None));
}

/// A reader that is always behind would otherwise go on after its token has changed.
#[test]
fn nothing_is_added_to_a_stream_that_ends() {
    let queue = queue(2);
    let add_all = |number| {
        queue.add_event(&message("event", number, 1));
        (0..3).for_each(|_| queue.add_packet(&message("packet", number, 1), number));
        queue.add_missed_packet(&message("packet", number, 1));
        queue.set_state(&message("state", number, 1));
        queue.set_rates(Some(&message("rates", number, 1)), number);
        let (topic, why) = (EVENTS.to_owned(), GapCause::Ring);
        queue.add_gap(&GapBody { topic, lost: 1, from_id: None, to_id: None, why });
    };
    add_all(1);
    queue.end("the apiToken has changed", 1_000);
    let before = ["event", "packet", "packet", "packet", "gap", "state", "rates", "bye"];
    for (number, kind) in (2..).zip(before) {
        add_all(number);
        assert!(!queue.needs_state());
        assert_eq!(take(&queue).unwrap().kind, kind);
    }
    add_all(100);
    assert_eq!(queue.poll_next(&mut Context::from_waker(Waker::noop())), Poll::Ready(None));
}

#[test]
fn readers_get_only_their_topics() {
    let topics = Topics { state: false, rates: false, events: false, packets: true };
    let filter = PacketFilter::default();
    let queue =
        StreamQueue::new(Subscription { topics, filter, packets_per_second: 1, seed: None });
    queue.add_hello(&message("hello", 1, 1));
    queue.add_event(&message("event", 1, 1));
    queue.set_state(&message("state", 1, 1));
    queue.set_rates(Some(&message("rates", 1, 1)), 1);
    queue.add_packet(&message("packet", 1, 1), 1);
    for topic in [EVENTS, PACKETS] {
        let (topic, why) = (topic.to_owned(), GapCause::Ring);
        queue.add_gap(&GapBody { topic, lost: 1, from_id: None, to_id: None, why });
    }
    let found: Vec<_> = std::iter::from_fn(|| take(&queue)).collect();
    let kinds: Vec<_> = found.iter().map(|message| message.kind).collect();
    assert_eq!(kinds, ["hello", "packet", "gap"]);
    assert_eq!(json(&found[2])["topic"], PACKETS);
}
