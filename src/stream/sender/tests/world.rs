//! A simulated path with a receiver at its end, and a payment over it on a virtual clock.
//! Invariants are checked at each step.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::stream::Keys;
use crate::stream::sender::*;
use crate::time::{MonoTime, Now};
use crate::wire::ilp::{AmountTooLarge, ErrorCode, PacketType};
use crate::wire::stream::{CloseCode, Frames, StreamFrame, StreamId, StreamPacket};
use crate::wire::{Amount, Timestamp};

pub(super) const SECRET: SharedSecret = SharedSecret([7; 32]);
const MS: u64 = 1_000_000;

/// A simulated path.
#[derive(Clone)]
pub(super) struct TestPath {
    /// Maximum and rate of each hop.
    pub(super) hops: Vec<(u64, (u64, u64))>,
    pub(super) delay_ms: u64,
    /// Percentage of packets that are rejected, with one of these codes.
    pub(super) failures: (u32, &'static [ErrorCode]),
    /// Percentage of packets without an answer, fulfilled or not.
    pub(super) lost_percent: u32,
    /// Most packets in flight; others get T03.
    pub(super) in_flight_max: usize,
    /// Percentage of the amount that hops keep.
    pub(super) theft_percent: u64,
    pub(super) behaviour: Behaviour,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Behaviour {
    Usual,
    /// Replies with another sequence number.
    WrongSequence,
    /// Replies with the wrong packet type.
    WrongType,
    /// Fulfills without a reply.
    Silent,
    /// F99 and random bytes.
    Garbage,
    /// F08 with a maximum just below what arrived.
    Liar,
    /// F08 without figures.
    Java,
    /// Closes after this number of packets.
    Closes(u64),
    /// Accepts at most this amount.
    Wants(u64),
    /// Has another secret.
    WrongSecret,
}

pub(super) fn path(hops: &[(u64, (u64, u64))]) -> TestPath {
    TestPath {
        hops: hops.to_vec(),
        delay_ms: 10,
        failures: (0, &[]),
        lost_percent: 0,
        in_flight_max: usize::MAX,
        theft_percent: 0,
        behaviour: Behaviour::Usual,
    }
}

/// An answer in flight.
enum PathAnswer {
    Fulfilled(Vec<u8>),
    Rejected(ErrorCode, Vec<u8>),
    Lost,
}

/// The real course of the payment, which the sender does not know.
#[derive(Debug, Default)]
pub(super) struct PaymentOutcome {
    pub(super) received: u64,
    pub(super) packets: u64,
    pub(super) most_in_flight: usize,
    pub(super) duration: Duration,
    pub(super) closed: bool,
    pub(super) receipts: Vec<Vec<u8>>,
}

struct World {
    path: TestPath,
    keys: Keys,
    random: StdRng,
    answers: BTreeMap<(MonoTime, u64), (u64, PathAnswer)>,
    outcome: PaymentOutcome,
}

impl World {
    fn handle(&mut self, packet: &SenderPacket, now: MonoTime) {
        self.outcome.packets += 1;
        let answer = self.answer(packet);
        let mut after_ms = self.random.random_range(self.path.delay_ms..=self.path.delay_ms * 2);
        let answer = match answer {
            _ if self.random.random_range(0..100) < self.path.lost_percent => {
                after_ms = 30_000;
                PathAnswer::Lost
            }
            answer => answer,
        };
        let at = now.after_ms(after_ms);
        self.answers.insert((at, packet.sequence), (packet.sequence, answer));
        self.outcome.most_in_flight = self.outcome.most_in_flight.max(self.answers.len());
    }

    fn answer(&mut self, packet: &SenderPacket) -> PathAnswer {
        let (share, codes) = self.path.failures;
        if self.random.random_range(0..100) < share {
            let code = codes[self.random.random_range(0..codes.len())];
            return PathAnswer::Rejected(code, Vec::new());
        }
        if self.answers.len() >= self.path.in_flight_max {
            return PathAnswer::Rejected(ErrorCode::T03, Vec::new());
        }
        let mut amount = packet.amount.0;
        for (maximum, rate) in &self.path.hops {
            if amount > *maximum {
                let figures =
                    AmountTooLarge { received: Amount(amount), maximum: Amount(*maximum) };
                let data = match self.path.behaviour {
                    Behaviour::Java => Vec::new(),
                    _ => figures.to_bytes().to_vec(),
                };
                return PathAnswer::Rejected(ErrorCode::F08, data);
            }
            let sent = u64::try_from(u128::from(amount) * u128::from(rate.0) / u128::from(rate.1))
                .unwrap();
            if sent == 0 && amount > 0 {
                return PathAnswer::Rejected(ErrorCode::R01, Vec::new());
            }
            amount = sent;
        }
        if self.path.behaviour == Behaviour::Liar {
            let maximum = Amount(amount.saturating_sub(1));
            let figures = AmountTooLarge { received: Amount(amount), maximum };
            return PathAnswer::Rejected(ErrorCode::F08, figures.to_bytes().to_vec());
        }
        if self.outcome.packets > 1 {
            amount -= amount * self.path.theft_percent / 100;
        }
        self.receive(packet, amount)
    }

    /// A receiver with the behaviour of the path.
    fn receive(&mut self, packet: &SenderPacket, arrived: u64) -> PathAnswer {
        let behaviour = self.path.behaviour;
        let Ok(plaintext) = self.keys.open(&packet.data) else {
            return PathAnswer::Rejected(ErrorCode::F06, Vec::new());
        };
        let request = StreamPacket::parse(&plaintext).unwrap();
        assert_eq!((request.packet_type, request.sequence), (PacketType::Prepare, packet.sequence));
        let fulfillable = self.keys.fulfillment(&packet.data).condition() == packet.condition;
        let mut frames = Vec::new();
        for frame in request.frames.iter() {
            match frame {
                StreamFrame::NewAddress { .. } => {
                    frames.push(StreamFrame::AssetDetails { code: b"EUR", scale: 6 })
                }
                StreamFrame::ConnectionClose { .. } => self.outcome.closed = true,
                _ => {}
            }
        }
        let closing = matches!(behaviour, Behaviour::Closes(after) if self.outcome.packets > after);
        if closing {
            frames.push(StreamFrame::ConnectionClose { code: CloseCode(3), message: b"enough" });
        }
        let full =
            matches!(behaviour, Behaviour::Wants(most) if self.outcome.received + arrived > most);
        if let Behaviour::Wants(most) = behaviour {
            let (receive_max, total_received) = (Amount(most), Amount(self.outcome.received));
            frames.push(StreamFrame::StreamMaxMoney {
                stream: StreamId(1),
                receive_max,
                total_received,
            });
        }
        if fulfillable {
            let mut receipt = vec![0; 58];
            receipt[0] = 1;
            receipt[18..26].copy_from_slice(&self.outcome.received.to_be_bytes());
            self.outcome.receipts.push(receipt);
        }
        // Any earlier receipt.
        let at = self.random.random_range(0..=self.outcome.receipts.len());
        if let Some(receipt) = self.outcome.receipts.get(at) {
            frames.push(StreamFrame::StreamReceipt { stream: StreamId(1), receipt });
        }
        let fulfills = fulfillable && arrived >= request.amount.0 && !closing && !full;
        let packet_type = match (behaviour, fulfills) {
            (Behaviour::WrongType, _) => PacketType::Prepare,
            (_, true) => PacketType::Fulfill,
            (_, false) => PacketType::Reject,
        };
        let reply = StreamPacket {
            packet_type,
            sequence: request.sequence + u64::from(behaviour == Behaviour::WrongSequence),
            amount: Amount(arrived),
            frames: Frames::from_frames(&frames),
        };
        let mut plaintext = Vec::new();
        reply.encode(&mut plaintext);
        let mut data = self.keys.seal(Iv(self.random.random()), &plaintext).unwrap();
        if behaviour == Behaviour::Garbage && self.outcome.packets > 3 {
            data = (0..self.random.random_range(0..100)).map(|_| self.random.random()).collect();
            return PathAnswer::Rejected(ErrorCode::F99, data);
        }
        if fulfills {
            self.outcome.received += arrived;
            if behaviour == Behaviour::Silent {
                data.clear();
            }
            PathAnswer::Fulfilled(data)
        } else {
            PathAnswer::Rejected(ErrorCode::F99, data)
        }
    }
}

/// Runs a payment to its end, and checks the invariants at each step.
pub(super) fn pay(
    settings: SenderSettings,
    path: &TestPath,
    seed: u64,
) -> (PaymentEnd, PaymentProgress, PaymentOutcome) {
    let wrong_secret = path.behaviour == Behaviour::WrongSecret;
    let mut world = World {
        path: path.clone(),
        keys: Keys::new(if wrong_secret { &SharedSecret([8; 32]) } else { &SECRET }),
        random: StdRng::seed_from_u64(seed),
        answers: BTreeMap::new(),
        outcome: PaymentOutcome::default(),
    };
    let total = settings.amount.0;
    let wall = Timestamp::from_millis(1_700_000_000_000);
    let mut now = Now { wall, mono: MonoTime(5) };
    let mut sender = Sender::new(settings, &SECRET, world.random.random(), now.mono);
    for _ in 0..2_000_000 {
        while let Some(packet) = sender.next_packet(now) {
            assert_eq!(packet.expires_at, wall.saturating_add_millis(now.mono.0 / MS + 30_000));
            world.handle(&packet, now.mono);
        }
        let progress = sender.progress();
        let used = progress.sent + progress.in_flight + progress.unresolved;
        assert!(used <= total, "{progress:?}");
        if let Some(minimum) = progress.minimum_rate {
            let is_complete = sender.end().is_some_and(PaymentEnd::is_complete);
            let missing = minimum.apply_to(progress.sent).saturating_sub(world.outcome.received);
            let may_miss = if is_complete { 0 } else { progress.fulfilled };
            assert!(missing <= may_miss, "{progress:?} {:?}", world.outcome);
        }
        if let Some(end) = sender.end() {
            assert_eq!(progress.in_flight, 0);
            assert!(world.outcome.received >= progress.delivered);
            world.outcome.duration = now.mono.since(MonoTime(5));
            return (end.clone(), progress, world.outcome);
        }
        let next = world.answers.first_key_value().map(|(key, _)| *key);
        let at = match (next.map(|(at, _)| at), sender.wakes_at()) {
            (Some(answer), Some(wakes)) => answer.min(wakes),
            (answer, wakes) => {
                answer.or(wakes).unwrap_or_else(|| panic!("no event is due: {progress:?}"))
            }
        };
        now.mono = now.mono.max(at);
        now.wall = wall.saturating_add_millis(now.mono.0 / MS);
        if let Some(key) = next.filter(|(at, _)| *at <= now.mono)
            && let Some((sequence, answer)) = world.answers.remove(&key)
        {
            let answer = match &answer {
                PathAnswer::Fulfilled(data) => SenderAnswer::Fulfilled { data },
                PathAnswer::Rejected(code, data) => {
                    SenderAnswer::Rejected { code: *code, by: "test.hop", message: "why", data }
                }
                PathAnswer::Lost => {
                    SenderAnswer::NoAnswer { code: ErrorCode::R00, message: "late" }
                }
            };
            sender.record_answer(sequence, answer, now.mono);
            // A second answer does not count.
            sender.record_answer(sequence, answer, now.mono);
        }
    }
    panic!("the payment does not end: {:?} {:?}", sender.progress(), world.outcome);
}

/// A receiver's reply in a Reject, to a packet of which `arrived` arrived.
pub(super) fn reply(packet: &SenderPacket, arrived: u64) -> Vec<u8> {
    let reply = StreamPacket {
        packet_type: PacketType::Reject,
        sequence: packet.sequence,
        amount: Amount(arrived),
        frames: Frames::NONE,
    };
    let mut plaintext = Vec::new();
    reply.encode(&mut plaintext);
    Keys::new(&SECRET).seal(Iv([packet.data[0]; 12]), &plaintext).unwrap()
}
