//! What is known of one peer's connection at one moment, as plain values.

use std::time::SystemTime;

use super::super::AttemptFailure;
use crate::account::AccountId;

/// How a peer's connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PeerState {
    /// It has not dialled us yet.
    Waiting,
    /// We are trying to reach it.
    Connecting,
    /// At least one session is up.
    Connected,
    /// The last session ended.
    Disconnected,
    /// It refused our name or token and we go on trying; or we refused its.
    AuthenticationFailed,
    /// The quick attempts are used up; slow ones go on.
    Down,
    /// Switched off by `enabled: false`.
    Suspended,
}

impl PeerState {
    /// As it is spelled in JSON and in log lines.
    pub fn as_str(self) -> &'static str {
        match self {
            PeerState::Waiting => "waiting",
            PeerState::Connecting => "connecting",
            PeerState::Connected => "connected",
            PeerState::Disconnected => "disconnected",
            PeerState::AuthenticationFailed => "authenticationFailed",
            PeerState::Down => "down",
            PeerState::Suspended => "suspended",
        }
    }
}

/// A plain copy of what is known of one peer's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerSnapshot {
    /// Who.
    pub id: AccountId,
    /// How it stands.
    pub state: PeerState,
    /// Since when.
    pub since: SystemTime,
    /// What went wrong last: while it is not connected, or why a connected peer's packets are not read.
    pub last_error: Option<String>,
    /// Of what kind the last failed attempt to connect was.
    pub last_attempt_failure: Option<AttemptFailure>,
    /// The last login under its name that we refused.
    pub last_refused_login: Option<RefusedLogin>,
    /// Authenticated sessions that are up.
    pub sessions: usize,
    /// How often what.
    pub counts: PeerCounts,
}

/// A login that we refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLogin {
    /// When.
    pub at: SystemTime,
    /// Where it came from.
    pub remote: String,
    /// Why it was refused, as the caller was told.
    pub reason: String,
}

/// Counters of one peer's sessions, from the start of the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PeerCounts {
    /// Sessions that were authenticated.
    pub sessions: u64,
    /// Times that it was connected again after it had been disconnected.
    pub reconnects: u64,
    /// Attempts to reach it that failed.
    pub failed_attempts: u64,
    /// Attempts that it refused, for our name or token.
    pub authentication_failures: u64,
    /// Logins under its name that we refused.
    pub refused_logins: u64,
    /// Its frames that nobody could read.
    pub unreadable_frames: u64,
    /// Its frames that were answered with a BTP ERROR.
    pub refused_frames: u64,
    /// Its HTTP answers to packets that are not those of a connector.
    pub wrong_answers: u64,
}
