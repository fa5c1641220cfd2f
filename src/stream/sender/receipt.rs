//! Receipts (RFC 39): the receiver's total, signed with a verifier's secret. A sender only collects them.

/// Bytes of a receipt: version, nonce, stream, total, HMAC.
const RECEIPT_BYTES: usize = 1 + NONCE_BYTES + 1 + 8 + 32;
const NONCE_BYTES: usize = 16;
/// The only version.
const VERSION: u8 = 1;

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
        let total = self.0.iter().skip(1 + NONCE_BYTES + 1).take(8);
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
impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
            bytes.extend([7; NONCE_BYTES]);
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
}
