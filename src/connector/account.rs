//! An account while the process lives: its name and place, and everything about it that packets change.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ahash::RandomState;
use parking_lot::{Mutex, MutexGuard};

use super::shares::Shares;
use super::stats::Stats;
use crate::account::{AccountId, Ledger, Limits, OverLimit, RateLimiter};
use crate::link::{
    LoginMark, Outbox, Pending, PendingTable, RequestOrigin, SessionId, SessionKind, Slot,
};
use crate::time::MonoTime;
use crate::wire::Timestamp;
use crate::wire::btp::RequestId;

/// One account. Lives as long as the process, even when a reload removes the peer: its balance is kept.
#[derive(Debug)]
pub struct Account {
    id: AccountId,
    slot: Slot,
    /// A session is up that takes requests. Kept beside the lock, so that choosing a next hop takes none.
    connected: AtomicBool,
    /// Rule of the house: never two of these locks at once.
    state: Mutex<AccountState>,
}

/// What packets change, under the account's lock.
#[derive(Debug)]
pub(super) struct AccountState {
    pub(super) limits: Limits,
    pub(super) ledger: Ledger,
    pub(super) rate_limiter: RateLimiter,
    /// Prepares from this peer without an answer, weighted (an echo counts twice).
    pub(super) in_flight: usize,
    /// Prepares to this peer without an answer.
    pub(super) pending: PendingTable,
    /// Who holds how much of what this peer has as a next hop.
    pub(super) shares: Shares,
    /// In the order in which they began.
    pub(super) sessions: Vec<AccountSession>,
    pub(super) next_session: u64,
    /// Prepares to this peer whose time ran out: so many answers may still come late, through no fault of the peer.
    pub(super) late_answers_due: u64,
    pub(super) stats: Stats,
    /// The last packet that a limit of the balance kept out, and when: a figure that only the operator is told.
    pub(super) last_refusal: Option<(Timestamp, OverLimit)>,
}

/// One authenticated session.
#[derive(Debug)]
pub(super) struct AccountSession {
    pub(super) id: SessionId,
    pub(super) kind: SessionKind,
    /// The token that it logged in with; `None`: it does not depend on one of the account's tokens.
    pub(super) login: Option<LoginMark>,
    pub(super) outbox: Arc<Outbox>,
    /// Ids that the peer has in flight on this session: an answer that lost its own session must not take one of them.
    pub(super) request_ids: HashSet<u32, RandomState>,
}

impl Account {
    pub(super) fn new(
        id: AccountId,
        slot: Slot,
        limits: Limits,
        first_request_id: RequestId,
    ) -> Account {
        let state = AccountState {
            limits,
            ledger: Ledger::default(),
            rate_limiter: RateLimiter::default(),
            in_flight: 0,
            pending: PendingTable::new(first_request_id),
            shares: Shares::default(),
            sessions: Vec::new(),
            next_session: 0,
            late_answers_due: 0,
            stats: Stats::default(),
            last_refusal: None,
        };
        Account { id, slot, connected: AtomicBool::new(false), state: Mutex::new(state) }
    }

    /// The account's name.
    pub fn id(&self) -> &AccountId {
        &self.id
    }

    /// Its place in the connector's snapshots.
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// Whether a session is up that takes requests.
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// The next id of the account's one counter, for a request that is no Prepare (authentication).
    pub fn next_request_id(&self) -> RequestId {
        self.lock().pending.next_id()
    }

    /// Whether nothing from or to this peer waits for an answer.
    pub fn is_idle(&self) -> bool {
        let state = self.lock();
        state.in_flight == 0 && state.pending.count_payments() == 0
    }

    /// How long the answer to the Prepare of this id may still take; `None`: it is not waited for any more.
    pub fn time_left(&self, id: RequestId, now: MonoTime) -> Option<Duration> {
        let deadline = self.lock().pending.deadline(id)?;
        Some(deadline.since(now)).filter(|left| !left.is_zero())
    }

    /// How many bytes may wait in one of this account's outboxes.
    pub fn outbox_bytes_max(&self) -> usize {
        self.lock().limits.outbox_bytes_max
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, AccountState> {
        self.state.lock()
    }

    pub(super) fn update_connected(&self, state: &AccountState) {
        let connected = sessions_for_requests(&state.sessions).next().is_some();
        self.connected.store(connected, Ordering::Relaxed);
    }
}

/// The sessions that requests go out on: the dialled one while it is up (D5); otherwise the accepted ones, the newest
/// first.
pub(super) fn sessions_for_requests(
    sessions: &[AccountSession],
) -> impl Iterator<Item = &AccountSession> {
    let dialled = sessions.iter().any(|session| session.kind == SessionKind::Dialled);
    let side = if dialled { SessionKind::Dialled } else { SessionKind::Accepted };
    sessions.iter().rev().filter(move |session| session.kind == side)
}

/// A session for an answer that has lost its own: the newest that speaks BTP and where the id is not in flight.
pub(super) fn session_for_orphan(
    sessions: &[AccountSession],
    id: RequestId,
) -> Option<&AccountSession> {
    let mut newest_first = sessions.iter().rev();
    newest_first.find(|session| !session.outbox.is_bare() && !session.request_ids.contains(&id.0))
}

impl AccountState {
    /// The limits in force from now on.
    pub(super) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.shares.schedule_review();
    }

    /// The peer fulfilled a Prepare of ours: what was held becomes our debt.
    pub(super) fn commit_out(&mut self, pending: &Pending) {
        self.ledger.commit_out(pending.outgoing_amount);
        self.release_share(pending, true);
    }

    /// A Prepare to the peer ends without a fulfillment: what was held goes.
    pub(super) fn release_out(&mut self, pending: &Pending) {
        self.ledger.release_out(pending.outgoing_amount);
        self.release_share(pending, false);
    }

    /// Takes out the oldest session of a side, if that has `most` of them or more.
    pub(super) fn take_oldest(&mut self, side: SessionKind, most: usize) -> Option<AccountSession> {
        let of_side = |session: &&AccountSession| session.kind == side;
        if self.sessions.iter().filter(of_side).count() < most {
            return None;
        }
        let oldest = self.sessions.iter().position(|session| of_side(&session))?;
        Some(self.sessions.remove(oldest))
    }

    /// The accepted sessions beyond the number that the limits allow: the oldest.
    pub(super) fn sessions_beyond_limit(&self) -> impl Iterator<Item = &AccountSession> {
        let accepted =
            || self.sessions.iter().filter(|session| session.kind == SessionKind::Accepted);
        accepted().take(accepted().count().saturating_sub(self.limits.max_sessions))
    }

    fn release_share(&mut self, pending: &Pending, spent: bool) {
        if let RequestOrigin::Peer { share, .. } = pending.origin {
            self.shares.release_share(share, pending.outgoing_amount, spent);
        }
    }

    pub(super) fn session(&mut self, id: SessionId) -> Option<&mut AccountSession> {
        self.sessions.iter_mut().find(|session| session.id == id)
    }
}
