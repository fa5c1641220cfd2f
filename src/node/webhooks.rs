//! Delivers the events that the store keeps to webhooks: a task for each, so that one that hangs delays no other.
//!
//! The table of the store is the truth: an event is delivered until a cut says that it was. After a crash between a
//! delivery and that cut it is delivered again, with the same id. While the store fails, events are delivered from
//! memory.

mod try_now;

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::sleep;

pub(super) use self::try_now::try_now;
use super::task::AbortOnDrop;
use super::webhook_orders;
use crate::api::NodeStatus;
use crate::books::{DeliveryState, EventDelivery, EventId, SavedEvent};
use crate::config::WebhookSettings;
use crate::connector::WebhookSubscription;
use crate::http::HttpClient;
use crate::machine;
use crate::peers::NodeContext;
use crate::store::{DeliveryQuery, StoreHandle};
use crate::time::Backoff;
use crate::webhooks::{DeliveryError, Webhook, deliver};
use crate::wire::Timestamp;

/// Requests to one webhook at a time.
const CONCURRENT: usize = 4;
/// Results that may wait for the store; beyond, nothing more is delivered until it works.
const UNSAVED_MAX: usize = 1_000;
/// Delays between attempts.
const RETRY_MIN: Duration = Duration::from_secs(2);
const RETRY_MAX: Duration = Duration::from_secs(3_600);
/// How long an event is tried.
const TRIED_FOR: Duration = Duration::from_secs(3 * 86_400);
/// The longest wait, so that a change of the time of day is noticed.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// The wait while the store fails.
const STORE_WAIT: Duration = Duration::from_secs(1);

/// The running tasks, which end when this is dropped.
pub(super) struct WebhookTasks {
    store: StoreHandle,
    context: Arc<NodeContext>,
    status: Arc<NodeStatus>,
    running: Vec<(WebhookSettings, AbortOnDrop)>,
    orders: webhook_orders::OrdersTask,
}

impl WebhookTasks {
    pub(super) fn new(
        store: StoreHandle,
        context: Arc<NodeContext>,
        status: Arc<NodeStatus>,
    ) -> Self {
        let orders = webhook_orders::OrdersTask::start(
            store.clone(),
            Arc::clone(&context),
            Arc::clone(&status),
        );
        Self { store, context, status, running: Vec::new(), orders }
    }

    /// Starts, replaces and ends tasks. A delivery that is interrupted is repeated.
    pub(super) fn follow_config(&mut self, webhooks: &[WebhookSettings]) {
        let subscriptions = webhooks.iter().map(|webhook| WebhookSubscription {
            hook: webhook.id.as_str().into(),
            kinds: webhook.events.clone().unwrap_or_default(),
        });
        self.context.connector.set_webhooks(subscriptions.collect());
        let is_configured = |hook: &str| webhooks.iter().any(|one| one.id.as_str() == hook);
        self.context.webhook_meters.keep_only(is_configured);
        self.orders.follow_config(webhooks);
        let before: Vec<WebhookSettings> =
            self.running.iter().map(|(settings, _)| settings.clone()).collect();
        self.running.retain(|(settings, _)| webhooks.contains(settings));
        for settings in webhooks {
            if self.running.iter().any(|(running, _)| running == settings) {
                continue;
            }
            // Its metrics are there from the start.
            self.context.webhook_meters.update(settings.id.as_str(), |_| ());
            // What another place has refused, or this one because of another secret, says nothing of the next attempt.
            let was = before.iter().find(|before| before.id == settings.id);
            let is_moved = was.is_some_and(|was| {
                was.url != settings.url || !was.all_secrets().eq(settings.all_secrets())
            });
            if is_moved {
                self.context.webhook_meters.forget_attempts(settings.id.as_str());
            }
            // `config` has checked the secrets.
            let keys = settings.all_secrets().filter_map(|secret| secret.expose().parse().ok());
            let (id, url) = (settings.id.as_str().into(), settings.url.clone());
            let task = DeliveryTask {
                webhook: Webhook { id, url, keys: keys.collect() },
                client: HttpClient::with_tls(Arc::clone(&self.context.client_tls)),
                node: self.context.connector.node_id().to_string(),
                store: self.store.clone(),
                context: Arc::clone(&self.context),
                status: Arc::clone(&self.status),
            };
            self.running.push((settings.clone(), AbortOnDrop::spawn(task.run(is_moved))));
        }
    }
}

/// Delivers to one webhook.
struct DeliveryTask {
    webhook: Webhook,
    client: HttpClient,
    node: String,
    store: StoreHandle,
    context: Arc<NodeContext>,
    status: Arc<NodeStatus>,
}

type Attempt<'t> =
    Pin<Box<dyn Future<Output = (EventDelivery, Result<(), DeliveryError>)> + Send + 't>>;

impl DeliveryTask {
    /// Runs until it is dropped. `hurries`: what waits for a later attempt is due at once.
    async fn run(self, mut hurries: bool) {
        let mut saved = self.context.saved_events.subscribe();
        let mut failures = self.status.watch_store_failure();
        let mut attempts: FuturesUnordered<Attempt<'_>> = FuturesUnordered::new();
        let mut in_flight: BTreeSet<EventId> = BTreeSet::new();
        loop {
            saved.borrow_and_update();
            failures.borrow_and_update();
            hurries = hurries && !self.hurry().await;
            let wait = match CONCURRENT.saturating_sub(in_flight.len()) {
                _ if hurries => STORE_WAIT,
                0 => WAIT_MAX,
                free => {
                    let (due, wait) = self.find_due(&in_flight, free).await;
                    for (delivery, event) in due {
                        in_flight.insert(event.id.clone());
                        attempts.push(Box::pin(self.attempt(delivery, event)));
                    }
                    wait
                }
            };
            tokio::select! {
                biased;
                Some((delivery, result)) = attempts.next(), if !attempts.is_empty() => {
                    in_flight.remove(&delivery.event);
                    self.note(delivery, result);
                }
                changed = saved.changed() => if changed.is_err() {
                    return;
                },
                changed = failures.changed() => if changed.is_err() {
                    return;
                },
                () = sleep(wait) => {}
            }
        }
    }

