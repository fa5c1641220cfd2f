//! The state of an account that packets change: ledger, pending table, sessions and counters.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ahash::RandomState;
use parking_lot::{Mutex, MutexGuard};

use super::fair_shares::FairShares;
use super::reconcile::PeerComparison;
use super::requester_sums::RequesterSums;
use super::stats::Stats;
use super::tracked_ledger::TrackedLedger;
use crate::account::{AccountId, Limits, OverLimit, RateLimiter, Unsettled};
use crate::link::{
    CutNumber, Outbox, Pending, PendingTable, RequestedBy, SessionId, SessionKind, Slot,
    TokenFingerprint,
};
use crate::time::MonoTime;
use crate::wire::btp::RequestId;
use crate::wire::{Amount, Timestamp};

/// One account. It lives as long as the process, even if a reload removes the peer: its balance must not be lost.
#[derive(Debug)]
pub struct Account {
    id: AccountId,
    slot: Slot,
    /// Whether a session is up that takes requests. Outside the lock, so that choosing a next hop takes none.
    connected: AtomicBool,
    /// Two of these locks are never held at once.
    state: Mutex<AccountState>,
}

/// What packets change, under the account's lock.
#[derive(Debug)]
pub(super) struct AccountState {
    pub(super) limits: Limits,
    pub(super) ledger: TrackedLedger,
    /// What requesters paid to this peer since the last cut; `None` without a store.
    pub(super) paid_by: Option<RequesterSums>,
    pub(super) rate_limiter: RateLimiter,
    /// Prepares from this peer without an answer, weighted (an echo counts twice).
    pub(super) in_flight: usize,
    /// Prepares to this peer without an answer.
    pub(super) pending: PendingTable,
    /// How much of this peer's capacity as a next hop each requester uses.
    pub(super) shares: FairShares,
    /// The oldest first.
    pub(super) sessions: Vec<AccountSession>,
    pub(super) next_session: u64,
    /// Since when requests to the peer have gone out on the session that they go out on now.
    pub(super) same_session_since: MonoTime,
    /// Prepares to this peer that timed out. As many answers may still arrive late through no fault of the peer.
    pub(super) late_answers_due: u64,
    pub(super) stats: Stats,
    /// What is known of the peer's books.
    pub(super) comparison: PeerComparison,
    /// The amount of Fulfills that no session was left for, since this was last reported; only of those that wait for a
    /// cut. Our balance has it, and the peer has no proof of it.
    pub(super) unproven: u128,
    /// When a balance limit last refused a packet, and by how much it was over. Only the operator sees it.
    pub(super) last_refusal: Option<(Timestamp, OverLimit)>,
}

/// One authenticated session.
#[derive(Debug)]
pub(super) struct AccountSession {
    pub(super) id: SessionId,
    pub(super) kind: SessionKind,
    /// The token that it logged in with; `None`: it depends on no token of the account.
    pub(super) login: Option<TokenFingerprint>,
    pub(super) outbox: Arc<Outbox>,
    /// Ids of the peer's requests in flight on this session. An answer from a lost session must not use one of them.
    pub(super) request_ids: HashSet<u32, RandomState>,
}

impl Account {
    pub(super) fn new(
        id: AccountId,
        slot: Slot,
        limits: Limits,
        ledger: TrackedLedger,
        first_request_id: RequestId,
        comparison: PeerComparison,
    ) -> Self {
        let state = AccountState {
            limits,
            paid_by: ledger.changed().map(|changed| RequesterSums::new(slot, changed)),
            ledger,
            rate_limiter: RateLimiter::default(),
            in_flight: 0,
            pending: PendingTable::new(first_request_id),
            shares: FairShares::default(),
            sessions: Vec::new(),
            next_session: 0,
            same_session_since: MonoTime::default(),
            late_answers_due: 0,
            stats: Stats::default(),
            comparison,
            unproven: 0,
            last_refusal: None,
        };
        Self { id, slot, connected: AtomicBool::new(false), state: Mutex::new(state) }
    }

    /// The account's id.
    pub fn id(&self) -> &AccountId {
        &self.id
    }

    /// Its index in the connector's snapshots.
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// Whether a session is up that takes requests.
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// The next request id of the account, for a request that is not a Prepare (authentication).
    pub fn next_request_id(&self) -> RequestId {
        self.lock().pending.next_id()
    }

    /// Whether no payment from or to this peer is in flight.
    pub fn is_idle(&self) -> bool {
        let state = self.lock();
        state.in_flight == 0 && state.pending.count_payments() == 0
    }

    /// What is in the way of giving the account up: a balance, or an uncertain amount.
    pub fn unsettled(&self) -> Option<Unsettled> {
        self.lock().ledger.unsettled()
    }

    /// The time left for the answer to the Prepare with this id; `None`: the Prepare is not pending any more.
    pub fn time_left(&self, id: RequestId, now: MonoTime) -> Option<Duration> {
        let deadline = self.lock().pending.deadline(id)?;
        Some(deadline.since(now)).filter(|left| !left.is_zero())
    }

