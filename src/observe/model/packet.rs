//! One record of a packet, and why a packet was rejected.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something that happened to a packet at one node. The condition is the same at every hop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PacketBody {
    /// `<boot>-<seq>`.
    pub id: String,
    /// When it happened.
    pub at: String,
    /// The node.
    pub node: String,
    /// What happened.
    pub phase: PacketPhase,
    /// Why there is a record.
    pub lane: PacketLane,
    /// Hexadecimal; zeros if the packet could not be read.
    pub condition: String,
    /// What decided that the packet is in the sample, if it is not the condition, which many packets have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_key: Option<String>,
    /// The account that it came from; `None`: the node itself.
    pub from: Option<String>,
    /// Its request id on that link.
    pub request_id: Option<u32>,
    /// The account that it was sent to, if any.
    pub to: Option<String>,
    /// Its request id on that link.
    pub outgoing_request_id: Option<u32>,
    /// Its destination, if this record has it.
    pub destination: Option<String>,
    /// The prefix of the route; empty: the default route.
    pub prefix: Option<String>,
    /// In units of the account that it came from.
    pub amount: Option<String>,
    /// In units of the account that it was sent to.
    pub outgoing_amount: Option<String>,
    /// At the next hop.
    pub expires_at: Option<String>,
    /// The balance of the account that it was sent to, right after this. Positive: that peer owes the node.
    #[serde(default)]
    pub balance_after: Option<String>,
    /// From the Prepare to this answer.
    pub latency_us: Option<u64>,
    /// Of a Reject.
    pub code: Option<String>,
    /// Whether this node made the answer, and did not pass one back.
    pub decided_here: bool,
    /// Why this node rejected it.
    pub reason: Option<ReasonBody>,
    /// The address of the node that rejected it, as the Reject says.
    pub triggered_by: Option<String>,
    /// The first 128 bytes of the Reject's message. A stranger may have written them.
    pub message: Option<String>,
}

/// What happened to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum PacketPhase {
    /// A Prepare was sent on.
    Forwarded,
    /// A receiver inside the node accepted it.
    Received,
    /// It was fulfilled.
    Fulfilled,
    /// It was rejected.
    Rejected,
}

impl PacketPhase {
    /// As in JSON and in filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Received => "received",
            Self::Fulfilled => "fulfilled",
            Self::Rejected => "rejected",
        }
    }
}

/// Why there is a record of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum PacketLane {
    /// It is in the sample.
    Sample,
    /// It was rejected.
    Reject,
}

impl PacketLane {
    /// As in JSON and in filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sample => "sample",
            Self::Reject => "reject",
        }
    }
}

/// Why this node rejected a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReasonBody {
    /// The name of the reason.
    pub kind: String,
    /// The Reject's message.
    pub text: String,
    /// The figures behind it, which no peer gets.
    pub figures: Option<String>,
    /// The peer that it is about.
    pub peer: Option<String>,
    /// The configuration key that would change it, such as `peers.c.minBalance`.
    pub key: Option<String>,
    /// What to change, in a sentence.
    pub advice: Option<String>,
}
