//! Configurations, good and bad, from files of cases.
//!
//! A case starts with `=== name`. Lines `$ NAME=value` set variables, and `$ --node x` the node. The configuration file
//! follows, in which `@ start` stands for the lines of the block `--- start` at the head of the case file, and after `>>>` the messages of `check`, or `ok`. Warnings start with `warning: `. BLESS=1 in the environment
//! rewrites the files with the messages of today: read the difference before you commit it.

pub mod cases;
mod ends;
mod examples;
mod files;
mod meaning;
mod secrets;

use super::load_content;
use crate::config::{FileContent, NodeConfig, Source};

/// The settings of a node file that has no mistakes.
pub(super) fn node(text: &str) -> NodeConfig {
    let content = FileContent { path: "c.yaml".into(), bytes: text.as_bytes().to_vec() };
    load_content(&Source::default(), Some(&content))
        .unwrap_or_else(|problems| panic!("{problems}"))
        .config
}
