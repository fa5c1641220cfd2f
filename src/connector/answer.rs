//! An answer's way back: it is checked, booked on both accounts, and sent to the requester.

use super::account::{Account, AccountState, find_substitute_session};
use super::batch::{Batch, IncomingRequest};
use super::refusal::{NextHopFailure, Refusal};
use crate::link::{CutNumber, Outcome, Pending, Rejection, RequestedBy};
use crate::wire::Amount;
use crate::wire::btp::RequestId;
use crate::wire::ilp::{Prepare, Reject, Reply, clip_message};

/// A peer's answer to a Prepare of ours.
#[derive(Clone, Copy, Debug)]
pub enum PeerAnswer<'a> {
    /// An ILP packet.
    Packet(&'a [u8]),
    /// An answer without an ILP packet.
    Empty,
    /// A BTP ERROR, or an HTTP status that says that the server failed.
    Error,
    /// The packet cannot have arrived, or its answer cannot arrive any more: the connection failed, or the peer takes
    /// no packets of ours.
    Unreachable,
    /// The packet was not sent: it expired before its turn came.
    Expired,
    /// The peer takes no packet at the moment.
    Busy,
    /// The peer will never take this packet.
    Declined,
}

/// What an answer was to the connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerOutcome {
    /// A Fulfill or a Reject, to a pending request. Perhaps it was late, or its fulfillment was wrong.
    Read,
    /// The end of a pending request, without a Fulfill or a Reject.
    NoReply,
    /// An answer to no pending request.
    Stray,
}

impl AnswerOutcome {
    /// Whether a request was pending, which has ended.
    pub fn was_pending(self) -> bool {
        self != Self::Stray
    }
}

