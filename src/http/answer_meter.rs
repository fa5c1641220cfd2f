//! Limits what a server may send to the requested answers and a little more: beyond that, its connection is closed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::web::Meter;

/// The answers that a server may send, because they were requested.
#[derive(Debug, Default, Clone)]
pub(super) struct RequestedAnswers(Arc<AnswerCounts>);

#[derive(Debug, Default)]
struct AnswerCounts {
    bytes: AtomicU64,
    requests: AtomicU64,
}

impl RequestedAnswers {
    /// Adds a request whose answer has a body of at most `body_bytes_max`.
    pub(super) fn add(&self, body_bytes_max: usize) {
        let bytes = u64::try_from(body_bytes_max).unwrap_or(u64::MAX);
        let bytes = bytes.saturating_mul(2).saturating_add(ANSWER_BYTES);
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.0.requests.fetch_add(1, Ordering::Relaxed);
    }
}

/// For the head, interim responses and frames of an answer, beside twice its body.
const ANSWER_BYTES: u64 = 64 * 1024;
/// Frames of one answer.
const ANSWER_FRAMES: u64 = 64;
/// What a server may send unrequested, at once and in each second: settings, pings, GOAWAY.
const UNREQUESTED: Amount = Amount { bytes: 64 * 1024, frames: 1024 };
/// The most that can be saved up, for many requests in progress.
const SAVED_MAX: Amount = Amount { bytes: 256 * 1024 * 1024, frames: 256 * 1024 };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Amount {
    bytes: u64,
    frames: u64,
}

/// Closes the connection to a server that sends far more than was requested.
#[derive(Debug)]
pub(super) struct AnswerMeter {
    requested: RequestedAnswers,
    left: Amount,
    filled_at: Instant,
}

impl AnswerMeter {
    pub(super) fn new(requested: RequestedAnswers) -> Self {
        Self { requested, left: UNREQUESTED, filled_at: Instant::now() }
    }

    fn fill(&mut self, passed: Duration) {
        let passed_ms = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        let by_time = |unrequested: u64| unrequested.saturating_mul(passed_ms) / 1000;
        let requests = self.requested.0.requests.swap(0, Ordering::Relaxed);
        let fill = |left: u64, unrequested: u64, requested: u64, max: u64| {
            left.saturating_add(by_time(unrequested)).saturating_add(requested).min(max)
        };
        let bytes = self.requested.0.bytes.swap(0, Ordering::Relaxed);
        self.left = Amount {
            bytes: fill(self.left.bytes, UNREQUESTED.bytes, bytes, SAVED_MAX.bytes),
            frames: fill(
                self.left.frames,
                UNREQUESTED.frames,
                requests.saturating_mul(ANSWER_FRAMES),
                SAVED_MAX.frames,
            ),
        };
    }
}

impl Meter for AnswerMeter {
    fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn record_read(&mut self, bytes: usize, frames: u32) -> io::Result<()> {
        let (bytes, frames) = (u64::try_from(bytes).unwrap_or(u64::MAX), u64::from(frames));
        if self.left.bytes < bytes || self.left.frames < frames {
            let now = Instant::now();
            self.fill(now - self.filled_at);
            self.filled_at = now;
        }
        let left = self.left.bytes.checked_sub(bytes).zip(self.left.frames.checked_sub(frames));
        let (bytes, frames) =
            left.ok_or_else(|| io::Error::other("the server sends far more than was requested"))?;
        self.left = Amount { bytes, frames };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_send_what_was_requested_and_a_little_more() {
        let requested = RequestedAnswers::default();
        let mut meter = AnswerMeter::new(requested.clone());
        assert!(meter.record_read(60 * 1024, 1000).is_ok(), "settings and the like");
        requested.add(100_000);
        assert!(meter.record_read(200_000, 60).is_ok());
        assert!(meter.record_read(200_000, 1).is_err(), "too many bytes");
        let mut meter = AnswerMeter::new(requested.clone());
        assert!(meter.record_read(0, 100_000).is_err(), "too many frames");
        requested.add(0);
        meter.left = Amount { bytes: 0, frames: 0 };
        meter.fill(Duration::from_secs(2));
        assert_eq!(meter.left.frames, 2 * UNREQUESTED.frames + ANSWER_FRAMES);
        assert_eq!(meter.left.bytes, 2 * UNREQUESTED.bytes + ANSWER_BYTES);
        meter.fill(Duration::MAX);
        assert_eq!(meter.left, SAVED_MAX);
    }
}
