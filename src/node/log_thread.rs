//! The thread that writes the log. It starts before any node and outlives all of them.

use std::io;
use std::time::Duration;

use crate::telemetry::{LogWriter, Logs};

/// How long the end of the process waits for lines that are not written yet. A reader that has stopped reading does not
/// keep the process.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

/// The running log. Dropped, it waits for a bounded time until all lines are written, also while the program panics.
#[derive(Debug)]
pub struct LogThread(Logs);

impl LogThread {
    /// Writes what is logged, from now to the end of the process.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn start(logs: &Logs, writer: LogWriter) -> io::Result<Self> {
        std::thread::Builder::new().name("log".to_owned()).spawn(move || writer.run())?;
        Ok(LogThread(logs.clone()))
    }
}

impl Drop for LogThread {
    fn drop(&mut self) {
        // Nothing more can be done for lines that could not be written.
        let _ = self.0.output().flush(FLUSH_WITHIN);
    }
}
