//! Runs sessions by operations that are derived from bytes, for a fuzzer and a property test.
//!
//! Three peers log in, send good and bad frames, answer or not, lose their sessions and reconnect, while time passes.
//! One of them may swap requests and answers as interledger-rs does.
//!
//! In any order of operations: nothing panics; everything that is sent is a BTP frame; every readable request gets
//! exactly one answer with its id, unless its account has no session left for it; nothing else gets an answer; a login
//! without the right token is refused; nothing stays in flight or held.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

pub(super) mod frames;

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use self::frames::{empty_response, odd_request, request, response, split_frame, swapped};
use super::auth::{FirstFrame, auth_message, read_first_frame};
use super::session::BtpSession;
use crate::account::Limits;
use crate::connector::Connector;
use crate::link::{CloseRequest, Framing, Outbox, SessionKind};
use crate::net::{Clock, TransportSettings};
use crate::peers::{LoginDirectory, NodeContext, SessionGuard};
use crate::routing::HashSeed;
use crate::testing::{connector_settings, directory, fulfillment, payment_at, token};
use crate::wire::btp::{BtpFrame, FrameBody, FrameKind, RequestId};
use crate::wire::ilp::Packet;

const NAMES: [&str; 3] = ["alice", "bob", "carol"];
/// The peer with `lenientBtpTypes`.
const LENIENT: usize = 2;

/// An event that is counted, so that a test can check that each of them happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionEvent {
    /// A Prepare reached the next peer.
    Forwarded,
    /// A Fulfill reached the sender.
    Fulfilled,
    /// A request got a Reject.
    Rejected,
    /// A request got a BTP ERROR.
    Refused,
    Unreadable,
    LoggedIn,
    /// No session was left to send an answer on.
    Dropped,
    /// The type of a frame and its packet contradict each other.
    Swapped,
}

/// Runs the operations that `input` encodes.
pub fn run(input: &[u8]) -> HashMap<SessionEvent, u64> {
    let mut world = World::new();
    let mut script = Script(input);
    // Bounded by the input: every operation takes at least one byte.
    while !script.0.is_empty() {
        world.step(&mut script);
    }
    world.check_at_rest()
}

/// Bytes that are read as decisions. At its end it goes on with zeros.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> u8 {
        let (first, rest) =
            self.0.split_first().map_or((0, self.0), |(first, rest)| (*first, rest));
        self.0 = rest;
        first
    }

    fn peer(&mut self) -> usize {
        usize::from(self.byte()) % NAMES.len()
    }

    /// Mostly the lenient one.
    fn lenient_peer(&mut self) -> usize {
        if self.byte().is_multiple_of(4) { self.peer() } else { LENIENT }
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }
}

struct World {
    context: Arc<NodeContext>,
    directory: LoginDirectory,
    sessions: [Option<OpenSession>; 3],
    /// Prepares that a peer has read and not answered.
    pending: [Vec<u32>; 3],
    /// Requests by their peer and id, minus their answers.
    unanswered: HashMap<(usize, u32), i64>,
    counts: HashMap<SessionEvent, u64>,
}

/// A session without a socket.
pub(super) struct OpenSession {
    pub(super) context: Arc<NodeContext>,
    pub(super) session: BtpSession,
    outbox: Arc<Outbox>,
}

impl OpenSession {
    /// Opens a session, which replaces an older one.
    pub(super) fn open(context: &Arc<NodeContext>, peer: &str) -> Self {
        let context = Arc::clone(context);
        let account = context.connector.account(peer).unwrap();
        let outbox = Outbox::new(Framing::Server, account.outbox_bytes_max());
        let (shared, frames) = (Arc::clone(&context), Arc::clone(&outbox));
        let (status, kind) = (context.peers.status(account.id()), SessionKind::Accepted);
        let guard = SessionGuard::attach(shared, account, status, kind, None, frames, "model");
        Self { context, session: BtpSession::new(guard), outbox }
    }

    /// Handles one message, as the driver would pass it on.
    pub(super) fn handle_frame(&mut self, frame: &[u8]) -> Result<(), CloseRequest> {
        let now = self.context.clock.now();
        self.session.handle_frame(frame, &self.context.connector.start_batch(now), now)
    }

    /// Takes all frames out of the outbox.
    pub(super) fn take_frames(&self) -> Vec<Vec<u8>> {
        let mut bytes = Vec::new();
        let write = |chunk: &[u8]| {
            bytes.extend_from_slice(chunk);
            Poll::Ready(Ok(chunk.len()))
        };
        assert!(self.outbox.write_to(write, &mut 0).is_ready());
        let (mut rest, mut frames) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let (frame, after) = split_frame(rest);
            frames.push(frame.to_vec());
            rest = after;
        }
        frames
    }
}

