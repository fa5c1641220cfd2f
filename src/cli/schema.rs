//! `schema`: the JSON Schema of configuration files, for editors.

use std::io::Write;

use serde_json::{Value, json};

use super::args::{SchemaArguments, SchemaForm};
use crate::config;
use crate::console::Failure;

/// Prints the schema of one form, or of both.
pub(super) fn run(arguments: &SchemaArguments, out: &mut dyn Write) -> Result<(), Failure> {
    let schema = match arguments.form {
        None => config::schema(),
        Some(SchemaForm::Node) => file_schema("nodeFile", "A node file of ilp-connector."),
        Some(SchemaForm::Topology) => {
            file_schema("topologyFile", "A topology file of ilp-connector.")
        }
    };
    writeln!(out, "{schema:#}")?;
    Ok(out.flush()?)
}

/// One definition as a schema of its own.
fn file_schema(name: &str, description: &str) -> Value {
    let both = config::schema();
    let part = |pointer: &str| both.pointer(pointer).cloned().unwrap_or_default();
    let mut schema = json!({
        "$schema": part("/$schema"),
        "title": "ilp-connector",
        "description": description,
    });
    let definition = part(&format!("/$defs/{name}"));
    if let (Some(schema), Value::Object(definition)) = (schema.as_object_mut(), definition) {
        schema.extend(definition);
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_stands_alone() {
        let check = |form: Option<SchemaForm>, key: &str| {
            let mut out = Vec::new();
            run(&SchemaArguments { form }, &mut out).unwrap();
            let schema: Value = serde_json::from_slice(&out).unwrap();
            assert!(schema["$schema"].is_string(), "{form:?}");
            let properties = if form.is_some() { &schema } else { &schema["$defs"]["nodeFile"] };
            assert!(properties["properties"][key].is_object(), "{form:?} {key}");
        };
        check(None, "btpServerPort");
        check(Some(SchemaForm::Node), "btpServerPort");
        check(Some(SchemaForm::Topology), "links");
        // References to other definitions would dangle.
        assert!(!file_schema("nodeFile", "").to_string().contains("$ref"));
        assert!(!file_schema("topologyFile", "").to_string().contains("$ref"));
    }
}
