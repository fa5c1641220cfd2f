//! The error type of this room: why bytes were not parsed.

use oer_codec::Reader;

use super::{AddressError, TimestampError};

/// Why bytes were not parsed. The text names the field, the rule and the figures: `Prepare: data claims 5 bytes, 0
/// left`. It repeats at most one character of the input, so it may be logged and sent back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not canonical OER, or truncated.
    #[error("{place} {cause}")]
    Encoding {
        /// The field, such as `Prepare: data`.
        place: &'static str,
        /// The mistake in its encoding.
        cause: oer_codec::Error,
    },
    /// Not an ILP address.
    #[error("{place} {cause}")]
    Address {
        /// The field.
        place: &'static str,
        /// The mistake in the address.
        cause: AddressError,
    },
    /// Not a date.
    #[error("{place} {cause}")]
    Timestamp {
        /// The field.
        place: &'static str,
        /// The mistake in the date.
        cause: TimestampError,
    },
    /// More bytes than the protocol allows there.
    #[error("{place} has {length} bytes, at most {maximum} are allowed")]
    TooLong {
        /// The field.
        place: &'static str,
        /// Its number of bytes.
        length: usize,
        /// The limit in bytes.
        maximum: usize,
    },
    /// A byte above 127 where only 7-bit characters may stand.
    #[error("{place} has a byte above 127")]
    NotAscii {
        /// The field.
        place: &'static str,
    },
    /// A text that is not UTF-8.
    #[error("{place} is not UTF-8")]
    NotUtf8 {
        /// The field.
        place: &'static str,
    },
    /// An unexpected type byte.
    #[error("{place} is {found}, expected {expected}")]
    Type {
        /// The field.
        place: &'static str,
        /// The type byte.
        found: u8,
        /// The valid types, as text.
        expected: &'static str,
    },
    /// A well-formed value that this protocol forbids.
    #[error("{place} {rule}")]
    Value {
        /// The field.
        place: &'static str,
        /// The mistake, such as `is not peer.config`.
        rule: &'static str,
    },
}

/// Adds the field to an error of the encoding.
pub(super) fn encoding(place: &'static str) -> impl FnOnce(oer_codec::Error) -> Error {
    move |cause| Error::Encoding { place, cause }
}

/// Adds the field to an error of an address.
pub(super) fn address(place: &'static str) -> impl FnOnce(AddressError) -> Error {
    move |cause| Error::Address { place, cause }
}

/// Adds the field to an error of a date.
pub(super) fn timestamp(place: &'static str) -> impl FnOnce(TimestampError) -> Error {
    move |cause| Error::Timestamp { place, cause }
}

/// Refuses bytes above their limit.
#[inline]
pub(super) fn check_len<'a>(
    maximum: usize,
    bytes: &'a [u8],
    place: &'static str,
) -> Result<&'a [u8], Error> {
    if bytes.len() <= maximum {
        Ok(bytes)
    } else {
        Err(Error::TooLong { place, length: bytes.len(), maximum })
    }
}

/// Reads the count of a list whose items have at least `item_min` bytes. The count is a claim, which is compared with
/// the bytes left. [row 4]
#[inline]
pub(super) fn read_count(
    item_min: usize,
    reader: &mut Reader<'_>,
    place: &'static str,
) -> Result<usize, Error> {
    let claimed = reader.var_uint().map_err(encoding(place))?;
    let fits = reader.remaining() / item_min;
    usize::try_from(claimed).ok().filter(|&count| count <= fits).ok_or_else(|| {
        let claimed = claimed.saturating_mul(item_min as u64);
        let cause = oer_codec::Error::Overrun { claimed, left: reader.remaining() };
        Error::Encoding { place, cause }
    })
}
