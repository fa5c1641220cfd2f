//! Frames of a peer that are refused or cannot be read, and those whose type and packet contradict each other.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{LINE_INTERVAL, PeerStatus};
use crate::time::MonoTime;

/// The shortest time between two lines about swapped types of frames.
const SWAPPED_LINE_INTERVAL: Duration = Duration::from_secs(3600);
/// Kinds of mistakes of a peer that are counted for the log, each by itself.
const MISTAKE_KINDS_MAX: usize = 16;
/// Stands for all further kinds.
const OTHER_MISTAKES: &str = "other causes";

/// A mistake of a peer that is only counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerMistake {
    /// A text message, or a frame that is not BTP.
    Unreadable,
    /// A frame that got an ERROR.
    Refused,
}

/// The mistakes of one peer, by what is wrong with the frames.
#[derive(Debug, Default)]
pub(super) struct Mistakes(HashMap<String, MistakeLines>);

/// When mistakes of one kind were logged.
#[derive(Debug, Default)]
struct MistakeLines {
    logged_at: Option<MonoTime>,
    /// Mistakes since then.
    count: u64,
}

/// A frame whose type and packet contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwappedType {
    /// A Prepare in a RESPONSE.
    PrepareInResponse,
    /// A Fulfill or a Reject in a MESSAGE.
    AnswerInMessage,
}

impl SwappedType {
    fn error(self) -> &'static str {
        match self {
            Self::PrepareInResponse => {
                "it sent a Prepare in a RESPONSE frame; interledger-rs does so: for it, set lenientBtpTypes: true"
            }
            Self::AnswerInMessage => {
                "it sent an answer in a MESSAGE frame; interledger-rs does so: for it, set lenientBtpTypes: true"
            }
        }
    }
}

impl PeerStatus {
    /// Counts a mistake. The first of each kind is logged, and then one line a minute with their number.
    pub fn count_mistake(&self, mistake: PeerMistake, what: &str, now: MonoTime) {
        let counter = match mistake {
            PeerMistake::Unreadable => &self.unreadable_frames,
            PeerMistake::Refused => &self.refused_frames,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if !tracing::event_enabled!(tracing::Level::DEBUG) {
            return;
        }
        let mut inner = self.inner.lock();
        let Some((what, count)) = inner.mistakes.add(what, now) else { return };
        match mistake {
            PeerMistake::Unreadable => {
                tracing::debug!(peer = %self.id, count, what, "frames that cannot be read, since the last such line");
            }
            PeerMistake::Refused => {
                tracing::debug!(peer = %self.id, count, what, "frames refused with an ERROR, since the last such line");
            }
        }
    }

    /// The peer has sent such a frame without `lenientBtpTypes`.
    pub fn report_swapped_type(&self, frame: SwappedType) {
        let (now, error) = (self.lines.now(), frame.error());
        let mut inner = self.inner.lock();
        if inner.last_error.as_deref() != Some(error) {
            inner.last_error = Some(error.to_owned());
        }
        if inner.swapped_logged_at.is_none_or(|at| now.since(at) >= SWAPPED_LINE_INTERVAL) {
            inner.swapped_logged_at = Some(now);
            if let Some(suppressed) = self.lines.swapped.admit(now) {
                tracing::warn!(peer = %self.id, error, suppressed, "a packet of the peer was not accepted");
            }
        }
    }
}

impl Mistakes {
    /// Adds a mistake of this kind. `Some`: a line about so many of this kind must be logged.
    fn add<'w>(&mut self, what: &'w str, now: MonoTime) -> Option<(&'w str, u64)> {
        let is_full = self.0.len() >= MISTAKE_KINDS_MAX;
        let what = if is_full && !self.0.contains_key(what) { OTHER_MISTAKES } else { what };
        let lines = match self.0.get_mut(what) {
            Some(lines) => lines,
            None => self.0.entry(what.to_owned()).or_default(),
        };
        lines.count += 1;
        if lines.logged_at.is_some_and(|at| now.since(at) < LINE_INTERVAL) {
            return None;
        }
        lines.logged_at = Some(now);
        Some((what, std::mem::take(&mut lines.count)))
    }
}
