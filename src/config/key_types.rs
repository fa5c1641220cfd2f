//! The types in the rows of `keys!`: how a value becomes one of them, and which [`ValueKind`] describes it.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::diagnostics::DiagnosticSink;
use super::key_names::check_names;
use super::keys::KeyInfo;
use super::location::ValuePath;
use super::mapping::{KeyRef, Mapping};
use super::parse::{self, Parsed};
use super::redact;
use super::settings::{Durability, Routing};
use super::topology_keys::LinkTransport;
use super::value::{Map, Value, ValueData};
use super::value_kind::ValueKind;
use crate::account::{AccountId, OnCrash, Rate, Relation, Spread};
use crate::books::EventKind;
use crate::net::Secret;
use crate::net::{
    HttpAuth, HttpMode, HttpUrl, IpNetwork, PeerUrl, ProxiedListener, ProxySends, StorePlace,
};
use crate::observe::Scope;
use crate::rates::RateFormat;
use crate::wire::{Address, Amount, Prefix, Timestamp};

/// Tokens that are valid at the same time.
const SECRETS_MAX: usize = 4;

/// The typed keys of one mapping, made by `keys!`.
pub trait KeySet: Sized {
    /// The keys while they are read: `None` for each with a mistake.
    type Draft;

    const KEYS: &'static [KeyInfo];

    /// Reads every key. Mistakes are in the report.
    fn read(mapping: Mapping<'_>, report: &mut DiagnosticSink) -> Self::Draft;

    /// `None`: a key that is required or has a default had a mistake.
    fn finish(draft: Self::Draft) -> Option<Self>;

    /// The keys whose values differ.
    fn changed_keys(&self, other: &Self) -> Vec<&'static KeyInfo>;

    /// Restores the values of a running node for the keys that only a restart can change.
    fn keep_until_restart(&mut self, running: &Self);
}

/// A type of values.
pub trait KeyType {
    type Value: Clone + PartialEq + fmt::Debug;

    const KIND: ValueKind;

    /// Reads the value of a key. `None`: a mistake, which is in the report.
    fn read(key: KeyRef<'_>, value: &Value, report: &mut DiagnosticSink) -> Option<Self::Value>;

    /// The value of a key that is not set. `None`: the key is required, which is in the report.
    fn read_missing(key: KeyRef<'_>, report: &mut DiagnosticSink) -> Option<Self::Value> {
        key.report_missing(report);
        None
    }
}

/// The type of a row: a [`KeyType`], or an `Option` of one for a key that may be left out.
pub trait RowType {
    type Value: Clone + PartialEq + fmt::Debug;
    type Draft;

    const KIND: ValueKind;
    /// Whether the key must be set if it has no default.
    const REQUIRED: bool;
    /// Whether it may be left out without a default.
    const IS_SWITCH: bool;

    fn read(key: KeyRef<'_>, report: &mut DiagnosticSink) -> Self::Draft;

    fn finish(draft: Self::Draft) -> Option<Self::Value>;
}

impl<K: KeyType> RowType for K {
    type Value = K::Value;
    type Draft = Option<K::Value>;

    const KIND: ValueKind = K::KIND;
    // A mapping without keys stands for one that is left out.
    const REQUIRED: bool = !matches!(K::KIND, ValueKind::Map(_));
    const IS_SWITCH: bool = false;

    fn read(key: KeyRef<'_>, report: &mut DiagnosticSink) -> Option<K::Value> {
        match key.value() {
            Some(value) => K::read(key, value, report),
            None => K::read_missing(key, report),
        }
    }

    fn finish(draft: Option<K::Value>) -> Option<K::Value> {
        draft
    }
}

impl<K: KeyType> RowType for Option<K> {
    type Value = Option<K::Value>;
    type Draft = Option<K::Value>;

    const KIND: ValueKind = K::KIND;
    const REQUIRED: bool = false;
    const IS_SWITCH: bool = true;

    fn read(key: KeyRef<'_>, report: &mut DiagnosticSink) -> Option<K::Value> {
        K::read(key, key.value()?, report)
    }

