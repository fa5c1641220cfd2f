//! The sender of one payment, as a state machine: it returns packets and takes their answers. Time
//! and a seed are arguments.
//!
//! First a probe, which cannot be fulfilled, measures the path: F08 gives the maximum, and the receiver's Reject says
//! what arrived. Then packets of the largest size that passes are sent, within the congestion window, each with the
//! minimum of the `budget`. At the end a packet closes the connection.
//!
//! Deliberately absent: data on streams, more than one stream, and verification of receipts (RFC
//! 39), whose secret only the verifier has.

mod answers;
mod budget;
mod congestion;
mod message;
mod packet_size;
mod progress;
mod rate;
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

/// RFC 29 "Maximum Number of Packets Per Connection": a side sends at most 2^31, so that random IVs do not repeat.
const SEQUENCE_MAX: u64 = 1 << 31;
/// Most probes in flight.
const PROBES_MAX: usize = 3;
/// The time after which a probe without an answer is followed by another one.
const PROBE_RETRY: Duration = Duration::from_secs(5);
/// The time for the answer to the closing packet, which changes nothing.
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
    /// The measured rate, and the minimum.
    rate: Option<(PathRate, PathRate)>,
    began: MonoTime,
    probed_at: MonoTime,
    arrived_at: MonoTime,
    /// The receiver has answered, so the connection will be closed.
    receiver_answered: bool,
    low_arrivals: u32,
    unreadable_answers: u32,
    progress: PaymentProgress,
}

/// A packet without an answer yet.
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
    /// Measuring the path.
    Probing,
    /// Sending money.
    Paying,
    /// Waiting for the answers to money in flight.
    Draining(PaymentEnd),
    /// Waiting for the answer to the closing packet, until a time.
    Closing(PaymentEnd, MonoTime),
    /// At the end.
    Ended(PaymentEnd),
}

enum NextStep {
    /// Send a packet of at most this amount.
    Send(u64),
    /// Wait for an answer.
    Wait,
    Finish(PaymentEnd),
}

/// A packet to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderPacket {
    /// The number for [`Sender::record_answer`].
    pub sequence: u64,
    pub amount: Amount,
    pub expires_at: Timestamp,
    pub condition: Condition,
    pub data: Vec<u8>,
}

