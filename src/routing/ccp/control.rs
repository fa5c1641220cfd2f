//! Decides when a route control goes to one peer.

use std::time::Duration;

use super::retry::{ANSWER_TIMEOUT, RetryBackoff};
use super::sender::UPDATE_SPACING;
use crate::time::MonoTime;

/// Delay after a link-up: ilp-connector refuses a control that arrives together with its answer to the login.
const AFTER_LINK_UP: Duration = Duration::from_millis(100);

/// The state of the controls to one peer.
#[derive(Debug, Default)]
pub(super) struct ControlSender {
    /// When to send the next control; `None` if none is needed.
    due: Option<MonoTime>,
    in_flight: Option<(u64, MonoTime)>,
    last_sent: Option<MonoTime>,
    /// The peer has accepted a control since the link came up.
    is_accepted: bool,
    retry: RetryBackoff,
}

impl ControlSender {
    /// Schedules a control after a session began. [row 100]
    pub(super) fn on_link_up(&mut self, now: MonoTime) {
        *self = Self { due: Some(now.after(AFTER_LINK_UP)), ..Self::default() };
    }

    /// Schedules a control after the peer sent one, because it may have missed ours. At most one
    /// per `interval`, so that two nodes do not answer each other's controls endlessly.
    pub(super) fn on_control(&mut self, now: MonoTime, interval: Duration) {
        let long_ago = self.last_sent.is_none_or(|sent| now.since(sent) >= interval);
        let waiting = self.in_flight.is_some();
        let early = self.last_sent.is_none() && self.due.is_some();
        if !waiting && !early && (!self.is_accepted || long_ago) {
            self.schedule(now);
        }
    }

    /// Schedules a control as soon as the spacing allows, because updates are missing.
    pub(super) fn schedule(&mut self, now: MonoTime) {
        let spaced = self.last_sent.map_or(now, |sent| sent.after(UPDATE_SPACING).max(now));
        self.due = Some(self.due.map_or(spaced, |due| due.min(spaced)));
    }

    /// Whether a control is due. A missing answer counts as a refusal.
    pub(super) fn is_due(&mut self, now: MonoTime) -> bool {
        if self.in_flight.is_some_and(|(_, sent)| now >= sent.after(ANSWER_TIMEOUT)) {
            self.in_flight = None;
            self.schedule_retry(now);
        }
        self.in_flight.is_none() && self.due.is_some_and(|due| now >= due)
    }

    /// Records that a control was sent.
    pub(super) fn mark_sent(&mut self, serial: u64, now: MonoTime) {
        self.due = None;
        self.in_flight = Some((serial, now));
        self.last_sent = Some(now);
    }

    /// Records the answer to the control with this serial number. Returns whether the peer has accepted the one in
    /// flight.
    pub(super) fn record_answer(&mut self, serial: u64, accepted: bool, now: MonoTime) -> bool {
        if self.in_flight.is_none_or(|(sent, _)| sent != serial) {
            return false;
        }
        self.in_flight = None;
        if accepted {
            self.is_accepted = true;
            self.retry.record_success();
        } else {
            self.schedule_retry(now);
        }
        accepted
    }

    fn schedule_retry(&mut self, now: MonoTime) {
        let again = self.retry.record_failure(now);
        self.due = Some(self.due.map_or(again, |due| due.min(again)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::ccp::tests::ms;

    const INTERVAL: Duration = Duration::from_secs(30);

    #[test]
    fn the_first_control_follows_the_link_up_with_a_delay() {
        let mut control = ControlSender::default();
        assert!(!control.is_due(ms(0)));
        control.on_link_up(ms(1_000));
        assert!(!control.is_due(ms(1_099)));
        assert!(control.is_due(ms(1_100)));
        control.mark_sent(1, ms(1_100));
        assert!(!control.is_due(ms(9_000)));
        control.record_answer(1, true, ms(9_000));
        assert!(!control.is_due(ms(1_000_000)));
    }

    #[test]
    fn a_refused_or_unanswered_control_is_sent_again() {
        let mut control = ControlSender::default();
        control.on_link_up(ms(0));
        control.mark_sent(1, ms(100));
        control.record_answer(1, false, ms(200));
        assert!(!control.is_due(ms(699)));
        assert!(control.is_due(ms(700)));
        control.mark_sent(2, ms(700));
        assert!(!control.is_due(ms(30_699)));
        // No answer counts as a refusal.
        assert!(!control.is_due(ms(30_700)));
        assert!(control.is_due(ms(31_700)));
        control.mark_sent(3, ms(31_700));
        // Too late: the next one is in flight.
        control.record_answer(2, true, ms(31_800));
        assert!(!control.is_accepted);
    }

    #[test]
    fn a_control_is_answered_by_one_but_not_endlessly() {
        let mut control = ControlSender::default();
        control.on_link_up(ms(0));
        // Before our first control, which comes anyway.
        control.on_control(ms(10), INTERVAL);
        assert!(!control.is_due(ms(99)));
        control.mark_sent(1, ms(100));
        control.record_answer(1, false, ms(110));
        // Refused before, but now the peer listens: no wait for the retry.
        control.on_control(ms(300), INTERVAL);
        assert!(control.is_due(ms(300)));
        control.mark_sent(2, ms(300));
        control.record_answer(2, true, ms(310));
        control.on_control(ms(320), INTERVAL);
        assert!(!control.is_due(ms(20_000)));
        control.on_control(ms(40_000), INTERVAL);
        assert!(control.is_due(ms(40_000)));
    }

    #[test]
    fn gaps_cause_no_flood_of_controls() {
        let mut control = ControlSender::default();
        control.on_link_up(ms(0));
        control.mark_sent(1, ms(100));
        control.record_answer(1, true, ms(100));
        control.schedule(ms(101));
        assert!(!control.is_due(ms(101)));
        assert!(control.is_due(ms(250)));
    }
}
