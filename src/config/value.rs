//! The tree of a configuration file: texts, lists and mappings, each with its place.
//!
//! Scalars keep their text. The key decides what a text means (a number, an address), so amounts above 2^53 stay exact,
//! and a number from `${PORT}` equals one in the file.

use std::fmt;
use std::sync::Arc;

use super::location::{ValuePath, ValuePlace};
use crate::net::MASK;

/// A value and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    pub data: ValueData,
    pub at: ValuePlace,
}

#[derive(Clone, PartialEq, Eq)]
pub enum ValueData {
    /// Nothing, `~`, `null`, or an empty variable: as if the key were missing.
    Null,
    /// A value with a mistake that is already reported.
    Broken,
    /// Any other scalar.
    Text(Box<str>),
    List(Vec<Value>),
    Map(Map),
}

/// A mapping in the order of the file. Mappings are small, so a lookup is a linear search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map(pub Vec<(Name, Value)>);

/// A key and its line.
#[derive(Clone, PartialEq, Eq)]
pub struct Name {
    pub text: Arc<str>,
    pub line: u32,
}

/// Shows no text: each may be a secret, even a key, if its colon is missing.
impl fmt::Debug for ValueData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Broken => f.write_str("Broken"),
            Self::Text(_) => write!(f, "Text({MASK})"),
            Self::List(list) => f.debug_list().entries(list).finish(),
            Self::Map(map) => map.fmt(f),
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in line {}", super::redact::key(&self.text), self.line)
    }
}

impl Value {
    pub fn text(text: &str, at: ValuePlace) -> Self {
        Self { data: ValueData::Text(text.into()), at }
    }

    /// The text of a scalar.
    pub fn as_text(&self) -> Option<&str> {
        match &self.data {
            ValueData::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&Map> {
        match &self.data {
            ValueData::Map(map) => Some(map),
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[Self]> {
        match &self.data {
            ValueData::List(list) => Some(list),
            _ => None,
        }
    }

    /// The value of a key of a mapping, unless it is null.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?.get(key)
    }

    /// The text of a key of a mapping.
    pub fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_text()
    }

    pub fn is_null(&self) -> bool {
        self.data == ValueData::Null
    }

    /// Calls `edit` for this value, and then for each value below it.
    pub fn edit_all(&mut self, mut edit: impl FnMut(&mut Self, &ValuePath<'_>)) {
        let at = self.at.clone();
        self.edit_below(&ValuePath::root(&at), &mut edit);
    }

    fn edit_below(
        &mut self,
        path: &ValuePath<'_>,
        edit: &mut impl FnMut(&mut Self, &ValuePath<'_>),
    ) {
        edit(self, path);
        match &mut self.data {
            ValueData::List(list) => {
                for (index, item) in list.iter_mut().enumerate() {
                    let at = item.at.clone();
                    item.edit_below(&path.index(index, &at), edit);
                }
            }
            ValueData::Map(Map(entries)) => {
                for (name, value) in entries {
                    let at = value.at.clone();
                    value.edit_below(&path.key(&name.text, &at), edit);
                }
            }
            ValueData::Null | ValueData::Broken | ValueData::Text(_) => {}
        }
    }

    /// Calls `visit` for this value and each value below it, with the key that holds it or the list that it is in.
    pub fn visit_all(&self, mut visit: impl FnMut(&str, &Self, &ValuePath<'_>)) {
        self.visit_below("", &ValuePath::root(&self.at), &mut visit);
    }

    fn visit_below(
        &self,
        key: &str,
        path: &ValuePath<'_>,
        visit: &mut impl FnMut(&str, &Self, &ValuePath<'_>),
    ) {
        visit(key, self, path);
        match &self.data {
            ValueData::List(list) => {
                for (index, item) in list.iter().enumerate() {
                    item.visit_below(key, &path.index(index, &item.at), visit);
                }
            }
            ValueData::Map(Map(entries)) => {
                for (name, value) in entries {
                    value.visit_below(&name.text, &path.key(&name.text, &value.at), visit);
                }
            }
            ValueData::Null | ValueData::Broken | ValueData::Text(_) => {}
        }
    }
}

impl Map {
    /// The value of a key, unless it is null.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(name, _)| &*name.text == key)
            .map(|(_, value)| value)
            .filter(|value| !value.is_null())
    }

    /// Whether the key is written, even without a value.
    pub fn names(&self, key: &str) -> bool {
        self.0.iter().any(|(name, _)| &*name.text == key)
    }

    /// Sets a key, and replaces its value.
    pub fn set(&mut self, key: &str, value: Value) {
        match self.0.iter_mut().find(|(name, _)| &*name.text == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((Name { text: key.into(), line: value.at.line }, value)),
        }
    }

    /// Sets a key unless it has a value.
    pub fn set_default(&mut self, key: &str, value: Value) {
        if self.get(key).is_none() {
            self.set(key, value);
        }
    }
}