    /// Makes all that waits for a later attempt due now. `false`: the store cannot be read.
    async fn hurry(&self) -> bool {
        let (hook, state) = (&self.webhook.id, DeliveryState::Pending);
        try_now(hook, state, &self.store, &self.context).await.is_ok()
    }

    async fn attempt(
        &self,
        delivery: EventDelivery,
        event: Arc<SavedEvent>,
    ) -> (EventDelivery, Result<(), DeliveryError>) {
        let at = self.now();
        let result = deliver(&self.client, &self.webhook, &self.node, &event, at).await;
        (delivery, result)
    }

    fn now(&self) -> Timestamp {
        self.context.clock.now().wall
    }

    /// The next deliveries, at most `free`, and the time until there may be more.
    async fn find_due(
        &self,
        in_flight: &BTreeSet<EventId>,
        free: usize,
    ) -> (Vec<(EventDelivery, Arc<SavedEvent>)>, Duration) {
        let hook = &self.webhook.id;
        // Before the store is asked: what is durable by then, it knows.
        let unsaved = self.context.connector.unsaved_deliveries(hook);
        if unsaved.len() > UNSAVED_MAX {
            return (Vec::new(), STORE_WAIT);
        }
        let now = self.now();
        let max = free + in_flight.len() + unsaved.len();
        let is_failing = self.status.watch_store_failure().borrow().is_some();
        let (found, next_due) = if is_failing {
            (self.context.connector.unsaved_events(hook, max), Some(now.saturating_add(STORE_WAIT)))
        } else {
            let query = DeliveryQuery {
                hook: Arc::clone(hook),
                state: DeliveryState::Pending,
                due_by: now,
                max: u32::try_from(max).unwrap_or(u32::MAX),
                counts_all: false,
            };
            match self.store.find_deliveries(query).await {
                Ok(found) => {
                    let oldest = found.oldest_since;
                    let meters = &self.context.webhook_meters;
                    meters.update(hook, |meter| meter.oldest_pending = oldest);
                    (found.found, found.next_due)
                }
                Err(_) => return (Vec::new(), STORE_WAIT),
            }
        };
        let latest = found
            .into_iter()
            .map(|(row, event)| (unsaved.get(&event.id).cloned().unwrap_or(row), event));
        let is_due = |delivery: &EventDelivery| {
            delivery.state == DeliveryState::Pending
                && delivery.due <= now
                && !in_flight.contains(&delivery.event)
        };
        let due: Vec<_> = latest.filter(|(delivery, _)| is_due(delivery)).take(free).collect();
        // What is due already is under way, or its result is about to be saved, which wakes this task.
        let next_due = next_due.filter(|next| *next > now);
        let wait = next_due.map_or(WAIT_MAX, |next| {
            Duration::from_millis(next.as_millis().saturating_sub(now.as_millis()))
        });
        (due, wait.min(WAIT_MAX))
    }

    /// Has the next cut save the result of an attempt.
    fn note(&self, delivery: EventDelivery, result: Result<(), DeliveryError>) {
        let now = self.now();
        let hook = &*self.webhook.id;
        let done = after_attempt(delivery, &result, now, machine::random());
        let meters = &self.context.webhook_meters;
        let was_failing = meters.update(hook, |meter| {
            match &done.error {
                None => {
                    meter.delivered_at = Some(now);
                    meter.delivered = meter.delivered.saturating_add(1);
                }
                Some(error) => {
                    meter.last_failure = Some((now, error.clone()));
                    meter.failed = meter.failed.saturating_add(1);
                }
            }
            std::mem::replace(&mut meter.is_failing, result.is_err())
        });
        let event = done.event.as_str();
        match (&done.error, was_failing) {
            (Some(error), false) => {
                tracing::warn!(webhook = hook, event, error, "a webhook does not accept events");
            }
            (None, true) => tracing::info!(webhook = hook, "a webhook accepts events again"),
            _ => tracing::debug!(webhook = hook, event, "a delivery was tried"),
        }
        if done.state == DeliveryState::GivenUp {
            tracing::warn!(
                webhook = hook,
                event,
                attempts = done.attempts,
                "an event was not delivered, and is not tried any more"
            );
        }
        self.context.connector.note_delivery(done);
    }
}

/// The delivery after an attempt that ended now. `random` spreads the attempts of events that failed together.
fn after_attempt(
    delivery: EventDelivery,
    result: &Result<(), DeliveryError>,
    now: Timestamp,
    random: u16,
) -> EventDelivery {
    let attempts = delivery.attempts.saturating_add(1);
    let Err(error) = result else {
        let state = DeliveryState::Delivered;
        return EventDelivery { state, attempts, due: now, error: None, ..delivery };
    };
    let is_over = delivery.since.saturating_add(TRIED_FOR) <= now;
    let error_text = Some(error.describe());
    if error.is_final() || is_over {
        let state = DeliveryState::GivenUp;
        return EventDelivery { state, attempts, due: now, error: error_text, ..delivery };
    }
    let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
    backoff.skip_to(attempts - 1);
    // Between three quarters and the whole.
    let delay = backoff.next_delay();
    let delay = delay - delay / 4 * u32::from(random) / u32::from(u16::MAX);
    EventDelivery { attempts, due: now.saturating_add(delay), error: error_text, ..delivery }
}

#[cfg(test)]
mod tests;
