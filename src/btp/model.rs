//! Runs sessions by operations that are derived from bytes, for a fuzzer and a property test.
//!
//! Three peers log in, send good and bad frames, answer or not, lose their sessions and reconnect, while time passes.
//! One of them may swap requests and answers as interledger-rs does.
//!
//! In any order of operations: nothing panics; everything that is sent is a BTP frame; every readable request gets
//! exactly one answer with its id, unless its account has no session left for it; nothing else gets an answer; a login
//! without the right token is refused; nothing stays in flight or held.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod frames;

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use self::frames::{ask, encoded, odd_request, response, split, swapped, token};
use super::handshake::{FirstFrame, read_first_frame};
use super::session::BtpSession;
use crate::account::{AccountSettings, Limits, Relation};
use crate::connector::{Connector, ConnectorSettings, Timing};
use crate::link::{Framing, Outbox, SessionKind};
use crate::local::PingSettings;
use crate::net::{Clock, TransportSettings};
use crate::peers::{Directory, PeerLogin, SessionGuard, Token, TransportContext};
use crate::routing::{HashSeed, Route, RouteOrigin};
use crate::wire::btp::{BtpFrame, FrameBody, FrameKind, RequestId, put_auth, put_empty_response};
use crate::wire::ilp::{Fulfill, Packet, Prepare};
use crate::wire::{Address, Amount, Fulfillment, Scheme};

const NAMES: [&str; 3] = ["alice", "bob", "carol"];
/// The peer with `lenientBtpTypes`.
const LENIENT: usize = 2;
const PREIMAGE: Fulfillment = Fulfillment([7; 32]);

/// How often each event counts, so that a test can check that all of them do.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct SessionEventCounts {
    /// Prepares that reached the next peer.
    pub forwarded: u64,
    /// Fulfills that reached the sender.
    pub fulfilled: u64,
    /// Requests that got a Reject.
    pub rejected: u64,
    /// Requests that got a BTP ERROR.
    pub refused: u64,
    /// Unreadable frames.
    pub unreadable: u64,
    /// Accepted logins.
    pub logins: u64,
    /// Answers without a session to send them on.
    pub dropped: u64,
    /// Frames whose type and packet contradict each other.
    pub swapped: u64,
}

/// Runs the operations that `input` encodes.
pub fn run(input: &[u8]) -> SessionEventCounts {
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

    fn who(&mut self) -> usize {
        usize::from(self.byte()) % NAMES.len()
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }
}

struct World {
    context: Arc<TransportContext>,
    directory: Directory,
    sessions: [Option<OpenSession>; 3],
    /// Prepares that a peer has read and not answered.
    pending: [Vec<u32>; 3],
    /// Requests by their peer and id, minus their answers.
    unanswered: HashMap<(usize, u32), i64>,
    counts: SessionEventCounts,
}

struct OpenSession {
    session: BtpSession,
    outbox: Arc<Outbox>,
}

impl World {
    fn new() -> Self {
        let limits =
            Limits { max_packets_in_flight: 8, outbox_bytes_max: 2000, ..Limits::default() };
        let accounts = NAMES.map(|name| AccountSettings {
            limits: limits.clone(),
            lenient_btp_types: name == NAMES[LENIENT],
            ..AccountSettings::new(name.parse().unwrap(), Relation::Peer)
        });
        let routes = NAMES.map(|name| Route {
            prefix: format!("test.{name}").parse().unwrap(),
            next_hop: name.parse().unwrap(),
            priority: 0,
            origin: RouteOrigin::Configured,
        });
        let settings = ConnectorSettings {
            node_id: "node".parse().unwrap(),
            address: Some("test.node".parse().unwrap()),
            scheme: Scheme::Test,
            accounts: accounts.to_vec(),
            routes: routes.to_vec(),
            rates: Vec::new(),
            timing: Timing::default(),
            ping: PingSettings::default(),
            ccp_timing: Default::default(),
        };
        let connector = Connector::new(settings, HashSeed::Fixed(1)).unwrap();
        let context =
            TransportContext::new(connector, Clock::manual(), TransportSettings::default())
                .unwrap();
        let logins = NAMES.map(|name| PeerLogin {
            account: name.parse().unwrap(),
            username: name.to_owned(),
            token: Some(Token::from(token(name))),
        });
        let mut world = Self {
            context,
            directory: Directory::new(logins).unwrap(),
            sessions: [None, None, None],
            pending: [Vec::new(), Vec::new(), Vec::new()],
            unanswered: HashMap::new(),
            counts: SessionEventCounts::default(),
        };
        (0..NAMES.len()).for_each(|who| world.connect(who));
        world
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.byte() % 14 {
            0 | 1 => {
                let (who, to, id) = (script.who(), script.who(), script.byte());
                let frame = ask(id, &self.payment(to, script.byte()));
                self.send(who, &frame);
            }
            2 | 3 => {
                let (who, which, how) = (script.who(), script.byte(), script.byte());
                self.answer(who, which, how, |frame| frame);
            }
            4 => {
                let who = script.who();
                self.read(who);
            }
            5 => {
                let who = script.who();
                self.send(who, script.bytes());
            }
            6 => {
                // A good frame with one byte changed, or cut short.
                let (who, to, id) = (script.who(), script.who(), script.byte());
                let mut frame = ask(id, &self.payment(to, script.byte()));
                let at = usize::from(script.byte()) % frame.len();
                match script.byte() {
                    0 => frame.truncate(at),
                    flip => frame[at] ^= flip,
                }
                self.send(who, &frame);
            }
            7 => {
                let who = script.who();
                self.lose(who);
                if script.byte().is_multiple_of(2) {
                    self.connect(who);
                }
            }
            8 => {
                self.context.clock.pass(Duration::from_millis(u64::from(script.byte()) * 20));
                self.context.connector.sweep_deadlines(self.context.clock.now());
            }
            9 => {
                let (who, frame) = (script.who(), odd_request(script.byte(), script.byte()));
                self.send(who, &frame);
            }
            10 => (0..NAMES.len()).for_each(|who| self.read(who)),
            11 => {
                // Mostly by the lenient peer.
                let who = if script.byte().is_multiple_of(4) { script.who() } else { LENIENT };
                let (to, id) = (script.who(), script.byte());
                let frame = swapped(ask(id, &self.payment(to, script.byte())));
                self.send(who, &frame);
            }
            12 => {
                let who = if script.byte().is_multiple_of(4) { script.who() } else { LENIENT };
                self.answer(who, script.byte(), script.byte(), swapped);
            }
            _ => self.log_in(script),
        }
    }

