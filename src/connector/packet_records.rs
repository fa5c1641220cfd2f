//! Hands what happens to packets to the packet log, the taps, and the reject lane. While log and taps are off, only the
//! records of Rejects that are kept are made.

use super::account::Account;
use super::batch::{Batch, IncomingRequest, OutgoingTerms};
use super::packet_log::{PacketEvent, PacketRecord};
use super::packet_observers::{OBSERVED_MESSAGE_MAX, ObservedPacket, PacketObservers};
use super::packet_sample::SampleKey;
use super::packet_tap::Sighting;
use super::refusal::Refusal;
use super::reject_lane::{OTHER_CODE, RejectKey};
use super::snapshot::AccountEntry;
use crate::account::AccountId;
use crate::link::{Pending, Slot};
use crate::wire::btp::RequestId;
use crate::wire::ilp::{Prepare, Reject, Reply};
use crate::wire::{AddressRef, Condition};

impl Batch<'_> {
    pub(super) fn record_forwarded(
        &self,
        from: Option<(Slot, RequestId)>,
        to: &AccountEntry,
        prepare: &Prepare<'_>,
        outgoing: OutgoingTerms,
        outgoing_request_id: RequestId,
    ) {
        // The node's own packets go to a peer, and no route leads them.
        let routed = from.map(|_| prepare.destination);
        let sighting = Sighting::Sent(prepare, to.account.slot(), outgoing_request_id);
        self.observe(sighting, (routed, Some(&to.account)), || PacketRecord {
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

    /// A Prepare that this node fulfilled in the same call; `to` is the receiver inside the node, if one got it.
    pub(super) fn record_local_answer(
        &self,
        incoming: &IncomingRequest,
        to: Option<&AccountEntry>,
        prepare: &Prepare<'_>,
        event: impl Fn() -> PacketEvent,
    ) {
        let routed = (to.map(|_| prepare.destination), to.map(|entry| &*entry.account));
        self.observe(Sighting::Answered(prepare), routed, || PacketRecord {
            at: self.now,
            condition: prepare.condition,
            from: self.account_id(incoming.account),
            request_id: Some(incoming.request_id),
            to: to.map(|entry| entry.account.id().clone()),
            event: event(),
        });
    }

    /// A Prepare that this node rejected in the same call; `to` is the receiver inside the node, if one declined it.
    pub(super) fn record_refused(
        &self,
        incoming: &IncomingRequest,
        prepare: Option<&Prepare<'_>>,
        to: Option<&AccountEntry>,
        refusal: &Refusal,
        reply: &Reply<'_>,
    ) {
        let Reply::Reject(reject) = reply else { return };
        let accounts = (incoming.account, to.map_or(Slot::NONE, |entry| entry.account.slot()));
        let condition = prepare.map_or(Condition([0; 32]), |prepare| prepare.condition);
        let account = to.map(|entry| &*entry.account);
        let unreadable = Sighting::Unreadable(incoming.request_id);
        let of = (prepare.map_or(unreadable, Sighting::Answered), account);
        self.observe_reject(of, accounts, Some(refusal), reject, || PacketRecord {
            at: self.now,
            condition,
            from: self.account_id(incoming.account),
            request_id: Some(incoming.request_id),
            to: to.map(|entry| entry.account.id().clone()),
            event: PacketEvent::Rejected {
                code: reject.code,
                reason: Some(refusal.clone()),
                destination: prepare.map(|prepare| prepare.destination.as_str().into()),
                incoming_amount: prepare.map(|prepare| prepare.amount),
                outgoing_amount: None,
                outgoing_request_id: None,
                sent_at: self.now.mono,
            },
        });
    }

    /// The answer to a Prepare that was in flight, with its id at the next hop; `refusal` is set if this node rejected
    /// it.
    #[inline]
    pub(super) fn record_answer(
        &self,
        outgoing: (RequestId, &Pending),
        by: &Account,
        reply: &Reply<'_>,
        refusal: Option<&Refusal>,
    ) {
        let is_wanted = match reply {
            Reply::Fulfill(_) => self.observers_of(&outgoing.1.condition).is_some(),
            // Rejects are counted in any case.
            Reply::Reject(_) => true,
        };
        if is_wanted {
            self.record_known_answer(outgoing, by, reply, refusal);
        }
    }

    #[inline(never)]
    fn record_known_answer(
        &self,
        (outgoing_request_id, pending): (RequestId, &Pending),
        by: &Account,
        reply: &Reply<'_>,
        refusal: Option<&Refusal>,
    ) {
        let from = pending.requested_by.peer_request();
        let sighting = Sighting::Answer(&pending.condition, by.slot(), outgoing_request_id);
        let outgoing_request_id = Some(outgoing_request_id);
        let record = |event| PacketRecord {
            at: self.now,
            condition: pending.condition,
            from: from.and_then(|(account, _)| self.account_id(account)),
            request_id: from.map(|(_, request_id)| request_id),
            to: Some(by.id().clone()),
            event,
        };
        match reply {
            Reply::Fulfill(_) => self.observe(sighting, (None, Some(by)), || {
                record(PacketEvent::Fulfilled {
                    destination: None,
                    incoming_amount: pending.incoming_amount,
                    outgoing_amount: Some(pending.outgoing_amount),
                    outgoing_request_id,
                    sent_at: pending.sent_at,
                })
            }),
            Reply::Reject(reject) => {
                let accounts = (from.map_or(Slot::NONE, |(account, _)| account), by.slot());
                let of = (sighting, Some(by));
                self.observe_reject(of, accounts, refusal, reject, || {
                    record(PacketEvent::Rejected {
                        code: reject.code,
                        reason: refusal.cloned(),
                        destination: None,
                        incoming_amount: Some(pending.incoming_amount),
                        outgoing_amount: Some(pending.outgoing_amount),
                        outgoing_request_id,
                        sent_at: pending.sent_at,
                    })
                });
            }
        }
    }

    /// `routed`: the address whose route the packet took, and the account that it was sent to. The caller holds no lock
    /// of an account.
    #[inline]
    fn observe(
        &self,
        sighting: Sighting<'_>,
        routed: (Option<AddressRef<'_>>, Option<&Account>),
        record: impl Fn() -> PacketRecord,
    ) {
        if let Some(condition) = sighting.condition()
            && let Some(observers) = self.observers_of(condition)
        {
            self.push_records(observers, sighting, routed, record);
        }
    }

    /// The observers, if a packet with this condition may make a record for one of them.
    #[inline]
    fn observers_of(&self, condition: &Condition) -> Option<&PacketObservers> {
        self.observers.as_deref().filter(|observers| observers.may_want(condition))
    }

    /// Not a part of its caller: that is the way of each packet, mostly without observers.
    #[cold]
    fn push_records(
        &self,
        observers: &PacketObservers,
        sighting: Sighting<'_>,
        (routed, to): (Option<AddressRef<'_>>, Option<&Account>),
        record: impl Fn() -> PacketRecord,
    ) {
        if let Some(log) = &observers.log {
            log.push(record());
        }
        let taps = [observers.tap_for(sighting), observers.export_for(sighting)];
        for (tap, key) in taps.into_iter().flatten() {
            tap.push(self.now.mono, sighting, || ObservedPacket {
                record: record(),
                key,
                prefix: routed.and_then(|address| self.matched_prefix(address)),
                balance_after: to.map(balance_of),
                triggered_by: None,
                message: None,
            });
        }
    }

    /// Counts a Reject, and keeps it within the limit for a second. Above it, only one in the sample makes a record.
    fn observe_reject(
        &self,
        (sighting, sent_to): (Sighting<'_>, Option<&Account>),
        (from, to): (Slot, Slot),
        refusal: Option<&Refusal>,
        reject: &Reject<'_>,
        record: impl Fn() -> PacketRecord,
    ) {
        let observed = |key| ObservedPacket {
            record: record(),
            key,
            prefix: None,
            balance_after: sent_to.map(balance_of),
            triggered_by: reject.triggered_by.map(|address| address.as_str().into()),
            message: Some(clip_observed(reject.message).into()),
        };
        let code = reject.code.known().unwrap_or(OTHER_CODE);
        let key = RejectKey { kind: refusal.map(Refusal::kind), code, from, to };
        let rejects = &self.connector.rejects;
        let is_kept = rejects.count(self.now, key, refusal);
        let observers = self.observers.as_ref();
        // Also for a kept one: the tap waits for the answers of some packets, and the record names the key.
        let tapped = observers.and_then(|observers| observers.tap_for(sighting));
        if is_kept {
            rejects.keep(observed(tapped.map_or(SampleKey::NONE, |(_, key)| key)));
        }
        if let Some(log) = observers.and_then(|observers| observers.log.as_ref()) {
            log.push(record());
        }
        if let Some((tap, key)) = tapped
            && !is_kept
        {
            tap.push(self.now.mono, sighting, || observed(key));
        }
        // That one has no lane of Rejects.
        if let Some((tap, key)) = observers.and_then(|one| one.export_for(sighting)) {
            tap.push(self.now.mono, sighting, || observed(key));
        }
    }

    fn account_id(&self, account: Slot) -> Option<AccountId> {
        self.snapshot.entry(account).map(|entry| entry.account.id().clone())
    }

    /// Looked up again only for a record, so that the packet path need not keep it.
    fn matched_prefix(&self, address: AddressRef<'_>) -> Option<Box<str>> {
        let found = self.snapshot.table.lookup_for_report(address)?;
        address.as_str().get(..found.prefix_len).map(Into::into)
    }
}

fn clip_observed(message: &[u8]) -> &[u8] {
    message.get(..OBSERVED_MESSAGE_MAX).unwrap_or(message)
}

fn balance_of(account: &Account) -> i128 {
    account.lock().ledger.balance()
}
