//! The sending end of a payment (RFC 29), as a state machine: it is asked for packets and told of their answers. Time and a
//! seed are passed in, so that tests drive it over paths that are not there.
//!
//! First a packet that cannot be fulfilled measures the path: F08 says what passes, and the receiver, in the data of its
//! Reject, what arrives. Then as many packets as the `pace` allows, each of the `size` that passes, each with the
//! minimum that the `budget` wants. At the end the receiver is told that it is the end.
//!
//! Money only: no data is sent, and one stream is used.
//!
//! Receipts (RFC 39) are collected, not judged: only who asked the receiver for them has the secret that they are signed with.

mod answers;
mod budget;
mod congestion;
mod message;
mod packet_size;
mod progress;
mod rate;
mod receipt;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use self::budget::{Budget, PacketShare};
use self::congestion::CongestionWindow;
use self::message::StreamRequest;
use self::packet_size::PacketSize;
pub use self::progress::{PacketFailure, PaymentEnd, PaymentProgress};
pub use self::rate::{PathRate, Slippage};
pub use self::settings::SenderSettings;
use super::keys::Keys;
use super::{Iv, SharedSecret};
use crate::time::{MonoTime, Now};
use crate::wire::ilp::ErrorCode;
use crate::wire::{Address, Amount, Condition, Timestamp};

/// Packets of one connection: IVs must not repeat (RFC 29 "Maximum Number of Packets Per Connection").
const SEQUENCE_MAX: u64 = 1 << 31;
/// Packets that may measure the path at the same time.
const PROBES_MAX: usize = 3;
/// After that time without an answer another one is sent.
const PROBE_RETRY: Duration = Duration::from_secs(5);
/// How long the answer to the last packet is awaited. It changes nothing.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The sender of one payment.
#[derive(Debug)]
pub struct Sender {
    settings: SenderSettings,
    keys: Keys,
    random: StdRng,
    sequence: u64,
    in_flight: HashMap<u64, InFlightPacket>,
    phase: Phase,
    budget: Budget,
    size: PacketSize,
    congestion: CongestionWindow,
    /// What was measured, and the least that is accepted.
    rate: Option<(PathRate, PathRate)>,
    began: MonoTime,
    probed_at: MonoTime,
    arrived_at: MonoTime,
    /// The receiver has answered: it is to be told of the end.
    receiver_answered: bool,
    low_arrivals: u32,
    unreadable_answers: u32,
    progress: PaymentProgress,
}

/// A packet that waits for its answer.
#[derive(Debug, Clone, Copy)]
struct InFlightPacket {
    purpose: Purpose,
    sent_at: MonoTime,
}

#[derive(Debug, Clone, Copy)]
enum Purpose {
    /// Measures the path with this amount.
    Probe(u64),
    Money(PacketShare),
    Close,
}

#[derive(Debug, Clone, PartialEq)]
enum Phase {
    /// Measuring.
    Probing,
    /// Sending.
    Paying,
    /// Waiting for what is in flight.
    Draining(PaymentEnd),
    /// Waiting for the answer to the last packet, but not longer than until then.
    Closing(PaymentEnd, MonoTime),
    /// Done.
    Ended(PaymentEnd),
}

enum NextStep {
    /// A packet of at most that amount.
    Send(u64),
    /// An answer comes first.
    Wait,
    Finish(PaymentEnd),
}

/// A packet to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderPacket {
    /// Under which its answer is told.
    pub sequence: u64,
    /// What it carries.
    pub amount: Amount,
    /// Its expiry.
    pub expires_at: Timestamp,
    /// Its condition.
    pub condition: Condition,
    /// Its data.
    pub data: Vec<u8>,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SenderAnswer<'a> {
    /// Fulfilled in time, and the fulfillment matches: the money is gone.
    Fulfilled {
        /// The Fulfill's data.
        data: &'a [u8],
    },
    /// Rejected by the network: the money is here.
    Rejected {
        /// The code.
        code: ErrorCode,
        /// Which node rejected, as the Reject says.
        by: &'a str,
        /// Why.
        message: &'a str,
        /// The Reject's data.
        data: &'a [u8],
    },
    /// It did not leave this program: the money is here.
    NotSent {
        /// What kind of failure.
        code: ErrorCode,
        /// Why.
        message: &'a str,
    },
    /// It left this program, or may have left it, and no answer that counts came: the money may be gone.
    NoAnswer {
        /// What kind of failure.
        code: ErrorCode,
        /// Why.
        message: &'a str,
    },
}

