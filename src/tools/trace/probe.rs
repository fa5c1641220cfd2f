//! What one probe tells: who answered, and whether more time would have brought the packet further.

use std::time::Duration;

use crate::wire::ilp::ErrorCode;

/// One packet of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Probe {
    /// Time until it expires when it leaves here; below zero: it has expired already.
    pub(super) left_ms: i64,
    /// What it carries. A probe with an amount has a condition that nobody can fulfill.
    pub(super) amount: u64,
}

/// The answer to a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProbeAnswer {
    /// The address of the node that answered, as it says itself; `None`: this program, which had no answer or no session.
    /// Of a Fulfill, which bears no name, the destination.
    pub(super) by: Option<String>,
    /// What it was.
    pub(super) outcome: ProbeOutcome,
    /// The round trip.
    pub(super) after: Duration,
    /// The round trip was so long that whoever answered must have waited for somebody else, in vain.
    pub(super) is_downstream_timeout: bool,
}

/// What an answer was.
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
    /// It went further, and from there came nothing.
    NoAnswerFromNext,
    /// More time changes nothing.
    Final,
}

impl ProbeAnswer {
    /// R02 is what to expect. interledger-rs says R00 of a packet that arrives too late, and so does every node of one
    /// whose answer did not come; what tells them apart is the time that it took.
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

    /// Whether the packet got where it was to go: it was fulfilled, or refused for a reason that only a receiver has.
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

    /// Whether the same node gave both.
    pub(super) fn is_same_node(&self, other: &ProbeAnswer) -> bool {
        self.by == other.by
    }
}
