//! The tree that a configuration file becomes: texts, lists and mappings, each knowing where it stands.
//!
//! Scalars stay the text they were written as. What a text means (a number, an address) is decided by the key that
//! it is read for, so amounts above 2^53 stay exact and a number from `${PORT}` is the same as one written down.

use std::fmt;
use std::sync::Arc;

use super::location::At;
use super::secret::MASK;

/// A value and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(super) data: ValueData,
    pub(super) at: At,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum ValueData {
    /// Nothing, `~`, `null`, or a variable that is empty: as if the key were not there.
    Null,
    /// Something whose mistake was reported already: there, but not to be looked at again.
    Broken,
    /// Any other scalar.
    Text(Box<str>),
    List(Vec<Value>),
    Map(Map),
}

/// A mapping in the order of the file. Small, so that looking up is a walk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Map(pub(super) Vec<(Name, Value)>);

/// A key and the line it stands in.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) text: Arc<str>,
    pub(super) line: u32,
}

/// Any text of a file may be a secret, a key that lacks its colon as well.
impl fmt::Debug for ValueData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueData::Null => f.write_str("Null"),
            ValueData::Broken => f.write_str("Broken"),
            ValueData::Text(_) => write!(f, "Text({MASK})"),
            ValueData::List(list) => f.debug_list().entries(list).finish(),
            ValueData::Map(map) => map.fmt(f),
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in line {}", super::redact::key(&self.text), self.line)
    }
}

impl Value {
    pub(super) fn text(text: &str, at: At) -> Self {
        Value { data: ValueData::Text(text.into()), at }
    }

    /// The text of a scalar.
    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.data {
            ValueData::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_map(&self) -> Option<&Map> {
        match &self.data {
            ValueData::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(super) fn as_list(&self) -> Option<&[Value]> {
        match &self.data {
            ValueData::List(list) => Some(list),
            _ => None,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        self.data == ValueData::Null
    }
}

impl Map {
    /// The value of a key, unless it is null.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(name, _)| &*name.text == key)
            .map(|(_, value)| value)
            .filter(|value| !value.is_null())
    }

    /// Whether the key is written, even with nothing behind it.
    pub(super) fn names(&self, key: &str) -> bool {
        self.0.iter().any(|(name, _)| &*name.text == key)
    }

    /// Sets a key, replacing what it had.
    pub(super) fn set(&mut self, key: &str, value: Value) {
        match self.0.iter_mut().find(|(name, _)| &*name.text == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((Name { text: key.into(), line: value.at.line }, value)),
        }
    }

    /// Sets a key unless it has a value.
    pub(super) fn set_default(&mut self, key: &str, value: Value) {
        if self.get(key).is_none() {
            self.set(key, value);
        }
    }
}
