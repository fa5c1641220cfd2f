//! Runs the files of cases.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{messages_of_check, source_of_file};
use crate::config::Source;

pub struct Case {
    pub name: String,
    pub source: Source,
    /// What stands before `>>>`.
    given: String,
    pub file: Option<String>,
    pub expected: String,
}

/// All cases.
pub fn all() -> Vec<Case> {
    FILES.iter().flat_map(|(_, text)| cases(text)).collect()
}

const FILES: &[(&str, &str)] = &[
    ("yaml.txt", include_str!("yaml.txt")),
    ("values.txt", include_str!("values.txt")),
    ("peers.txt", include_str!("peers.txt")),
    ("receivers.txt", include_str!("receivers.txt")),
    ("api_tokens.txt", include_str!("api_tokens.txt")),
    ("routes.txt", include_str!("routes.txt")),
    ("environment.txt", include_str!("environment.txt")),
    ("topology.txt", include_str!("topology.txt")),
];

fn cases(text: &str) -> Vec<Case> {
    let mut parts = text.split("\n=== ");
    let head = parts.next().unwrap();
    let starts: HashMap<&str, &str> = head
        .split("\n--- ")
        .skip(1)
        .map(|start| start.trim_end().split_once('\n').unwrap())
        .collect();
    let case = |part: &str| {
        let (name, rest) = part.split_once('\n').unwrap();
        let (given, expected) =
            rest.split_once("\n>>>\n").unwrap_or_else(|| panic!("{name}: no >>>"));
        let mut source = Source::default();
        let mut file = Vec::new();
        for line in given.split('\n') {
            match line.split_at_checked(2) {
                Some(("$ ", set)) => match set.split_once(['=', ' ']).unwrap() {
                    ("--node", id) => source.node = Some(id.into()),
                    (variable, value) => {
                        source.environment.insert(variable.into(), value.into());
                    }
                },
                Some(("@ ", start)) => file.push(starts[start]),
                _ => file.push(line),
            }
        }
        let file = (file != ["(no file)"]).then(|| file.join("\n"));
        let expected = expected.trim_end().to_owned();
        Case { name: name.into(), source, given: given.into(), file, expected }
    };
    parts.map(case).collect()
}

fn messages_of(case: &Case, folder: &Path) -> String {
    let file = case.file.as_ref().and_then(|text| source_of_file(folder, text).file);
    let mut messages = messages_of_check(&Source { file, ..case.source.clone() }, folder);
    // Nearly every case would have this warning.
    let is_of_token = |line: &str| line.starts_with("warning: ") && line.contains("apiToken: ");
    messages.retain(|line| case.name.contains("apiToken") || !is_of_token(line));
    if messages.is_empty() { "ok".into() } else { messages.join("\n") }
}

fn run(name: &str, text: &str) {
    let directory = tempfile::tempdir().unwrap();
    let cases = cases(text);
    let bless = std::env::var_os("BLESS").is_some();
    let mut new = text.split("\n=== ").next().unwrap().to_owned();
    let mut wrong = String::new();
    for case in &cases {
        let messages = messages_of(case, directory.path());
        write!(new, "\n=== {}\n{}\n>>>\n{messages}\n", case.name, case.given).unwrap();
        if messages != case.expected && !bless {
            write!(
                wrong,
                "
{name}: {}
--- found
{messages}
--- expected
{}
",
                case.name, case.expected
            )
            .unwrap();
        }
    }
    if bless {
        let path: PathBuf =
            [env!("CARGO_MANIFEST_DIR"), "src/topology/tests", name].iter().collect();
        std::fs::write(path, new).unwrap();
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(cases.len() > 5, "{name} holds {} cases", cases.len());
}

#[test]
fn every_case_has_the_expected_messages() {
    for (name, text) in FILES {
        run(name, text);
    }
}
