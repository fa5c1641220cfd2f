//! What operators ask about the webhooks of a running node. The node's own task answers; requests come from `/api/v1`.

use tokio::sync::{mpsc, oneshot};

use super::status::NodeStatus;
use crate::books::DeliveryCounts;
use crate::wire::Timestamp;

/// Orders that wait.
const WEBHOOK_ORDERS_MAX: usize = 16;

/// What is known of a webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookReport {
    /// Its id.
    pub id: String,
    /// Its URL without the path, which may be a secret.
    pub url: String,
    /// The kinds of events that it gets. Empty: all that are saved.
    pub events: Vec<&'static str>,
    /// Its deliveries in the store.
    pub counts: DeliveryCounts,
    /// When the first of the pending ones is due.
    pub next_attempt_at: Option<Timestamp>,
    /// Whether its latest attempt failed.
    pub is_failing: bool,
    /// When it last accepted an event, since the start of the node.
    pub delivered_at: Option<Timestamp>,
    /// When an attempt last failed, since the start of the node, and why.
    pub last_failure: Option<(Timestamp, String)>,
}

/// What is asked for.
#[derive(Debug)]
pub enum WebhookOrder {
    /// All webhooks.
    List(oneshot::Sender<Result<Vec<WebhookReport>, String>>),
    /// An event `webhook.test` for one of them.
    Test {
        /// The webhook.
        id: String,
        /// Who asks.
        by: String,
        /// The id of the event, once it is saved.
        reply: oneshot::Sender<Result<String, WebhookRefusal>>,
    },
    /// Another attempt, now, for all that was given up or waits.
    Retry {
        /// The webhook.
        id: String,
        /// How many deliveries are tried.
        reply: oneshot::Sender<Result<usize, WebhookRefusal>>,
    },
}

/// Why an order was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookRefusal {
    /// The node has no such webhook.
    #[error("the node has no webhook {0}; `webhook list` shows those that it has")]
    NotFound(String),
    /// The store cannot be read.
    #[error("the store fails, so nothing was done: {0}")]
    StoreFails(String),
    /// It is done in memory, and waits for the store.
    #[error("it is done, but not saved yet, because the store fails: {0}; the node goes on trying")]
    NotSaved(String),
}

impl NodeStatus {
    /// From now on, orders come out of this channel, once each. Called once, at the start of a node with a store.
    pub fn accept_webhook_orders(&self) -> mpsc::Receiver<WebhookOrder> {
        let (sender, orders) = mpsc::channel(WEBHOOK_ORDERS_MAX);
        // A second call leaves the first channel in use; the new one has no sender, and ends.
        let _ = self.webhook_orders.set(sender);
        orders
    }
}
