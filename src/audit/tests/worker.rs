//! The thread of a log and its handle.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use serde_json::Value;

use super::super::log::{AuditFailure, AuditLog};
use super::super::refused_access::RefusedAccess;
use super::super::verify::verify;
use super::super::worker::AuditWorker;
use super::verb;
use crate::net::{Clock, RemoteAddress};

struct RunningLog {
    path: PathBuf,
    log: AuditLog,
    thread: JoinHandle<()>,
}

impl RunningLog {
    fn start(path: &Path) -> Self {
        let (worker, handle) = AuditWorker::new(path.to_owned(), "a", Clock::manual());
        let log = AuditLog::default();
        log.set(Some(handle));
        let thread = std::thread::spawn(|| worker.run());
        Self { path: path.to_owned(), log, thread }
    }

    /// Ends it and returns its lines.
    fn stop(self) -> Vec<Value> {
        self.log.set(None);
        self.thread.join().unwrap();
        verify(std::slice::from_ref(&self.path), None).unwrap();
        let text = fs::read_to_string(&self.path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Kind, outcome, target and `of` of each line.
fn described(lines: &[Value]) -> Vec<String> {
    let text = |line: &Value, key: &str| match &line[key] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let keys = ["kind", "outcome", "target", "of"];
    let describe = |line: &Value| keys.map(|key| text(line, key)).join(" ").trim().to_owned();
    lines.iter().map(describe).collect()
}

#[tokio::test]
async fn each_verb_has_a_line_before_its_effect_and_its_end_if_it_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let running = RunningLog::start(&folder.path().join("audit.jsonl"));
    let log = &running.log;
    let first = log.record(verb(1)).await.unwrap();
    let written = fs::read_to_string(&running.path).unwrap();
    assert!(written.contains("peer-1"), "it is written before its effect: {written}");
    first.done();
    log.record(verb(2)).await.unwrap().fail("no such peer");
    drop(log.record(verb(3)).await.unwrap());
    log.record_refused(verb(4), "ttlSeconds is too long");
    log.note_refused_access(RefusedAccess {
        who: "reader".to_owned(),
        remote: RemoteAddress::new([192, 0, 2, 7].into(), Some(1)),
        request: "POST /api/v1/x".to_owned(),
        is_verb: true,
        why: "no scope".to_owned(),
    });
    let page = log.read(Some(1), 2).await.unwrap();
    assert_eq!(described(&page.lines), ["verb accepted peer-1", "verb accepted peer-2"]);
    let newest = log.read(None, 1).await.unwrap();
    assert_eq!(newest.lines[0]["who"], "reader");
    assert_eq!((newest.lines[0]["hash"].as_str(), newest.last), (Some(&*newest.hash), 8));
    let lines = running.stop();
    assert_eq!(
        described(&lines),
        [
            "opened",
            "verb accepted peer-1",
            "verb accepted peer-2",
            "verb failed peer-2 3",
            "verb accepted peer-3",
            "verb unknown peer-3 5",
            "verb refused peer-4",
            "access refused POST /api/v1/x",
            "closed",
        ]
    );
    assert_eq!(lines[3]["detail"], "no such peer");
    assert_eq!(
        (&lines[1]["who"], &lines[1]["parameters"]["ttlSeconds"]),
        (&"ops".into(), &1.into())
    );
}

#[tokio::test]
async fn a_log_that_cannot_be_written_refuses_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("later/audit.jsonl");
    let running = RunningLog::start(&path);
    for _ in 0..2 {
        let failure = running.log.record(verb(1)).await.unwrap_err();
        assert!(matches!(&failure, AuditFailure::Unwritable(text) if text.contains("later")));
    }
    fs::create_dir(path.parent().unwrap()).unwrap();
    running.log.record(verb(2)).await.unwrap().done();
    // Moved away while the node runs.
    let moved = folder.path().join("moved.jsonl");
    fs::rename(&path, &moved).unwrap();
    running.log.record(verb(3)).await.unwrap().done();
    assert_eq!(verify(&[moved, path], None).unwrap().lines, 4);
    let lines = running.stop();
    assert_eq!(described(&lines), ["opened", "verb accepted peer-3", "closed"]);
}

#[tokio::test]
async fn without_a_log_verbs_pass() {
    let log = AuditLog::default();
    log.record(verb(1)).await.unwrap().done();
    assert_eq!(log.read(None, 1).await.unwrap_err(), AuditFailure::NotConfigured);
    let (worker, handle) = AuditWorker::new(PathBuf::from("/nowhere"), "a", Clock::manual());
    log.set(Some(handle));
    // As if no thread could be had.
    drop(worker);
    assert_eq!(log.record(verb(1)).await.unwrap_err(), AuditFailure::Closed);
}

#[test]
fn long_values_are_cut_and_no_character_moves_the_cursor() {
    use super::super::chain::ChainEnd;
    use super::super::line::{AuditOutcome, AuditRecord, HashedLine, LINE_BYTES_MAX, LineContent};
    let long = "\u{1b}\"\u{20ac}".repeat(20_000);
    let parameters = [("text".to_owned(), Value::from(long.clone()))].into_iter().collect();
    let record = AuditRecord {
        target: long.clone(),
        reason: Some(long.clone()),
        who: long.clone(),
        parameters,
        ..verb(1)
    };
    let content =
        LineContent { detail: Some(long), ..LineContent::of_verb(record, AuditOutcome::Refused) };
    let (bytes, end) = content.encode(ChainEnd::BEGINNING, 1, super::AT, "a");
    assert!(bytes.len() <= LINE_BYTES_MAX, "{}", bytes.len());
    assert!(!bytes.contains(&0x1b));
    let line = HashedLine::decode(bytes.strip_suffix(b"\n").unwrap()).unwrap();
    assert_eq!(line.end(), end);
    assert!(line.line.parameters["omittedBytes"].as_u64().unwrap() > 60_000);
}
