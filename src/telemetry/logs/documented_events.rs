//! docs/REFERENCE.md describes every event at `INFO` or above, so that an operator can look up each line.

use std::path::{Path, PathBuf};

const MANUAL: &str = include_str!("../../../docs/REFERENCE.md");

/// Source files of the program, without those that are only for tests.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if ["tests", "tests.rs", "logs"].contains(&name) {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// The messages of all calls of `tracing::LEVEL!` in `source`.
fn messages<'a>(source: &'a str, level: &str) -> impl Iterator<Item = &'a str> {
    let begin = format!("tracing::{level}!(");
    let calls: Vec<_> = source.match_indices(&begin).map(|(at, _)| at + begin.len()).collect();
    calls.into_iter().filter_map(|at| last_text(&source[at..]))
}

/// The last string literal up to the end of the call, without those in nested calls.
fn last_text(call: &str) -> Option<&str> {
    let (mut depth, mut text_from, mut last) = (1, None, None);
    let mut characters = call.char_indices();
    while let Some((at, character)) = characters.next() {
        match (character, text_from) {
            ('\\', Some(_)) => drop(characters.next()),
            ('"', None) => text_from = Some(at + 1),
            ('"', Some(from)) => {
                text_from = None;
                if depth == 1 {
                    last = Some(&call[from..at]);
                }
            }
            ('(', None) => depth += 1,
            (')', None) if depth == 1 => return last,
            (')', None) => depth -= 1,
            _ => {}
        }
    }
    None
}

#[test]
fn every_event_is_in_the_manual() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut seen = 0;
    let mut missing = Vec::new();
    for file in files {
        let source = std::fs::read_to_string(&file).unwrap();
        let program = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for level in ["info", "warn", "error"] {
            for message in messages(program, level) {
                seen += 1;
                // A passed-on text is described where it comes from.
                if !message.contains('{')
                    && !MANUAL.contains(&format!("| {message} | {} |", level.to_uppercase()))
                {
                    missing.push(format!("{}: {level} {message:?}", file.display()));
                }
            }
        }
    }
    assert!(seen > 20, "only {seen} events were found: is the search broken?");
    assert!(missing.is_empty(), "add to \"Events\" in docs/REFERENCE.md:\n{}", missing.join("\n"));
}
