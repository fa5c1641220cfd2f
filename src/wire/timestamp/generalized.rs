//! GeneralizedTime: `triggeredAt` of a BTP ERROR.

use super::calendar::{digit_pairs, lanes};
use super::{Timestamp, TimestampError};

const FORM_GENERALIZED: TimestampError = TimestampError::Form(
    "YYYYMMDDHHMMSSZ or YYYYMMDDHHMMSS.fffZ with 1 to 3 digits after the point",
);

impl Timestamp {
    /// Reads a GeneralizedTime with up to three digits after the point. Trailing zeros are
    /// accepted, because btp-packet (JavaScript) writes them. Second 60 is read as the next second.
    ///
    /// # Errors
    /// [`TimestampError`], with the field that is wrong.
    pub fn read_generalized(text: &[u8]) -> Result<Self, TimestampError> {
        let Some((whole, fraction)) = text.split_first_chunk::<14>() else {
            return Err(FORM_GENERALIZED);
        };
        let digit = |byte: u8| u64::from(byte.wrapping_sub(b'0'));
        let millis = match *fraction {
            [b'Z'] => 0,
            [b'.', f0 @ b'0'..=b'9', b'Z'] => digit(f0) * 100,
            [b'.', f0 @ b'0'..=b'9', f1 @ b'0'..=b'9', b'Z'] => digit(f0) * 100 + digit(f1) * 10,
            [b'.', f0 @ b'0'..=b'9', f1 @ b'0'..=b'9', f2 @ b'0'..=b'9', b'Z'] => {
                digit(f0) * 100 + digit(f1) * 10 + digit(f2)
            }
            _ => return Err(FORM_GENERALIZED),
        };
        let [y0, y1, y2, y3, m0, m1, d0, d1, h0, h1, i0, i1, s0, s1] = *whole;
        let date = digit_pairs([y0, y1, y2, y3, m0, m1, d0, d1]);
        let time = digit_pairs([h0, h1, i0, i1, s0, s1, b'0', b'0']);
        let (Some(date), Some(time)) = (date, time) else {
            return Err(FORM_GENERALIZED);
        };
        let [hour, minute, second, _] = lanes(time);
        Self::from_civil(lanes(date), [hour, minute, second], millis, 60)
    }

    /// The GeneralizedTime that all known readers accept: three digits after the point, the last one not 0. btp-packet
    /// needs three digits, so a millisecond that ends in 0 is written one later.
    ///
    /// RFC 30 "Variable-length Timestamps": the fraction has no trailing zeros. [row 86]
    #[must_use]
    pub fn to_generalized(self) -> [u8; 19] {
        let nudged = if self.0.is_multiple_of(10) { Self(self.0 + 1) } else { self };
        let [y0, y1, y2, y3, m0, m1, d0, d1, h0, h1, i0, i1, s0, s1, f0, f1, f2] = nudged.to_17();
        [y0, y1, y2, y3, m0, m1, d0, d1, h0, h1, i0, i1, s0, s1, b'.', f0, f1, f2, b'Z']
    }
}

/// A valid GeneralizedTime as it arrived. Kept as text, because an instant has several forms, and a
/// frame that is written again must not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GeneralizedTime<'a> {
    text: &'a [u8],
    timestamp: Timestamp,
}

impl<'a> GeneralizedTime<'a> {
    /// Checks the text, see [`Timestamp::read_generalized`].
    ///
    /// # Errors
    /// [`TimestampError`], with the field that is wrong.
    pub fn parse(text: &'a [u8]) -> Result<Self, TimestampError> {
        Ok(Self { text, timestamp: Timestamp::read_generalized(text)? })
    }

    /// The form that [`Timestamp::to_generalized`] writes.
    pub(in crate::wire) fn from_written(text: &'a [u8; 19]) -> Self {
        let timestamp = Timestamp::read_generalized(text).expect("text written by to_generalized");
        Self { text, timestamp }
    }

    /// The text as it arrived; ASCII.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.text
    }

    /// The instant.
    #[must_use]
    pub const fn timestamp(self) -> Timestamp {
        self.timestamp
    }
}
