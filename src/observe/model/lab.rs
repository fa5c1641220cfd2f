//! What is broken on purpose.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something that the lab of `up --lab` has broken, or does, for a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FaultBody {
    /// Its id, to undo it.
    pub id: String,
    /// What it is.
    pub kind: FaultKind,
    /// The node that is stopped, or that packets are sent from.
    pub node: Option<String>,
    /// The link that is cut, slow, or loses packets.
    pub link: Option<String>,
    /// How much of it, such as `200 ms`, `10 %`, or `100 packets of 1 to test.c`.
    pub value: Option<String>,
    /// Who wanted it.
    pub by: String,
    /// Since when.
    pub set_at: String,
    /// Until when, if it is not undone before.
    pub expires_at: String,
    /// What else follows from it.
    pub note: Option<String>,
    /// What has become of the packets that it sends.
    pub result: Option<BurstBody>,
}

/// What the lab can break, or do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum FaultKind {
    /// A node stops, and starts again at the end.
    StopNode,
    /// No connection of a link stays or comes up.
    Cut,
    /// What is sent over a link arrives later.
    Delay,
    /// Some packets of a link are lost.
    Drop,
    /// A node sends packets.
    Burst,
}

impl FaultKind {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StopNode => "stopNode",
            Self::Cut => "cut",
            Self::Delay => "delay",
            Self::Drop => "drop",
            Self::Burst => "burst",
        }
    }
}

/// What has become of the packets of a burst.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BurstBody {
    /// Packets that were sent, or could not be.
    pub sent: u64,
    /// Of these, the destination fulfilled so many.
    pub fulfilled: u64,
    /// Packets that ended with each error code, here or on their way.
    pub rejected: BTreeMap<String, u64>,
    /// Packets that have no answer yet.
    pub waiting: u64,
}
