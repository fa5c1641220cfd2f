//! The commands of README.md and of all pages below `docs/` run in order, in a network namespace of their own (so that
//! the ports of the text are free), and print what the pages show.
//!
//! A comment before a block says how it is tested:
//! - `tested NAME`: its commands run; the lines after a command are its output. Blocks with one name are one session.
//!   A command that ends with `&` keeps running until the session ends.
//! - `tested NAME, stays`: the last command keeps running until the session ends.
//! - `tested NAME, save as FILE`: the block is a file.
//! - `tested NAME, FILE, under LINE` and `tested NAME, FILE, without`: an edit of a file.
//! - `not tested: REASON`.
//!
//! A block of commands (`sh`, `console`) without such a comment fails.

mod blocks;
mod sandbox;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::blocks::{Block, Mark, blocks};
use self::sandbox::Sandbox;
use crate::interop;
use crate::support::skip;

fn pages_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let is_page = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "md");
    let below = folders.iter().flat_map(|folder| pages_below(folder));
    files.into_iter().filter(is_page).chain(below).collect()
}

fn pages() -> Vec<Block> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    files.extend(pages_below(&root.join("docs")));
    files.sort();
    files.iter().flat_map(|file| blocks(&std::fs::read_to_string(file).unwrap(), file)).collect()
}

#[test]
fn every_block_of_commands_is_tested_or_says_why_not() {
    for block in pages().iter().filter(|block| block.is_commands()) {
        assert!(block.mark.is_some(), "{}: commands without a mark, see tests/it/docs", block.at);
    }
}

#[test]
fn commands_print_what_the_page_shows() {
    let mut sessions: BTreeMap<String, Vec<Block>> = BTreeMap::new();
    for block in pages() {
        if let Some(Mark::Tested { session, .. }) = &block.mark {
            sessions.entry(session.clone()).or_default().push(block);
        }
    }
    assert!(sessions.len() > 2, "{:?}", sessions.keys());
    for (name, blocks) in sessions {
        let sandbox = match Sandbox::new() {
            Ok(sandbox) => sandbox,
            Err(why) => return skip("the commands of the documentation", &why),
        };
        let (packages, place) = match name.as_str() {
            name if name.starts_with("javascript") => (interop::packages(), "node_modules"),
            "settling" => (interop::settlement_packages(), "examples/settlement/node_modules"),
            _ => (Ok(PathBuf::new()), ""),
        };
        match packages {
            Ok(_) if place.is_empty() => {}
            Ok(folder) => sandbox.link(place, &folder.join("node_modules")),
            Err(why) => {
                skip(&format!("the commands of {name}"), &why);
                continue;
            }
        }
        blocks.iter().for_each(|block| sandbox.execute(block));
    }
}
