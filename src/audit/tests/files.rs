//! Files that are opened again, sealed, moved, or damaged by a crash.

use std::fs::{self, OpenOptions};
use std::io::Write;

use super::super::file::{AuditFile, AuditFileError, AuditPlace, BeforeOpening, FoundAtOpening};
use super::super::page::read_lines;
use super::super::verify::AuditMistakeKind::{Altered, FileMissing, FileOrder, Truncated};
use super::super::verify::verify;
use super::{
    AT, LARGE_FILE, SMALL_FILE, append, files_of, mistake, open, place, verified, write_log,
};

#[test]
fn a_full_file_is_sealed_and_another_one_continues_it() {
    let folder = tempfile::tempdir().unwrap();
    write_log(folder.path(), SMALL_FILE, 20);
    let files = files_of(folder.path());
    assert!(files.len() > 4, "{files:?}");
    assert!(
        files[0].ends_with("audit-000001.jsonl") && files.last().unwrap().ends_with("audit.jsonl")
    );
    let found = verified(folder.path());
    // A line at the end and one at the beginning of each file.
    assert_eq!(found.lines, 20 + 2 * files.len() as u64 - 1);
    assert_eq!(found.notes, [""; 0]);

    let without = |at: usize| {
        let mut files = files.clone();
        files.remove(at);
        files
    };
    assert_eq!(mistake(&without(2)), (FileMissing, "audit-000004.jsonl".to_owned(), 1));
    let notes = verify(&without(0), None).unwrap().notes;
    assert!(notes[0].contains("the chain begins with line"), "{notes:?}");
    let mut swapped = files.clone();
    swapped.swap(1, 2);
    assert_eq!(mistake(&swapped), (FileOrder, "audit-000003.jsonl".to_owned(), 1));
    let mut newest_first = files.clone();
    newest_first.rotate_right(1);
    assert_eq!(mistake(&newest_first).0, FileOrder);
    // The newest file alone is missing: that is no mistake of the others, and is said.
    let notes = verify(&without(files.len() - 1), None).unwrap().notes;
    assert!(notes[0].contains(".head is not there"), "{notes:?}");
    // A sealed file whose end is cut off.
    let bytes = fs::read(&files[1]).unwrap();
    let lines: Vec<_> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    fs::write(&files[1], lines[..lines.len() - 1].concat()).unwrap();
    assert_eq!(mistake(&files), (FileMissing, "audit-000003.jsonl".to_owned(), 1));
    fs::write(&files[1], &bytes[..bytes.len() - 20]).unwrap();
    assert_eq!(mistake(&files).0, Truncated);
}

#[test]
fn pages_go_over_files() {
    let folder = tempfile::tempdir().unwrap();
    write_log(folder.path(), SMALL_FILE, 20);
    let path = place(folder.path(), SMALL_FILE).path;
    let last = verified(folder.path()).last;
    let numbers = |after: u64, limit: usize| -> Vec<u64> {
        let lines = read_lines(&path, after, limit).unwrap();
        lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect()
    };
    assert_eq!(numbers(0, 1_000), (1..=last).collect::<Vec<_>>());
    assert_eq!(numbers(7, 9), (8..=16).collect::<Vec<_>>());
    assert_eq!(numbers(last - 1, 9), [last]);
    assert_eq!(numbers(last, 9), [0; 0]);
    assert_eq!(numbers(u64::MAX, 9), [0; 0]);
}

#[test]
fn an_unfinished_line_is_kept_and_noted() {
    for torn in ["x", "{\"seq\":4,\"at\":\"20", "{\"seq\":4\nand more\n", "\n"] {
        let folder = tempfile::tempdir().unwrap();
        write_log(folder.path(), LARGE_FILE, 2);
        let path = place(folder.path(), LARGE_FILE).path;
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(torn.as_bytes()).unwrap();
        if !torn.contains('\n') {
            let notes = verified(folder.path()).notes;
            assert!(notes[0].contains("the node ended while it wrote it"), "{torn:?}: {notes:?}");
        }
        let (mut log, found) = open(folder.path(), LARGE_FILE);
        assert_eq!(found, FoundAtOpening { torn_bytes: torn.len(), missing: None });
        append(&mut log, 3);
        drop(log);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(torn));
        let found = verified(folder.path());
        assert_eq!(found.lines, 5, "{torn:?}");
        assert!(found.notes[0].contains("which the node noted"), "{:?}", found.notes);
        for changed in [text.replacen(torn, "", 1), text.replacen(torn, &format!("{torn}y"), 1)] {
            fs::write(&path, changed).unwrap();
            assert_eq!(mistake(&files_of(folder.path())).0, Altered, "{torn:?}");
        }
    }
}

