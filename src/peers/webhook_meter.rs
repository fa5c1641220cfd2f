//! How deliveries to webhooks went since the start of the node, and how many. The store knows those that wait.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::wire::Timestamp;

/// Those of all webhooks of a node, by id.
#[derive(Debug, Default)]
pub struct WebhookMeters(Mutex<BTreeMap<String, WebhookMeter>>);

/// Those of one webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookMeter {
    /// When it last accepted an event.
    pub delivered_at: Option<Timestamp>,
    /// When an attempt last failed, and why.
    pub last_failure: Option<(Timestamp, String)>,
    /// Whether the latest attempt failed.
    pub is_failing: bool,
    /// Events that it has accepted.
    pub delivered: u64,
    /// Attempts that have failed.
    pub failed: u64,
    /// When the first attempt of the oldest event was due that it has not accepted yet. `None`: there is none.
    pub oldest_pending: Option<Timestamp>,
}

impl WebhookMeters {
    /// Changes what is known of a webhook.
    pub fn update<T>(&self, hook: &str, update: impl FnOnce(&mut WebhookMeter) -> T) -> T {
        update(self.0.lock().entry(hook.to_owned()).or_default())
    }

    /// Forgets how attempts went: the webhook is at another place, or has another secret. Counters stay.
    pub fn forget_attempts(&self, hook: &str) {
        if let Some(meter) = self.0.lock().get_mut(hook) {
            *meter = WebhookMeter {
                delivered: meter.delivered,
                failed: meter.failed,
                oldest_pending: meter.oldest_pending,
                ..WebhookMeter::default()
            };
        }
    }

    /// Forgets the webhooks that are not configured.
    pub fn keep_only(&self, is_configured: impl Fn(&str) -> bool) {
        self.0.lock().retain(|hook, _| is_configured(hook));
    }

    /// All of them, sorted by id.
    pub fn snapshot(&self) -> BTreeMap<String, WebhookMeter> {
        self.0.lock().clone()
    }
}
