//! Packets to a receiver inside this node: what a next hop would answer later is decided, and paid out, at once.
//!
//! The two accounts meet as in forwarding: the asker's holds the amount before the receiver is asked, and both change
//! only when it takes the money. So a node's balances add up to zero, its receivers' included.

use super::core::Batch;
use super::packet_log::PacketEvent;
use super::prepare::Requester;
use super::refusal::Refusal;
use super::snapshot::AccountEntry;
use crate::stream::{AcceptedPacket, DeclinedPacket, ReceivedPacket, Receiver};
use crate::wire::Amount;
use crate::wire::ilp::{Fulfill, Prepare, Reject, Reply, clip_message};

/// Where a packet has arrived.
#[derive(Clone, Copy)]
pub(super) struct Delivery<'e> {
    pub(super) to: &'e AccountEntry,
    pub(super) receiver: &'e Receiver,
    /// In the receiver's units.
    pub(super) amount: Amount,
}

impl Batch<'_> {
    /// Delivers a packet whose amount is held on the asker's account, and answers it. The receiver's limits come first:
    /// what they keep out costs no cryptography, and a sender learns them from test packets too.
    pub(super) fn deliver_to_receiver(
        &self,
        delivery: Delivery<'_>,
        asker: &Requester,
        prepare: &Prepare<'_>,
    ) -> Result<(), Refusal> {
        let Delivery { to, receiver, amount } = delivery;
        if let Some(maximum) = to.settings.limits.max_packet_amount
            && amount > maximum
        {
            return Err(Refusal::AmountTooLarge { received: amount, maximum });
        }
        let asset = &to.settings.asset;
        let incoming = ReceivedPacket {
            token: self.receiver_token(to, prepare),
            amount,
            condition: prepare.condition,
            data: prepare.data,
            asset_code: &asset.code,
            asset_scale: asset.scale,
        };
        match receiver.receive(&incoming) {
            Ok(accepted) => self.pay_receiver(delivery, asker, prepare, &accepted),
            Err(declined) => {
                self.reject_declined(to, asker, prepare, &declined);
                Ok(())
            }
        }
    }

    /// What follows the receiver's address in the destination; nothing at that address itself.
    fn receiver_token<'p>(&self, to: &AccountEntry, prepare: &Prepare<'p>) -> &'p str {
        let below = self.snapshot.address.as_ref().and_then(|own| {
            prepare.destination.below(own.view())?.strip_prefix(to.settings.address_segment())
        });
        below.and_then(|rest| rest.strip_prefix('.')).unwrap_or_default()
    }

    fn pay_receiver(
        &self,
        Delivery { to, amount, .. }: Delivery<'_>,
        asker: &Requester,
        prepare: &Prepare<'_>,
        accepted: &AcceptedPacket,
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
            state.stats.count_delivered(&reply);
        }
        self.answer_requester(asker, &reply);
        self.book_conversion(asker.account, asker.held, to.account.slot(), amount);
        self.log_delivered(asker, to, prepare, || PacketEvent::Received {
            destination: prepare.destination.as_str().into(),
            incoming_amount: prepare.amount,
            received_amount: amount,
        });
        Ok(())
    }

    fn reject_declined(
        &self,
        to: &AccountEntry,
        asker: &Requester,
        prepare: &Prepare<'_>,
        declined: &DeclinedPacket,
    ) {
        let (code, message) = (declined.reason.code(), declined.reason.to_string());
        let reply = Reply::Reject(Reject {
            code,
            triggered_by: Some(self.snapshot.triggered_by.view()),
            message: clip_message(&message),
            data: &declined.data,
        });
        to.account.lock().stats.count_delivered(&reply);
        self.answer_requester(asker, &reply);
        self.log_delivered(asker, to, prepare, || PacketEvent::Rejected {
            code,
            reason: Some(message.into()),
            destination: Some(prepare.destination.as_str().into()),
            incoming_amount: Some(prepare.amount),
            sent_at: self.now.mono,
        });
    }
}
