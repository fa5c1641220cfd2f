//! Configurations, good and bad, from files of cases.
//!
//! A case starts with `=== name`. Lines `$ NAME=value` set variables, and `$ --node x` the node. The configuration file
//! follows, and after `>>>` the messages of `check`, or `ok`. Warnings start with `warning: `. BLESS=1 in the environment
//! rewrites the files with the messages of today: read the difference before you commit it.

mod cases;
mod docs;
mod ends;
mod examples;
mod files;
mod meaning;
mod schema;
mod secrets;
mod syntax;

use crate::config::{FileContent, Loaded, NodeConfig, Source, load_content};

/// Loads a file that has no mistakes.
pub(super) fn loaded(text: &str, variables: &[(&str, &str)]) -> Loaded {
    let environment =
        variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let source = Source { environment, ..Source::default() };
    let content = FileContent { path: "c.yaml".into(), bytes: text.as_bytes().to_vec() };
    load_content(&source, Some(&content)).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The settings of a file that has no mistakes.
pub(super) fn node(text: &str) -> NodeConfig {
    loaded(text, &[]).config
}