    fn payment(&self, to: usize, variant: u8) -> Vec<u8> {
        // Mostly to a peer; sometimes to the node itself, to an unknown address, or to one that is never forwarded.
        let destination = match variant % 16 {
            0 => "test.node".to_owned(),
            1 => "test.nobody".to_owned(),
            2 => "peer.config".to_owned(),
            _ => format!("test.{}.{variant}", NAMES[to]),
        };
        let destination: Address = destination.parse().unwrap();
        let hold = Duration::from_millis(1500 + u64::from(variant) * 40);
        let prepare = Prepare {
            amount: Amount(variant.into()),
            expires_at: self.context.clock.now().wall.saturating_add(hold),
            condition: PREIMAGE.condition(),
            destination: destination.view(),
            data: &[],
        };
        encoded(&Packet::Prepare(prepare))
    }

    /// Handles one message from a peer, as the driver would pass it on.
    fn send(&mut self, who: usize, frame: &[u8]) {
        let Some(open) = &mut self.sessions[who] else { return };
        if let Ok(frame) = BtpFrame::parse(frame) {
            let packet = frame.ilp().and_then(|packet| packet.first().copied());
            let contradiction = matches!(
                (frame.body, packet),
                (FrameBody::Message, Some(13 | 14)) | (FrameBody::Response, Some(12))
            );
            self.counts.swapped += u64::from(contradiction);
            let is_request = match frame.body {
                FrameBody::Message => !(contradiction && who == LENIENT),
                FrameBody::Response => contradiction && who == LENIENT,
                FrameBody::Transfer { .. } => true,
                FrameBody::Error { .. } => false,
            };
            if is_request {
                *self.unanswered.entry((who, frame.request_id.0)).or_default() += 1;
            }
        }
        let now = self.context.clock.now();
        let batch = self.context.connector.start_batch(now);
        let handled = open.session.handle_frame(frame, &batch, now);
        drop(batch);
        if handled.is_err() || open.outbox.close_request().is_some() {
            self.lose(who);
        }
    }

    fn answer(&mut self, who: usize, which: u8, how: u8, as_sent: fn(Vec<u8>) -> Vec<u8>) {
        let pending = &mut self.pending[who];
        if pending.is_empty() {
            return;
        }
        let index = usize::from(which) % pending.len();
        let id = if how % 8 == 7 { pending[index] } else { pending.swap_remove(index) };
        let fulfill = Fulfill { fulfillment: PREIMAGE, data: &[] };
        let fulfill = encoded(&Packet::Fulfill(fulfill));
        let mut frame = Vec::new();
        match how % 8 {
            0 => put_empty_response(RequestId(id), &mut frame),
            1 => frame = response(id, &[0x0d]),
            2 => frame = response(id, &self.payment(who, how)),
            _ => frame = response(id, &fulfill),
        }
        self.send(who, &as_sent(frame));
    }

