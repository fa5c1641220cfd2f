//! What kinds of values keys hold, for messages, the schema and the documentation.

use super::keys::KeyInfo;

/// A kind of value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueKind {
    /// The name of a node or peer: a valid segment of an ILP address.
    Id,
    /// Any text of at least one character.
    Text,
    /// A text that messages never show.
    Secret,
    /// A list of [`ValueKind::Secret`]s.
    Secrets,
    /// The path of a file that holds a [`ValueKind::Secret`].
    SecretFile,
    /// The paths of files that hold [`ValueKind::Secrets`].
    SecretFiles,
    /// `true` or `false`.
    Bool,
    /// A whole number in a range.
    Integer(u64, u64),
    /// Milliseconds in a range.
    Millis(u64, u64),
    /// A date, or a date and a time, in UTC.
    Moment,
    /// Kinds of events that a store keeps.
    EventKinds,
    /// Scopes of a token: a list, or a text with commas between them.
    Scopes,
    /// A port to listen on.
    Port,
    /// An address or host name to listen on.
    Host,
    /// Host names: a list, or a text with commas between them.
    HostNames,
    /// An IP address, or a network of them.
    Network,
    /// The URL of a peer.
    Url,
    /// The URL of an HTTP server.
    HttpUrl,
    /// A full ILP address.
    Address,
    /// An ILP address prefix; may be empty.
    Prefix,
    /// A list of ILP address prefixes.
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
    /// A share: a decimal from 0 to less than 1.
    Share,
    /// The path of a file.
    File,
    /// A file or a database that keeps the balances.
    Store,
    /// A log level, or levels for single targets.
    LogLevel,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// This word, or a mapping with these keys.
    WordOrMap(&'static str, &'static [KeyInfo]),
    /// A mapping with these keys.
    Map(&'static [KeyInfo]),
    /// A list of mappings with these keys.
    List(&'static [KeyInfo]),
    /// `defaults` of a topology file.
    Defaults,
}

impl ValueKind {
    /// What is allowed, for messages.
    pub fn allowed(&self) -> String {
        match self {
            Self::Id => "an id is 1 to 64 letters, digits, '_', '~' or '-'".into(),
            Self::Text => "a text of at least one character".into(),
            Self::Secret => {
                "1 to 1024 characters of ASCII on one line, such as openssl rand -hex 32 prints"
                    .into()
            }
            Self::Secrets => {
                "a list of 1 to 4 secrets, each 1 to 1024 characters of ASCII on one line".into()
            }
            Self::SecretFile => "the path of a file that holds the secret and nothing else".into(),
            Self::SecretFiles => "a list of 1 to 4 paths of files that hold a secret each".into(),
            Self::Bool => "true or false".into(),
            Self::Integer(min, max) => format!("a whole number from {min} to {max}"),
            Self::Millis(min, max) => {
                format!("a whole number of milliseconds from {min} to {max}")
            }
            Self::Moment => "a date, or a date and a time in UTC: 2027-01-31T12:00:00Z".into(),
            Self::EventKinds => {
                "a list of events that docs/REFERENCE.md says are saved: [exposure.high, peer.down]"
                    .into()
            }
            Self::Scopes => "a list of read, packets, operate and audit: [read, packets]".into(),
            Self::Port => "a port is a whole number from 0 to 65535 (0 picks a free one)".into(),
            Self::Host => "an IP address or a host name, without a port".into(),
            Self::HostNames => "a list of host names: [node.example, ilp.example]".into(),
            Self::Network => "an IP address, or a network such as 10.0.0.0/8".into(),
            Self::HttpUrl => "for example https://node.example".into(),
            Self::Url => {
                "for example ws://host:3000, btp+wss://user:token@host or https://host/ilp".into()
            }
            Self::Address => "an ILP address such as test.alice".into(),
            Self::Prefix => {
                "an ILP address prefix such as test.alice, or \"\" for the default route".into()
            }
            Self::Prefixes => "a list of ILP address prefixes: [test.alice, test.bob]".into(),
            Self::Segment => {
                "one segment of an ILP address: letters, digits, '_', '~' or '-'".into()
            }
            Self::AssetCode => {
                "a code such as USD: 1 to 32 letters, digits, '_', '-' or '.'".into()
            }
            Self::Amount => "a whole number from 0 to 18446744073709551615".into(),
            Self::Balance => "a whole number, perhaps negative, of at most 38 digits".into(),
            Self::Priority => "a whole number from -2147483648 to 2147483647".into(),
            Self::Rate => "a decimal number above zero such as 0.9215".into(),
            Self::Share => "a decimal number from 0 to less than 1 such as 0.002".into(),
            Self::File => "the path of a file".into(),
            Self::Store => {
                "the path of a file, or for example postgres://user:password@host/database".into()
            }
            Self::LogLevel => {
                "a level (error, warn, info, debug, trace, off), or pairs such as info,btp=debug"
                    .into()
            }
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::WordOrMap(word, _) => format!("{word}, or a mapping of keys and values"),
            Self::Map(_) | Self::Defaults => "a mapping of keys and values".into(),
            Self::List(_) => "a list; every item starts with a dash".into(),
        }
    }

    /// What a value should have been, for messages: `expected a number, found ...`.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Integer(..)
            | Self::Millis(..)
            | Self::Port
            | Self::Amount
            | Self::Balance
            | Self::Priority
            | Self::Rate
            | Self::Share => "a number",
            Self::Bool => "true or false",
            Self::WordOrMap(..) => "a word or a mapping",
            Self::Map(_) | Self::Defaults => "a mapping",
            Self::List(_)
            | Self::Prefixes
            | Self::HostNames
            | Self::EventKinds
            | Self::Scopes
            | Self::Secrets
            | Self::SecretFiles => "a list",
            _ => "a text",
        }
    }
}
