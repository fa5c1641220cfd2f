//! What one account may do.

use std::num::NonZeroU32;

use crate::wire::Amount;

/// The limits of one account. Every one has a name, and the packet that meets it gets a Reject that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest amount of one packet from this peer, inclusive, in the account's units; above it F08.
    pub max_packet_amount: Option<Amount>,
    /// What the peer may owe us at most (balance plus what is held for its packets in flight); above it T04.
    pub max_balance: Option<i128>,
    /// How far the balance may fall by what the peer fulfills for us; a Prepare that could pass it gets T04.
    pub min_balance: Option<i128>,
    /// Packets per second from this peer, with bursts of one second's worth; above it T05.
    pub packets_per_second: Option<NonZeroU32>,
    /// Prepares without an answer, from this peer and likewise towards it; above it T03.
    pub max_packets_in_flight: usize,
    /// Bytes waiting to be written to one session. Above it Prepares to it get T03, and when answers alone are that many
    /// we stop reading it.
    pub outbox_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_packet_amount: None,
            max_balance: None,
            min_balance: None,
            packets_per_second: None,
            max_packets_in_flight: 16_384,
            outbox_bytes_max: 4 * 1024 * 1024,
        }
    }
}
