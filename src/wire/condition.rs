//! Conditions and fulfillments: the hash lock of a Prepare.

use std::fmt;

/// The hash lock of a Prepare. RFC 27 "ILP Prepare": it is the SHA-256 of the fulfillment, and only
/// that fulfillment executes the packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Condition(pub [u8; 32]);

/// The 32 bytes that a Fulfill carries.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fulfillment(pub [u8; 32]);

impl Condition {
    /// The condition of `peer.config` and `peer.route.*`, which carry no money. RFC 31 "Packet": it
    /// is the SHA-256 of 32 zero bytes.
    pub const PEER_PROTOCOL: Self = Self([
        0x66, 0x68, 0x7a, 0xad, 0xf8, 0x62, 0xbd, 0x77, 0x6c, 0x8f, 0xc1, 0x8b, 0x8e, 0x9f, 0x8e,
        0x20, 0x08, 0x97, 0x14, 0x85, 0x6e, 0xe2, 0x33, 0xb3, 0x90, 0x2a, 0x59, 0x1d, 0x0d, 0x5f,
        0x29, 0x25,
    ]);
    /// The well-known condition of a unidirectional ping, see [`Fulfillment::PING`].
    pub const PING: Self = Self([
        0x8c, 0x00, 0xbc, 0x0c, 0x61, 0x4f, 0x64, 0xf7, 0xe1, 0xe0, 0x0b, 0x59, 0xa5, 0x7b, 0xaf,
        0x5c, 0x57, 0xb6, 0xa1, 0x19, 0xa9, 0x0d, 0x54, 0xaf, 0x48, 0x98, 0x36, 0xa1, 0x3f, 0x9b,
        0xc7, 0x7e,
    ]);

    /// Those that many packets have: the constants, and the zeros that stand for the condition of a packet that could
    /// not be read.
    pub const SHARED: [Self; 3] = [Self::PING, Self::PEER_PROTOCOL, Self([0; 32])];

    /// Whether many packets have it.
    #[must_use]
    #[inline]
    pub fn is_shared(&self) -> bool {
        // The packet path asks this of each packet that is watched: one comparison of eight bytes decides it nearly
        // always.
        Self::SHARED.iter().any(|shared| shared.leading() == self.leading() && shared == self)
    }

    /// The first eight bytes as a number.
    #[must_use]
    #[inline]
    pub const fn leading(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl Fulfillment {
    /// 32 zero bytes: the fulfillment of [`Condition::PEER_PROTOCOL`].
    pub const ZERO: Self = Self([0; 32]);
    /// `ping` eight times: the fulfillment of [`Condition::PING`]. It is public, so any hop can
    /// take the money. [row 121]
    pub const PING: Self = Self(*b"pingpingpingpingpingpingpingping");

    /// Its condition: the SHA-256.
    #[must_use]
    pub fn condition(&self) -> Condition {
        let digest = ring::digest::digest(&ring::digest::SHA256, &self.0);
        let mut hash = [0; 32];
        hash.copy_from_slice(digest.as_ref());
        Condition(hash)
    }
}

macro_rules! shown_in_hex {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }
    )*};
}

shown_in_hex!(Condition Fulfillment);

fn write_hex(bytes: &[u8; 32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [0; 64];
    hex::encode_to_slice(bytes, &mut text).map_err(|_| fmt::Error)?;
    f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::vectors;

    #[test]
    fn pairs_of_condition_and_fulfillment() {
        let file = vectors::load("ilp");
        let mut named = 0;
        for pair in vectors::list(&file, "condition_pairs") {
            let fulfillment = Fulfillment(vectors::array(pair, "fulfillment_hex"));
            let condition = Condition(vectors::array(pair, "condition_hex"));
            assert_eq!(fulfillment.condition(), condition, "{pair}");
            assert_eq!(condition.to_string(), vectors::text(pair, "condition_hex"));
            assert_eq!(format!("{fulfillment:?}"), vectors::text(pair, "fulfillment_hex"));
            let constants = [
                (Fulfillment::ZERO, Condition::PEER_PROTOCOL),
                (Fulfillment::PING, Condition::PING),
            ];
            named += constants.iter().filter(|&&pair| pair == (fulfillment, condition)).count();
        }
        assert_eq!(named, 2, "both named pairs are among the vectors");
        let wrong = &file["not_a_pair"];
        assert_ne!(
            Fulfillment(vectors::array(wrong, "fulfillment_hex")).condition(),
            Condition(vectors::array(wrong, "condition_hex"))
        );
    }
}
