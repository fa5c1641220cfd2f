//! What a node has decided, and what it would decide.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::packet::ReasonBody;

/// How many packets were rejected for one reason, since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReasonCountBody {
    /// The node.
    pub node: String,
    /// The name of the reason; `None`: the Reject came from the next hop.
    pub kind: Option<String>,
    /// Of the Rejects.
    pub code: String,
    /// The account that the packets came from, if they came from one.
    pub from: Option<String>,
    /// The account that they were sent to, or would have been.
    pub to: Option<String>,
    /// How many.
    pub count: u64,
    /// The last one.
    pub last_at: String,
    /// The reason in words.
    pub text: String,
    /// The peer that the reason is about. Not in JSON.
    #[serde(skip)]
    #[schema(ignore)]
    pub peer: Option<String>,
    /// The configuration key that would change it.
    pub key: Option<String>,
    /// What to change, in a sentence.
    pub advice: Option<String>,
    /// There are too many pairs of accounts to count each: these are several.
    pub summed: bool,
}

/// What one node would do with a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepBody {
    /// The node.
    pub node: String,
    /// The destination of the packet.
    pub destination: String,
    /// The account that it would come from.
    pub from: Option<String>,
    /// In units of that account.
    pub amount: Option<String>,
    /// `forward`, `local` or `refuse`.
    pub decision: String,
    /// The prefix of the route; empty: the default route.
    pub prefix: Option<String>,
    /// The account of the next hop, or of the receiver inside the node.
    pub to: Option<String>,
    /// In units of that account.
    pub outgoing_amount: Option<String>,
    /// Where the route comes from.
    pub origin: Option<String>,
    /// Why this route.
    pub why: Option<String>,
    /// The code of a refusal.
    pub code: Option<String>,
    /// Why it would be refused.
    pub reason: Option<ReasonBody>,
    /// The next hops of the route, and why each is taken or not.
    pub candidates: Vec<CandidateBody>,
}

/// A next hop of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CandidateBody {
    /// Its account.
    pub next_hop: String,
    /// The highest whose next hop is connected wins.
    pub priority: i32,
    /// Where the route comes from.
    pub origin: String,
    /// Whether packets can be forwarded to it now.
    pub usable: bool,
}
