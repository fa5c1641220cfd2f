//! The metrics of webhooks.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::registry::Unit;

use super::family_encoder::FamilyEncoder;
use crate::peers::WebhookMeter;
use crate::wire::Timestamp;

/// Nothing without a webhook that has had something to deliver.
pub(super) fn encode(
    webhooks: &BTreeMap<String, WebhookMeter>,
    now: Timestamp,
    families: &mut FamilyEncoder<'_, '_>,
) -> fmt::Result {
    if webhooks.is_empty() {
        return Ok(());
    }
    let label = |id: &String| [("webhook", id.clone())];
    families.counters(
        "ilp_webhook_deliveries",
        "Events that the webhook has accepted, since the start of the node",
        webhooks.iter().map(|(id, meter)| (label(id), meter.delivered)),
    )?;
    families.counters(
        "ilp_webhook_failed_attempts",
        "Attempts to deliver an event to the webhook that have failed, since the start of the node",
        webhooks.iter().map(|(id, meter)| (label(id), meter.failed)),
    )?;
    let age = |meter: &WebhookMeter| {
        let since = meter.oldest_pending.map_or(0, |oldest| now.millis_since(oldest));
        std::time::Duration::from_millis(since).as_secs_f64()
    };
    families.gauges(
        "ilp_webhook_oldest_pending",
        "Age of the oldest event that the webhook has not accepted and that is still tried; 0: there is none",
        Some(&Unit::Seconds),
        webhooks.iter().map(|(id, meter)| (label(id), age(meter))),
    )
}
