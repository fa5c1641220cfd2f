//! The JSON Schema of configuration files, for editors. It is made from the same list of keys as the reader. Rules that
//! a schema cannot express, such as that a next hop is a peer, are known to `check` alone.

use serde_json::{Map, Value, json};

use super::key_types::KeySet;
use super::keys::{self, KeyInfo};
use super::node_keys::NodeSettings;
use super::topology_keys::TopologySettings;
use super::value_kind::ValueKind;
use crate::books::EventKind;
use crate::observe::Scope;

/// `${NAME}` may stand for any value.
const VARIABLE: &str = r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-.*)?\}";

/// The schema of both forms of a file, draft 2020-12.
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ilp-connector",
        "description": "A node file, or (with nodes) a topology file of ilp-connector.",
        "type": "object",
        "if": { "anyOf": [{ "required": ["nodes"] }, { "required": ["links"] }] },
        "then": { "$ref": "#/$defs/topologyFile" },
        "else": { "$ref": "#/$defs/nodeFile" },
        "$defs": {
            "nodeFile": object(NodeSettings::KEYS.iter(), &[]),
            "topologyFile": topology(),
        },
    })
}

fn topology() -> Value {
    let mut file = mapping(TopologySettings::KEYS);
    if let Some(nodes) = file.pointer_mut("/properties/nodes/items") {
        *nodes = object(keys::topology_node_keys(), &["id"]);
    }
    if let Some(defaults) = file.pointer_mut("/properties/defaults") {
        let about = defaults.get("description").cloned();
        *defaults = object(keys::defaults_keys(), &[]);
        if let (Some(object), Some(about)) = (defaults.as_object_mut(), about) {
            object.insert("description".into(), about);
        }
    }
    file
}

/// A mapping with these keys. A secret that is required may be in one of two places.
fn mapping(keys: &'static [KeyInfo]) -> Value {
    let required = keys.iter().filter(|key| key.required);
    let (in_file, here): (Vec<&KeyInfo>, Vec<&KeyInfo>) =
        required.partition(|key| key.file_key.is_some());
    let here: Vec<&str> = here.iter().map(|key| key.name).collect();
    let mut schema = object(keys.iter(), &here);
    if let (Some(object), [key]) = (schema.as_object_mut(), in_file.as_slice()) {
        let places = json!([{ "required": [key.name] }, { "required": [key.file_key] }]);
        object.insert("oneOf".into(), places);
    }
    schema
}

/// A mapping with exactly these keys.
fn object(keys: impl Iterator<Item = &'static KeyInfo>, required: &[&str]) -> Value {
    let properties: Map<String, Value> =
        keys.map(|key| (key.name.to_owned(), property(key))).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn property(key: &KeyInfo) -> Value {
    let mut schema = kind(key.kind);
    if let Some(object) = schema.as_object_mut() {
        if key.is_secret() {
            // Editors and generators of forms do not show it.
            object.insert("writeOnly".into(), true.into());
        }
        object.insert("description".into(), key.about.into());
        if let Some(default) = key.default {
            let number = default.parse::<u64>().map(Value::from);
            let value = number.or_else(|_| default.parse::<bool>().map(Value::from));
            object.insert("default".into(), value.unwrap_or_else(|_| default.into()));
        }
    }
    schema
}

/// A number, or a text that is one: from a variable, or above what editors can count.
fn number(schema: Value) -> Value {
    json!({ "anyOf": [schema, text(r"^-?[0-9]+$")] })
}

/// A text of a form, or with a variable in it.
fn text(pattern: &str) -> Value {
    json!({ "type": ["string", "number"], "pattern": format!("{pattern}|{VARIABLE}") })
}

fn kind(kind: ValueKind) -> Value {
    let anything = || json!({ "type": ["string", "number"], "minLength": 1 });
    match kind {
        ValueKind::Id | ValueKind::Segment => text("^[A-Za-z0-9_~-]{1,64}$"),
        ValueKind::Text
        | ValueKind::Secret
        | ValueKind::SecretFile
        | ValueKind::File
        | ValueKind::Store
        | ValueKind::Host
        | ValueKind::LogLevel => anything(),
        ValueKind::Secrets | ValueKind::SecretFiles => {
            json!({ "type": ["array", "null"], "items": anything() })
        }
        ValueKind::Bool => json!({ "anyOf": [{ "type": "boolean" }, text("^(true|false)$")] }),
        ValueKind::Integer(min, max) | ValueKind::Millis(min, max) => {
            number(json!({ "type": "integer", "minimum": min, "maximum": max }))
        }
        ValueKind::Port => number(json!({ "type": "integer", "minimum": 0, "maximum": 65_535 })),
        ValueKind::Amount => {
            number(json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX }))
        }
        ValueKind::Balance => number(json!({ "type": "integer" })),
        ValueKind::Priority => {
            number(json!({ "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX }))
        }
        ValueKind::Rate => json!({ "anyOf": [
            { "type": "number", "exclusiveMinimum": 0 },
            text(r"^[0-9]{1,18}(\.[0-9]{1,18})?$"),
        ] }),
        ValueKind::Share => json!({ "anyOf": [
            { "type": "number", "minimum": 0, "exclusiveMaximum": 1 },
            text(r"^0+(\.[0-9]{1,18})?$"),
        ] }),
        ValueKind::HttpUrl => text(r"^[Hh][Tt][Tt][Pp][Ss]?://.+"),
        ValueKind::Url => text(r"^(([Bb][Tt][Pp]\+)?[Ww][Ss][Ss]?|[Hh][Tt][Tt][Pp][Ss]?)://.+"),
        ValueKind::Address => {
            text(r"^(g|private|example|self|test[1-3]?|local)(\.[A-Za-z0-9_~-]+)+$")
        }
        ValueKind::Prefix => {
            text(r"^$|^(g|private|example|self|test[1-3]?|local)(\.[A-Za-z0-9_~-]+)*\.?$")
        }
        ValueKind::Moment => text(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].+Z)?$"),
        ValueKind::EventKinds => {
            let saved = EventKind::ALL.iter().filter(|kind| kind.is_saved());
            let names: Vec<_> = saved.map(|kind| kind.as_str()).collect();
            json!({ "type": ["array", "null"], "items": { "enum": names }, "minItems": 1 })
        }
        ValueKind::Scopes => {
            let words = Scope::ALL.map(Scope::as_str).join("|");
            let several = format!("^({words})( *, *({words}))*$");
            json!({ "anyOf": [
                { "type": "array", "items": text(&format!("^({words})$")), "minItems": 1 },
                text(&several),
            ] })
        }
        ValueKind::HostNames => {
            json!({ "type": ["array", "string", "null"], "items": self::kind(ValueKind::Host) })
        }
        ValueKind::Network => text(r"^([0-9.]+|[0-9A-Fa-f:.]+)(/[0-9]{1,3})?$"),
        ValueKind::Prefixes => {
            json!({ "type": ["array", "null"], "items": self::kind(ValueKind::Prefix) })
        }
        ValueKind::AssetCode => text("^[A-Za-z0-9_.-]{1,32}$"),
        ValueKind::Choice(words) => text(&format!("^({})$", words.join("|"))),
        ValueKind::WordOrMap(word, keys) => {
            json!({ "anyOf": [text(&format!("^{word}$")), mapping(keys)] })
        }
        ValueKind::Map(keys) => mapping(keys),
        ValueKind::List(keys) => json!({ "type": ["array", "null"], "items": mapping(keys) }),
        ValueKind::Defaults => json!({}),
    }
}
