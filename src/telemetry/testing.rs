//! A place for lines that tests can read, fill up and block.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::output::LogOutput;
use super::sink::Sink;
use super::text::LineFormat;

/// A test that waits longer for the log's thread has found a defect.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Lines in memory. Copies are the same memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory(Arc<(Mutex<Contents>, Condvar)>);

#[derive(Debug, Default)]
struct Contents {
    bytes: Vec<u8>,
    /// Bytes that are taken before one write fails.
    room: Option<usize>,
    blocked: bool,
    /// A write waits.
    waiting: bool,
}

impl Memory {
    /// Takes so many bytes, and then fails once.
    pub(super) fn with_room(room: usize) -> Self {
        let memory = Memory::default();
        memory.0.0.lock().room = Some(room);
        memory
    }

    /// From now on a write does not return, or does again.
    pub(super) fn block(&self, blocked: bool) {
        self.0.0.lock().blocked = blocked;
        self.0.1.notify_all();
    }

    /// Until a write waits.
    pub(super) fn await_blocked_write(&self) {
        let mut contents = self.0.0.lock();
        while !contents.waiting {
            assert!(!self.0.1.wait_for(&mut contents, PATIENCE).timed_out(), "nothing is written");
        }
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().bytes.clone()).unwrap()
    }

    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut contents = self.0.0.lock();
        while contents.blocked {
            contents.waiting = true;
            self.0.1.notify_all();
            self.0.1.wait(&mut contents);
        }
        contents.waiting = false;
        let count = match contents.room {
            Some(0) => {
                contents.room = None;
                return Err(io::Error::other("disk full"));
            }
            Some(left) => {
                let count = bytes.len().min(left);
                contents.room = Some(left - count);
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
    pub(super) memory: Memory,
}

impl MemoryLog {
    pub(super) fn new(format: LineFormat) -> Self {
        Self::over(format, Memory::default())
    }

    pub(super) fn over(format: LineFormat, memory: Memory) -> Self {
        let (output, writer) = LogOutput::over(format, Sink::memory(memory.clone()));
        std::thread::spawn(move || writer.run());
        MemoryLog { output, memory }
    }

    /// All that was logged.
    pub(super) fn written(&self) -> String {
        assert!(self.output.flush(PATIENCE), "the log's thread hangs");
        self.memory.text()
    }
}

impl Drop for MemoryLog {
    fn drop(&mut self) {
        self.memory.block(false);
        self.output.close();
    }
}
