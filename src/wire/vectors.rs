//! For tests: reads the vector files and their fields. A missing field fails the test.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// `tests/vectors/<name>.json`.
pub(crate) fn load(name: &str) -> Value {
    let path = format!("{}/tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A section that is a list and not empty.
pub(crate) fn list<'a>(file: &'a Value, section: &str) -> &'a [Value] {
    let entries = file[section].as_array().unwrap_or_else(|| panic!("{section} is a list"));
    assert!(!entries.is_empty(), "{section} is empty");
    entries
}

/// The entry of a section with this name.
pub(crate) fn named<'a>(file: &'a Value, section: &str, name: &str) -> &'a Value {
    let found = list(file, section).iter().find(|entry| entry["name"] == name);
    found.unwrap_or_else(|| panic!("no vector {name}"))
}

/// The bytes that `put` appends.
pub(crate) fn written(put: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes);
    bytes
}

/// Fails if `parses` accepts a part of `bytes` that ends before their end.
pub(crate) fn refuse_truncations(bytes: &[u8], parses: impl Fn(&[u8]) -> bool) {
    for end in 0..bytes.len() {
        assert!(!parses(&bytes[..end]), "{} cut to {end}", hex::encode(bytes));
    }
}

/// The bytes that this node writes for what it reads from `bytes`.
pub(crate) fn canonical(entry: &Value, bytes: &[u8]) -> Vec<u8> {
    match entry["canonical_hex"].as_str() {
        Some(canonical) => hex::decode(canonical).unwrap(),
        None => bytes.to_vec(),
    }
}

/// A text field.
pub(crate) fn text<'a>(entry: &'a Value, key: &str) -> &'a str {
    entry[key].as_str().unwrap_or_else(|| panic!("{key} is a text in {entry}"))
}

/// A number written as text, because it may need all 64 bits.
pub(crate) fn number(entry: &Value, key: &str) -> u64 {
    text(entry, key).parse().unwrap_or_else(|_| panic!("{key} is a number in {entry}"))
}

/// A field of hexadecimal digits.
pub(crate) fn bytes(entry: &Value, key: &str) -> Vec<u8> {
    hex::decode(text(entry, key)).unwrap_or_else(|_| panic!("{key} is hexadecimal in {entry}"))
}

/// A field in base64, padded.
pub(crate) fn base64(entry: &Value, key: &str) -> Vec<u8> {
    let decoded = STANDARD.decode(text(entry, key));
    decoded.unwrap_or_else(|_| panic!("{key} is base64 in {entry}"))
}

/// A field of hexadecimal digits with `N` bytes.
pub(crate) fn array<const N: usize>(entry: &Value, key: &str) -> [u8; N] {
    bytes(entry, key).try_into().unwrap_or_else(|_| panic!("{key} has {N} bytes in {entry}"))
}

/// Whether the bytes of an entry must be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    Accept,
    Reject,
    /// Both are allowed.
    Either,
}

/// The `expect` of an entry; `lenient` means: accept although it is out of specification.
pub(crate) fn expect(entry: &Value) -> Expect {
    match text(entry, "expect") {
        "accept" | "lenient" => Expect::Accept,
        "reject" => Expect::Reject,
        "either" => Expect::Either,
        other => panic!("unknown expectation {other} in {entry}"),
    }
}
