//! What operators have changed for a time.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something that an operator has changed at a node, for a time. The configuration file has not changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverrideBody {
    /// Its id, to undo it: `NODE~NUMBER`.
    pub id: String,
    /// The node.
    pub node: String,
    /// The peer, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// What it is.
    pub kind: OverrideKind,
    /// The log level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Why, in the words of the operator.
    pub reason: String,
    /// The id of the token, or `local` where none is needed.
    pub by: String,
    /// Since when.
    pub set_at: String,
    /// Until when, if it is not undone before.
    pub expires_at: String,
    /// What else follows from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When it ended. Only in the answer to the request that has ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
}

/// What an operator can change for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum OverrideKind {
    /// A peer is suspended.
    Suspend,
    /// A peer is enabled that the file suspends.
    Resume,
    /// Another log level is in force.
    LogLevel,
    /// No settlement with a peer begins.
    PauseSettlement,
}

impl OverrideKind {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::LogLevel => "logLevel",
            Self::PauseSettlement => "pauseSettlement",
        }
    }
}

/// The answer to the request to connect a peer again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReconnectBody {
    /// The node.
    pub node: String,
    /// The peer.
    pub peer: String,
    /// Sessions that were asked to close.
    pub closed_sessions: usize,
    /// Whether the node dials the peer now. If not, the peer dials, when its own next attempt is due.
    pub dials: bool,
}
