//! Which changes of an API break clients: operations, answers, and keys that are gone or have another type; whatever
//! requests must have in addition.

use serde_json::{Value, json};

/// Objects in objects that are compared. Objects may hold objects of their own kind.
const DEPTH_MAX: usize = 12;

/// Which side writes what a schema describes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    ByClients,
    ByUs,
}

struct Comparison<'d> {
    old: &'d Value,
    new: &'d Value,
    found: Vec<String>,
}

/// What a client of the old description could no longer do or read.
pub(super) fn breaks(old: &Value, new: &Value) -> Vec<String> {
    let mut comparison = Comparison { old, new, found: Vec::new() };
    for (path, item) in entries(&old["paths"]) {
        for (method, operation) in entries(item) {
            let place = format!("{method} {path}");
            match new["paths"].get(path).and_then(|item| item.get(method)) {
                None => comparison.found.push(format!("{place} is gone")),
                Some(now) => comparison.operation(&place, operation, now),
            }
        }
    }
    comparison.found
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn resolve<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    let target = schema["$ref"].as_str().map(|reference| reference.trim_start_matches('#'));
    target.and_then(|target| document.pointer(target)).unwrap_or(schema)
}

impl Comparison<'_> {
    fn operation(&mut self, place: &str, old: &Value, new: &Value) {
        if old["security"] != new["security"] {
            self.found.push(format!("{place} needs another scope"));
        }
        let same = |a: &Value, b: &Value| a["name"] == b["name"] && a["in"] == b["in"];
        for parameter in items(&old["parameters"]) {
            let name = &parameter["name"];
            match items(&new["parameters"]).find(|now| same(now, parameter)) {
                None => self.found.push(format!("{place}: parameter {name} is gone")),
                Some(now) => {
                    let place = format!("{place}: parameter {name}");
                    self.schema(&place, &parameter["schema"], &now["schema"], Sent::ByClients, 0);
                }
            }
        }
        for parameter in items(&new["parameters"]).filter(|one| one["required"] == true) {
            let was = items(&old["parameters"]).find(|was| same(was, parameter));
            if was.is_none_or(|was| was["required"] != true) {
                self.found.push(format!("{place}: parameter {} is needed now", parameter["name"]));
            }
        }
        let (was, now) = (&old["requestBody"], &new["requestBody"]);
        self.content(&format!("{place}: body"), was, now, Sent::ByClients);
        for (status, response) in entries(&old["responses"]) {
            let place = format!("{place}: {status}");
            match new["responses"].get(status) {
                None => self.found.push(format!("{place} is gone")),
                Some(now) => self.content(&place, response, now, Sent::ByUs),
            }
        }
    }

    fn content(&mut self, place: &str, old: &Value, new: &Value, sent: Sent) {
        for (kind, content) in entries(&old["content"]) {
            match new["content"].get(kind) {
                None => self.found.push(format!("{place}: {kind} is gone")),
                Some(now) => self.schema(place, &content["schema"], &now["schema"], sent, 0),
            }
        }
    }

    fn schema(&mut self, place: &str, old: &Value, new: &Value, sent: Sent, depth: usize) {
        if depth > DEPTH_MAX {
            return;
        }
        let (old, new) = (resolve(self.old, old), resolve(self.new, new));
        if old["type"] != new["type"] {
            self.found.push(format!("{place}: {} has become {}", old["type"], new["type"]));
        }
        for (key, property) in entries(&old["properties"]) {
            let place = format!("{place}.{key}");
            match new["properties"].get(key) {
                None => self.found.push(format!("{place} is gone")),
                Some(now) => self.schema(&place, property, now, sent, depth + 1),
            }
        }
        let (fewer, more, what) = match sent {
            Sent::ByClients => (old, new, "is needed now"),
            Sent::ByUs => (new, old, "may be missing now"),
        };
        for key in items(&more["required"]) {
            let is_known = items(&fewer["required"]).any(|known| known == key);
            // A key that is gone has been found already.
            if !is_known && new["properties"].get(key.as_str().unwrap()).is_some() {
                self.found.push(format!("{place}.{} {what}", key.as_str().unwrap()));
            }
        }
        if sent == Sent::ByClients {
            for word in items(&old["enum"]) {
                if !items(&new["enum"]).any(|known| known == word) {
                    self.found.push(format!("{place}: {word} is no longer taken"));
                }
            }
        }
        if old["items"].is_object() {
            self.schema(&format!("{place}[]"), &old["items"], &new["items"], sent, depth + 1);
        }
        for kind in ["oneOf", "anyOf", "allOf"] {
            if items(&new[kind]).count() < items(&old[kind]).count() {
                self.found.push(format!("{place}: {kind} has fewer forms"));
            }
            for (was, now) in items(&old[kind]).zip(items(&new[kind])) {
                self.schema(place, was, now, sent, depth + 1);
            }
        }
    }
}

