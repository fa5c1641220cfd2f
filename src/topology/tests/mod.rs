//! Configurations, good and bad, from files of cases.
//!
//! A case starts with `=== name`. Lines `$ NAME=value` set variables, and `$ --node x` the node. The configuration file
//! follows, in which `@ start` stands for the lines of the block `--- start` at the head of the case file, and after
//! `>>>` the messages of `check`, or `ok`. Warnings start with `warning: `. BLESS=1 in the environment rewrites the
//! files with the messages of today: read the difference before you commit it.

pub mod cases;
mod ends;
mod examples;
mod files;
mod meaning;
mod secrets;

use super::load_content;
use crate::config::{FileContent, NodeConfig, Source};

pub fn content_of(text: impl AsRef<[u8]>) -> FileContent {
    FileContent { path: "c.yaml".into(), bytes: text.as_ref().to_vec() }
}

pub fn source_of_variables(variables: &[(&str, &str)]) -> Source {
    let environment =
        variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Source { environment, ..Source::default() }
}

/// The settings of a node file that has no mistakes.
pub(super) fn node(text: &str) -> NodeConfig {
    load_content(&Source::default(), Some(&content_of(text)))
        .unwrap_or_else(|problems| panic!("{problems}"))
        .config
}