impl Batch<'_> {
    /// Handles a peer's answer to the request `request_id`, whichever of its sessions it arrived on.
    ///
    /// RFC 23 "Flow": an answer to no pending request is ignored, and so is a second answer. [rows 39, 58, 78, 88]
    pub fn handle_answer(
        &self,
        from: &Account,
        request_id: RequestId,
        answer: PeerAnswer<'_>,
    ) -> AnswerOutcome {
        let reply = match answer {
            PeerAnswer::Packet(bytes) => Reply::parse(bytes).map_err(|_| NextHopFailure::BadAnswer),
            PeerAnswer::Empty => Err(NextHopFailure::BadAnswer),
            PeerAnswer::Error => Err(NextHopFailure::LinkError),
            PeerAnswer::Unreachable => Err(NextHopFailure::Unreachable),
            PeerAnswer::Expired => Err(NextHopFailure::TimedOut),
            PeerAnswer::Busy => Err(NextHopFailure::Busy),
            PeerAnswer::Declined => Err(NextHopFailure::Declined),
        };
        let mut state = from.lock();
        let Some(pending) = state.pending.take(request_id) else {
            state.stats.unexpected_answers += 1;
            return AnswerOutcome::Stray;
        };
        let outcome = if reply.is_ok() { AnswerOutcome::Read } else { AnswerOutcome::NoReply };
        if let Ok(reply) = &reply {
            state.stats.received.count_reply(reply);
        }
        let checked = self.check_reply(&mut state, &pending, reply);
        drop(state);
        match checked {
            Ok(reply) => self.answer_pending(request_id, pending, from, &reply),
            Err(failure) => {
                self.reject_pending(request_id, pending, from, &failure.refusal_at(from.id()));
            }
        }
        outcome
    }

    /// Checks that the reply is valid and in time, and books it on the outgoing account.
    fn check_reply<'p>(
        &self,
        state: &mut AccountState,
        pending: &Pending,
        reply: Result<Reply<'p>, NextHopFailure>,
    ) -> Result<Reply<'p>, NextHopFailure> {
        // RFC 34 "ILP Fulfill": a Fulfill at or after the outgoing expiry changes no balance. [row 41]
        if self.now.mono >= pending.deadline {
            state.stats.timeouts += 1;
            state.stats.unexpected_answers += 1;
            state.release_unanswered(pending);
            return Err(NextHopFailure::TimedOut);
        }
        state.stats.count_latency(self.now.mono.micros_since(pending.sent_at));
        match reply {
            // RFC 27 "ILP Packet Lifecycle": a Fulfill counts only if its fulfillment hashes to the condition. [row 40]
            Ok(Reply::Fulfill(fulfill))
                if fulfill.fulfillment.condition() == pending.condition
                    || planted!(UncheckedFulfillment) =>
            {
                state.commit_out(pending);
                Ok(Reply::Fulfill(fulfill))
            }
            Ok(Reply::Fulfill(_)) => {
                state.release_unanswered(pending);
                state.stats.wrong_fulfillments += 1;
                Err(NextHopFailure::WrongFulfillment)
            }
            Err(
                failure @ (NextHopFailure::BadAnswer
                | NextHopFailure::LinkError
                | NextHopFailure::Unreachable),
            ) => {
                state.release_unanswered(pending);
                Err(failure)
            }
            other => {
                if !planted!(HoldKept) {
                    state.release_out(pending);
                }
                if planted!(HoldReleasedTwice) {
                    state.release_out(pending);
                }
                other
            }
        }
    }

    /// Passes a valid answer on to the requester.
    ///
    /// RFC 27 "ILP Fulfill", "ILP Reject": data, code, message and `triggeredBy` pass back as they are.
    /// [rows 16, 17, 20, 53]
    fn answer_pending(
        &self,
        request_id: RequestId,
        pending: Pending,
        by: &Account,
        reply: &Reply<'_>,
    ) {
        self.record_answer((request_id, &pending), by, reply, None);
        if let Some(incoming) = IncomingRequest::from_pending(&pending) {
            self.answer_requester(&incoming, reply);
            if let Reply::Fulfill(_) = reply {
                let (paid, spent) = (incoming.held, pending.outgoing_amount);
                self.book_conversion(incoming.account, paid, by.slot(), spent);
            }
        } else if let RequestedBy::Own(own) = pending.requested_by {
            (own.0)(match reply {
                Reply::Fulfill(fulfill) => {
                    self.book_sent(by.slot(), pending.outgoing_amount);
                    Outcome::Fulfilled {
                        fulfillment: fulfill.fulfillment,
                        data: fulfill.data.to_vec(),
                    }
                }
                Reply::Reject(reject) => Outcome::Rejected(Rejection::from(reject)),
            });
        }
    }

    /// Rejects a Prepare that was in flight, in this node's name.
    pub(super) fn reject_pending(
        &self,
        request_id: RequestId,
        pending: Pending,
        by: &Account,
        refusal: &Refusal,
    ) {
        let incoming = IncomingRequest::from_pending(&pending);
        let message = refusal.to_string();
        self.with_reject(refusal, &message, |reply| {
            self.record_answer((request_id, &pending), by, reply, Some(refusal));
            if let Some(incoming) = incoming {
                self.answer_requester(&incoming, reply);
            }
        });
        if let RequestedBy::Own(own) = pending.requested_by {
            (own.0)(refusal.outcome());
        }
    }

    /// Rejects a Prepare that was not sent on.
    pub(super) fn reject_prepare(
        &self,
        incoming: &IncomingRequest,
        prepare: Option<&Prepare<'_>>,
        refusal: &Refusal,
    ) {
        let message = refusal.to_string();
        self.with_reject(refusal, &message, |reply| {
            self.answer_requester(incoming, reply);
            self.record_refused(incoming, prepare, None, refusal, reply);
        });
    }

    fn with_reject(&self, refusal: &Refusal, message: &str, then: impl FnOnce(&Reply<'_>)) {
        let data = refusal.data();
        let data = data.as_ref().map_or(&[][..], |data| data.as_slice());
        self.with_reject_data(refusal, message, data, then);
    }

    pub(super) fn with_reject_data(
        &self,
        refusal: &Refusal,
        message: &str,
        data: &[u8],
        then: impl FnOnce(&Reply<'_>),
    ) {
        then(&Reply::Reject(Reject {
            code: refusal.code(),
            // RFC 27 "ILP Reject": `triggeredBy` is the address of the node that rejects. [row 19]
            triggered_by: Some(self.snapshot.triggered_by.view()),
            message: clip_message(message),
            data,
        }));
    }

    /// Books the answer on the incoming account and sends it on the requester's session. If that session is lost, it is
    /// sent on another one of the account on which the id is not in flight (D5).
    ///
    /// RFC 34 "Links": a packet's answer returns on the link that the packet came from. [row 38]
    /// RFC 23 "BTP Type IDs": the answer has the id of the request. [row 75]
    pub(super) fn answer_requester(&self, incoming: &IncomingRequest, reply: &Reply<'_>) {
        let Some(entry) = self.snapshot.entry(incoming.account) else { return };
        self.answer_locked(&mut entry.account.lock(), incoming, reply);
    }

    /// The same for the requester's account, which the caller has locked.
    #[inline]
    pub(super) fn answer_locked(
        &self,
        state: &mut AccountState,
        incoming: &IncomingRequest,
        reply: &Reply<'_>,
    ) {
        state.in_flight = state.in_flight.saturating_sub(incoming.weight.into());
        let (after, amount) = match reply {
            Reply::Fulfill(_) => {
                if !planted!(HalfBooked) {
                    state.ledger.commit_in(incoming.held);
                }
                // A proof leaves when the books have it.
                (self.cut_before(incoming.held), incoming.held)
            }
            Reply::Reject(_) => {
                state.ledger.release_in(incoming.held);
                (CutNumber::NONE, Amount::ZERO)
            }
        };
        state.stats.sent.count_reply(reply);
        let id = incoming.request_id;
        let outbox = match state.session_mut(incoming.session) {
            Some(session) => {
                session.request_ids.remove(&id.0);
                Some(&session.outbox)
            }
            None => find_substitute_session(&state.sessions, id).map(|session| &session.outbox),
        };
        if planted!(AnsweredTwice) {
            outbox.map(|outbox| outbox.put_reply(id, reply, after, amount));
        }
        if !outbox.is_some_and(|outbox| outbox.put_reply(id, reply, after, amount)) {
            state.count_dropped_answer(after, amount);
        }
    }
}
