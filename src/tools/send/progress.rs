//! Notes of `send` while it runs: its progress, and that answers are missing.

use std::time::Duration;

use super::load::Load;
use super::tally::{ResultKind, Tally};
use crate::console::{format_duration, group_digits, sanitize};
use crate::stream::PacketFailure;
use crate::tools::wait_notes::{REPEAT_INTERVAL, SILENCE_MAX};

/// Decides when to print which note.
#[derive(Debug)]
pub(super) struct SendProgress<'a> {
    load: &'a Load,
    count: u64,
    /// The answers so far, and when the last ones arrived.
    answered: u64,
    answered_at: Duration,
    noted_at: Duration,
    is_silence_noted: bool,
}

impl<'a> SendProgress<'a> {
    pub(super) fn new(load: &'a Load, count: u64) -> Self {
        let (answered_at, noted_at) = (Duration::ZERO, Duration::ZERO);
        SendProgress { load, count, answered: 0, answered_at, noted_at, is_silence_noted: false }
    }

    /// The note to print now, if one is due; `after` is the time since the start.
    pub(super) fn next_note(&mut self, tally: &Tally, after: Duration) -> Option<String> {
        let answered = tally.sent() - tally.unanswered();
        if answered != self.answered || tally.unanswered() == 0 {
            (self.answered, self.answered_at, self.is_silence_noted) = (answered, after, false);
        }
        let silent = after.saturating_sub(self.answered_at);
        let is_silent = silent >= SILENCE_MAX && !self.is_silence_noted;
        if !is_silent && after.saturating_sub(self.noted_at) < REPEAT_INTERVAL {
            return None;
        }
        self.noted_at = after;
        if silent >= SILENCE_MAX {
            self.is_silence_noted = true;
            return Some(format!(
                "no answer for {}: {} packets wait for one, each up to {}",
                format_duration(silent),
                group_digits(tally.unanswered()),
                format_duration(self.load.expiry)
            ));
        }
        let mut line = format!(
            "{}: {} of {} sent, {} fulfilled",
            format_duration(after),
            group_digits(tally.sent()),
            group_digits(self.count),
            group_digits(tally.fulfilled())
        );
        for (kind, result) in tally.results() {
            let ResultKind::Rejected(code) = kind else { continue };
            line += &format!(", {} {code}", group_digits(result.packets));
            if let Some(PacketFailure { by, message, .. }) = &result.example {
                line += &format!(" ({}: {})", sanitize(by), sanitize(message));
            }
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ilp::ErrorCode;

    #[test]
    fn silence_is_noted_once_and_progress_again() {
        let load = Load::example();
        let mut progress = SendProgress::new(&load, 1_000);
        let mut tally = Tally::default();
        let mut note = |tally: &Tally, millis| {
            progress.next_note(tally, Duration::from_millis(millis)).unwrap_or_default()
        };
        (0..16).for_each(|_| tally.add_sent());
        assert_eq!(note(&tally, 1_400), "");
        let silence = "no answer for 1.5 s: 16 packets wait for one, each up to 30 s";
        assert_eq!(note(&tally, 1_500), silence);
        assert_eq!(note(&tally, 2_000), "");
        assert_eq!(note(&tally, 6_500), silence.replace("1.5", "6.5"));
        tally.add_answer(Ok(()), Duration::ZERO);
        let (code, by, message) = (ErrorCode::T04, "test.b".to_owned(), "no room".to_owned());
        tally.add_answer(Err(PacketFailure { code, by, message }), Duration::ZERO);
        assert_eq!(note(&tally, 7_000), "");
        tally.add_answer(Ok(()), Duration::ZERO);
        assert_eq!(
            note(&tally, 11_500),
            "11.5 s: 16 of 1,000 sent, 2 fulfilled, 1 T04 (test.b: no room)"
        );
        // A new silence is noted at once.
        assert!(note(&tally, 13_000).starts_with("no answer for 1.5 s: 13 packets"));
    }
}
