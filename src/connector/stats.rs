//! The counters of each account: plain numbers under the account's lock. `telemetry` turns them into metrics.

use crate::wire::ilp::{ErrorCode, Reply};

/// Upper bounds of the latency histogram, in microseconds. Slower answers are in one more bucket without a bound.
pub const LATENCY_BUCKETS: [u64; 16] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 5_000_000, 30_000_000,
];

/// The error codes that have a counter of their own. All others share one counter.
const CODES: &[ErrorCode] = ErrorCode::ALL;

/// Labels of [`Traffic::rejects`], in its order.
pub fn code_labels() -> impl Iterator<Item = String> {
    CODES.iter().map(ToString::to_string).chain(std::iter::once("other".to_owned()))
}

/// Packets in one direction of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Prepares.
    pub prepares: u64,
    /// Fulfills.
    pub fulfills: u64,
    /// Rejects by code, see [`code_labels`].
    pub rejects: [u64; CODES.len() + 1],
}

impl Traffic {
    /// The Rejects with this code, which has a counter of its own.
    pub(super) fn count_rejects(&self, code: ErrorCode) -> u64 {
        let index = CODES.iter().position(|one| *one == code);
        index.and_then(|index| self.rejects.get(index)).copied().unwrap_or_default()
    }

    pub(super) fn count_reply(&mut self, reply: &Reply<'_>) {
        match reply {
            Reply::Fulfill(_) => self.fulfills += 1,
            Reply::Reject(reject) => {
                let index = CODES.iter().position(|code| *code == reject.code);
                if let Some(counter) = self.rejects.get_mut(index.unwrap_or(CODES.len())) {
                    *counter += 1;
                }
            }
        }
    }
}

/// The counters of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// What the peer sent us.
    pub received: Traffic,
    /// What we sent the peer.
    pub sent: Traffic,
    /// Answers of the peer that were late or belonged to no request, and were dropped.
    pub unexpected_answers: u64,
    /// Answers to the peer that were dropped because no session could carry them.
    pub dropped_answers: u64,
    /// Prepares to the peer that ended without an answer in time.
    pub timeouts: u64,
    /// Fulfills of the peer whose fulfillment did not match the condition.
    pub wrong_fulfillments: u64,
    /// Time from a Prepare to the peer's answer, by bucket.
    pub latency: [u64; LATENCY_BUCKETS.len() + 1],
    /// The sum of these times in microseconds.
    pub latency_sum_us: u64,
}

impl Stats {
    /// Counts a Prepare to a receiver inside this node and its answer, which takes no time.
    pub(super) fn count_delivered(&mut self, reply: &Reply<'_>) {
        self.sent.prepares += 1;
        self.received.count_reply(reply);
        self.count_latency(0);
    }

    pub(super) fn count_latency(&mut self, us: u64) {
        let index = LATENCY_BUCKETS.partition_point(|bound| *bound < us);
        if let Some(bucket) = self.latency.get_mut(index) {
            *bucket += 1;
        }
        self.latency_sum_us = self.latency_sum_us.saturating_add(us);
    }
}
