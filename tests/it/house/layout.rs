//! One layout in all Rust files, where rustfmt leaves a choice: the order of imports and the width of comments.

use std::collections::HashSet;

use super::repository;
use super::source::files_below;

/// Columns of a comment, its indentation included. Code has 100, by rustfmt.toml.
const COMMENT_COLUMNS_MAX: usize = 120;

/// What is wrong with the layout of a file, one text for each line.
fn mistakes(text: &str) -> Vec<String> {
    let too_wide = text.lines().enumerate().filter(|(_, line)| {
        line.trim_start().starts_with("//") && line.chars().count() > COMMENT_COLUMNS_MAX
    });
    let mut found: Vec<String> = too_wide
        .map(|(index, _)| {
            format!("{}: a comment of more than {COMMENT_COLUMNS_MAX} columns", index + 1)
        })
        .collect();
    let (mut last_group, mut modules) = (None, HashSet::new());
    for (index, line) in text.lines().enumerate().filter(|(_, line)| line.starts_with("use ")) {
        let path = line.trim_start_matches("use ").trim_end_matches(';');
        let group = match path.split("::").next() {
            // The variants of a type in the same file.
            Some(name) if name.starts_with(char::is_uppercase) => continue,
            Some("std" | "core" | "alloc") => 0,
            Some("crate" | "super" | "self") => 2,
            _ => 1,
        };
        if last_group > Some(group) {
            found.push(format!("{}: imports are in the order std, crates, own modules", index + 1));
        }
        last_group = Some(group);
        let module = path.split("::{").next().filter(|module| *module != path);
        if module.is_some_and(|module| !modules.insert(module.to_owned())) {
            found.push(format!("{}: two imports from one module", index + 1));
        }
    }
    found
}

#[test]
fn imports_have_one_order_and_comments_one_width() {
    let folders = ["src", "tests/it", "benches", "crates", "examples", "fuzz/fuzz_targets"];
    let files = folders.iter().flat_map(|folder| files_below(&repository().join(folder), "rs"));
    let mut found = Vec::new();
    for file in files {
        let file_mistakes = mistakes(&super::read(&file));
        found.extend(file_mistakes.into_iter().map(|what| format!("{}:{what}", file.display())));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn mistakes_of_the_layout_are_found() {
    assert_eq!(
        mistakes("use std::fmt;\n\nuse bytes::Bytes;\n\nuse crate::a;\nuse super::b;\n"),
        [""; 0]
    );
    assert_eq!(mistakes("use crate::a;\n\nuse std::fmt;\n").len(), 1);
    assert_eq!(mistakes("use crate::a::{B, C};\nuse crate::a::{D, E};\n").len(), 1);
    assert_eq!(mistakes(&format!("/// {}\n", "x".repeat(117))).len(), 1);
}
