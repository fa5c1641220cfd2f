//! What a sender must be told.

use std::time::Duration;

use super::rate::{PathRate, Slippage};
use crate::wire::{Address, Amount};

/// A payment.
#[derive(Debug, Clone)]
pub struct SenderSettings {
    /// What is to be sent, in units of the account that it is sent from.
    pub amount: Amount,
    /// The own address: the receiver that hears it tells its asset.
    pub source: Option<Address>,
    /// The largest packet, where the path would let larger ones pass.
    pub max_packet_amount: Option<Amount>,
    /// The least that must arrive of one unit; without it, what is measured, less the slippage.
    pub minimum_rate: Option<PathRate>,
    /// By how much the rate may become worse than what is measured.
    pub slippage: Slippage,
    /// Packets in flight at most.
    pub window_max: usize,
    /// How long each packet may take.
    pub packet_lifetime: Duration,
    /// How long nothing may arrive before the payment ends. Longer than a packet may take, or one that is lost ends it.
    pub patience: Duration,
    /// How long the payment may take.
    pub time: Option<Duration>,
}

impl SenderSettings {
    /// A payment of this amount as it usually is.
    #[must_use]
    pub fn new(amount: Amount) -> Self {
        SenderSettings {
            amount,
            source: None,
            max_packet_amount: None,
            minimum_rate: None,
            slippage: Slippage::USUAL,
            window_max: 256,
            packet_lifetime: Duration::from_secs(30),
            patience: Duration::from_secs(45),
            time: None,
        }
    }
}
