//! What a node earned, and with which flows. Amounts are texts: JSON numbers are not exact beyond 53 bits.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The income of a node in a period.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IncomeBody {
    /// What was paid between two accounts, sorted by name.
    pub flows: Vec<FlowBody>,
    /// What was earned with the flows of each account. A flow counts for both of its accounts.
    pub by_account: Vec<AccountIncomeBody>,
    /// What was earned with all flows, by asset code.
    pub total: Vec<EarnedBody>,
    /// What was conceded to each account, or written off.
    pub losses: Vec<LossBody>,
    /// What was earned since the books began with packets that are in no flow.
    pub unattributed: Vec<EarnedBody>,
}

/// An account, as one end of a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlowEndBody {
    /// Its name in the books: that of a peer or receiver, or such as `own:USD/9` for the node itself.
    pub account: String,
    /// The code of its asset.
    pub asset_code: String,
    /// The scale of its amounts.
    pub asset_scale: u8,
}

/// What was paid from one account to another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlowBody {
    /// The account that the packets came from.
    pub from: FlowEndBody,
    /// The account that they went to.
    pub to: FlowEndBody,
    /// Their number.
    pub packets: String,
    /// What they brought, in units of `from`.
    pub amount_in: String,
    /// What they took, in units of `to`.
    pub amount_out: String,
    /// What they brought, at the mid rates of their time, in units of `to`.
    pub amount_at_mid: String,
    /// What the spreads kept of it.
    pub spread: String,
    /// What was rounded off.
    pub rounding: String,
    /// Units of the asset of `to` for one of that of `from`, on average. Null: nothing came in.
    pub mid_rate: Option<String>,
}

/// An amount that was earned, or, below zero, lost: the sum of its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EarnedBody {
    /// The code of the asset.
    pub asset_code: String,
    /// The scale of the amounts.
    pub asset_scale: u8,
    /// The amount.
    pub amount: String,
    /// What the spreads kept.
    pub spread: String,
    /// What was rounded off, and what rates moved while packets were in flight.
    pub rounding: String,
    /// What was bought, less what was sold, of the asset at the mid rate: a position, not a profit.
    pub exchange: String,
    /// What the node itself received, less what it paid.
    pub own: String,
}

/// What was earned with the flows of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountIncomeBody {
    /// The account.
    pub account: String,
    /// The amount, and its parts.
    #[serde(flatten)]
    pub earned: EarnedBody,
}

/// What was conceded to an account, or written off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LossBody {
    /// The account.
    pub account: String,
    /// The code of the asset.
    pub asset_code: String,
    /// The scale of the amount.
    pub asset_scale: u8,
    /// The amount: below zero, the node has lost it.
    pub amount: String,
}

/// The income of a running node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeIncomeBody {
    /// The node.
    pub node: String,
    /// The begin of the period.
    pub from: String,
    /// Its end, which is not part of it. Null: it goes on.
    pub to: Option<String>,
    /// When the newest balances in it were saved. Null: the node has no store, and so no books.
    pub as_of: Option<String>,
    /// Flows that `limit` left out, those with the fewest packets.
    pub flows_left_out: usize,
    /// What was earned.
    #[serde(flatten)]
    pub income: IncomeBody,
}
