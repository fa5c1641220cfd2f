//! The configuration of a node, for its pages: the values in force and where each comes from, and what the file would
//! change. `node` brings the values; secrets are masked before they come here.

use std::collections::HashMap;

use serde::Serialize;
use tokio::sync::oneshot;
use utoipa::ToSchema;

use crate::account::{AccountId, Asset};
use crate::observe::{OverrideBody, OverrideKind};
use crate::wire::Address;

/// Requests to read the file that may wait.
pub(super) const CHECK_ORDERS_MAX: usize = 16;
/// Mistakes of one file that are shown.
pub(super) const MISTAKES_MAX: usize = 50;
/// Changes of one file that are shown.
const CHANGES_MAX: usize = 500;
/// Shown for a secret in the file that is not the one in force.
const OTHER_SECRET: &str = "*** (another one)";

const ILP_ADDRESS: &str = "ilpAddress";
const ASSET_CODE: &str = "assetCode";
const ASSET_SCALE: &str = "assetScale";
const LOG_LEVEL: &str = "logLevel";
const FROM_PARENT: &str = "parent";
const FROM_OVERRIDE: &str = "override";

/// One value in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigValue {
    /// Such as `peers.bob.url`.
    pub key: String,
    /// As people read it; a secret is masked.
    pub value: String,
    /// Where it comes from.
    pub from: String,
    /// Whether a running node applies a change of it.
    pub is_live: bool,
    /// Of the value before it was masked.
    pub hash: u64,
}

/// All values of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigValues {
    /// The configuration file, if there is one.
    pub file: Option<String>,
    /// In the order of the manual.
    pub values: Vec<ConfigValue>,
}

/// What a node has from its parent. `None`: it has its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParentValues {
    /// Its ILP address.
    pub address: Option<Address>,
    /// The asset of its accounts.
    pub asset: Option<Asset>,
}

/// A mistake or a warning of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConfigMistake {
    /// The whole sentence, with its place.
    pub text: String,
    /// The file.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u32>,
}

/// A request to read the file as it is now, without applying it.
#[derive(Debug)]
pub struct ConfigCheckOrder {
    /// The node whose values are wanted.
    pub node: AccountId,
    /// What the file says.
    pub reply: oneshot::Sender<ConfigCheck>,
}

/// What the file says now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigCheck {
    /// Why it would be refused.
    pub mistakes: Vec<ConfigMistake>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<ConfigMistake>,
    /// The values that it would apply, unless it has mistakes.
    pub values: Option<ConfigValues>,
}

/// A value that differs between the node and the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConfigChangeBody {
    pub(super) key: String,
    /// The value in force; null: there is none.
    pub(super) running: Option<String>,
    /// The value of the file; null: it has none.
    pub(super) file: Option<String>,
    /// The file applies when the node is restarted.
    pub(super) needs_restart: bool,
}

impl ConfigValues {
    /// These values, with those of keys that only a restart changes from `before`.
    pub(super) fn keep_until_restart(self, before: &Self, needs_restart: &[String]) -> Self {
        let is_kept = |value: &ConfigValue| needs_restart.iter().any(|key| key == value.top_key());
        let mut kept: HashMap<&str, Vec<&ConfigValue>> = HashMap::new();
        for value in before.values.iter().filter(|value| is_kept(value)) {
            kept.entry(value.top_key()).or_default().push(value);
        }
        let mut values = Vec::with_capacity(self.values.len());
        for value in self.values {
            match kept.remove(value.top_key()) {
                Some(old) => values.extend(old.into_iter().cloned()),
                None if is_kept(&value) => {}
                None => values.push(value),
            }
        }
        // A key that the file no longer has.
        values.extend(kept.into_values().flatten().cloned());
        Self { file: self.file, values }
    }

    /// The same without lists of peers, receivers and routes.
    pub(super) fn without_links(&self) -> Self {
        let is_link =
            |value: &&ConfigValue| matches!(value.top_key(), "peers" | "receivers" | "routes");
        let values = self.values.iter().filter(|value| !is_link(value)).cloned();
        Self { file: self.file.clone(), values: values.collect() }
    }

    /// The same with what the node has from its parent.
    pub(super) fn with_parent(mut self, parent: &ParentValues) -> Self {
        if let Some(address) = &parent.address {
            self.set(ILP_ADDRESS, address.to_string());
        }
        if let Some(asset) = &parent.asset {
            self.set(ASSET_CODE, asset.code.to_string());
            self.set(ASSET_SCALE, asset.scale.to_string());
        }
        self
    }

    /// The same with what operators have changed for a time.
    pub(super) fn with_overrides(mut self, overrides: &[OverrideBody]) -> Self {
        for one in overrides {
            let (key, value) = match (one.kind, &one.peer, &one.value) {
                (OverrideKind::Suspend, Some(peer), _) => {
                    (format!("peers.{peer}.enabled"), "false")
                }
                (OverrideKind::Resume, Some(peer), _) => (format!("peers.{peer}.enabled"), "true"),
                (OverrideKind::LogLevel, _, Some(level)) => (LOG_LEVEL.to_owned(), level.as_str()),
                _ => continue,
            };
            if let Some(known) = self.values.iter_mut().find(|known| known.key == key) {
                (known.value, known.from) = (value.to_owned(), FROM_OVERRIDE.to_owned());
            }
        }
        self
    }

    fn set(&mut self, key: &str, value: String) {
        let from = FROM_PARENT.to_owned();
        match self.values.iter_mut().find(|known| known.key == key) {
            // Set in the file, so not asked for.
            Some(known) if known.from != "default" => {}
            Some(known) => (known.value, known.from) = (value, from),
            None => {
                let new = ConfigValue { key: key.to_owned(), value, from, is_live: true, hash: 0 };
                self.values.insert(1.min(self.values.len()), new);
            }
        }
    }

