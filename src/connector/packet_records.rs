//! Writes what happens to packets into the packet log. Nothing is built while the log is off.

use super::account::Account;
use super::batch::{Batch, IncomingRequest, OutgoingTerms};
use super::packet_log::{PacketEvent, PacketRecord};
use super::refusal::Refusal;
use super::snapshot::AccountEntry;
use crate::account::AccountId;
use crate::link::{Pending, Slot};
use crate::wire::Condition;
use crate::wire::btp::RequestId;
use crate::wire::ilp::{Prepare, Reply};

impl Batch<'_> {
    fn push_record(&self, record: impl FnOnce() -> PacketRecord) {
        if let Some(log) = self.packet_log.as_ref() {
            log.push(record());
        }
    }

    fn account_id(&self, account: Slot) -> Option<AccountId> {
        self.snapshot.entry(account).map(|entry| entry.account.id().clone())
    }

    pub(super) fn record_forwarded(
        &self,
        from: Option<(Slot, RequestId)>,
        to: &AccountEntry,
        prepare: &Prepare<'_>,
        outgoing: OutgoingTerms,
        outgoing_request_id: RequestId,
    ) {
        self.push_record(|| PacketRecord {
            at: self.now,
            condition: prepare.condition,
            from: from.and_then(|(account, _)| self.account_id(account)),
            request_id: from.map(|(_, request_id)| request_id),
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

    /// A Prepare that this node answered in the same call; `to` is the receiver inside the node, if one got it.
    pub(super) fn record_local_answer(
        &self,
        incoming: &IncomingRequest,
        to: Option<&AccountEntry>,
        condition: Condition,
        event: impl FnOnce() -> PacketEvent,
    ) {
        self.push_record(|| PacketRecord {
            at: self.now,
            condition,
            from: self.account_id(incoming.account),
            request_id: Some(incoming.request_id),
            to: to.map(|entry| entry.account.id().clone()),
            event: event(),
        });
    }

    pub(super) fn record_refused(
        &self,
        incoming: &IncomingRequest,
        prepare: Option<&Prepare<'_>>,
        refusal: &Refusal,
        message: &str,
    ) {
        let condition = prepare.map_or(Condition([0; 32]), |prepare| prepare.condition);
        self.record_local_answer(incoming, None, condition, || PacketEvent::Rejected {
            code: refusal.code(),
            reason: Some(match refusal.figures() {
                Some(figures) => format!("{message}: {figures}").into(),
                None => message.into(),
            }),
            destination: prepare.map(|prepare| prepare.destination.as_str().into()),
            incoming_amount: prepare.map(|prepare| prepare.amount),
            sent_at: self.now.mono,
        });
    }

    /// The answer to a Prepare that was in flight; `reason` is set if this node rejected it.
    pub(super) fn record_answer(
        &self,
        pending: &Pending,
        by: &Account,
        reply: &Reply<'_>,
        reason: Option<&str>,
    ) {
        self.push_record(|| {
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
            let from = pending.requested_by.peer_request();
            PacketRecord {
                at: self.now,
                condition: pending.condition,
                from: from.and_then(|(account, _)| self.account_id(account)),
                request_id: from.map(|(_, request_id)| request_id),
                to: Some(by.id().clone()),
                event,
            }
        });
    }
}
