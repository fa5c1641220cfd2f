//! Applies the answers to packets to the payment.

use rand::RngExt;

use super::budget::PacketShare;
use super::message::{self, StreamReply};
use super::{
    InFlightPacket, PacketFailure, PathRate, PaymentEnd, Phase, Purpose, Sender, SenderAnswer,
};
use crate::time::MonoTime;
use crate::wire::ilp::{AmountTooLarge, ErrorClass, ErrorCode, PacketType};

/// Consecutive packets below the minimum after which the payment ends.
const RATE_REJECTIONS_MAX: u32 = 10;
/// Consecutive unreadable answers after which the payment ends.
const UNREADABLE_MAX: u32 = 3;

impl Sender {
    /// Records the answer to a packet. A second answer is ignored.
    pub fn record_answer(&mut self, sequence: u64, answer: SenderAnswer<'_>, now: MonoTime) {
        let Some(flight) = self.in_flight.remove(&sequence) else { return };
        let (packet_type, data) = match answer {
            SenderAnswer::Fulfilled { data } => (PacketType::Fulfill, data),
            SenderAnswer::Rejected { data, .. } => (PacketType::Reject, data),
            SenderAnswer::NotSent { code, message } => {
                return self.record_not_sent(flight, PacketFailure::local(code, message), now);
            }
            SenderAnswer::NoAnswer { code, message } => {
                return self.record_unanswered(flight, PacketFailure::local(code, message), now);
            }
        };
        let reply = message::decrypt_reply(&self.keys, data, packet_type, sequence);
        if let Some(reply) = &reply {
            self.receiver_answered = true;
            if reply.asset.is_some() && self.progress.asset.is_none() {
                self.progress.asset.clone_from(&reply.asset);
            }
            if let Some(receipt) = reply.receipt {
                self.progress.receipt = Some(receipt.larger(self.progress.receipt));
            }
        }
        match (flight.purpose, answer) {
            (Purpose::Close, _) => self.finish_closing(),
            // A probe cannot be fulfilled, and the packet path has checked the fulfillment.
            (Purpose::Probe(_), SenderAnswer::Fulfilled { .. }) => {}
            (Purpose::Money(share), SenderAnswer::Fulfilled { .. }) => {
                self.budget.record_fulfilled(share, reply.as_ref().map(|reply| reply.arrived));
                self.progress.fulfilled += 1;
                self.low_arrivals = 0;
                self.unreadable_answers = 0;
                self.arrived_at = now;
                self.congestion.record_arrival();
                self.size.record_arrival();
            }
            (purpose, SenderAnswer::Rejected { code, by, message, data }) => {
                self.progress.rejected.count(code);
                if let Purpose::Money(share) = purpose {
                    self.budget.release(share);
                }
                let trouble =
                    PacketFailure { code, by: by.to_owned(), message: message.to_owned() };
                match &reply {
                    Some(reply) => self.rejected_by_receiver(flight, reply, trouble, now),
                    None => self.rejected_on_the_way(flight, trouble, data, now),
                }
            }
            (_, SenderAnswer::NotSent { .. } | SenderAnswer::NoAnswer { .. }) => {}
        }
        if let Some(StreamReply { closed: Some((code, text)), .. }) = reply {
            self.drain(PaymentEnd::ClosedByReceiver(code, text));
        }
    }

    /// The packet did not leave this program: its amount may be sent again, and the path is not to blame.
    fn record_not_sent(&mut self, flight: InFlightPacket, why: PacketFailure, now: MonoTime) {
        self.progress.rejected.count(why.code);
        let code = why.code;
        self.progress.last_failure = Some(why);
        match flight.purpose {
            Purpose::Close => return self.finish_closing(),
            Purpose::Money(share) => self.budget.release(share),
            Purpose::Probe(_) => {}
        }
        match code {
            ErrorCode::T03 => self.shrink_window(flight, now),
            _ => self.pause(now),
        }
    }

    fn record_unanswered(&mut self, flight: InFlightPacket, why: PacketFailure, now: MonoTime) {
        self.progress.unanswered += 1;
        self.progress.last_failure = Some(why);
        match flight.purpose {
            Purpose::Probe(_) => self.pause(now),
            Purpose::Money(share) => {
                self.budget.record_unanswered(share);
                self.shrink_window(flight, now);
            }
            Purpose::Close => self.finish_closing(),
        }
    }

