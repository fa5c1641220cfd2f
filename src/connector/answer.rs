//! The answer's way back: checked, accounted for on both accounts, and put where the question came from.

use super::account::{Account, AccountState, session_for_orphan};
use super::core::Batch;
use super::forward::OutgoingTerms;
use super::packet_log::{PacketEvent, PacketRecord};
use super::prepare::Requester;
use super::refusal::Refusal;
use super::snapshot::AccountEntry;
use crate::link::{Outcome, Pending, Rejection, RequestOrigin, Slot, TakenPending};
use crate::wire::Condition;
use crate::wire::btp::{FrameKind, RequestId};
use crate::wire::ilp::{Prepare, Reject, Reply, clip_message};

/// What a peer answered to one of our Prepares.
#[derive(Clone, Copy, Debug)]
pub enum PeerAnswer<'a> {
    /// A RESPONSE with these bytes as its `ilp` entry.
    Packet(&'a [u8]),
    /// A RESPONSE without an `ilp` entry.
    Nothing,
    /// A BTP ERROR; an answer of HTTP that says the server failed.
    Error,
    /// The packet cannot have arrived, or its answer cannot arrive any more: the connection failed, or the peer serves
    /// no packets of ours.
    Unreachable,
    /// It was not sent: its time was up before its turn came.
    Expired,
    /// The peer takes no packet at the moment.
    Busy,
    /// The peer does not take this packet, whenever it is sent.
    NotTaken,
}

