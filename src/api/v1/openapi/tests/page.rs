//! The description as a page: docs/API.md. BLESS=1 in the environment rewrites it.

use serde_json::{Map, Value};

use super::current;
use crate::testing::check_page;

const INTRODUCTION: &str = "\
# The API, operation by operation

All operations of `/api/v1` and the objects that they take and give. [REFERENCE](REFERENCE.md#api-v1) says how the API is
reached, what each scope allows, and what the objects mean together. This page is written by a test from
[openapi.json](openapi.json), which is for programs.

Without any token, a node gives the scopes `read` and `packets` to each acceptable request. An error is a
[Problem](#problem). A field in *italics* may be missing. Ignore fields that you do not know.
";

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(at, part)| match at % 2 {
        0 => part.replace('<', "\\<").replace('*', "\\*").replace('|', "\\|"),
        _ => format!("`{}`", part.replace('|', "\\|")),
    });
    parts.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text of a key, or nothing.
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn link(name: &str) -> String {
    format!("[{name}](#{})", name.to_lowercase())
}

/// The name of the schema that a reference leads to.
fn referred(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

/// The type of a value, as a reader says it.
fn type_of(schema: &Value) -> String {
    if let Some(name) = referred(schema) {
        return link(name);
    }
    for (key, between) in [("oneOf", ", or "), ("anyOf", ", or "), ("allOf", ", and ")] {
        if let Some(parts) = schema[key].as_array() {
            return parts.iter().map(type_of).collect::<Vec<_>>().join(between);
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        let values = values.iter().filter_map(Value::as_str).map(|value| format!("`{value}`"));
        return values.collect::<Vec<_>>().join(", ");
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => Vec::from_iter(kind.as_str()),
    };
    let names = kinds.into_iter().map(|kind| match kind {
        "array" => format!("list of {}", type_of(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("map to {}", type_of(&schema["additionalProperties"]))
        }
        "string" => "text".to_owned(),
        "integer" => match (schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
            (Some(minimum), Some(maximum)) => format!("{minimum} to {maximum}"),
            _ => "integer".to_owned(),
        },
        kind => kind.to_owned(),
    });
    let names: Vec<String> = names.collect();
    if names.is_empty() { "any".to_owned() } else { names.join(", or ") }
}

/// The rows of an object's fields; those of an object inside it have its name before them.
fn fields(schema: &Value, before: &str, rows: &mut Vec<String>) {
    for part in schema["allOf"].as_array().into_iter().flatten() {
        match referred(part) {
            Some(name) => rows.push(format!("| {before}... | all of {} |  |", link(name))),
            None => fields(part, before, rows),
        }
    }
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, field) in schema["properties"].as_object().unwrap_or(&Map::new()) {
        let path = format!("{before}{name}");
        let shown = if required.contains(&name.as_str()) {
            format!("`{path}`")
        } else {
            format!("*`{path}`*")
        };
        rows.push(format!(
            "| {shown} | {} | {} |",
            type_of(field),
            cell(text(field, "description"))
        ));
        fields(field, &format!("{path}."), rows);
        fields(&field["items"], &format!("{path}[]."), rows);
    }
}

fn schema_section(name: &str, schema: &Value) -> String {
    let mut page = format!("\n### {name}\n\n{}\n", cell(text(schema, "description")));
    let mut rows = Vec::new();
    fields(schema, "", &mut rows);
    // Each shape of a message that has several is a table of its own.
    let shapes: Vec<&Value> = schema["oneOf"].as_array().into_iter().flatten().collect();
    if rows.is_empty() && shapes.is_empty() {
        page += &format!("\nOne of: {}\n", type_of(schema));
    }
    if !rows.is_empty() {
        page += &format!("\n| field | type | meaning |\n|---|---|---|\n{}\n", rows.join("\n"));
    }
    for shape in shapes {
        let mut rows = Vec::new();
        fields(shape, "", &mut rows);
        let about = cell(text(shape, "description"));
        match rows.is_empty() {
            true => page += &format!("\n- {} {about}\n", type_of(shape)),
            false => {
                page += &format!(
                    "\n{about}\n\n| field | type | meaning |\n|---|---|---|\n{}\n",
                    rows.join("\n")
                )
            }
        }
    }
    page
}

fn operation_section(method: &str, path: &str, operation: &Value) -> String {
    // As code, because mdbook takes braces at the end of a heading for its attributes.
    let mut page = format!("\n### `{method} {path}`\n\n{}\n", cell(text(operation, "summary")));
    if operation["description"].is_string() {
        page += &format!("\n{}\n", cell(text(operation, "description")));
    }
    let parameters: Vec<&Value> =
        operation["parameters"].as_array().into_iter().flatten().collect();
    if !parameters.is_empty() {
        page += "\n| parameter | in | type | meaning |\n|---|---|---|---|\n";
        for parameter in parameters {
            let name = text(parameter, "name");
            let is_required = parameter["required"].as_bool().unwrap_or_default();
            let name = if is_required { format!("`{name}`") } else { format!("*`{name}`*") };
            let (place, kind) = (text(parameter, "in"), type_of(&parameter["schema"]));
            page += &format!(
                "| {name} | {place} | {kind} | {} |\n",
                cell(text(parameter, "description"))
            );
        }
    }
    let bodies = |content: &Value| {
        let all = content["content"].as_object().into_iter().flatten();
        let all = all.map(|(kind, body)| (kind.clone(), type_of(&body["schema"])));
        all.map(|(kind, body)| format!("{body} (`{kind}`)")).collect::<Vec<_>>().join(" or ")
    };
    if operation["requestBody"].is_object() {
        page += &format!("\n- body: {}\n", bodies(&operation["requestBody"]));
    } else {
        page += "\n";
    }
    page += &format!("- answer: {}\n", bodies(&operation["responses"]["200"]));
    page += &format!("- scope: `{}`\n", scope(operation));
    page
}

fn scope(operation: &Value) -> &str {
    operation["security"][0][super::TOKEN][0].as_str().unwrap_or_default()
}

fn page() -> String {
    let document = current();
    let mut page = format!(
        "{INTRODUCTION}\n## Operations\n\n| operation | scope | what it does |\n|---|---|---|\n"
    );
    let mut sections = String::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_uppercase();
            let title = format!("{method} {path}");
            let kept = title.to_lowercase().replace(' ', "-");
            let kept = kept.chars().filter(|c| c.is_alphanumeric() || ['-', '_'].contains(c));
            let anchor: String = kept.collect();
            let summary = cell(text(operation, "summary"));
            page += &format!("| [{title}](#{anchor}) | `{}` | {summary} |\n", scope(operation));
            sections += &operation_section(&method, path, operation);
        }
    }
    page += &sections;
    page += "\n## Objects\n";
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        page += &schema_section(name, schema);
    }
    page
}

#[test]
fn the_page_of_the_api_is_that_of_the_program() {
    check_page("docs/API.md", &page());
}

#[test]
fn types_are_said_in_words() {
    let check = |schema: &str, expected: &str| {
        assert_eq!(type_of(&serde_json::from_str(schema).unwrap()), expected);
    };
    check(r#"{"type":["string","null"]}"#, "text, or null");
    check(
        r##"{"oneOf":[{"$ref":"#/components/schemas/A_B"},{"type":"null"}]}"##,
        "[A_B](#a_b), or null",
    );
    check(r#"{"type":"array","items":{"type":"integer","minimum":0}}"#, "list of integer");
    check(r#"{"type":"object","additionalProperties":{"type":"string"}}"#, "map to text");
    check(r#"{"type":"string","enum":["a","b"]}"#, "`a`, `b`");
    check("{}", "any");
}
