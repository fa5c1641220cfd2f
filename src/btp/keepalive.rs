//! When a session has been silent too long, and when it takes nothing any more. No IO and no timer: the driver tells
//! what arrived and what was written, asks when to look again, and does what it is told.
//!
//! Silence is answered by a WebSocket ping (RFC 6455 5.5.2), as `ilp-plugin-btp` does. *Any* byte counts as a sign of
//! life, not only the pong: a peer that is sending is alive, and its pong may stand behind much data.

use crate::time::MonoTime;
use crate::transport::{KeepAliveSettings, Timeout};

/// What one session has said and taken of late.
#[derive(Debug)]
pub(super) struct KeepAlive {
    settings: KeepAliveSettings,
    heard_at: MonoTime,
    pinged_at: Option<MonoTime>,
    /// Something has been waiting since then and not one byte of it was taken.
    stalled_at: Option<MonoTime>,
}

/// What is due now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeepAliveAction {
    /// Nothing; ask again at [`KeepAlive::next_look`].
    Nothing,
    /// Send a ping.
    Ping,
    /// The session is lost.
    Lost(Timeout),
}

impl KeepAlive {
    /// A session that begins now.
    pub(super) fn new(settings: KeepAliveSettings, now: MonoTime) -> Self {
        Self { settings, heard_at: now, pinged_at: None, stalled_at: None }
    }

    /// Bytes arrived; or, while we do not read (D19), bytes were taken.
    pub(super) fn heard(&mut self, now: MonoTime) {
        self.heard_at = now;
        self.pinged_at = None;
    }

    /// An attempt to write took `bytes` and left something `waiting`, or nothing.
    pub(super) fn wrote(&mut self, bytes: usize, waiting: bool, now: MonoTime) {
        self.stalled_at = match (waiting, bytes, self.stalled_at) {
            (false, ..) => None,
            (true, 0, Some(since)) => Some(since),
            (true, ..) => Some(now),
        };
    }

    /// When to ask [`Self::due`] again. It moves later with every byte heard; looking too early does no harm.
    pub(super) fn next_look(&self) -> MonoTime {
        let silence = match self.pinged_at {
            Some(pinged_at) => pinged_at.after(self.settings.timeout),
            None => self.heard_at.after(self.settings.interval),
        };
        match self.stalled_at {
            Some(since) => silence.min(since.after(self.settings.write_stall)),
            None => silence,
        }
    }

    /// What is due. A [`KeepAliveAction::Ping`] counts as sent.
    pub(super) fn due(&mut self, now: MonoTime) -> KeepAliveAction {
        if self.stalled_at.is_some_and(|since| now >= since.after(self.settings.write_stall)) {
            return KeepAliveAction::Lost(Timeout::Stalled);
        }
        match self.pinged_at {
            Some(pinged_at) if now >= pinged_at.after(self.settings.timeout) => {
                KeepAliveAction::Lost(Timeout::Silent)
            }
            None if now >= self.heard_at.after(self.settings.interval) => {
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

    enum At {
        Heard(u64),
        /// Seconds, bytes taken, whether some are left.
        Wrote(u64, usize, bool),
        /// Seconds, what is due, and when to look next (seconds).
        Look(u64, KeepAliveAction, u64),
    }
    use At::{Heard, Look, Wrote};

    fn seconds(seconds: u64) -> MonoTime {
        MonoTime(seconds * 1_000_000_000)
    }

    fn check(story: &[At]) {
        let mut keep_alive = KeepAlive::new(KeepAliveSettings::default(), seconds(0));
        for (index, step) in story.iter().enumerate() {
            match *step {
                Heard(at) => keep_alive.heard(seconds(at)),
                Wrote(at, bytes, waiting) => keep_alive.wrote(bytes, waiting, seconds(at)),
                Look(at, due, next) => {
                    assert_eq!(keep_alive.due(seconds(at)), due, "step {index}");
                    if !matches!(due, KeepAliveAction::Lost(_)) {
                        assert_eq!(keep_alive.next_look(), seconds(next), "step {index}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_silent_peer_is_pinged_then_lost() {
        check(&[
            Look(19, KeepAliveAction::Nothing, 20),
            Look(20, KeepAliveAction::Ping, 30),
            Look(29, KeepAliveAction::Nothing, 30),
            Look(30, KeepAliveAction::Lost(Timeout::Silent), 0),
        ]);
    }

    #[test]
    fn any_byte_is_a_sign_of_life() {
        check(&[
            Heard(15),
            Look(20, KeepAliveAction::Nothing, 35),
            Look(35, KeepAliveAction::Ping, 45),
            Heard(44),
            Look(45, KeepAliveAction::Nothing, 64),
            Look(64, KeepAliveAction::Ping, 74),
            Look(74, KeepAliveAction::Lost(Timeout::Silent), 0),
        ]);
    }

    #[test]
    fn who_takes_nothing_is_lost_even_if_it_talks() {
        check(&[
            Wrote(1, 0, true),
            Heard(10),
            Wrote(11, 0, true),
            Look(20, KeepAliveAction::Nothing, 30),
            Heard(29),
            Look(30, KeepAliveAction::Nothing, 31),
            Look(31, KeepAliveAction::Lost(Timeout::Stalled), 0),
        ]);
    }

    #[test]
    fn who_takes_a_little_is_slow_but_not_lost() {
        check(&[
            Wrote(1, 0, true),
            Heard(25),
            Wrote(30, 1, true),
            Look(31, KeepAliveAction::Nothing, 45),
            Wrote(40, 100, false),
            Look(44, KeepAliveAction::Nothing, 45),
            Heard(50),
            Wrote(59, 0, true),
            Heard(69),
            Look(88, KeepAliveAction::Nothing, 89),
            // Both are due: the stall is the more certain of the two.
            Look(89, KeepAliveAction::Lost(Timeout::Stalled), 0),
        ]);
    }
}
