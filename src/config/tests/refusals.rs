//! Each key that a refusal names exists, and docs/OPERATIONS.md lists all refusals. BLESS=1 in the environment rewrites
//! the list.

use std::collections::BTreeSet;

use crate::config::key_types::KeySet;
use crate::config::keys::KeyInfo;
use crate::config::node_keys::NodeSettings;
use crate::config::peer_keys::{PeerSettings, ReceiverSettings};
use crate::connector::Refusal;
use crate::testing::{check_block, every_refusal};

const SOURCE: &str = include_str!("../../connector/refusal_advice.rs");

fn key(refusal: &Refusal) -> Option<String> {
    refusal.key(Some(&"alice".parse().unwrap()))
}

#[test]
fn each_key_of_a_refusal_exists() {
    let has = |keys: &[KeyInfo], name: &str| keys.iter().any(|key| key.name == name);
    let mut named = 0;
    for refusal in every_refusal() {
        let Some(key) = key(&refusal) else { continue };
        named += 1;
        let exists = match key.split('.').collect::<Vec<_>>()[..] {
            [name] => has(NodeSettings::KEYS, name),
            ["peers", "alice" | "bob", name] => has(PeerSettings::KEYS, name),
            ["receivers", "shop", name] => has(ReceiverSettings::KEYS, name),
            _ => false,
        };
        assert!(exists, "{}: {key} is no key", refusal.kind());
    }
    assert!(named > 20, "{named}");
}

#[test]
fn the_list_of_refusals_is_complete_and_each_has_a_name_of_its_own() {
    let refusals = every_refusal();
    let kinds: BTreeSet<_> = refusals.iter().map(Refusal::kind).collect();
    assert_eq!(kinds.len(), refusals.len());
    let named = SOURCE.matches("Details(\"").count();
    assert_eq!(kinds.len(), named, "testing::every_refusal() has one of each kind");
    for refusal in refusals {
        assert!(
            refusal.kind().bytes().all(|byte| byte.is_ascii_alphabetic()),
            "{}",
            refusal.kind()
        );
        let advice = refusal.advice();
        assert!(advice.ends_with('.') && advice.len() <= 120, "{advice}");
    }
}

#[test]
fn operations_lists_the_refusals() {
    let mut rows: Vec<_> = every_refusal();
    rows.sort_by_key(Refusal::kind);
    let mut table =
        "| reason | code | message | key | what to do |\n|---|---|---|---|---|\n".to_owned();
    for refusal in rows {
        let generic = |key: String| {
            let key = key.replace(".alice.", ".FROM.").replace(".bob.", ".NEXT_HOP.");
            format!("`{}`", key.replace(".shop.", ".RECEIVER."))
        };
        let key = key(&refusal).map_or(String::new(), generic);
        let (kind, code, advice) = (refusal.kind(), refusal.code(), refusal.advice());
        table.push_str(&format!("| `{kind}` | {code} | {refusal} | {key} | {advice} |\n"));
    }
    check_block("docs/OPERATIONS.md", ("<!-- refusals -->\n", "<!-- end of refusals -->"), &table);
}