/// The answer to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SenderAnswer<'a> {
    /// Fulfilled in time with the right fulfillment: the money is spent.
    Fulfilled { data: &'a [u8] },
    /// Rejected by the receiver or a connector: the money is not spent.
    Rejected {
        code: ErrorCode,
        /// The node that rejected, according to the Reject.
        by: &'a str,
        message: &'a str,
        data: &'a [u8],
    },
    /// The packet did not leave this program: the money is not spent.
    NotSent { code: ErrorCode, message: &'a str },
    /// The packet may have left this program, and no valid answer came: the money may be spent.
    NoAnswer { code: ErrorCode, message: &'a str },
}

impl Sender {
    /// A payment that begins now. The seed makes initialization vectors: it must be random and used once.
    pub fn new(
        settings: SenderSettings,
        secret: &SharedSecret,
        seed: [u8; 32],
        now: MonoTime,
    ) -> Self {
        let total = settings.amount.0;
        let largest = settings.max_packet_amount.map_or(u64::MAX, |amount| amount.0);
        Self {
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
            progress: PaymentProgress::default(),
            settings,
        }
    }

    /// The next packet to send now. Call it until it returns `None`: after each answer, and at [`Sender::wakes_at`].
    pub fn next_packet(&mut self, now: Now) -> Option<SenderPacket> {
        self.check_timeouts(now.mono);
        match self.next_step() {
            NextStep::Send(_) if now.mono < self.send_at() => None,
            NextStep::Send(size) => {
                let purpose = match self.rate {
                    None => {
                        self.probed_at = now.mono;
                        Purpose::Probe(size)
                    }
                    Some((_, minimum)) => Purpose::Money(self.budget.reserve(size, minimum)),
                };
                Some(self.build_packet(purpose, now))
            }
            NextStep::Wait => None,
            NextStep::Finish(end) => {
                self.drain(end);
                self.send_close(now)
            }
        }
    }

    /// The next step, without regard to pauses.
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
        let Some((measured, _)) = self.rate else {
            let full = self.in_flight.len() >= PROBES_MAX;
            return if full { NextStep::Wait } else { NextStep::Send(size) };
        };
        let left = self.budget.remaining();
        let is_nothing = left == 0 || left < size && measured.apply_to(left) == 0;
        if is_nothing && self.budget.in_flight() == 0 {
            return NextStep::Finish(match (left, self.budget.unresolved()) {
                (_, 1..) => PaymentEnd::Unresolved,
                (0, 0) => PaymentEnd::Complete,
                (rest, 0) => PaymentEnd::Remainder(rest),
            });
        }
        // Money in flight may be released again.
        let full = self.in_flight.len() >= self.congestion.window();
        if is_nothing || full { NextStep::Wait } else { NextStep::Send(size) }
    }

    /// When the next packet may be sent. A probe carries no money, so the next one does not wait for its expiry.
    fn send_at(&self) -> MonoTime {
        match self.rate.is_none() && !self.in_flight.is_empty() {
            true => self.congestion.pause_until().max(self.probed_at.after(PROBE_RETRY)),
            false => self.congestion.pause_until(),
        }
    }

    /// Closes the connection when no money is in flight, if the receiver has answered before.
    fn send_close(&mut self, now: Now) -> Option<SenderPacket> {
        let Phase::Draining(end) = &self.phase else { return None };
        if self.budget.in_flight() > 0 {
            return None;
        }
        let end = end.clone();
        if self.receiver_answered && !matches!(end, PaymentEnd::ClosedByReceiver(..)) {
            self.phase = Phase::Closing(end, now.mono.after(CLOSE_TIMEOUT));
            return Some(self.build_packet(Purpose::Close, now));
        }
        self.phase = Phase::Ended(end);
        None
    }

    fn build_packet(&mut self, purpose: Purpose, now: Now) -> SenderPacket {
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
        let data = message::encrypt_request(&self.keys, iv, self.sequence, minimum, request)
            .expect("a request with one address is far below the longest packet");
        let condition = match purpose {
            Purpose::Probe(_) => Condition(self.random.random()),
            _ => self.keys.fulfillment(&data).condition(),
        };
        self.in_flight.insert(self.sequence, InFlightPacket { purpose, sent_at: now.mono });
        SenderPacket {
            sequence: self.sequence,
            amount: Amount(amount),
            expires_at: now.wall.saturating_add(self.settings.packet_lifetime),
            condition,
            data,
        }
    }

    /// Ends the payment, or the wait for the last answer, when its time is over.
    fn check_timeouts(&mut self, now: MonoTime) {
        match &self.phase {
            Phase::Probing | Phase::Paying => {}
            Phase::Closing(_, until) if now >= *until => return self.finish_closing(),
            _ => return,
        }
        if self.settings.time.is_some_and(|time| now >= self.began.after(time)) {
            self.drain(PaymentEnd::OutOfTime);
        } else if now >= self.arrival_deadline() {
            self.drain(PaymentEnd::NothingArrives);
        }
    }

    /// When the payment ends because nothing arrives. The timeout is for sending more, not for answers in flight.
    fn arrival_deadline(&self) -> MonoTime {
        match self.rate.is_some() && self.budget.remaining() == 0 {
            true => MonoTime::MAX,
            false => self.arrived_at.after(self.settings.arrival_timeout),
        }
    }

    /// Stops sending money. Answers to money in flight are awaited.
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

    /// When to call [`Sender::next_packet`] without an answer; `None` if an answer must come first, or at the end.
    pub fn wakes_at(&self) -> Option<MonoTime> {
        match &self.phase {
            Phase::Probing | Phase::Paying => {}
            Phase::Closing(_, until) => return Some(*until),
            Phase::Draining(_) | Phase::Ended(_) => return None,
        }
        let mut at = self.arrival_deadline();
        if let Some(time) = self.settings.time {
            at = at.min(self.began.after(time));
        }
        Some(if matches!(self.next_step(), NextStep::Wait) { at } else { at.min(self.send_at()) })
    }

    /// How the payment ended; `None` before.
    pub fn end(&self) -> Option<&PaymentEnd> {
        match &self.phase {
            Phase::Ended(end) => Some(end),
            _ => None,
        }
    }

    pub fn progress(&self) -> PaymentProgress {
        let mut progress = self.progress.clone();
        self.budget.report_to(&mut progress);
        progress.packet_amount = self.size.current();
        progress.window = self.congestion.window();
        progress.rate = self.rate.map(|(measured, _)| measured);
        progress.minimum_rate = self.rate.map(|(_, minimum)| minimum);
        progress
    }
}
