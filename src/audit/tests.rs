//! A log in a folder, and what happens to it.

mod changes;
mod files;
mod worker;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, json};

use super::file::{AuditFile, AuditPlace, BeforeOpening, FoundAtOpening};
use super::line::{AuditOutcome, AuditRecord, LineContent};
use super::verify::{AuditMistakeKind, VerifiedAudit, verify};
use crate::wire::Timestamp;

const AT: Timestamp = Timestamp::from_millis(1_767_225_600_000);
/// Two or three lines of a verb fit beside the first one.
const SMALL_FILE: u64 = super::line::LINE_BYTES_MAX as u64 + 1_500;
const LARGE_FILE: u64 = 1 << 30;

fn place(folder: &Path, file_bytes_max: u64) -> AuditPlace {
    AuditPlace { path: folder.join("audit.jsonl"), node: "a".to_owned(), file_bytes_max }
}

fn open(folder: &Path, file_bytes_max: u64) -> (AuditFile, FoundAtOpening) {
    AuditFile::open(place(folder, file_bytes_max), BeforeOpening::default(), AT).unwrap()
}

fn verb(number: u64) -> AuditRecord {
    AuditRecord {
        who: "ops".to_owned(),
        remote: "192.0.2.1:5000".to_owned(),
        verb: "peer.suspend".to_owned(),
        target: format!("peer-{number}"),
        parameters: Map::from_iter([("ttlSeconds".to_owned(), json!(number))]),
        reason: Some("a \"quoted\" reason: \u{20ac}".to_owned()),
    }
}

fn append(file: &mut AuditFile, number: u64) {
    let content = LineContent::of_verb(verb(number), AuditOutcome::Accepted);
    file.append(content, AT).unwrap();
}

/// A closed log with so many verbs.
fn write_log(folder: &Path, file_bytes_max: u64, verbs: u64) {
    let (mut file, _) = open(folder, file_bytes_max);
    (1..=verbs).for_each(|number| append(&mut file, number));
}

/// The sealed files and the newest one, in order.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|one| one.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    files
}

fn verified(folder: &Path) -> VerifiedAudit {
    verify(&files_of(folder), None).unwrap()
}

/// What is wrong, and where.
fn mistake(files: &[PathBuf]) -> (AuditMistakeKind, String, u64) {
    let mistake = verify(files, None).unwrap_err();
    let name = mistake.file.file_name().unwrap().to_str().unwrap().to_owned();
    (mistake.kind, name, mistake.line)
}
