//! The objects of the API, as they are in JSON. Amounts and balances are texts, because they may exceed what JSON
//! readers represent exactly. Times are RFC 3339 in UTC with milliseconds. Programs that read the API use these types
//! too.

mod decision;
mod exchange_rate;
mod history;
mod income;
mod lab;
mod overrides;
mod packet;
mod payment;
mod peer;
mod reconcile;
mod saved_event;
mod settlement;
mod webhooks;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::scope::Scope;
use crate::books::EventLevel;

pub use self::decision::{CandidateBody, ReasonCountBody, StepBody};
pub use self::exchange_rate::{
    AcceptedRateBody, ExchangeRateBody, ExchangeRatesBody, JumpedAssetBody, NodeExchangeRatesBody,
    RateSourceBody,
};
pub use self::history::{
    LatencyBucketBody, LinkHistoryBody, LinkPointBody, NodeHistoryBody, NodePointBody,
};
pub use self::income::{
    AccountIncomeBody, EarnedBody, FlowBody, FlowEndBody, IncomeBody, LossBody, NodeIncomeBody,
};
pub use self::lab::{BurstBody, FaultBody, FaultKind};
pub use self::overrides::{OverrideBody, OverrideKind, ReconnectBody};
pub use self::packet::{PacketBody, PacketLane, PacketPhase, ReasonBody};
pub use self::payment::{PaymentBody, PaymentsBody};
pub use self::peer::{
    BothWays, CountersBody, LimitsBody, OverLimitBody, PeerBody, RefusedLoginBody, SessionBody,
    TrafficBody,
};
pub use self::reconcile::{DifferenceBody, NotCreditedBody, ReconcileBody};
pub use self::saved_event::{SavedEventBody, SavedEventsBody};
pub use self::settlement::{
    EngineAccountBody, EngineRefusalBody, PeerSettlementBody, PendingSettlementBody,
    RecordedSettlementBody, SettlementBody, SettlementWay, SettlementsBody,
    SettlementsUnderWayBody,
};
pub use self::webhooks::{WebhookBody, WebhookVerbBody, WebhooksBody};

/// One object of the stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "camelCase")]
#[expect(clippy::large_enum_variant, reason = "one at a time is made or read")]
pub enum StreamMessage {
    /// The first one.
    Hello(HelloBody),
    /// All nodes and links: once, after a gap, and when the set or the state of one of them has changed.
    State(StateBody),
    /// Counters and figures.
    Rates(RatesBody),
    /// Something happened to a node or a peer.
    Event(EventBody),
    /// Something happened to a packet.
    Packet(PacketBody),
    /// The sample has changed. Only for readers that asked for a seed; before the packets that it concerns.
    Sample(SampleBody),
    /// Objects that this stream has lost.
    Gap(GapBody),
    /// The last one.
    Bye(ByeBody),
}

impl StreamMessage {
    /// The id of an object that has one: the stream can begin again after it.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Event(event) => Some(&event.id),
            Self::Packet(packet) => Some(&packet.id),
            _ => None,
        }
    }
}

/// What a stream begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelloBody {
    /// Of the observer, eight hexadecimal digits. Ids of another boot mean nothing to this one.
    pub boot: String,
    /// Of the program.
    pub version: String,
    /// The ids of the nodes in view.
    pub nodes: Vec<String>,
    /// What the token allows, or what is allowed without one.
    #[serde(default)]
    pub scopes: Vec<Scope>,
    /// The token is that of this peer, and shows nothing about others.
    #[serde(default)]
    pub peer: Option<String>,
    /// What this listener can do beside the rest of `/api/v1`.
    #[serde(default)]
    pub features: Vec<String>,
    /// Which packets are in the sample: those whose first eight bytes of the condition, as a number, exclusive-or
    /// `seed`, are below `threshold`. Hexadecimal.
    pub seed: String,
    /// See [`Self::seed`]. It follows the number of packets.
    pub threshold: String,
    /// What an observer records and keeps.
    pub limits: StreamLimits,
}

/// Which packets are in the sample, see [`HelloBody::seed`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SampleBody {
    /// 16 hexadecimal digits.
    pub seed: String,
    /// The same.
    pub threshold: String,
}

/// What an observer records and keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamLimits {
    /// Packets that this stream carries in a second; the sample is made small enough for about as many records of each
    /// node.
    pub packets_per_second: u32,
    /// Rejects of a node that are recorded in a second. All are counted.
    pub rejects_per_second: u32,
    /// Records of packets that are kept for `/packets`.
    pub kept: usize,
}

/// All nodes and links in view.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StateBody {
    /// Sorted by id.
    pub nodes: Vec<NodeBody>,
    /// Sorted by id.
    pub links: Vec<LinkBody>,
    /// What is broken on purpose, with `up --lab`.
    #[serde(default)]
    pub faults: Vec<FaultBody>,
    /// What operators have changed for a time.
    #[serde(default)]
    pub overrides: Vec<OverrideBody>,
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeBody {
    /// Its id.
    pub id: String,
    /// As in `/health`.
    pub status: String,
    /// Why it is not healthy, and what else an operator should know.
    pub reasons: Vec<String>,
    /// Its ILP address, if it has one.
    pub address: Option<String>,
    /// Of its program.
    pub version: String,
    /// Since its start.
    pub uptime_seconds: u64,
    /// When it started.
    pub started_at: String,
    /// Where peers reach it over BTP.
    pub btp: Option<String>,
    /// Where its pages are.
    pub api: Option<String>,
    /// Sums over its peers.
    pub stats: NodeStats,
    /// If these are not the figures of now, because the node does not answer: when it had them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<String>,
    /// Its accounts, as in `/peers`.
    pub peers: Vec<PeerBody>,
}