    /// Reads and checks the frames that were sent to a peer.
    fn read(&mut self, who: usize) {
        let Some(open) = &self.sessions[who] else { return };
        let mut bytes = Vec::new();
        let write = |chunk: &[u8]| {
            bytes.extend_from_slice(chunk);
            Poll::Ready(Ok(chunk.len()))
        };
        assert!(open.outbox.write_to(write, &mut 0).is_ready());
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (frame, behind) = split(rest);
            rest = behind;
            let frame = BtpFrame::parse(frame).expect("we send BTP frames");
            let id = frame.request_id.0;
            match frame.body.kind() {
                FrameKind::Message => {
                    let packet = Packet::parse(frame.ilp().expect("our requests are packets"));
                    assert!(matches!(packet, Ok(Packet::Prepare(_))));
                    self.pending[who].push(id);
                    self.counts.forwarded += 1;
                }
                FrameKind::Response | FrameKind::Error => {
                    let left =
                        self.unanswered.get_mut(&(who, id)).expect("an answer without a request");
                    *left -= 1;
                    assert!(*left >= 0, "{} got two answers to {id}", NAMES[who]);
                    match frame.ilp().map(|packet| Packet::parse(packet).expect("we send packets"))
                    {
                        Some(Packet::Fulfill(_)) => self.counts.fulfilled += 1,
                        Some(Packet::Reject(_)) => self.counts.rejected += 1,
                        Some(Packet::Prepare(_)) => panic!("an answer is no Prepare"),
                        None => {
                            let error = frame.body.kind() == FrameKind::Error;
                            self.counts.refused += u64::from(error);
                        }
                    }
                }
                FrameKind::Transfer => panic!("we never send a TRANSFER"),
            }
        }
    }

    fn lose(&mut self, who: usize) {
        // Frames that were written before are not lost.
        self.read(who);
        self.sessions[who] = None;
    }

    /// Opens a session, which replaces an older one.
    fn connect(&mut self, who: usize) {
        self.read(who);
        let account = self.context.connector.account(NAMES[who]).unwrap();
        let outbox = Outbox::new(Framing::Server, account.outbox_bytes_max());
        let (context, frames) = (Arc::clone(&self.context), Arc::clone(&outbox));
        let (status, kind) = (context.peers.status(account.id()), SessionKind::Accepted);
        let guard = SessionGuard::attach(context, account, status, kind, None, frames, "model");
        self.sessions[who] = Some(OpenSession { session: BtpSession::new(guard), outbox });
    }

    /// Sends a first frame, which may be anything.
    fn log_in(&mut self, script: &mut Script<'_>) {
        let who = script.who();
        let mut frame = Vec::new();
        put_auth(RequestId(0), Some(NAMES[script.who()]), &token(NAMES[who]), &mut frame);
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
            let who = NAMES.iter().position(|name| *name == account.as_str()).unwrap();
            let secret = token(NAMES[who]);
            assert!(
                frame.windows(secret.len()).any(|window| window == secret.as_bytes()),
                "{account} was accepted without its token"
            );
            self.connect(who);
            self.counts.logins += 1;
        }
    }

    fn check_at_rest(mut self) -> SessionEventCounts {
        self.context.clock.pass(Duration::from_secs(120));
        self.context.connector.sweep_deadlines(self.context.clock.now());
        let report = self.context.connector.report();
        for (who, name) in NAMES.iter().enumerate() {
            self.read(who);
            let account = report.accounts.iter().find(|a| a.settings.id.as_str() == *name).unwrap();
            assert_eq!((account.in_flight_from, account.in_flight_to), (0, 0), "{name}");
            assert_eq!((account.held_in, account.held_out), (0, 0), "{name}");
            let unanswered: i64 = self
                .unanswered
                .iter()
                .filter(|((asker, _), _)| *asker == who)
                .map(|(_, left)| left)
                .sum();
            assert_eq!(
                u64::try_from(unanswered).unwrap(),
                account.stats.dropped_answers,
                "{name}: requests without an answer"
            );
            self.counts.dropped += account.stats.dropped_answers;
            let status = self.context.peers.status(&account.settings.id).snapshot();
            self.counts.unreadable += status.counts.unreadable_frames;
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

    use super::{SessionEventCounts, run};

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
        let mut sum = SessionEventCounts::default();
        for _ in 0..50 {
            let mut input = [0; 1500];
            random.fill_bytes(&mut input);
            let counts = run(&input);
            sum.forwarded += counts.forwarded;
            sum.fulfilled += counts.fulfilled;
            sum.rejected += counts.rejected;
            sum.refused += counts.refused;
            sum.unreadable += counts.unreadable;
            sum.logins += counts.logins;
            sum.dropped += counts.dropped;
            sum.swapped += counts.swapped;
        }
        let SessionEventCounts {
            forwarded,
            fulfilled,
            rejected,
            refused,
            unreadable,
            logins,
            dropped,
            swapped,
        } = sum;
        for (count, what) in [
            (forwarded, "forwarded"),
            (fulfilled, "fulfilled"),
            (rejected, "rejected"),
            (refused, "refused"),
            (unreadable, "unreadable"),
            (logins, "logins"),
            (dropped, "dropped"),
            (swapped, "swapped"),
        ] {
            assert!(count >= 10, "{what}: {count} in {sum:?}");
        }
    }
}
