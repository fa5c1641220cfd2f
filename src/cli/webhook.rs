//! `webhook`: lists the webhooks of a running node, tests them, and hurries deliveries.

use std::io::Write;

use serde_json::json;

use super::args::{WebhookArguments, WebhookCommand, WebhookListArguments};
use super::verbs::{run as order, show_page};
use crate::config::Environment;
use crate::console::{Cell, Failure, Table, count};
use crate::observe::{WebhookVerbBody, WebhooksBody};
use crate::remote::url_encode;

pub(super) fn run(
    arguments: &WebhookArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let path = |webhook: &str, verb: &str| format!("webhooks/{}/{verb}", url_encode(webhook));
    match &arguments.command {
        WebhookCommand::List(arguments) => list(arguments, environment, out),
        WebhookCommand::Test(arguments) => {
            let path = path(&arguments.webhook, "test");
            order::<WebhookVerbBody>(&arguments.node, environment, &path, json!({}), out, |done| {
                let event = done.event.as_deref().unwrap_or_default();
                format!(
                    "{}: a test is on its way to {} (webhook-id {event}); webhook list shows whether it arrives",
                    done.node, done.webhook
                )
            })
        }
        WebhookCommand::Retry(arguments) => {
            let path = path(&arguments.webhook, "retry");
            order::<WebhookVerbBody>(&arguments.node, environment, &path, json!({}), out, |done| {
                let retried = usize::try_from(done.retried.unwrap_or(0)).unwrap_or(usize::MAX);
                let events = count(retried, "event");
                format!("{}: {events} for {} tried again now", done.node, done.webhook)
            })
        }
    }
}

fn list(
    arguments: &WebhookListArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    show_page::<WebhooksBody>(&arguments.node, environment, "webhooks", out, lines)
}

fn lines(page: &WebhooksBody) -> Vec<String> {
    let mut lines = Vec::new();
    if page.webhooks.is_empty() {
        lines.push("the node has no webhooks".to_owned());
    } else {
        let headings =
            ["WEBHOOK", "STATE", "PENDING", "DELIVERED", "GIVEN UP", "LAST", "NEXT TRY", "URL"];
        let mut table = Table::new(&headings).ending_with_text();
        for webhook in &page.webhooks {
            table.add_row([
                Cell::left(&webhook.id),
                Cell::left(if webhook.failing { "failing" } else { "ok" }),
                Cell::right(webhook.pending.to_string()),
                Cell::right(webhook.delivered.to_string()),
                Cell::right(webhook.given_up.to_string()),
                Cell::left(webhook.delivered_at.as_deref().unwrap_or("-")),
                Cell::left(webhook.next_attempt_at.as_deref().unwrap_or("-")),
                Cell::left(&webhook.url),
            ]);
        }
        lines.extend(table.lines(usize::MAX));
    }
    for webhook in page.webhooks.iter().filter(|webhook| webhook.failing) {
        let (id, why) = (&webhook.id, webhook.last_error.as_deref().unwrap_or_default());
        let at = webhook.failed_at.as_deref().unwrap_or_default();
        lines.push(format!("{id} has not accepted an event at {at}: {why}"));
    }
    if page.lost_events > 0 {
        lines.push(format!("{} events were lost, because the store failed", page.lost_events));
    }
    lines
}
