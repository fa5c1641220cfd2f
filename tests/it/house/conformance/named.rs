//! The tests whose names have rows: those in Rust, and those of `tests/interop` in JavaScript, by their titles.

use std::path::Path;

use super::super::source::files_below;
use super::super::{read, repository};

/// A test, and the rows in its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Test {
    /// `forwarding::expiries_rows_43_to_46`, or the title of a test in JavaScript.
    pub(super) name: String,
    /// The path from the root of the repository.
    pub(super) file: String,
    pub(super) rows: Vec<u16>,
}

impl Test {
    pub(super) fn new(module: &str, file: &str, function: &str) -> Self {
        let name =
            if module.is_empty() { function.to_owned() } else { format!("{module}::{function}") };
        Self { name, file: file.to_owned(), rows: rows_of(function) }
    }

    pub(super) fn is_javascript(&self) -> bool {
        self.file.ends_with(".js")
    }
}

/// All tests in Rust, with rows or without.
pub(super) fn all_in_rust() -> Vec<Test> {
    let files = ["tests/it", "src"]
        .into_iter()
        .flat_map(|folder| files_below(&repository().join(folder), "rs"));
    files.flat_map(|file| in_rust(&file)).collect()
}

pub(super) fn tests() -> Vec<Test> {
    let mut tests = all_in_rust();
    for file in files_below(&repository().join("tests/interop"), "js") {
        if !file.components().any(|part| part.as_os_str() == "node_modules") {
            tests.extend(in_javascript(&file));
        }
    }
    tests.retain(|test| !test.rows.is_empty());
    tests.sort_by(|a, b| a.name.cmp(&b.name));
    for pair in tests.windows(2) {
        assert_ne!(pair[0].name, pair[1].name, "two tests of one name");
    }
    tests
}

fn relative(file: &Path) -> String {
    file.strip_prefix(repository()).unwrap_or(file).display().to_string()
}

fn in_rust(file: &Path) -> Vec<Test> {
    let relative = relative(file);
    let mut module = module_of(&relative);
    let (mut tests, mut marked) = (Vec::new(), false);
    for line in read(file).lines() {
        // Unit tests are in a module at the end of the file.
        if let Some(inner) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {")) {
            module = format!("{module}::{inner}");
        }
        let line = line.trim();
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            marked = true;
        }
        let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if let Some(name) = name.and_then(|rest| rest.split('(').next()) {
            if marked {
                tests.push(Test::new(&module, &relative, name));
            }
            marked = false;
        }
    }
    tests
}

/// `tests/it/cli/network.rs` is `cli::network`, as the test runner calls it.
pub(super) fn module_of(relative: &str) -> String {
    let path = relative.trim_start_matches("tests/it/").trim_start_matches("src/");
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
    path.replace('/', "::")
}

fn in_javascript(file: &Path) -> Vec<Test> {
    let relative = relative(file);
    let titles = read(file)
        .lines()
        .filter_map(|line| {
            let call = line.trim().trim_start_matches("await ").trim_start_matches("t.");
            let rest = call.strip_prefix("test(").or_else(|| call.strip_prefix("it("))?;
            let quote = rest.chars().next()?;
            rest.get(1..)?.split(quote).next().map(str::to_owned)
        })
        .collect::<Vec<_>>();
    titles.iter().map(|title| Test::new("", &relative, title)).collect()
}

/// The rows after the last `row` or `rows` of a name, up to a word that is no number: `..._rows_37_141_d17`.
pub(super) fn rows_of(name: &str) -> Vec<u16> {
    let words: Vec<&str> =
        name.split(['_', ' ', ',', ':']).filter(|word| !word.is_empty()).collect();
    let numbers = |at: usize| -> Vec<u16> {
        let mut rows: Vec<u16> = Vec::new();
        let mut to = false;
        for word in words.get(at + 1..).unwrap_or_default() {
            match (word.parse::<u16>(), *word) {
                (Ok(row), _) if to => {
                    let first = rows.last().copied().unwrap_or(row);
                    assert!(first < row, "{name}: {first} to {row}");
                    rows.extend(first + 1..=row);
                    to = false;
                }
                (Ok(row), _) => rows.push(row),
                (_, "to") => to = true,
                _ => break,
            }
        }
        assert!(!to, "{name}: to which row?");
        rows
    };
    let found = words.iter().rposition(|word| *word == "row" || *word == "rows");
    found.map_or_else(Vec::new, numbers)
}

#[test]
fn row_numbers_are_read_from_test_names() {
    for (name, rows) in [
        ("a_b", vec![]),
        ("a_rows_of_b", vec![]),
        ("a_row_92_d18", vec![92]),
        ("a_rows_37_141_d17", vec![37, 141]),
        ("a_rows_48_to_51_53", vec![48, 49, 50, 51, 53]),
        ("a title, rows 3, 5 to 7", vec![3, 5, 6, 7]),
    ] {
        assert_eq!(rows_of(name), rows, "{name}");
    }
    let tests = tests();
    assert!(tests.len() > 30, "{tests:?}");
    let known = "btp::answers_carry_the_request_id_of_their_request_rows_75_to_77";
    assert!(tests.iter().any(|test| test.name == known && test.rows == [75, 76, 77]), "{known}");
}
