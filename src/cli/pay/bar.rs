//! How a payment goes on: one line that is drawn over on a terminal, otherwise a line every few seconds.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::cli::text::{grouped, lasting, per_second, percent};
use crate::config::Environment;
use crate::stream::Progress;

/// How often a terminal is drawn over.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// How often a line is printed elsewhere.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Characters of the bar itself.
const WIDTH: u64 = 30;
/// Back to the beginning of the line, which is cleared.
const OVER: &str = "\r\x1b[K";

/// Shows progress.
#[derive(Debug)]
pub(super) enum Bar {
    /// On a terminal; whether something is drawn.
    Drawn(bool),
    /// Elsewhere; when the next line is due.
    Lines(Duration),
    /// Where the output is for programs.
    None,
}

impl Bar {
    pub(super) fn new(json: bool, environment: &Environment) -> Self {
        let term = environment.get("TERM").map_or("", String::as_str);
        match json {
            true => Bar::None,
            false if io::stdout().is_terminal() && !["", "dumb"].contains(&term) => {
                Bar::Drawn(false)
            }
            false => Bar::Lines(LINE_EVERY),
        }
    }

    pub(super) fn show(
        &mut self,
        progress: &Progress,
        after: Duration,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match self {
            Bar::None => return Ok(()),
            Bar::Drawn(drawn) => {
                *drawn = true;
                write!(out, "{OVER}{} {}", bar(progress), line(progress, after))?;
            }
            Bar::Lines(due) if after >= *due => {
                *due = after + LINE_EVERY;
                writeln!(out, "{} {}", lasting(after), line(progress, after))?;
            }
            Bar::Lines(_) => return Ok(()),
        }
        out.flush()
    }

    /// Makes room for what comes next.
    pub(super) fn clear(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if let Bar::Drawn(true) = self {
            write!(out, "{OVER}")?;
        }
        Ok(())
    }
}

fn bar(progress: &Progress) -> String {
    let share = u128::from(progress.sent) * u128::from(WIDTH);
    let done = share.checked_div(progress.total.into()).unwrap_or(0);
    let done = usize::try_from(done).unwrap_or_default();
    let left = usize::try_from(WIDTH).unwrap_or_default().saturating_sub(done);
    format!("[{}{}]", "#".repeat(done), " ".repeat(left))
}

fn line(progress: &Progress, after: Duration) -> String {
    format!(
        "{}: {} sent, {} delivered, {} packets, {} packets/s, {} units in flight",
        percent(progress.sent, progress.total),
        grouped(progress.sent),
        grouped(progress.delivered),
        grouped(progress.fulfilled),
        grouped(per_second(progress.fulfilled, after)),
        grouped(progress.in_flight),
    )
}
