//! The list of all keys: names, kinds, defaults and meanings, for messages, the schema and the documentation.
//!
//! `keys!` makes them of the tables in `node_keys`, `peer_keys`, `route_keys` and `topology_keys`.

use super::guests::GuestSettings;
use super::key_types::KeySet;
use super::node_keys::{
    ApiTokenSettings, NODE, NodeSettings, PingToggles, ProxySettings, TlsFiles, WebhookSettings,
};
use super::peer_keys::{PeerSettings, ReceiverSettings};
use super::route_keys::{RateSettings, RateSourceSettings, RouteSettings};
use super::settlement::EngineKeySet;
use super::topology_keys::{LinkSettings, TopologyNodeSettings, TopologySettings};
use super::value_kind::ValueKind;
use crate::observe::Scope;

/// The description of a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeyInfo {
    /// As written in YAML.
    pub name: &'static str,
    pub kind: ValueKind,
    /// The value if the key is not set. `None`: there is none, and `about` says what happens then.
    pub default: Option<&'static str>,
    /// Whether the key must be set.
    pub required: bool,
    /// Whether something is off without the key, so that the defaults of a mapping mean nothing then.
    pub is_switch: bool,
    /// Whether a running node applies a change of it (D17).
    pub live: bool,
    /// One sentence or more, for the schema and the documentation.
    pub about: &'static str,
    /// The key whose value stands in the file that this key names.
    pub file_of: Option<&'static str>,
    /// The key that names a file with the value of this key.
    pub file_key: Option<&'static str>,
}

/// The text of doc comments, of which each line begins with a space.
pub const fn doc_text(doc: &'static str) -> &'static str {
    doc.split_at(1).1
}

/// The keys of each kind of mapping.
const TABLES: [&[KeyInfo]; 16] = [
    NodeSettings::KEYS,
    ApiTokenSettings::KEYS,
    WebhookSettings::KEYS,
    ProxySettings::KEYS,
    PeerSettings::KEYS,
    EngineKeySet::KEYS,
    ReceiverSettings::KEYS,
    RouteSettings::KEYS,
    RateSettings::KEYS,
    RateSourceSettings::KEYS,
    TlsFiles::KEYS,
    GuestSettings::KEYS,
    PingToggles::KEYS,
    TopologySettings::KEYS,
    TopologyNodeSettings::KEYS,
    LinkSettings::KEYS,
];

/// Keys that must differ between nodes or peers, so `defaults` cannot hold them.
pub const NOT_A_DEFAULT: &[&str] = &[
    "nodeId",
    "ilpAddress",
    "id",
    "url",
    "username",
    "authToken",
    "authTokenFile",
    "authTokens",
    "authTokenFiles",
    "childAddressSegment",
];

/// Whether `defaults` may hold a key.
pub fn may_be_default(name: &str) -> bool {
    !NOT_A_DEFAULT.contains(&name)
}

/// Keys that one of a topology's nodes may have.
pub fn topology_node_keys() -> impl Iterator<Item = &'static KeyInfo> + Clone {
    let of_node = NodeSettings::KEYS.iter().filter(|key| key.name != NODE.node_id.name);
    TopologyNodeSettings::KEYS.iter().chain(of_node)
}

/// Keys that `defaults` may have. Keys that nodes and peers share are the node's.
pub fn defaults_keys() -> impl Iterator<Item = &'static KeyInfo> + Clone {
    let of_node = NodeSettings::KEYS.iter().filter(|key| may_be_default(key.name));
    of_node.chain(peer_defaults())
}

/// Keys of `defaults` that apply to every peer.
pub fn peer_defaults() -> impl Iterator<Item = &'static KeyInfo> + Clone {
    let is_node_key = |key: &KeyInfo| NodeSettings::KEYS.iter().any(|known| known.name == key.name);
    PeerSettings::KEYS.iter().filter(move |key| may_be_default(key.name) && !is_node_key(key))
}

/// The names of all keys, some more than once.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|key| key.name)
}

/// All keys of all mappings.
pub fn all() -> impl Iterator<Item = &'static KeyInfo> {
    TABLES.into_iter().flatten()
}

/// Whether it is the name of a key.
pub fn is_known(name: &str) -> bool {
    names().any(|known| known == name)
}

