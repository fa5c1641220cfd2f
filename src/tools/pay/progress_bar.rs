//! How a payment goes on: one line that is drawn over on a terminal, otherwise a line every few seconds.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use super::super::wait_notes::note;
use super::stall::Stall;
use crate::config::Environment;
use crate::console::{format_duration, grouped, per_second, percent};
use crate::stream::PaymentProgress;

/// How often a terminal is drawn over.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// How often a line is printed elsewhere.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Characters of the bar itself.
const WIDTH: u64 = 30;
/// Back to the beginning of the line, which is cleared.
const OVER: &str = "\r\x1b[K";

/// Shows progress, and why there is none.
#[derive(Debug)]
pub(super) struct Bar {
    form: Form,
    stall: Stall,
}

#[derive(Debug)]
enum Form {
    /// On a terminal; whether something is drawn.
    Drawn(bool),
    /// Elsewhere; when the next line is due.
    Lines(Duration),
    /// Where the output is for programs.
    None,
}

impl Bar {
    pub(super) fn new(json: bool, environment: &Environment, stall: Stall) -> Self {
        let term = environment.get("TERM").map_or("", String::as_str);
        let form = match json {
            true => Form::None,
            false if io::stdout().is_terminal() && !["", "dumb"].contains(&term) => {
                Form::Drawn(false)
            }
            false => Form::Lines(LINE_EVERY),
        };
        Bar { form, stall }
    }

    pub(super) fn show(
        &mut self,
        progress: &PaymentProgress,
        after: Duration,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let why = self.stall.look(progress, after);
        match (&mut self.form, why) {
            (Form::None, Some(why)) => note(why),
            (Form::None, None) => {}
            (Form::Drawn(drawn), why) => {
                *drawn = true;
                write!(out, "{OVER}")?;
                if let Some(why) = why {
                    writeln!(out, "{why}")?;
                }
                write!(out, "{} {}", bar(progress), line(progress, after))?;
            }
            (Form::Lines(due), why) => {
                if let Some(why) = why {
                    writeln!(out, "{why}")?;
                }
                if after >= *due {
                    *due = after + LINE_EVERY;
                    writeln!(out, "{} {}", format_duration(after), line(progress, after))?;
                }
            }
        }
        out.flush()
    }

    /// Makes room for what comes next.
    pub(super) fn clear(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if let Form::Drawn(true) = self.form {
            write!(out, "{OVER}")?;
        }
        Ok(())
    }
}

fn bar(progress: &PaymentProgress) -> String {
    let share = u128::from(progress.sent) * u128::from(WIDTH);
    let done = share.checked_div(progress.total.into()).unwrap_or(0);
    let done = usize::try_from(done).unwrap_or_default();
    let left = usize::try_from(WIDTH).unwrap_or_default().saturating_sub(done);
    format!("[{}{}]", "#".repeat(done), " ".repeat(left))
}

fn line(progress: &PaymentProgress, after: Duration) -> String {
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