/// Sums over the peers of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeStats {
    /// Prepares that peers have sent it, since its start.
    pub prepares: u64,
    /// Fulfills that it has sent to peers.
    pub fulfills: u64,
    /// Rejects that it has sent to peers.
    pub rejects: u64,
    /// Prepares of peers without an answer.
    pub in_flight: usize,
    /// Peers with a session.
    pub connected: usize,
    /// Prefixes in its routing table.
    pub routes: usize,
}

/// The connection of a node with a peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkBody {
    /// `a~b`, or `a~peer` if the other end is not in view.
    pub id: String,
    /// The node at one end.
    pub a: String,
    /// The node at the other end, or the name that `a` has for it.
    pub b: String,
    /// The account of `b` at `a`.
    pub a_peer: String,
    /// The account of `a` at `b`, if that is in view.
    pub b_peer: Option<String>,
    /// The state of that account, as in `/peers`.
    pub a_state: Option<String>,
    /// See [`Self::a_state`].
    pub b_state: Option<String>,
    /// What both ends together say.
    pub state: LinkState,
    /// Since when the end that says most is in its state.
    pub since: Option<String>,
    /// Why it is not connected.
    pub last_error: Option<String>,
    /// What is at the other end.
    pub kind: LinkKind,
    /// `btp` or `http`, if a session tells it.
    pub transport: Option<String>,
    /// Code and scale, such as `USD/9`.
    pub asset: String,
}

/// What both ends of a link say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum LinkState {
    /// Packets can pass.
    Up,
    /// They cannot.
    Down,
    /// One end has a session, the other one has none yet or no longer.
    Partly,
    /// An operator has suspended it.
    Suspended,
    /// No node at its ends answers.
    Unknown,
}

/// What is at the far end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum LinkKind {
    /// A node in view.
    Peer,
    /// The account of `ping`, `trace` and `send`.
    Tool,
    /// An account inside the node, which STREAM senders pay.
    Receiver,
    /// A peer that is not in view.
    Outside,
}

/// Counters and figures of one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RatesBody {
    /// The moment.
    pub at: String,
    /// How much of the packets the stream shows.
    pub sampled: SampledBody,
    /// Links, at most 1,000 of them: those with most packets.
    pub links: Vec<LinkRates>,
    /// All nodes.
    pub nodes: Vec<NodeRates>,
}

/// How much of the packets the stream shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SampledBody {
    /// One packet of so many is in the sample; 0: no client watches packets.
    pub one_in: f64,
    /// Records that were lost before any stream could carry them, since a client watches.
    pub lost: u64,
}

/// Counters and figures of one link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkRates {
    /// Of the link.
    pub id: String,
    /// Prepares from `a` to `b`, and their answers, since the start.
    pub ab: TrafficBody,
    /// Prepares from `b` to `a`, and their answers, since the start.
    pub ba: TrafficBody,
    /// Prepares per second from `a` to `b`, since the last figures.
    pub ab_per_second: f64,
    /// Prepares per second from `b` to `a`.
    pub ba_per_second: f64,
    /// Fulfills among the answers since the last figures; `None`: there was none.
    pub fulfilled_percent: Option<f64>,
    /// Prepares from `a` to `b` without an answer.
    pub in_flight_ab: usize,
    /// Prepares from `b` to `a` without an answer.
    pub in_flight_ba: usize,
    /// Bytes at `a` that wait to be written.
    pub outbox_a: usize,
    /// Bytes at `b` that wait to be written.
    pub outbox_b: usize,
    /// The balance at `a`. Positive: `b` owes `a`.
    pub balance_a: Option<String>,
    /// The balance at `b`. Positive: `a` owes `b`.
    pub balance_b: Option<String>,
    /// Of the answers since the last figures.
    pub latency: Option<LatencyBody>,
}

/// Times from a Prepare to its answer, as far as the buckets of a histogram tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LatencyBody {
    /// Half of the answers came within this time, in microseconds.
    pub p50_us: u64,
    /// 99 of 100 answers came within this time, in microseconds.
    pub p99_us: u64,
}

/// Figures of one node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeRates {
    /// Its id.
    pub id: String,
    /// As in `/health`.
    pub status: String,
    /// Prepares from peers, since the last figures.
    pub packets_per_second: f64,
    /// Prepares of peers without an answer.
    pub in_flight: usize,
}

/// Something that happened to a node or a peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventBody {
    /// `<boot>-<seq>`.
    pub id: String,
    /// When it happened.
    pub at: String,
    /// The node.
    pub node: String,
    /// How important it is.
    pub level: EventLevel,
    /// What happened, such as `peer.connected`.
    pub kind: String,
    /// A sentence.
    pub text: String,
    /// The peer, if it is about one.
    pub peer: Option<String>,
    /// More about it, by name.
    pub fields: BTreeMap<String, String>,
}

/// Objects that a stream has lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GapBody {
    /// `events` or `packets`.
    pub topic: String,
    /// How many. After a resume, at most so many.
    pub lost: u64,
    /// The id of the first one, if it is known.
    pub from_id: Option<String>,
    /// The id of the last one, if it is known.
    pub to_id: Option<String>,
    /// Why.
    pub why: GapCause,
}

/// Why a stream has lost objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum GapCause {
    /// More packets matched than the stream carries in a second.
    Budget,
    /// The reader came back too late: they are no longer kept.
    Ring,
    /// The reader is too slow: its queue is full.
    Slow,
    /// The observer has restarted since.
    Restart,
}

/// What a stream ends with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ByeBody {
    /// Why it ends.
    pub why: String,
    /// When to come back.
    pub retry_ms: u64,
}
