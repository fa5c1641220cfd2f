//! Where log lines go: into a bounded queue that a thread of its own writes out ([`LogWriter`]).
//!
//! Nothing waits for the log. Appending a line takes a lock for the time of a copy; a line that finds no room is lost
//! and counted, and the writer says in a line of its own how many were lost, where they would have stood. Lines are
//! whole, and those of different threads never mix: the packet log appends to the same queue.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::log_writer::LogWriter;
use super::sink::{Sink, count_lines};
use super::text::LineFormat;

/// Bytes of lines that wait to be written. As many again may be in the hands of the writer.
pub(super) const QUEUE_BYTES_MAX: usize = 1024 * 1024;
/// Of these, what lines in bulk may take: the packet log must not leave all others without room.
const BULK_BYTES_MAX: usize = QUEUE_BYTES_MAX / 2;

/// Where lines are to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTo {
    /// Standard output: JSON, or text for eyes if it is a terminal.
    Stdout,
    /// Standard error, for tests, whose output is read by programs.
    #[cfg(test)]
    Stderr,
    /// To the end of a file, which is made if it is missing: JSON.
    File(PathBuf),
}

/// The log file cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the log to {}", place.display())]
pub struct OutputError {
    place: PathBuf,
    source: io::Error,
}

impl OutputError {
    pub(super) fn new(place: &Path, source: io::Error) -> Self {
        OutputError { place: place.to_owned(), source }
    }
}

/// The stream of log lines. Copies append to the same stream.
#[derive(Debug, Clone)]
pub struct LogOutput {
    format: LineFormat,
    shared: Arc<LineQueue>,
}

/// What the log has done since the start.
#[derive(Debug, Default)]
pub struct LogTotals {
    lost: AtomicU64,
}

impl LogTotals {
    /// Lines that were not written: there was no room for them, or a write failed.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn count_lost(&self, lines: u64) {
        self.lost.fetch_add(lines, Ordering::Relaxed);
    }
}

/// What the copies of an [`LogOutput`] and its writer share.
#[derive(Debug)]
pub(super) struct LineQueue {
    queue: Mutex<Queue>,
    /// The writer has something to do.
    work: Condvar,
    /// The writer has taken what was queued, or has written it.
    progress: Condvar,
    pub(super) totals: Arc<LogTotals>,
    /// The process's only node, for the writer's own lines.
    pub(super) node: Arc<OnceLock<Arc<str>>>,
}

#[derive(Debug, Default)]
struct Queue {
    lines: Vec<u8>,
    /// Lines that found no room behind these.
    lost: u64,
    /// Before this byte the file is opened again.
    reopen_at: Option<usize>,
    writing: bool,
    closed: bool,
}

/// What the writer takes at a time.
#[derive(Debug, Default)]
pub(super) struct LineBatch {
    pub(super) lines: Vec<u8>,
    pub(super) reopen_at: Option<usize>,
    pub(super) lost: u64,
}

impl LogOutput {
    /// Opens the stream.
    ///
    /// # Errors
    /// The file cannot be opened; the text names it.
    pub fn open(to: &LogTo) -> Result<(Self, LogWriter), OutputError> {
        match to {
            LogTo::Stdout => Self::stream(&io::stdout(), "standard output"),
            #[cfg(test)]
            LogTo::Stderr => Self::stream(&io::stderr(), "standard error"),
            LogTo::File(path) => Ok(Self::over(LineFormat::Json, Sink::file(path)?)),
        }
    }

    /// The file descriptor itself, past the buffer and the lock of the standard library.
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
        Ok(Self::over(format, Sink::stream(file.into())))
    }

    pub(super) fn over(format: LineFormat, sink: Sink) -> (Self, LogWriter) {
        let shared = Arc::new(LineQueue {
            queue: Mutex::default(),
            work: Condvar::new(),
            progress: Condvar::new(),
            totals: Arc::default(),
            node: Arc::default(),
        });
        let writer = LogWriter::new(format, sink, Arc::clone(&shared));
        (Self { format, shared }, writer)
    }

    /// How lines for this stream are to be written.
    pub fn format(&self) -> LineFormat {
        self.format
    }

    /// What was lost so far.
    pub fn totals(&self) -> Arc<LogTotals> {
        Arc::clone(&self.shared.totals)
    }

    /// Shared with whoever names the process's only node.
    pub(super) fn node(&self) -> Arc<OnceLock<Arc<str>>> {
        Arc::clone(&self.shared.node)
    }

    /// Appends whole lines, `\n` at their end included. Never waits: lines without room are lost and counted.
    pub fn write(&self, lines: &[u8]) {
        let mut queue = self.shared.queue.lock();
        // Once a line is lost so are those behind it, until the writer takes the queue: the gap is in one place.
        if queue.lost > 0 || queue.lines.len() + lines.len() > QUEUE_BYTES_MAX {
            let lost = count_lines(lines);
            queue.lost += lost;
            self.shared.totals.count_lost(lost);
        } else {
            queue.lines.extend_from_slice(lines);
        }
        self.shared.work.notify_one();
    }

    /// Appends whole lines if they leave room for lines of others within `patience`. For a thread of its own, which
    /// counts what it could not get rid of: `false`.
    pub fn write_bulk(&self, lines: &[u8], patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let mut queue = self.shared.queue.lock();
        while queue.lost > 0 || queue.lines.len() + lines.len() > BULK_BYTES_MAX {
            if self.shared.progress.wait_until(&mut queue, deadline).timed_out() {
                return false;
            }
        }
        queue.lines.extend_from_slice(lines);
        self.shared.work.notify_one();
        true
    }

    /// Has the file opened by its name again, after it was moved away: what was appended before goes to the old one.
    /// The old one stays in use if that fails, and a line says so.
    pub fn reopen(&self) {
        let mut queue = self.shared.queue.lock();
        let here = queue.lines.len();
        queue.reopen_at.get_or_insert(here);
        self.shared.work.notify_one();
    }

    /// Waits until everything is written that was appended before, at most so long. `false`: something is not.
    pub fn flush(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let mut queue = self.shared.queue.lock();
        while queue.has_work() || queue.writing {
            if self.shared.progress.wait_until(&mut queue, deadline).timed_out() {
                return !(queue.has_work() || queue.writing);
            }
        }
        true
    }

    /// The writer ends when it has written what there is.
    #[cfg(test)]
    pub fn close(&self) {
        self.shared.queue.lock().closed = true;
        self.shared.work.notify_one();
    }
}

impl Queue {
    fn has_work(&self) -> bool {
        !self.lines.is_empty() || self.lost > 0 || self.reopen_at.is_some()
    }
}

impl LineQueue {
    /// For the writer: gives back the batch that is written, and waits for the next one. `None`: closed.
    pub(super) fn next(&self, mut done: LineBatch) -> Option<LineBatch> {
        done.lines.clear();
        let mut queue = self.queue.lock();
        queue.writing = false;
        self.progress.notify_all();
        while !queue.has_work() {
            if queue.closed {
                return None;
            }
            self.work.wait(&mut queue);
        }
        queue.writing = true;
        let lines = std::mem::replace(&mut queue.lines, done.lines);
        let batch = LineBatch {
            lines,
            reopen_at: queue.reopen_at.take(),
            lost: std::mem::take(&mut queue.lost),
        };
        // There is room again.
        self.progress.notify_all();
        Some(batch)
    }
}

#[cfg(test)]
mod tests;
