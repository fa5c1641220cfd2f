//! What the hops let be seen of amounts. A packet that is too large for a hop is refused with F08 and two figures: what
//! arrived there, and what would have passed (RFC 27). So a hop whose maximum is the smallest so far tells its maximum, and
//! by what arrived, the rate up to there. A hop behind a smaller maximum, or without one, tells nothing.

use super::probe::{Probe, ProbeAnswer, ProbeMeaning, ProbeOutcome};
use crate::wire::ilp::{AmountTooLarge, ErrorCode};

/// Probes that one hop may cost.
const ROUNDS_MAX: usize = 24;
/// More time for a packet that was too late for the hop: the limit between two hops is not that sharp on a busy machine.
const EXTRA_TIME_MS: i64 = 20;
/// By what an amount is divided that is more than somebody's balance may bear: 2^64 is down to one in 16 rounds.
const LIQUIDITY_DIVISOR: u64 = 16;

/// What one hop tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HopLimit {
    /// The largest packet that it takes, in units of the link on which it arrives.
    pub(super) maximum: u64,
    /// What was sent, in units of the account that the trace logs in as.
    pub(super) sent: u64,
    /// What of it arrived there.
    pub(super) arrived: u64,
}

impl HopLimit {
    /// What arrives of one unit.
    #[expect(clippy::cast_precision_loss, reason = "shown with six digits")]
    pub(super) fn rate(&self) -> f64 {
        if self.sent == 0 { 0.0 } else { self.arrived as f64 / self.sent as f64 }
    }
}

/// What is known of the way so far.
#[derive(Debug)]
pub(super) struct AmountProbes {
    /// The largest amount that passes all hops so far.
    largest: u64,
}

impl AmountProbes {
    /// No probe carries more than that; with 0, none carries anything.
    pub(super) fn new(largest: u64) -> Self {
        AmountProbes { largest }
    }

    /// The largest amount that comes through as far as was looked, in units of the account that the trace logs in as.
    pub(super) fn largest_amount(&self) -> u64 {
        self.largest
    }

    /// Looks at the hop that gave this answer to a probe with so much time.
    pub(super) async fn probe_hop(
        &mut self,
        hop: &ProbeAnswer,
        left_ms: i64,
        probe: &mut impl AsyncFnMut(Probe) -> ProbeAnswer,
    ) -> Option<HopLimit> {
        let mut seen = None;
        let mut left_ms = left_ms;
        for _ in 0..ROUNDS_MAX {
            if self.largest == 0 {
                break;
            }
            let sent = self.largest;
            let answer = probe(Probe { left_ms, amount: sent }).await;
            if answer.meaning() == ProbeMeaning::TooLittleTime && !answer.is_same_node(hop) {
                left_ms += EXTRA_TIME_MS;
                continue;
            }
            let ProbeOutcome::Rejected { code, data, .. } = &answer.outcome else { break };
            self.largest = match (*code, AmountTooLarge::parse(data)) {
                (ErrorCode::F08, Ok(told)) => {
                    if answer.is_same_node(hop) && seen.is_none() {
                        let (maximum, arrived) = (told.maximum.0, told.received.0);
                        seen = Some(HopLimit { maximum, sent, arrived });
                    }
                    reduced_amount(sent, told)
                }
                // Java's connector tells no figures.
                (ErrorCode::F08, Err(_)) => sent / 2,
                (ErrorCode::T04, _) => sent / LIQUIDITY_DIVISOR,
                _ => break,
            };
        }
        seen
    }
}

/// The amount of which `maximum` should arrive; smaller in any case.
fn reduced_amount(sent: u64, told: AmountTooLarge) -> u64 {
    let product = u128::from(sent) * u128::from(told.maximum.0);
    let scaled = product.checked_div(u128::from(told.received.0)).unwrap_or(0);
    u64::try_from(scaled).unwrap_or(u64::MAX).min(sent.saturating_sub(1))
}
