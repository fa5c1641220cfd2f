//! The last steps of a Prepare: its price, its expiry, and its way into the next hop's outbox.

use super::account::{AccountSession, AccountState, sessions_for_requests};
use super::asset_table::PriceDetail;
use super::batch::{Batch, IncomingRequest, OutgoingTerms};
use super::fair_shares::Capacity;
use super::refusal::{NextHopFailure, Refusal};
use super::snapshot::{AccountEntry, TooLittleTime};
use super::stats::Stats;
use crate::account::Converted;
use crate::link::{
    NoPermit, OutboxPermit, Pending, PendingTable, PermitRequest, RequestedBy, Requester,
    SessionKind, Slot,
};
use crate::rates::RateGap;
use crate::time::MonoTime;
use crate::wire::ilp::Prepare;
use crate::wire::{Amount, Timestamp};

/// How many requests between two neighbours (IL-DCP, routes) may be in flight beyond `maxPacketsInFlight`, on either
/// side, so that other accounts cannot cut the nodes off from each other.
pub(super) const OWN_REQUESTS_MAX: usize = 16;

impl Batch<'_> {
    /// The amount in the next hop's asset and scale.
    ///
    /// RFC 34 "Amounts", RFC 27 "ILP Packet Lifecycle": the amount is converted to the scale of the outgoing account
    /// and rounded down. [row 48]
    pub(super) fn convert_amount(
        &self,
        from: &AccountEntry,
        to: &AccountEntry,
        amount: Amount,
    ) -> Result<Amount, Refusal> {
        let conversion = self.snapshot.conversion(from, to);
        let conversion = conversion.ok_or_else(|| self.no_rate(from, to))?;
        match conversion.convert(amount) {
            Converted::Amount(amount) => Ok(amount),
            // RFC 27 "R__ - Relative Error": an amount that becomes zero is rejected with R01. [row 49]
            Converted::RoundedToZero => Err(Refusal::RoundedToZero),
            // An amount above 2^64 - 1 after its conversion is rejected with F08. [row 51]
            Converted::TooLarge { maximum } => {
                Err(Refusal::ConvertedTooLarge { received: amount, maximum })
            }
        }
    }

    /// Why amounts cannot be converted.
    #[cold]
    fn no_rate(&self, from: &AccountEntry, to: &AccountEntry) -> Refusal {
        let detail = self.snapshot.price_detail(from, to);
        let (from, to) = (from.settings.asset.to_string(), to.settings.asset.to_string());
        match detail {
            Some(PriceDetail::Gap(RateGap::Stale { as_of, max_age, .. })) => Refusal::RateStale {
                from,
                to,
                age_s: self.now.wall.millis_since(*as_of) / 1_000,
                max_age_s: max_age.as_secs(),
            },
            Some(PriceDetail::Gap(RateGap::Jumped { asset, as_of, .. })) => {
                let age_s = self.now.wall.millis_since(*as_of) / 1_000;
                Refusal::RateJumped { from, to, asset: asset.to_string(), age_s }
            }
            Some(PriceDetail::Price { .. }) | None => Refusal::NoRate { from, to },
        }
    }

    /// The expiry at the next hop.
    pub(super) fn outgoing_expiry(&self, prepare: &Prepare<'_>) -> Result<Timestamp, Refusal> {
        let expiry = self.snapshot.outgoing_expiry(prepare.expires_at, self.now.wall);
        expiry.map_err(|TooLittleTime { left_ms, needed_ms }| Refusal::TooLittleTime {
            left_ms,
            needed_ms,
        })
    }

    pub(super) fn forward_prepare(
        &self,
        to: &AccountEntry,
        incoming: &IncomingRequest,
        prepare: &Prepare<'_>,
        outgoing: OutgoingTerms,
    ) -> Result<(), Refusal> {
        let requested_by = RequestedBy::Peer {
            account: incoming.account,
            session: incoming.session,
            request_id: incoming.request_id,
            weight: incoming.weight,
            share: incoming.account,
        };
        self.send_prepare(to, requested_by, prepare, outgoing).map_err(|(refusal, _)| refusal)
    }

    /// Holds the amount on the outgoing account, adds the Prepare to the pending table, and puts it into the outbox,
    /// all under one lock: a session that is lost at the same time has the packet in its outbox or never gets it. A
    /// Prepare that cannot be sent returns `requested_by`.
    pub(super) fn send_prepare(
        &self,
        to: &AccountEntry,
        mut requested_by: RequestedBy,
        prepare: &Prepare<'_>,
        outgoing: OutgoingTerms,
    ) -> Result<(), (Refusal, RequestedBy)> {
        let time_left_ms = outgoing.expires_at.millis_since(self.now.wall);
        if time_left_ms == 0 {
            let late_ms = self.now.wall.millis_since(outgoing.expires_at);
            return Err((Refusal::Expired { late_ms }, requested_by));
        }
        let mut state = to.account.lock();
        let from = requested_by.peer_request();
        let request = OutgoingRequest {
            requester: from.map(|(account, _)| account),
            amount: outgoing.amount,
            prepare,
            mono: self.now.mono,
            wall: self.now.wall,
        };
        let OutgoingReservation { permit, share, pending, stats } =
            match reserve_outgoing(&mut state, &request) {
                Ok(reserved) => reserved,
                Err(failure) => return Err((failure.refusal_at(to.account.id()), requested_by)),
            };
        if let RequestedBy::Peer { share: used, .. } = &mut requested_by {
            *used = share;
        }
        let late_ms = if planted!(DeadlineLate) { 5_000 } else { 0 };
        let deadline = self.now.mono.after_ms(time_left_ms.saturating_add(late_ms));
        let request_id = pending.insert(Pending {
            requested_by,
            incoming_amount: prepare.amount,
            outgoing_amount: outgoing.amount,
            condition: prepare.condition,
            deadline,
            sent_at: self.now.mono,
        });
        stats.sent.prepares += 1;
        let OutgoingTerms { amount, expires_at } = outgoing;
        permit.put_prepare(
            request_id,
            &Prepare { amount, expires_at, ..*prepare },
            self.cut_before(amount),
        );
        drop(state);
        self.connector.lower_next_deadline(deadline);
        self.record_forwarded(from, to, prepare, outgoing, request_id);
        Ok(())
    }
}

