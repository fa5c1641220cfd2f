//! The settings of a payment.

use std::time::Duration;

use super::rate::{PathRate, Slippage};
use crate::wire::{Address, Amount};

/// The settings of a payment.
#[derive(Debug, Clone)]
pub struct SenderSettings {
    /// The amount to send, in units of the sender's account.
    pub amount: Amount,
    /// The own address. A receiver that knows it reports its asset.
    pub source: Option<Address>,
    /// The largest packet, even if the path allows larger ones.
    pub max_packet_amount: Option<Amount>,
    /// The minimum rate; without it, the measured rate less the slippage.
    pub minimum_rate: Option<PathRate>,
    /// How much worse than the measured rate is accepted.
    pub slippage: Slippage,
    /// Most packets in flight.
    pub window_max: usize,
    /// The time from sending a packet to its expiry.
    pub packet_lifetime: Duration,
    /// The time without any arrival after which the payment ends; longer than a packet's lifetime.
    pub arrival_timeout: Duration,
    /// The longest time of the payment.
    pub time: Option<Duration>,
}

impl SenderSettings {
    /// A payment of this amount with default settings.
    pub fn new(amount: Amount) -> Self {
        Self {
            amount,
            source: None,
            max_packet_amount: None,
            minimum_rate: None,
            slippage: Slippage::USUAL,
            window_max: 256,
            packet_lifetime: Duration::from_secs(30),
            arrival_timeout: Duration::from_secs(45),
            time: None,
        }
    }
}
