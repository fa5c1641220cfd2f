//! The stream or file that lines are written to. Only the log's thread writes, so a write may block.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::OutputError;

/// The delay between two attempts to write to a full non-blocking stream.
const RETRY_DELAY: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(in crate::telemetry) struct Sink {
    target: SinkTarget,
    /// The last write failed in the middle of a line.
    is_torn: bool,
}

#[derive(Debug)]
enum SinkTarget {
    Stream(File),
    File(File, PathBuf),
    #[cfg(test)]
    Memory(crate::telemetry::testing::MemorySink),
}

impl Sink {
    pub(super) fn stream(stream: File) -> Self {
        Self::new(SinkTarget::Stream(stream))
    }

    /// Appends to a file, which is created if it is missing.
    pub(super) fn file(path: &Path) -> Result<Self, OutputError> {
        Ok(Self::new(SinkTarget::File(open_file(path)?, path.to_owned())))
    }

    #[cfg(test)]
    pub(in crate::telemetry) fn memory(memory: crate::telemetry::testing::MemorySink) -> Self {
        Self::new(SinkTarget::Memory(memory))
    }

    fn new(target: SinkTarget) -> Self {
        Self { target, is_torn: false }
    }

    /// Opens the file by its name again, because it may have been moved. If that fails, the old one stays in use.
    pub(super) fn reopen(&mut self) -> Result<(), OutputError> {
        if let SinkTarget::File(file, path) = &mut self.target {
            *file = open_file(path)?;
            self.is_torn = false;
        }
        Ok(())
    }

    /// Writes whole lines. Returns how many were lost or torn.
    pub(super) fn write(&mut self, lines: &[u8]) -> u64 {
        if self.is_torn && self.write_all(b"\n").1.is_err() {
            return count_lines(lines);
        }
        let (written, result) = self.write_all(lines);
        let last = written.checked_sub(1).and_then(|last| lines.get(last));
        self.is_torn = result.is_err() && last.is_some_and(|last| *last != b'\n');
        count_lines(lines.get(written..).unwrap_or_default())
    }

    /// Like `Write::write_all`, but also returns the number of bytes written.
    fn write_all(&mut self, bytes: &[u8]) -> (usize, io::Result<()>) {
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match self.target.write(rest) {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => written += count,
                // Another process made the pipe non-blocking: wait for its reader.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::park_timeout(RETRY_DELAY);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (written, Err(error)),
            }
        }
        (written, Ok(()))
    }
}

impl SinkTarget {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stream(file) | Self::File(file, _) => file.write(bytes),
            #[cfg(test)]
            Self::Memory(memory) => memory.write(bytes),
        }
    }
}

/// The number of line ends in these bytes.
pub(super) fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

fn open_file(path: &Path) -> Result<File, OutputError> {
    let opened = OpenOptions::new().append(true).create(true).open(path);
    opened.map_err(|source| OutputError::new(path, source))
}