    fn rejected_by_receiver(
        &mut self,
        flight: InFlightPacket,
        reply: &StreamReply,
        why: PacketFailure,
        now: MonoTime,
    ) {
        self.unreadable_answers = 0;
        match flight.purpose {
            Purpose::Probe(amount) => self.record_rate(amount, reply.arrived, now),
            Purpose::Money(share) if reply.arrived < share.minimum => {
                self.low_arrivals += 1;
                self.progress.last_failure = Some(why);
                self.pause(now);
                if self.low_arrivals >= RATE_REJECTIONS_MAX {
                    let PacketShare { amount, minimum } = share;
                    let arrived = reply.arrived;
                    self.drain(PaymentEnd::RateTooLow { amount, arrived, minimum });
                }
            }
            _ => {
                self.progress.last_failure = Some(match reply.limit {
                    Some((maximum, total)) if total >= maximum => PacketFailure {
                        message: format!("the receiver takes no more than {maximum}"),
                        ..why
                    },
                    _ => why,
                });
                self.pause(now);
            }
        }
    }

    /// A probe arrived: it gives the rate, and its amount passes.
    fn record_rate(&mut self, amount: u64, arrived: u64, now: MonoTime) {
        let Some(measured) = PathRate::measured(arrived, amount) else { return };
        if self.rate.is_some() {
            return;
        }
        let minimum =
            self.settings.minimum_rate.unwrap_or_else(|| measured.minus(self.settings.slippage));
        self.arrived_at = now;
        self.size.record_arrival();
        if arrived == 0 {
            return self.drain(PaymentEnd::TooSmall);
        }
        if minimum.apply_to(amount) > arrived {
            let minimum = minimum.apply_to(amount);
            return self.drain(PaymentEnd::RateTooLow { amount, arrived, minimum });
        }
        self.rate = Some((measured, minimum));
        if self.phase == Phase::Probing {
            self.phase = Phase::Paying;
        }
    }

    fn rejected_on_the_way(
        &mut self,
        flight: InFlightPacket,
        why: PacketFailure,
        data: &[u8],
        now: MonoTime,
    ) {
        let amount = match flight.purpose {
            Purpose::Probe(amount) => amount,
            Purpose::Money(share) => share.amount,
            Purpose::Close => 0,
        };
        let code = why.code;
        self.progress.last_failure = Some(why.clone());
        if code == ErrorCode::F08 {
            return self.size.record_too_large(amount, AmountTooLarge::parse(data).ok());
        }
        if code == ErrorCode::R00 && matches!(flight.purpose, Purpose::Money(_)) {
            self.progress.late += 1;
        }
        match code {
            ErrorCode::T04 => {
                if self.in_flight.is_empty() {
                    self.size.record_illiquid(amount);
                }
                self.shrink_window(flight, now);
            }
            ErrorCode::T02 | ErrorCode::T03 | ErrorCode::T05 | ErrorCode::R00 => {
                self.shrink_window(flight, now);
            }
            ErrorCode::R01 if self.rate.is_none() => self.drain(PaymentEnd::TooSmall),
            ErrorCode::F99 => {
                self.unreadable_answers += 1;
                self.pause(now);
                if self.unreadable_answers >= UNREADABLE_MAX {
                    self.drain(PaymentEnd::WrongSecret);
                }
            }
            // A route that existed before may return.
            ErrorCode::F02 if self.rate.is_some() => self.pause(now),
            code if code.class() == Some(ErrorClass::Final) => self.drain(PaymentEnd::Refused(why)),
            _ => self.pause(now),
        }
    }

    fn shrink_window(&mut self, flight: InFlightPacket, now: MonoTime) {
        let jitter = self.random.random();
        self.congestion.shrink(flight.sent_at, now, jitter);
    }

    fn pause(&mut self, now: MonoTime) {
        // One pause for all packets that were in flight together.
        if now >= self.congestion.pause_until() {
            let jitter = self.random.random();
            self.congestion.pause(now, jitter);
        }
    }
}
