//! Every key of a configuration: its type, range, default and meaning.
//!
//! There is one table, and everything follows it: the parser takes ranges and defaults from it, suggestions for
//! misspelt keys, the names of variables, the JSON Schema, `check --print`, what a reload can change, and the tables of
//! `docs/CONFIG.md` (a test compares them).

pub(super) use super::tables::{NODE, PEER, RECEIVER};
pub(super) use super::tables_parts::{PING, RATE, ROUTE, TLS};
pub(super) use super::tables_topology::{LINK, TOPOLOGY, TOPOLOGY_NODE};

/// A key, and all that is known about it.
#[derive(Debug, PartialEq)]
pub(super) struct KeyInfo {
    /// As written in YAML.
    pub(super) name: &'static str,
    /// What may stand behind it.
    pub(super) kind: ValueKind,
    /// The value where none is given. `None`: there is none, `about` says what happens then.
    pub(super) default: Option<&'static str>,
    /// Whether a running node takes a change of it over (D17).
    pub(super) live: bool,
    /// One sentence or two, for the schema and the documentation.
    pub(super) about: &'static str,
}

/// The types of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ValueKind {
    /// The name of a node or peer: a valid segment of an ILP address.
    Id,
    /// Any text of at least one character.
    Text,
    /// A text that is never shown.
    Secret,
    /// Several of them.
    Secrets,
    /// The file of a [`ValueKind::Secret`].
    SecretFile,
    /// The files of [`ValueKind::Secrets`].
    SecretFiles,
    /// `true` or `false`.
    Bool,
    /// A whole number in a range.
    Integer(u64, u64),
    /// Milliseconds in a range.
    Millis(u64, u64),
    /// A port to listen on.
    Port,
    /// An address or host name to listen on.
    Host,
    /// Host names: a list, or a text with commas between them.
    HostNames,
    /// Where a peer listens.
    Url,
    /// Where an HTTP server listens.
    HttpUrl,
    /// A full ILP address.
    Address,
    /// An ILP address prefix, perhaps empty.
    Prefix,
    /// A list of such prefixes.
    Prefixes,
    /// One segment of an ILP address.
    Segment,
    /// The code of an asset.
    AssetCode,
    /// An amount in the account's units, 0 to 2^64 - 1.
    Amount,
    /// A balance in the account's units, which may be negative.
    Balance,
    /// A route's priority.
    Priority,
    /// An exact decimal above zero.
    Rate,
    /// A file of this machine.
    File,
    /// A level, or levels for single targets.
    LogLevel,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// A mapping with these keys.
    Map(&'static [KeyInfo]),
    /// A list of mappings with these keys.
    List(&'static [KeyInfo]),
    /// `defaults` of a topology file.
    Defaults,
}

/// Keys that must differ between nodes or peers, so `defaults` cannot hold them.
pub(super) const NOT_A_DEFAULT: &[&str] = &[
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
pub(super) fn may_be_default(name: &str) -> bool {
    !NOT_A_DEFAULT.contains(&name)
}

/// Keys that one of a topology's nodes may have.
pub(super) fn topology_node_names() -> impl Iterator<Item = &'static KeyInfo> + Clone {
    TOPOLOGY_NODE.iter().chain(NODE.iter().filter(|key| key.name != "nodeId"))
}

/// Keys that `defaults` may have: for a key that nodes and peers have, the node's.
pub(super) fn defaults_names() -> impl Iterator<Item = &'static KeyInfo> + Clone {
    let of_node = NODE.iter().filter(|key| may_be_default(key.name));
    of_node.chain(peer_defaults())
}

/// Keys of `defaults` that go to every peer.
pub(super) fn peer_defaults() -> impl Iterator<Item = &'static KeyInfo> + Clone {
    let is_node_key = |key: &&KeyInfo| NODE.iter().any(|known| known.name == key.name);
    PEER.iter().filter(move |key| may_be_default(key.name) && !is_node_key(key))
}

