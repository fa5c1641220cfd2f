//! docs/CONFORMANCE.md: every row of the checklist (`tests/vectors/checklist.json`), the tests that hold it, and how they
//! went. The page is made of the tests' names, so it cannot promise what nobody tests.
//!
//! A test says in its name which rows it holds: `limits_of_an_account_rows_52_54_55_60`, `..._row_92`,
//! `..._rows_48_to_51_53`. Results come from a run: the page's own words say how to make it anew. Without a run, a result
//! stays as it is where the tests of the row are the same as before.

mod checklist;
mod named;
mod outcome;
mod page;

use self::checklist::{Row, sections};
use self::named::{Test, tests};
use self::outcome::Run;
use super::{read, repository};

/// The names of all tests in Rust, with their modules.
pub(super) fn names_of_tests() -> Vec<String> {
    named::all_in_rust().into_iter().map(|test| test.name).collect()
}

/// What is made of the checklist and the tests together.
struct Judged {
    row: Row,
    tests: Vec<Test>,
}

/// Every row with its tests, or all that is wrong with them.
fn judge(tests: &[Test]) -> Result<Vec<(String, Vec<Judged>)>, Vec<String>> {
    let mut wrong = Vec::new();
    let sections = sections();
    let known: Vec<u16> =
        sections.iter().flat_map(|(_, rows)| rows.iter().map(|row| row.row)).collect();
    for test in tests {
        for row in test.rows.iter().filter(|row| !known.contains(row)) {
            wrong.push(format!("{}: there is no row {row}", test.name));
        }
    }
    let judged = sections.into_iter().map(|(name, rows)| {
        let rows = rows.into_iter().map(|row| {
            let tests: Vec<_> =
                tests.iter().filter(|test| test.rows.contains(&row.row)).cloned().collect();
            match (&row.not_built, tests.is_empty()) {
                (Some(_), false) => {
                    wrong.push(format!("row {}: not built, and yet tested", row.row))
                }
                (None, true) => {
                    wrong.push(format!(
                        "row {}: no test and no reason: {}",
                        row.row, row.requirement
                    ));
                }
                _ => {}
            }
            Judged { row, tests }
        });
        (name, rows.collect())
    });
    let judged: Vec<_> = judged.collect();
    if wrong.is_empty() { Ok(judged) } else { Err(wrong) }
}

#[test]
fn the_page_says_which_test_holds_which_row() {
    let path = repository().join("docs/CONFORMANCE.md");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let judged = judge(&tests()).unwrap_or_else(|wrong| panic!("{}", wrong.join("\n")));
    let run = std::env::var_os("CONFORMANCE_RUN").map(|file| Run::read(&read(file.as_ref())));
    let new = page::render(&judged, run.as_ref(), &text);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, new).unwrap();
    } else {
        assert!(
            new == text,
            "docs/CONFORMANCE.md is not what the tests say; run with BLESS=1 and look at it"
        );
    }
}

#[test]
fn what_is_wrong_with_a_row_is_said() {
    let test = |name: &str| Test::new("house", "tests/it/house.rs", name);
    let mut all = tests();
    all.extend([test("a_row_999"), test("a_row_131")]);
    all.retain(|test| !test.rows.contains(&92));
    let wrong = judge(&all).err().unwrap();
    for expected in ["there is no row 999", "row 131: not built, and yet tested", "row 92: no test"]
    {
        assert!(wrong.iter().any(|one| one.contains(expected)), "{expected} is not in {wrong:?}");
    }
}
