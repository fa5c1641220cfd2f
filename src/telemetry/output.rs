//! The bounded queue of log lines, which a thread of its own writes out ([`LogWriter`]).
//!
//! Nothing waits for the log. Appending a line takes a lock for the time of a copy. If the queue is full, lines are
//! lost and counted, and the writer reports the number in a line of its own, where they would have stood. Lines are
//! whole, and those of different threads never mix: the packet log appends to the same queue.

mod recent;
mod sink;
mod writer;

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

pub use self::recent::RecentLines;
pub(super) use self::sink::Sink;
use self::sink::count_lines;
pub use self::writer::LogWriter;
use super::format::LineFormat;

/// Bytes of queued lines. The writer may hold as many again.
const QUEUE_BYTES_MAX: usize = 1024 * 1024;
/// The part of it that the packet log may fill, so that other lines still have room.
const BULK_BYTES_MAX: usize = QUEUE_BYTES_MAX / 2;

/// The destination of log lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTo {
    /// Standard output: JSON, or text for people if it is a terminal.
    Stdout,
    /// Standard error, for tests: programs read their standard output.
    #[cfg(test)]
    Stderr,
    /// Appends JSON to a file, which is created if it is missing.
    File(PathBuf),
}

/// The log file cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the log to {}", target.display())]
pub struct OutputError {
    target: PathBuf,
    source: io::Error,
}

impl OutputError {
    fn new(target: &Path, source: io::Error) -> Self {
        Self { target: target.to_owned(), source }
    }
}

/// The queue of log lines. Clones append to the same queue.
#[derive(Debug, Clone)]
pub struct LogOutput {
    format: LineFormat,
    queue: Arc<LineQueue>,
}

/// Counts of the log since the start.
#[derive(Debug, Default)]
pub struct LogTotals {
    lost: AtomicU64,
}

impl LogTotals {
    /// Lines that were lost: there was no room for them, or a write failed.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn count_lost(&self, lines: u64) {
        self.lost.fetch_add(lines, Ordering::Relaxed);
    }
}

/// Shared by the clones of a [`LogOutput`] and its writer.
#[derive(Debug)]
struct LineQueue {
    state: Mutex<QueueState>,
    /// Notified when the writer has work.
    has_work: Condvar,
    /// Notified when the writer has taken or written a batch.
    has_progressed: Condvar,
    totals: Arc<LogTotals>,
    recent: Arc<RecentLines>,
    /// The process's only node, for the writer's own lines.
    node: OnceLock<Arc<str>>,
}

#[derive(Debug, Default)]
struct QueueState {
    lines: Vec<u8>,
    /// Lines lost after these.
    lost: u64,
    /// Before this byte the file is opened again.
    reopen_at: Option<usize>,
    is_writing: bool,
    is_closed: bool,
}

/// Everything that was queued when the writer took it.
#[derive(Debug, Default)]
struct LineBatch {
    lines: Vec<u8>,
    reopen_at: Option<usize>,
    lost: u64,
}

impl LogOutput {
    /// Opens the destination.
    ///
    /// # Errors
    /// The file cannot be opened; the message names it.
    pub fn open(to: &LogTo) -> Result<(Self, LogWriter), OutputError> {
        match to {
            LogTo::Stdout => Self::stream(&io::stdout(), "standard output"),
            #[cfg(test)]
            LogTo::Stderr => Self::stream(&io::stderr(), "standard error"),
            LogTo::File(path) => Ok(Self::with_sink(LineFormat::Json, Sink::file(path)?)),
        }
    }

