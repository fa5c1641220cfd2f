//! A path that is not there, with a receiver at its end, and a payment over it under a virtual clock. What must hold at
//! any moment is checked on the way.

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

/// What happens to packets on their way.
#[derive(Clone)]
pub(super) struct Path {
    /// Maximum on arrival, and what is sent on of an amount: hop after hop.
    pub(super) hops: Vec<(u64, (u64, u64))>,
    pub(super) delay_ms: u64,
    /// Of 100 packets, so many are rejected with one of these.
    pub(super) trouble: (u32, &'static [ErrorCode]),
    /// Of 100 packets, so many are never answered, fulfilled or not.
    pub(super) lost: u32,
    /// Packets that are in flight at once; others get T03.
    pub(super) room: usize,
    /// Of what should arrive, hops keep so many percent.
    pub(super) theft: u64,
    pub(super) manners: Manners,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Manners {
    Usual,
    /// Replies with another sequence number.
    WrongSequence,
    /// Replies that say to be in another kind of packet.
    WrongType,
    /// Fulfills without a reply.
    Silent,
    /// F99 and random bytes.
    Garbage,
    /// F08 with a maximum just below what arrived.
    Liar,
    /// F08 without figures.
    Java,
    /// Closes after so many packets.
    Closes(u64),
    /// Wants no more than that.
    Wants(u64),
    /// Another secret.
    Stranger,
}

pub(super) fn path(hops: &[(u64, (u64, u64))]) -> Path {
    Path {
        hops: hops.to_vec(),
        delay_ms: 10,
        trouble: (0, &[]),
        lost: 0,
        room: usize::MAX,
        theft: 0,
        manners: Manners::Usual,
    }
}

/// An answer under way; `None` is silence that was noticed.
enum Travelling {
    Fulfilled(Vec<u8>),
    Rejected(ErrorCode, Vec<u8>),
    Lost,
}

/// What truly happened, as nobody in the payment sees it.
#[derive(Debug, Default)]
pub(super) struct Truth {
    pub(super) received: u64,
    pub(super) packets: u64,
    pub(super) most_in_flight: usize,
    pub(super) took: Duration,
    pub(super) closed: bool,
    pub(super) receipts: Vec<Vec<u8>>,
}

struct World {
    path: Path,
    keys: Keys,
    random: StdRng,
    answers: BTreeMap<(MonoTime, u64), (u64, Travelling)>,
    truth: Truth,
}

impl World {
    fn handle(&mut self, packet: &SenderPacket, now: MonoTime) {
        self.truth.packets += 1;
        let answer = self.answer(packet);
        let mut after_ms = self.random.random_range(self.path.delay_ms..=self.path.delay_ms * 2);
        let answer = match answer {
            _ if self.random.random_range(0..100) < self.path.lost => {
                after_ms = 30_000;
                Travelling::Lost
            }
            answer => answer,
        };
        let at = now.after_ms(after_ms);
        self.answers.insert((at, packet.sequence), (packet.sequence, answer));
        self.truth.most_in_flight = self.truth.most_in_flight.max(self.answers.len());
    }

    fn answer(&mut self, packet: &SenderPacket) -> Travelling {
        let (share, codes) = self.path.trouble;
        if self.random.random_range(0..100) < share {
            let code = codes[self.random.random_range(0..codes.len())];
            return Travelling::Rejected(code, Vec::new());
        }
        if self.answers.len() >= self.path.room {
            return Travelling::Rejected(ErrorCode::T03, Vec::new());
        }
        let mut amount = packet.amount.0;
        for (maximum, rate) in &self.path.hops {
            if amount > *maximum {
                let told = AmountTooLarge { received: Amount(amount), maximum: Amount(*maximum) };
                let data = match self.path.manners {
                    Manners::Java => Vec::new(),
                    _ => told.to_bytes().to_vec(),
                };
                return Travelling::Rejected(ErrorCode::F08, data);
            }
            let sent = u64::try_from(u128::from(amount) * u128::from(rate.0) / u128::from(rate.1))
                .unwrap();
            if sent == 0 && amount > 0 {
                return Travelling::Rejected(ErrorCode::R01, Vec::new());
            }
            amount = sent;
        }
        if self.path.manners == Manners::Liar {
            let maximum = Amount(amount.saturating_sub(1));
            let told = AmountTooLarge { received: Amount(amount), maximum };
            return Travelling::Rejected(ErrorCode::F08, told.to_bytes().to_vec());
        }
        if self.truth.packets > 1 {
            amount -= amount * self.path.theft / 100;
        }
        self.receive(packet, amount)
    }

    /// A receiver as RFC 29 has it, but for its manners.
    fn receive(&mut self, packet: &SenderPacket, arrived: u64) -> Travelling {
        let manners = self.path.manners;
        let Ok(plaintext) = self.keys.open(&packet.data) else {
            return Travelling::Rejected(ErrorCode::F06, Vec::new());
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
                StreamFrame::ConnectionClose { .. } => self.truth.closed = true,
                _ => {}
            }
        }
        let closing = matches!(manners, Manners::Closes(after) if self.truth.packets > after);
        if closing {
            frames.push(StreamFrame::ConnectionClose { code: CloseCode(3), message: b"enough" });
        }
        let full = matches!(manners, Manners::Wants(most) if self.truth.received + arrived > most);
        if let Manners::Wants(most) = manners {
            let (receive_max, total_received) = (Amount(most), Amount(self.truth.received));
            frames.push(StreamFrame::StreamMaxMoney {
                stream: StreamId(1),
                receive_max,
                total_received,
            });
        }
        if fulfillable {
            let mut receipt = vec![0; 58];
            receipt[0] = 1;
            receipt[18..26].copy_from_slice(&self.truth.received.to_be_bytes());
            self.truth.receipts.push(receipt);
        }
        // Not always the last one.
        let at = self.random.random_range(0..=self.truth.receipts.len());
        if let Some(receipt) = self.truth.receipts.get(at) {
            frames.push(StreamFrame::StreamReceipt { stream: StreamId(1), receipt });
        }
        let fulfills = fulfillable && arrived >= request.amount.0 && !closing && !full;
        let packet_type = match (manners, fulfills) {
            (Manners::WrongType, _) => PacketType::Prepare,
            (_, true) => PacketType::Fulfill,
            (_, false) => PacketType::Reject,
        };
        let reply = StreamPacket {
            packet_type,
            sequence: request.sequence + u64::from(manners == Manners::WrongSequence),
            amount: Amount(arrived),
            frames: Frames::from_frames(&frames),
        };
        let mut plaintext = Vec::new();
        reply.encode(&mut plaintext);
        let mut data = self.keys.seal(Iv(self.random.random()), &plaintext).unwrap();
        if manners == Manners::Garbage && self.truth.packets > 3 {
            data = (0..self.random.random_range(0..100)).map(|_| self.random.random()).collect();
            return Travelling::Rejected(ErrorCode::F99, data);
        }
        if fulfills {
            self.truth.received += arrived;
            if manners == Manners::Silent {
                data.clear();
            }
            Travelling::Fulfilled(data)
        } else {
            Travelling::Rejected(ErrorCode::F99, data)
        }
    }
}

/// Pays to the end, and checks on the way what has to hold at any moment.
pub(super) fn pay(
    settings: SenderSettings,
    path: &Path,
    seed: u64,
) -> (PaymentEnd, PaymentProgress, Truth) {
    let stranger = path.manners == Manners::Stranger;
    let mut world = World {
        path: path.clone(),
        keys: Keys::new(if stranger { &SharedSecret([8; 32]) } else { &SECRET }),
        random: StdRng::seed_from_u64(seed),
        answers: BTreeMap::new(),
        truth: Truth::default(),
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
        let gone = progress.sent + progress.in_flight + progress.unresolved;
        assert!(gone <= total, "{progress:?}");
        if let Some(minimum) = progress.minimum_rate {
            let is_complete = sender.end().is_some_and(PaymentEnd::is_complete);
            let missing = minimum.apply_to(progress.sent).saturating_sub(world.truth.received);
            let may_miss = if is_complete { 0 } else { progress.fulfilled };
            assert!(missing <= may_miss, "{progress:?} {:?}", world.truth);
        }
        if let Some(end) = sender.end() {
            assert_eq!(progress.in_flight, 0);
            assert!(world.truth.received >= progress.delivered);
            world.truth.took = now.mono.since(MonoTime(5));
            return (end.clone(), progress, world.truth);
        }
        let next = world.answers.first_key_value().map(|(key, _)| *key);
        let at = match (next.map(|(at, _)| at), sender.wakes_at()) {
            (Some(answer), Some(wakes)) => answer.min(wakes),
            (answer, wakes) => {
                answer.or(wakes).unwrap_or_else(|| panic!("nobody wakes: {progress:?}"))
            }
        };
        now.mono = now.mono.max(at);
        now.wall = wall.saturating_add_millis(now.mono.0 / MS);
        if let Some(key) = next.filter(|(at, _)| *at <= now.mono)
            && let Some((sequence, answer)) = world.answers.remove(&key)
        {
            let answer = match &answer {
                Travelling::Fulfilled(data) => SenderAnswer::Fulfilled { data },
                Travelling::Rejected(code, data) => {
                    SenderAnswer::Rejected { code: *code, by: "test.hop", message: "why", data }
                }
                Travelling::Lost => {
                    SenderAnswer::NoAnswer { code: ErrorCode::R00, message: "late" }
                }
            };
            sender.record_answer(sequence, answer, now.mono);
            // Told twice, counted once.
            sender.record_answer(sequence, answer, now.mono);
        }
    }
    panic!("without an end: {:?} {:?}", sender.progress(), world.truth);
}

/// A receiver's reply to a packet of which so much arrived, in a Reject.
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