impl World {
    fn new() -> Self {
        let mut settings = connector_settings("node", &NAMES);
        for account in &mut settings.accounts {
            account.limits =
                Limits { max_packets_in_flight: 8, outbox_bytes_max: 2000, ..Limits::default() };
        }
        settings.accounts[LENIENT].lenient_btp_types = true;
        let connector = Connector::new(settings, HashSeed::Fixed(1)).unwrap();
        let context =
            NodeContext::new(connector, Clock::manual(), TransportSettings::default()).unwrap();
        let mut world = Self {
            context,
            directory: directory(&NAMES),
            sessions: [None, None, None],
            pending: [Vec::new(), Vec::new(), Vec::new()],
            unanswered: HashMap::new(),
            counts: HashMap::new(),
        };
        (0..NAMES.len()).for_each(|peer| world.connect(peer));
        world
    }

    fn count(&mut self, event: SessionEvent, times: u64) {
        *self.counts.entry(event).or_default() += times;
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.byte() % 14 {
            0 | 1 => {
                let (peer, to, id) = (script.peer(), script.peer(), script.byte().into());
                let frame = request(id, &self.payment(to, script.byte()));
                self.send(peer, &frame);
            }
            2 | 3 => {
                let (peer, which, how) = (script.peer(), script.byte(), script.byte());
                self.answer(peer, which, how, |frame| frame);
            }
            4 => {
                let peer = script.peer();
                self.read(peer);
            }
            5 => {
                let peer = script.peer();
                self.send(peer, script.bytes());
            }
            6 => {
                // A good frame with one byte changed, or cut short.
                let (peer, to, id) = (script.peer(), script.peer(), script.byte().into());
                let mut frame = request(id, &self.payment(to, script.byte()));
                let at = usize::from(script.byte()) % frame.len();
                match script.byte() {
                    0 => frame.truncate(at),
                    flip => frame[at] ^= flip,
                }
                self.send(peer, &frame);
            }
            7 => {
                let peer = script.peer();
                self.close(peer);
                if script.byte().is_multiple_of(2) {
                    self.connect(peer);
                }
            }
            8 => {
                self.context.clock.advance(Duration::from_millis(u64::from(script.byte()) * 20));
                self.context.connector.sweep_deadlines(self.context.clock.now());
            }
            9 => {
                let (peer, frame) =
                    (script.peer(), odd_request(script.byte().into(), script.byte()));
                self.send(peer, &frame);
            }
            10 => (0..NAMES.len()).for_each(|peer| self.read(peer)),
            11 => {
                // Mostly by the lenient peer.
                let peer = script.lenient_peer();
                let (to, id) = (script.peer(), script.byte().into());
                let frame = swapped(request(id, &self.payment(to, script.byte())));
                self.send(peer, &frame);
            }
            12 => {
                let peer = script.lenient_peer();
                self.answer(peer, script.byte(), script.byte(), swapped);
            }
            _ => self.log_in(script),
        }
    }

    fn payment(&self, to: usize, variant: u8) -> Vec<u8> {
        // Mostly to a peer; sometimes to the node itself, to an unknown address, or to one that is never forwarded.
        let destination = match variant % 16 {
            0 => "test.node".to_owned(),
            1 => "test.unknown".to_owned(),
            2 => "peer.config".to_owned(),
            _ => format!("test.{}.{variant}", NAMES[to]),
        };
        let hold = Duration::from_millis(1500 + u64::from(variant) * 40);
        let expires_at = self.context.clock.now().wall.saturating_add(hold);
        payment_at(&destination, variant.into(), expires_at)
    }

    fn send(&mut self, peer: usize, frame: &[u8]) {
        let Some(open) = &mut self.sessions[peer] else { return };
        if let Ok(frame) = BtpFrame::parse(frame) {
            let packet = frame.ilp().and_then(|packet| packet.first().copied());
            let contradiction = matches!(
                (frame.body, packet),
                (FrameBody::Message, Some(13 | 14)) | (FrameBody::Response, Some(12))
            );
            *self.counts.entry(SessionEvent::Swapped).or_default() += u64::from(contradiction);
            let is_request = match frame.body {
                FrameBody::Message => !(contradiction && peer == LENIENT),
                FrameBody::Response => contradiction && peer == LENIENT,
                FrameBody::Transfer { .. } => true,
                FrameBody::Error { .. } => false,
            };
            if is_request {
                *self.unanswered.entry((peer, frame.request_id.0)).or_default() += 1;
            }
        }
        if open.handle_frame(frame).is_err() || open.outbox.close_request().is_some() {
            self.close(peer);
        }
    }

    fn answer(&mut self, peer: usize, which: u8, how: u8, as_sent: fn(Vec<u8>) -> Vec<u8>) {
        let pending = &mut self.pending[peer];
        if pending.is_empty() {
            return;
        }
        let index = usize::from(which) % pending.len();
        let id = if how % 8 == 7 { pending[index] } else { pending.swap_remove(index) };
        let frame = match how % 8 {
            0 => empty_response(id),
            1 => response(id, &[0x0d]),
            2 => response(id, &self.payment(peer, how)),
            _ => response(id, &fulfillment()),
        };
        self.send(peer, &as_sent(frame));
    }

