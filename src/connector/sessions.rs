//! Sessions come and go; accounts stay (D5).

use std::sync::Arc;

use super::account::{Account, AccountSession, AccountState, session_for_orphan};
use super::core::{Batch, Connector};
use super::forward::OutgoingTerms;
use super::refusal::Refusal;
use crate::account::AccountId;
use crate::link::{
    LoginMark, Outbox, Outcome, OwnRequest, Pending, RequestOrigin, SessionId, SessionKind,
    TakenPending, UnsentPackets,
};
use crate::time::Now;
use crate::wire::btp::{BtpFrame, FrameKind};
use crate::wire::ilp::{Prepare, Reply};

/// WebSocket close code and reason for a session that a later login of the same account replaces. A dialler that reads
/// them waits before it dials again (D5).
pub const REPLACED: (u16, &str) = (1008, "replaced");

impl Connector {
    /// An authenticated session begins. If the same side has as many as it may have, the oldest is replaced: it is asked
    /// to close, and what was not yet written to it is rejected (Prepares) or goes out on another one (answers).
    pub fn attach_session(
        &self,
        account: &Account,
        side: SessionKind,
        login: Option<LoginMark>,
        outbox: Arc<Outbox>,
        now: Now,
    ) -> SessionId {
        let mut state = account.lock();
        let id = SessionId(state.next_session);
        state.next_session += 1;
        let most = if side == SessionKind::Accepted { state.limits.max_sessions.max(1) } else { 1 };
        let mut lost = Vec::new();
        let mut unwritten = Vec::new();
        // More than one only where a reload has lowered the limit just now.
        while let Some(old) = state.take_oldest(side, most) {
            old.outbox.request_close(REPLACED.0, REPLACED.1);
            unwritten.push(old.outbox.end_session());
        }
        let asked = std::collections::HashSet::with_hasher(self.hash_state.clone());
        state.sessions.push(AccountSession { id, kind: side, login, outbox, request_ids: asked });
        account.update_connected(&state);
        for unwritten in unwritten {
            lost.extend(recover_unsent(&mut state, unwritten));
        }
        drop(state);
        self.update_ccp_link(account, now);
        self.reject_unsent(account, lost, now);
        id
    }

    /// A session is lost. Prepares of which no byte was written are rejected (T01); all others wait for an answer on
    /// another session, or for their expiry.
    pub fn detach_session(&self, account: &Account, session: SessionId, now: Now) {
        let mut state = account.lock();
        let Some(index) = state.sessions.iter().position(|s| s.id == session) else { return };
        let session = state.sessions.remove(index);
        account.update_connected(&state);
        let lost = recover_unsent(&mut state, session.outbox.end_session());
        drop(state);
        self.update_ccp_link(account, now);
        self.reject_unsent(account, lost, now);
    }

    /// Asks the oldest sessions to close where the settings in force allow fewer than there are.
    pub(super) fn close_sessions_beyond_limits(&self) {
        for entry in &self.snapshot.load().entries {
            for session in entry.account.lock().sessions_beyond_limit() {
                session.outbox.request_close(REPLACED.0, REPLACED.1);
            }
        }
    }

    /// Asks every session of an account to close.
    pub fn close_sessions(&self, account: &Account, code: u16, reason: &'static str) {
        for session in &account.lock().sessions {
            session.outbox.request_close(code, reason);
        }
    }

    /// Asks the sessions of an account to close that logged in with another token than one of `valid`.
    pub fn close_sessions_by_other_tokens(
        &self,
        account: &Account,
        valid: &[LoginMark],
        code: u16,
        reason: &'static str,
    ) {
        for session in &account.lock().sessions {
            if session.login.is_some_and(|login| !valid.contains(&login)) {
                session.outbox.request_close(code, reason);
            }
        }
    }

    /// Asks every session of every account to close.
    pub fn close_all_sessions(&self, code: u16, reason: &'static str) {
        for entry in &self.snapshot.load().entries {
            self.close_sessions(&entry.account, code, reason);
        }
    }

    fn reject_unsent(&self, account: &Account, lost: Vec<Pending>, now: Now) {
        let turn = self.start_batch(now);
        for pending in lost {
            turn.reject_origin(pending, account, &Refusal::SessionLost(account.id().clone()));
        }
    }

    /// Sends a Prepare of the node's own to a peer. `answer` is called exactly once: with the peer's answer, or with the
    /// reason why there is none.
    pub fn originate_prepare(
        &self,
        to: &AccountId,
        prepare: &Prepare<'_>,
        now: Now,
        answer: impl FnOnce(Outcome) + Send + 'static,
    ) {
        let turn = self.start_batch(now);
        let account = self.account(to.as_str());
        let entry = account.and_then(|account| turn.snapshot.entry(account.slot()));
        let own = OwnRequest(Box::new(answer));
        turn.send_own(entry, prepare, own);
    }
}

impl Batch<'_> {
    fn send_own(
        &self,
        entry: Option<&super::snapshot::AccountEntry>,
        prepare: &Prepare<'_>,
        own: OwnRequest,
    ) {
        let outgoing = OutgoingTerms { amount: prepare.amount, expires_at: prepare.expires_at };
        let unsent = match entry {
            Some(entry) => {
                self.send_prepare(entry, RequestOrigin::Own(own), prepare, outgoing).err()
            }
            None => Some((Refusal::NoRoute, RequestOrigin::Own(own))),
        };
        if let Some((refusal, RequestOrigin::Own(own))) = unsent {
            (own.0)(refusal.outcome());
        }
    }
}

/// Takes what the peer cannot have seen out of the pending table, and sends answers another way if there is one.
fn recover_unsent(state: &mut AccountState, unwritten: UnsentPackets) -> Vec<Pending> {
    let mut lost = Vec::new();
    for id in unwritten.prepares {
        if let TakenPending::Pending(pending) = state.pending.take(id) {
            state.release_out(&pending);
            lost.push(pending);
        }
    }
    for (id, frame) in unwritten.replies {
        let other = session_for_orphan(&state.sessions, id);
        let sent = other.is_some_and(|session| {
            let packet =
                BtpFrame::parse(&frame).ok().and_then(|frame| frame.protocol_data.get("ilp"));
            let packet = packet.and_then(|entry| Reply::parse(entry.data).ok());
            packet.is_some_and(|p| session.outbox.put_packet(FrameKind::Response, id, &p))
        });
        if !sent {
            state.stats.dropped_answers += 1;
        }
    }
    lost
}
