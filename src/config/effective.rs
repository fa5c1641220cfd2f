//! The effective values of a node as rows: each key with its value and its origin, secrets masked. What `check --print`
//! shows for a file, a running node shows with these.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use super::key_types::KeySet;
use super::keys::KeyInfo;
use super::loaded::Loaded;
use super::node_keys::{NODE, NodeSettings};
use super::print::{DEFAULT, origin, shown_text};
use super::value::{Map, Value, ValueData};
use super::value_kind::ValueKind;
use crate::net::MASK;

/// Items of one list that have rows. The others are counted.
const ITEMS_MAX: usize = 200;

/// Values are compared by their hashes, so that a changed secret is noticed and not kept.
static HASHES: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// One effective value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveValue {
    /// Such as `peers.bob.url` or `routes[2].prefix`.
    pub key: String,
    /// As people read it; a secret is masked.
    pub value: String,
    /// `default`, `file:line`, `environment NAME` or `command line FLAG`, and what it was computed from.
    pub from: String,
    /// Whether a running node applies a change.
    pub is_live: bool,
    /// Of the value itself, with a key of this process.
    pub hash: u64,
}

impl Loaded {
    /// All values, in the order of the tables of keys.
    pub fn effective_values(&self) -> Vec<EffectiveValue> {
        let mut rows = Rows { file: self.file_name(), is_live: true, rows: Vec::new() };
        if let Some(map) = self.tree.as_map() {
            rows.add_keys(map, NodeSettings::KEYS, "");
            let address = self.config.address.as_ref();
            let is_set = map.get(NODE.ilp_address.name).is_some();
            if let Some(address) = address.filter(|_| !is_set) {
                rows.is_live = NODE.ilp_address.live;
                rows.push(NODE.ilp_address.name.to_owned(), address.as_str(), DEFAULT.to_owned());
            }
        }
        rows.rows
    }

    /// The name of the file in origins.
    pub(super) fn file_name(&self) -> String {
        self.file.as_ref().map_or("file".to_owned(), |file| {
            file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
        })
    }
}

struct Rows {
    file: String,
    /// Of the key at the top.
    is_live: bool,
    rows: Vec<EffectiveValue>,
}

impl Rows {
    fn add_keys(&mut self, map: &Map, keys: &'static [KeyInfo], prefix: &str) {
        for key in keys {
            if prefix.is_empty() {
                self.is_live = key.live;
            }
            self.add_key(map, key, prefix);
        }
    }

    fn add_key(&mut self, map: &Map, key: &'static KeyInfo, prefix: &str) {
        let name = format!("{prefix}{}", key.name);
        let value = map.get(key.name);
        match (key.kind, value.map(|value| &value.data)) {
            (ValueKind::Map(_), None) if key.is_switch => {}
            (ValueKind::Map(keys), found) => {
                let empty = Map::default();
                let inner = match found {
                    Some(ValueData::Map(inner)) => inner,
                    _ => &empty,
                };
                self.add_keys(inner, keys, &format!("{name}."));
            }
            (ValueKind::WordOrMap(_, keys), Some(ValueData::Map(inner))) => {
                self.add_keys(inner, keys, &format!("{name}."));
            }
            (ValueKind::List(keys), Some(ValueData::List(list))) => {
                self.add_items(&name, list, keys, value);
            }
            (_, Some(ValueData::List(list))) => {
                let texts: Vec<&str> = list.iter().filter_map(Value::as_text).collect();
                let shown = texts.iter().map(|text| match key.kind {
                    ValueKind::Secrets => MASK.to_owned(),
                    _ => shown_text(key, text),
                });
                let shown = shown.collect::<Vec<_>>().join(", ");
                let from = self.origin_of(value);
                self.push_hashed(name, shown, hash(&texts), from);
            }
            (_, Some(ValueData::Text(text))) => {
                let (shown, from) = (shown_text(key, text), self.origin_of(value));
                self.push_hashed(name, shown, hash(&[text]), from);
            }
            _ => {
                if let Some(default) = key.default {
                    self.push(name, default, DEFAULT.to_owned());
                }
            }
        }
    }

