//! The last five minutes, a point a second.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::LatencyBody;

/// The last five minutes of a link.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LinkHistoryBody {
    /// Of the link.
    pub id: String,
    /// The oldest first. Seconds that were not recorded are missing.
    pub points: Vec<LinkPointBody>,
    /// How long answers took, in all of this time.
    pub buckets: Vec<LatencyBucketBody>,
}

/// One second of a link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkPointBody {
    /// Its end.
    pub at: String,
    /// Prepares per second from `a` to `b`.
    pub ab_per_second: f64,
    /// Prepares per second from `b` to `a`.
    pub ba_per_second: f64,
    /// Fulfills among the answers; `None`: there was none.
    pub fulfilled_percent: Option<f64>,
    /// Prepares from `a` to `b` without an answer, at its end.
    pub in_flight_ab: usize,
    /// Prepares from `b` to `a` without an answer, at its end.
    pub in_flight_ba: usize,
    /// The balance at `a`, at its end. Positive: `b` owes `a`.
    pub balance_a: Option<String>,
    /// Of the answers in it.
    pub latency: Option<LatencyBody>,
}

/// Answers that took so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LatencyBucketBody {
    /// At most this many microseconds, and more than in the bucket before; `None`: any longer time.
    pub up_to_us: Option<u64>,
    /// How many.
    pub count: u64,
}

/// The last five minutes of a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeHistoryBody {
    /// Of the node.
    pub id: String,
    /// The oldest first. Seconds that were not recorded are missing.
    pub points: Vec<NodePointBody>,
}

/// One second of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodePointBody {
    /// Its end.
    pub at: String,
    /// Prepares of peers per second.
    pub packets_per_second: f64,
    /// Fulfills among the answers to peers; `None`: there was none.
    pub fulfilled_percent: Option<f64>,
    /// Prepares of peers without an answer, at its end.
    pub in_flight: usize,
}