impl Batch<'_> {
    /// A peer's answer to the request `request_id`, taken from whichever of its sessions it came on. `false`: nobody
    /// waits for it (any more).
    pub fn handle_answer(
        &self,
        from: &Account,
        request_id: RequestId,
        answer: PeerAnswer<'_>,
    ) -> bool {
        let reply = match answer {
            PeerAnswer::Packet(bytes) => Reply::parse(bytes).map_err(|_| Refusal::BadAnswer as Why),
            PeerAnswer::Nothing => Err(Refusal::BadAnswer as Why),
            PeerAnswer::Error => Err(Refusal::LinkError as Why),
            PeerAnswer::Unreachable => Err(Refusal::Unreachable as Why),
            PeerAnswer::Expired => Err(Refusal::TimedOut as Why),
            PeerAnswer::Busy => Err(Refusal::NextHopRefuses as Why),
            PeerAnswer::NotTaken => Err(Refusal::NotTaken as Why),
        };
        let mut state = from.lock();
        let TakenPending::Pending(pending) = state.pending.take(request_id) else {
            state.stats.unexpected_answers += 1;
            return false;
        };
        if let Ok(reply) = &reply {
            state.stats.received.count_reply(reply);
        }
        let checked = self.check_reply(&mut state, &pending, reply);
        drop(state);
        match checked {
            Ok(reply) => self.answer_origin(pending, from, &reply),
            Err(why) => self.reject_origin(pending, from, &why(from.id().clone())),
        }
        true
    }

    /// Is it a valid answer in time? Settles the outgoing account either way.
    fn check_reply<'p>(
        &self,
        state: &mut AccountState,
        pending: &Pending,
        reply: Result<Reply<'p>, Why>,
    ) -> Result<Reply<'p>, Why> {
        // RFC 34: what comes after the expiry does not count, whether or not the sweep was here before.
        if self.now.mono >= pending.deadline {
            state.stats.timeouts += 1;
            state.stats.unexpected_answers += 1;
            state.release_out(pending);
            return Err(Refusal::TimedOut);
        }
        state.stats.count_latency(self.now.mono.micros_since(pending.sent_at));
        match reply {
            Ok(Reply::Fulfill(fulfill)) if fulfill.fulfillment.condition() == pending.condition => {
                state.commit_out(pending);
                Ok(Reply::Fulfill(fulfill))
            }
            other => {
                state.release_out(pending);
                match other {
                    Ok(Reply::Reject(reject)) => Ok(Reply::Reject(reject)),
                    Ok(Reply::Fulfill(_)) => {
                        state.stats.wrong_fulfillments += 1;
                        Err(Refusal::WrongFulfillment)
                    }
                    Err(why) => Err(why),
                }
            }
        }
    }

    /// Passes a valid answer on to whoever asked.
    pub(super) fn answer_origin(&self, pending: Pending, by: &Account, reply: &Reply<'_>) {
        self.log_answer(&pending, by, reply, None);
        match pending.origin {
            RequestOrigin::Peer { account, session, request_id, weight, .. } => {
                let held = pending.incoming_amount;
                let asker = Requester { account, session, request_id, weight, held };
                self.answer_requester(&asker, reply);
                if let Reply::Fulfill(_) = reply {
                    self.book_conversion(account, held, by.slot(), pending.outgoing_amount);
                }
            }
            RequestOrigin::Own(own) => (own.0)(match reply {
                Reply::Fulfill(fulfill) => {
                    self.book_sent(by.slot(), pending.outgoing_amount);
                    Outcome::Fulfilled {
                        fulfillment: fulfill.fulfillment,
                        data: fulfill.data.to_vec(),
                    }
                }
                Reply::Reject(reject) => Outcome::Rejected(Rejection::from(reject)),
            }),
        }
    }

    /// Rejects, in this node's name, a Prepare that was in flight.
    pub(super) fn reject_origin(&self, pending: Pending, by: &Account, refusal: &Refusal) {
        let message = refusal.to_string();
        self.with_reject(refusal, &message, |reply| {
            self.log_answer(&pending, by, reply, Some(&message));
        });
        match pending.origin {
            RequestOrigin::Peer { account, session, request_id, weight, .. } => {
                let held = pending.incoming_amount;
                let asker = Requester { account, session, request_id, weight, held };
                self.with_reject(refusal, &message, |reply| self.answer_requester(&asker, reply));
            }
            RequestOrigin::Own(own) => (own.0)(refusal.outcome()),
        }
    }

    /// Rejects a Prepare that goes no further.
    pub(super) fn reject_prepare(
        &self,
        asker: &Requester,
        prepare: Option<&Prepare<'_>>,
        refusal: &Refusal,
    ) {
        let message = refusal.to_string();
        self.with_reject(refusal, &message, |reply| self.answer_requester(asker, reply));
        self.log_refused(asker, prepare, refusal, &message);
    }

    fn with_reject(&self, refusal: &Refusal, message: &str, then: impl FnOnce(&Reply<'_>)) {
        let data = refusal.data();
        then(&Reply::Reject(Reject {
            code: refusal.code(),
            triggered_by: Some(self.snapshot.triggered_by.view()),
            message: clip_message(message),
            data: data.as_ref().map_or(&[], |data| data.as_slice()),
        }));
    }

    /// Settles the incoming account and puts the answer where the question came from; if that session is gone, on
    /// another one of the account, unless the id is in flight there (D5).
    pub(super) fn answer_requester(&self, asker: &Requester, reply: &Reply<'_>) {
        let Some(entry) = self.snapshot.entry(asker.account) else { return };
        let mut state = entry.account.lock();
        state.in_flight = state.in_flight.saturating_sub(asker.weight.into());
        match reply {
            Reply::Fulfill(_) => state.ledger.commit_in(asker.held),
            Reply::Reject(_) => state.ledger.release_in(asker.held),
        }
        state.stats.sent.count_reply(reply);
        let id = asker.request_id;
        let outbox = match state.session(asker.session) {
            Some(session) => {
                session.request_ids.remove(&id.0);
                Some(&session.outbox)
            }
            None => session_for_orphan(&state.sessions, id).map(|session| &session.outbox),
        };
        let sent = outbox.is_some_and(|o| o.put_packet(FrameKind::Response, id, reply));
        if !sent {
            state.stats.dropped_answers += 1;
        }
    }
}

/// A refusal that names the next hop.
type Why = fn(crate::account::AccountId) -> Refusal;

