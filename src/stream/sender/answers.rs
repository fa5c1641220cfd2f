//! What the answers to packets mean to a payment.

use rand::RngExt;

use super::budget::Share;
use super::message::{self, StreamReply};
use super::{Flight, PathRate, PaymentEnd, Phase, Purpose, Sender, SenderAnswer, Trouble};
use crate::time::MonoTime;
use crate::wire::ilp::{AmountTooLarge, ErrorClass, ErrorCode, PacketType};

/// So many packets in a row arrive for less than the minimum before the payment ends.
const RATE_REJECTIONS_MAX: u32 = 10;
/// So many answers in a row cannot be read before the payment ends.
const UNREADABLE_MAX: u32 = 3;

impl Sender {
    /// Tells what became of a packet. An answer to a packet that has been answered is ignored.
    pub fn answer(&mut self, sequence: u64, answer: SenderAnswer<'_>, now: MonoTime) {
        let Some(flight) = self.flights.remove(&sequence) else { return };
        let (packet_type, data) = match answer {
            SenderAnswer::Fulfilled { data } => (PacketType::Fulfill, data),
            SenderAnswer::Rejected { data, .. } => (PacketType::Reject, data),
            SenderAnswer::NotSent { code, message } => {
                return self.not_sent(flight, Trouble::here(code, message), now);
            }
            SenderAnswer::NoAnswer { code, message } => {
                return self.lost(flight, Trouble::here(code, message), now);
            }
        };
        let reply = message::reply(&self.keys, data, packet_type, sequence);
        if let Some(reply) = &reply {
            self.contact = true;
            if reply.asset.is_some() && self.progress.asset.is_none() {
                self.progress.asset.clone_from(&reply.asset);
            }
            if let Some(receipt) = reply.receipt {
                self.progress.receipt = Some(receipt.better(self.progress.receipt));
            }
        }
        match (flight.purpose, answer) {
            (Purpose::Close, _) => self.end(),
            // Nobody can fulfill a probe, and the packet path has checked the fulfillment.
            (Purpose::Probe(_), SenderAnswer::Fulfilled { .. }) => {}
            (Purpose::Money(share), SenderAnswer::Fulfilled { .. }) => {
                self.budget.fulfilled(share, reply.as_ref().map(|reply| reply.arrived));
                self.progress.fulfilled += 1;
                self.low_in_a_row = 0;
                self.unreadable_in_a_row = 0;
                self.arrived_at = now;
                self.pace.arrived();
                self.size.arrived();
            }
            (purpose, SenderAnswer::Rejected { code, by, message, data }) => {
                self.progress.rejected.add(code);
                if let Purpose::Money(share) = purpose {
                    self.budget.give_back(share);
                }
                let trouble = Trouble { code, by: by.to_owned(), message: message.to_owned() };
                match &reply {
                    Some(reply) => self.rejected_by_receiver(flight, reply, trouble, now),
                    None => self.rejected_on_the_way(flight, trouble, data, now),
                }
            }
            (_, SenderAnswer::NotSent { .. } | SenderAnswer::NoAnswer { .. }) => {}
        }
        if let Some(StreamReply { closed: Some((code, text)), .. }) = reply {
            self.finish(PaymentEnd::ClosedByReceiver(code, text));
        }
    }

    /// The packet did not leave this program. Its amount may be sent again; the cause is here, so it says nothing about
    /// the path.
    fn not_sent(&mut self, flight: Flight, why: Trouble, now: MonoTime) {
        self.progress.rejected.add(why.code);
        let code = why.code;
        self.progress.trouble = Some(why);
        match flight.purpose {
            Purpose::Close => return self.end(),
            Purpose::Money(share) => self.budget.give_back(share),
            Purpose::Probe(_) => {}
        }
        match code {
            ErrorCode::T03 => self.busy(flight, now),
            _ => self.wait(now),
        }
    }

    fn lost(&mut self, flight: Flight, why: Trouble, now: MonoTime) {
        self.progress.unanswered += 1;
        self.progress.trouble = Some(why);
        match flight.purpose {
            Purpose::Probe(_) => self.wait(now),
            Purpose::Money(share) => {
                self.budget.lost(share);
                self.busy(flight, now);
            }
            Purpose::Close => self.end(),
        }
    }

