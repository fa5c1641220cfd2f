//! How much of the shared thread one session may use: frames per turn, and a rate that counts everything.

use std::num::NonZeroU32;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use super::*;
use crate::btp::driver::FRAMES_PER_TURN;
use crate::btp::model::OpenSession;
use crate::btp::session::THROTTLE_MAX;
use crate::connector::Connector;
use crate::net::Clock;
use crate::routing::HashSeed;
use crate::testing::payment_at;
use crate::time::{MonoTime, Now};
use crate::wire::btp::ProtocolEntry;

/// Limits with this rate.
fn rate(packets_per_second: u32) -> Limits {
    let packets_per_second = NonZeroU32::new(packets_per_second);
    Limits { packets_per_second, ..Limits::default() }
}

/// A node on a manual clock, whose peers have these limits.
fn context_with_limits(limits: &Limits) -> Arc<NodeContext> {
    let settings = testing::limited_settings("node", &PEERS, limits);
    let connector = Connector::new(settings, HashSeed::Fixed(1)).unwrap();
    NodeContext::new(connector, Clock::manual(), TransportSettings::default()).unwrap()
}

impl OpenSession {
    fn now(&self) -> Now {
        self.context.clock.now()
    }

    /// Handles a frame. `Some`: reading pauses until then.
    fn handle(&mut self, frame: &[u8]) -> Option<MonoTime> {
        let _ = self.handle_frame(frame);
        self.session.take_throttle()
    }

    /// The ids of the Prepares in the outbox.
    fn prepare_ids(&self) -> Vec<u32> {
        let frames = self.take_frames();
        let prepares = frames.iter().filter(|frame| describe(frame).ends_with(" Prepare"));
        prepares.map(|frame| request_id(frame)).collect()
    }
}

#[test]
fn everything_that_a_peer_sends_counts_in_its_rate() {
    let kinds: [(&str, Vec<u8>); 6] = [
        ("an empty message", message(1, &[])),
        ("a message for another protocol", message(1, &[ProtocolEntry::octets("balance", b"{}")])),
        (
            "a message that carries an answer",
            message(1, &[ProtocolEntry::octets("ilp", &fulfillment())]),
        ),
        ("an answer that nothing waits for", response(7, &fulfillment())),
        ("an empty answer that nothing waits for", empty_response(7)),
        ("a message that is no frame", b"\xff".to_vec()),
    ];
    for (what, frame) in kinds {
        let context = context_with_limits(&rate(10));
        let mut alice = OpenSession::open(&context, "alice");
        for n in 1..10 {
            assert_eq!(alice.handle(&frame), None, "{what} {n}");
        }
        let until = alice.handle(&frame).unwrap_or_else(|| panic!("{what}: not counted"));
        let wait = until.since(alice.now().mono);
        assert!(!wait.is_zero() && wait <= THROTTLE_MAX, "{what}: {wait:?}");
        let packet = request(2, &payment("test.bob"));
        assert_eq!(alice.handle(&packet), None, "a packet is refused instead");
        context.clock.advance(wait + wait);
        assert_eq!(alice.handle(&frame), None, "{what}: read again");
    }
}

#[test]
fn text_and_pings_count_beyond_the_needs_of_keep_alive() {
    let context = context_with_limits(&rate(5));
    let mut alice = OpenSession::open(&context, "alice");
    let now = alice.now();
    let batch = context.connector.start_batch(now);
    alice.session.meter_control(&batch, now);
    for _ in 1..5 {
        alice.session.meter_control(&batch, now);
        assert_eq!(alice.session.take_throttle(), None, "the first one is free");
    }
    alice.session.meter_control(&batch, now);
    assert!(alice.session.take_throttle().is_some());
    let mut bob = OpenSession::open(&context, "bob");
    for _ in 1..5 {
        bob.session.handle_text(&batch, now).unwrap();
    }
    assert_eq!(bob.session.take_throttle(), None);
    bob.session.handle_text(&batch, now).unwrap();
    assert!(bob.session.take_throttle().is_some());
}