/// A Prepare that needs capacity of its next hop.
struct OutgoingRequest<'p> {
    /// The account that it comes from; `None`: the node itself.
    requester: Requester,
    amount: Amount,
    prepare: &'p Prepare<'p>,
    mono: MonoTime,
    wall: Timestamp,
}

/// A successful reservation: what is needed to send the Prepare. The outbox stays locked as long as this exists.
struct OutgoingReservation<'s> {
    permit: OutboxPermit<'s>,
    /// The requester whose share is used.
    share: Slot,
    pending: &'s mut PendingTable,
    stats: &'s mut Stats,
}

/// Reserves one of the packets in flight, space in an outbox, and the amount; or nothing at all.
#[inline]
fn reserve_outgoing<'s>(
    state: &'s mut AccountState,
    request: &OutgoingRequest<'_>,
) -> Result<OutgoingReservation<'s>, NextHopFailure> {
    let AccountState { sessions, pending, shares, ledger, limits, stats, last_refusal, .. } = state;
    let limit = limits.max_packets_in_flight;
    let index = match request.requester {
        Some(requester) => {
            let capacity = || Capacity::new(limits, ledger);
            let Some(index) = shares.find_share(requester, request.mono, limit, capacity) else {
                return Err(if shares.in_flight_total() < limit {
                    NextHopFailure::InFlightReserved
                } else {
                    NextHopFailure::TooManyInFlight { limit }
                });
            };
            Some(index)
        }
        None if pending.len() >= limit.saturating_add(OWN_REQUESTS_MAX) => {
            return Err(NextHopFailure::TooManyInFlight { limit });
        }
        None => None,
    };
    let permit = find_permit(
        sessions,
        &PermitRequest {
            requester: request.requester,
            requesters: shares.requesters(),
            prepare: request.prepare,
        },
    )?;
    if let (Some(index), Some(min_balance)) = (index, limits.min_balance) {
        let left = ledger.credit_left(min_balance);
        if left >= request.amount.0.into() && !shares.has_credit(index, request.amount, left) {
            return Err(NextHopFailure::CreditReserved);
        }
    }
    ledger.hold_out(request.amount, limits.min_balance).map_err(|over| {
        *last_refusal = Some((request.wall, over));
        NextHopFailure::UnderMinBalance(over)
    })?;
    let share = index.map_or(Slot::NONE, |index| shares.take_share(index, request.amount));
    Ok(OutgoingReservation { permit, share, pending, stats })
}

/// A permit of the first session that gives one; otherwise the reason of the first session.
fn find_permit<'s>(
    sessions: &'s [AccountSession],
    request: &PermitRequest<'_>,
) -> Result<OutboxPermit<'s>, NextHopFailure> {
    let failure = |no_permit| match no_permit {
        NoPermit::Full => NextHopFailure::OutboxFull,
        NoPermit::Reserved => NextHopFailure::OutboxReserved,
    };
    if let [only] = sessions
        && only.kind != SessionKind::Posted
    {
        return only.outbox.request_permit(request).map_err(failure);
    }
    let mut first = None;
    for session in sessions_for_requests(sessions) {
        match session.outbox.request_permit(request) {
            Ok(permit) => return Ok(permit),
            Err(no_permit) => first = first.or(Some(no_permit)),
        }
    }
    Err(first.map_or(NextHopFailure::NotConnected, failure))
}
