//! What the documentation tells its readers to type, typed: blocks of commands in README.md and `docs/` run in order, in
//! a network of their own (so that ports are those of the text), and show what the text shows.
//!
//! A comment right before a block says what is done with it:
//! - `tested NAME`: its commands are run; what follows a command is what it prints. Blocks of one name are one session.
//! - `tested NAME, stays`: the last command runs on, until the session ends.
//! - `tested NAME, save as FILE`: the block is a file.
//! - `tested NAME, FILE, under LINE` and `tested NAME, FILE, without`: an edit, as the text asks for it.
//! - `not tested: REASON`.
//!
//! Blocks of commands (`sh`, `console`) without such a comment are a failure.

mod blocks;
mod place;

use std::collections::BTreeMap;
use std::path::Path;

use self::blocks::{Block, Mark, blocks};
use self::place::Place;
use crate::interop;
use crate::support::skip;

fn pages() -> Vec<Block> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    files.extend(docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
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
fn commands_do_what_the_text_shows() {
    let mut sessions: BTreeMap<String, Vec<Block>> = BTreeMap::new();
    for block in pages() {
        if let Some(Mark::Tested { session, .. }) = &block.mark {
            sessions.entry(session.clone()).or_default().push(block);
        }
    }
    assert!(sessions.len() > 2, "{:?}", sessions.keys());
    for (name, blocks) in sessions {
        let place = match Place::new() {
            Ok(place) => place,
            Err(why) => return skip("the commands of the documentation", &why),
        };
        if name == "javascript" {
            match interop::packages() {
                Ok(folder) => place.link("node_modules", &folder.join("node_modules")),
                Err(why) => {
                    skip("the client of docs/INTEROP.md", &why);
                    continue;
                }
            }
        }
        blocks.iter().for_each(|block| place.follow(block));
    }
}
