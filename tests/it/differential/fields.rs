//! Fields of a packet as both sides tell them: octet strings and texts in hexadecimal, numbers of 64 bits as text.

use serde_json::{Map, Value};

/// In their order, which is that of `decode.js`.
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
