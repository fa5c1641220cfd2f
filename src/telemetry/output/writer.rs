//! The log's thread: writes the lines that [`LogOutput`](super::LogOutput) queues. It alone waits for a slow reader, a
//! full pipe or a hung disk.

use std::error::Error;
use std::sync::Arc;

use tracing::Level;

use super::sink::Sink;
use super::{LineBatch, LineQueue};
use crate::telemetry::format::{LineFields, LineFormat, LineHead, put_line};

/// The target of the thread's own lines.
const TARGET: &str = "telemetry";

/// The work of the log's thread.
#[derive(Debug)]
pub struct LogWriter {
    format: LineFormat,
    sink: Sink,
    queue: Arc<LineQueue>,
    /// Lines that were lost and that no line has reported yet.
    unreported_lost: u64,
}

impl LogWriter {
    pub(super) fn new(format: LineFormat, sink: Sink, queue: Arc<LineQueue>) -> Self {
        Self { format, sink, queue, unreported_lost: 0 }
    }

    /// Writes for as long as the log is open. Blocks: run it on a thread of its own.
    pub fn run(mut self) {
        let mut batch = LineBatch::default();
        while let Some(next) = self.queue.next_batch(batch) {
            self.write_batch(&next);
            batch = next;
        }
    }

    fn write_batch(&mut self, batch: &LineBatch) {
        // Lines that a failed write lost would stand here.
        self.report_loss();
        let (before, after) =
            batch.lines.split_at(batch.reopen_at.unwrap_or(0).min(batch.lines.len()));
        self.write(before);
        if batch.reopen_at.is_some()
            && let Err(error) = self.sink.reopen()
        {
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            let line = self.line(Level::ERROR, "the log file cannot be opened again", |fields| {
                fields.put_formatted("error", format_args!("{error}: {cause}"));
            });
            self.write(&line);
        }
        self.write(after);
        self.unreported_lost += batch.lost;
        self.report_loss();
    }

    fn write(&mut self, lines: &[u8]) {
        // First, because a write may hang.
        self.queue.recent.add(lines);
        let lost = self.sink.write(lines);
        self.queue.totals.count_lost(lost);
        self.unreported_lost += lost;
    }

    fn report_loss(&mut self) {
        if self.unreported_lost == 0 {
            return;
        }
        let message = "log lines lost: there was no room for them, or a write failed";
        let line = self.line(Level::WARN, message, |fields| {
            fields.put_integer("lines", self.unreported_lost);
        });
        // If this line cannot be written either, the next batch reports the loss.
        if self.sink.write(&line) == 0 {
            self.queue.recent.add(&line);
            self.unreported_lost = 0;
        }
    }

    fn line(
        &self,
        level: Level,
        message: &str,
        put_fields: impl FnOnce(&mut LineFields<'_>),
    ) -> Vec<u8> {
        let node = self.queue.node.get().map(|name| &**name);
        let mut out = Vec::new();
        let head = LineHead { level, node, target: TARGET };
        put_line(&mut out, self.format, head, message.as_bytes(), put_fields);
        out
    }
}