/// A small description with one operation.
fn document() -> Value {
    json!({
        "paths": { "/a": { "post": {
            "security": [{ "token": ["read"] }],
            "parameters": [{ "name": "n", "in": "query", "required": false, "schema": {} }],
            "requestBody": { "content": { "json": { "schema": {
                "required": ["x"],
                "properties": { "x": { "enum": ["one", "two"] }, "y": {} },
            } } } },
            "responses": { "200": { "content": { "json": {
                "schema": { "$ref": "#/components/schemas/Answer" },
            } } } },
        } } },
        "components": { "schemas": { "Answer": {
            "required": ["list"],
            "properties": { "list": { "type": "array", "items": { "type": "string" } } },
        } } },
    })
}

/// Compares the document with itself after a change at `pointer`: another value, or none.
fn check(pointer: &str, value: Value, expected: &[&str]) {
    let mut new = document();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/");
    match new.pointer_mut(parent).unwrap() {
        Value::Object(map) if value.is_null() => drop(map.remove(&key).unwrap()),
        Value::Object(map) => drop(map.insert(key, value)),
        list => list.as_array_mut().unwrap().push(value),
    }
    assert_eq!(breaks(&document(), &new), expected, "{pointer}");
}

#[test]
fn additions_are_allowed_and_all_else_is_found() {
    let at = |rest: &str| format!("/paths/~1a/post{rest}");
    let answer = |rest: &str| format!("/components/schemas/Answer{rest}");
    let body = |rest: &str| at(&format!("/requestBody/content/json/schema{rest}"));
    assert_eq!(breaks(&document(), &document()), Vec::<String>::new());
    check("/paths/~1b", json!({ "get": {} }), &[]);
    check("/paths/~1a/get", json!({}), &[]);
    check(&at("/parameters/-"), json!({ "name": "m", "in": "query", "required": false }), &[]);
    check(&at("/responses/default"), json!({}), &[]);
    check(&answer("/properties/more"), json!({}), &[]);
    check(&answer("/required"), json!(["list", "more"]), &[]);
    check(&body("/properties/z"), json!({}), &[]);
    check(&body("/required"), json!([]), &[]);
    check(&body("/properties/x/enum"), json!(["one", "two", "three"]), &[]);

    check("/paths/~1a", Value::Null, &["post /a is gone"]);
    check(&at("/security"), json!([{ "token": ["audit"] }]), &["post /a needs another scope"]);
    check(&at("/parameters"), json!([]), &["post /a: parameter \"n\" is gone"]);
    let n = json!([{ "name": "n", "in": "query", "required": true, "schema": {} }]);
    check(&at("/parameters"), n, &["post /a: parameter \"n\" is needed now"]);
    let needed = json!({ "name": "m", "in": "query", "required": true });
    check(&at("/parameters/-"), needed, &["post /a: parameter \"m\" is needed now"]);
    check(&at("/responses/200"), Value::Null, &["post /a: 200 is gone"]);
    check(&at("/responses/200/content"), json!({ "xml": {} }), &["post /a: 200: json is gone"]);
    check(&answer("/properties"), json!({}), &["post /a: 200.list is gone"]);
    check(&answer("/required"), json!([]), &["post /a: 200.list may be missing now"]);
    let place = answer("/properties/list/items/type");
    check(&place, json!("integer"), &["post /a: 200.list[]: \"string\" has become \"integer\""]);
    check(&body("/required"), json!(["x", "y"]), &["post /a: body.y is needed now"]);
    let place = body("/properties/x/enum");
    check(&place, json!(["one"]), &["post /a: body.x: \"two\" is no longer taken"]);
}
