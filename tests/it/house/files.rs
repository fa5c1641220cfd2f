//! Every file of the repository: its length, its first line, and text that it must not contain.

use std::path::PathBuf;
use std::process::Command;

use super::source::files_below;
use super::{read, repository};
use crate::support::{skip, text};

/// A file is split before it has this many lines.
const LINES_MAX: usize = 500;

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let folders = ["src", "tests", "benches", "crates", "fuzz/fuzz_targets", "fuzz/seed/src"];
    let files = folders.iter().flat_map(|folder| files_below(&repository().join(folder), "rs"));
    let mut seen = 0;
    for file in
        files.filter(|file| !file.components().any(|part| part.as_os_str() == "node_modules"))
    {
        let text = read(&file);
        let lines = text.lines().count();
        assert!(lines < LINES_MAX, "{} has {lines} lines: split it", file.display());
        assert!(text.starts_with("//!"), "{} does not begin with what it is for", file.display());
        seen += 1;
    }
    assert!(seen > 100, "only {seen} files were read");
}

#[test]
fn no_file_names_the_place_where_it_was_written() {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(repository()).output();
    let Some(output) = listed.ok().filter(|output| output.status.success()) else {
        return skip("the search for paths of this machine", "there is no git, or no checkout");
    };
    let here = repository().display().to_string();
    let home = std::env::var("HOME").map(|home| format!("{home}/")).unwrap_or_default();
    // In pieces, so that this file does not contain them.
    let homes = [["/ho", "me/"].concat(), ["/Us", "ers/"].concat(), ["/ro", "ot/"].concat()];
    let mut words = vec![here];
    words.extend(homes);
    words.extend((home.len() > 2).then_some(home));
    let listed = text(&output.stdout);
    let files: Vec<PathBuf> =
        listed.split_terminator('\0').map(|name| repository().join(name)).collect();
    assert!(files.len() > 100, "only {} files were read", files.len());
    for file in files {
        // Fuzz seeds are bytes, and a file may be deleted but not committed yet.
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        for word in &words {
            assert!(!text.contains(word.as_str()), "{} holds {word}", file.display());
        }
    }
}
