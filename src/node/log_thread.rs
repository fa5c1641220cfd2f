//! The thread that writes the log. It starts before any node and outlives all of them.

use std::io;
use std::time::Duration;

use crate::telemetry::{LogWriter, Logs};

/// How long the end of the process waits until all lines are written: a reader that has stopped must not block it.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The running log. Dropping it waits for a bounded time until all lines are written, also during a panic.
#[derive(Debug)]
pub struct LogThread(Logs);

impl LogThread {
    /// Starts the thread, which runs until the process ends.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn start(logs: &Logs, writer: LogWriter) -> io::Result<Self> {
        std::thread::Builder::new().name("log".to_owned()).spawn(move || writer.run())?;
        Ok(Self(logs.clone()))
    }
}

impl Drop for LogThread {
    fn drop(&mut self) {
        // The process ends: lines that are not written by now are lost.
        let _ = self.0.output().flush(FLUSH_TIMEOUT);
    }
}
