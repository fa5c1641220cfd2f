//! Settlements: what was paid outside of Interledger.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::peer::BothWays;
use crate::books::{Settlement, SettlementDirection};

/// One settlement. Amounts are texts, in units of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettlementBody {
    /// Its key, which makes it happen once.
    pub key: String,
    /// The node.
    pub node: String,
    /// The peer.
    pub peer: String,
    /// Asset and scale, such as `USD/9`.
    pub asset: String,
    /// `sent`: we have paid the peer. `received`: it has paid us.
    pub direction: SettlementWay,
    /// By how many units the balance has changed.
    pub units: String,
    /// What the request of the engine says, or ours: an amount in decimal digits.
    pub amount: String,
    /// The scale of that amount.
    pub amount_scale: u8,
    /// What is left over of all settlements received so far, below one unit, in units.
    pub leftover: String,
    /// `done`: it is over for this node. `pending`: the engine has not accepted it.
    pub state: String,
    /// How often the engine was asked.
    pub attempts: u32,
    /// When it began.
    pub created_at: String,
    /// When its state last changed.
    pub updated_at: String,
    /// The operator's own reference.
    pub reference: String,
    /// Who settled: an operator, `engine`, or `ilp-connector`.
    pub by: String,
}

impl SettlementBody {
    /// A settlement of a node.
    pub fn new(node: &str, settlement: &Settlement) -> Self {
        Self {
            key: settlement.key.to_string(),
            node: node.to_owned(),
            peer: settlement.account.to_string(),
            asset: settlement.asset.to_string(),
            direction: settlement.direction.into(),
            units: settlement.units.to_string(),
            amount: settlement.quantity.amount().to_owned(),
            amount_scale: settlement.quantity.scale,
            leftover: settlement.leftover.to_string(),
            state: settlement.state.to_string(),
            attempts: settlement.attempts,
            created_at: settlement.created_at.to_string(),
            updated_at: settlement.updated_at.to_string(),
            reference: settlement.reference.clone(),
            by: settlement.by.clone(),
        }
    }
}

/// Who paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SettlementWay {
    /// We have paid the peer.
    Sent,
    /// The peer has paid us.
    Received,
}

impl SettlementWay {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
        }
    }
}

impl From<SettlementDirection> for SettlementWay {
    fn from(direction: SettlementDirection) -> Self {
        match direction {
            SettlementDirection::Outgoing => Self::Sent,
            SettlementDirection::Incoming => Self::Received,
        }
    }
}

/// A settlement that an operator has recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordedSettlementBody {
    /// As it was booked first.
    #[serde(flatten)]
    pub settlement: SettlementBody,
    /// An earlier request with its id has booked it, and this one has changed nothing.
    #[serde(default)]
    pub already_recorded: bool,
}

/// The settlements with a peer, as in `/peers`. Amounts are texts, in units of the account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerSettlementBody {
    /// `engine`, `manual`, or `none`.
    pub mode: String,
    /// What it has paid the node in all, and what the node has paid it.
    pub settled: BothWays<String>,
    /// The one that is debited and that no engine has accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingSettlementBody>,
    /// Until when an operator lets none begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<String>,
    /// Its account at its settlement engine. `None`: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineAccountBody>,
}

/// The account of a peer at its settlement engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EngineAccountBody {
    /// `waiting` for the engine to confirm it, `ready`, or `failing`.
    pub state: String,
    /// Since when; `None`: since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Requests to the engine that failed, since the start.
    pub failures: u64,
    /// Why the last one failed, until the engine confirms the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// The last request of the engine that the node refused, until it accepts one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_refusal: Option<EngineRefusalBody>,
}

/// A request of a settlement engine that the node refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EngineRefusalBody {
    /// When.
    pub at: String,
    /// The status of the answer.
    pub status: u16,
    /// What the answer said.
    pub reason: String,
}

/// A settlement that is debited and that no engine has accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingSettlementBody {
    /// Its key.
    pub key: String,
    /// By how many units the balance has changed.
    pub units: String,
    /// When it began.
    pub since: String,
    /// How often the engine was asked.
    pub attempts: u32,
    /// Why the engine has not accepted it; `None`: it was not asked yet, or is being asked for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When the engine is asked again; `None`: it is being asked, or is not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<String>,
    /// Why the engine is not asked, whatever the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_up: Option<String>,
}

/// The settlement that is under way with a peer, and what is in its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettlementsUnderWayBody {
    /// The peer.
    pub peer: String,
    /// The settlement that its engine has not accepted.
    pub settlement: SettlementBody,
    /// Why the engine has not accepted it; `None`: it was not asked yet, or is being asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When the engine is asked again; `None`: it is being asked, or is not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<String>,
    /// Why the engine is not asked, whatever the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_up: Option<String>,
}

/// The newest settlements of a node, and those under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettlementsBody {
    /// The newest first.
    pub settlements: Vec<SettlementBody>,
    /// By peer.
    pub under_way: Vec<SettlementsUnderWayBody>,
    /// The peers with which operators let no settlement begin for a time.
    pub paused: Vec<String>,
    /// Until when, by peer.
    #[serde(default)]
    pub paused_until: BTreeMap<String, String>,
}