/// The note about an unfinished line may not be finished either.
#[test]
fn a_second_crash_at_the_note_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write_log(folder.path(), LARGE_FILE, 2);
    let path = place(folder.path(), LARGE_FILE).path;
    let text = fs::read_to_string(&path).unwrap() + "{\"seq\":4,\n{\"seq\":4,\"at\"";
    fs::write(&path, text).unwrap();
    drop(open(folder.path(), LARGE_FILE));
    assert_eq!(verified(folder.path()).lines, 4);
    drop(open(folder.path(), LARGE_FILE));
    assert_eq!(verified(folder.path()).lines, 5);
}

#[test]
fn lines_that_were_cut_off_are_found_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    write_log(folder.path(), LARGE_FILE, 5);
    let path = place(folder.path(), LARGE_FILE).path;
    let bytes = fs::read(&path).unwrap();
    let lines: Vec<_> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    fs::write(&path, lines[..3].concat()).unwrap();
    let (log, found) = open(folder.path(), LARGE_FILE);
    assert_eq!(found.missing, Some((4, 6)));
    assert_eq!(log.end().seq, 7);
    drop(log);
    assert_eq!(mistake(&files_of(folder.path())), (Truncated, "audit.jsonl".to_owned(), 4));
}

/// As `logrotate` does.
#[test]
fn a_file_that_was_moved_away_is_continued() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = open(folder.path(), LARGE_FILE);
    append(&mut log, 1);
    let path = place(folder.path(), LARGE_FILE).path;
    assert!(log.is_in_place());
    let moved = folder.path().join("audit.jsonl.1");
    fs::rename(&path, &moved).unwrap();
    assert!(!log.is_in_place());
    drop(log);
    let (mut log, found) = open(folder.path(), LARGE_FILE);
    append(&mut log, 2);
    assert_eq!((found, log.end().seq), (FoundAtOpening::default(), 4));
    assert_eq!(verify(&[moved.clone(), path.clone()], None).unwrap().lines, 4);
    assert_eq!(mistake(&[path, moved]).0, FileOrder);
}

#[test]
fn a_crash_between_two_files_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write_log(folder.path(), SMALL_FILE, 3);
    let path = place(folder.path(), SMALL_FILE).path;
    // As after the rename, before the new file.
    fs::rename(&path, super::super::file::sealed_path(&path, 2)).unwrap();
    drop(open(folder.path(), SMALL_FILE));
    let (mut log, _) = open(folder.path(), SMALL_FILE);
    append(&mut log, 4);
    drop(log);
    let notes = verified(folder.path()).notes;
    assert_eq!(notes, [""; 0]);
    // Even if the file with the newest number is lost, too.
    fs::remove_file(super::super::head::path_of(&path)).unwrap();
    fs::rename(&path, super::super::file::sealed_path(&path, 3)).unwrap();
    drop(open(folder.path(), SMALL_FILE));
    verified(folder.path());
}

#[test]
fn other_files_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let refused =
        |place: AuditPlace| AuditFile::open(place, BeforeOpening::default(), AT).unwrap_err();
    let this = place(folder.path(), LARGE_FILE);
    fs::write(&this.path, "hello\n").unwrap();
    assert!(matches!(refused(this.clone()), AuditFileError::NotALog(_)));
    assert_eq!(fs::read_to_string(&this.path).unwrap(), "hello\n");
    fs::remove_file(&this.path).unwrap();
    let (log, _) = open(folder.path(), LARGE_FILE);
    assert!(matches!(refused(this.clone()), AuditFileError::Locked(_)));
    drop(log);
    let other = AuditPlace { node: "b".to_owned(), ..this.clone() };
    assert!(matches!(refused(other), AuditFileError::OtherNode { .. }));
    let nowhere = AuditPlace { path: folder.path().join("no/audit.jsonl"), ..this.clone() };
    assert!(matches!(refused(nowhere), AuditFileError::Io { .. }));
    let directory = AuditPlace { path: folder.path().to_owned(), ..this };
    assert!(matches!(refused(directory), AuditFileError::Io { .. }));
}

#[test]
fn the_line_after_a_failure_says_which_verb_was_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_log(folder.path(), LARGE_FILE, 2);
    let before = BeforeOpening { failed_line: Some(3) };
    drop(AuditFile::open(place(folder.path(), LARGE_FILE), before, AT).unwrap());
    let notes = verified(folder.path()).notes;
    assert!(notes[0].contains("writing line 3 had failed"), "{notes:?}");
}
