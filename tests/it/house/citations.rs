//! Citations resolve: decisions (D1 to D22), ADRs and Interledger RFCs, in source, tests and documents.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::documents::pages;
use super::source::files_below;
use super::{read, repository};

/// IETF RFCs have higher numbers and need no row.
const INTERLEDGER_RFC_MAX: u32 = 999;

/// Texts that the repository does not hold.
const UNKNOWN_SOURCES: [&str; 6] =
    ["`spec`", "ilpv4 8", "`ilpv4`", "`wire-observed`", "acceptance criteria", "sections 1"];

/// Every file that may cite: source, tests and documents.
fn texts() -> Vec<(PathBuf, String)> {
    let folders = ["src", "tests", "benches", "crates", "fuzz/fuzz_targets", "fuzz/seed/src"];
    let files = folders.iter().flat_map(|folder| files_below(&repository().join(folder), "rs"));
    let files = files.chain(pages());
    let is_ours =
        |file: &PathBuf| !file.components().any(|part| part.as_os_str() == "node_modules");
    let this = repository().join(file!());
    let files = files.filter(is_ours).filter(|file| *file != this);
    files.map(|file| (file.clone(), read(&file))).collect()
}

/// Words of a text, without the marks that begin the lines of a comment.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace().filter(|word| !["//", "///", "//!", "#"].contains(word))
}

/// Numbers of `D7` and the like.
fn decisions(text: &str) -> BTreeSet<u32> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let words = text.split(|c: char| !is_part(c));
    words.filter_map(|word| word.strip_prefix('D')?.parse().ok()).collect()
}

/// Numbers that follow a name, as in `RFC 27`.
fn numbers_after(name: &str, text: &str) -> BTreeSet<u32> {
    let words: Vec<&str> = words(text).collect();
    let numbers = words.windows(2).filter_map(|pair| {
        let is_named = pair[0].trim_start_matches(|c: char| !c.is_alphanumeric()) == name;
        let digits = pair[1].split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        if is_named { digits.parse().ok() } else { None }
    });
    numbers.collect()
}

/// The rows of a table in docs/DECISIONS.md that begin like this, as number and line.
fn rows(beginning: &str) -> Vec<(u32, String)> {
    let page = read(&repository().join("docs/DECISIONS.md"));
    let rows = page.lines().filter_map(|line| {
        let digits = line.strip_prefix(beginning)?;
        let digits = digits.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        Some((digits.parse().ok()?, line.to_owned()))
    });
    rows.collect()
}

/// Fails for every citation that is not among these numbers.
fn check_all(name: &str, known: &BTreeSet<u32>, cited: impl Fn(&str) -> BTreeSet<u32>) {
    assert!(known.len() > 10, "{name}: {known:?}");
    for (file, text) in texts() {
        let unknown: Vec<u32> = cited(&text).difference(known).copied().collect();
        assert!(unknown.is_empty(), "{} cites {name} {unknown:?}: no such row", file.display());
    }
}

#[test]
fn every_decision_that_is_cited_has_a_row_and_every_row_is_cited() {
    let rows = rows("| D");
    let known: BTreeSet<u32> = rows.iter().map(|(number, _)| *number).collect();
    check_all("decision", &known, decisions);
    let page = repository().join("docs/DECISIONS.md");
    let others = texts().into_iter().filter(|(file, _)| *file != page);
    let cited: BTreeSet<u32> = others.flat_map(|(_, text)| decisions(&text)).collect();
    for (number, row) in rows {
        let is_cited = cited.contains(&number) || row.contains("*product*");
        assert!(is_cited, "D{number} is neither cited nor marked *product*");
    }
}

#[test]
fn every_adr_that_is_cited_has_a_page() {
    let files = files_below(&repository().join("docs/adr"), "md");
    let number = |file: &PathBuf| file.file_name()?.to_str()?.get(..4)?.parse().ok();
    check_all("ADR", &files.iter().filter_map(number).collect(), |text| numbers_after("ADR", text));
}

#[test]
fn every_interledger_rfc_that_is_cited_has_a_row() {
    let known = rows("| [RFC ").into_iter().map(|(number, _)| number).collect();
    check_all("RFC", &known, |text| {
        let numbers = numbers_after("RFC", text).into_iter();
        numbers.filter(|number| *number <= INTERLEDGER_RFC_MAX).collect()
    });
}

#[test]
fn nothing_cites_a_text_that_is_not_here() {
    for (file, text) in texts() {
        for source in UNKNOWN_SOURCES {
            assert!(!text.contains(source), "{} cites {source}: cite the RFC", file.display());
        }
    }
}

#[test]
fn citations_are_found() {
    let text =
        "//! See (D2), ID3 and D17.\n/// As [ADR\n/// 13](x) and RFC 27 3.1 have it; RFC 9110.";
    assert_eq!(decisions(text), [2, 17].into());
    assert_eq!(numbers_after("ADR", text), [13].into());
    assert_eq!(numbers_after("RFC", text), [27, 9110].into());
}
