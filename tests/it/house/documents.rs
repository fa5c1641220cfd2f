//! The documents agree with themselves: links lead somewhere, and the index of ADRs is complete.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::source::files_below;
use super::{read, repository};

/// Every page that a reader may open.
pub(super) fn pages() -> Vec<PathBuf> {
    let root = ["README", "CONTRIBUTING", "SECURITY", "CHANGELOG"];
    let root = root.iter().map(|name| repository().join(name).with_extension("md"));
    let pages: Vec<PathBuf> = root.chain(files_below(&repository().join("docs"), "md")).collect();
    assert!(pages.len() > 30, "{pages:?}");
    pages
}

/// The lines of a page that are not in a fenced block.
fn prose(page: &str) -> impl Iterator<Item = &str> {
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

/// What a heading is called in links to it.
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
    for page in pages() {
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
fn links_and_headings_are_read() {
    let page =
        "# One `two`, *three*\n```\n# No [x](y)\n```\nSee [a](b.md#c) and\n[d](#one-two-three).";
    assert_eq!(links(page), ["b.md#c", "#one-two-three"]);
    assert_eq!(anchors(page), ["one-two-three".to_owned()].into());
}
