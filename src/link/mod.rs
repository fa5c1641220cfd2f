//! What connects an account to its sessions.
//!
//! The [`PendingTable`] belongs to the account and outlives sessions: a Prepare whose session dropped may still be
//! answered on the next one (D5). An [`Outbox`] belongs to one session: whole frames, bounded,
//! appended to by whoever has something to say and written by the session's own task.

mod frames;
mod outbox;
mod outcome;
mod pending;

pub use outbox::{
    CloseRequest, Framing, NoPermit, Outbox, OutboxPermit, PermitRequest, TakenPacket,
    UnsentPackets,
};
pub use outcome::{Cause, Outcome, OwnRequest, Rejection};
pub use pending::{Pending, PendingTable, RequestOrigin, TakenPending};

/// A session of an account; unique within the account while the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// Tells which token a session logged in with, and nothing about the token: a keyed hash of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LoginMark(pub [u8; 32]);

impl std::fmt::Debug for LoginMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoginMark")
    }
}

/// An account's place in the connector's snapshot; never given to another account while the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u32);

/// Who opened a session. An account may have one of each side by side (both ends of a link may dial).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionKind {
    /// We dialled. Requests go out on this one while it is up.
    Dialled,
    /// The peer dialled us.
    Accepted,
    /// The peer posts to us (ILP over HTTP). Takes answers to what it asked, and nothing else.
    Posted,
}

impl SessionKind {
    /// As it is spelled in JSON and in log lines.
    pub fn as_str(self) -> &'static str {
        match self {
            SessionKind::Dialled => "dialled",
            SessionKind::Accepted => "accepted",
            SessionKind::Posted => "posted",
        }
    }
}
