//! Delivers packets to a receiver inside this node, which fulfills or rejects them at once.
//!
//! The two accounts change as in forwarding: the requester's account holds the amount before the receiver decides, and
//! both balances change only if it accepts. So a node's balances, including its receivers', add up to zero.

use super::batch::{Batch, IncomingRequest};
use super::packet_log::PacketEvent;
use super::refusal::{AmountLimit, Refusal};
use super::snapshot::AccountEntry;
use crate::link::CutNumber;
use crate::stream::{
    AcceptedPacket, DeclinedPacket, ReceivedPacket, Receiver, short_connection_id,
};
use crate::wire::Amount;
use crate::wire::ilp::{Fulfill, Prepare, Reject, Reply, clip_message};

/// The receiver that a packet has reached.
#[derive(Clone, Copy)]
pub(super) struct Delivery<'e> {
    pub(super) to: &'e AccountEntry,
    pub(super) receiver: &'e Receiver,
    /// In the receiver's units.
    pub(super) amount: Amount,
}

impl Batch<'_> {
    /// Delivers a packet whose amount is held on the requester's account, and answers it. The receiver's limits come
    /// first: packets above them cost no cryptography, and a sender learns them from test packets too.
    pub(super) fn deliver_to_receiver(
        &self,
        delivery: Delivery<'_>,
        incoming: &IncomingRequest,
        prepare: &Prepare<'_>,
    ) -> Result<(), Refusal> {
        let Delivery { to, receiver, amount } = delivery;
        if let Some(maximum) = to.settings.limits.max_packet_amount
            && amount > maximum
        {
            let limit = AmountLimit::Receiver(to.account.id().clone());
            return Err(Refusal::AmountTooLarge { received: amount, maximum, limit });
        }
        let asset = &to.settings.asset;
        let received = ReceivedPacket {
            connection_id: self.connection_id(to, prepare),
            amount,
            condition: prepare.condition,
            data: prepare.data,
            asset_code: &asset.code,
            asset_scale: asset.scale,
        };
        match receiver.receive(&received) {
            Ok(accepted) => self.pay_receiver(delivery, incoming, prepare, (&received, &accepted)),
            Err(declined) => {
                self.reject_declined(to, incoming, prepare, &declined);
                Ok(())
            }
        }
    }

    /// The part of the destination after the receiver's address; empty if nothing follows.
    fn connection_id<'p>(&self, to: &AccountEntry, prepare: &Prepare<'p>) -> &'p str {
        let below = self.snapshot.address.as_ref().and_then(|own| {
            prepare.destination.below(own.view())?.strip_prefix(to.settings.address_segment())
        });
        below.and_then(|rest| rest.strip_prefix('.')).unwrap_or_default()
    }

    fn pay_receiver(
        &self,
        Delivery { to, amount, .. }: Delivery<'_>,
        incoming: &IncomingRequest,
        prepare: &Prepare<'_>,
        (received, accepted): (&ReceivedPacket<'_>, &AcceptedPacket),
    ) -> Result<(), Refusal> {
        let fulfill = Fulfill { fulfillment: accepted.fulfillment, data: &accepted.data };
        let reply = Reply::Fulfill(fulfill);
        {
            let mut state = to.account.lock();
            let min_balance = state.limits.min_balance;
            let held = state.ledger.hold_out(amount, min_balance);
            held.map_err(|over| {
                state.last_refusal = Some((self.now.wall, over));
                Refusal::ReceiverFull(to.account.id().clone())
            })?;
            state.ledger.commit_out(amount);
            if let Some(paid_by) = &mut state.paid_by {
                paid_by.add(incoming.account, incoming.held, amount);
            }
            state.stats.count_delivered(&reply);
        }
        // In the same batch as the balance, so in the same cut.
        let data = self.note_received(to, received, accepted);
        let reply = match &data {
            None => reply,
            Some(data) => Reply::Fulfill(Fulfill { fulfillment: accepted.fulfillment, data }),
        };
        self.answer_requester(incoming, &reply);
        self.book_conversion(incoming.account, incoming.held, to.account.slot(), amount);
        self.record_local_answer(incoming, Some(to), prepare, || PacketEvent::Received {
            destination: prepare.destination.as_str().into(),
            incoming_amount: prepare.amount,
            received_amount: amount,
        });
        Ok(())
    }

    /// Adds a paid packet to the totals of its connection; with receipts, to those of its streams. Returns the reply
    /// with the receipts. Money is on the receiver's account before, so a receipt never says more than was received.
    fn note_received(
        &self,
        to: &AccountEntry,
        received: &ReceivedPacket<'_>,
        accepted: &AcceptedPacket,
    ) -> Option<Vec<u8>> {
        let of = (to.account.id(), &to.settings.asset);
        let (payments, next) = match &self.connector.cuts {
            Some(cuts) => (&cuts.received, cuts.next()),
            None => (&self.connector.receipted, CutNumber::NONE),
        };
        let note = |id: &str, amount| payments.note(of, id, amount, self.now.wall, next);
        let Some(receipts) = &accepted.receipts else {
            // Without a store only receipts need totals.
            if self.connector.cuts.is_some() {
                note(received.connection_id, received.amount);
            }
            return None;
        };
        let connection = short_connection_id(received.connection_id);
        let mut rest = received.amount.0;
        let mut totals = receipts.shares.clone();
        for share in &mut totals {
            rest = rest.saturating_sub(share.amount.0);
            let total = note(&format!("{connection}/{}", share.stream.0), share.amount);
            share.amount = Amount(u64::try_from(total).unwrap_or(u64::MAX));
        }
        note(connection, Amount(rest));
        Some(receipts.encrypt_reply(received, &totals))
    }

    fn reject_declined(
        &self,
        to: &AccountEntry,
        incoming: &IncomingRequest,
        prepare: &Prepare<'_>,
        declined: &DeclinedPacket,
    ) {
        let refusal = Refusal::ReceiverDeclined(declined.reason);
        let message = refusal.to_string();
        let reply = Reply::Reject(Reject {
            code: refusal.code(),
            triggered_by: Some(self.snapshot.triggered_by.view()),
            message: clip_message(&message),
            data: &declined.data,
        });
        to.account.lock().stats.count_delivered(&reply);
        self.answer_requester(incoming, &reply);
        self.record_refused(incoming, Some(prepare), Some(to), &refusal, &reply);
    }
}
