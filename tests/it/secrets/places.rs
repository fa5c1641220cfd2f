//! The positions of secrets in a configuration, found in the schema, and files with a line at such a position.

use ilp_connector::internals::config;
use serde_json::{Map, Value};

/// A position for a secret.
pub(super) struct Place {
    /// The keys that lead to it; `[]` is an item of a list.
    path: Vec<String>,
    /// Whether the key holds a list.
    many: bool,
    /// The required keys of its mapping and of those around it.
    required: Vec<Vec<String>>,
    pub(super) others: Vec<Other>,
}

/// Another key of its mapping.
pub(super) struct Other {
    pub(super) name: String,
    /// A valid value.
    pub(super) value: String,
    /// The type of its values in the schema.
    kind: String,
}

/// All positions in both forms of a file, and those of URLs, which may hold a token.
pub(super) fn places() -> Vec<Place> {
    let (schema, mut places) = (config::schema(), Vec::new());
    for form in ["nodeFile", "topologyFile"] {
        find(&schema["$defs"][form], &mut Vec::new(), &mut Vec::new(), &mut places);
    }
    assert!(places.len() > 10);
    places
}

/// The first position in each mapping; the keys beside it are the same for the others.
pub(super) fn one_of_each_mapping() -> Vec<Place> {
    let mut found: Vec<Place> = Vec::new();
    for place in places() {
        let mapping = |place: &Place| place.path[..place.path.len() - 1].to_vec();
        if !found.iter().any(|known| mapping(known) == mapping(&place)) {
            found.push(place);
        }
    }
    found
}

fn find(
    object: &Value,
    path: &mut Vec<String>,
    required: &mut Vec<Vec<String>>,
    places: &mut Vec<Place>,
) {
    let Some(properties) = object["properties"].as_object() else { return };
    let names = object["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    required.push(names.map(str::to_owned).collect());
    for (name, inner) in properties {
        path.push(name.clone());
        if inner["writeOnly"] == true || name == "url" {
            places.push(Place {
                path: path.clone(),
                many: inner["items"].is_object(),
                required: required.clone(),
                others: others(properties, name),
            });
        }
        find(inner, path, required, places);
        path.push("[]".to_owned());
        find(&inner["items"], path, required, places);
        path.pop();
        path.pop();
    }
    required.pop();
}

fn others(properties: &Map<String, Value>, except: &str) -> Vec<Other> {
    let mut others = Vec::new();
    for (name, schema) in properties {
        if name == except || schema["properties"].is_object() {
            continue;
        }
        let value = match (&schema["default"], schema["type"].to_string().contains("array")) {
            _ if name == "scopes" => "[read]".to_owned(),
            _ if name == "expires" => "2999-12-31".to_owned(),
            (Value::Null, true) => "[test.x]".to_owned(),
            (Value::Null, false) => "x1".to_owned(),
            (Value::String(text), _) if !text.is_empty() => text.clone(),
            (other, _) => other.to_string(),
        };
        let kind = format!("{}{}{}", schema["type"], schema["pattern"], schema["anyOf"][0]["type"]);
        others.push(Other { name: name.clone(), value, kind });
    }
    others
}

impl Place {
    /// The key at this position.
    pub(super) fn key(&self) -> &str {
        &self.path[self.path.len() - 1]
    }

    pub(super) fn is_of_webhook(&self) -> bool {
        self.path.iter().any(|key| key == "webhooks")
    }

    pub(super) fn is_of_topology(&self) -> bool {
        ["nodes", "links", "defaults"].contains(&self.path[0].as_str())
    }

    /// One of the other keys for each type of values.
    pub(super) fn one_of_each_type(&self) -> impl Iterator<Item = &Other> {
        let others = self.others.iter().enumerate();
        others.filter_map(|(n, other)| {
            let first = self.others[..n].iter().all(|before| before.kind != other.kind);
            first.then_some(other)
        })
    }

    /// A file with `line` at this position, in which `<p>` is the indentation, `<k>` the key, `<v>` a value for it that
    /// holds the secret, and `<c>` the secret. Other lines may stand above and below.
    pub(super) fn file(&self, line: &str, secret: &str, [above, below]: [&str; 2]) -> String {
        let top = self.path[0].as_str();
        let base: &[(&str, &str)] = match top {
            "nodes" | "links" | "defaults" => &[
                ("nodes", "[{ id: a }, { id: b }]"),
                ("links", "[{ from: a, to: b, secret: abcdefghijklmnop }]"),
            ],
            _ => &[("nodeId", "n"), ("ilpAddress", "test.n"), ("healthCheckHost", "127.0.0.1")],
        };
        let own = line.strip_prefix("<p>").unwrap_or_default();
        let given = |name: &str| [above, own, below].iter().any(|line| is_of(line, name));
        let mut text = String::new();
        for (name, value) in base {
            if *name != top && !(self.path.len() == 1 && given(name)) {
                text += &format!("{name}: {value}\n");
            }
        }
        let (mut pad, mut depth, mut end) = (String::new(), 0, String::new());
        for (index, part) in self.path[..self.path.len() - 1].iter().enumerate() {
            if part != "[]" {
                depth += usize::from(self.path[index + 1] != "[]");
                text += &format!("{pad}{part}:\n");
                pad += "  ";
                continue;
            }
            depth += 1;
            let list = self.path[index - 1].as_str();
            let innermost = index == self.path.len() - 2;
            let mut dash = "- ";
            for name in &self.required[depth] {
                let elsewhere = name == self.key() || (innermost && given(name));
                let value = match (list, name.as_str()) {
                    _ if elsewhere => continue,
                    ("nodes", _) | (_, "from") => "a",
                    (_, "to") => "b",
                    (_, "scopes") => "read",
                    _ => "ext",
                };
                text += &format!("{pad}{dash}{name}: {value}\n");
                dash = "  ";
            }
            if dash == "- " {
                text += &format!("{pad}-\n");
            }
            if list == "nodes" {
                end = format!("{pad}- id: b\n");
            }
            pad += "  ";
        }
        let value = match (self.key(), self.many) {
            ("url", _) => format!("btp+ws://x:{secret}@127.0.0.1:1"),
            (_, true) => format!("[{secret}]"),
            _ => secret.to_owned(),
        };
        let filled = |line: &str| {
            let line = line.replace("<v>", &value).replace("<k>", self.key());
            line.replace("<p>", &pad).replace("<c>", secret)
        };
        let beside = |line: &str| match line {
            "" => String::new(),
            line => format!("<p>{line}"),
        };
        for line in [beside(above), line.to_owned(), beside(below)] {
            if !line.is_empty() {
                text += &filled(&line);
                text += "\n";
            }
        }
        text + &end
    }
}

fn is_of(line: &str, name: &str) -> bool {
    line.strip_prefix(name).is_some_and(|rest| rest.starts_with(':'))
}
