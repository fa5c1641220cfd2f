//! The results of a run of the tests, from the lines that the test runner prints.

use std::collections::BTreeMap;

use super::named::Test;

/// The outcome of every test of a run, by name.
#[derive(Debug, Default)]
pub(super) struct Run(BTreeMap<String, Outcome>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    NotRun,
}

impl Run {
    /// Reads standard output of `cargo test`.
    pub(super) fn read(text: &str) -> Self {
        let mut run = Self::default();
        for line in text.lines() {
            let Some((name, outcome)) =
                line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "))
            else {
                continue;
            };
            let outcome = match outcome.trim() {
                "ok" => Outcome::Passed,
                ignored if ignored.starts_with("ignored") => Outcome::NotRun,
                _ => Outcome::Failed,
            };
            run.0.insert(name.to_owned(), outcome);
        }
        assert!(!run.0.is_empty(), "no test has run");
        run
    }

    /// The combined result of the tests of one row.
    pub(super) fn result(&self, tests: &[Test]) -> &'static str {
        let outcomes: Vec<_> = tests.iter().map(|test| self.outcome(test)).collect();
        if outcomes.contains(&Outcome::Failed) {
            "FAILED"
        } else if outcomes.contains(&Outcome::NotRun) {
            super::page::NOT_RUN
        } else {
            "passed"
        }
    }

    fn outcome(&self, test: &Test) -> Outcome {
        // One Rust test runs all those in JavaScript, and fails if one of them fails.
        let (prefix, name) =
            if test.is_javascript() { ("interop::", "") } else { ("", test.name.as_str()) };
        let mut found = Outcome::NotRun;
        for (known, outcome) in &self.0 {
            let is_it = if prefix.is_empty() { known == name } else { known.starts_with(prefix) };
            match outcome {
                _ if !is_it => {}
                Outcome::Failed => return Outcome::Failed,
                Outcome::Passed => found = Outcome::Passed,
                Outcome::NotRun => {}
            }
        }
        found
    }
}

#[test]
fn the_output_of_the_test_runner_is_parsed() {
    let run = Run::read(
        "running 3 tests\ntest a::b_row_1 ... ok\ntest a::c_row_2 ... FAILED\ntest a::d_row_3 ... ignored, slow\n\
         test interop::all ... ok\ntest result: FAILED. 1 passed\n",
    );
    let check = |names: &[(&str, &str)], expected: &str| {
        let tests: Vec<_> =
            names.iter().map(|(module, name)| Test::new(module, "x.rs", name)).collect();
        assert_eq!(run.result(&tests), expected, "{names:?}");
    };
    check(&[("a", "b_row_1")], "passed");
    check(&[("a", "b_row_1"), ("a", "c_row_2")], "FAILED");
    check(&[("a", "b_row_1"), ("a", "d_row_3")], "not run");
    check(&[("a", "e_row_4")], "not run");
    assert_eq!(run.result(&[Test::new("", "tests/interop/x.test.js", "title, row 1")]), "passed");
}
