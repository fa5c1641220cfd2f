//! `webhooks`: where events go.

use super::diagnostics::DiagnosticSink;
use super::key_types::KeySet;
use super::location::FirstUses;
use super::mapping::Mapping;
use super::node_keys::{NODE, WEBHOOK, WebhookSettings};
use crate::net::{Secret, is_loopback};
use crate::webhooks::SigningKey;

/// Webhooks of one node, at most: each has a task of its own.
const WEBHOOKS_MAX: usize = 16;

const SECRET_HELP: &str =
    "give whsec_ and 24 to 64 random bytes in base64: echo whsec_$(openssl rand -base64 32)";

/// Reads the list. Webhooks with mistakes are left out, and the mistakes reported.
pub fn read(mapping: Mapping<'_>, report: &mut DiagnosticSink) -> Vec<WebhookSettings> {
    let list = mapping.list(&NODE.webhooks, report);
    if list.len() > WEBHOOKS_MAX {
        let what = format!("holds {} webhooks", list.len());
        let help = format!("a node has at most {WEBHOOKS_MAX}");
        mapping.problem(&NODE.webhooks, what, help, report);
        return Vec::new();
    }
    if !list.is_empty() && !mapping.has(&NODE.store) {
        let what = "the node has no store, so events would be lost with the process";
        mapping.problem(&NODE.webhooks, what, "set store, or remove webhooks", report);
    }
    let path = mapping.path_of(&NODE.webhooks);
    let mut webhooks = Vec::with_capacity(list.len());
    let mut ids = FirstUses::default();
    for (index, value) in list.iter().enumerate() {
        let path = path.index(index, &value.at);
        let Some(item) = Mapping::of_item(value, &path, WebhookSettings::KEYS.iter(), report)
        else {
            continue;
        };
        let draft = WebhookSettings::read(item, report);
        let Some(webhook) = WebhookSettings::finish(draft) else { continue };
        let place = item.path_of(&WEBHOOK.id).place();
        if let Some(first) = ids.note(webhook.id.as_str(), place.within_sentence()) {
            let what = format!("a second webhook of this id; the first is {first}");
            item.problem(&WEBHOOK.id, what, "every webhook has an id of its own", report);
            continue;
        }
        check_secrets(&webhook, item, report);
        let host = webhook.url.host().to_string();
        if !webhook.url.is_tls() && !is_loopback(&host) {
            let what = "without TLS: others on the way can read the events";
            item.warn(&WEBHOOK.url, what, "use https://", report);
        }
        webhooks.push(webhook);
    }
    webhooks
}

fn check_secrets(webhook: &WebhookSettings, item: Mapping<'_>, report: &mut DiagnosticSink) {
    let (one, several) = (&webhook.secret, &webhook.secrets);
    match (one, several) {
        (None, None) => item.problem(&WEBHOOK.secret, "is missing", SECRET_HELP, report),
        (Some(_), Some(_)) => {
            let what = "is given beside secret";
            item.problem(&WEBHOOK.secrets, what, "put all of them in secrets", report);
        }
        _ => {}
    }
    let is_wrong = |secret: &Secret| secret.expose().parse::<SigningKey>().is_err();
    if one.as_ref().is_some_and(is_wrong) {
        item.problem(&WEBHOOK.secret, "is no secret of a webhook", SECRET_HELP, report);
    }
    if several.iter().flatten().any(is_wrong) {
        let what = "one of them is no secret of a webhook";
        item.problem(&WEBHOOK.secrets, what, SECRET_HELP, report);
    }
}