/// The names of all keys, wherever they stand; some more than once.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    all().map(|key| key.name)
}

/// All keys, wherever they stand.
pub(super) fn all() -> impl Iterator<Item = &'static KeyInfo> {
    let tables = [NODE, PEER, RECEIVER, ROUTE, RATE, TLS, PING, TOPOLOGY, TOPOLOGY_NODE, LINK];
    tables.into_iter().flatten()
}

/// Whether it is the name of a key.
pub(super) fn is_known(name: &str) -> bool {
    names().any(|known| known == name)
}

/// Whether a key holds secrets.
pub(super) fn is_secret(name: &str) -> bool {
    all().any(|key| key.name == name && matches!(key.kind, ValueKind::Secret | ValueKind::Secrets))
}

/// A key that names the file of a secret, and the key of the secret.
pub(super) fn secret_of(name: &str) -> Option<(&'static KeyInfo, &'static str)> {
    let key = all().find(|key| {
        key.name == name && matches!(key.kind, ValueKind::SecretFile | ValueKind::SecretFiles)
    })?;
    let plural = if key.kind == ValueKind::SecretFiles { "s" } else { "" };
    let secret = all().find(|secret| {
        let stem = secret.name.strip_suffix(plural).unwrap_or(secret.name);
        key.name.strip_suffix(plural).and_then(|name| name.strip_suffix("File")) == Some(stem)
            && matches!(secret.kind, ValueKind::Secret | ValueKind::Secrets)
            && (secret.kind == ValueKind::Secrets) == (key.kind == ValueKind::SecretFiles)
    })?;
    Some((key, secret.name))
}

/// What a key belongs to, for those who wrote it elsewhere.
pub(super) fn of_what(name: &str) -> Option<&'static str> {
    let owners = [(NODE, "the node"), (PEER, "a peer"), (ROUTE, "a route"), (LINK, "a link")];
    owners
        .into_iter()
        .find(|(keys, _)| keys.iter().any(|key| key.name == name))
        .map(|(_, owner)| owner)
}

impl KeyInfo {
    /// The variable of the environment that sets a node's key: every key of [`NODE`] that holds one value has one.
    pub(super) fn variable(&self) -> Option<String> {
        let several = matches!(
            self.kind,
            ValueKind::Map(_)
                | ValueKind::List(_)
                | ValueKind::Prefixes
                | ValueKind::Secrets
                | ValueKind::SecretFiles
                | ValueKind::Defaults
        );
        let single = !several;
        single.then(|| {
            let mut name = String::new();
            for c in self.name.chars() {
                if c.is_ascii_uppercase() {
                    name.push('_');
                }
                name.push(c.to_ascii_uppercase());
            }
            name
        })
    }
}

