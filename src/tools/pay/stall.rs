//! Notices that a payment makes no progress, and reports why: the last Reject, or a missing answer.

use std::time::Duration;

use super::report::describe_failure;
use crate::console::format_duration;
use crate::stream::PaymentProgress;
use crate::tools::wait_notes::SILENCE_MAX;

/// The shortest time between notes with different reasons. Texts of Rejects may contain numbers that change each time.
const NEW_REASON_INTERVAL: Duration = Duration::from_secs(1);
/// The time after which the same reason is repeated.
const SAME_REASON_INTERVAL: Duration = Duration::from_secs(10);

/// Decides when to print which note.
#[derive(Debug)]
pub(super) struct StallWatch {
    /// The command that shows how far packets get.
    trace: String,
    /// When the last packet arrived, and the counts at that time.
    moved_at: Duration,
    counts: PaymentCounts,
    last_note: Option<(Duration, String)>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct PaymentCounts {
    fulfilled: u64,
    is_measured: bool,
    /// Rejects, and packets without an answer. They are no progress.
    failed: u64,
}

impl StallWatch {
    pub(super) fn new(trace: String) -> Self {
        Self { trace, moved_at: Duration::ZERO, counts: PaymentCounts::default(), last_note: None }
    }

    /// The note to print now, if one is due; `after` is the time since the start.
    pub(super) fn next_note(
        &mut self,
        progress: &PaymentProgress,
        after: Duration,
    ) -> Option<String> {
        let counts = PaymentCounts {
            fulfilled: progress.fulfilled,
            is_measured: progress.rate.is_some(),
            failed: progress.rejected.total() + progress.unanswered,
        };
        if (counts.fulfilled, counts.is_measured)
            != (self.counts.fulfilled, self.counts.is_measured)
        {
            (self.moved_at, self.counts, self.last_note) = (after, counts, None);
            return None;
        }
        let stalled = after.saturating_sub(self.moved_at);
        if stalled < SILENCE_MAX {
            return None;
        }
        let has_news = counts.failed > self.counts.failed;
        let why = match progress.last_failure.as_ref().filter(|_| has_news) {
            Some(failure) => describe_failure(failure),
            None => format!("no answer yet; `{}` shows how far packets get", self.trace),
        };
        let due = match &self.last_note {
            None => true,
            Some((at, reason)) => {
                after.saturating_sub(*at)
                    >= if *reason == why { SAME_REASON_INTERVAL } else { NEW_REASON_INTERVAL }
            }
        };
        if !due {
            return None;
        }
        let line = format!("no progress for {}, still trying: {why}", format_duration(stalled));
        self.last_note = Some((after, why));
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{Sender, SenderAnswer, SenderSettings, SharedSecret};
    use crate::time::{MonoTime, Now};
    use crate::wire::ilp::ErrorCode;
    use crate::wire::{Amount, Timestamp};

    const NOW: Now = Now { wall: Timestamp::EPOCH, mono: MonoTime(0) };

    struct Payment {
        sender: Sender,
        stall: StallWatch,
    }

    impl Payment {
        fn rejected(&mut self, message: &str) {
            let packet = self.sender.next_packet(NOW).unwrap();
            let (code, by, data) = (ErrorCode::T01, "test.b", &[][..]);
            self.sender.record_answer(
                packet.sequence,
                SenderAnswer::Rejected { code, by, message, data },
                NOW.mono,
            );
        }

        fn next_note(&mut self, millis: u64) -> Option<String> {
            self.stall.next_note(&self.sender.progress(), Duration::from_millis(millis))
        }
    }

    fn payment() -> Payment {
        let settings = SenderSettings::new(Amount(5));
        let sender = Sender::new(settings, &SharedSecret([1; 32]), [0; 32], NOW.mono);
        Payment { sender, stall: StallWatch::new("ilp-connector trace test.c".to_owned()) }
    }

    #[test]
    fn the_last_reject_with_its_node_and_message() {
        let mut payment = payment();
        payment.rejected("next hop c is\nnot connected");
        assert_eq!(payment.next_note(1_000), None);
        let why = "T01 Peer Unreachable from test.b: next hop c is\\nnot connected";
        let expected = format!("no progress for 1.5 s, still trying: {why}");
        assert_eq!(payment.next_note(1_500), Some(expected));
        // Not at once, but after a while.
        assert_eq!(payment.next_note(3_000), None);
        assert_eq!(
            payment.next_note(11_500),
            Some(format!("no progress for 11.5 s, still trying: {why}"))
        );
    }

    #[test]
    fn another_reason_is_noted_sooner() {
        let mut payment = payment();
        assert!(payment.next_note(1_600).is_some_and(|line| {
            line.contains("no answer yet; `ilp-connector trace test.c` shows how far packets get")
        }));
        payment.rejected("one");
        assert_eq!(payment.next_note(2_000), None);
        assert!(payment.next_note(2_700).is_some_and(|line| line.ends_with("test.b: one")));
    }
}
