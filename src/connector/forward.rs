//! The last steps of a Prepare: its price, its time, and its way into the next hop's outbox.

use super::account::{AccountSession, AccountState, sessions_for_requests};
use super::core::Batch;
use super::prepare::Requester;
use super::refusal::Refusal;
use super::shares::{Capacity, NO_ASKER};
use super::snapshot::{AccountEntry, TooLittleTime};
use super::stats::Stats;
use crate::account::Converted;
use crate::link::{
    NoPermit, OutboxPermit, Pending, PendingTable, PermitRequest, RequestOrigin, SessionKind, Slot,
};
use crate::time::MonoTime;
use crate::wire::btp::FrameKind;
use crate::wire::ilp::Prepare;
use crate::wire::{Amount, Timestamp};

/// Requests of the node itself (IL-DCP, routes) that may be in flight to a peer beyond `maxPacketsInFlight`, so that
/// askers that have taken every place do not cut the node off from its neighbour.
const OWN_PLACES: usize = 16;

/// What this hop changes of a Prepare; everything else passes byte for byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutgoingTerms {
    pub(super) amount: Amount,
    pub(super) expires_at: Timestamp,
}

impl Batch<'_> {
    /// The amount in the next hop's asset and scale, rounded down.
    pub(super) fn convert_amount(
        &self,
        from: &AccountEntry,
        to: &AccountEntry,
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
        expiry.map_err(|TooLittleTime { left_ms, needed_ms }| Refusal::TooLittleTime {
            left_ms,
            needed_ms,
        })
    }

    /// Reserves on the outgoing account, remembers, and appends to the outbox, under one lock: a session that is lost
    /// meanwhile either has the packet in its outbox or never gets it.
    pub(super) fn forward_prepare(
        &self,
        to: &AccountEntry,
        asker: &Requester,
        prepare: &Prepare<'_>,
        outgoing: OutgoingTerms,
    ) -> Result<(), Refusal> {
        let origin = RequestOrigin::Peer {
            account: asker.account,
            session: asker.session,
            request_id: asker.request_id,
            weight: asker.weight,
            share: asker.account,
        };
        self.send_prepare(to, origin, prepare, outgoing).map_err(|(refusal, _)| refusal)
    }

    /// As [`Batch::forward_prepare`], for whoever asks. A Prepare that cannot be sent gives its origin back.
    pub(super) fn send_prepare(
        &self,
        to: &AccountEntry,
        mut origin: RequestOrigin,
        prepare: &Prepare<'_>,
        outgoing: OutgoingTerms,
    ) -> Result<(), (Refusal, RequestOrigin)> {
        let time_left_ms = outgoing.expires_at.millis_since(self.now.wall);
        if time_left_ms == 0 {
            let late_ms = self.now.wall.millis_since(outgoing.expires_at);
            return Err((Refusal::Expired { late_ms }, origin));
        }
        let mut guard = to.account.lock();
        let asker = origin.requester().map(|(account, _)| account);
        let request = Request {
            asker,
            amount: outgoing.amount,
            prepare,
            at: self.now.mono,
            wall: self.now.wall,
        };
        let Reserved { room, share, pending, stats } =
            match reserve_outgoing(to, &mut guard, &request) {
                Ok(reserved) => reserved,
                Err(refusal) => return Err((refusal, origin)),
            };
        if let RequestOrigin::Peer { share: of_origin, .. } = &mut origin {
            *of_origin = share;
        }
        let deadline = self.now.mono.after_ms(time_left_ms);
        let asked = origin.requester();
        let request_id = pending.insert(Pending {
            origin,
            incoming_amount: prepare.amount,
            outgoing_amount: outgoing.amount,
            condition: prepare.condition,
            deadline,
            sent_at: self.now.mono,
        });
        stats.sent.prepares += 1;
        let packet =
            Prepare { amount: outgoing.amount, expires_at: outgoing.expires_at, ..*prepare };
        room.put_packet(FrameKind::Message, request_id, &packet);
        drop(guard);
        self.connector.lower_next_deadline(deadline);
        self.log_forwarded(asked, to, prepare, outgoing, request_id);
        Ok(())
    }
}

/// What a Prepare asks of its next hop.
struct Request<'p> {
    /// The account it comes from; `None`: the node itself asks.
    asker: Option<Slot>,
    amount: Amount,
    prepare: &'p Prepare<'p>,
    at: MonoTime,
    wall: Timestamp,
}

/// What it has got, and what is left to write. The room in the outbox stays locked while the rest changes.
struct Reserved<'s> {
    room: OutboxPermit<'s>,
    /// The asker whose share it uses.
    share: Slot,
    pending: &'s mut PendingTable,
    stats: &'s mut Stats,
}

/// A session with room, a place among the packets in flight, and the amount held: or nothing at all.
#[inline]
fn reserve_outgoing<'s>(
    to: &AccountEntry,
    state: &'s mut AccountState,
    request: &Request<'_>,
) -> Result<Reserved<'s>, Refusal> {
    let id = || to.account.id().clone();
    // Borrowed apart from each other.
    let AccountState { sessions, pending, shares, ledger, limits, stats, last_refusal, .. } = state;
    let limit = limits.max_packets_in_flight;
    let index = match request.asker {
        Some(asker) => {
            let capacity = || Capacity::of(limits, ledger);
            let Some(index) = shares.find_share(asker, request.at, limit, capacity) else {
                return Err(if shares.places_used() < limit {
                    Refusal::PlacesKept(id())
                } else {
                    Refusal::TooManyTowards { next_hop: id(), limit }
                });
            };
            Some(index)
        }
        None if pending.len() >= limit.saturating_add(OWN_PLACES) => {
            return Err(Refusal::TooManyTowards { next_hop: id(), limit });
        }
        None => None,
    };
    let asking = PermitRequest {
        requester: request.asker,
        requesters: shares.askers(),
        prepare: request.prepare,
    };
    let room = find_permit(sessions, &asking).map_err(|no| match no {
        None => Refusal::NotConnected(id()),
        Some(NoPermit::Full) => Refusal::NextHopBusy(id()),
        Some(NoPermit::Kept) => Refusal::RoomKept(id()),
    })?;
    if let (Some(index), Some(min_balance)) = (index, limits.min_balance) {
        let left = ledger.credit_left(min_balance);
        if left >= request.amount.0.into() && !shares.has_credit(index, request.amount, left) {
            return Err(Refusal::CreditKept(id()));
        }
    }
    let held = ledger.hold_out(request.amount, limits.min_balance);
    held.map_err(|over| {
        *last_refusal = Some((request.wall, over));
        Refusal::UnderMinBalance { next_hop: id(), over }
    })?;
    let share = index.map_or(NO_ASKER, |index| shares.take_share(index, request.amount));
    Ok(Reserved { room, share, pending, stats })
}

/// Room in the first session that has it. Otherwise what the first one says, if there is one.
fn find_permit<'s>(
    sessions: &'s [AccountSession],
    asking: &PermitRequest<'_>,
) -> Result<OutboxPermit<'s>, Option<NoPermit>> {
    if let [only] = sessions
        && only.kind != SessionKind::Posted
    {
        return only.outbox.request_permit(asking).map_err(Some);
    }
    let mut why = None;
    for session in sessions_for_requests(sessions) {
        match session.outbox.request_permit(asking) {
            Ok(room) => return Ok(room),
            Err(no) => why = why.or(Some(no)),
        }
    }
    Err(why)
}
