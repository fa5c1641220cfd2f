//! Decides when a changed file is applied (D17). The caller reads the file; there is no IO and no clock here.

use std::fmt;

use ring::digest::{SHA256, digest};

/// SHA-256 of a file's content. Times of modification do not count: an editor may keep them, and a mount may not have
/// them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// The hash of a whole file.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(hash)
    }

    /// One hash of several files; `None` if one of them cannot be read.
    pub fn of_all(hashes: impl IntoIterator<Item = Option<Self>>) -> Option<Self> {
        let hashes: Option<Vec<[u8; 32]>> = hashes.into_iter().map(|hash| Some(hash?.0)).collect();
        Some(Self::of(&hashes?.concat()))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "ContentHash({a:02x}{b:02x}{c:02x}{d:02x}..)")
    }
}

/// What the caller does after a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchDecision {
    /// Nothing changed, or a change was seen only once.
    Wait,
    /// Two checks agree on a change: load it. It is returned once, even if the content is not valid.
    Apply,
    /// Two checks found no readable file. It is returned once; the running configuration stays.
    Gone,
}

/// Decides when two checks agree and differ from the content that was handled last.
///
/// At most one check sees a file that is being written. A broken file is tried once, not every second. A return to the
/// previous content is a change like any other.
#[derive(Clone, Debug)]
pub struct FileWatch {
    handled: Option<ContentHash>,
    last: Option<ContentHash>,
}

impl FileWatch {
    /// Starts from the content that the node was started with.
    pub fn new(applied: ContentHash) -> Self {
        Self { handled: Some(applied), last: Some(applied) }
    }

    /// Takes the result of one check of the file; `None`: it is missing or cannot be read.
    pub fn observe(&mut self, found: Option<ContentHash>) -> WatchDecision {
        let agreed = found == self.last;
        self.last = found;
        if !agreed || found == self.handled {
            return WatchDecision::Wait;
        }
        self.handled = found;
        match found {
            Some(_) => WatchDecision::Apply,
            None => WatchDecision::Gone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks, one character each (`-` = no file), and the decisions: `.` wait, `A` apply, `G` gone.
    fn check(checks: &str, expected: &str) {
        let hash = |c: char| (c != '-').then(|| ContentHash::of(c.to_string().as_bytes()));
        let mut watch = FileWatch::new(ContentHash::of(b"a"));
        let decisions: String = checks
            .chars()
            .map(|c| match watch.observe(hash(c)) {
                WatchDecision::Wait => '.',
                WatchDecision::Apply => 'A',
                WatchDecision::Gone => 'G',
            })
            .collect();
        assert_eq!(decisions, expected, "{checks}");
    }

    #[test]
    fn two_checks_must_agree() {
        check("aaaa", "....");
        check("abbb", "..A.");
        // Half-written content is never applied.
        check("abcc", "...A");
        check("abab", "....");
        // There and back.
        check("bbaa", ".A.A");
        // Replaced through a moment without a file.
        check("a-bb", "...A");
        check("a-aa", "....");
        check("a---", "..G.");
        // The content is the running one, but the file was reported as gone, so its return is reported too.
        check("a--aa", "..G.A");
    }
}
