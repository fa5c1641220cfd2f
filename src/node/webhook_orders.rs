//! Answers what operators ask about webhooks.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::store_waits::{look_up, wait_durable};
use super::task::AbortOnDrop;
use super::webhooks::try_now;
use crate::api::{NodeStatus, WebhookOrder, WebhookRefusal, WebhookReport};
use crate::books::{DeliveryState, EventId, EventKind, EventLevel, NewEvent};
use crate::config::WebhookSettings;
use crate::machine;
use crate::peers::NodeContext;
use crate::store::{DeliveryQuery, StoreHandle};
use crate::wire::Timestamp;

/// The running task, which ends when this is dropped.
pub(super) struct OrdersTask {
    _task: AbortOnDrop,
    webhooks: watch::Sender<Vec<WebhookSettings>>,
}

impl OrdersTask {
    pub(super) fn start(
        store: StoreHandle,
        context: Arc<NodeContext>,
        status: Arc<NodeStatus>,
    ) -> Self {
        let (sender, webhooks) = watch::channel(Vec::new());
        let orders = status.accept_webhook_orders();
        let orders = Orders { store, context, status, webhooks }.run(orders);
        Self { _task: AbortOnDrop::spawn(orders), webhooks: sender }
    }

    pub(super) fn follow_config(&self, webhooks: &[WebhookSettings]) {
        self.webhooks.send_replace(webhooks.to_vec());
    }
}

struct Orders {
    store: StoreHandle,
    context: Arc<NodeContext>,
    status: Arc<NodeStatus>,
    webhooks: watch::Receiver<Vec<WebhookSettings>>,
}

impl Orders {
    /// Runs until the node stops. A client may not wait any more for its reply.
    async fn run(self, mut orders: mpsc::Receiver<WebhookOrder>) {
        while let Some(order) = orders.recv().await {
            match order {
                WebhookOrder::List(reply) => drop(reply.send(self.list().await)),
                WebhookOrder::Test { id, by, reply } => {
                    drop(reply.send(self.test(&id, &by).await));
                }
                WebhookOrder::Retry { id, reply } => drop(reply.send(self.retry(&id).await)),
            }
        }
    }

    async fn list(&self) -> Result<Vec<WebhookReport>, String> {
        let webhooks = self.webhooks.borrow().clone();
        let meters = self.context.webhook_meters.snapshot();
        let mut reports = Vec::with_capacity(webhooks.len());
        for webhook in webhooks {
            let id = webhook.id.to_string();
            // Only counted.
            let query = DeliveryQuery {
                hook: id.as_str().into(),
                state: DeliveryState::Pending,
                due_by: Timestamp::EPOCH,
                max: 1,
                counts_all: true,
            };
            let found = look_up(self.store.find_deliveries(query)).await?;
            let meter = meters.get(&id).cloned().unwrap_or_default();
            let scheme = if webhook.url.is_tls() { "https" } else { "http" };
            let kinds = webhook.events.unwrap_or_default();
            reports.push(WebhookReport {
                // The path may be a secret.
                url: format!("{scheme}://{}/…", webhook.url.authority()),
                events: kinds.iter().map(|kind| kind.as_str()).collect(),
                counts: found.counts,
                next_attempt_at: found.next_due,
                is_failing: meter.is_failing,
                delivered_at: meter.delivered_at,
                last_failure: meter.last_failure,
                id,
            });
        }
        Ok(reports)
    }

    fn check(&self, id: &str) -> Result<(), WebhookRefusal> {
        let webhooks = self.webhooks.borrow();
        match webhooks.iter().any(|webhook| webhook.id.as_str() == id) {
            true => Ok(()),
            false => Err(WebhookRefusal::NotFound(id.to_owned())),
        }
    }

    async fn test(&self, id: &str, by: &str) -> Result<String, WebhookRefusal> {
        self.check(id)?;
        let event = EventId::from_random(machine::random());
        let connector = &self.context.connector;
        let new = NewEvent {
            level: EventLevel::Info,
            kind: EventKind::WebhookTest,
            text: format!("a test of the webhook {id}"),
            peer: None,
            fields: vec![("by", by.to_owned())],
        };
        connector.note_event_for(id, event.clone(), &new, self.context.clock.now().wall);
        self.wait_saved().await?;
        Ok(event.as_str().to_owned())
    }

    async fn retry(&self, id: &str) -> Result<usize, WebhookRefusal> {
        self.check(id)?;
        let mut tried = 0;
        for state in [DeliveryState::GivenUp, DeliveryState::Pending] {
            let more = try_now(&id.into(), state, &self.store, &self.context).await;
            tried += more.map_err(WebhookRefusal::StoreFails)?;
        }
        self.wait_saved().await?;
        Ok(tried)
    }

    /// Waits until what was just noted is durable.
    async fn wait_saved(&self) -> Result<(), WebhookRefusal> {
        let connector = &self.context.connector;
        let Some(cut) = connector.next_cut() else { return Ok(()) };
        wait_durable(cut, connector, &self.status).await.map_err(WebhookRefusal::NotSaved)
    }
}
