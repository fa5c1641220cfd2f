//! One account of a node, as in `/peers`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::reconcile::ReconcileBody;
use super::settlement::PeerSettlementBody;
use crate::peers::PeerCounts;

/// One account of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerBody {
    /// Its id.
    pub id: String,
    /// `peer`; `receiver`, an account that STREAM senders pay; or `own`, the packets of the node itself.
    pub kind: String,
    /// `None` for accounts of other kinds.
    pub relation: Option<String>,
    /// The code of its asset.
    pub asset_code: String,
    /// Decimal places of its asset.
    pub asset_scale: u8,
    /// False after a reload that removed the peer: its balance is kept as long as the process lives.
    pub configured: bool,
    /// False while it is suspended.
    pub enabled: bool,
    /// Until when an operator suspends it, whatever the configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_until: Option<String>,
    /// Whether the node is unhealthy without it.
    pub required: bool,
    /// The state of its connection.
    pub state: String,
    /// Since when.
    pub since: Option<String>,
    /// Why it is not connected.
    pub last_error: Option<String>,
    /// The last login under its name that this node refused.
    pub last_refused_login: Option<RefusedLoginBody>,
    /// Its open sessions.
    pub sessions: Vec<SessionBody>,
    /// Positive: the peer owes the node.
    pub balance: String,
    /// Fulfilled amounts: what the peer's packets brought, and what packets to it took. With a store, since its
    /// beginning.
    #[serde(default)]
    pub volume: BothWays<String>,
    /// What operators have changed the balance by.
    #[serde(default)]
    pub adjusted: String,
    /// The last packet that exceeded `maxBalance` or `minBalance`.
    pub last_refusal: Option<OverLimitBody>,
    /// Amounts of packets in flight.
    pub held: BothWays<String>,
    /// What was in flight at an unclean end of the process.
    pub uncertain: String,
    /// How its books compare with the node's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconcile: Option<ReconcileBody>,
    /// What is settled with it outside of Interledger. `None`: nothing is, and nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settlement: Option<PeerSettlementBody>,
    /// Prepares without an answer.
    pub packets_in_flight: BothWays<usize>,
    /// Bytes that wait to be written to it.
    pub outbox_bytes: usize,
    /// The limits of its configuration.
    pub limits: LimitsBody,
    /// Counters of its packets.
    pub packets: BothWays<TrafficBody>,
    /// Other counters.
    pub counters: CountersBody,
    /// The id of its link. Not in `/peers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// From the peer, and to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BothWays<T> {
    /// From the peer.
    pub received: T,
    /// To the peer.
    pub sent: T,
}

/// Packets in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrafficBody {
    /// Prepares.
    pub prepares: u64,
    /// Fulfills.
    pub fulfills: u64,
    /// Rejects by code, without zeros.
    pub rejects: BTreeMap<String, u64>,
}

/// A login that this node refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedLoginBody {
    /// When.
    pub at: String,
    /// The client's address.
    pub remote: String,
    /// As the client received it.
    pub reason: String,
}

/// An open session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionBody {
    /// Its number.
    pub id: u64,
    /// `dialled` by this node, `accepted`, or `posted` over HTTP.
    pub side: String,
}

/// A packet that exceeded a limit of the balance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OverLimitBody {
    /// When.
    pub at: String,
    /// The limit, and by how much.
    pub reason: String,
}

/// The limits of an account; `None`: there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitsBody {
    /// The largest amount of a packet.
    pub max_packet_amount: Option<String>,
    /// The most that the peer may owe.
    pub max_balance: Option<String>,
    /// The most that the node may owe, as a negative number.
    pub min_balance: Option<String>,
    /// Prepares of the peer per second.
    pub packets_per_second: Option<u32>,
    /// Prepares without an answer, in each direction.
    pub max_packets_in_flight: usize,
    /// Bytes that may wait to be written.
    pub outbox_bytes_max: usize,
    /// Sessions at a time.
    pub max_sessions: usize,
}

/// Other counters of an account, since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CountersBody {
    /// Of its connections.
    #[serde(flatten)]
    pub peer: PeerCounts,
    /// Prepares to the peer that ended without an answer in time.
    pub timeouts: u64,
    /// Answers of the peer that were late or belonged to no request.
    pub unexpected_answers: u64,
    /// Answers to the peer that no session could carry.
    pub dropped_answers: u64,
    /// Fulfills of the peer that did not match the condition.
    pub wrong_fulfillments: u64,
}