    /// What differs in `file`, in its order, and how many more.
    pub(super) fn changes(&self, file: &Self) -> (Vec<ConfigChangeBody>, usize) {
        let running: HashMap<&str, &ConfigValue> = by_key(&self.values);
        let new = by_key(&file.values);
        let mut changes = Vec::new();
        for value in &file.values {
            let before = running.get(value.key.as_str());
            if before.is_some_and(|before| before.hash == value.hash) {
                continue;
            }
            let is_secret = before.is_some_and(|before| before.value == value.value);
            changes.push(ConfigChangeBody {
                key: value.key.clone(),
                running: before.map(|before| before.value.clone()),
                file: Some(if is_secret { OTHER_SECRET.to_owned() } else { value.value.clone() }),
                needs_restart: !value.is_live,
            });
        }
        for value in self.values.iter().filter(|value| !new.contains_key(value.key.as_str())) {
            changes.push(ConfigChangeBody {
                key: value.key.clone(),
                running: Some(value.value.clone()),
                file: None,
                needs_restart: !value.is_live,
            });
        }
        let more = changes.len().saturating_sub(CHANGES_MAX);
        changes.truncate(CHANGES_MAX);
        (changes, more)
    }
}

impl ConfigValue {
    /// `peers` of `peers.bob.url`.
    fn top_key(&self) -> &str {
        self.key.split(['.', '[']).next().unwrap_or_default()
    }
}

fn by_key(values: &[ConfigValue]) -> HashMap<&str, &ConfigValue> {
    values.iter().map(|value| (value.key.as_str(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(rows: &[(&str, &str, u64, bool)]) -> ConfigValues {
        let values = rows.iter().map(|(key, value, hash, is_live)| ConfigValue {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
            from: "default".to_owned(),
            is_live: *is_live,
            hash: *hash,
        });
        ConfigValues { file: None, values: values.collect() }
    }

    fn changes(running: &ConfigValues, file: &ConfigValues) -> Vec<String> {
        let (changes, more) = running.changes(file);
        assert_eq!(more, 0);
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        let line = |change: &ConfigChangeBody| {
            let restart = if change.needs_restart { " restart" } else { "" };
            format!("{}: {} > {}{restart}", change.key, text(&change.running), text(&change.file))
        };
        changes.iter().map(line).collect()
    }

    #[test]
    fn changes_are_those_of_values_and_never_show_a_secret() {
        let running = values(&[
            ("nodeId", "a", 1, false),
            ("btpServerPort", "3000", 2, false),
            ("apiToken", "***", 3, true),
            ("peers.b.url", "ws://b/", 4, true),
        ]);
        assert_eq!(changes(&running, &running), Vec::<String>::new());
        let file = values(&[
            ("nodeId", "a", 1, false),
            ("btpServerPort", "3001", 20, false),
            ("apiToken", "***", 30, true),
            ("peers.c.url", "ws://c/", 4, true),
        ]);
        assert_eq!(
            changes(&running, &file),
            [
                "btpServerPort: 3000 > 3001 restart",
                "apiToken: *** > *** (another one)",
                "peers.c.url: - > ws://c/",
                "peers.b.url: ws://b/ > -",
            ]
        );
        let kept = file.keep_until_restart(&running, &["btpServerPort".to_owned()]);
        assert_eq!(kept.values[1].value, "3000");
        assert_eq!(kept.without_links().values.len(), 3);
    }

    #[test]
    fn what_operators_have_changed_is_from_an_override() {
        let override_of = |kind, peer: Option<&str>, value: Option<&str>| OverrideBody {
            id: String::new(),
            node: "n".to_owned(),
            peer: peer.map(str::to_owned),
            kind,
            value: value.map(str::to_owned),
            reason: String::new(),
            by: String::new(),
            set_at: String::new(),
            expires_at: String::new(),
            note: None,
            ended_at: None,
        };
        let own = values(&[("logLevel", "info", 1, true), ("peers.b.enabled", "true", 2, true)]);
        let with = own.clone().with_overrides(&[
            override_of(OverrideKind::Suspend, Some("b"), None),
            override_of(OverrideKind::Suspend, Some("gone"), None),
            override_of(OverrideKind::LogLevel, None, Some("debug")),
        ]);
        let rows: Vec<_> = with.values.iter().map(|value| (&*value.value, &*value.from)).collect();
        assert_eq!(rows, [("debug", "override"), ("false", "override")]);
        assert_eq!(
            changes(&with, &own),
            Vec::<String>::new(),
            "the file is still what was applied"
        );
    }

    #[test]
    fn what_the_parent_gave_is_from_the_parent() {
        let parent = ParentValues {
            address: Some("test.up.kid".parse().unwrap()),
            asset: Some(Asset::new("EUR", 6)),
        };
        let own = values(&[("nodeId", "kid", 1, false), ("assetCode", "USD", 2, true)]);
        let with = own.with_parent(&parent);
        let rows: Vec<_> =
            with.values.iter().map(|value| (&*value.key, &*value.value, &*value.from)).collect();
        assert_eq!(rows[0], ("nodeId", "kid", "default"));
        for expected in [
            ("ilpAddress", "test.up.kid", "parent"),
            ("assetCode", "EUR", "parent"),
            ("assetScale", "6", "parent"),
        ] {
            assert!(rows.contains(&expected), "{rows:?}");
        }
    }
}
