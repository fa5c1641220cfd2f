//! The documents agree with themselves and with the code: links have targets, the index of ADRs and the summary of the
//! book are complete, and the names in the glossary exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::source::{Source, files_below, sources};
use super::{read, repository};

/// Every page that a reader may open.
pub(super) fn pages() -> Vec<PathBuf> {
    let root =
        ["README", "CONTRIBUTING", "SECURITY", "CHANGELOG", "fuzz/README", "tests/vectors/SOURCES"];
    let root = root.iter().map(|name| repository().join(name).with_extension("md"));
    let pages: Vec<PathBuf> = root.chain(files_below(&repository().join("docs"), "md")).collect();
    assert!(pages.len() > 30, "{pages:?}");
    pages
}

/// The lines of a page that are not in a fenced block.
pub(super) fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    page.lines().filter(move |line| {
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// The targets of all links of a page.
fn links(page: &str) -> Vec<&str> {
    let parts = prose(page).flat_map(|line| line.split("](").skip(1));
    parts.filter_map(|part| Some(part.split_once(')')?.0)).collect()
}

/// The anchor of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(page: &str) -> BTreeSet<String> {
    let headings = prose(page).filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut seen = 0;
    // The links of CONFORMANCE are generated, and `.ci/run` compares that page.
    for page in pages().into_iter().filter(|page| !page.ends_with("CONFORMANCE.md")) {
        let text = read(&page);
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            seen += 1;
            let (file, part) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                file => page.parent().unwrap_or(Path::new("")).join(file),
            };
            assert!(target.exists(), "{}: no file for the link {link}", page.display());
            let is_there = part.is_empty() || anchors(&read(&target)).contains(part);
            assert!(is_there, "{}: no heading for the link {link}", page.display());
        }
    }
    assert!(seen > 50, "only {seen} links were found");
}

#[test]
fn the_summary_of_the_book_has_each_page_once() {
    let docs = repository().join("docs");
    let summary = read(&docs.join("SUMMARY.md"));
    let mut listed = links(&summary);
    for page in files_below(&docs, "md").iter().filter(|page| !page.ends_with("SUMMARY.md")) {
        let page = page.strip_prefix(&docs).unwrap_or(page).display().to_string();
        let before = listed.len();
        listed.retain(|link| *link != page);
        assert_eq!(before - listed.len(), 1, "docs/SUMMARY.md must have docs/{page} once");
    }
    assert!(listed.is_empty(), "docs/SUMMARY.md lists pages that are not there: {listed:?}");
}

#[test]
fn every_adr_is_in_the_index_with_its_title_status_and_date() {
    let folder = repository().join("docs/adr");
    let index = read(&folder.join("README.md"));
    let mut listed = index.lines().filter(|line| line.starts_with("| ") && line.contains(".md)"));
    for file in files_below(&folder, "md") {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == "README.md" {
            continue;
        }
        let page = read(&file);
        let field = |name: &str| page.lines().find_map(|line| line.strip_prefix(name));
        let (Some(title), Some(status), Some(date)) =
            (field("# "), field("Status: "), field("Date: "))
        else {
            panic!("{name} lacks a title, `Status:` or `Date:`");
        };
        let (number, title) = title.split_once(". ").unwrap_or_default();
        let expected = format!("| {number} | [{title}]({name}) | {status} | {date} | ");
        let row = listed.next().unwrap_or_default();
        assert!(row.starts_with(&expected), "the index should have\n{expected}\nbut has\n{row}");
    }
    assert_eq!(listed.next(), None, "a row of the index has no page");
}

#[test]
fn every_source_file_that_a_page_names_exists() {
    let folders = ["src", "tests", "benches", "crates", "fuzz/fuzz_targets", "fuzz/seed"];
    let folders = folders.map(|folder| repository().join(folder));
    let files: Vec<PathBuf> = folders.iter().flat_map(|folder| files_below(folder, "rs")).collect();
    let mut seen = 0;
    for page in pages() {
        let text = read(&page);
        let spans = prose(&text).flat_map(|line| line.split('`').skip(1).step_by(2));
        for name in spans.filter(|span| span.ends_with(".rs") && !span.contains(['*', '<', ' '])) {
            seen += 1;
            let is_there = files.iter().any(|file| file.ends_with(name));
            assert!(is_there, "{} names {name}, which is not there", page.display());
        }
    }
    assert!(seen > 40, "only {seen} names of files were found");
}

/// Whether a name of the glossary is a key of the configuration, or a module, type or function of `src`: of the room
/// that it begins with, if it does.
fn is_known(name: &str, keys: &str, sources: &[Source]) -> bool {
    let first = name.split("::").next().filter(|first| *first != name);
    let is_searched = |source: &&Source| {
        let room = first.filter(|first| sources.iter().any(|source| source.room == *first));
        room.is_none_or(|room| source.room == room)
    };
    let code: String =
        sources.iter().filter(is_searched).map(|source| source.code.as_str()).collect();
    let is_declared = |part: &str| {
        let kinds = ["struct", "enum", "trait", "type", "fn", "mod"];
        let is_end = |c: char| !c.is_alphanumeric() && c != '_';
        kinds.iter().any(|kind| {
            let declared = format!("{kind} {part}");
            code.split(&declared).skip(1).any(|rest| rest.starts_with(is_end))
        })
    };
    let is_room = |part: &str| sources.iter().any(|source| source.room == part);
    keys.contains(&format!("\n| `{name}` | "))
        || name.split("::").all(|part| is_declared(part) || is_room(part))
}

#[test]
fn every_term_of_the_glossary_names_what_it_is_in_the_code() {
    let sources = sources();
    let keys = read(&repository().join("docs/CONFIG.md"));
    let page = read(&repository().join("docs/GLOSSARY.md"));
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| **")).collect();
    assert!(rows.len() > 30, "{rows:?}");
    for row in &rows {
        let names = row.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap_or_default();
        let names: Vec<&str> = names.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "this term names nothing in the code: {row}");
        for name in names {
            assert!(is_known(name, &keys, &sources), "there is no `{name}`: {row}");
        }
    }
    let terms = rows.iter().filter_map(|row| Some(row.split("**").nth(1)?.to_lowercase()));
    let terms: Vec<_> = terms.collect();
    let is_one = terms.is_sorted_by(|before, after| before < after);
    assert!(is_one, "a term is there twice, or not in the order of the alphabet: {terms:?}");
}

#[test]
fn links_and_headings_are_read() {
    let page =
        "# One `two`, *three*\n```\n# No [x](y)\n```\nSee [a](b.md#c) and\n[d](#one-two-three).";
    assert_eq!(links(page), ["b.md#c", "#one-two-three"]);
    assert_eq!(anchors(page), ["one-two-three".to_owned()].into());
}
