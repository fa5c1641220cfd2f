//! Asking one peer for its routes: when a route control goes out.

use std::time::Duration;

use super::retry::{ANSWER_TIMEOUT, RetryBackoff};
use super::sender::UPDATE_SPACING;
use crate::time::MonoTime;

/// After a link-up: ilp-connector refuses a control that comes in the same moment as its answer to the login.
const AFTER_LINK_UP: Duration = Duration::from_millis(100);

/// Where asking stands.
#[derive(Debug, Default)]
pub(super) struct ControlSender {
    /// When to ask next; `None` = there is no reason to.
    due: Option<MonoTime>,
    in_flight: Option<(u64, MonoTime)>,
    last_sent: Option<MonoTime>,
    /// The peer has accepted one since the link came up.
    is_accepted: bool,
    retry: RetryBackoff,
}

impl ControlSender {
    /// The link is up, or another session of it.
    pub(super) fn on_link_up(&mut self, now: MonoTime) {
        *self = ControlSender { due: Some(now.after(AFTER_LINK_UP)), ..ControlSender::default() };
    }

    /// The peer asks us, so it is there. It may have been deaf when we asked it; but two that answer each other's
    /// control with one of their own must come to an end.
    pub(super) fn on_control(&mut self, now: MonoTime, interval: Duration) {
        let long_ago = self.last_sent.is_none_or(|sent| now.since(sent) >= interval);
        let waiting = self.in_flight.is_some();
        let early = self.last_sent.is_none() && self.due.is_some();
        if !waiting && !early && (!self.is_accepted || long_ago) {
            self.schedule(now);
        }
    }

    /// Something of what the peer told is missing.
    pub(super) fn schedule(&mut self, now: MonoTime) {
        let spaced = self.last_sent.map_or(now, |sent| sent.after(UPDATE_SPACING).max(now));
        self.due = Some(self.due.map_or(spaced, |due| due.min(spaced)));
    }

    /// Whether to ask now. An answer that does not come counts as a refusal.
    pub(super) fn is_due(&mut self, now: MonoTime) -> bool {
        if self.in_flight.is_some_and(|(_, sent)| now >= sent.after(ANSWER_TIMEOUT)) {
            self.in_flight = None;
            self.schedule_retry(now);
        }
        self.in_flight.is_none() && self.due.is_some_and(|due| now >= due)
    }

    /// It has gone out.
    pub(super) fn mark_sent(&mut self, serial: u64, now: MonoTime) {
        self.due = None;
        self.in_flight = Some((serial, now));
        self.last_sent = Some(now);
    }

    /// The answer to the one with this serial number.
    pub(super) fn record_answer(&mut self, serial: u64, accepted: bool, now: MonoTime) {
        if self.in_flight.is_none_or(|(sent, _)| sent != serial) {
            return;
        }
        self.in_flight = None;
        if accepted {
            self.is_accepted = true;
            self.retry.record_success();
        } else {
            self.schedule_retry(now);
        }
    }

    fn schedule_retry(&mut self, now: MonoTime) {
        let again = self.retry.record_failure(now);
        self.due = Some(self.due.map_or(again, |due| due.min(again)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> MonoTime {
        MonoTime(0).after_ms(milliseconds)
    }

    const INTERVAL: Duration = Duration::from_secs(30);

    #[test]
    fn a_moment_after_the_link_is_up() {
        let mut asking = ControlSender::default();
        assert!(!asking.is_due(ms(0)));
        asking.on_link_up(ms(1_000));
        assert!(!asking.is_due(ms(1_099)));
        assert!(asking.is_due(ms(1_100)));
        asking.mark_sent(1, ms(1_100));
        assert!(!asking.is_due(ms(9_000)));
        asking.record_answer(1, true, ms(9_000));
        assert!(!asking.is_due(ms(1_000_000)));
    }

    #[test]
    fn refused_or_not_answered_it_is_asked_again() {
        let mut asking = ControlSender::default();
        asking.on_link_up(ms(0));
        asking.mark_sent(1, ms(100));
        asking.record_answer(1, false, ms(200));
        assert!(!asking.is_due(ms(699)));
        assert!(asking.is_due(ms(700)));
        asking.mark_sent(2, ms(700));
        assert!(!asking.is_due(ms(30_699)));
        // No answer: as if refused, then.
        assert!(!asking.is_due(ms(30_700)));
        assert!(asking.is_due(ms(31_700)));
        asking.mark_sent(3, ms(31_700));
        // Too late: another one is on its way.
        asking.record_answer(2, true, ms(31_800));
        assert!(!asking.is_accepted);
    }

    #[test]
    fn who_is_asked_asks_back_but_not_for_ever() {
        let mut asking = ControlSender::default();
        asking.on_link_up(ms(0));
        // Before our first: that one comes anyway, and not too early.
        asking.on_control(ms(10), INTERVAL);
        assert!(!asking.is_due(ms(99)));
        asking.mark_sent(1, ms(100));
        asking.record_answer(1, false, ms(110));
        // Refused, and now the peer is there: no need to wait for the retry.
        asking.on_control(ms(300), INTERVAL);
        assert!(asking.is_due(ms(300)));
        asking.mark_sent(2, ms(300));
        asking.record_answer(2, true, ms(310));
        asking.on_control(ms(320), INTERVAL);
        assert!(!asking.is_due(ms(20_000)));
        asking.on_control(ms(40_000), INTERVAL);
        assert!(asking.is_due(ms(40_000)));
    }

    #[test]
    fn gaps_do_not_make_a_flood() {
        let mut asking = ControlSender::default();
        asking.on_link_up(ms(0));
        asking.mark_sent(1, ms(100));
        asking.record_answer(1, true, ms(100));
        asking.schedule(ms(101));
        assert!(!asking.is_due(ms(101)));
        assert!(asking.is_due(ms(250)));
    }
}
