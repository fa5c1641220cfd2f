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
        // With a mistake in one of them, that is reported.
        (None, None) if item.has(&WEBHOOK.secret) || item.has(&WEBHOOK.secrets) => {}
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books::EventKind;
    use crate::config::tests::{loaded, mistakes_in};

    const WITHOUT_STORE: &str = "nodeId: a\nhealthCheckHost: 127.0.0.1\n";
    const BASE: &str = "nodeId: a\nhealthCheckHost: 127.0.0.1\nstore: a.db\n";
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const NEXT: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn hook(more: &str) -> String {
        format!("webhooks: [{{id: ops, url: \"https://h/in\"{more}}}]\n")
    }

    #[test]
    fn a_webhook_has_one_secret_or_several_and_gets_what_it_names() {
        let read = |more: &str| loaded(&format!("{BASE}{}", hook(more)), &[]);
        let secrets = |more: &str| {
            let webhook = read(more).config.webhooks.remove(0);
            webhook.all_secrets().map(|one| one.expose().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(secrets(&format!(", secret: {SECRET}")), [SECRET]);
        assert_eq!(secrets(&format!(", secrets: [{NEXT}, {SECRET}]")), [NEXT, SECRET]);
        let all = read(&format!(", secret: {SECRET}"));
        assert_eq!(all.config.webhooks[0].events, None);
        assert!(all.config.secrets().any(|secret| secret == SECRET));
        assert!(!all.print().contains("MfKQ"), "{}", all.print());
        let some = read(&format!(", secret: {SECRET}, events: [peer.down, store.failing]"));
        let kinds = [EventKind::PeerDown, EventKind::StoreFailing];
        assert_eq!(some.config.webhooks[0].events.as_deref(), Some(&kinds[..]));
        assert_eq!(mistakes_in(&format!("{BASE}{}", hook(&format!(", secret: {SECRET}")))).1, "");
    }

    #[test]
    fn mistakes_say_what_to_do_and_show_no_secret() {
        let check = |text: &str, expected: &str| {
            let (problems, warnings) = mistakes_in(text);
            let found = if expected.starts_with("warning: ") { warnings } else { problems };
            let expected = expected.trim_start_matches("warning: ");
            assert!(found.contains(expected), "{text}: {found}");
            assert_eq!(found.lines().count(), 1, "{text}: {found}");
            assert!(
                !["MfKQ", "AAAA", "hunter2"].iter().any(|part| found.contains(part)),
                "{found}"
            );
        };
        let of_hook =
            |more: &str, expected: &str| check(&format!("{BASE}{}", hook(more)), expected);
        let secret = format!(", secret: {SECRET}");
        of_hook("", "webhooks[0].secret: is missing; give whsec_ and 24 to 64 random bytes");
        of_hook(&format!("{secret}, secrets: [{NEXT}]"), "put all of them in secrets");
        for wrong in ["hunter2", "whsec_hunter2", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            of_hook(
                &format!(", secret: {wrong}"),
                &format!("is no secret of a webhook; {SECRET_HELP}"),
            );
            of_hook(
                &format!(", secrets: [{SECRET}, {wrong}]"),
                "one of them is no secret of a webhook",
            );
        }
        of_hook(", secretFile: /nowhere/hunter2", "webhooks[0].secretFile");
        of_hook(", secretFiles: [/nowhere/hunter2]", "webhooks[0].secretFiles[0]");
        of_hook(&format!("{secret}, events: [peer.vanished]"), "webhooks[0].events[0]");
        of_hook(&format!("{secret}, events: [peer.vanished]"), "is no event that a store keeps");
        of_hook(&format!("{secret}, events: [lab.set]"), "is no event that a store keeps");
        of_hook(&format!("{secret}, events: []"), "names no event");
        let two = |second: &str| {
            let hook = |id: &str| format!("{{id: {id}, url: \"https://h/in\"{secret}}}");
            format!("{BASE}webhooks: [{}, {}]\n", hook("ops"), hook(second))
        };
        check(&two("ops"), "webhooks[1].id");
        assert_eq!(mistakes_in(&two("other")), Default::default());
        check(&format!("{WITHOUT_STORE}{}", hook(&secret)), "the node has no store");
        let many =
            (0..=WEBHOOKS_MAX).map(|n| format!("  - {{id: h{n}, url: \"https://h\"{secret}}}\n"));
        let many = many.collect::<String>();
        check(&format!("{BASE}webhooks:\n{many}"), "holds 17 webhooks; a node has at most 16");
        let at = |url: &str| format!("{BASE}webhooks: [{{id: ops, url: \"{url}\"{secret}}}]\n");
        check(&at("http://example.com/"), "warning: without TLS");
        check(&at("ftp://h/"), "webhooks[0].url");
        assert_eq!(mistakes_in(&at("http://127.0.0.1:1/")), Default::default());
    }
}
