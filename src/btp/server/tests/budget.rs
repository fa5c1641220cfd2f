//! How much of the shared thread one session may use: frames per turn, and a rate that counts everything.

use std::num::NonZeroU32;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::*;
use crate::account::Limits;
use crate::btp::driver::FRAMES_PER_TURN;
use crate::btp::session::THROTTLE_MAX;
use crate::connector::Connector;
use crate::net::Clock;
use crate::routing::HashSeed;
use crate::time::{MonoTime, Now};
use crate::wire::btp::{FrameBody, ProtocolEntry};

/// A node on a manual clock, whose peers have this rate.
fn limited(per_second: Option<u32>) -> Arc<TransportContext> {
    let limits =
        Limits { packets_per_second: per_second.and_then(NonZeroU32::new), ..Limits::default() };
    let settings = testing::connector_settings("node", &PEERS, &limits);
    let connector = Connector::new(settings, HashSeed::Fixed(1)).unwrap();
    TransportContext::new(connector, Clock::manual(), TransportSettings::default()).unwrap()
}

/// A session without a socket.
struct Bare {
    context: Arc<TransportContext>,
    session: BtpSession,
    outbox: Arc<Outbox>,
}

impl Bare {
    fn open(context: &Arc<TransportContext>, peer: &str) -> Self {
        let account = context.connector.account(peer).unwrap();
        let outbox = Outbox::new(Framing::Server, account.outbox_bytes_max());
        let (context, shared) = (Arc::clone(context), Arc::clone(&outbox));
        let kind = SessionKind::Accepted;
        let status = context.peers.status(account.id());
        let guard =
            SessionGuard::attach(Arc::clone(&context), account, status, kind, None, shared, "pipe");
        Bare { context, session: BtpSession::new(guard), outbox }
    }

    fn now(&self) -> Now {
        self.context.clock.now()
    }

    /// Handles a frame. `Some`: reading pauses until then.
    fn handle(&mut self, frame: &[u8]) -> Option<MonoTime> {
        let now = self.now();
        let _ = self.session.handle_frame(frame, &self.context.connector.start_batch(now), now);
        self.session.take_throttle()
    }

    /// The ids of the Prepares in the outbox.
    fn prepare_ids(&self) -> Vec<u32> {
        let mut bytes = Vec::new();
        let write = |chunk: &[u8]| {
            bytes.extend_from_slice(chunk);
            Poll::Ready(Ok(chunk.len()))
        };
        assert!(self.outbox.write_to(write, &mut 0).is_ready());
        let mut ids = Vec::new();
        while bytes.len() > 2 {
            let (len, at) = match bytes[1] {
                126 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
                short => (usize::from(short), 2),
            };
            let frame = bytes[at..at + len].to_vec();
            let frame = crate::wire::btp::BtpFrame::parse(&frame).unwrap();
            if frame.body == FrameBody::Message {
                ids.push(frame.request_id.0);
            }
            bytes.drain(..at + len);
        }
        ids
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
        ("an answer that nothing waits for", answer(7, &fulfillment())),
        ("an empty answer that nothing waits for", framed(7, &FrameBody::Response, &[])),
        ("a message that is no frame", b"\xff".to_vec()),
    ];
    for (what, frame) in kinds {
        let context = limited(Some(10));
        let mut alice = Bare::open(&context, "alice");
        for n in 1..10 {
            assert_eq!(alice.handle(&frame), None, "{what} {n}");
        }
        let until = alice.handle(&frame).unwrap_or_else(|| panic!("{what}: not counted"));
        let wait = until.since(alice.now().mono);
        assert!(!wait.is_zero() && wait <= THROTTLE_MAX, "{what}: {wait:?}");
        assert_eq!(
            alice.handle(&ask(2, &payment("test.bob"))),
            None,
            "a packet is refused instead"
        );
        context.clock.pass(wait + wait);
        assert_eq!(alice.handle(&frame), None, "{what}: read again");
    }
}

#[test]
fn text_and_pings_count_beyond_the_needs_of_keep_alive() {
    let context = limited(Some(5));
    let mut alice = Bare::open(&context, "alice");
    let now = alice.now();
    let batch = context.connector.start_batch(now);
    alice.session.meter_control(&batch, now);
    for _ in 1..5 {
        alice.session.meter_control(&batch, now);
        assert_eq!(alice.session.take_throttle(), None, "the first one is free");
    }
    alice.session.meter_control(&batch, now);
    assert!(alice.session.take_throttle().is_some());
    let mut bob = Bare::open(&context, "bob");
    for _ in 1..5 {
        bob.session.handle_text(&batch, now).unwrap();
    }
    assert_eq!(bob.session.take_throttle(), None);
    bob.session.handle_text(&batch, now).unwrap();
    assert!(bob.session.take_throttle().is_some());
}

