//! The log's thread: writes what [`LogOutput`](super::output::LogOutput) queues. It is the only one that waits for a slow reader, a
//! full pipe or a hung disk.

use std::error::Error;
use std::sync::Arc;

use tracing::Level;

use super::event::time_now;
use super::line::{self, LineHead};
use super::output::{LineBatch, LineQueue};
use super::sink::Sink;
use super::text::{LineFields, LineFormat};

/// What the thread's own lines have as their target.
const TARGET: &str = "telemetry";

/// The thread's work.
#[derive(Debug)]
pub struct LogWriter {
    format: LineFormat,
    sink: Sink,
    shared: Arc<LineQueue>,
    /// Lines that were lost and that no line has told of yet.
    lost: u64,
}

impl LogWriter {
    pub(super) fn new(format: LineFormat, sink: Sink, shared: Arc<LineQueue>) -> Self {
        LogWriter { format, sink, shared, lost: 0 }
    }

    /// Writes for as long as the log is open. Blocks; for a thread of its own.
    pub fn run(mut self) {
        let mut batch = LineBatch::default();
        while let Some(next) = self.shared.next(batch) {
            self.write_batch(&next);
            batch = next;
        }
    }

    fn write_batch(&mut self, batch: &LineBatch) {
        // Lines that a failed write took stood here.
        self.tell_loss();
        let (before, after) =
            batch.lines.split_at(batch.reopen_at.unwrap_or(0).min(batch.lines.len()));
        self.write(before);
        if batch.reopen_at.is_some()
            && let Err(error) = self.sink.reopen()
        {
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            let line = self.line(Level::ERROR, "the log file cannot be opened again", |fields| {
                fields.formatted("error", format_args!("{error}: {cause}"));
            });
            self.write(&line);
        }
        self.write(after);
        self.lost += batch.lost;
        self.tell_loss();
    }

    fn write(&mut self, lines: &[u8]) {
        let lost = self.sink.write(lines);
        self.shared.totals.count_lost(lost);
        self.lost += lost;
    }

    fn tell_loss(&mut self) {
        if self.lost == 0 {
            return;
        }
        let lost = self.lost;
        let what = "log lines lost: there was no room for them, or a write failed";
        let line = self.line(Level::WARN, what, |fields| {
            fields.bare("lines", itoa::Buffer::new().format(lost));
        });
        // If this cannot be written either, the next batch tells.
        if self.sink.write(&line) == 0 {
            self.lost = 0;
        }
    }

    fn line(
        &self,
        level: Level,
        message: &str,
        fields: impl FnOnce(&mut LineFields<'_>),
    ) -> Vec<u8> {
        let (mut out, format) = (Vec::new(), self.format);
        let node = self.shared.node.get().map(|name| &**name);
        line::put_time(&mut out, format, &time_now());
        line::put_head(&mut out, format, LineHead { level, node, target: TARGET });
        out.extend_from_slice(message.as_bytes());
        line::end_message(&mut out, format);
        fields(&mut LineFields { out: &mut out, format });
        line::end(&mut out, format);
        out
    }
}