/// The words that keys may hold, such as `peer` or `batched`; some more than once.
pub fn choices() -> impl Iterator<Item = &'static str> {
    all().flat_map(|key| match key.kind {
        ValueKind::Choice(words) => words.to_vec(),
        ValueKind::WordOrMap(word, _) => vec![word],
        ValueKind::Scopes => Scope::ALL.map(Scope::as_str).to_vec(),
        _ => Vec::new(),
    })
}

/// Whether it is a word that a key may hold.
pub fn is_known_word(word: &str) -> bool {
    choices().any(|known| known == word)
}

/// Whether a key holds secrets.
pub fn is_secret(name: &str) -> bool {
    all().any(|key| key.name == name && key.is_secret())
}

/// A key that names the file of a secret, and the key of the secret.
pub fn secret_file(name: &str) -> Option<(&'static KeyInfo, &'static str)> {
    all().find(|key| key.name == name).and_then(|key| Some((key, key.file_of?)))
}

/// What a key belongs to, for a message about a key in the wrong place.
pub fn owner_of(name: &str) -> Option<&'static str> {
    let owners = [
        (NodeSettings::KEYS, "the node"),
        (PeerSettings::KEYS, "a peer"),
        (RouteSettings::KEYS, "a route"),
        (LinkSettings::KEYS, "a link"),
    ];
    owners
        .into_iter()
        .find(|(keys, _)| keys.iter().any(|key| key.name == name))
        .map(|(_, owner)| owner)
}

impl KeyInfo {
    /// The key that names a file with the value of this key.
    pub const fn in_file(
        self,
        name: &'static str,
        about_one: &'static str,
        about_several: &'static str,
    ) -> Self {
        let (kind, about) = match self.kind {
            ValueKind::Secrets => (ValueKind::SecretFiles, about_several),
            _ => (ValueKind::SecretFile, about_one),
        };
        let file_of = Some(self.name);
        Self { name, kind, default: None, required: false, about, file_of, file_key: None, ..self }
    }

    /// Whether the key holds secrets.
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, ValueKind::Secret | ValueKind::Secrets)
    }

    /// The variable of the environment that sets a key of a node. Every key that holds one value has one.
    pub fn variable(&self) -> Option<String> {
        if matches!(
            self.kind,
            ValueKind::Map(_)
                | ValueKind::WordOrMap(..)
                | ValueKind::List(_)
                | ValueKind::Prefixes
                | ValueKind::Secrets
                | ValueKind::SecretFiles
                | ValueKind::Defaults
        ) {
            return None;
        }
        let mut name = String::new();
        for c in self.name.chars() {
            if c.is_ascii_uppercase() {
                name.push('_');
            }
            name.push(c.to_ascii_uppercase());
        }
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variables() {
        assert_eq!(NODE.node_id.variable().unwrap(), "NODE_ID");
        assert_eq!(NODE.btp_server_port.variable().unwrap(), "BTP_SERVER_PORT");
        assert_eq!(NODE.keep_alive_interval.variable().unwrap(), "KEEP_ALIVE_INTERVAL_MS");
        assert_eq!(NODE.peers.variable(), None);
    }

    #[test]
    fn every_secret_may_stand_in_a_file() {
        for key in all().filter(|key| key.is_secret()) {
            assert!(key.file_key.is_some(), "{} has no key for a file", key.name);
        }
        assert_eq!(secret_file("authTokenFiles").unwrap().1, "authTokens");
        assert_eq!(secret_file("authTokenFile").unwrap().1, "authToken");
        assert_eq!(secret_file("caFile"), None);
    }

    #[test]
    fn the_mappings_within_mappings_are_listed_too() {
        for key in all() {
            let (ValueKind::List(keys) | ValueKind::Map(keys) | ValueKind::WordOrMap(_, keys)) =
                key.kind
            else {
                continue;
            };
            assert!(TABLES.contains(&keys), "the keys of {} are not listed", key.name);
        }
    }

    #[test]
    fn no_mapping_has_two_keys_of_one_name() {
        for keys in TABLES {
            for (index, key) in keys.iter().enumerate() {
                let mut others = keys.iter().skip(index + 1);
                assert!(others.all(|other| other.name != key.name), "{}", key.name);
            }
        }
    }
}
