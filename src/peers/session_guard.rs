//! A session that is attached to its account while a value lives.

use std::sync::Arc;

use super::close_reason::CloseReason;
use super::directory::fingerprint;
use super::node_context::NodeContext;
use super::peer_status::PeerStatus;
use crate::connector::Account;
use crate::link::{Outbox, SessionId, SessionKind, TokenFingerprint};
use crate::time::MonoTime;

/// An authenticated session of an account. Dropping it, for whatever reason, detaches the session: Prepares that the
/// peer cannot have received are rejected at once instead of at their expiry, and the peer's status changes.
#[derive(Debug)]
pub struct SessionGuard {
    context: Arc<NodeContext>,
    account: Arc<Account>,
    id: SessionId,
    kind: SessionKind,
    login: Option<TokenFingerprint>,
    outbox: Arc<Outbox>,
    status: Arc<PeerStatus>,
    /// The session counts in the peer's status.
    is_reported: bool,
    attached_at: MonoTime,
    close_reason: Option<CloseReason>,
}

impl SessionGuard {
    /// Attaches a session; the oldest of its kind is replaced if the account has as many as it may have. [row 89]
    ///
    /// If this node dials the peer, posted sessions do not affect its status: only the dialler knows whether the peer
    /// can be reached. Diallers pass the status that they hold; to look it up again would recreate the entry of a
    /// removed peer.
    pub fn attach(
        context: Arc<NodeContext>,
        account: Arc<Account>,
        status: Arc<PeerStatus>,
        kind: SessionKind,
        login: Option<TokenFingerprint>,
        outbox: Arc<Outbox>,
        remote: &str,
    ) -> Self {
        let now = context.clock.now();
        let id = context.connector.attach_session(&account, kind, login, Arc::clone(&outbox), now);
        let is_reported = kind != SessionKind::Posted || !status.is_dialled();
        if is_reported {
            status.add_session(kind.as_str(), remote);
        }
        let (attached_at, close_reason) = (now.mono, None);
        Self {
            context,
            account,
            id,
            kind,
            login,
            outbox,
            status,
            is_reported,
            attached_at,
            close_reason,
        }
    }

    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// The number of the session within its account.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Which side opened it.
    pub fn kind(&self) -> SessionKind {
        self.kind
    }

    /// Whether the session has logged in with this token.
    pub fn has_token(&self, token: &[u8]) -> bool {
        self.login.is_some() && self.login == fingerprint(token)
    }

    /// Where the connector puts frames for the peer.
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    pub fn status(&self) -> &Arc<PeerStatus> {
        &self.status
    }

    pub fn attached_at(&self) -> MonoTime {
        self.attached_at
    }

    /// Remembers why the session ends, for the event at its drop.
    pub fn set_close_reason(&mut self, reason: CloseReason) {
        self.close_reason = Some(reason);
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        let now = self.context.clock.now();
        self.context.connector.detach_session(&self.account, self.id, now);
        if self.is_reported {
            let stopped = || CloseReason::Broken("stopped".to_owned());
            let reason = self.close_reason.take().unwrap_or_else(stopped);
            self.status.remove_session(self.kind.as_str(), &reason);
        }
    }
}