    fn finish(draft: Option<K::Value>) -> Option<Option<K::Value>> {
        Some(draft)
    }
}

/// A type that is written as one text. The error says what is wrong; [`ValueKind::allowed`] adds what is allowed.
pub trait Scalar {
    type Value: Clone + PartialEq + fmt::Debug;

    const KIND: ValueKind;

    fn parse(text: &str) -> Parsed<Self::Value>;
}

impl<S: Scalar> KeyType for S {
    type Value = S::Value;

    const KIND: ValueKind = S::KIND;

    fn read(key: KeyRef<'_>, value: &Value, report: &mut DiagnosticSink) -> Option<S::Value> {
        let Some(text) = value.as_text() else {
            wrong_type(value, &key.path(), key.info, report);
            return None;
        };
        let report_mistake = |what| key.report_mistake(what, report);
        S::parse(text).map_err(report_mistake).ok()
    }

    fn read_missing(key: KeyRef<'_>, report: &mut DiagnosticSink) -> Option<S::Value> {
        if key.info.default.is_none() {
            key.report_missing(report);
        }
        key.info.default.map(|text| S::parse(text).expect("a test reads every default"))
    }
}

macro_rules! scalars {
    ($($type:ty => $value:ty, $kind:ident, $parse:expr;)+) => {
        $(impl Scalar for $type {
            type Value = $value;

            const KIND: ValueKind = ValueKind::$kind;

            fn parse(text: &str) -> Parsed<$value> {
                $parse(text)
            }
        })+
    };
}

/// Any text.
pub struct Text;
/// A port to listen on; 0 picks a free one.
pub struct Port;
/// An address or host name to listen on.
pub struct Host;
/// One segment of an ILP address.
pub struct Segment;
/// The code of an asset.
pub struct AssetCode;
/// A balance in the account's units.
pub struct Balance;
/// The priority of a route.
pub struct Priority;
/// Log levels.
pub struct LogLevel;
/// A date, or a date and a time, in UTC.
pub struct Moment;
/// One of [`HostNames`].
struct HostName;

scalars! {
    AccountId => AccountId, Id, parse::id;
    Address => Address, Address, parse::value;
    Amount => Amount, Amount, |text| parse::integer(text, 0, u64::MAX).map(Amount);
    AssetCode => Arc<str>, AssetCode, |text| parse::asset_code(text).map(Arc::from);
    Balance => i128, Balance, parse::balance;
    bool => bool, Bool, parse::boolean;
    Host => String, Host, |text| parse::host(text).map(str::to_owned);
    HostName => String, Host, parse::host_name;
    HttpUrl => HttpUrl, HttpUrl, parse::http_url;
    IpNetwork => IpNetwork, Network, parse::value;
    LogLevel => String, LogLevel, parse::log_level;
    PathBuf => PathBuf, File, |text| parse::text(text).map(PathBuf::from);
    PeerUrl => PeerUrl, Url, parse::value;
    Port => u16, Port, parse::port;
    Prefix => Prefix, Prefix, parse::value;
    Priority => i32, Priority, parse::priority;
    Rate => Rate, Rate, parse::value;
    Spread => Spread, Share, parse::value;
    Secret => Secret, Secret, |text| parse::secret(text).map(Secret::new);
    Segment => Arc<str>, Segment, |text| parse::segment(text).map(Arc::from);
    StorePlace => StorePlace, Store, parse::store_place;
    Moment => Timestamp, Moment, parse::moment;
    Text => String, Text, |text| parse::text(text).map(str::to_owned);
}

/// A whole number from `MIN` to `MAX` as a `T`, which can hold all of them.
pub struct Integer<T, const MIN: u64, const MAX: u64>(PhantomData<T>);

impl<T, const MIN: u64, const MAX: u64> Scalar for Integer<T, MIN, MAX>
where
    T: TryFrom<u64, Error: fmt::Debug> + Clone + PartialEq + fmt::Debug,
{
    type Value = T;

    const KIND: ValueKind = ValueKind::Integer(MIN, MAX);

    fn parse(text: &str) -> Parsed<T> {
        let number = parse::integer(text, MIN, MAX)?;
        Ok(T::try_from(number).expect("the type of a row holds its range"))
    }
}

/// Milliseconds from `MIN` to `MAX`.
pub struct Millis<const MIN: u64, const MAX: u64>;

impl<const MIN: u64, const MAX: u64> Scalar for Millis<MIN, MAX> {
    type Value = Duration;

