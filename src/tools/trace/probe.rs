//! Probes and their answers: which node answered, and whether more time would have brought the packet further.

use std::time::Duration;

use crate::wire::ilp::ErrorCode;

/// One packet of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Probe {
    /// The time until it expires when it is sent; below zero, it has expired already.
    pub(super) left_ms: i64,
    /// A probe with an amount has a condition that no receiver can fulfill.
    pub(super) amount: u64,
}

/// The answer to a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProbeAnswer {
    /// The address that the answering node claims; `None`: this program, because there was no answer or no session. A
    /// Fulfill contains no address, so for one it is the destination.
    pub(super) by: Option<String>,
    pub(super) outcome: ProbeOutcome,
    pub(super) after: Duration,
    /// The round trip was so long that the answering node must have waited for a later hop in vain.
    pub(super) is_downstream_timeout: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ProbeOutcome {
    Fulfilled,
    Rejected { code: ErrorCode, message: String, data: Vec<u8> },
}

/// What an answer means to a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProbeMeaning {
    /// With more time, the packet would go further.
    TooLittleTime,
    /// The next hop did not answer.
    NoAnswerFromNext,
    /// More time changes nothing.
    Final,
}

impl ProbeAnswer {
    /// The expected answer is R02. interledger-rs sends R00 for a packet that arrives too late, and every node sends
    /// R00 if the next hop did not answer; the round-trip time shows which it is.
    pub(super) fn meaning(&self) -> ProbeMeaning {
        match &self.outcome {
            ProbeOutcome::Rejected { code: ErrorCode::R02, .. } if self.by.is_some() => {
                ProbeMeaning::TooLittleTime
            }
            ProbeOutcome::Rejected { code: ErrorCode::R00, .. }
                if self.is_downstream_timeout || self.by.is_none() =>
            {
                ProbeMeaning::NoAnswerFromNext
            }
            ProbeOutcome::Rejected { code: ErrorCode::R00, .. } => ProbeMeaning::TooLittleTime,
            _ => ProbeMeaning::Final,
        }
    }

    /// Whether the packet reached the destination: it was fulfilled, or rejected with a code that only receivers send.
    pub(super) fn has_reached(&self, destination: &str) -> bool {
        match &self.outcome {
            ProbeOutcome::Fulfilled => true,
            ProbeOutcome::Rejected { code, .. } => {
                let by_destination = self.by.as_deref().is_some_and(|by| {
                    let below = destination.strip_prefix(by);
                    below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                });
                let of_receivers = [
                    ErrorCode::F01,
                    ErrorCode::F05,
                    ErrorCode::F06,
                    ErrorCode::F07,
                    ErrorCode::F99,
                    ErrorCode::T99,
                    ErrorCode::R99,
                ];
                by_destination && of_receivers.contains(code)
            }
        }
    }

    /// Whether the same node gave both answers.
    pub(super) fn is_same_node(&self, other: &Self) -> bool {
        self.by == other.by
    }
}