    fn add_items(
        &mut self,
        name: &str,
        list: &[Value],
        keys: &'static [KeyInfo],
        value: Option<&Value>,
    ) {
        for (index, item) in list.iter().take(ITEMS_MAX).enumerate() {
            let Some(map) = item.as_map() else { continue };
            let prefix = match item.text_of("id") {
                Some(id) => format!("{name}.{id}."),
                None => format!("{name}[{index}]."),
            };
            self.add_keys(map, keys, &prefix);
        }
        if let Some(more) = list.len().checked_sub(ITEMS_MAX).filter(|more| *more > 0) {
            let from = self.origin_of(value);
            self.push(format!("{name}[…]"), &format!("{more} more"), from);
        }
    }

    fn origin_of(&self, value: Option<&Value>) -> String {
        origin(&self.file, value.map(|value| &value.at))
    }

    fn push(&mut self, key: String, value: &str, from: String) {
        self.push_hashed(key, value.to_owned(), hash(&[value]), from);
    }

    fn push_hashed(&mut self, key: String, value: String, hash: u64, from: String) {
        let is_live = self.is_live;
        self.rows.push(EffectiveValue { key, value, from, is_live, hash });
    }
}

fn hash(texts: &[&str]) -> u64 {
    HASHES.hash_one(texts)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::tests::loaded;

    fn rows(file: &str, variables: &[(&str, &str)]) -> BTreeMap<String, (String, String)> {
        let values = loaded(file, variables).effective_values();
        values.into_iter().map(|row| (row.key, (row.value, row.from))).collect()
    }

    #[test]
    fn each_value_has_its_origin_and_no_secret_is_shown() {
        let file = "nodeId: a\nbtpServerPort: ${PORT:-3005}\napiToken: hunter2\nreceiverSecret: hunter2-hunter2-hunter2-hunter2-0\n\
            store: postgres://u:hunter2@db/x\npeers:\n  - id: b\n    url: btp+ws://me:hunter2@b:3000\n  - id: c\n    \
            authTokens: [hunter2, hunter3]\nroutes:\n  - {prefix: \"\", nextHop: b}\n";
        let variables =
            [("HEALTH_CHECK_PORT", "9000"), ("BTP_PEER_B_SECRET", "hunter3"), ("PORT", "3006")];
        let rows = rows(file, &variables);
        assert!(!format!("{rows:?}").contains("hunter"), "{rows:?}");
        let check = |key: &str, value: &str, from: &str| {
            assert_eq!(
                rows.get(key),
                Some(&(value.to_owned(), from.to_owned())),
                "{key}: {rows:?}"
            );
        };
        check("nodeId", "a", "c.yaml:1");
        check("ilpAddress", "test.a", "default");
        check("btpServerPort", "3006", "c.yaml:2, environment PORT");
        check("healthCheckPort", "9000", "environment HEALTH_CHECK_PORT");
        check("apiToken", "***", "c.yaml:3");
        check("peers.b.url", "ws://me:***@b:3000/", "c.yaml:8");
        check("peers.b.authToken", "***", "environment BTP_PEER_B_SECRET");
        check("peers.b.relation", "peer", "default");
        check("peers.c.authTokens", "***, ***", "c.yaml:10");
        check("routes[0].prefix", "", "c.yaml:12");
        check("ping.echo", "true", "default");
    }

    #[test]
    fn a_changed_secret_has_another_hash() {
        let of = |token: &str| {
            let values = loaded(&format!("nodeId: a\napiToken: {token}\n"), &[]).effective_values();
            values.into_iter().find(|row| row.key == "apiToken").unwrap()
        };
        assert_eq!(of("one-token"), of("one-token"));
        assert_ne!(of("one-token").hash, of("other-token").hash);
        assert_eq!(of("one-token").value, of("other-token").value);
    }

    #[test]
    fn long_lists_are_counted() {
        let route = "  - {prefix: test.x, nextHop: b}\n";
        let mut file = "nodeId: a\npeers:\n  - {id: b, authToken: t}\nroutes:\n".to_owned();
        for number in 0..ITEMS_MAX + 5 {
            file += &route.replace("test.x", &format!("test.x{number}"));
        }
        let rows = rows(&file, &[]);
        assert_eq!(rows["routes[…]"].0, "5 more");
        assert!(
            rows.contains_key("routes[199].prefix") && !rows.contains_key("routes[200].prefix")
        );
    }
}
