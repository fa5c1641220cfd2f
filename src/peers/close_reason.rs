//! Why a session ended, for events, log lines and the peer's status. The codes are those of WebSocket.

use std::fmt;

use super::token::Token;
use crate::connector::REPLACED;
use crate::link::{CloseRequest, POLICY_VIOLATION};

/// RFC 6455 7.4.1: the endpoint stops.
pub const GOING_AWAY: u16 = 1001;
/// The peer broke the WebSocket protocol.
pub const PROTOCOL_ERROR: u16 = 1002;
/// A text message is not UTF-8.
pub const NOT_UTF8: u16 = 1007;
/// A message is longer than the limit.
pub const TOO_BIG: u16 = 1009;
/// Closes a session whose peer has another secret, address or asset by the configuration, or is suspended.
pub const RECONFIGURED: CloseRequest =
    CloseRequest { code: POLICY_VIOLATION, reason: "reconfigured" };
/// Closes a session whose peer an operator suspends.
pub const SUSPENDED: CloseRequest = CloseRequest { code: POLICY_VIOLATION, reason: "suspended" };
/// Closes a session that an operator wants to be opened again.
pub const RECONNECT: CloseRequest = CloseRequest { code: GOING_AWAY, reason: "reconnect" };
/// RFC 6455 7.1.5: stands for a missing close frame, and is never sent.
const ABNORMAL: u16 = 1006;
/// RFC 6455 7.1.5: stands for a close frame without a code, and is never sent.
const NO_CODE: u16 = 1005;

/// The timeout that ended a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// No byte arrived after a ping.
    Silent,
    /// The peer took none of our bytes.
    Stalled,
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer sent a close frame.
    ByPeer {
        code: Option<u16>,
        /// Sanitized.
        reason: String,
    },
    /// We sent a close frame.
    ByUs { code: u16, reason: &'static str },
    /// The connection broke.
    Broken(String),
    /// The peer did not react in time.
    TimedOut(Timeout),
}

impl CloseReason {
    /// The close code; 1005 or 1006 (RFC 6455 7.1.5) without one.
    pub fn code(&self) -> u16 {
        match self {
            Self::ByPeer { code, .. } => code.unwrap_or(NO_CODE),
            Self::ByUs { code, .. } => *code,
            Self::Broken(_) | Self::TimedOut(_) => ABNORMAL,
        }
    }

    /// The reason as text.
    pub fn reason(&self) -> String {
        match self {
            Self::ByPeer { reason, .. } if reason.is_empty() => "closed by the peer".to_owned(),
            Self::ByPeer { reason, .. } => format!("closed by the peer: {reason}"),
            Self::ByUs { reason, .. } => format!("closed by us: {reason}"),
            Self::Broken(reason) => reason.clone(),
            Self::TimedOut(Timeout::Silent) => "no sign of life from the peer".to_owned(),
            Self::TimedOut(Timeout::Stalled) => "the peer takes no data".to_owned(),
        }
    }

    /// Masks the token where the peer repeats it.
    pub fn mask_token(self, token: &Token) -> Self {
        match self {
            Self::ByPeer { code, reason } => {
                let reason = token.mask_token(reason.as_bytes());
                Self::ByPeer { code, reason: String::from_utf8_lossy(&reason).into_owned() }
            }
            other => other,
        }
    }

    /// Whether we closed because a later login of the peer replaced the session.
    pub fn is_replaced_by_us(&self) -> bool {
        *self == REPLACED.into()
    }

    /// Whether the peer closed because a later login of ours replaced the session (D5).
    pub fn is_replaced_by_peer(&self) -> bool {
        matches!(self, Self::ByPeer { code, reason } if *code == Some(REPLACED.code) && reason == REPLACED.reason)
    }
}

impl From<CloseRequest> for CloseReason {
    fn from(CloseRequest { code, reason }: CloseRequest) -> Self {
        Self::ByUs { code, reason }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reason(), self.code())
    }
}
