//! The last steps of a Prepare: its price, its time, and its way into the next hop's outbox.

use super::account::{Session, State, session_for_requests};
use super::core::Turn;
use super::prepare::Asker;
use super::refusal::Refusal;
use super::snapshot::{Entry, TooLittle};
use crate::account::{Converted, Ledger, Limits};
use crate::link::{Origin, Pending, Room};
use crate::wire::btp::FrameKind;
use crate::wire::ilp::{Packet, Prepare};
use crate::wire::{Amount, Timestamp};

/// What this hop changes of a Prepare; everything else passes byte for byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outgoing {
    pub(super) amount: Amount,
    pub(super) expires_at: Timestamp,
}

impl Turn<'_> {
    /// The amount in the next hop's asset and scale, rounded down.
    pub(super) fn price(
        &self,
        from: &Entry,
        to: &Entry,
        amount: Amount,
    ) -> Result<Amount, Refusal> {
        let conversion = self.snapshot.conversion(from, to).ok_or_else(|| Refusal::NoRate {
            from: from.settings.asset.to_string(),
            to: to.settings.asset.to_string(),
        })?;
        match conversion.convert(amount) {
            Converted::Amount(amount) => Ok(amount),
            Converted::RoundedToZero => Err(Refusal::RoundedToZero),
            Converted::TooLarge { maximum } => {
                Err(Refusal::ConvertedTooLarge { received: amount, maximum })
            }
        }
    }

    /// The expiry at the next hop: earlier by what this hop needs to pass the answer back.
    pub(super) fn outgoing_expiry(&self, prepare: &Prepare<'_>) -> Result<Timestamp, Refusal> {
        let expiry = self.snapshot.outgoing_expiry(prepare.expires_at, self.now.wall);
        expiry.map_err(|TooLittle { left_ms, needed_ms }| Refusal::TooLittleTime {
            left_ms,
            needed_ms,
        })
    }

    /// Reserves on the outgoing account, remembers, and appends to the outbox, under one lock: a session that is lost
    /// meanwhile either has the packet in its outbox or never gets it.
    pub(super) fn forward(
        &self,
        to: &Entry,
        asker: &Asker,
        prepare: &Prepare<'_>,
        outgoing: Outgoing,
    ) -> Result<(), Refusal> {
        let origin = Origin::Peer {
            account: asker.account,
            session: asker.session,
            request_id: asker.request_id,
            weight: asker.weight,
        };
        self.send(to, origin, prepare, outgoing).map_err(|(refusal, _)| refusal)
    }

    /// As [`Turn::forward`], for whoever asks. A Prepare that cannot be sent gives its origin back.
    pub(super) fn send(
        &self,
        to: &Entry,
        origin: Origin,
        prepare: &Prepare<'_>,
        outgoing: Outgoing,
    ) -> Result<(), (Refusal, Origin)> {
        let time_left_ms = outgoing.expires_at.millis_since(self.now.wall);
        if time_left_ms == 0 {
            let late_ms = self.now.wall.millis_since(outgoing.expires_at);
            return Err((Refusal::Expired { late_ms }, origin));
        }
        let mut guard = to.account.lock();
        let state = &mut *guard;
        // Borrowed apart from each other: the room in the outbox stays locked while the rest changes.
        let State { sessions, pending, ledger, limits, stats, .. } = state;
        let room =
            match reserve_towards(to, sessions, pending.len(), ledger, limits, outgoing.amount) {
                Ok(room) => room,
                Err(refusal) => return Err((refusal, origin)),
            };
        let deadline = self.now.mono.after_ms(time_left_ms);
        let asked = origin.asked();
        let request_id = pending.insert(Pending {
            origin,
            incoming_amount: prepare.amount,
            outgoing_amount: outgoing.amount,
            condition: prepare.condition,
            deadline,
            sent_at: self.now.mono,
        });
        stats.sent.prepares += 1;
        let packet = Packet::Prepare(Prepare {
            amount: outgoing.amount,
            expires_at: outgoing.expires_at,
            ..*prepare
        });
        room.put_packet(FrameKind::Message, request_id, &packet);
        drop(guard);
        self.connector.expect_deadline(deadline);
        self.log_forwarded(asked, to, prepare, outgoing, request_id);
        Ok(())
    }
}

/// A session with room, a place among the packets in flight, and the amount held: or nothing at all.
fn reserve_towards<'s>(
    to: &Entry,
    sessions: &'s [Session],
    in_flight: usize,
    ledger: &mut Ledger,
    limits: &Limits,
    amount: Amount,
) -> Result<Room<'s>, Refusal> {
    let id = || to.account.id().clone();
    let limit = limits.max_packets_in_flight;
    if in_flight >= limit {
        return Err(Refusal::TooManyTowards { next_hop: id(), limit });
    }
    let session = session_for_requests(sessions).ok_or_else(|| Refusal::NotConnected(id()))?;
    let room = session.outbox.room().ok_or_else(|| Refusal::NextHopBusy(id()))?;
    let held = ledger.hold_out(amount, limits.min_balance);
    held.map_err(|_| Refusal::UnderMinBalance(id()))?;
    Ok(room)
}
