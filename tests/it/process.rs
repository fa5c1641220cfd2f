//! The program as a process beside a test: a node, a network, an endless ping. Its output is read as it comes, and the
//! process ends with its test.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{PROGRAM, eventually, run_successfully};

/// The deadline of every wait here.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

/// A running program.
pub(crate) struct Process {
    child: Child,
    output: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts the program with these arguments and only this environment.
    pub(crate) fn start<'a>(
        arguments: &[&str],
        environment: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        Self::spawn(Command::new(PROGRAM).args(arguments).env_clear().envs(environment))
    }

    /// Starts any program.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = child.stdout.take().unwrap_or_else(|| panic!("standard output is a pipe"));
        let output = Arc::new(Mutex::new(Vec::new()));
        let reader = thread::spawn({
            let output = Arc::clone(&output);
            move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    output.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            }
        });
        Self { child, output, reader: Some(reader) }
    }

    /// Writes to its standard input.
    pub(crate) fn write_stdin(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().unwrap_or_else(|| panic!("standard input is a pipe"));
        let written = stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush());
        written.unwrap_or_else(|error| panic!("cannot write to its standard input: {error}"));
    }

    /// All lines that it has printed so far.
    pub(crate) fn output_lines(&self) -> Vec<String> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a printed line for which `wanted` returns a value, and returns that value.
    pub(crate) fn wait_for_line<T>(&self, what: &str, wanted: impl Fn(&str) -> Option<T>) -> T {
        let look = || {
            let lines = self.output_lines();
            lines.iter().find_map(|line| wanted(line)).ok_or_else(|| lines.join("\n"))
        };
        eventually(what, TIMEOUT, look).0
    }

    /// Waits for a log line with this message, and returns one of its fields.
    pub(crate) fn wait_for_log(&self, message: &str, field: &str) -> Value {
        self.wait_for_line(message, |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line.get("message")?.as_str()? == message).then(|| line.get(field).cloned())?
        })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        // The shell's own `kill`, because not every system has the program of that name.
        let kill = format!("kill -{name} {}", self.child.id());
        run_successfully(Command::new("sh").args(["-c", &kill]));
    }

    /// Waits for its end, and returns its exit status and all lines that it printed.
    pub(crate) fn wait_exit(mut self) -> (ExitStatus, Vec<String>) {
        let look = || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status),
            other => Err(format!("{other:?}")),
        };
        let (status, _) = eventually("the program ends", TIMEOUT, look);
        if let Some(reader) = self.reader.take() {
            // The thread ends with the pipe.
            let _ = reader.join();
        }
        (status, self.output_lines())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory that is removed with the test.
pub(crate) fn temp_folder() -> TempDir {
    tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary directory: {error}"))
}

/// Writes a file into it.
pub(crate) fn write_file(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let file = folder.path().join(name);
    std::fs::write(&file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    file
}

/// A path as an argument.
pub(crate) fn path_text(path: &Path) -> &str {
    path.to_str().unwrap_or_else(|| panic!("{} is not UTF-8", path.display()))
}

/// A free port, for a process that must know it in advance. It is below the range of outgoing connections, and none is
/// returned twice, so that it is still free when the process binds it.
pub(crate) fn free_port() -> u16 {
    free_port_for(&[0])
}

/// The `basePort` of a network of so many nodes, whose ports follow it.
pub(crate) fn free_base_port(nodes: u16) -> u16 {
    let last = nodes - 1;
    let offsets = [0, 4_770, 5_080].map(|first| (first..=first + last).collect::<Vec<_>>());
    free_port_for(&offsets.concat())
}

/// A port that is free together with those at these distances from it.
fn free_port_for(offsets: &[u16]) -> u16 {
    const FIRST: u32 = 10_000;
    const END: u32 = 32_000;
    static TAKEN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    // Concurrent test programs begin at different ports.
    let begin = std::process::id().wrapping_mul(97);
    let last = offsets.iter().copied().max().unwrap_or_default();
    let count = END - FIRST - u32::from(last);
    for next in 0..count {
        let port = FIRST + begin.wrapping_add(next) % count;
        let ports: Vec<u32> = offsets.iter().map(|offset| port + u32::from(*offset)).collect();
        let is_free = |port: &u32| {
            let port = u16::try_from(*port).unwrap();
            !taken.contains(&port.into()) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        };
        if ports.iter().all(is_free) {
            taken.extend(ports);
            return u16::try_from(port).unwrap();
        }
    }
    panic!("no free port");
}
