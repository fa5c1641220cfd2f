//! The progress of a payment: on a terminal one line that is redrawn, otherwise a line every few seconds.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use super::stall::StallWatch;
use crate::config::Environment;
use crate::console::{format_duration, format_percent, group_digits, per_second};
use crate::stream::PaymentProgress;
use crate::tools::wait_notes::print_note;

pub(super) const REDRAW_INTERVAL: Duration = Duration::from_millis(100);
/// The interval of lines where the output is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// In characters.
const BAR_WIDTH: u64 = 30;
/// Moves to the start of the line and clears it.
const CLEAR_LINE: &str = "\r\x1b[K";

/// Shows the progress, and why there is none.
#[derive(Debug)]
pub(super) struct ProgressBar {
    style: BarStyle,
    stall: StallWatch,
}

#[derive(Debug)]
enum BarStyle {
    /// On a terminal. Whether a line is drawn.
    Drawn(bool),
    /// Elsewhere. When the next line is due.
    Lines(Duration),
    /// With `--json`: the output is for programs.
    None,
}

impl ProgressBar {
    pub(super) fn new(json: bool, environment: &Environment, stall: StallWatch) -> Self {
        let term = environment.get("TERM").map_or("", String::as_str);
        let style = match json {
            true => BarStyle::None,
            false if io::stdout().is_terminal() && !["", "dumb"].contains(&term) => {
                BarStyle::Drawn(false)
            }
            false => BarStyle::Lines(LINE_INTERVAL),
        };
        Self { style, stall }
    }

    pub(super) fn show(
        &mut self,
        progress: &PaymentProgress,
        after: Duration,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let why = self.stall.next_note(progress, after);
        match (&mut self.style, why) {
            (BarStyle::None, Some(why)) => print_note(why),
            (BarStyle::None, None) => {}
            (BarStyle::Drawn(drawn), why) => {
                *drawn = true;
                write!(out, "{CLEAR_LINE}")?;
                if let Some(why) = why {
                    writeln!(out, "{why}")?;
                }
                write!(out, "{} {}", draw_bar(progress), describe_progress(progress, after))?;
            }
            (BarStyle::Lines(due), why) => {
                if let Some(why) = why {
                    writeln!(out, "{why}")?;
                }
                if after >= *due {
                    *due = after + LINE_INTERVAL;
                    writeln!(
                        out,
                        "{} {}",
                        format_duration(after),
                        describe_progress(progress, after)
                    )?;
                }
            }
        }
        out.flush()
    }

    /// Clears the line.
    pub(super) fn clear(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if let BarStyle::Drawn(true) = self.style {
            write!(out, "{CLEAR_LINE}")?;
        }
        Ok(())
    }
}

fn draw_bar(progress: &PaymentProgress) -> String {
    let share = u128::from(progress.sent) * u128::from(BAR_WIDTH);
    let done = share.checked_div(progress.total.into()).unwrap_or(0);
    let done = usize::try_from(done).unwrap_or_default();
    let left = usize::try_from(BAR_WIDTH).unwrap_or_default().saturating_sub(done);
    format!("[{}{}]", "#".repeat(done), " ".repeat(left))
}

fn describe_progress(progress: &PaymentProgress, after: Duration) -> String {
    format!(
        "{}: {} sent, {} delivered, {} packets, {} packets/s, {} units in flight",
        format_percent(progress.sent, progress.total),
        group_digits(progress.sent),
        group_digits(progress.delivered),
        group_digits(progress.fulfilled),
        group_digits(per_second(progress.fulfilled, after)),
        group_digits(progress.in_flight),
    )
}
