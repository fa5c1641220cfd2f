//! How the books of a peer compare with the node's.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The result of the last comparison with a peer's books. Amounts are in units of the account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReconcileBody {
    /// `agrees`, `differs`, `overdue` (only a settlement is late), `begins`, `recovering`, `otherAsset`, `unsupported`
    /// or `unknown`.
    pub verdict: String,
    /// The same in words, with directions and likely causes.
    pub text: String,
    /// When the peer last answered with its books.
    pub compared_at: Option<String>,
    /// Since when these two books are compared.
    pub since: Option<String>,
    /// The sum of both ends' balances, as far as it lasts: 0 if they agree.
    pub difference: String,
    /// What it is made of.
    pub parts: DifferenceBody,
    /// Settlements that are on their way: paid, not credited yet, and not overdue. No part of the difference.
    #[serde(default)]
    pub pending: NotCreditedBody,
    /// What the settlement engines keep for the next settlement, because they cannot pay less. No part of the
    /// difference.
    #[serde(default)]
    pub dust: NotCreditedBody,
}

/// Amounts that one end has paid, and the other end has not credited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotCreditedBody {
    /// By this node to the peer.
    pub paid: String,
    /// By the peer to this node.
    pub received: String,
}

impl Default for NotCreditedBody {
    fn default() -> Self {
        Self { paid: "0".to_owned(), received: "0".to_owned() }
    }
}

/// Lasting differences. Above zero, both ends together claim more than there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DifferenceBody {
    /// What the peer claims for packets of this node, beyond what the node accepts.
    pub asked: String,
    /// What this node claims for packets of the peer, beyond what the peer accepts.
    pub answered: String,
    /// What this node paid, and the peer was not credited for.
    pub paid: String,
    /// What the peer paid, and this node was not credited for.
    pub received: String,
    /// Changes by operators that do not cancel out.
    pub adjusted: String,
}