    /// Uses the file descriptor itself, without the buffer and the lock of the standard library.
    fn stream(
        stream: &(impl AsFd + IsTerminal),
        name: &str,
    ) -> Result<(Self, LogWriter), OutputError> {
        let file = stream.as_fd().try_clone_to_owned();
        let file = file.map_err(|source| OutputError::new(Path::new(name), source))?;
        let format = if stream.is_terminal() {
            LineFormat::Human {
                colour: std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty()),
            }
        } else {
            LineFormat::Json
        };
        Ok(Self::with_sink(format, Sink::stream(file.into())))
    }

    pub(super) fn with_sink(format: LineFormat, sink: Sink) -> (Self, LogWriter) {
        let queue = Arc::new(LineQueue {
            state: Mutex::default(),
            has_work: Condvar::new(),
            has_progressed: Condvar::new(),
            totals: Arc::default(),
            recent: Arc::new(RecentLines::new(format)),
            node: OnceLock::new(),
        });
        let writer = LogWriter::new(format, sink, Arc::clone(&queue));
        (Self { format, queue }, writer)
    }

    pub fn format(&self) -> LineFormat {
        self.format
    }

    pub fn totals(&self) -> Arc<LogTotals> {
        Arc::clone(&self.queue.totals)
    }

    /// The last lines.
    pub fn recent(&self) -> Arc<RecentLines> {
        Arc::clone(&self.queue.recent)
    }

    /// The name of the process's only node, once it is set.
    pub(super) fn node(&self) -> &OnceLock<Arc<str>> {
        &self.queue.node
    }

    /// Appends whole lines, each with its `\n`. Never waits: lines without room are lost and counted.
    pub fn write(&self, lines: &[u8]) {
        let mut state = self.queue.state.lock();
        // After a lost line all others are lost too, until the writer takes the batch: there is one gap.
        if state.lost > 0 || state.lines.len() + lines.len() > QUEUE_BYTES_MAX {
            let lost = count_lines(lines);
            state.lost += lost;
            self.queue.totals.count_lost(lost);
        } else {
            state.lines.extend_from_slice(lines);
        }
        self.queue.has_work.notify_one();
    }

    /// Appends whole lines of the packet log, which waits up to `timeout` for room. `false`: there was none, and the
    /// caller counts the loss.
    pub fn write_bulk(&self, lines: &[u8], timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut state = self.queue.state.lock();
        while state.lost > 0 || state.lines.len() + lines.len() > BULK_BYTES_MAX {
            if self.queue.has_progressed.wait_until(&mut state, deadline).timed_out() {
                return false;
            }
        }
        state.lines.extend_from_slice(lines);
        self.queue.has_work.notify_one();
        true
    }

    /// Opens the file by its name again, because it may have been moved: lines appended before go to the old one. If
    /// that fails, the old one stays in use, and a line reports it.
    pub fn reopen(&self) {
        let mut state = self.queue.state.lock();
        let end = state.lines.len();
        state.reopen_at.get_or_insert(end);
        self.queue.has_work.notify_one();
    }

    /// Waits up to `timeout` until everything appended so far is written. `false`: something is not.
    pub fn flush(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut state = self.queue.state.lock();
        while state.has_unwritten() {
            if self.queue.has_progressed.wait_until(&mut state, deadline).timed_out() {
                return !state.has_unwritten();
            }
        }
        true
    }

    /// Ends the writer once everything is written.
    #[cfg(test)]
    pub fn close(&self) {
        self.queue.state.lock().is_closed = true;
        self.queue.has_work.notify_one();
    }
}

impl QueueState {
    fn has_work(&self) -> bool {
        !self.lines.is_empty() || self.lost > 0 || self.reopen_at.is_some()
    }

    fn has_unwritten(&self) -> bool {
        self.has_work() || self.is_writing
    }
}

impl LineQueue {
    /// Waits for the next batch, and reuses the buffer of the one that is written. `None`: closed.
    fn next_batch(&self, mut written: LineBatch) -> Option<LineBatch> {
        written.lines.clear();
        let mut state = self.state.lock();
        state.is_writing = false;
        self.has_progressed.notify_all();
        while !state.has_work() {
            if state.is_closed {
                return None;
            }
            self.has_work.wait(&mut state);
        }
        state.is_writing = true;
        let lines = std::mem::replace(&mut state.lines, written.lines);
        let batch = LineBatch {
            lines,
            reopen_at: state.reopen_at.take(),
            lost: std::mem::take(&mut state.lost),
        };
        // There is room again.
        self.has_progressed.notify_all();
        Some(batch)
    }
}

#[cfg(test)]
mod tests;
