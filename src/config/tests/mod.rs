//! The table of keys against the documentation and the schema, and the syntax of files.

mod docs;
mod schema;
mod syntax;

use super::{DiagnosticSink, FileForm, Loaded, NodeConfig, overlay_node_file, parse_file};
use crate::topology::tests::{content_of, source_of_variables};

/// Loads a node file that has no mistakes.
pub(super) fn loaded(text: &str, variables: &[(&str, &str)]) -> Loaded {
    let (source, content) = (source_of_variables(variables), content_of(text));
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
