//! Where log lines go. One write takes one or more whole lines, under one lock, so that lines of different threads never
//! mix: the packet log writes to the same place as everybody else.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::text::Format;

/// Between two attempts to write to a stream that takes nothing.
const RETRY: Duration = Duration::from_millis(1);

/// Where lines are to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTo {
    /// Standard output: JSON, or text for eyes if it is a terminal.
    Stdout,
    /// Standard error, for commands whose output is something else than the log. As above.
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

/// The stream of log lines. Copies write to the same stream.
#[derive(Debug, Clone)]
pub struct Output {
    format: Format,
    sink: Arc<Mutex<Sink>>,
}

#[derive(Debug)]
struct Sink {
    to: To,
    /// The last write failed in the middle of a line.
    torn: bool,
}

#[derive(Debug)]
enum To {
    Stream(File),
    File(File, PathBuf),
    #[cfg(test)]
    Memory(Vec<u8>),
    /// Takes so many bytes and then fails once.
    #[cfg(test)]
    Failing(Vec<u8>, Option<usize>),
}

impl Output {
    /// Opens the stream.
    ///
    /// # Errors
    /// The file cannot be opened; the text names it.
    pub fn open(to: &LogTo) -> Result<Self, OutputError> {
        match to {
            LogTo::Stdout => Self::stream(&io::stdout(), "standard output"),
            LogTo::Stderr => Self::stream(&io::stderr(), "standard error"),
            LogTo::File(path) => {
                Ok(Self::new(Format::Json, To::File(open_file(path)?, path.clone())))
            }
        }
    }

    /// The file descriptor itself, past the buffer and the lock of the standard library: ours are enough.
    fn stream(stream: &(impl AsFd + IsTerminal), name: &str) -> Result<Self, OutputError> {
        let file = stream.as_fd().try_clone_to_owned().map(File::from);
        let file = file.map_err(|source| OutputError { place: name.into(), source })?;
        let format = if stream.is_terminal() {
            Format::Human { colour: std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty()) }
        } else {
            Format::Json
        };
        Ok(Self::new(format, To::Stream(file)))
    }

    fn new(format: Format, to: To) -> Self {
        Self { format, sink: Arc::new(Mutex::new(Sink { to, torn: false })) }
    }

    /// How lines for this stream are to be written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Writes whole lines, `\n` at their end included. What cannot be written is lost: there is nobody to tell.
    pub fn write(&self, lines: &[u8]) {
        self.sink.lock().write(lines);
    }

    /// Opens the file by its name again, after it was moved away. The old one stays in use if that fails.
    ///
    /// # Errors
    /// As for [`Output::open`].
    pub fn reopen(&self) -> Result<(), OutputError> {
        let mut sink = self.sink.lock();
        if let To::File(file, path) = &mut sink.to {
            *file = open_file(path)?;
            sink.torn = false;
        }
        Ok(())
    }
}

fn open_file(path: &Path) -> Result<File, OutputError> {
    let opened = OpenOptions::new().append(true).create(true).open(path);
    opened.map_err(|source| OutputError { place: path.to_owned(), source })
}

impl Sink {
    fn write(&mut self, lines: &[u8]) {
        if self.torn && self.write_all(b"\n").1.is_err() {
            return;
        }
        let (written, result) = self.write_all(lines);
        let last = written.checked_sub(1).and_then(|last| lines.get(last));
        self.torn = result.is_err() && last.is_some_and(|last| *last != b'\n');
    }

    /// As `Write::write_all`, but tells how far it came.
    fn write_all(&mut self, bytes: &[u8]) -> (usize, io::Result<()>) {
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match self.to.write(rest) {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => written += count,
                // A pipe that somebody else made non-blocking: wait for its reader, as if it were not.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::park_timeout(RETRY);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (written, Err(error)),
            }
        }
        (written, Ok(()))
    }
}

impl To {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            To::Stream(file) | To::File(file, _) => file.write(bytes),
            #[cfg(test)]
            To::Memory(memory) => memory.write(bytes),
            #[cfg(test)]
            To::Failing(memory, room) => match *room {
                Some(0) => {
                    *room = None;
                    Err(io::Error::other("disk full"))
                }
                Some(left) => {
                    let count = bytes.len().min(left);
                    *room = Some(left - count);
                    memory.write(&bytes[..count])
                }
                None => memory.write(bytes),
            },
        }
    }
}

#[cfg(test)]
impl Output {
    /// A stream that tests can read.
    pub(super) fn memory(format: Format) -> Self {
        Self::new(format, To::Memory(Vec::new()))
    }

    /// What was written so far.
    pub(super) fn written(&self) -> String {
        match &self.sink.lock().to {
            To::Memory(memory) | To::Failing(memory, _) => {
                String::from_utf8(memory.clone()).unwrap()
            }
            To::Stream(_) | To::File(..) => panic!("not a stream of a test"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_after_a_torn_one_begins_anew() {
        for (room, expected) in [
            (0, "second\nthird\n"),
            (3, "fir\nsecond\nthird\n"),
            (6, "first\nthird\n"),
            (8, "first\nse\nthird\n"),
        ] {
            let output = Output::new(Format::Json, To::Failing(Vec::new(), Some(room)));
            output.write(b"first\n");
            output.write(b"second\n");
            output.write(b"third\n");
            assert_eq!(output.written(), expected, "{room} bytes fit");
        }
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let (path, moved) = (directory.path().join("log"), directory.path().join("log.1"));
        std::fs::write(&path, "before\n").unwrap();
        let output = Output::open(&LogTo::File(path.clone())).unwrap();
        assert_eq!(output.format(), Format::Json);
        output.write(b"one\n");
        std::fs::rename(&path, &moved).unwrap();
        output.write(b"two\n");
        output.reopen().unwrap();
        output.write(b"three\n");
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "before\none\ntwo\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("missing").join("log");
        let error = Output::open(&LogTo::File(path.clone())).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot write the log to {}", path.display()));
        assert_eq!(error.source.kind(), io::ErrorKind::NotFound);
    }
}
