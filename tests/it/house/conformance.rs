//! docs/CONFORMANCE.md: each row of the checklist (`tests/vectors/checklist.json`) with the places that implement it,
//! the tests that cover it, and their results.
//!
//! The page is generated from citations in comments ([`rules`]), names of tests ([`named`]) and the output of a run
//! ([`outcome`]). Only `.ci/run` has that output and compares the page; other runs check the citations and names.

mod checklist;
mod named;
mod outcome;
mod page;
mod rules;

use self::checklist::{Row, sections};
use self::named::{Test, tests};
use self::outcome::Run;
use self::rules::{Rule, headings, rules};
use super::{read, repository};

/// The names of all tests in Rust, with their modules.
pub(super) fn names_of_tests() -> Vec<String> {
    named::all_in_rust().into_iter().map(|test| test.name).collect()
}

/// A row with its rules and tests.
struct RowReport {
    row: Row,
    rules: Vec<Rule>,
    tests: Vec<Test>,
}

/// The checklist, section by section.
fn reports(rules: &[Rule], tests: &[Test]) -> Vec<(String, Vec<RowReport>)> {
    let report = |row: Row| {
        let rules = rules.iter().filter(|rule| rule.rows.contains(&row.row)).cloned().collect();
        let tests = tests.iter().filter(|test| test.rows.contains(&row.row)).cloned().collect();
        RowReport { row, rules, tests }
    };
    let sections = sections().into_iter();
    sections.map(|(name, rows)| (name, rows.into_iter().map(report).collect())).collect()
}

/// Every mistake in citations and names of tests.
fn mistakes(rules: &[Rule], tests: &[Test]) -> Vec<String> {
    let headings = headings();
    let mut mistakes: Vec<String> =
        rules.iter().flat_map(|rule| rule.unknown_headings(&headings)).collect();
    let reports: Vec<RowReport> =
        reports(rules, tests).into_iter().flat_map(|(_, rows)| rows).collect();
    let names = rules.iter().map(|rule| (&rule.place, &rule.rows));
    for (name, rows) in names.chain(tests.iter().map(|test| (&test.name, &test.rows))) {
        let is_known = |row: &&u16| reports.iter().any(|report| report.row.row == **row);
        let unknown = rows.iter().filter(|row| !is_known(row));
        mistakes.extend(unknown.map(|row| format!("{name}: there is no row {row}")));
    }
    for RowReport { row, rules, tests } in &reports {
        let (number, requirement) = (row.row, &row.requirement);
        if row.not_built.is_some() && !(tests.is_empty() && rules.is_empty()) {
            mistakes.push(format!("row {number}: not built, but cited or tested"));
        }
        if row.not_built.is_none() && tests.is_empty() {
            mistakes.push(format!("row {number}: no test and no reason: {requirement}"));
        }
        if row.no_place.is_some() && !rules.is_empty() {
            mistakes.push(format!("row {number}: cited, and a reason for no place"));
        }
    }
    mistakes
}

#[test]
fn every_row_has_a_test_and_every_citation_resolves() {
    let mistakes = mistakes(&rules(), &tests());
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

#[test]
fn every_row_has_a_place() {
    let reports = reports(&rules(), &[]).into_iter().flat_map(|(_, rows)| rows);
    let is_missing = |report: &RowReport| {
        report.rules.is_empty() && report.row.no_place.is_none() && report.row.not_built.is_none()
    };
    let missing: Vec<u16> = reports.filter(is_missing).map(|report| report.row.row).collect();
    assert!(missing.is_empty(), "no citation and no reason for the rows {missing:?}");
}

#[test]
fn the_page_is_generated() {
    let path = repository().join("docs/CONFORMANCE.md");
    let run = std::env::var_os("CONFORMANCE_RUN").map(|file| Run::read(&read(file.as_ref())));
    let is_blessed = std::env::var_os("BLESS").is_some();
    if run.is_none() && !is_blessed {
        return;
    }
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let rules = rules();
    let new = page::render(&reports(&rules, &tests()), &rules, run.as_ref(), &text);
    if is_blessed {
        std::fs::write(&path, new).unwrap();
    } else {
        assert!(new == text, "docs/CONFORMANCE.md is stale: run again with BLESS=1 and read it");
    }
}

#[test]
fn mistakes_are_found() {
    let test = |name: &str| Test::new("house", "tests/it/house.rs", name);
    let mut rows = sections().into_iter().flat_map(|(_, rows)| rows);
    let not_built = rows.find(|row| row.not_built.is_some()).map(|row| row.row);
    let mut tests = tests();
    tests.push(test("a_row_999"));
    tests.extend(not_built.map(|row| test(&format!("a_row_{row}"))));
    tests.retain(|test| !test.rows.contains(&92));
    let mistakes = mistakes(&[], &tests);
    let cited = not_built.map(|row| format!("row {row}: not built, but cited"));
    let expected = ["there is no row 999", "row 92: no test"].map(str::to_owned);
    for expected in expected.into_iter().chain(cited) {
        let is_found = mistakes.iter().any(|mistake| mistake.contains(&expected));
        assert!(is_found, "{expected} is not in {mistakes:?}");
    }
}