#[test]
fn answers_to_our_requests_never_count_even_if_late() {
    let context = limited(Some(10));
    // Two senders, because each has a rate of its own.
    let (mut alice, mut carol) = (Bare::open(&context, "alice"), Bare::open(&context, "carol"));
    let mut bob = Bare::open(&context, "bob");
    let packet = |context: &TransportContext| {
        let expires_at = context.clock.now().wall.saturating_add(Duration::from_secs(20));
        let mut bytes = Vec::new();
        crate::wire::ilp::Packet::Prepare(crate::wire::ilp::Prepare {
            amount: crate::wire::Amount(1),
            expires_at,
            condition: PREIMAGE.condition(),
            destination: crate::wire::AddressRef::new("test.bob").unwrap(),
            data: b"",
        })
        .encode(&mut bytes);
        bytes
    };
    for _ in 0..20 {
        for id in 0..10 {
            alice.handle(&ask(id, &packet(&context)));
            carol.handle(&ask(id, &packet(&context)));
        }
        let ids = bob.prepare_ids();
        assert_eq!(ids.len(), 20);
        for id in ids {
            assert_eq!(bob.handle(&answer(id, &fulfillment())), None);
        }
        context.clock.pass(Duration::from_secs(1));
    }
    for id in 0..10 {
        alice.handle(&ask(id, &packet(&context)));
        carol.handle(&ask(id, &packet(&context)));
    }
    let ids = bob.prepare_ids();
    context.clock.pass(Duration::from_secs(40));
    context.connector.sweep_deadlines(context.clock.now());
    for id in &ids {
        assert_eq!(bob.handle(&answer(*id, &fulfillment())), None, "late, through no fault of bob");
    }
    let more = ids.iter().map(|id| bob.handle(&answer(*id, &fulfillment())));
    assert!(more.flatten().count() >= 5, "a second answer counts");
}

#[test]
fn without_a_rate_nothing_is_counted() {
    let context = limited(None);
    let mut alice = Bare::open(&context, "alice");
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
    let context = limited(None);
    let mut node = node_with(context);
    let (near, far) = tokio::io::duplex(1 << 20);
    let shared = Arc::clone(&node.shared);
    let deadline = Instant::now() + Duration::from_secs(30);
    let entered =
        async { upgrade_and_log_in(Stream::Memory(near), "pipe", deadline, &shared).await };
    let far = async {
        let mut far = TestPeer(tokio_tungstenite::client_async("ws://node/", far).await.unwrap().0);
        far.send(&auth(1, "alice", &token("alice"))).await;
        far
    };
    let (driver, mut far) = tokio::join!(entered, far);
    let mut running = pin!(driver.unwrap().run());
    let frames = FRAMES_PER_TURN * 5 / 2;
    let messages: Vec<_> = (0..frames).map(|id| message(id + 10, &[])).collect();
    far.send_all(&messages).await;
    let mut answered = 0;
    let mut turns = Vec::new();
    for _ in 0..10 {
        assert!(poll_once(running.as_mut()).is_pending());
        let before = answered;
        loop {
            match poll_once(pin!(far.receive())) {
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
    let context = limited(Some(5));
    let mut alice = Bare::open(&context, "alice");
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
    let limits = Limits { packets_per_second: NonZeroU32::new(50), ..Limits::default() };
    let settings = testing::connector_settings("node", &PEERS, &limits);
    let mut node = node_with(testing::context_with(settings, TransportSettings::default()));
    let mut alice = node.log_in("alice").await;
    let began = Instant::now();
    let part = |code: Data, payload: Vec<u8>, is_last: bool| {
        Message::Frame(Frame::message(payload, OpCode::Data(code), is_last))
    };
    alice.send_message(part(Data::Binary, Vec::new(), false)).await;
    for _ in 1..100 {
        alice.send_message(part(Data::Continue, Vec::new(), false)).await;
    }
    alice.send_message(part(Data::Continue, message(7, &[]), true)).await;
    assert_eq!(alice.frame().await, "RESPONSE 7");
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(900), "100 fragments at 50 a second in {took:?}");
}

/// On a socket; the session stays open.
#[tokio::test]
async fn a_flood_beyond_the_rate_is_read_at_the_rate() {
    let limits = Limits { packets_per_second: NonZeroU32::new(50), ..Limits::default() };
    let settings = testing::connector_settings("node", &PEERS, &limits);
    let mut node = node_with(testing::context_with(settings, TransportSettings::default()));
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
