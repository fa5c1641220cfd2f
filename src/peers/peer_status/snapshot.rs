//! A copy of one peer's status, as plain values.

use std::time::SystemTime;

use super::super::AttemptFailure;
use crate::account::AccountId;

/// The state of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PeerState {
    /// It has not connected to us yet.
    Waiting,
    /// We try to reach it.
    Connecting,
    /// At least one session is open.
    Connected,
    /// The last session ended.
    Disconnected,
    /// It refused our name or token, and we keep trying; or we refused a login with its name.
    AuthenticationFailed,
    /// The quick attempts have failed; slow ones follow.
    Down,
    /// Suspended by `enabled: false`, or by an operator.
    Suspended,
}

impl PeerState {
    /// As in JSON and in log lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::AuthenticationFailed => "authenticationFailed",
            Self::Down => "down",
            Self::Suspended => "suspended",
        }
    }
}

/// A copy of one peer's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerSnapshot {
    pub id: AccountId,
    pub state: PeerState,
    /// Since when the peer is in this state.
    pub since: SystemTime,
    /// The last error of a peer that is not connected, or why the packets of a connected one are not read.
    pub last_error: Option<String>,
    /// The kind of the last failed attempt to connect.
    pub last_attempt_failure: Option<AttemptFailure>,
    /// The last refused login with its name.
    pub last_refused_login: Option<RefusedLogin>,
    /// Open sessions.
    pub sessions: usize,
    pub counts: PeerCounts,
}

/// A login that we refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLogin {
    pub at: SystemTime,
    /// The client's address.
    pub remote: String,
    /// As the client received it.
    pub reason: String,
}

/// Counters of one peer since the start of the process.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct PeerCounts {
    /// Authenticated sessions.
    pub sessions: u64,
    /// Connections after a disconnection.
    pub reconnects: u64,
    /// Failed attempts to reach it.
    pub failed_attempts: u64,
    /// Attempts that it refused because of our name or token.
    pub authentication_failures: u64,
    /// Refused logins with its name.
    pub refused_logins: u64,
    /// Text messages, and messages that are not BTP.
    pub unreadable_frames: u64,
    /// Frames that got a BTP ERROR.
    pub refused_frames: u64,
    /// Answers to packets that no connector gives.
    pub wrong_answers: u64,
}
