//! Packets of one payment.

use std::time::{Duration, SystemTime};

use crate::wire::ilp::{Encode, Fulfill, Packet, Prepare, Reply};
use crate::wire::{Address, Amount, Fulfillment, Timestamp};

/// The preimage of every test payment.
pub(crate) const PREIMAGE: Fulfillment = Fulfillment([7; 32]);

/// A payment of 1 to `destination` that expires in 20 seconds.
pub(crate) fn payment(destination: &str) -> Vec<u8> {
    payment_within(destination, 1, Duration::from_secs(20))
}

/// A payment of `amount` that expires in `within`; [`PREIMAGE`] fulfills it.
pub(crate) fn payment_within(destination: &str, amount: u64, within: Duration) -> Vec<u8> {
    payment_at(destination, amount, now().saturating_add(within))
}

pub(crate) fn payment_at(destination: &str, amount: u64, expires_at: Timestamp) -> Vec<u8> {
    let destination: Address = destination.parse().unwrap();
    let (condition, destination) = (PREIMAGE.condition(), destination.view());
    encode(&Prepare { amount: Amount(amount), expires_at, condition, destination, data: b"" })
}

/// The time of the machine's clock.
pub(crate) fn now() -> Timestamp {
    Timestamp::EPOCH.saturating_add(SystemTime::UNIX_EPOCH.elapsed().unwrap())
}

/// The answer to every test payment.
pub(crate) fn fulfillment() -> Vec<u8> {
    encode(&Reply::Fulfill(Fulfill { fulfillment: PREIMAGE, data: b"done" }))
}

pub(crate) fn encode(packet: &impl Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(&mut bytes);
    bytes
}

/// `Prepare`, `Fulfill` or `Reject T01`; other bytes as text.
pub(crate) fn describe(packet: &[u8]) -> String {
    match Packet::parse(packet) {
        Ok(Packet::Prepare(_)) => "Prepare".to_owned(),
        Ok(Packet::Fulfill(_)) => "Fulfill".to_owned(),
        Ok(Packet::Reject(reject)) => format!("Reject {}", reject.code),
        Err(_) => String::from_utf8_lossy(packet).into_owned(),
    }
}
