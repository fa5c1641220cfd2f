//! Plain English: words and phrases that make a native reader stumble, see "Language" in CONTRIBUTING.md.

use std::path::{Path, PathBuf};

use super::documents::{pages, prose};
use super::source::files_below;
use super::{read, repository};

/// Folders with Rust files whose comments follow the rule, and single files.
const FOLDERS: &[&str] = &[
    "benches",
    "crates",
    "examples",
    "fuzz/fuzz_targets",
    "src/account",
    "src/api",
    "src/audit",
    "src/connector",
    "src/config",
    "src/topology",
    "src/http",
    "src/link",
    "src/local",
    "src/time.rs",
    "src/web",
    "src/routing",
    "src/stream",
    "src/wire",
    "src/btp",
    "src/net",
    "src/peers",
    "src/client",
    "src/console",
    "src/tools",
    "src/cli",
    "src/node",
    "src/telemetry",
    "tests/it",
];

/// Each with what to write instead.
const BANNED: [(&str, &str); 21] = [
    ("whoever", "name who it is: the peer, the sender, the caller"),
    ("whomever", "name who it is"),
    ("nobody", "no peer, no node, not"),
    ("somebody", "a peer, a client, someone else"),
    ("everybody", "all peers, all clients"),
    ("anew", "again, or a verb with `re`"),
    ("likewise", "also, in the same way"),
    ("of late", "recently"),
    ("is to be", "must be, will be, or an active verb"),
    ("are to be", "must be, will be, or an active verb"),
    ("was to be", "should be, or an active verb"),
    ("were to be", "should be, or an active verb"),
    ("is told", "say who reports it, and where"),
    ("are told", "say who reports it, and where"),
    ("was told", "say who reported it, and where"),
    ("told by", "from"),
    ("lets in", "accepts, authorizes"),
    ("asks of", "requires"),
    ("put in force", "apply"),
    ("behind each other", "one after the other"),
    ("to whom", "a sentence with a subject"),
];

/// The words of a line without code spans and punctuation, in lower case, one blank apart, with a blank at both ends.
fn words(line: &str) -> String {
    let spoken: String = line.split('`').step_by(2).collect::<Vec<_>>().join(" x ").to_lowercase();
    let words = spoken.split(|c: char| !c.is_alphanumeric() && !['\'', '-', '|'].contains(&c));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    format!(" {} ", words.join(" "))
}

/// Every banned word of some lines, with the paragraph that it stands in.
fn banned<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let text: Vec<&str> = lines.collect();
    let paragraphs = text.split(|line| line.trim().is_empty());
    let paragraphs = paragraphs.flat_map(|lines| match lines.first() {
        Some(line) if line.starts_with('|') => lines.iter().map(|line| words(line)).collect(),
        _ => vec![words(&lines.join(" "))],
    });
    let found = paragraphs.flat_map(|paragraph| {
        let hits = BANNED.iter().filter_map(move |(word, instead)| {
            let at = paragraph.find(&format!(" {word} "))?;
            let near: String = paragraph.chars().skip(at.saturating_sub(30)).take(80).collect();
            Some(format!("{word:?} (write: {instead}) in ...{near}..."))
        });
        hits.collect::<Vec<_>>()
    });
    found.collect()
}

/// The lines of a Rust file that are comments, without their marks.
fn comments(source: &str) -> impl Iterator<Item = &str> {
    source.lines().map(|line| match line.trim_start().strip_prefix("//") {
        Some(comment) => comment.trim_start_matches(['/', '!']),
        None => "",
    })
}

/// The table of sentences before and after in CONTRIBUTING.md.
fn is_example(page: &Path, line: &str) -> bool {
    page.ends_with("CONTRIBUTING.md") && line.starts_with("| ")
}

#[test]
fn no_text_has_a_banned_word() {
    let mut found: Vec<(PathBuf, String)> = Vec::new();
    for page in pages() {
        let text = read(&page);
        let lines = prose(&text).filter(|line| !is_example(&page, line));
        found.extend(banned(lines).into_iter().map(|hit| (page.clone(), hit)));
    }
    let files = FOLDERS.iter().flat_map(|folder| match repository().join(folder) {
        file if file.is_file() => vec![file],
        folder => files_below(&folder, "rs"),
    });
    for file in files {
        let hits = banned(comments(&read(&file)));
        found.extend(hits.into_iter().map(|hit| (file.clone(), hit)));
    }
    let lines: Vec<String> =
        found.iter().map(|(file, hit)| format!("{}: {hit}", file.display())).collect();
    assert!(found.is_empty(), "{} times:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn banned_words_are_found_across_lines_and_not_in_code() {
    let hits = |text: &str| banned(text.lines()).len();
    assert_eq!(hits("It is\nto be, and nobody's `whoever` asks."), 1);
    assert_eq!(hits("Nobody\n\nis to\n\nbe"), 1);
    assert_eq!(hits("| is to | be |\n| anew |"), 1);
    assert_eq!(comments("/// A\nlet b;\n// C").collect::<Vec<_>>(), [" A", "", " C"]);
}
