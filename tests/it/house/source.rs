//! The program's source for these rules: one text per file, without comments and tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{read, repository};

/// One file of the program.
pub(super) struct Source {
    /// Relative to `src`.
    pub(super) path: PathBuf,
    /// Its room: its directory, or `time` for `time.rs`.
    pub(super) room: String,
    /// The depth of its module: 1 for `wire/mod.rs`, 2 for `wire/address.rs`.
    pub(super) depth: usize,
    /// Its code, without comments and tests.
    pub(super) code: String,
}

/// Every file of `src` that is no test.
pub(super) fn sources() -> Vec<Source> {
    let root = repository().join("src");
    let files = files_below(&root, "rs");
    let tests: BTreeSet<PathBuf> = files.iter().flat_map(|file| test_modules(file)).collect();
    let is_test =
        |file: &Path| file.ancestors().any(|part| tests.contains(&part.with_extension("")));
    let sources = files.iter().filter(|file| !is_test(file)).map(|file| source(&root, file));
    sources.collect()
}

fn source(root: &Path, file: &Path) -> Source {
    let path = file.strip_prefix(root).unwrap_or(file).to_owned();
    let mut modules: Vec<String> =
        path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if modules.last().is_some_and(|last| last == "mod") {
        modules.pop();
    }
    let room = modules.first().cloned().unwrap_or_default();
    Source { path, room, depth: modules.len(), code: code(&read(file)) }
}

/// Files below a directory with an extension, sorted.
pub(super) fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map_while(Result::ok);
    for path in entries.map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|has| has == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Modules that a file declares for tests only, as paths without an extension.
fn test_modules(file: &Path) -> Vec<PathBuf> {
    let text = read(file);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_own_folder = file.file_stem().is_some_and(|stem| stem == "mod" || stem == "lib");
    let folder = if is_own_folder {
        file.parent().unwrap_or(file).to_owned()
    } else {
        file.with_extension("")
    };
    let declared = lines.windows(2).filter_map(|pair| match pair {
        ["#[cfg(test)]" | "#[cfg(any(test, fuzzing))]", next] => {
            module(next)?.strip_suffix(';').map(|name| folder.join(name))
        }
        _ => None,
    });
    declared.collect()
}

/// The name after `mod`, whatever the visibility.
fn module(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub").map_or(line, |rest| {
        rest.trim_start()
            .strip_prefix('(')
            .and_then(|rest| rest.split_once(')'))
            .map_or(rest, |(_, rest)| rest)
    });
    line.trim_start().strip_prefix("mod ")
}

/// The text without comments, and without the tests, which come last.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let tests_begin = line == "#[cfg(test)]"
            && lines.peek().and_then(|next| module(next)).is_some_and(|rest| rest.ends_with('{'));
        if tests_begin {
            break;
        }
        if !line.trim_start().starts_with("//") {
            code.push_str(line);
            code.push('\n');
        }
    }
    code
}

#[test]
fn tests_and_comments_do_not_count_as_code() {
    let text = "use crate::wire;\n// crate::cli\nfn f() {}\n#[cfg(test)]\npub(super) mod tests {\nuse crate::cli;\n}\n";
    assert_eq!(code(text), "use crate::wire;\nfn f() {}\n");
    assert_eq!(module("mod a;"), Some("a;"));
    assert_eq!(module("pub(crate) mod a;"), Some("a;"));
    assert_eq!(module("pub mod a {"), Some("a {"));
    assert_eq!(module("model();"), None);
    let paths: Vec<String> =
        sources().iter().map(|source| source.path.display().to_string()).collect();
    for expected in ["main.rs", "wire/mod.rs", "wire/btp/write.rs", "btp/dialler.rs"] {
        assert!(paths.iter().any(|path| path == expected), "{expected} is not in {paths:?}");
    }
    for test in
        ["wire/btp/tests.rs", "connector/tests/model.rs", "testing.rs", "btp/dialler/tests.rs"]
    {
        assert!(!paths.iter().any(|path| path == test), "{test} is a test");
    }
}
