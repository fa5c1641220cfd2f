//! Recognises the names of keys: reports unknown ones, and suggests the key that was meant.

use super::diagnostics::DiagnosticSink;
use super::keys::{self, KeyInfo};
use super::location::ValuePath;
use super::redact;
use super::value::{Map, Name, Value};
use crate::net::MASK;

/// Words that people write instead of keys, and the keys that they mean.
const SYNONYMS: &[(&str, &str)] = &[
    ("name", "id"),
    ("name", "nodeId"),
    ("id", "nodeId"),
    ("nodeId", "id"),
    ("secret", "authToken"),
    ("token", "authToken"),
    ("token", "secret"),
    ("password", "authToken"),
    ("password", "secret"),
    ("authToken", "secret"),
    ("authToken", "apiToken"),
    ("port", "btpServerPort"),
    ("host", "btpServerHost"),
    ("address", "ilpAddress"),
    ("address", "url"),
    ("uri", "url"),
    ("server", "url"),
    ("type", "relation"),
    ("peer", "nextHop"),
    ("via", "nextHop"),
    ("to", "nextHop"),
    ("destination", "prefix"),
    ("target", "prefix"),
    ("weight", "priority"),
    ("source", "from"),
    ("target", "to"),
    ("log", "logLevel"),
    ("currency", "assetCode"),
    ("scale", "assetScale"),
    ("cert", "certificate"),
    ("ca", "caFile"),
];

/// Reports every key that is not among `known`.
pub fn check_names(
    map: &Map,
    path: &ValuePath<'_>,
    known: impl Iterator<Item = &'static KeyInfo> + Clone,
    report: &mut DiagnosticSink,
) {
    for (name, value) in &map.0 {
        if !known.clone().any(|key| key.name == &*name.text) {
            report_unknown(name, value, path, known.clone(), report);
        }
    }
}

/// Reports one key of the mapping at `path` that is not among `known`.
pub fn report_unknown(
    name: &Name,
    value: &Value,
    path: &ValuePath<'_>,
    known: impl Iterator<Item = &'static KeyInfo> + Clone,
    report: &mut DiagnosticSink,
) {
    let help = suggestion(&name.text, known.clone());
    if let Some(meant) = suggested_key(&name.text, known) {
        report.unread(path.missing(meant).place());
    }
    let mut place = path.key(&name.text, &value.at).place();
    if value.at.more.as_ref().is_none_or(|more| more.place.is_none()) {
        place.line = Some(name.line);
    }
    report.problem(place, None, describe_unknown(&name.text, value), help);
}

/// What is wrong with an unknown key. Paths show it only if it is near to a known one: it may be a secret.
fn describe_unknown(name: &str, value: &Value) -> &'static str {
    match (redact::key(name) == MASK, value.is_null()) {
        (false, _) => "unknown key",
        (true, false) => "unknown key, not shown as it may be a secret",
        (true, true) => "unknown key without a value",
    }
}

/// Whether people write this word instead of a key.
pub fn is_synonym(name: &str) -> bool {
    SYNONYMS.iter().any(|(word, _)| word.eq_ignore_ascii_case(name))
}

/// The key that an unknown one probably stands for.
fn suggested_key(
    name: &str,
    known: impl Iterator<Item = &'static KeyInfo> + Clone,
) -> Option<&'static str> {
    let names = known.map(|key| key.name);
    let synonym = SYNONYMS
        .iter()
        .find(|(word, key)| {
            word.eq_ignore_ascii_case(name) && names.clone().any(|name| name == *key)
        })
        .map(|(_, key)| *key);
    synonym.or_else(|| redact::nearest(name, names))
}

/// The help for an unknown key.
fn suggestion(name: &str, known: impl Iterator<Item = &'static KeyInfo> + Clone) -> String {
    let names = known.clone().map(|key| key.name);
    match suggested_key(name, known) {
        Some(name) => format!("did you mean {name}?"),
        None => match keys::owner_of(name) {
            Some(owner) => format!("it is a key of {owner}; known here: {}", redact::list(names)),
            None => format!("known here: {}", redact::list(names)),
        },
    }
}
