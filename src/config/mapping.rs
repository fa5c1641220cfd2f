//! Reads the keys of one YAML mapping, and reports mistakes with their location.

use super::diagnostics::DiagnosticSink;
use super::key_names::check_names;
use super::key_types::{KeySet, wrong_type};
use super::keys::KeyInfo;
use super::location::{Location, Path};
use super::redact;
use super::value::{Map, Value, ValueData};

/// A mapping and where it stands.
#[derive(Clone, Copy)]
pub struct Mapping<'a> {
    map: &'a Map,
    path: &'a Path<'a>,
}

impl<'a> Mapping<'a> {
    pub fn new(map: &'a Map, path: &'a Path<'a>) -> Self {
        Mapping { map, path }
    }

    /// The mapping that an item of a list should be, with the names of its keys checked.
    pub fn of_item<T: KeySet>(
        value: &'a Value,
        path: &'a Path<'a>,
        report: &mut DiagnosticSink,
    ) -> Option<Self> {
        let Some(map) = value.as_map() else {
            if value.data != ValueData::Broken {
                let example = T::KEYS.first().map_or("key", |key| key.name);
                let what = format!("expected a mapping, found {}", redact::found(value));
                report.at(path, what, format!("every item has keys of its own: - {example}: ..."));
            }
            return None;
        };
        check_names(map, path, T::KEYS.iter(), report);
        Some(Mapping { map, path })
    }

    /// Whether the key has a value.
    pub fn has(&self, key: &KeyInfo) -> bool {
        self.value(key).is_some()
    }

    /// The value of a key.
    pub fn value(&self, key: &KeyInfo) -> Option<&'a Value> {
        self.map.get(key.name)
    }

    /// The path of a key, whether it is set or not.
    pub fn path_of(&self, key: &KeyInfo) -> Path<'a> {
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
        let names = [Some(key.name), key.file].into_iter().flatten();
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

    /// Reports a key without a value.
    pub fn report_missing(&self, key: &KeyInfo, report: &mut DiagnosticSink) {
        let place = self.key_place(key);
        report.following([place.clone()], |report| {
            report.problem(place, None, "is missing", key.kind.allowed());
        });
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