    /// Reads and checks the frames that were sent to a peer.
    fn read(&mut self, peer: usize) {
        let Some(open) = &self.sessions[peer] else { return };
        for frame in open.take_frames() {
            let frame = BtpFrame::parse(&frame).expect("we send BTP frames");
            let id = frame.request_id.0;
            match frame.body.kind() {
                FrameKind::Message => {
                    let packet = Packet::parse(frame.ilp().expect("our requests are packets"));
                    assert!(matches!(packet, Ok(Packet::Prepare(_))));
                    self.pending[peer].push(id);
                    self.count(SessionEvent::Forwarded, 1);
                }
                FrameKind::Response | FrameKind::Error => {
                    let left =
                        self.unanswered.get_mut(&(peer, id)).expect("an answer without a request");
                    *left -= 1;
                    assert!(*left >= 0, "{} got two answers to {id}", NAMES[peer]);
                    match frame.ilp().map(|packet| Packet::parse(packet).expect("we send packets"))
                    {
                        Some(Packet::Fulfill(_)) => self.count(SessionEvent::Fulfilled, 1),
                        Some(Packet::Reject(_)) => self.count(SessionEvent::Rejected, 1),
                        Some(Packet::Prepare(_)) => panic!("an answer is no Prepare"),
                        None if frame.body.kind() == FrameKind::Error => {
                            self.count(SessionEvent::Refused, 1);
                        }
                        None => {}
                    }
                }
                FrameKind::Transfer => panic!("we never send a TRANSFER"),
            }
        }
    }

    fn close(&mut self, peer: usize) {
        // Frames that were written before are not lost.
        self.read(peer);
        self.sessions[peer] = None;
    }

    fn connect(&mut self, peer: usize) {
        self.read(peer);
        self.sessions[peer] = Some(OpenSession::open(&self.context, NAMES[peer]));
    }

    /// Sends a first frame, which may be anything.
    fn log_in(&mut self, script: &mut Script<'_>) {
        let peer = script.peer();
        let mut frame = auth_message(RequestId(0), NAMES[script.peer()], &token(NAMES[peer]));
        match script.byte() % 4 {
            0 => frame = script.bytes().to_vec(),
            1 => {
                let at = usize::from(script.byte()) % frame.len();
                frame[at] ^= script.byte();
            }
            _ => {}
        }
        let verdict = read_first_frame(&frame, "/accounts/bob/ilp/btp", &self.directory);
        if let FirstFrame::Accepted { account, .. } = verdict {
            let peer = NAMES.iter().position(|name| *name == account.as_str()).unwrap();
            let secret = token(NAMES[peer]);
            assert!(
                frame.windows(secret.len()).any(|window| window == secret.as_bytes()),
                "{account} was accepted without its token"
            );
            self.connect(peer);
            self.count(SessionEvent::LoggedIn, 1);
        }
    }

    fn check_at_rest(mut self) -> HashMap<SessionEvent, u64> {
        self.context.clock.advance(Duration::from_secs(120));
        self.context.connector.sweep_deadlines(self.context.clock.now());
        let report = self.context.connector.report();
        for (peer, name) in NAMES.iter().enumerate() {
            self.read(peer);
            let account = report.accounts.iter().find(|a| a.settings.id.as_str() == *name).unwrap();
            assert_eq!((account.in_flight_from, account.in_flight_to), (0, 0), "{name}");
            assert_eq!((account.held_in, account.held_out), (0, 0), "{name}");
            let own = self.unanswered.iter().filter(|((requester, _), _)| *requester == peer);
            let unanswered: i64 = own.map(|(_, left)| left).sum();
            assert_eq!(
                u64::try_from(unanswered).unwrap(),
                account.stats.dropped_answers,
                "{name}: requests without an answer"
            );
            self.count(SessionEvent::Dropped, account.stats.dropped_answers);
            let status = self.context.peers.status(&account.settings.id).snapshot();
            self.count(SessionEvent::Unreadable, status.counts.unreadable_frames);
        }
        let total: i128 = report.accounts.iter().map(|account| account.balance).sum();
        assert_eq!(total, 0, "money was made or lost");
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::SessionEvent::*;
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
        #[test]
        fn every_request_gets_its_answer_in_any_order_of_operations(
            input in prop::collection::vec(any::<u8>(), 0..1500),
        ) {
            run(&input);
        }
    }

    /// Otherwise the property could hold for lack of events.
    #[test]
    fn every_event_happens() {
        let mut random = StdRng::seed_from_u64(1);
        let mut total: HashMap<SessionEvent, u64> = HashMap::new();
        for _ in 0..50 {
            let mut input = [0; 1500];
            random.fill_bytes(&mut input);
            for (event, count) in run(&input) {
                *total.entry(event).or_default() += count;
            }
        }
        for event in
            [Forwarded, Fulfilled, Rejected, Refused, Unreadable, LoggedIn, Dropped, Swapped]
        {
            assert!(total[&event] >= 10, "{event:?} in {total:?}");
        }
    }
}
