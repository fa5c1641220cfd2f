//! Written lines, checked as text.

use super::*;
use crate::telemetry::format::LineFormat;
use crate::telemetry::parse_level;
use crate::telemetry::testing::{MemoryLog, TIMEOUT};

/// The lines that `log_events` writes.
fn lines(
    format: LineFormat,
    levels: &str,
    node: Option<&str>,
    log_events: impl FnOnce(),
) -> String {
    crate::testing::enable_every_line();
    let log = MemoryLog::new(format);
    if let Some(node) = node {
        log.output.node().set(node.into()).unwrap();
    }
    let layer = LineLayer::new(log.output.clone());
    let filter = parse_level(levels).unwrap().filter();
    let subscriber = Registry::default().with(filter).with(layer);
    tracing::subscriber::with_default(subscriber, log_events);
    log.written()
}

/// A JSON line without its time, which this checks.
fn without_time(line: &str) -> serde_json::Value {
    let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
    let time = line.as_object_mut().unwrap().shift_remove("timestamp").unwrap();
    let time = time.as_str().unwrap();
    assert!(time.len() == 27 && time.ends_with('Z'), "{time}");
    assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    line
}

#[test]
fn one_event_is_one_json_line() {
    let written = lines(LineFormat::Json, "info", Some("alice"), || {
        let error = std::io::Error::other("a \"bad\"\nthing \u{1b}[2J");
        tracing::warn!(peer = "bob", %error, count = 7, ratio = 0.5, on = true, "can't\nconnect");
    });
    assert_eq!(written.matches('\n').count(), 1);
    assert!(written.is_ascii() && !written.contains('\u{1b}'), "{written}");
    assert_eq!(
        without_time(&written),
        serde_json::json!({
            "level": "WARN", "node": "alice", "target": "telemetry::logs::tests",
            "message": "can't\nconnect", "peer": "bob",
            "error": "a \"bad\"\nthing \u{1b}[2J", "count": 7, "ratio": 0.5, "on": true,
        })
    );
}

#[test]
fn a_line_before_which_none_was_left_out_does_not_count_them() {
    let json = lines(LineFormat::Json, "info", None, || {
        tracing::info!(suppressed = 0_u64, count = 0_u64, "first");
        tracing::info!(suppressed = 3_u64, "second");
    });
    let found: Vec<_> = json.lines().map(without_time).collect();
    assert_eq!((&found[0]["count"], found[0].get("suppressed")), (&0.into(), None), "{json}");
    assert_eq!(found[1]["suppressed"], 3, "{json}");
    let human = lines(LineFormat::Human { colour: false }, "info", None, || {
        tracing::info!(suppressed = 0_u64, "first");
    });
    assert!(!human.contains("suppressed"), "{human}");
}

#[test]
fn every_kind_of_value_is_json() {
    let written = lines(LineFormat::Json, "info", None, || {
        tracing::info!(
            a = u64::MAX,
            b = i64::MIN,
            c = i128::MIN,
            d = f64::NAN,
            e = ?Some(1),
            f = tracing::field::Empty,
            level = "a field of this name",
            source = &std::fmt::Error as &dyn std::error::Error,
        );
    });
    assert_eq!(
        without_time(&written),
        serde_json::json!({
            "level": "INFO", "target": "telemetry::logs::tests", "message": "",
            "a": u64::MAX, "b": i64::MIN, "c": i128::MIN.to_string(), "d": "NaN", "e": "Some(1)",
            "level_": "a field of this name",
            "source": "an error occurred when formatting an argument",
        })
    );
}

#[test]
fn lines_name_their_node() {
    let written = lines(LineFormat::Json, "off,btp=info", Some("only"), || {
        let (a, b) = (node_span("a"), node_span("b"));
        a.in_scope(|| tracing::info!(target: "ilp_connector::btp", "first"));
        b.in_scope(|| {
            tracing::info_span!(target: "ilp_connector::btp", "inner", node = "c")
                .in_scope(|| tracing::info!(target: "ilp_connector::btp", "second"));
        });
        tracing::info!(target: "ilp_connector::btp", "third");
        a.in_scope(|| tracing::info!(target: "ilp_connector::btp", node = %"d", "fourth"));
        tracing::info!(target: "ilp_connector::api", "disabled");
    });
    let nodes: Vec<_> = written
        .lines()
        .map(|line| {
            let line = without_time(line);
            format!("{} {}", line["message"].as_str().unwrap(), line["node"].as_str().unwrap())
        })
        .collect();
    assert_eq!(nodes, ["first a", "second b", "third only", "fourth d"]);
}

#[test]
fn a_terminal_gets_a_short_line() {
    let written = lines(LineFormat::Human { colour: false }, "info", Some("alice"), || {
        tracing::error!(peer = "bob", reason = "two words", "gone\n\u{1b}[2Jmad");
    });
    let (time, rest) = written.split_at(15);
    assert_eq!(time.matches([':', '.']).count(), 3, "{time}");
    assert_eq!(
        rest,
        " ERROR alice telemetry::logs::tests: gone\\n\\u001b[2Jmad peer=bob reason=\"two words\"\n"
    );
    let colourful = lines(LineFormat::Human { colour: true }, "info", None, || {
        tracing::warn!("careful");
    });
    assert!(colourful.contains(" \u{1b}[33mWARN \u{1b}[0m "), "{colourful:?}");
}

