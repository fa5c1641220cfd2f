//! The description is in docs/openapi.json, so that each change of the API is seen in a review. BLESS=1 in the
//! environment rewrites it. Within v1 only additions are allowed.

mod compatible;
mod page;

use std::collections::BTreeSet;

use serde_json::Value;

use self::compatible::breaks;
use super::*;
use crate::testing::check_page;

/// The description of the last release, once there is one.
const RELEASED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/openapi-released.json");

fn current() -> Value {
    serde_json::to_value(OPERATIONS.document()).unwrap()
}

#[test]
fn the_description_is_the_one_in_docs() {
    let mut text = serde_json::to_string_pretty(&current()).unwrap();
    text.push('\n');
    check_page("docs/openapi.json", &text);
}

#[test]
fn since_the_last_release_only_additions_have_come() {
    let Ok(released) = std::fs::read_to_string(RELEASED) else {
        let manifest = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/CHANGELOG.md"));
        assert!(
            manifest.contains("## 0.1.0 - not released yet"),
            "copy docs/openapi.json of the release to {RELEASED}"
        );
        return;
    };
    let released = serde_json::from_str(&released).unwrap();
    assert_eq!(breaks(&released, &current()), Vec::<String>::new());
}

/// Calls `found` with each text at the key `$ref`.
fn references(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value.as_str() {
                    Some(text) if key == "$ref" => found(text),
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn each_reference_resolves_and_each_operation_has_a_name_and_one_scope() {
    let document = current();
    assert_eq!(document["openapi"], "3.1.0");
    let mut names = BTreeSet::new();
    references(&document, &mut |reference| {
        let target = document.pointer(reference.trim_start_matches('#'));
        assert!(target.is_some(), "{reference}");
        names.insert(reference.to_owned());
    });
    for schema in document["components"]["schemas"].as_object().unwrap().keys() {
        let reference = format!("#/components/schemas/{schema}");
        assert!(names.contains(&reference), "{schema} is not used");
    }
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id), "{method} {path}: a second {id}");
            let about = operation["summary"].as_str().unwrap_or_default();
            assert!(!about.is_empty(), "{method} {path} has no doc comment");
            let scopes = operation["security"][0][TOKEN].as_array().unwrap();
            let [scope] = scopes.as_slice() else { panic!("{method} {path}: {scopes:?}") };
            let is_verb = method != "get";
            assert_eq!(is_verb, scope == "operate", "{method} {path}: {scope}");
            assert!(operation["responses"]["default"].is_object(), "{method} {path}");
        }
    }
    assert!(ids.len() > 15, "{ids:?}");
}