    const KIND: ValueKind = ValueKind::Millis(MIN, MAX);

    fn parse(text: &str) -> Parsed<Duration> {
        parse::integer(text, MIN, MAX).map(Duration::from_millis)
    }
}

macro_rules! choices {
    ($($type:ident { $($word:literal => $variant:ident),+ })+) => {
        $(impl Scalar for $type {
            type Value = Self;

            const KIND: ValueKind = ValueKind::Choice(&[$($word),+]);

            fn parse(text: &str) -> Parsed<Self> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(match redact::meant_word(text, &[$($word),+]) {
                        Some(near) => format!("did you mean {near}?"),
                        None => "unknown word".to_owned(),
                    }),
                }
            }
        })+
    };
}

choices! {
    Durability { "batched" => Batched, "strict" => Strict }
    HttpAuth { "simple" => Simple, "jwt" => Jwt }
    HttpMode { "sync" => Sync, "async" => Async }
    LinkTransport { "btp" => Btp, "http" => Http }
    OnCrash { "concede" => Concede, "wait" => Wait }
    ProxiedListener { "btp" => Btp, "http" => Http, "api" => Api }
    ProxySends {
        "proxyProtocol" => ProxyProtocol,
        "forwarded" => Forwarded,
        "xForwardedFor" => XForwardedFor
    }
    RateFormat { "json" => Json, "ecb" => Ecb }
    Relation { "parent" => Parent, "peer" => Peer, "child" => Child }
    Routing { "static" => Static, "dynamic" => Dynamic }
    Scope { "read" => Read, "packets" => Packets, "operate" => Operate, "audit" => Audit }
}

/// Reads the items of a list, each as an `S`. `None`: one of them has a mistake.
fn read_items<S: Scalar>(
    key: KeyRef<'_>,
    value: &Value,
    report: &mut DiagnosticSink,
) -> Option<Vec<S::Value>> {
    let path = key.path();
    let Some(list) = value.as_list() else {
        wrong_type(value, &path, key.info, report);
        return None;
    };
    let mut values = Vec::new();
    for (index, item) in list.iter().enumerate() {
        let text = item.as_text();
        let what = match text.map(S::parse) {
            Some(Ok(value)) => {
                values.push(value);
                continue;
            }
            Some(Err(what)) => what,
            None if item.data == ValueData::Broken => continue,
            None => format!("expected a text, found {}", redact::found(item)),
        };
        let shown = text.filter(|_| S::KIND != ValueKind::Secret);
        let shown = shown.map(|text| redact::of_key(S::KIND, text));
        let place = path.index(index, &item.at).place();
        report.problem(place, shown, what, S::KIND.allowed());
    }
    (values.len() == list.len()).then_some(values)
}

impl KeyType for Vec<Secret> {
    type Value = Self;

    const KIND: ValueKind = ValueKind::Secrets;

    fn read(key: KeyRef<'_>, value: &Value, report: &mut DiagnosticSink) -> Option<Self> {
        if let Some(list) = value.as_list()
            && !(1..=SECRETS_MAX).contains(&list.len())
        {
            key.report_mistake(format!("holds {} secrets", list.len()), report);
            return None;
        }
        read_items::<Secret>(key, value, report)
    }
}

impl KeyType for Vec<Prefix> {
    type Value = Self;

    const KIND: ValueKind = ValueKind::Prefixes;

    fn read(key: KeyRef<'_>, value: &Value, report: &mut DiagnosticSink) -> Option<Self> {
        read_items::<Prefix>(key, value, report)
    }
}

/// Host names: a list, or a text with commas between them.
pub struct HostNames;

impl KeyType for HostNames {
    type Value = Vec<String>;

    const KIND: ValueKind = ValueKind::HostNames;