#[test]
fn levels_change_while_it_runs() {
    crate::testing::enable_every_line();
    let log = MemoryLog::new(LineFormat::Json);
    let layer = LineLayer::new(log.output.clone());
    let (filter, handle) = reload::Layer::new(LogLevels::default().filter());
    let subscriber = Registry::default().with(filter).with(layer);
    tracing::subscriber::with_default(subscriber, || {
        let log_text = |text: &str| tracing::debug!("{text}");
        log_text("not yet");
        handle.reload(parse_level("debug").unwrap().filter()).unwrap();
        log_text("now");
        handle.reload(parse_level("info").unwrap().filter()).unwrap();
        log_text("no longer");
    });
    let messages: Vec<_> =
        log.written().lines().map(|line| without_time(line)["message"].to_string()).collect();
    assert_eq!(messages, ["\"now\""]);
}

#[test]
fn a_field_may_log_while_it_is_formatted() {
    struct Talkative;
    impl std::fmt::Display for Talkative {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            tracing::info!("inner");
            f.write_str("value")
        }
    }
    let written = lines(LineFormat::Json, "info", None, || {
        tracing::info!(field = %Talkative, "outer");
    });
    let last = without_time(written.lines().last().unwrap());
    assert_eq!((last["message"].as_str(), last["field"].as_str()), (Some("outer"), Some("value")));
}

#[test]
fn lines_of_many_threads_never_mix() {
    crate::testing::enable_every_line();
    let log = MemoryLog::new(LineFormat::Json);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let layer = LineLayer::new(log.output.clone());
            scope.spawn(move || {
                tracing::subscriber::with_default(Registry::default().with(layer), || {
                    for number in 0..200 {
                        tracing::info!(thread, number, "said");
                    }
                });
            });
        }
    });
    let mut next = [0; 4];
    for line in log.written().lines() {
        let line = without_time(line);
        let thread = usize::try_from(line["thread"].as_u64().unwrap()).unwrap();
        assert_eq!(line["number"], next[thread]);
        next[thread] += 1;
    }
    assert_eq!(next, [200; 4]);
}

/// A process has only one log, panic hook and logger of the `log` crate. So this test runs itself in a process of its
/// own, in which the variable names the log file.
#[test]
fn a_process_logs_from_its_start_to_a_panic() {
    const FILE: &str = "ILP_CONNECTOR_TEST_LOG_FILE";
    const NAME: &str = "telemetry::logs::tests::a_process_logs_from_its_start_to_a_panic";
    if let Some(file) = std::env::var_os(FILE) {
        return log_and_panic(file.into());
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("log");
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME])
        .env(FILE, &file)
        .env_remove("RUST_BACKTRACE")
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
    let lines = std::fs::read_to_string(&file).unwrap();
    let written: Vec<_> = lines
        .lines()
        .map(without_time)
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap_or("-").to_owned();
            [text("level"), text("node"), text("target"), text("message")].join(" ")
        })
        .collect();
    assert_eq!(
        written,
        [
            "ERROR - telemetry::logs::tests before the node has a name",
            "ERROR only rustls::conn of a library",
            "DEBUG only rustls::conn now shown",
            "ERROR b panic all\nis lost",
        ]
    );
    let last = without_time(lines.lines().last().unwrap());
    assert_eq!(last["thread"], "worker");
    assert!(last["location"].as_str().unwrap().starts_with(file!()), "{last}");
}

#[test]
fn a_library_cannot_flood_the_log() {
    let written = lines(LineFormat::Json, "info", None, || {
        for number in 0..1000 {
            tracing::error!(target: "h2::server", number, "a client did something");
        }
        tracing::error!("ours");
    });
    let lines: Vec<_> = written.lines().map(without_time).collect();
    assert_eq!(lines.len(), 11, "{written}");
    assert_eq!(lines[10]["message"], "ours");
}

fn log_and_panic(file: std::path::PathBuf) {
    let to = LogTo::File(file);
    let (logs, writer) = Logs::start(&to, &LogLevels::default()).unwrap();
    std::thread::spawn(move || writer.run());
    assert!(matches!(Logs::start(&to, &LogLevels::default()), Err(LogError::Twice)));
    tracing::error!("before the node has a name");
    logs.set_node("only");
    log::error!(target: "rustls::conn", "of a library");
    log::warn!(target: "rustls::conn", "not shown");
    log::debug!(target: "rustls::conn", "not shown");
    logs.set_levels(&parse_level("info,rustls=debug").unwrap());
    log::debug!(target: "rustls::conn", "now shown");
    let thread = std::thread::Builder::new().name("worker".to_owned());
    let panicked = thread.spawn(|| node_span("b").in_scope(|| panic!("all\nis lost"))).unwrap();
    panicked.join().unwrap_err();
    assert!(logs.output().flush(TIMEOUT));
}
