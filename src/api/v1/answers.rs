//! The objects around the objects of `observe`: what each request is answered with.

use serde::Serialize;
use utoipa::ToSchema;

use crate::observe::{EventBody, LinkBody, NodeBody, PacketBody, ReasonCountBody, Scope, StepBody};

/// What this listener is, and what the client may do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApiBody {
    /// Of the program.
    pub(super) version: String,
    /// Of the observer: ids of another boot mean nothing to this one.
    pub(super) boot: String,
    /// The ids of the nodes in view.
    pub(super) nodes: Vec<String>,
    /// What this client may do.
    pub(super) scopes: Vec<Scope>,
    /// The peer whose token it has.
    pub(super) peer: Option<String>,
    /// What this listener can do beside the rest.
    pub(super) features: Vec<String>,
    /// The URL of the page of all nodes of this process, if it serves one. Null for a token that is bound to a peer.
    pub(super) page: Option<String>,
}

/// All nodes in view.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NodesBody {
    /// Sorted by id.
    pub(super) nodes: Vec<NodeBody>,
}

/// All links in view.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LinksBody {
    /// Sorted by id.
    pub(super) links: Vec<LinkBody>,
}

/// What has happened.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventsBody {
    /// The oldest first.
    pub(super) events: Vec<EventBody>,
    /// How many of those after the id are no longer kept, at most.
    pub(super) lost: u64,
}

/// Records of packets.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PacketsBody {
    /// The newest first.
    pub(super) packets: Vec<PacketBody>,
    /// Records that are not kept.
    pub(super) lost: u64,
}

/// Why packets were rejected.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReasonsBody {
    /// The most frequent first.
    pub(super) reasons: Vec<ReasonCountBody>,
    /// Since when they are counted.
    pub(super) since: String,
}

/// Where a packet would go.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExplainBody {
    /// From node to node.
    pub(super) steps: Vec<StepBody>,
    /// `delivered`, `refused`, `leavesView` or `loops`.
    pub(super) ends: String,
}

/// What is owed and what has moved.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct MoneyBody {
    /// By node and asset.
    pub(super) assets: Vec<AssetMoneyBody>,
    /// By account.
    pub(super) peers: Vec<AccountMoneyBody>,
}

/// The accounts of a node in one asset, together.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AssetMoneyBody {
    pub(super) node: String,
    /// Code and scale, such as `USD/9`.
    pub(super) asset: String,
    /// What peers owe the node.
    pub(super) assets: String,
    /// What the node owes.
    pub(super) liabilities: String,
    pub(super) net: String,
    pub(super) volume_in: String,
    pub(super) volume_out: String,
    pub(super) held_in: String,
    pub(super) held_out: String,
    pub(super) uncertain: String,
    /// Of the node itself.
    pub(super) earned: String,
}

/// One account.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountMoneyBody {
    pub(super) node: String,
    pub(super) peer: String,
    /// Code and scale, such as `USD/9`.
    pub(super) asset: String,
    /// Positive: the peer owes the node.
    pub(super) balance: String,
    /// `minBalance`.
    pub(super) min: Option<String>,
    /// `maxBalance`.
    pub(super) max: Option<String>,
    pub(super) held_in: String,
    pub(super) held_out: String,
    pub(super) uncertain: String,
    pub(super) volume_in: String,
    pub(super) volume_out: String,
    /// What came in, less what went out.
    pub(super) volume_net: String,
    /// By operators, all together.
    pub(super) adjusted: String,
    /// Of the volume: `in`, `out` or `even`.
    pub(super) direction: String,
    /// The node does not answer: the time of these figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seen_at: Option<String>,
}

/// Why a request is not answered otherwise: problem details (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody {
    /// `about:blank`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Of the status.
    pub(super) title: String,
    /// As in the head of the answer.
    pub(super) status: u16,
    /// What is wrong, and what to do.
    pub(super) detail: String,
}
