//! Keep-alive: pings a silent peer, and gives up one that stays silent or takes no bytes. No IO and no timer: the
//! driver reports reads and writes, and asks what is due and when to check again.
//!
//! The ping is a WebSocket ping (RFC 6455 5.5.2), as `ilp-plugin-btp` sends it. *Any* byte is a sign of life, not only
//! the pong, which may be queued after much data.

use crate::net::KeepAliveSettings;
use crate::peers::Timeout;
use crate::time::MonoTime;

/// The latest activity of one session.
#[derive(Debug)]
pub(super) struct KeepAlive {
    settings: KeepAliveSettings,
    active_at: MonoTime,
    pinged_at: Option<MonoTime>,
    /// Since then bytes have been waiting and the peer has taken none.
    stalled_at: Option<MonoTime>,
}

/// What is due now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeepAliveAction {
    /// Nothing before [`KeepAlive::next_check`].
    Nothing,
    Ping,
    Close(Timeout),
}

impl KeepAlive {
    /// A session that opens now.
    pub(super) fn new(mut settings: KeepAliveSettings, now: MonoTime) -> Self {
        if planted!(SilenceIgnored) {
            settings.interval = std::time::Duration::from_secs(86_400);
        }
        Self { settings, active_at: now, pinged_at: None, stalled_at: None }
    }

    /// Bytes arrived, or, while reading is paused (D19), the peer took some.
    pub(super) fn record_activity(&mut self, now: MonoTime) {
        self.active_at = now;
        self.pinged_at = None;
    }

    /// The peer took `bytes`, and others are still `waiting`, or none.
    pub(super) fn record_write(&mut self, bytes: usize, waiting: bool, now: MonoTime) {
        self.stalled_at = match (waiting, bytes, self.stalled_at) {
            (false, ..) => None,
            (true, 0, Some(since)) => Some(since),
            (true, ..) => Some(now),
        };
    }

    /// When to call [`Self::take_action`] again. It moves later with every byte that arrives; too early is harmless.
    pub(super) fn next_check(&self) -> MonoTime {
        let silence = match self.pinged_at {
            Some(pinged_at) => pinged_at.after(self.settings.timeout),
            None => self.active_at.after(self.settings.interval),
        };
        match self.stalled_at {
            Some(since) => silence.min(since.after(self.settings.write_stall)),
            None => silence,
        }
    }

    /// What is due now. A [`KeepAliveAction::Ping`] counts as sent.
    pub(super) fn take_action(&mut self, now: MonoTime) -> KeepAliveAction {
        if self.stalled_at.is_some_and(|since| now >= since.after(self.settings.write_stall)) {
            return KeepAliveAction::Close(Timeout::Stalled);
        }
        match self.pinged_at {
            Some(pinged_at) if now >= pinged_at.after(self.settings.timeout) => {
                KeepAliveAction::Close(Timeout::Silent)
            }
            None if now >= self.active_at.after(self.settings.interval) => {
                self.pinged_at = Some(now);
                KeepAliveAction::Ping
            }
            _ => KeepAliveAction::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Step {
        Active(u64),
        /// Seconds, bytes that the peer took, whether others wait.
        Wrote(u64, usize, bool),
        /// Seconds, what is due, and when to check next (seconds).
        Check(u64, KeepAliveAction, u64),
    }
    use Step::{Active, Check, Wrote};

    fn seconds(seconds: u64) -> MonoTime {
        MonoTime(seconds * 1_000_000_000)
    }

    fn check(steps: &[Step]) {
        let mut keep_alive = KeepAlive::new(KeepAliveSettings::default(), seconds(0));
        for (index, step) in steps.iter().enumerate() {
            match *step {
                Active(at) => keep_alive.record_activity(seconds(at)),
                Wrote(at, bytes, waiting) => keep_alive.record_write(bytes, waiting, seconds(at)),
                Check(at, due, next) => {
                    assert_eq!(keep_alive.take_action(seconds(at)), due, "step {index}");
                    if !matches!(due, KeepAliveAction::Close(_)) {
                        assert_eq!(keep_alive.next_check(), seconds(next), "step {index}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_silent_peer_is_pinged_then_given_up() {
        check(&[
            Check(19, KeepAliveAction::Nothing, 20),
            Check(20, KeepAliveAction::Ping, 30),
            Check(29, KeepAliveAction::Nothing, 30),
            Check(30, KeepAliveAction::Close(Timeout::Silent), 0),
        ]);
    }

    #[test]
    fn any_byte_is_a_sign_of_life() {
        check(&[
            Active(15),
            Check(20, KeepAliveAction::Nothing, 35),
            Check(35, KeepAliveAction::Ping, 45),
            Active(44),
            Check(45, KeepAliveAction::Nothing, 64),
            Check(64, KeepAliveAction::Ping, 74),
            Check(74, KeepAliveAction::Close(Timeout::Silent), 0),
        ]);
    }

    #[test]
    fn a_peer_that_takes_nothing_is_given_up_even_if_it_sends() {
        check(&[
            Wrote(1, 0, true),
            Active(10),
            Wrote(11, 0, true),
            Check(20, KeepAliveAction::Nothing, 30),
            Active(29),
            Check(30, KeepAliveAction::Nothing, 31),
            Check(31, KeepAliveAction::Close(Timeout::Stalled), 0),
        ]);
    }

    #[test]
    fn a_peer_that_takes_a_little_is_slow_but_not_given_up() {
        check(&[
            Wrote(1, 0, true),
            Active(25),
            Wrote(30, 1, true),
            Check(31, KeepAliveAction::Nothing, 45),
            Wrote(40, 100, false),
            Check(44, KeepAliveAction::Nothing, 45),
            Active(50),
            Wrote(59, 0, true),
            Active(69),
            Check(88, KeepAliveAction::Nothing, 89),
            // Both timeouts are due: the stall is the more certain.
            Check(89, KeepAliveAction::Close(Timeout::Stalled), 0),
        ]);
    }
}
