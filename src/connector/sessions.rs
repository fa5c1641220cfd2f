//! Sessions of an account begin and end; the account and its pending table stay (D5).

use std::collections::HashSet;
use std::sync::Arc;

use super::account::{Account, AccountSession, AccountState, find_substitute_session};
use super::batch::{Batch, OutgoingTerms};
use super::core::Connector;
use super::refusal::{NextHopFailure, Refusal};
use crate::account::AccountId;
use crate::link::{
    CloseRequest, Outbox, Outcome, OutcomeCallback, POLICY_VIOLATION, Pending, RequestedBy,
    SessionId, SessionKind, TokenFingerprint, UnsentPackets, UnsentReply,
};
use crate::time::Now;
use crate::wire::btp::RequestId;
use crate::wire::ilp::{Prepare, Reply};

/// Closes a session that a later login of the same account replaces. A dialler that reads
/// them waits before it dials again (D5).
pub const REPLACED: CloseRequest = CloseRequest { code: POLICY_VIOLATION, reason: "replaced" };

impl Connector {
    /// Adds an authenticated session. If the account has as many of this kind as it may have, the oldest is asked to
    /// close. The Prepares that were not yet written to it are rejected; the answers go out on another session. [row
    /// 89]
    pub fn attach_session(
        &self,
        account: &Account,
        kind: SessionKind,
        login: Option<TokenFingerprint>,
        outbox: Arc<Outbox>,
        now: Now,
    ) -> SessionId {
        if let Some(cuts) = &self.cuts {
            outbox.set_durable_cuts(Arc::clone(&cuts.durable));
        }
        let batch = self.start_batch(now);
        let mut state = account.lock();
        let id = SessionId(state.next_session);
        state.next_session += 1;
        let sessions_max =
            if kind == SessionKind::Accepted { state.limits.max_sessions.max(1) } else { 1 };
        let sessions_max = if planted!(SessionsUnlimited) { usize::MAX } else { sessions_max };
        let mut unsent = Vec::new();
        // More than one only if a reload has just lowered the limit.
        while let Some(old) = state.remove_oldest_session(kind, sessions_max) {
            old.outbox.request_close(REPLACED);
            unsent.push(old.outbox.end_session());
        }
        let request_ids = HashSet::with_hasher(self.hash_state.clone());
        state.sessions.push(AccountSession { id, kind, login, outbox, request_ids });
        account.update_connected(&mut state, now.mono);
        let lost = unsent.into_iter().flat_map(|unsent| batch.recover_unsent(&mut state, unsent));
        let lost: Vec<_> = lost.collect();
        drop(state);
        self.update_ccp_link(account, now);
        batch.reject_unsent(account, lost);
        id
    }

    /// Removes a session. Prepares of which no byte was written are rejected (T01). All others stay pending: they may
    /// be answered on another session before they expire. [row 57]
    pub fn detach_session(&self, account: &Account, session: SessionId, now: Now) {
        let batch = self.start_batch(now);
        let mut state = account.lock();
        let Some(index) = state.sessions.iter().position(|s| s.id == session) else { return };
        let session = state.sessions.remove(index);
        account.update_connected(&mut state, now.mono);
        let lost = batch.recover_unsent(&mut state, session.outbox.end_session());
        drop(state);
        self.update_ccp_link(account, now);
        batch.reject_unsent(account, lost);
    }

    /// Asks the oldest sessions to close if the settings in force allow fewer.
    pub(super) fn close_sessions_beyond_limits(&self) {
        for entry in self.snapshot.load().entries.iter() {
            for session in entry.account.lock().sessions_beyond_limit() {
                session.outbox.request_close(REPLACED);
            }
        }
    }

    /// Asks every session of an account to close. Returns how many there are.
    pub fn close_sessions(&self, account: &Account, request: CloseRequest) -> usize {
        let state = account.lock();
        for session in &state.sessions {
            session.outbox.request_close(request);
        }
        state.sessions.len()
    }

    /// Asks the sessions of an account to close that logged in with a token other than the `valid` ones.
    pub fn close_sessions_by_other_tokens(
        &self,
        account: &Account,
        valid: &[TokenFingerprint],
        request: CloseRequest,
    ) {
        for session in &account.lock().sessions {
            if session.login.is_some_and(|login| !valid.contains(&login)) {
                session.outbox.request_close(request);
            }
        }
    }

    /// Asks every session of every account to close.
    pub fn close_all_sessions(&self, request: CloseRequest) {
        for entry in self.snapshot.load().entries.iter() {
            self.close_sessions(&entry.account, request);
        }
    }

    /// Sends a Prepare of the node itself to a peer. `answer` is called exactly once: with the peer's answer, or with
    /// the reason why there is none.
    pub fn originate_prepare(
        &self,
        to: &AccountId,
        prepare: &Prepare<'_>,
        now: Now,
        answer: impl FnOnce(Outcome) + Send + 'static,
    ) {
        let batch = self.start_batch(now);
        let requested_by = RequestedBy::Own(OutcomeCallback(Box::new(answer)));
        let terms = OutgoingTerms { amount: prepare.amount, expires_at: prepare.expires_at };
        let account = batch.snapshot.accounts_by_id.get(to);
        let sent = match account.and_then(|account| batch.snapshot.entry(account.slot())) {
            Some(entry) => batch.send_prepare(entry, requested_by, prepare, terms),
            None => Err((Refusal::NoRoute, requested_by)),
        };
        if let Err((refusal, RequestedBy::Own(own))) = sent {
            (own.0)(refusal.outcome());
        }
    }
}

impl Batch<'_> {
    /// Takes the Prepares that the peer cannot have read out of the pending table, and puts the answers into the outbox
    /// of another session if there is one.
    fn recover_unsent(
        &self,
        state: &mut AccountState,
        unsent: UnsentPackets,
    ) -> Vec<(RequestId, Pending)> {
        let mut lost = Vec::new();
        for id in unsent.prepares {
            if let Some(pending) = state.pending.take(id) {
                state.release_out(&pending);
                lost.push((id, pending));
            }
        }
        for UnsentReply { id, packet, after, amount } in unsent.replies {
            let other = find_substitute_session(&state.sessions, id).map(|other| &other.outbox);
            let reply = Reply::parse(&packet);
            // Not after the next cut: if nothing changes any more, there is none.
            let is_sent = other
                .zip(reply.ok())
                .is_some_and(|(outbox, reply)| outbox.put_reply(id, &reply, after, amount));
            if !is_sent {
                state.count_dropped_answer(after, amount);
            }
        }
        lost
    }

    fn reject_unsent(&self, account: &Account, lost: Vec<(RequestId, Pending)>) {
        let refusal = NextHopFailure::SessionLost.refusal_at(account.id());
        for (request_id, pending) in lost {
            if planted!(UnsentForgotten) {
                continue;
            }
            self.reject_pending(request_id, pending, account, &refusal);
        }
    }
}
