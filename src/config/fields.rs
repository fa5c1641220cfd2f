//! Reads the keys of one mapping, and reports what is missing, unknown, or not what the key wants.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::diagnostics::DiagnosticSink;
use super::key_names::check_names;
use super::keys::{KeyInfo, ValueKind};
use super::location::{Location, Path};
use super::parse;
use super::redact;
use super::secret::Secret;
use super::value::{Map, Value, ValueData};
use crate::transport::{HttpUrl, PeerUrl, UrlError};

/// Secrets that are valid side by side.
const SECRETS_MAX: usize = 4;

/// The keys of one mapping.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    map: &'a Map,
    path: &'a Path<'a>,
    keys: &'static [KeyInfo],
}

/// Reports that a value has the wrong type.
pub(super) fn wrong_type(
    value: &Value,
    path: &Path<'_>,
    key: &KeyInfo,
    report: &mut DiagnosticSink,
) {
    report.unread(path.place());
    if value.data == ValueData::Broken {
        return;
    }
    let what = format!("expected {}, found {}", key.kind.noun(), redact::found(value));
    report.at(path, what, key.kind.allowed());
}

impl<'a> Fields<'a> {
    pub(super) fn new(map: &'a Map, path: &'a Path<'a>, keys: &'static [KeyInfo]) -> Self {
        Fields { map, path, keys }
    }

    /// Whether the key has a value.
    pub(super) fn has(&self, name: &str) -> bool {
        self.map.get(name).is_some()
    }

    /// The path of a key, there or not.
    pub(super) fn path_of(&self, name: &'a str) -> Path<'a> {
        match self.map.get(name) {
            Some(value) => self.path.key(name, &value.at),
            None => self.path.missing(name),
        }
    }

    /// The place of a key as its mapping has it, wherever its value stands.
    pub(super) fn key_place(&self, name: &str) -> Location {
        self.path.missing(name).place()
    }

    /// A mistake at a key.
    pub(super) fn problem(
        &self,
        name: &'a str,
        what: impl Into<String>,
        help: impl Into<String>,
        report: &mut DiagnosticSink,
    ) {
        let shown = self.map.get(name).and_then(|value| self.shown(name, value));
        report.problem(self.path_of(name).place(), shown, what, help);
    }

    /// Reports a key without a value. `false`: it is missing.
    pub(super) fn require(&self, name: &'static str, report: &mut DiagnosticSink) -> bool {
        let there = self.has(name);
        if !there {
            let place = self.key_place(name);
            report.following([place.clone()], |report| {
                report.problem(place, None, "is missing", self.kind(name).allowed());
            });
        }
        there
    }

    /// The value of a key that holds a mapping or a list.
    pub(super) fn value(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name)
    }

