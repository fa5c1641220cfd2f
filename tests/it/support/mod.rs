//! Shared by many tests: skip with a reason, run a program, wait for a condition.

use std::io::Write as _;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_ilp-connector");

/// Reports on the terminal that a test did not run, and why. With `CI=true`, that is a failure.
pub(crate) fn skip(what: &str, why: &str) {
    if std::env::var("CI").is_ok_and(|value| value == "true") {
        panic!("{what} cannot be skipped with CI=true: {why}");
    }
    print_line(&format!("SKIPPED {what}: {why}"));
}

/// Prints a line on the terminal even if the test passes; the test runner would hide `println!`.
pub(crate) fn print_line(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Runs a program to its end; returns its output whatever its exit code is.
pub(crate) fn run(command: &mut Command) -> Output {
    match command.output() {
        Ok(output) => output,
        Err(error) => panic!("cannot run {command:?}: {error}"),
    }
}

/// Runs a program that must succeed; returns its standard output.
pub(crate) fn run_successfully(command: &mut Command) -> String {
    let output = run(command);
    assert!(
        output.status.success(),
        "{command:?} ended with {}:\n{}",
        output.status,
        combined_output(&output)
    );
    text(&output.stdout)
}

/// Standard output, then standard error.
pub(crate) fn combined_output(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Repeats `look` until it returns `Ok`; returns that value and how long it took. The last `Err` is part of the message
/// when time is up.
pub(crate) fn eventually<T>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> Result<T, String>,
) -> (T, Duration) {
    const PAUSE_MAX: Duration = Duration::from_millis(100);
    let start = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        match look() {
            Ok(found) => return (found, start.elapsed()),
            Err(seen) if start.elapsed() > within => {
                panic!("not within {within:?}: {what}; last seen: {seen}")
            }
            Err(_) => {
                thread::park_timeout(pause);
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}
