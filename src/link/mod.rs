//! What connects an account to its sessions.
//!
//! The [`PendingTable`] belongs to the account and outlives its sessions: a Prepare whose session was lost may still be
//! answered on the next one (D5). An [`Outbox`] belongs to one session: other sessions' tasks append packets, and the
//! session's own task writes them.

mod durable;
mod framing;
mod outbox;
mod outcome;
mod pending;

pub use durable::{CutNumber, DurableCuts, LeaseCheck};
pub use framing::Framing;
#[cfg(test)]
pub(crate) use framing::payload_in;
pub use outbox::{
    CloseRequest, NoPermit, Outbox, OutboxPermit, POLICY_VIOLATION, PermitRequest, Requester,
    TakenPacket, UnsentPackets, UnsentReply,
};
pub use outcome::{Cause, Outcome, OutcomeCallback, Rejection};
pub use pending::{Pending, PendingTable, RequestedBy};

/// A session of an account; unique within the account as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// A keyed hash of the token that a session logged in with. It reveals nothing about the token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenFingerprint(pub [u8; 32]);

impl std::fmt::Debug for TokenFingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenFingerprint")
    }
}

/// The index of an account in the connector's snapshots; no other account gets it as long as the process lives, except
/// that another guest gets that of a forgotten one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u32);

impl Slot {
    /// No account.
    pub const NONE: Self = Self(u32::MAX);

    /// The slot with this index.
    pub fn from_index(index: usize) -> Self {
        Self(u32::try_from(index).expect("four billion accounts do not fit in memory"))
    }

    /// The index of this slot.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The two kinds of packets on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketKind {
    /// A request.
    Prepare,
    /// A Fulfill or a Reject.
    Reply,
}

/// How a session began. An account may have sessions of several kinds at once, because both ends of a link may dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionKind {
    /// This node dialled. Requests go out on this session while it is up.
    Dialled,
    /// The peer dialled.
    Accepted,
    /// The peer posts to this node (ILP over HTTP). Only answers to its own requests go out on this session.
    Posted,
}

impl SessionKind {
    /// The spelling in JSON and in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dialled => "dialled",
            Self::Accepted => "accepted",
            Self::Posted => "posted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_and_kinds_of_sessions_have_their_spelling() {
        assert_eq!(Slot::from_index(7), Slot(7));
        assert_eq!(Slot(7).index(), 7);
        let kinds = [SessionKind::Dialled, SessionKind::Accepted, SessionKind::Posted];
        assert_eq!(kinds.map(SessionKind::as_str), ["dialled", "accepted", "posted"]);
    }
}
