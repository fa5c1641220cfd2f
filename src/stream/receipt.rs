//! Receipts (RFC 39): the receiver's total, signed with a verifier's secret. A receiver signs them, a sender only
//! collects them, and only the verifier and the receiver know the secret.

use std::fmt;

use ring::hmac;

use super::keys::SECRET_LEN;

/// Bytes of a verifier's nonce.
pub const RECEIPT_NONCE_BYTES: usize = 16;
/// Bytes of a receipt: version, nonce, stream, total, HMAC.
const RECEIPT_BYTES: usize = SIGNED_BYTES + 32;
/// All of it that the HMAC covers.
const SIGNED_BYTES: usize = 1 + RECEIPT_NONCE_BYTES + 1 + 8;
/// The only version.
const VERSION: u8 = 1;

/// What a verifier asks a receiver to sign with: its nonce and its secret, in the headers of an SPSP query.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceiptKey {
    /// Tells the verifier which payment a receipt belongs to.
    pub nonce: [u8; RECEIPT_NONCE_BYTES],
    /// Signs. The sender must not know it, because it could sign receipts itself.
    pub secret: [u8; SECRET_LEN],
}

impl ReceiptKey {
    /// The receipt for all that a stream has received.
    ///
    /// RFC 39 "Specification": the HMAC-SHA256 covers version, nonce, stream and total, in this order.
    pub(super) fn sign(&self, stream: u8, total_received: u64) -> Receipt {
        let mut bytes = [0; RECEIPT_BYTES];
        let (signed, tag) = bytes.split_at_mut(SIGNED_BYTES);
        let fields = [&[VERSION][..], &self.nonce, &[stream], &total_received.to_be_bytes()];
        for (place, byte) in signed.iter_mut().zip(fields.into_iter().flatten()) {
            *place = *byte;
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        tag.copy_from_slice(hmac::sign(&key, signed).as_ref());
        Receipt(bytes)
    }
}

/// Without the secret, and without the nonce, which belongs to the verifier.
impl fmt::Debug for ReceiptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReceiptKey(..)")
    }
}

/// A receipt for the stream of the money.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Receipt([u8; RECEIPT_BYTES]);

impl Receipt {
    /// Reads the receipt of a frame; `None` for an unknown version or size.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; RECEIPT_BYTES] = bytes.try_into().ok()?;
        (bytes.first() == Some(&VERSION)).then_some(Self(bytes))
    }

    /// The total that the receiver has received.
    pub fn total_received(&self) -> u64 {
        let total = self.0.iter().skip(1 + RECEIPT_NONCE_BYTES + 1).take(8);
        total.fold(0, |total, byte| total << 8 | u64::from(*byte))
    }

    /// The receipt as received, for the verifier.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The receipt with the larger total.
    pub(super) fn larger(self, other: Option<Self>) -> Self {
        match other {
            Some(other) if other.total_received() > self.total_received() => other,
            _ => self,
        }
    }
}

/// Without the nonce, which belongs to the verifier.
impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receipt({})", self.total_received())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_receipt_is_kept() {
        let of = |total: u64| {
            let mut bytes = vec![VERSION];
            bytes.extend([7; RECEIPT_NONCE_BYTES]);
            bytes.push(1);
            bytes.extend(total.to_be_bytes());
            bytes.extend([9; 32]);
            bytes
        };
        let [little, much] = [5, u64::MAX - 1].map(|total| Receipt::read(&of(total)).unwrap());
        assert_eq!((little.total_received(), much.total_received()), (5, u64::MAX - 1));
        assert_eq!(little.larger(Some(much)), much);
        assert_eq!(much.larger(Some(little)), much);
        assert_eq!(little.larger(None).as_bytes(), of(5));
        let mut other = of(5);
        other[0] = 2;
        assert_eq!(
            (Receipt::read(&other), Receipt::read(&of(5)[1..]), Receipt::read(&[])),
            (None, None, None)
        );
    }

    #[test]
    fn a_signed_receipt_is_that_of_the_other_implementations() {
        // The receipt of the fixtures of ilp-protocol-stream: nonce of zeros, stream 1, total 500, secret of zeros.
        let expected = "010000000000000000000000000000000001000000000000\
                        01f4c122fa0252debb672d591823f710e99516d67385cf397da87cc8f9e8c8bf5130";
        let key = ReceiptKey { nonce: [0; RECEIPT_NONCE_BYTES], secret: [0; SECRET_LEN] };
        let receipt = key.sign(1, 500);
        assert_eq!(hex::encode(receipt.as_bytes()), expected);
        assert_eq!(Receipt::read(receipt.as_bytes()), Some(receipt));
        assert_eq!(format!("{key:?} {receipt:?}"), "ReceiptKey(..) Receipt(500)");
    }
}