impl ValueKind {
    /// What is allowed, for messages.
    pub(super) fn allowed(&self) -> String {
        match self {
            ValueKind::Id => "an id is 1 to 64 letters, digits, '_', '~' or '-'".into(),
            ValueKind::Text => "a text of at least one character".into(),
            ValueKind::Secret => {
                "1 to 1024 characters of ASCII on one line, such as openssl rand -hex 32 prints"
                    .into()
            }
            ValueKind::Secrets => {
                "a list of 1 to 4 secrets, each 1 to 1024 characters of ASCII on one line".into()
            }
            ValueKind::SecretFile => {
                "the path of a file that holds the secret and nothing else".into()
            }
            ValueKind::SecretFiles => {
                "a list of 1 to 4 paths of files that hold a secret each".into()
            }
            ValueKind::Bool => "true or false".into(),
            ValueKind::Integer(min, max) => format!("a whole number from {min} to {max}"),
            ValueKind::Millis(min, max) => {
                format!("a whole number of milliseconds from {min} to {max}")
            }
            ValueKind::Port => {
                "a port is a whole number from 0 to 65535 (0 picks a free one)".into()
            }
            ValueKind::Host => "an IP address or a host name, without a port".into(),
            ValueKind::HostNames => "a list of host names: [node.example, ilp.example]".into(),
            ValueKind::HttpUrl => "for example https://node.example".into(),
            ValueKind::Url => {
                "for example ws://host:3000, btp+wss://user:token@host or https://host/ilp".into()
            }
            ValueKind::Address => "an ILP address such as test.alice".into(),
            ValueKind::Prefix => {
                "an ILP address prefix such as test.alice, or \"\" for the default route".into()
            }
            ValueKind::Prefixes => "a list of ILP address prefixes: [test.alice, test.bob]".into(),
            ValueKind::Segment => {
                "one segment of an ILP address: letters, digits, '_', '~' or '-'".into()
            }
            ValueKind::AssetCode => {
                "a code such as USD: 1 to 32 letters, digits, '_', '-' or '.'".into()
            }
            ValueKind::Amount => "a whole number from 0 to 18446744073709551615".into(),
            ValueKind::Balance => "a whole number, perhaps negative, of at most 38 digits".into(),
            ValueKind::Priority => "a whole number from -2147483648 to 2147483647".into(),
            ValueKind::Rate => "a decimal number above zero such as 0.9215".into(),
            ValueKind::File => "the path of a file".into(),
            ValueKind::LogLevel => {
                "a level (error, warn, info, debug, trace, off), or pairs such as info,btp=debug"
                    .into()
            }
            ValueKind::Choice(words) => format!("one of {}", words.join(", ")),
            ValueKind::Map(_) | ValueKind::Defaults => "a mapping of keys and values".into(),
            ValueKind::List(_) => "a list; every item starts with a dash".into(),
        }
    }

    /// What a value should have been, for messages: `expected a number, found ...`.
    pub(super) fn noun(&self) -> &'static str {
        match self {
            ValueKind::Integer(..)
            | ValueKind::Millis(..)
            | ValueKind::Port
            | ValueKind::Amount
            | ValueKind::Balance
            | ValueKind::Priority
            | ValueKind::Rate => "a number",
            ValueKind::Bool => "true or false",
            ValueKind::Map(_) | ValueKind::Defaults => "a mapping",
            ValueKind::List(_)
            | ValueKind::Prefixes
            | ValueKind::HostNames
            | ValueKind::Secrets
            | ValueKind::SecretFiles => "a list",
            _ => "a text",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variables() {
        let of = |name: &str| NODE.iter().find(|key| key.name == name).unwrap().variable();
        assert_eq!(of("nodeId").unwrap(), "NODE_ID");
        assert_eq!(of("btpServerPort").unwrap(), "BTP_SERVER_PORT");
        assert_eq!(of("healthCheckPort").unwrap(), "HEALTH_CHECK_PORT");
        assert_eq!(of("keepAliveIntervalMs").unwrap(), "KEEP_ALIVE_INTERVAL_MS");
        assert_eq!(of("peers"), None);
    }

    #[test]
    fn every_secret_may_stand_in_a_file() {
        for tables in [NODE, PEER, LINK] {
            for key in tables.iter().filter(|key| is_secret(key.name)) {
                let file = tables.iter().find(|other| {
                    secret_of(other.name).is_some_and(|(_, secret)| secret == key.name)
                });
                assert!(file.is_some(), "{} has no key for a file", key.name);
            }
        }
        assert_eq!(secret_of("authTokenFiles").unwrap().1, "authTokens");
        assert_eq!(secret_of("authTokenFile").unwrap().1, "authToken");
        assert_eq!(secret_of("caFile"), None);
    }

    #[test]
    fn no_name_twice() {
        for keys in [NODE, PEER, RECEIVER, ROUTE, RATE, TLS, PING, TOPOLOGY, TOPOLOGY_NODE, LINK] {
            for (index, key) in keys.iter().enumerate() {
                assert!(
                    keys.iter().skip(index + 1).all(|other| other.name != key.name),
                    "{}",
                    key.name
                );
            }
        }
    }
}
