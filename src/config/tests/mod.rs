//! The table of keys against the documentation and the schema, and the syntax of files.

mod docs;
mod refusals;
mod schema;
mod syntax;

use super::{
    DiagnosticSink, FileContent, FileForm, Loaded, NodeConfig, Source, overlay_node_file,
    parse_file,
};

pub fn content_of(text: impl AsRef<[u8]>) -> FileContent {
    FileContent { path: "c.yaml".into(), bytes: text.as_ref().to_vec() }
}

pub fn source_of_variables(variables: &[(&str, &str)]) -> Source {
    let environment =
        variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Source { environment, ..Source::default() }
}

/// Loads a node file that has no mistakes.
pub fn loaded(text: &str, variables: &[(&str, &str)]) -> Loaded {
    let (source, content) = (source_of_variables(variables), content_of(text));
    let mut report = DiagnosticSink::new(Some(&content.path));
    let mut tree = parse_file(&source, &content, &mut report).expect(text);
    overlay_node_file(&source, &mut tree, &mut report);
    Loaded::from_tree(tree, FileForm::NodeFile, Some(&content.path), report)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// The mistakes in a node file, each on a line, and what it is warned of if there are none.
pub fn mistakes_in(text: &str) -> (String, String) {
    let content = content_of(text);
    let mut report = DiagnosticSink::new(Some(&content.path));
    let tree = parse_file(&Source::default(), &content, &mut report).expect(text);
    match Loaded::from_tree(tree, FileForm::NodeFile, Some(&content.path), report) {
        Ok(loaded) => {
            let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
            (String::new(), warnings.join("\n"))
        }
        Err(problems) => (problems.to_string(), String::new()),
    }
}

/// The settings of a file that has no mistakes.
pub fn node(text: &str) -> NodeConfig {
    loaded(text, &[]).config
}
