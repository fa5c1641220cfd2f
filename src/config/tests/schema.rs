//! The JSON Schema agrees with the reader about keys and types.

use serde_json::{Value, json};

use crate::config::key_types::KeySet;
use crate::config::keys::{self, KeyInfo};
use crate::config::node_keys::NodeSettings;
use crate::config::peer_keys::PeerSettings;
use crate::config::schema;
use crate::config::topology_keys::{LinkSettings, TopologySettings};
use crate::config::value_kind::ValueKind;

/// Why a value does not fit a schema. Keys, types and requirements are compared, patterns of texts are not.
fn misfit(root: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return misfit(root, root.pointer(&reference[1..]).expect(reference), value, at);
    }
    if let Some(condition) = schema.get("if") {
        let branch = if misfit(root, condition, value, at).is_none() { "then" } else { "else" };
        return misfit(root, &schema[branch], value, at);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let misfits: Vec<_> = any.iter().map(|one| misfit(root, one, value, at)).collect();
        if misfits.iter().all(Option::is_some) {
            return misfits.into_iter().next().flatten();
        }
    }
    if let Some(one) = schema["oneOf"].as_array() {
        let misfits: Vec<_> = one.iter().map(|one| misfit(root, one, value, at)).collect();
        let fit = misfits.iter().filter(|misfit| misfit.is_none()).count();
        if fit != 1 {
            let first = misfits.into_iter().next().flatten();
            return Some(first.unwrap_or_else(|| format!("{at}: fits {fit} of the alternatives")));
        }
    }
    let name = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types = match &schema["type"] {
        Value::Null => vec![name],
        Value::String(one) => vec![one.as_str()],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        other => panic!("type {other}"),
    };
    let fits = types.contains(&name) || (name == "integer" && types.contains(&"number"));
    if !fits {
        return Some(format!("{at}: {name} is none of {types:?}"));
    }
    for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(key).is_none_or(Value::is_null) {
            return Some(format!("{at}: {key} is missing"));
        }
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        let place = format!("{at}.{key}");
        match schema["properties"].get(key) {
            // A key without a value counts as missing.
            Some(_) if inner.is_null() => {}
            Some(schema) => {
                if let Some(found) = misfit(root, schema, inner, &place) {
                    return Some(found);
                }
            }
            None if schema["additionalProperties"] == json!(false) => {
                return Some(format!("{place}: unknown"));
            }
            None => {}
        }
    }
    let items = value.as_array().into_iter().flatten().enumerate();
    let mut misfits =
        items.map(|(n, item)| misfit(root, &schema["items"], item, &format!("{at}[{n}]")));
    misfits.find_map(|found| found)
}

fn of_yaml(text: &str) -> Option<Value> {
    let mut value: serde_yaml::Value = serde_yaml::from_str(text).ok()?;
    value.apply_merge().ok()?;
    serde_json::to_value(value).ok()
}

#[test]
fn examples_fit() {
    let schema = schema();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let value = of_yaml(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(misfit(&schema, &schema, &value, ""), None, "{}", path.display());
    }
}

#[test]
fn accepted_files_fit_and_unknown_keys_do_not() {
    let schema = schema();
    let (mut fit, mut unfit) = (0, 0);
    for case in crate::topology::tests::cases::all() {
        let Some(value) = case.file.as_deref().and_then(of_yaml) else { continue };
        if !value.is_object() || !case.source.environment.is_empty() {
            continue;
        }
        let found = misfit(&schema, &schema, &value, "");
        if case.expected == "ok" {
            assert_eq!(found, None, "{}", case.name);
            fit += 1;
        } else if case.expected.contains("unknown key") || case.expected.contains("expected ") {
            assert!(found.is_some(), "{} fits the schema:\n{}", case.name, case.expected);
            unfit += 1;
        }
    }
    assert!(fit > 20 && unfit > 30, "{fit} {unfit}");
}

#[test]
fn required_keys_and_their_alternatives() {
    let schema = schema();
    let check = |text: &str, expected: Option<&str>| {
        let found = misfit(&schema, &schema, &of_yaml(text).unwrap(), "");
        assert_eq!(found.as_deref(), expected, "{text}");
    };
    let link = |secret: &str| {
        format!("nodes: [{{ id: a }}, {{ id: b }}]\nlinks: [{{ from: a, to: b{secret} }}]\n")
    };
    check(&link(", secret: x"), None);
    check(&link(", secretFile: secrets/ab"), None);
    check(&link(""), Some(".links[0]: secret is missing"));
    check(&link(", secret: x, secretFile: y"), Some(".links[0]: fits 2 of the alternatives"));
    check(&link(", secretFiles: [x]"), Some(".links[0]: secret is missing"));
    check("nodeId: a\ntls: { certificate: c, key: k }\n", None);
    check("nodeId: a\ntls: { certificate: c }\n", Some(".tls: key is missing"));
}

#[test]
fn schema_and_reader_know_the_same_keys() {
    let schema = schema();
    let check = |pointer: &str, keys: Vec<&'static KeyInfo>| {
        let properties = schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));
        let known: Vec<&str> = properties.as_object().unwrap().keys().map(String::as_str).collect();
        let expected: Vec<&str> = keys.iter().map(|key| key.name).collect();
        assert_eq!(known, expected, "{pointer}");
        for key in keys {
            let described = properties[key.name]["description"].as_str();
            assert_eq!(described, Some(key.about), "{pointer}/{}", key.name);
            let is_secret = matches!(key.kind, ValueKind::Secret | ValueKind::Secrets);
            let marked = properties[key.name]["writeOnly"] == true;
            assert_eq!(marked, is_secret, "{pointer}/{}: whether it is a secret", key.name);
        }
    };
    check("/$defs/nodeFile/properties", NodeSettings::KEYS.iter().collect());
    check("/$defs/nodeFile/properties/peers/items/properties", PeerSettings::KEYS.iter().collect());
    check("/$defs/topologyFile/properties", TopologySettings::KEYS.iter().collect());
    let nodes = "/$defs/topologyFile/properties/nodes/items/properties";
    check(nodes, keys::topology_node_keys().collect());
    check(
        "/$defs/topologyFile/properties/links/items/properties",
        LinkSettings::KEYS.iter().collect(),
    );
    check("/$defs/topologyFile/properties/defaults/properties", keys::defaults_keys().collect());
    assert!(NodeSettings::KEYS.iter().any(|key| matches!(key.kind, ValueKind::List(_))));
}
