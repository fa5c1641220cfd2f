//! How a session ended, for the event, the log line and the peer's state. The codes are WebSocket's.

use std::fmt;

use super::token::Token;
use crate::connector::REPLACED;
use crate::link::CloseRequest;

/// RFC 6455 7.4.1: the endpoint goes away.
pub const GOING_AWAY: u16 = 1001;
/// The peer broke the WebSocket protocol.
pub const PROTOCOL_ERROR: u16 = 1002;
/// A text message is not UTF-8.
pub const NOT_UTF8: u16 = 1007;
/// The peer violates a policy: a refused login, a replaced session, too many unreadable frames.
pub const POLICY: u16 = 1008;
/// A message is longer than we read.
pub const TOO_BIG: u16 = 1009;
/// WebSocket close code and reason for a session that may not go on as it is: its peer's secret, address or asset has
/// changed, or the peer is suspended.
pub const RECONFIGURED: (u16, &str) = (POLICY, "reconfigured");
/// Never on the wire: stands for "without a close frame".
const ABNORMAL: u16 = 1006;
/// Never on the wire: stands for a close frame without a code.
const NO_CODE: u16 = 1005;

/// Why a session counts as lost though its socket is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// Not one byte after a ping.
    Silent,
    /// It takes no bytes.
    Stalled,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer sent a close frame.
    ByPeer {
        /// Its code.
        code: Option<u16>,
        /// Its reason, escaped and truncated.
        reason: String,
    },
    /// We sent a close frame.
    ByUs {
        /// Its code.
        code: u16,
        /// Its reason.
        reason: &'static str,
    },
    /// The connection broke.
    Broken(String),
    /// The connection is there but the peer is not.
    Lost(Timeout),
}

impl CloseReason {
    /// The close code; 1005 and 1006 as RFC 6455 7.1.5 has it where there was none.
    pub fn code(&self) -> u16 {
        match self {
            CloseReason::ByPeer { code, .. } => code.unwrap_or(NO_CODE),
            CloseReason::ByUs { code, .. } => *code,
            CloseReason::Broken(_) | CloseReason::Lost(_) => ABNORMAL,
        }
    }

    /// Why, in words.
    pub fn reason(&self) -> String {
        match self {
            CloseReason::ByPeer { reason, .. } if reason.is_empty() => {
                "closed by the peer".to_owned()
            }
            CloseReason::ByPeer { reason, .. } => format!("closed by the peer: {reason}"),
            CloseReason::ByUs { reason, .. } => format!("closed by us: {reason}"),
            CloseReason::Broken(reason) => reason.clone(),
            CloseReason::Lost(Timeout::Silent) => "no sign of life from the peer".to_owned(),
            CloseReason::Lost(Timeout::Stalled) => "the peer takes no data".to_owned(),
        }
    }

    /// The same without a secret that the peer repeats.
    pub fn without(self, token: &Token) -> Self {
        match self {
            CloseReason::ByPeer { code, reason } => {
                let reason = token.hide_in(reason.as_bytes());
                CloseReason::ByPeer { code, reason: String::from_utf8_lossy(&reason).into_owned() }
            }
            other => other,
        }
    }

    /// Whether we closed because a later login of the peer took this session's place.
    pub fn is_replaced_by_us(&self) -> bool {
        matches!(self, CloseReason::ByUs { code, reason } if (*code, *reason) == REPLACED)
    }

    /// Whether the peer closed because a newer session of ours took this one's place (D5).
    pub fn is_replaced_by_peer(&self) -> bool {
        matches!(self, CloseReason::ByPeer { code: Some(code), reason } if (*code, reason.as_str()) == REPLACED)
    }
}

impl From<CloseRequest> for CloseReason {
    fn from(CloseRequest { code, reason }: CloseRequest) -> Self {
        CloseReason::ByUs { code, reason }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reason(), self.code())
    }
}