    fn rejected_by_receiver(
        &mut self,
        flight: Flight,
        reply: &StreamReply,
        why: Trouble,
        now: MonoTime,
    ) {
        self.unreadable_in_a_row = 0;
        match flight.purpose {
            Purpose::Probe(amount) => self.measured(amount, reply.arrived, now),
            Purpose::Money(share) if reply.arrived < share.minimum => {
                self.low_in_a_row += 1;
                self.progress.trouble = Some(why);
                self.wait(now);
                if self.low_in_a_row >= RATE_REJECTIONS_MAX {
                    let Share { amount, minimum } = share;
                    let arrived = reply.arrived;
                    self.finish(PaymentEnd::RateTooLow { amount, arrived, minimum });
                }
            }
            _ => {
                self.progress.trouble = Some(match reply.limit {
                    Some((maximum, total)) if total >= maximum => Trouble {
                        message: format!("the receiver takes no more than {maximum}"),
                        ..why
                    },
                    _ => why,
                });
                self.wait(now);
            }
        }
    }

    /// The probe arrived: what comes of it is the rate, and its amount is one that passes.
    fn measured(&mut self, amount: u64, arrived: u64, now: MonoTime) {
        let Some(seen) = PathRate::seen(arrived, amount) else { return };
        if self.rate.is_some() {
            return;
        }
        let minimum =
            self.settings.minimum_rate.unwrap_or_else(|| seen.with(self.settings.slippage));
        self.arrived_at = now;
        self.size.arrived();
        if arrived == 0 {
            return self.finish(PaymentEnd::TooSmall);
        }
        if minimum.of(amount) > arrived {
            let minimum = minimum.of(amount);
            return self.finish(PaymentEnd::RateTooLow { amount, arrived, minimum });
        }
        self.rate = Some((seen, minimum));
        if self.phase == Phase::Probing {
            self.phase = Phase::Paying;
        }
    }

    fn rejected_on_the_way(&mut self, flight: Flight, why: Trouble, data: &[u8], now: MonoTime) {
        let amount = match flight.purpose {
            Purpose::Probe(amount) => amount,
            Purpose::Money(share) => share.amount,
            Purpose::Close => 0,
        };
        let code = why.code;
        self.progress.trouble = Some(why.clone());
        if code == ErrorCode::F08 {
            return self.size.too_large(amount, AmountTooLarge::parse(data).ok());
        }
        if code == ErrorCode::R00 && matches!(flight.purpose, Purpose::Money(_)) {
            self.progress.late += 1;
        }
        match code {
            ErrorCode::T04 => {
                if self.flights.is_empty() {
                    self.size.illiquid(amount);
                }
                self.busy(flight, now);
            }
            ErrorCode::T02 | ErrorCode::T03 | ErrorCode::T05 | ErrorCode::R00 => {
                self.busy(flight, now);
            }
            ErrorCode::R01 if self.rate.is_none() => self.finish(PaymentEnd::TooSmall),
            ErrorCode::F99 => {
                self.unreadable_in_a_row += 1;
                self.wait(now);
                if self.unreadable_in_a_row >= UNREADABLE_MAX {
                    self.finish(PaymentEnd::WrongSecret);
                }
            }
            // Routes that were there a moment ago may come back.
            ErrorCode::F02 if self.rate.is_some() => self.wait(now),
            code if code.class() == Some(ErrorClass::Final) => {
                self.finish(PaymentEnd::Refused(why))
            }
            _ => self.wait(now),
        }
    }

    fn busy(&mut self, flight: Flight, now: MonoTime) {
        let jitter = self.random.random();
        self.pace.busy(flight.sent_at, now, jitter);
    }

    fn wait(&mut self, now: MonoTime) {
        // One pause for all that were in flight together.
        if now >= self.pace.pause_until() {
            let jitter = self.random.random();
            self.pace.wait(now, jitter);
        }
    }
}
