//! Reads the keys of one YAML mapping, and reports mistakes with their location.

use super::diagnostics::DiagnosticSink;
use super::key_names::check_names;
use super::key_types::wrong_type;
use super::keys::KeyInfo;
use super::location::{Location, ValuePath};
use super::redact;
use super::value::{Map, Value, ValueData};

/// A mapping and its path.
#[derive(Clone, Copy)]
pub struct Mapping<'a> {
    map: &'a Map,
    path: &'a ValuePath<'a>,
}

impl<'a> Mapping<'a> {
    pub fn new(map: &'a Map, path: &'a ValuePath<'a>) -> Self {
        Mapping { map, path }
    }

    /// The mapping that an item of a list should be, with the names of its keys checked.
    pub fn of_item(
        value: &'a Value,
        path: &'a ValuePath<'a>,
        known: impl Iterator<Item = &'static KeyInfo> + Clone,
        report: &mut DiagnosticSink,
    ) -> Option<Self> {
        let Some(map) = value.as_map() else {
            if value.data != ValueData::Broken {
                let example = known.clone().next().map_or("key", |key| key.name);
                let what = format!("expected a mapping, found {}", redact::found(value));
                report.at(path, what, format!("every item has keys of its own: - {example}: ..."));
            }
            return None;
        };
        check_names(map, path, known, report);
        Some(Mapping { map, path })
    }

    pub fn key(self, info: &'static KeyInfo) -> KeyRef<'a> {
        KeyRef { mapping: self, info }
    }

    /// Whether the key has a value.
    pub fn has(&self, key: &KeyInfo) -> bool {
        self.value(key).is_some()
    }

    /// The first key that has a value, else the last one.
    pub fn first_set<'k, const N: usize>(&self, keys: [&'k KeyInfo; N]) -> &'k KeyInfo {
        let mut set = keys.into_iter().filter(|key| self.has(key));
        set.next().or_else(|| keys.last().copied()).expect("at least one key is given")
    }

    /// The value of a key.
    pub fn value(&self, key: &KeyInfo) -> Option<&'a Value> {
        self.map.get(key.name)
    }

    /// The path of a key, whether it is set or not.
    pub fn path_of(&self, key: &KeyInfo) -> ValuePath<'a> {
        match self.value(key) {
            Some(value) => self.path.key(key.name, &value.at),
            None => self.path.missing(key.name),
        }
    }

    /// The place of a key in this mapping, even where its value comes from elsewhere.
    pub fn key_place(&self, key: &KeyInfo) -> Location {
        self.path.missing(key.name).place()
    }

    /// The places where a key may be set: its own, and that of the file with its value.
    pub fn places_of(&self, key: &KeyInfo) -> impl Iterator<Item = Location> {
        let names = [Some(key.name), key.file_key].into_iter().flatten();
        names.map(|name| self.path.missing(name).place()).collect::<Vec<_>>().into_iter()
    }

    /// A mistake at a key.
    pub fn problem(
        &self,
        key: &KeyInfo,
        what: impl Into<String>,
        help: impl Into<String>,
        report: &mut DiagnosticSink,
    ) {
        let text = self.value(key).and_then(Value::as_text);
        let shown = text.map(|text| redact::of_key(key.kind, text));
        report.problem(self.path_of(key).place(), shown, what, help);
    }

    /// Something allowed at a key that is probably not meant.
    pub fn warn(
        &self,
        key: &KeyInfo,
        what: impl Into<String>,
        help: impl Into<String>,
        report: &mut DiagnosticSink,
    ) {
        report.warn(self.path_of(key).place(), what, help);
    }

    /// The mapping that a key holds.
    pub fn map(&self, key: &KeyInfo, report: &mut DiagnosticSink) -> Option<&'a Map> {
        let value = self.value(key)?;
        if value.as_map().is_none() {
            wrong_type(value, &self.path_of(key), key, report);
        }
        value.as_map()
    }

    /// The list that a key holds. A key that holds something else is reported.
    pub fn list(&self, key: &KeyInfo, report: &mut DiagnosticSink) -> &'a [Value] {
        if let Some(value) = self.value(key)
            && value.as_list().is_none()
        {
            wrong_type(value, &self.path_of(key), key, report);
        }
        self.items(key)
    }

    /// The items of the list that a key holds: none if the key is missing or holds something else.
    pub fn items(&self, key: &KeyInfo) -> &'a [Value] {
        self.value(key).and_then(Value::as_list).unwrap_or(&[])
    }
}

/// One key of a mapping, set or not.
#[derive(Clone, Copy)]
pub struct KeyRef<'a> {
    mapping: Mapping<'a>,
    pub info: &'static KeyInfo,
}

impl<'a> KeyRef<'a> {
    pub fn value(self) -> Option<&'a Value> {
        self.mapping.value(self.info)
    }

    pub fn path(self) -> ValuePath<'a> {
        self.mapping.path_of(self.info)
    }

    /// Reports what is wrong with the value, and what is allowed.
    pub fn report_mistake(self, what: String, report: &mut DiagnosticSink) {
        self.mapping.problem(self.info, what, self.info.kind.allowed(), report);
    }

    /// Reports a key without a value.
    pub fn report_missing(self, report: &mut DiagnosticSink) {
        let place = self.mapping.key_place(self.info);
        report.following([place.clone()], |report| {
            report.problem(place, None, "is missing", self.info.kind.allowed());
        });
    }
}
