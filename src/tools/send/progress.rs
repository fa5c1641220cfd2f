//! What `send` says while it works: how it stands, and that nobody answers.

use std::time::Duration;

use super::super::wait_notes::{AGAIN, SILENCE_MAX};
use super::load::Load;
use super::tally::{ResultKind, Tally};
use crate::console::{format_duration, grouped, sanitize};

/// Looks at a load that is being sent.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    load: &'a Load,
    count: u64,
    /// Answers so far, and when the last ones came.
    answered: u64,
    answered_at: Duration,
    said_at: Duration,
    is_silence_told: bool,
}

impl<'a> Watch<'a> {
    pub(super) fn new(load: &'a Load, count: u64) -> Self {
        let (answered_at, said_at) = (Duration::ZERO, Duration::ZERO);
        Watch { load, count, answered: 0, answered_at, said_at, is_silence_told: false }
    }

    /// Looks after that time. `Some`: a line to show now.
    pub(super) fn look(&mut self, tally: &Tally, after: Duration) -> Option<String> {
        let answered = tally.sent() - tally.unanswered();
        if answered != self.answered || tally.unanswered() == 0 {
            (self.answered, self.answered_at, self.is_silence_told) = (answered, after, false);
        }
        let silent = after.saturating_sub(self.answered_at);
        let is_silent = silent >= SILENCE_MAX && !self.is_silence_told;
        if !is_silent && after.saturating_sub(self.said_at) < AGAIN {
            return None;
        }
        self.said_at = after;
        if silent >= SILENCE_MAX {
            self.is_silence_told = true;
            return Some(format!(
                "no answer for {}: {} packets wait for one, each up to {}",
                format_duration(silent),
                grouped(tally.unanswered()),
                format_duration(self.load.expiry)
            ));
        }
        let mut line = format!(
            "{}: {} of {} sent, {} fulfilled",
            format_duration(after),
            grouped(tally.sent()),
            grouped(self.count),
            grouped(tally.fulfilled())
        );
        for (kind, result) in tally.results() {
            let ResultKind::Rejected(code) = kind else { continue };
            line += &format!(", {} {code}", grouped(result.packets));
            if let Some((by, message)) = &result.example {
                line += &format!(" ({}: {})", sanitize(by), sanitize(message));
            }
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally::PacketResult;
    use super::*;
    use crate::wire::ilp::ErrorCode;

    #[test]
    fn silence_is_told_once_and_progress_again() {
        let load = Load::example();
        let mut watch = Watch::new(&load, 1_000);
        let mut tally = Tally::default();
        let mut look = |tally: &Tally, millis| {
            watch.look(tally, Duration::from_millis(millis)).unwrap_or_default()
        };
        (0..16).for_each(|_| tally.add_sent());
        assert_eq!(look(&tally, 1_400), "");
        let silence = "no answer for 1.5 s: 16 packets wait for one, each up to 30 s";
        assert_eq!(look(&tally, 1_500), silence);
        assert_eq!(look(&tally, 2_000), "");
        assert_eq!(look(&tally, 6_500), silence.replace("1.5", "6.5"));
        tally.add(PacketResult::Fulfilled, Duration::ZERO);
        let rejected = PacketResult::Rejected {
            code: ErrorCode::T04,
            by: "test.b".to_owned(),
            message: "no room".to_owned(),
        };
        tally.add(rejected, Duration::ZERO);
        assert_eq!(look(&tally, 7_000), "");
        tally.add(PacketResult::Fulfilled, Duration::ZERO);
        assert_eq!(
            look(&tally, 11_500),
            "11.5 s: 16 of 1,000 sent, 2 fulfilled, 1 T04 (test.b: no room)"
        );
        // A new silence is told at once.
        assert!(look(&tally, 13_000).starts_with("no answer for 1.5 s: 13 packets"));
    }
}
