//! Finds the hops' maximum amounts. A hop rejects a packet that is too large with F08, the amount that arrived, and its
//! maximum (RFC 27). So a hop whose maximum is the smallest so far reveals that maximum and the rate up to there. A hop
//! without a maximum, or with a larger one than an earlier hop, reveals nothing.

use super::probe::{Probe, ProbeAnswer, ProbeMeaning, ProbeOutcome};
use crate::wire::ilp::{AmountTooLarge, ErrorCode};

/// The most probes for one hop.
const ROUNDS_MAX: usize = 24;
/// More time for a packet that was too late for the hop: on a busy machine the limit between two hops is not exact.
const EXTRA_TIME_MS: i64 = 20;
/// Divides an amount that a balance on the path cannot bear: from 2^64 to 1 in 16 rounds.
const LIQUIDITY_DIVISOR: u64 = 16;

/// The maximum of one hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HopLimit {
    /// The largest packet that it accepts, in units of the link on which the packet arrives.
    pub(super) maximum: u64,
    /// The amount sent, in units of the tool's account.
    pub(super) sent: u64,
    /// The amount that arrived at the hop.
    pub(super) arrived: u64,
}

impl HopLimit {
    /// The amount that arrives of one unit.
    #[expect(clippy::cast_precision_loss, reason = "shown with six digits")]
    pub(super) fn rate(&self) -> f64 {
        if self.sent == 0 { 0.0 } else { self.arrived as f64 / self.sent as f64 }
    }
}

/// The amounts of the path so far.
#[derive(Debug)]
pub(super) struct AmountProbes {
    largest: u64,
}

impl AmountProbes {
    /// No probe has a larger amount; with 0, amounts are not probed.
    pub(super) fn new(largest: u64) -> Self {
        Self { largest }
    }

    /// The largest amount that passes all hops so far, in units of the tool's account.
    pub(super) fn largest_amount(&self) -> u64 {
        self.largest
    }

    /// Probes the hop that gave this answer to a probe with this much time.
    pub(super) async fn probe_hop(
        &mut self,
        hop: &ProbeAnswer,
        left_ms: i64,
        probe: &mut impl AsyncFnMut(Probe) -> ProbeAnswer,
    ) -> Option<HopLimit> {
        let mut limit = None;
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
                (ErrorCode::F08, Ok(too_large)) => {
                    if answer.is_same_node(hop) && limit.is_none() {
                        let (maximum, arrived) = (too_large.maximum.0, too_large.received.0);
                        limit = Some(HopLimit { maximum, sent, arrived });
                    }
                    reduced_amount(sent, too_large)
                }
                // The Java connector sends no amounts.
                (ErrorCode::F08, Err(_)) => sent / 2,
                (ErrorCode::T04, _) => sent / LIQUIDITY_DIVISOR,
                _ => break,
            };
        }
        limit
    }
}

/// The amount of which `maximum` should arrive; always smaller than `sent`.
fn reduced_amount(sent: u64, too_large: AmountTooLarge) -> u64 {
    let product = u128::from(sent) * u128::from(too_large.maximum.0);
    let scaled = product.checked_div(u128::from(too_large.received.0)).unwrap_or(0);
    u64::try_from(scaled).unwrap_or(u64::MAX).min(sent.saturating_sub(1))
}
