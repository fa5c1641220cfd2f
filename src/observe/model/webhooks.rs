//! The webhooks of a node.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /api/v1/nodes/ID/webhooks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhooksBody {
    /// In the order of the configuration.
    pub webhooks: Vec<WebhookBody>,
    /// Events that were lost since the start of the node, because the store failed for too long.
    pub lost_events: u64,
}

/// A webhook, and how far its deliveries are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookBody {
    /// Its id.
    pub id: String,
    /// Where events go; without the path, which may be a secret.
    pub url: String,
    /// The kinds of events that it gets. Empty: all that are saved.
    pub events: Vec<String>,
    /// Whether its latest attempt failed.
    pub failing: bool,
    /// Events that are tried.
    pub pending: u64,
    /// Events that it accepted, as long as they are kept.
    pub delivered: u64,
    /// Events that are not tried any more.
    pub given_up: u64,
    /// When it last accepted an event, since the start of the node.
    pub delivered_at: Option<String>,
    /// When an attempt last failed, since the start of the node.
    pub failed_at: Option<String>,
    /// Why.
    pub last_error: Option<String>,
    /// When the first of the events that are tried is due. Null: there is none.
    #[serde(default)]
    pub next_attempt_at: Option<String>,
}

/// What an operator has set off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookVerbBody {
    /// The node.
    pub node: String,
    /// The webhook.
    pub webhook: String,
    /// The id of the test: the `webhook-id` of its requests.
    pub event: Option<String>,
    /// Events that are tried again.
    pub retried: Option<u64>,
}
