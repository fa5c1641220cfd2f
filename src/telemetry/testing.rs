//! A log in memory that tests can read, fill and block.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::format::LineFormat;
use super::output::{LogOutput, Sink};

/// A test that waits longer for the log's thread fails.
pub(super) const TIMEOUT: Duration = Duration::from_secs(20);

/// A sink in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct MemorySink(Arc<(Mutex<Contents>, Condvar)>);

#[derive(Debug, Default)]
struct Contents {
    bytes: Vec<u8>,
    /// Bytes that are accepted before one write fails.
    bytes_until_failure: Option<usize>,
    is_blocked: bool,
    is_write_waiting: bool,
}

impl MemorySink {
    /// Accepts this many bytes, and then fails once.
    pub(super) fn failing_after(bytes: usize) -> Self {
        let memory = Self::default();
        memory.0.0.lock().bytes_until_failure = Some(bytes);
        memory
    }

    /// From now on writes block, or no longer do.
    pub(super) fn set_blocked(&self, is_blocked: bool) {
        self.0.0.lock().is_blocked = is_blocked;
        self.0.1.notify_all();
    }

    pub(super) fn wait_for_blocked_write(&self) {
        let mut contents = self.0.0.lock();
        while !contents.is_write_waiting {
            assert!(!self.0.1.wait_for(&mut contents, TIMEOUT).timed_out(), "nothing is written");
        }
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().bytes.clone()).unwrap()
    }

    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut contents = self.0.0.lock();
        while contents.is_blocked {
            contents.is_write_waiting = true;
            self.0.1.notify_all();
            self.0.1.wait(&mut contents);
        }
        contents.is_write_waiting = false;
        let count = match contents.bytes_until_failure {
            Some(0) => {
                contents.bytes_until_failure = None;
                return Err(io::Error::other("disk full"));
            }
            Some(left) => {
                let count = bytes.len().min(left);
                contents.bytes_until_failure = Some(left - count);
                count
            }
            None => bytes.len(),
        };
        contents.bytes.extend_from_slice(&bytes[..count]);
        Ok(count)
    }
}

/// A log in memory with its thread.
pub(super) struct MemoryLog {
    pub(super) output: LogOutput,
    pub(super) memory: MemorySink,
}

impl MemoryLog {
    pub(super) fn new(format: LineFormat) -> Self {
        Self::with_sink(format, MemorySink::default())
    }

    pub(super) fn with_sink(format: LineFormat, memory: MemorySink) -> Self {
        let (output, writer) = LogOutput::with_sink(format, Sink::memory(memory.clone()));
        std::thread::spawn(move || writer.run());
        Self { output, memory }
    }

    /// A log whose thread waits until its first line can be written.
    pub(super) fn blocked() -> Self {
        let log = Self::new(LineFormat::Json);
        log.memory.set_blocked(true);
        log.output.write(b"being written\n");
        log.memory.wait_for_blocked_write();
        log
    }

    pub(super) fn written(&self) -> String {
        assert!(self.output.flush(TIMEOUT), "the log's thread hangs");
        self.memory.text()
    }
}

impl Drop for MemoryLog {
    fn drop(&mut self) {
        self.memory.set_blocked(false);
        self.output.close();
    }
}
