//! Every promise of SECURITY.md names a test, and every test that it names exists.

use std::collections::BTreeSet;

use super::conformance::names_of_tests;
use super::{read, repository};

const PROMISES: &str = "## Promises, and the tests that hold them";

/// A test's name has at least this many words; shorter ones are keys or commands. Metrics begin with `ilp_`.
const WORDS_MIN: usize = 3;

/// The words in backticks that look like names of tests, with or without their modules.
fn named(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).filter(|word| {
        let function = word.rsplit("::").next().unwrap_or_default();
        let is_snake =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == ':';
        word.chars().all(is_snake)
            && function.split('_').count() >= WORDS_MIN
            && !word.starts_with("ilp_")
    })
}

/// The items of the lists below a heading, until the next one of the same level.
fn items<'a>(page: &'a str, heading: &str) -> Vec<&'a str> {
    let (_, section) =
        page.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let items = section.split("\n- ").skip(1);
    items.map(|item| item.split("\n\n").next().unwrap_or_default()).collect()
}

#[test]
fn every_test_that_the_security_page_names_exists() {
    let names = names_of_tests();
    let functions: BTreeSet<&str> =
        names.iter().filter_map(|name| name.rsplit("::").next()).collect();
    let page = read(&repository().join("SECURITY.md"));
    let named: Vec<&str> = named(&page).collect();
    assert!(named.len() > 50, "{named:?}");
    for name in named {
        let is_there = match name.contains("::") {
            true => names.iter().any(|known| known == name),
            false => functions.contains(name),
        };
        assert!(is_there, "SECURITY.md names the test {name}, which is not there");
    }
}

#[test]
fn every_promise_of_the_security_page_has_a_test() {
    let page = read(&repository().join("SECURITY.md"));
    let promises = items(&page, PROMISES);
    assert!(promises.len() > 20, "{promises:?}");
    for promise in promises {
        assert!(named(promise).next().is_some(), "no test covers this promise: {promise}");
    }
}

#[test]
fn names_and_promises_are_found() {
    let page = "# S\n\n## P\n\nWords.\n\n- **One.** `key` and `a_test_of_it`,\n  `x::y::another_test_of_it`.\n- Two `check`.\n\nMore.\n\n## Q\n\n- No.\n";
    let promises = items(page, "## P");
    assert_eq!(promises.len(), 2, "{promises:?}");
    let found: Vec<&str> = named(promises[0]).collect();
    assert_eq!(found, ["a_test_of_it", "x::y::another_test_of_it"]);
    assert_eq!(named(promises[1]).count(), 0);
}
