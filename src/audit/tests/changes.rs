//! Every change of a log is found.

use std::fs;
use std::path::Path;

use super::super::verify::AuditMistakeKind::{
    Altered, OtherChain, Removed, Reordered, Truncated, Unreadable,
};
use super::super::verify::verify;
use super::{LARGE_FILE, files_of, mistake, verified, write_log};

struct Log {
    folder: tempfile::TempDir,
    bytes: Vec<u8>,
}

impl Log {
    fn write(verbs: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_log(folder.path(), LARGE_FILE, verbs);
        let bytes = fs::read(folder.path().join("audit.jsonl")).unwrap();
        Self { folder, bytes }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn lines(&self) -> Vec<Vec<u8>> {
        self.bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    }

    /// Whether a log with other bytes fits.
    fn fits(&self, bytes: &[u8]) -> bool {
        fs::write(self.path().join("audit.jsonl"), bytes).unwrap();
        verify(&files_of(self.path()), None).is_ok()
    }

    fn mistake_of(&self, lines: &[Vec<u8>]) -> (super::AuditMistakeKind, u64) {
        fs::write(self.path().join("audit.jsonl"), lines.concat()).unwrap();
        let (kind, name, line) = mistake(&files_of(self.path()));
        assert_eq!(name, "audit.jsonl");
        (kind, line)
    }
}

#[test]
fn a_log_is_as_it_was_written() {
    let log = Log::write(5);
    let found = verified(log.path());
    assert_eq!((found.lines, found.last, found.notes.len()), (6, 6, 0));
    assert_eq!(found.from, "2026-01-01T00:00:00.000Z");
    for line in log.lines() {
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value.as_object().unwrap().keys().next_back().unwrap(), "hash");
    }
}

#[test]
fn no_byte_can_be_changed_removed_or_added() {
    let log = Log::write(1);
    assert!(log.fits(&log.bytes));
    for at in 0..log.bytes.len() {
        let byte = log.bytes[at];
        // Another character, the other case, an end of a line, a digit, and what is no text.
        for other in [byte ^ 1, byte ^ 0x20, b'\n', b'0', 0xff] {
            let mut bytes = log.bytes.clone();
            bytes[at] = other;
            assert_eq!(log.fits(&bytes), other == byte, "byte {at}: {byte} -> {other}");
        }
        let mut bytes = log.bytes.clone();
        bytes.remove(at);
        assert!(!log.fits(&bytes), "without byte {at}");
        for added in [b'\n', b'a'] {
            let mut bytes = log.bytes.clone();
            bytes.insert(at, added);
            assert!(!log.fits(&bytes), "{added} before byte {at}");
        }
    }
    assert!(!log.fits(&[&log.bytes[..], b"\n"].concat()));
}

#[test]
fn no_byte_can_be_cut_off() {
    let log = Log::write(2);
    for end in 0..log.bytes.len() {
        assert!(!log.fits(&log.bytes[..end]), "cut off at {end}");
    }
    assert!(log.fits(&log.bytes));
}

#[test]
fn lines_that_are_gone_or_moved_are_named() {
    let log = Log::write(5);
    let lines = log.lines();
    let without = |at: usize| {
        let mut lines = lines.clone();
        lines.remove(at);
        lines
    };
    assert_eq!(log.mistake_of(&without(2)), (Removed, 3));
    assert_eq!(log.mistake_of(&without(5)), (Truncated, 5));
    let mut cut = lines.clone();
    cut.last_mut().unwrap().truncate(40);
    assert_eq!(log.mistake_of(&cut), (Truncated, 6));
    for (one, other) in [(1, 2), (1, 4), (4, 5)] {
        let mut swapped = lines.clone();
        swapped.swap(one, other);
        assert_eq!(log.mistake_of(&swapped), (Reordered, one as u64 + 1), "{one} {other}");
    }
    let mut repeated = lines.clone();
    repeated.insert(3, lines[1].clone());
    assert_eq!(log.mistake_of(&repeated), (Reordered, 4));
    let mut altered = lines.clone();
    altered[3] = String::from_utf8(lines[3].clone()).unwrap().replace("peer-3", "peer-4").into();
    assert_eq!(log.mistake_of(&altered), (Altered, 4));
    assert_eq!(log.mistake_of(&[]), (Unreadable, 1));
    // What was before the first line is not known, and said.
    fs::write(log.path().join("audit.jsonl"), without(0).concat()).unwrap();
    let notes = verified(log.path()).notes;
    assert!(notes[0].contains("begins with line 2"), "{notes:?}");
}

/// A line that was replaced by another one with a right hash.
#[test]
fn a_line_of_another_log_does_not_fit() {
    let (log, other) = (Log::write(5), Log::write(5));
    let mut lines = log.lines();
    let (mut replaced, place) = (other.lines(), super::place(other.path(), LARGE_FILE));
    fs::write(&place.path, replaced[..3].concat()).unwrap();
    fs::remove_file(super::super::head::path_of(&place.path)).unwrap();
    let (mut file, _) = super::open(other.path(), LARGE_FILE);
    super::append(&mut file, 99);
    replaced = fs::read(&place.path)
        .unwrap()
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    lines[3].clone_from(&replaced[3]);
    assert_eq!(log.mistake_of(&lines), (Altered, 5));
    // With all lines after it, only what was noted elsewhere shows it.
    lines.truncate(3);
    lines.extend_from_slice(&replaced[3..]);
    let path = log.path().join("audit.jsonl");
    let noted = verified_after(&log, &log.bytes);
    fs::remove_file(super::super::head::path_of(&path)).unwrap();
    fs::write(&path, lines.concat()).unwrap();
    assert!(verified(log.path()).notes[0].contains("--head"));
    let mistake = verify(&files_of(log.path()), Some(noted.parse().unwrap())).unwrap_err();
    assert_eq!(mistake.kind, OtherChain);
}

/// The hash of the last line.
fn verified_after(log: &Log, bytes: &[u8]) -> String {
    fs::write(log.path().join("audit.jsonl"), bytes).unwrap();
    let found = verified(log.path());
    let hash = found.hash.parse().unwrap();
    assert!(verify(&files_of(log.path()), Some(hash)).is_ok());
    found.hash
}
