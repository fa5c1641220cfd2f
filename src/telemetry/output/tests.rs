//! Which lines are lost, how that is reported, and that nothing waits.

use super::*;
use crate::telemetry::testing::{MemoryLog, MemorySink, TIMEOUT};

#[test]
fn a_line_after_a_torn_one_begins_on_a_new_line() {
    for (room, expected) in [(0, ""), (3, "fir\n"), (6, "first\n"), (8, "first\nse\n")] {
        let log = MemoryLog::with_sink(LineFormat::Json, MemorySink::failing_after(room));
        for line in ["first\n", "second\n"] {
            log.output.write(line.as_bytes());
        }
        // Only now: a batch of both, or one of each.
        assert!(log.output.flush(TIMEOUT));
        log.output.write(b"third\n");
        let written = log.written();
        assert!(written.starts_with(expected) && written.ends_with("\nthird\n"), "{written:?}");
        let reports: Vec<_> = written.lines().filter(|line| line.starts_with('{')).collect();
        let lost = if room < 6 { 1..=2 } else { 1..=1 };
        let [report] = reports[..] else { panic!("{written:?}") };
        let report: serde_json::Value = serde_json::from_str(report).unwrap();
        assert!(lost.contains(&report["lines"].as_u64().unwrap()), "{written:?}");
        assert_eq!(log.output.totals().lost(), report["lines"].as_u64().unwrap());
    }
}

#[test]
fn a_stopped_reader_delays_nothing_and_a_line_reports_the_gap() {
    let log = MemoryLog::blocked();
    let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
    let room = QUEUE_BYTES_MAX / line.len();
    let began = Instant::now();
    for _ in 0..room + 7 {
        log.output.write(&line);
    }
    // It would fit, but a line before it was lost.
    log.output.write(b"\n");
    assert_eq!(log.output.totals().lost(), 8);
    assert!(!log.output.flush(Duration::from_millis(20)), "a flush has an end");
    assert!(began.elapsed() < TIMEOUT);
    log.memory.set_blocked(false);
    assert!(log.output.flush(TIMEOUT));
    log.output.write(b"last\n");
    let written = log.written();
    let lines: Vec<_> = written.lines().collect();
    assert_eq!(lines.len(), 1 + room + 1 + 1);
    let report: serde_json::Value = serde_json::from_str(lines[1 + room]).unwrap();
    assert_eq!((&report["level"], &report["lines"]), (&"WARN".into(), &8.into()));
    assert_eq!(lines.last(), Some(&"last"));
}

#[test]
fn lines_in_bulk_wait_and_leave_room_for_others() {
    let log = MemoryLog::blocked();
    let bulk = [b"x".repeat(64 * 1024 - 1), b"\n".to_vec()].concat();
    let taken =
        (0..100).take_while(|_| log.output.write_bulk(&bulk, Duration::from_millis(1))).count();
    assert_eq!(taken, BULK_BYTES_MAX / bulk.len());
    log.output.write(b"another\n");
    assert_eq!(log.output.totals().lost(), 0, "the packet log counts its own");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| log.output.write_bulk(&bulk, TIMEOUT));
        log.memory.set_blocked(false);
        assert!(waiting.join().unwrap(), "it has room again");
    });
    assert_eq!(log.written().lines().count(), 1 + taken + 1 + 1);
}

#[test]
fn a_file_that_was_moved_is_created_again() {
    let directory = tempfile::tempdir().unwrap();
    let (path, moved) = (directory.path().join("log"), directory.path().join("log.1"));
    std::fs::write(&path, "before\n").unwrap();
    let (output, writer) = LogOutput::open(&LogTo::File(path.clone())).unwrap();
    let thread = std::thread::spawn(move || writer.run());
    assert_eq!(output.format(), LineFormat::Json);
    output.write(b"one\n");
    assert!(output.flush(TIMEOUT));
    std::fs::rename(&path, &moved).unwrap();
    output.write(b"two\n");
    output.reopen();
    output.write(b"three\n");
    assert!(output.flush(TIMEOUT));
    assert_eq!(std::fs::read_to_string(&moved).unwrap(), "before\none\ntwo\n");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
    output.close();
    thread.join().unwrap();
}

#[test]
fn a_failure_to_open_the_file_again_is_reported_in_the_old_one() {
    let directory = tempfile::tempdir().unwrap();
    let (path, moved) = (directory.path().join("log"), directory.path().join("log.1"));
    let (output, writer) = LogOutput::open(&LogTo::File(path.clone())).unwrap();
    let thread = std::thread::spawn(move || writer.run());
    std::fs::rename(&path, &moved).unwrap();
    std::fs::create_dir(&path).unwrap();
    output.write(b"one\n");
    output.reopen();
    output.write(b"two\n");
    assert!(output.flush(TIMEOUT));
    let written = std::fs::read_to_string(&moved).unwrap();
    let lines: Vec<_> = written.lines().collect();
    let [one, report, two] = lines[..] else { panic!("{written}") };
    assert_eq!((one, two), ("one", "two"));
    let report: serde_json::Value = serde_json::from_str(report).unwrap();
    assert_eq!(report["level"], "ERROR");
    assert!(report["error"].as_str().unwrap().contains(path.to_str().unwrap()), "{report}");
    output.close();
    thread.join().unwrap();
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("missing").join("log");
    let error = LogOutput::open(&LogTo::File(path.clone())).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot write the log to {}", path.display()));
    assert_eq!(error.source.kind(), io::ErrorKind::NotFound);
}