#[test]
fn answers_to_our_requests_never_count_even_if_late() {
    let context = context_with_limits(&rate(10));
    // Two senders, because each has a rate of its own.
    let (mut alice, mut carol) =
        (OpenSession::open(&context, "alice"), OpenSession::open(&context, "carol"));
    let mut bob = OpenSession::open(&context, "bob");
    let packet = || {
        let expires_at = context.clock.now().wall.saturating_add(Duration::from_secs(20));
        payment_at("test.bob", 1, expires_at)
    };
    for _ in 0..20 {
        for id in 0..10 {
            alice.handle(&request(id, &packet()));
            carol.handle(&request(id, &packet()));
        }
        let ids = bob.prepare_ids();
        assert_eq!(ids.len(), 20);
        for id in ids {
            assert_eq!(bob.handle(&response(id, &fulfillment())), None);
        }
        context.clock.advance(Duration::from_secs(1));
    }
    for id in 0..10 {
        alice.handle(&request(id, &packet()));
        carol.handle(&request(id, &packet()));
    }
    let ids = bob.prepare_ids();
    context.clock.advance(Duration::from_secs(40));
    context.connector.sweep_deadlines(context.clock.now());
    for id in &ids {
        assert_eq!(
            bob.handle(&response(*id, &fulfillment())),
            None,
            "late, through no fault of bob"
        );
    }
    let more = ids.iter().map(|id| bob.handle(&response(*id, &fulfillment())));
    assert!(more.flatten().count() >= 5, "a second answer counts");
}

#[test]
fn without_a_rate_nothing_is_counted() {
    let context = context_with_limits(&Limits::default());
    let mut alice = OpenSession::open(&context, "alice");
    for _ in 0..10_000 {
        assert_eq!(alice.handle(&message(1, &[])), None);
    }
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// The driver, turn by turn, without a task.
#[tokio::test]
async fn frames_beyond_the_budget_of_a_turn_wait_for_the_next() {
    let context = context_with_limits(&Limits::default());
    let mut node = node_with(context);
    let (server, client) = tokio::io::duplex(1 << 20);
    let shared = Arc::clone(&node.shared);
    let deadline = Instant::now() + Duration::from_secs(30);
    let log_in = upgrade_and_log_in(ByteStream::Memory(server), "pipe", deadline, &shared);
    let client = async {
        let (client, _) = tokio_tungstenite::client_async("ws://node/", client).await.unwrap();
        let mut client = TestPeer(client);
        client.send(&auth(1, "alice", &token("alice"))).await;
        client
    };
    let (driver, mut client) = tokio::join!(log_in, client);
    let mut running = pin!(driver.unwrap().run());
    let frames = FRAMES_PER_TURN * 5 / 2;
    let messages: Vec<_> = (0..frames).map(|id| message(id + 10, &[])).collect();
    client.send_all(&messages).await;
    let mut answered = 0;
    let mut turns = Vec::new();
    for _ in 0..10 {
        assert!(poll_once(running.as_mut()).is_pending());
        let before = answered;
        loop {
            match poll_once(pin!(client.receive())) {
                Poll::Ready(Received::Frame(_)) => answered += 1,
                Poll::Ready(other) => panic!("{other:?}"),
                Poll::Pending => break,
            }
        }
        turns.push(answered - before);
    }
    let frames_max = usize::try_from(FRAMES_PER_TURN).unwrap() + 1;
    assert!(turns.iter().all(|turn| *turn <= frames_max), "{turns:?}");
    assert_eq!(answered, usize::try_from(frames).unwrap() + 1, "with the login: {turns:?}");
    assert!(turns.iter().filter(|turn| **turn > 0).count() >= 3, "{turns:?}");
    node.sessions.abort_all();
}

/// An endless message would otherwise never count.
#[test]
fn every_fragment_counts_in_the_rate() {
    let context = context_with_limits(&rate(5));
    let mut alice = OpenSession::open(&context, "alice");
    let now = alice.now();
    let batch = context.connector.start_batch(now);
    for _ in 1..5 {
        alice.session.meter_frame(&batch, now);
        assert_eq!(alice.session.take_throttle(), None);
    }
    alice.session.meter_frame(&batch, now);
    assert!(alice.session.take_throttle().is_some());
}

/// On a socket.
#[tokio::test]
async fn a_flood_of_empty_fragments_is_read_at_the_rate() {
    let mut node = limited_node(rate(50), TransportSettings::default());
    let mut alice = node.log_in("alice").await;
    let began = Instant::now();
    alice.send_message(fragment(Data::Binary, b"", false)).await;
    for _ in 1..100 {
        alice.send_message(fragment(Data::Continue, b"", false)).await;
    }
    alice.send_message(fragment(Data::Continue, &message(7, &[]), true)).await;
    assert_eq!(alice.frame().await, "RESPONSE 7");
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(900), "100 fragments at 50 a second in {took:?}");
}

/// On a socket; the session stays open.
#[tokio::test]
async fn a_flood_beyond_the_rate_is_read_at_the_rate() {
    let mut node = limited_node(rate(50), TransportSettings::default());
    let mut alice = node.log_in("alice").await;
    let began = Instant::now();
    let messages: Vec<_> = (0..100).map(|id| message(id + 10, &[])).collect();
    alice.send_all(&messages).await;
    for id in 0..100 {
        assert_eq!(alice.frame().await, format!("RESPONSE {}", id + 10));
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(900), "100 messages at 50 a second in {took:?}");
    assert!(node.is_connected("alice"));
}
