//! No output shows a secret, wherever a mistake puts it. Each key that the schema marks as secret gets a unique text,
//! the configuration around it is broken in usual ways, and all output is searched for parts of that text.

mod files;
mod hunt;
mod mistakes;
mod places;
mod report;
mod running;
mod sources;

use std::collections::BTreeSet;

use ilp_connector::internals::config;
use serde_json::Value;

/// Secrets as `openssl rand` prints them, in hexadecimal and in Base64, and one of words.
const CANARIES: [&str; 3] = [
    "7f3ac91e5b08d264a6c3fe1d92b7504e",
    "Qz7/xKv2RtW9+LmB4nYd8HsJ6gVcF3pU1oEaTi0=",
    "sardonic-bluejay-wobbles-outside",
];

/// The keys that hold secrets in both forms of a file, according to the schema.
fn secret_keys() -> BTreeSet<String> {
    fn walk(schema: &Value, keys: &mut BTreeSet<String>) {
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            if inner["writeOnly"] == true {
                keys.insert(name.clone());
            }
            walk(inner, keys);
            walk(&inner["items"], keys);
        }
    }
    let (schema, mut keys) = (config::schema(), BTreeSet::new());
    for form in ["nodeFile", "topologyFile"] {
        walk(&schema["$defs"][form], &mut keys);
    }
    keys
}

#[test]
fn the_schema_marks_secrets() {
    let keys = secret_keys();
    let known: Vec<&str> = keys.iter().map(String::as_str).collect();
    let expected = [
        "apiToken",
        "authToken",
        "authTokens",
        "otlpToken",
        "receiverSecret",
        "secret",
        "secrets",
        "settlementToken",
        "token",
    ];
    assert_eq!(known, expected);
}
