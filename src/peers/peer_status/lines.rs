//! Bounds the log lines about peers: each kind of line alone, and about each peer alone. All guests share one bound for
//! each kind, because anybody can be as many guests as the node admits.

use tokio::time::Instant;

use crate::net::LogThrottle;
use crate::time::MonoTime;

/// The throttles of one peer, or of all guests.
#[derive(Debug)]
pub(super) struct PeerLines {
    /// About its sessions: a peer may reconnect at any rate.
    pub(super) sessions: LogThrottle,
    /// About sessions that its later logins replaced.
    pub(super) replaced: LogThrottle,
    /// About attempts to reach it: a server may accept and close at any rate.
    pub(super) attempts: LogThrottle,
    /// About frames whose type and packet contradict each other.
    pub(super) swapped: LogThrottle,
    /// About its wrong answers. Its times are those of the connector.
    pub(super) wrong_answers: LogThrottle,
    /// About anything else that it causes.
    pub(super) others: LogThrottle,
    /// The zero of [`Self::now`].
    pub(super) created_at: Instant,
}

impl Default for PeerLines {
    fn default() -> Self {
        Self {
            sessions: LogThrottle::default(),
            replaced: LogThrottle::with_lines_max(1),
            attempts: LogThrottle::default(),
            swapped: LogThrottle::default(),
            wrong_answers: LogThrottle::with_lines_max(1),
            others: LogThrottle::default(),
            created_at: Instant::now(),
        }
    }
}

impl PeerLines {
    pub(super) fn now(&self) -> MonoTime {
        MonoTime(0).after(self.created_at.elapsed())
    }

    /// Lines that were suppressed and that no later line has reported, once their minute is over.
    pub(super) fn take_overdue(&self, now: MonoTime) -> Option<u64> {
        let throttles =
            [&self.sessions, &self.replaced, &self.attempts, &self.swapped, &self.others];
        let suppressed = throttles.into_iter().filter_map(|lines| lines.take_overdue(now)).sum();
        (suppressed > 0).then_some(suppressed)
    }
}