impl Sender {
    /// A payment that begins now. The seed is for initialization vectors: it must be random and used once.
    #[must_use]
    pub fn new(
        settings: SenderSettings,
        secret: &SharedSecret,
        seed: [u8; 32],
        now: MonoTime,
    ) -> Self {
        let total = settings.amount.0;
        let largest = settings.max_packet_amount.map_or(u64::MAX, |amount| amount.0);
        Sender {
            keys: Keys::new(secret),
            random: StdRng::from_seed(seed),
            sequence: 0,
            in_flight: HashMap::new(),
            phase: if total == 0 { Phase::Ended(PaymentEnd::Complete) } else { Phase::Probing },
            budget: Budget::new(total),
            size: PacketSize::new(total.min(largest)),
            congestion: CongestionWindow::new(settings.window_max),
            rate: None,
            began: now,
            probed_at: now,
            arrived_at: now,
            receiver_answered: false,
            low_arrivals: 0,
            unreadable_answers: 0,
            progress: PaymentProgress::of_total(total),
            settings,
        }
    }

    /// The next packet that is to be sent now, if there is one. To be asked until there is none, after every answer, and
    /// at [`Sender::wakes_at`].
    pub fn next_packet(&mut self, now: Now) -> Option<SenderPacket> {
        self.check_timeouts(now.mono);
        match self.next_step() {
            NextStep::Send(_) if now.mono < self.sends_at() => None,
            NextStep::Send(size) => {
                let purpose = match self.rate {
                    None => {
                        self.probed_at = now.mono;
                        Purpose::Probe(size)
                    }
                    Some((_, minimum)) => Purpose::Money(self.budget.reserve(size, minimum)),
                };
                self.build_packet(purpose, now)
            }
            NextStep::Wait => None,
            NextStep::Finish(end) => {
                self.drain(end);
                self.send_close(now)
            }
        }
    }

    /// What there is to do but for pauses.
    fn next_step(&self) -> NextStep {
        match &self.phase {
            Phase::Probing | Phase::Paying => {}
            Phase::Draining(end) if self.budget.in_flight() == 0 => {
                return NextStep::Finish(end.clone());
            }
            Phase::Draining(_) | Phase::Closing(..) | Phase::Ended(_) => return NextStep::Wait,
        }
        let size = self.size.current();
        if self.sequence + 1 >= SEQUENCE_MAX {
            return NextStep::Finish(PaymentEnd::TooManyPackets);
        }
        if size == 0 {
            return NextStep::Finish(PaymentEnd::NothingPasses);
        }
        let Some((seen, _)) = self.rate else {
            let full = self.in_flight.len() >= PROBES_MAX;
            return if full { NextStep::Wait } else { NextStep::Send(size) };
        };
        let left = self.budget.remaining();
        let is_nothing = left == 0 || left < size && seen.apply_to(left) == 0;
        if is_nothing && self.budget.in_flight() == 0 {
            return NextStep::Finish(match (left, self.budget.unresolved()) {
                (_, 1..) => PaymentEnd::Unresolved,
                (0, 0) => PaymentEnd::Complete,
                (rest, 0) => PaymentEnd::Remainder(rest),
            });
        }
        // What is in flight may come back.
        let full = self.in_flight.len() >= self.congestion.window();
        if is_nothing || full { NextStep::Wait } else { NextStep::Send(size) }
    }

    /// When the next packet may be sent. Probes are no money: if one is lost, another one goes out before that is known.
    fn sends_at(&self) -> MonoTime {
        match self.rate.is_none() && !self.in_flight.is_empty() {
            true => self.congestion.pause_until().max(self.probed_at.after(PROBE_RETRY)),
            false => self.congestion.pause_until(),
        }
    }

    /// Once no money is in flight, tells the receiver that it is the end, if there is one who listens.
    fn send_close(&mut self, now: Now) -> Option<SenderPacket> {
        let Phase::Draining(end) = &self.phase else { return None };
        if self.budget.in_flight() > 0 {
            return None;
        }
        let end = end.clone();
        if self.receiver_answered && !matches!(end, PaymentEnd::ClosedByReceiver(..)) {
            self.phase = Phase::Closing(end, now.mono.after(CLOSE_TIMEOUT));
            return self.build_packet(Purpose::Close, now);
        }
        self.phase = Phase::Ended(end);
        None
    }

