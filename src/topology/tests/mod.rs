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

use std::path::Path;

use super::{Deployment, Topology, check};
use crate::config::tests::{content_of, source_of_variables};
use crate::config::{NodeConfig, Source};

/// A source with a file of this text, which only its owner can read: no test depends on the umask.
pub fn source_of_file(folder: &Path, text: &str) -> Source {
    let file = folder.join("c.yaml");
    std::fs::write(&file, text).unwrap();
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, owner_only).unwrap();
    Source { file: Some(file), ..Source::default() }
}

/// The mistakes and warnings of `check`, one line each, without the folder of the file.
pub fn messages_of_check(source: &Source, folder: &Path) -> Vec<String> {
    let (problems, warnings) = match check(source) {
        Ok(checked) => (String::new(), checked.warnings),
        Err(problems) => (problems.to_string(), problems.warnings),
    };
    let problems = problems.lines().map(str::to_owned);
    let lines = problems.chain(warnings.iter().map(|warning| format!("warning: {warning}")));
    let start = format!("{}/", folder.display());
    lines.map(|line| line.replace(&start, "")).collect()
}

pub fn topology(text: &str) -> Topology {
    Topology::of_content(&Source::default(), &content_of(text))
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// A node of a network that runs on this machine.
pub fn on_loopback(topology: &Topology, id: &str) -> NodeConfig {
    topology.node(id, Deployment::Loopback).unwrap_or_else(|problems| panic!("{problems}")).config
}
