//! The place that lines are written to: a stream or a file. Only the log's thread writes, so a write may block.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::output::OutputError;

/// Between two attempts to write to a stream that takes nothing.
const RETRY: Duration = Duration::from_millis(1);

/// An open place for lines.
#[derive(Debug)]
pub(super) struct Sink {
    to: To,
    /// The last write failed in the middle of a line.
    torn: bool,
}

#[derive(Debug)]
enum To {
    Stream(File),
    File(File, PathBuf),
    #[cfg(test)]
    Memory(super::testing::Memory),
}

impl Sink {
    /// A stream that the process has already.
    pub(super) fn stream(stream: File) -> Self {
        Self::new(To::Stream(stream))
    }

    /// The end of a file, which is made if it is missing.
    pub(super) fn file(path: &Path) -> Result<Self, OutputError> {
        Ok(Self::new(To::File(open_file(path)?, path.to_owned())))
    }

    #[cfg(test)]
    pub(super) fn memory(memory: super::testing::Memory) -> Self {
        Self::new(To::Memory(memory))
    }

    fn new(to: To) -> Self {
        Self { to, torn: false }
    }

    /// Opens the file by its name again, after it was moved away. The old one stays in use if that fails.
    pub(super) fn reopen(&mut self) -> Result<(), OutputError> {
        if let To::File(file, path) = &mut self.to {
            *file = open_file(path)?;
            self.torn = false;
        }
        Ok(())
    }

    /// Writes whole lines. Returns how many of them were not written in full.
    pub(super) fn write(&mut self, lines: &[u8]) -> u64 {
        if self.torn && self.write_all(b"\n").1.is_err() {
            return count_lines(lines);
        }
        let (written, result) = self.write_all(lines);
        let last = written.checked_sub(1).and_then(|last| lines.get(last));
        self.torn = result.is_err() && last.is_some_and(|last| *last != b'\n');
        count_lines(lines.get(written..).unwrap_or_default())
    }

    /// As `Write::write_all`, but tells how far it came.
    fn write_all(&mut self, bytes: &[u8]) -> (usize, io::Result<()>) {
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match self.to.write(rest) {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => written += count,
                // A pipe that another process made non-blocking: wait for its reader, as if it were blocking.
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
        }
    }
}

/// How many lines end in these bytes.
pub(super) fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

fn open_file(path: &Path) -> Result<File, OutputError> {
    let opened = OpenOptions::new().append(true).create(true).open(path);
    opened.map_err(|source| OutputError::new(path, source))
}
