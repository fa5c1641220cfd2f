//! The table of keys against the documentation and the schema, and the syntax of files.

mod docs;
mod schema;
mod syntax;

use super::{
    DiagnosticSink, FileContent, FileForm, Loaded, NodeConfig, Source, overlay_node_file,
    parse_file,
};

/// Loads a node file that has no mistakes.
pub(super) fn loaded(text: &str, variables: &[(&str, &str)]) -> Loaded {
    let environment =
        variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let source = Source { environment, ..Source::default() };
    let content = FileContent { path: "c.yaml".into(), bytes: text.as_bytes().to_vec() };
    let mut report = DiagnosticSink::new(Some("c.yaml"));
    let mut tree = parse_file(&source, &content, &mut report).expect(text);
    overlay_node_file(&source, &mut tree, &mut report);
    Loaded::from_tree(tree, FileForm::NodeFile, Some(&content.path), report)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// The settings of a file that has no mistakes.
pub(super) fn node(text: &str) -> NodeConfig {
    loaded(text, &[]).config
}
