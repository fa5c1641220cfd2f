//! The limits of one account.

use std::num::NonZeroU32;
use std::time::Duration;

use super::Relation;
use crate::wire::Amount;

/// The limits of one account. A packet above a limit gets a Reject that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest amount of one packet from the peer, in the account's units; above it F08.
    pub max_packet_amount: Option<Amount>,
    /// The most that the peer may owe us: the balance plus the amounts of its packets in flight; above it T04.
    pub max_balance: Option<i128>,
    /// How far the balance may fall, which may be below zero; a Prepare that could take it lower gets T04.
    pub min_balance: Option<i128>,
    /// How long an amount stays uncertain at most; then it is released.
    pub uncertain_hold: Option<Duration>,
    /// From this share of `max_balance` or `min_balance` on, in percent, operators are alerted. 0: never.
    pub exposure_alert: u8,
    /// Packets per second from the peer, with bursts of as many packets; above it T05.
    pub packets_per_second: Option<NonZeroU32>,
    /// Prepares in flight from the peer, and as many to it; above it T03.
    pub max_packets_in_flight: usize,
    /// Bytes that may wait to be written to one session. Above it Prepares get T03; when answers alone exceed it, the
    /// session is not read.
    pub outbox_bytes_max: usize,
    /// Sessions that the peer may have open at once; a further one replaces the oldest.
    pub max_sessions: usize,
}

impl Limits {
    /// The default of `max_sessions`: several programs may log in as one child.
    pub fn default_max_sessions(relation: Relation) -> usize {
        match relation {
            Relation::Child => 8,
            Relation::Peer | Relation::Parent => 1,
        }
    }

    /// The largest amount of a packet from the peer that `max_balance` can ever allow: at the lowest balance that
    /// `min_balance` allows, or at zero without a `min_balance`. (A peer that we owe more may send more, but cannot
    /// rely on it.) `None`: every amount can pass, or none can.
    pub fn max_amount_within_balance(&self) -> Option<Amount> {
        let lowest = self.min_balance.unwrap_or(0).min(0);
        let headroom = self.max_balance?.saturating_sub(lowest);
        u64::try_from(headroom).ok().filter(|headroom| *headroom > 0).map(Amount)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_packet_amount: None,
            max_balance: None,
            min_balance: None,
            uncertain_hold: None,
            exposure_alert: 80,
            packets_per_second: None,
            max_packets_in_flight: 16_384,
            outbox_bytes_max: 4 * 1024 * 1024,
            max_sessions: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_programs_may_log_in_as_one_child() {
        let sessions =
            [Relation::Parent, Relation::Peer, Relation::Child].map(Limits::default_max_sessions);
        assert_eq!(sessions, [1, 1, 8]);
    }

    #[test]
    fn the_largest_amount_within_the_balance_limits() {
        let check = |max_balance, min_balance, expected: Option<u64>| {
            let limits = Limits { max_balance, min_balance, ..Limits::default() };
            assert_eq!(limits.max_amount_within_balance(), expected.map(Amount), "{limits:?}");
        };
        check(None, None, None);
        check(None, Some(-5), None);
        check(Some(1000), None, Some(1000));
        check(Some(1000), Some(-500), Some(1500));
        check(Some(1000), Some(200), Some(1000));
        check(Some(-100), Some(-500), Some(400));
        check(Some(-100), None, None);
        check(Some(0), Some(0), None);
        check(Some(i128::MAX), Some(i128::MIN), None);
        check(Some(u64::MAX.into()), None, Some(u64::MAX));
    }
}
