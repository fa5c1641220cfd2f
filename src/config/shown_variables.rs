//! The variables of the environment that this program reads by name, for a report of a fault. Others are not named.

use super::env::{Environment, PEER_PREFIX, PEER_VARIABLES};
use super::key_types::KeySet;
use super::node_keys::NodeSettings;
use super::peer_keys::PeerSettings;
use super::redact;
use super::value_kind::ValueKind;
use crate::net::MASK;

/// Variables beside those of keys.
const OTHERS: [(&str, ValueKind); 9] = [
    ("CONFIG_FILE", ValueKind::File),
    ("ILP_VIA", ValueKind::Secret),
    ("PAGE_TOKEN", ValueKind::Secret),
    ("NOTIFY_SOCKET", ValueKind::File),
    ("NO_COLOR", ValueKind::Id),
    ("TERM", ValueKind::Id),
    ("RUST_BACKTRACE", ValueKind::Id),
    ("SSL_CERT_FILE", ValueKind::File),
    ("SSL_CERT_DIR", ValueKind::File),
];

/// Those that are set, sorted by name, each with its value, which is masked unless it fits the variable.
pub fn shown_variables(environment: &Environment) -> Vec<(String, String)> {
    let set = environment.iter().filter(|(_, value)| !value.is_empty());
    let shown = set.filter_map(|(name, value)| {
        let kind = kind_of(name)?;
        Some((redact::variable(name)?.to_owned(), shown(kind, value)))
    });
    shown.collect()
}

/// Variables of keys that say nothing of where a node is.
const ABOUT_NO_NODE: [&str; 2] = ["API_TOKEN", "LOG_LEVEL"];

/// Whether variables describe a node, as where it has no file.
pub fn names_a_node(environment: &Environment) -> bool {
    environment.iter().filter(|(_, value)| !value.is_empty()).any(|(name, _)| {
        let is_other = OTHERS.iter().any(|(known, _)| known == name);
        !is_other && !ABOUT_NO_NODE.contains(&name.as_str()) && kind_of(name).is_some()
    })
}

fn shown(kind: ValueKind, value: &str) -> String {
    match kind {
        ValueKind::Secret => MASK.to_owned(),
        kind => redact::of_key(kind, value),
    }
}

fn kind_of(name: &str) -> Option<ValueKind> {
    let of_node = || NodeSettings::KEYS.iter().find(|key| key.variable().as_deref() == Some(name));
    let of_peer = || {
        let rest = name.strip_prefix(PEER_PREFIX)?;
        let ends = |suffix: &str| rest.strip_suffix(suffix).is_some_and(|id| id.ends_with('_'));
        // The longest one: `_SECRET_FILE` ends with no other, but one may be added.
        let endings = PEER_VARIABLES.iter().filter(|(suffix, _)| ends(suffix));
        let (_, key) = endings.max_by_key(|(suffix, _)| suffix.len())?;
        PeerSettings::KEYS.iter().find(|known| known.name == *key)
    };
    let others = || OTHERS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
    of_node().or_else(of_peer).map(|key| key.kind).or_else(others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys;

    #[test]
    fn known_variables_are_shown_and_secrets_are_masked() {
        let given = [
            ("BTP_SERVER_PORT", "4000"),
            ("BTP_PEER_B_URL", "btp+ws://u:hunter2@b:3000/x"),
            ("BTP_PEER_B_SECRET", "hunter2"),
            ("BTP_PEER_B_SECRET_FILE", "/run/b"),
            ("BTP_PEER_B_OTHER", "hunter2"),
            ("API_TOKEN", "hunter2"),
            ("STORE", "postgres://u:hunter2@db/x"),
            ("NODE_ID", "b hunter2"),
            ("ILP_VIA", "hunter2"),
            ("RUST_BACKTRACE", "1"),
            ("HOME", "/hunter2"),
            ("LOG_LEVEL", ""),
        ];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let shown = shown_variables(&given);
        let shown: Vec<String> =
            shown.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            shown,
            [
                "API_TOKEN=***",
                "BTP_PEER_B_SECRET=***",
                "BTP_PEER_B_SECRET_FILE=\"/run/b\"",
                "BTP_PEER_B_URL=\"btp+ws://***@b:3000/…\"",
                "BTP_SERVER_PORT=4000",
                "ILP_VIA=***",
                "NODE_ID=\"b…\"",
                "RUST_BACKTRACE=1",
                "STORE=\"postgres://***@db/…\"",
            ]
        );
    }

    #[test]
    fn every_secret_variable_is_masked() {
        let secret = |key: &&keys::KeyInfo| key.is_secret();
        let names: Vec<String> =
            NodeSettings::KEYS.iter().filter(secret).filter_map(keys::KeyInfo::variable).collect();
        assert!(names.len() >= 3, "{names:?}");
        for name in names {
            let given = [(name.clone(), "hunter2".to_owned())].into();
            assert_eq!(shown_variables(&given), [(name, MASK.to_owned())]);
        }
    }
}
