//! docs/REFERENCE.md describes every event at `INFO` or above, so that an operator can look up each line.

use super::source::files_below;
use super::{read, repository};

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
    let manual = read(&repository().join("docs/REFERENCE.md"));
    let (mut seen, mut missing) = (0, Vec::new());
    let is_test = |path: &std::path::Path| {
        path.ends_with("tests.rs") || path.iter().any(|part| part == "tests")
    };
    for file in
        files_below(&repository().join("src"), "rs").into_iter().filter(|file| !is_test(file))
    {
        let source = read(&file);
        let program = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for level in ["info", "warn", "error"] {
            for message in messages(program, level) {
                seen += 1;
                // A passed-on text is described where it comes from.
                let row = format!("| {message} | {} |", level.to_uppercase());
                if !message.contains('{') && !manual.contains(&row) {
                    missing.push(format!("{}: {level} {message:?}", file.display()));
                }
            }
        }
    }
    assert!(seen > 20, "only {seen} events were found: is the search broken?");
    assert!(missing.is_empty(), "add to \"Events\" in docs/REFERENCE.md:\n{}", missing.join("\n"));
}