/// Records for the packet log; nothing is made while it is off.
impl Batch<'_> {
    fn log(&self, record: impl FnOnce() -> PacketRecord) {
        if let Some(log) = self.packet_log.as_ref() {
            log.push(record());
        }
    }

    fn id_of(&self, account: Slot) -> Option<crate::account::AccountId> {
        self.snapshot.entry(account).map(|entry| entry.account.id().clone())
    }

    pub(super) fn log_forwarded(
        &self,
        asked: Option<(Slot, RequestId)>,
        to: &AccountEntry,
        prepare: &Prepare<'_>,
        outgoing: OutgoingTerms,
        outgoing_request_id: RequestId,
    ) {
        self.log(|| PacketRecord {
            at: self.now,
            condition: prepare.condition,
            from: asked.and_then(|(account, _)| self.id_of(account)),
            request_id: asked.map(|(_, request_id)| request_id),
            to: Some(to.account.id().clone()),
            event: PacketEvent::Forwarded {
                destination: prepare.destination.as_str().into(),
                incoming_amount: prepare.amount,
                outgoing_amount: outgoing.amount,
                outgoing_request_id,
                expires_at: outgoing.expires_at,
            },
        });
    }

    pub(super) fn log_answered_here(&self, asker: &Requester, prepare: &Prepare<'_>) {
        self.log(|| PacketRecord {
            at: self.now,
            condition: prepare.condition,
            from: self.id_of(asker.account),
            request_id: Some(asker.request_id),
            to: None,
            event: PacketEvent::Fulfilled {
                destination: Some(prepare.destination.as_str().into()),
                incoming_amount: prepare.amount,
                outgoing_amount: None,
                sent_at: self.now.mono,
            },
        });
    }

    pub(super) fn log_delivered(
        &self,
        asker: &Requester,
        to: &AccountEntry,
        prepare: &Prepare<'_>,
        event: impl FnOnce() -> PacketEvent,
    ) {
        self.log(|| PacketRecord {
            at: self.now,
            condition: prepare.condition,
            from: self.id_of(asker.account),
            request_id: Some(asker.request_id),
            to: Some(to.account.id().clone()),
            event: event(),
        });
    }

    fn log_refused(
        &self,
        asker: &Requester,
        prepare: Option<&Prepare<'_>>,
        refusal: &Refusal,
        message: &str,
    ) {
        self.log(|| PacketRecord {
            at: self.now,
            condition: prepare.map_or(Condition([0; 32]), |prepare| prepare.condition),
            from: self.id_of(asker.account),
            request_id: Some(asker.request_id),
            to: None,
            event: PacketEvent::Rejected {
                code: refusal.code(),
                reason: Some(match refusal.figures() {
                    Some(figures) => format!("{message}: {figures}").into(),
                    None => message.into(),
                }),
                destination: prepare.map(|prepare| prepare.destination.as_str().into()),
                incoming_amount: prepare.map(|prepare| prepare.amount),
                sent_at: self.now.mono,
            },
        });
    }

    fn log_answer(&self, pending: &Pending, by: &Account, reply: &Reply<'_>, reason: Option<&str>) {
        self.log(|| {
            let event = match reply {
                Reply::Reject(reject) => PacketEvent::Rejected {
                    code: reject.code,
                    reason: reason.map(Into::into),
                    destination: None,
                    incoming_amount: Some(pending.incoming_amount),
                    sent_at: pending.sent_at,
                },
                Reply::Fulfill(_) => PacketEvent::Fulfilled {
                    destination: None,
                    incoming_amount: pending.incoming_amount,
                    outgoing_amount: Some(pending.outgoing_amount),
                    sent_at: pending.sent_at,
                },
            };
            let asked = pending.origin.requester();
            PacketRecord {
                at: self.now,
                condition: pending.condition,
                from: asked.and_then(|(account, _)| self.id_of(account)),
                request_id: asked.map(|(_, request_id)| request_id),
                to: Some(by.id().clone()),
                event,
            }
        });
    }
}