    fn key(&self, name: &str) -> Option<&'static KeyInfo> {
        self.keys.iter().find(|key| key.name == name)
    }

    fn kind(&self, name: &str) -> ValueKind {
        let key = self.key(name);
        debug_assert!(key.is_some(), "{name} is missing in the table of keys");
        key.map_or(ValueKind::Text, |key| key.kind)
    }

    fn shown(&self, name: &str, value: &Value) -> Option<String> {
        value.as_text().map(|text| redact::of_key(self.kind(name), text))
    }

    /// The value of a key, or its default. `None`: there is neither, or a problem was reported.
    fn read<T>(
        &self,
        name: &'static str,
        report: &mut DiagnosticSink,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let Some(value) = self.map.get(name) else {
            return self.key(name).and_then(|key| key.default).and_then(|text| parse(text).ok());
        };
        let Some(text) = value.as_text() else {
            if let Some(key) = self.key(name) {
                wrong_type(value, &self.path_of(name), key, report);
            }
            return None;
        };
        match parse(text) {
            Ok(value) => Some(value),
            Err(what) => {
                self.problem(name, what, self.kind(name).allowed(), report);
                None
            }
        }
    }

    pub(super) fn id(
        &self,
        name: &'static str,
        report: &mut DiagnosticSink,
    ) -> Option<crate::account::AccountId> {
        self.read(name, report, parse::id)
    }

    pub(super) fn text(&self, name: &'static str, report: &mut DiagnosticSink) -> Option<String> {
        self.read(name, report, |text| parse::text(text).map(str::to_owned))
    }

    pub(super) fn secret(&self, name: &'static str, report: &mut DiagnosticSink) -> Option<Secret> {
        debug_assert_eq!(self.kind(name), ValueKind::Secret, "{name} is not marked as a secret");
        self.read(name, report, |text| parse::secret(text).map(Secret::new))
    }

    /// The secrets of a list. `None`: there is none, or a problem was reported.
    pub(super) fn secrets(
        &self,
        name: &'static str,
        report: &mut DiagnosticSink,
    ) -> Option<Vec<Secret>> {
        debug_assert_eq!(self.kind(name), ValueKind::Secrets, "{name} is not marked as a secret");
        self.map.get(name)?;
        let list = self.list(name, report);
        if !(1..=SECRETS_MAX).contains(&list.len()) {
            let what = format!("holds {} secrets", list.len());
            if self.map.get(name).is_some_and(|value| value.as_list().is_some()) {
                report.at(&self.path_of(name), what, self.kind(name).allowed());
            }
            return None;
        }
        let path = self.path_of(name);
        let mut secrets = Vec::new();
        for (index, value) in list.iter().enumerate() {
            let path = path.index(index, &value.at);
            let what = match (&value.data, value.as_text().map(parse::secret)) {
                (ValueData::Broken, _) => continue,
                (_, Some(Ok(secret))) => {
                    secrets.push(Secret::new(secret));
                    continue;
                }
                (_, Some(Err(what))) => what,
                (_, None) => format!("expected a text, found {}", redact::found(value)),
            };
            report.at(&path, what, ValueKind::Secret.allowed());
        }
        (secrets.len() == list.len()).then_some(secrets)
    }

    pub(super) fn boolean(&self, name: &'static str, report: &mut DiagnosticSink) -> Option<bool> {
        self.read(name, report, parse::boolean)
    }

    pub(super) fn integer(&self, name: &'static str, report: &mut DiagnosticSink) -> Option<u64> {
        let (min, max) = match self.kind(name) {
            ValueKind::Integer(min, max) | ValueKind::Millis(min, max) => (min, max),
            ValueKind::Port => (0, u16::MAX.into()),
            _ => (0, u64::MAX),
        };
        self.read(name, report, |text| parse::integer(text, min, max))
    }

    pub(super) fn millis(
        &self,
        name: &'static str,
        report: &mut DiagnosticSink,
    ) -> Option<Duration> {
        self.integer(name, report).map(Duration::from_millis)
    }

    pub(super) fn port(&self, name: &'static str, report: &mut DiagnosticSink) -> Option<u16> {
        self.integer(name, report).and_then(|port| u16::try_from(port).ok())
    }

    /// A whole number as the type that it is used as; the key's range fits it.
    pub(super) fn number<T: TryFrom<u64>>(
        &self,
        name: &'static str,
        report: &mut DiagnosticSink,
    ) -> Option<T> {
        self.integer(name, report).and_then(|number| T::try_from(number).ok())
    }

    pub(super) fn balance(&self, name: &'static str, report: &mut DiagnosticSink) -> Option<i128> {
        self.read(name, report, parse::balance)
    }

    pub(super) fn priority(&self, name: &'static str, report: &mut DiagnosticSink) -> Option<i32> {
        self.read(name, report, parse::priority)
    }

    pub(super) fn host(&self, name: &'static str, report: &mut DiagnosticSink) -> Option<String> {
        self.read(name, report, |text| parse::host(text).map(str::to_owned))
    }

    pub(super) fn address(
        &self,
        name: &'static str,
        report: &mut DiagnosticSink,
    ) -> Option<crate::wire::Address> {
        self.read(name, report, parse::address)
    }

    pub(super) fn prefix(
        &self,
        name: &'static str,
        report: &mut DiagnosticSink,
    ) -> Option<crate::wire::Prefix> {
        self.read(name, report, parse::prefix)
    }

    /// The prefixes that a list holds; `None`: there is no list.
    pub(super) fn prefixes(
        &self,
        name: &'static str,
        report: &mut DiagnosticSink,
    ) -> Option<Vec<crate::wire::Prefix>> {
        self.map.get(name)?;
        let path = self.path_of(name);
        let mut prefixes = Vec::new();
        for (index, value) in self.list(name, report).iter().enumerate() {
            let parsed = value.as_text().map(parse::prefix);
            match parsed
                .unwrap_or_else(|| Err(format!("expected a text, found {}", redact::found(value))))
            {
                Ok(prefix) => prefixes.push(prefix),
                Err(what) => {
                    let place = path.index(index, &value.at).place();
                    let shown = value.as_text().map(redact::name);
                    report.problem(place, shown, what, ValueKind::Prefix.allowed());
                }
            }
        }
        Some(prefixes)
    }

    /// The host names of a list, or of a text with commas between them; none where the key is missing.
    pub(super) fn host_names(
        &self,
        name: &'static str,
        report: &mut DiagnosticSink,
    ) -> Vec<String> {
        let Some(value) = self.map.get(name) else { return Vec::new() };
        let path = self.path_of(name);
        let texts: Vec<_> = match value.as_text() {
            Some(text) => text.split(',').map(|name| (Some(name.trim()), path.place())).collect(),
            None => {
                let items = self.list(name, report).iter().enumerate();
                items.map(|(n, item)| (item.as_text(), path.index(n, &item.at).place())).collect()
            }
        };
        let mut names = Vec::new();
        for (text, place) in texts {
            match text.map_or_else(|| Err("expected a text".to_owned()), parse::host_name) {
                Ok(name) => names.push(name),
                Err(what) => {
                    let allowed = ValueKind::HostNames.allowed();
                    report.problem(place, text.map(redact::name), what, allowed);
                }
            }
        }
        names
    }

    pub(super) fn segment(
        &self,
        name: &'static str,
        report: &mut DiagnosticSink,
    ) -> Option<Arc<str>> {
        self.read(name, report, |text| parse::segment(text).map(Arc::from))
    }

    pub(super) fn asset_code(
        &self,
        name: &'static str,
        report: &mut DiagnosticSink,
    ) -> Option<Arc<str>> {
        self.read(name, report, |text| parse::asset_code(text).map(Arc::from))
    }

    pub(super) fn rate(
        &self,
        name: &'static str,
        report: &mut DiagnosticSink,
    ) -> Option<crate::account::Rate> {
        self.read(name, report, parse::rate)
    }

    pub(super) fn file(&self, name: &'static str, report: &mut DiagnosticSink) -> Option<PathBuf> {
        self.read(name, report, |text| parse::text(text).map(PathBuf::from))
    }

    pub(super) fn log_level(
        &self,
        name: &'static str,
        report: &mut DiagnosticSink,
    ) -> Option<String> {
        self.read(name, report, parse::log_level)
    }

    pub(super) fn url(&self, name: &'static str, report: &mut DiagnosticSink) -> Option<PeerUrl> {
        self.read(name, report, |text| text.parse().map_err(|error: UrlError| error.to_string()))
    }

    pub(super) fn http_url(
        &self,
        name: &'static str,
        report: &mut DiagnosticSink,
    ) -> Option<HttpUrl> {
        self.read(name, report, |text| {
            let url: HttpUrl = text.parse().map_err(|error: UrlError| error.to_string())?;
            match url.username().is_some() || url.path_and_query().contains('?') {
                true => Err("must not hold a user, a token or a query".to_owned()),
                false => Ok(url),
            }
        })
    }

    /// One of the words that the key knows.
    pub(super) fn choice<T: std::str::FromStr>(
        &self,
        name: &'static str,
        report: &mut DiagnosticSink,
    ) -> Option<T> {
        let ValueKind::Choice(words) = self.kind(name) else { return None };
        self.read(name, report, |text| {
            text.parse().map_err(|_| match redact::nearest(text, words.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => "unknown word".to_owned(),
            })
        })
    }

    /// The mapping that a key holds.
    pub(super) fn map(&self, name: &'static str, report: &mut DiagnosticSink) -> Option<&'a Map> {
        let value = self.map.get(name)?;
        if let (None, Some(key)) = (value.as_map(), self.key(name)) {
            wrong_type(value, &self.path_of(name), key, report);
        }
        value.as_map()
    }

    /// The list that a key holds; empty where it is missing or no list.
    pub(super) fn list(&self, name: &'static str, report: &mut DiagnosticSink) -> &'a [Value] {
        let Some(value) = self.map.get(name) else { return &[] };
        if let (None, Some(key)) = (value.as_list(), self.key(name)) {
            wrong_type(value, &self.path_of(name), key, report);
        }
        value.as_list().unwrap_or_default()
    }
}

/// The mapping that an item of a list should be, with its names checked.
pub(super) fn item<'a>(
    value: &'a Value,
    path: &Path<'_>,
    keys: &'static [KeyInfo],
    report: &mut DiagnosticSink,
) -> Option<&'a Map> {
    let Some(map) = value.as_map() else {
        if value.data == ValueData::Broken {
            return None;
        }
        let example = keys.first().map_or("key", |key| key.name);
        let what = format!("expected a mapping, found {}", redact::found(value));
        report.at(path, what, format!("every item has keys of its own: - {example}: ..."));
        return None;
    };
    check_names(map, path, keys.iter(), report);
    Some(map)
}