    /// `outboxBytesMax`: how many bytes may wait in one outbox.
    pub fn outbox_bytes_max(&self) -> usize {
        self.lock().limits.outbox_bytes_max
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, AccountState> {
        self.state.lock()
    }

    /// Call it when a session has begun or ended.
    pub(super) fn update_connected(&self, state: &mut AccountState, now: MonoTime) {
        let connected = sessions_for_requests(&state.sessions).next().is_some();
        self.connected.store(connected, Ordering::Relaxed);
        state.same_session_since = now;
    }
}

/// The sessions for requests: the dialled one if it is up (D5); otherwise the accepted ones, the newest first.
pub(super) fn sessions_for_requests(
    sessions: &[AccountSession],
) -> impl Iterator<Item = &AccountSession> {
    let dialled = sessions.iter().any(|session| session.kind == SessionKind::Dialled);
    let kind = if dialled { SessionKind::Dialled } else { SessionKind::Accepted };
    sessions.iter().rev().filter(move |session| session.kind == kind)
}

/// A session for an answer whose own session is lost: the newest one of BTP on which the id is not in flight.
pub(super) fn find_substitute_session(
    sessions: &[AccountSession],
    id: RequestId,
) -> Option<&AccountSession> {
    let mut newest_first = sessions.iter().rev();
    newest_first
        .find(|session| !session.outbox.is_unframed() && !session.request_ids.contains(&id.0))
}

impl AccountState {
    /// Whether all Prepares without an answer went out after the last change of sessions.
    pub(super) fn has_pending_on_this_session_only(&self) -> bool {
        !self.pending.has_sent_until(self.same_session_since)
    }

    pub(super) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.shares.schedule_review();
    }

    /// Lets no money pass, until there are new limits. `false`: a balance or packets in flight are in the way, and
    /// nothing has changed.
    pub(super) fn close_if_settled(&mut self) -> bool {
        let is_idle = self.in_flight == 0 && self.pending.count_payments() == 0;
        let is_settled = is_idle && self.ledger.unsettled().is_none();
        if is_settled {
            self.limits.max_packets_in_flight = 0;
            self.limits.min_balance = Some(i128::MAX);
            self.shares.schedule_review();
        }
        is_settled
    }

    /// The peer fulfilled a Prepare of ours: the held amount becomes our debt.
    pub(super) fn commit_out(&mut self, pending: &Pending) {
        let outgoing = pending.outgoing_amount;
        self.ledger.commit_out(outgoing);
        if let Some(paid_by) = &mut self.paid_by {
            match pending.requested_by {
                RequestedBy::Peer { account, .. } => {
                    paid_by.add(account, pending.incoming_amount, outgoing);
                }
                RequestedBy::Own(_) => paid_by.add(Slot::NONE, outgoing, outgoing),
            }
        }
        self.release_share(pending, true);
    }

    /// A Prepare to the peer ended without a fulfillment: the held amount is released.
    pub(super) fn release_out(&mut self, pending: &Pending) {
        self.ledger.release_out(pending.outgoing_amount);
        self.release_share(pending, false);
    }

    /// A Prepare to the peer has ended, and it is not known how: the peer may have fulfilled it.
    pub(super) fn release_unanswered(&mut self, pending: &Pending) {
        self.comparison.count_unanswered(pending.outgoing_amount.0);
        self.release_out(pending);
    }

    /// The answer to a Prepare will not be seen, and the peer may have fulfilled it.
    pub(super) fn make_uncertain(&mut self, pending: &Pending) {
        self.ledger.make_uncertain(pending.outgoing_amount);
        self.release_share(pending, true);
    }

    /// No session is left for an answer: a Fulfill of this amount, or a Reject, which has none.
    pub(super) fn count_dropped_answer(&mut self, after: CutNumber, amount: Amount) {
        self.stats.dropped_answers += 1;
        if after != CutNumber::NONE {
            self.unproven += u128::from(amount.0);
        }
    }

    /// Removes the oldest session of a kind, if there are `max` of them or more.
    pub(super) fn remove_oldest_session(
        &mut self,
        kind: SessionKind,
        max: usize,
    ) -> Option<AccountSession> {
        let is_of_kind = |session: &&AccountSession| session.kind == kind;
        if self.sessions.iter().filter(is_of_kind).count() < max {
            return None;
        }
        let oldest = self.sessions.iter().position(|session| is_of_kind(&session))?;
        Some(self.sessions.remove(oldest))
    }

    /// The oldest accepted sessions, as many as are above the limit.
    pub(super) fn sessions_beyond_limit(&self) -> impl Iterator<Item = &AccountSession> {
        let accepted =
            || self.sessions.iter().filter(|session| session.kind == SessionKind::Accepted);
        accepted().take(accepted().count().saturating_sub(self.limits.max_sessions))
    }

    fn release_share(&mut self, pending: &Pending, spent: bool) {
        if let RequestedBy::Peer { share, .. } = pending.requested_by {
            self.shares.release_share(share, pending.outgoing_amount, spent);
        }
    }

    pub(super) fn session_mut(&mut self, id: SessionId) -> Option<&mut AccountSession> {
        self.sessions.iter_mut().find(|session| session.id == id)
    }
}
