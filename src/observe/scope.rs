//! What a token of the API allows.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The id of the token that `apiToken` sets. No other token has it.
pub const OPERATOR_TOKEN: &str = "apiToken";

/// One thing that a token may allow. Each operation of `/api/v1` needs one of them.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// Nodes, links, routes, events and balances.
    Read,
    /// Single packets, with their destinations and amounts, and the last lines of the log.
    Packets,
    /// Whatever changes something.
    Operate,
    /// Who has changed something.
    Audit,
}

impl Scope {
    /// What the token of a peer may have.
    pub const OF_PEERS: [Self; 2] = [Self::Read, Self::Packets];

    /// All scopes.
    pub const ALL: [Self; 4] = [Self::Read, Self::Packets, Self::Operate, Self::Audit];

    /// As in JSON and in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Packets => "packets",
            Self::Operate => "operate",
            Self::Audit => "audit",
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
