//! The fields of a packet in the format of both sides: octet strings and texts in hexadecimal, 64-bit numbers as text.

use serde_json::{Map, Value};

/// Fields in the order of `decode.js`.
#[derive(Debug, Default)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    pub(super) fn octets(&mut self, key: &str, octets: &[u8]) {
        self.set(key, hex::encode(octets));
    }

    pub(super) fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}