    fn read(key: KeyRef<'_>, value: &Value, report: &mut DiagnosticSink) -> Option<Vec<String>> {
        let Some(text) = value.as_text() else {
            return read_items::<HostName>(key, value, report);
        };
        let names = text.split(',').map(|name| HostName::parse(name.trim()));
        let names: Parsed<Vec<String>> = names.collect();
        names.map_err(|what| key.report_mistake(what, report)).ok()
    }
}

/// Scopes: a list, or a text with commas between them.
pub struct Scopes;

impl KeyType for Scopes {
    type Value = BTreeSet<Scope>;

    const KIND: ValueKind = ValueKind::Scopes;

    fn read(
        key: KeyRef<'_>,
        value: &Value,
        report: &mut DiagnosticSink,
    ) -> Option<BTreeSet<Scope>> {
        let scopes = match value.as_text() {
            None => read_items::<Scope>(key, value, report)?,
            Some(text) => {
                let scopes: Parsed<Vec<Scope>> =
                    text.split(',').map(|word| Scope::parse(word.trim())).collect();
                scopes.map_err(|what| key.report_mistake(what, report)).ok()?
            }
        };
        if scopes.is_empty() {
            key.report_mistake("allows nothing".to_owned(), report);
            return None;
        }
        Some(scopes.into_iter().collect())
    }
}

/// Kinds of events that a store keeps: a list.
pub struct EventKinds;

impl KeyType for EventKinds {
    type Value = Vec<EventKind>;

    const KIND: ValueKind = ValueKind::EventKinds;

    fn read(key: KeyRef<'_>, value: &Value, report: &mut DiagnosticSink) -> Option<Vec<EventKind>> {
        let kinds = read_items::<EventKind>(key, value, report)?;
        if kinds.is_empty() {
            key.report_mistake("names no event".to_owned(), report);
            return None;
        }
        Some(kinds)
    }
}

impl Scalar for EventKind {
    type Value = Self;

    const KIND: ValueKind = ValueKind::EventKinds;

    fn parse(text: &str) -> Parsed<Self> {
        let kind = Self::from_name(text).filter(|kind| kind.is_saved());
        kind.ok_or_else(|| "is no event that a store keeps".to_owned())
    }
}

/// A mapping within a mapping.
impl<T: KeySet + Clone + PartialEq + fmt::Debug> KeyType for Nested<T> {
    type Value = T;

    const KIND: ValueKind = ValueKind::Map(T::KEYS);

    fn read(key: KeyRef<'_>, value: &Value, report: &mut DiagnosticSink) -> Option<T> {
        let path = key.path();
        let Some(map) = value.as_map() else {
            wrong_type(value, &path, key.info, report);
            return None;
        };
        check_names(map, &path, T::KEYS.iter(), report);
        T::finish(T::read(Mapping::new(map, &path), report))
    }

    fn read_missing(key: KeyRef<'_>, report: &mut DiagnosticSink) -> Option<T> {
        let path = key.path();
        T::finish(T::read(Mapping::new(&Map::default(), &path), report))
    }
}

/// A mapping with the keys of `T`.
pub struct Nested<T>(PhantomData<T>);

/// Reports that a value has the wrong type.
pub fn wrong_type(value: &Value, path: &ValuePath<'_>, key: &KeyInfo, report: &mut DiagnosticSink) {
    report.unread(path.place());
    if value.data == ValueData::Broken {
        return;
    }
    let what = format!("expected {}, found {}", key.kind.noun(), redact::found(value));
    report.at(path, what, key.kind.allowed());
}

#[cfg(test)]
mod tests {
    use super::super::keys;
    use super::super::value_kind::ValueKind;

    #[test]
    fn every_default_can_be_read() {
        assert!(keys::all().any(|key| key.default.is_some()));
        assert!(keys::all().all(|key| !key.required || !matches!(key.kind, ValueKind::Map(_))));
        // Reading an empty node, peer and link parses the defaults of all scalars.
        crate::config::tests::node("nodeId: a\npeers: [{id: b, authToken: s}]\n");
    }
}