    fn build_packet(&mut self, purpose: Purpose, now: Now) -> Option<SenderPacket> {
        self.sequence += 1;
        let source = match self.progress.asset {
            None => self.settings.source.as_ref().map(Address::view),
            Some(_) => None,
        };
        let (amount, minimum, request) = match purpose {
            Purpose::Probe(amount) => (amount, 0, StreamRequest::Money { source }),
            Purpose::Money(share) => (share.amount, share.minimum, StreamRequest::Money { source }),
            Purpose::Close => (0, 0, StreamRequest::Close),
        };
        let iv = Iv(self.random.random());
        // Far below the longest packet: an address at most.
        let data =
            message::encrypt_request(&self.keys, iv, self.sequence, minimum, request).ok()?;
        let condition = match purpose {
            Purpose::Probe(_) => Condition(self.random.random()),
            _ => self.keys.fulfillment(&data).condition(),
        };
        self.in_flight.insert(self.sequence, InFlightPacket { purpose, sent_at: now.mono });
        Some(SenderPacket {
            sequence: self.sequence,
            amount: Amount(amount),
            expires_at: now.wall.saturating_add(self.settings.packet_lifetime),
            condition,
            data,
        })
    }

    /// Time is up: for the payment, for patience, or for the last packet.
    fn check_timeouts(&mut self, now: MonoTime) {
        match &self.phase {
            Phase::Probing | Phase::Paying => {}
            Phase::Closing(_, until) if now >= *until => return self.finish_closing(),
            _ => return,
        }
        if self.settings.time.is_some_and(|time| now >= self.began.after(time)) {
            self.drain(PaymentEnd::OutOfTime);
        } else if now >= self.patience_until() {
            self.drain(PaymentEnd::NothingArrives);
        }
    }

    /// Answers to what is in flight come in any case; patience is for sending more.
    fn patience_until(&self) -> MonoTime {
        match self.rate.is_some() && self.budget.remaining() == 0 {
            true => MonoTime::MAX,
            false => self.arrived_at.after(self.settings.patience),
        }
    }

    /// Sends no more money. What of it is in flight is waited for.
    pub fn stop(&mut self) {
        self.drain(PaymentEnd::Stopped);
    }

    fn drain(&mut self, why: PaymentEnd) {
        if matches!(self.phase, Phase::Probing | Phase::Paying) {
            self.phase = Phase::Draining(why);
        }
    }

    fn finish_closing(&mut self) {
        if let Phase::Closing(end, _) = &self.phase {
            self.phase = Phase::Ended(end.clone());
        }
    }

    /// When [`Sender::next`] is to be asked, though no answer came. `None`: an answer comes first, or it has ended.
    #[must_use]
    pub fn wakes_at(&self) -> Option<MonoTime> {
        match &self.phase {
            Phase::Probing | Phase::Paying => {}
            Phase::Closing(_, until) => return Some(*until),
            Phase::Draining(_) | Phase::Ended(_) => return None,
        }
        let mut at = self.patience_until();
        if let Some(time) = self.settings.time {
            at = at.min(self.began.after(time));
        }
        Some(if matches!(self.next_step(), NextStep::Wait) { at } else { at.min(self.sends_at()) })
    }

    /// How it ended, once it has.
    #[must_use]
    pub fn end(&self) -> Option<&PaymentEnd> {
        match &self.phase {
            Phase::Ended(end) => Some(end),
            _ => None,
        }
    }

    /// How it stands.
    #[must_use]
    pub fn progress(&self) -> PaymentProgress {
        PaymentProgress {
            total: self.budget.total(),
            sent: self.budget.sent(),
            delivered: self.budget.delivered(),
            unconfirmed: self.budget.unconfirmed(),
            in_flight: self.budget.in_flight(),
            unresolved: self.budget.unresolved(),
            packet_amount: self.size.current(),
            window: self.congestion.window(),
            rate: self.rate.map(|(seen, _)| seen),
            minimum_rate: self.rate.map(|(_, minimum)| minimum),
            ..self.progress.clone()
        }
    }
}
