//! Why bytes are not what they should be: the one error of this room.

use super::{AddressError, TimestampError};

/// Why bytes were not parsed. Its text is for people and names the place, the rule and the figures:
/// `Prepare: data claims 5 bytes, 0 left`. It never repeats bytes of the input beyond one
/// character, so it may be logged and sent back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not canonical OER, or truncated.
    #[error("{place} {cause}")]
    Encoding {
        /// What was being read, such as `Prepare: data`.
        place: &'static str,
        /// What is wrong with its encoding.
        cause: oer_codec::Error,
    },
    /// Not an ILP address.
    #[error("{place} {cause}")]
    Address {
        /// What was being read.
        place: &'static str,
        /// What is wrong with the address.
        cause: AddressError,
    },
    /// Not a date.
    #[error("{place} {cause}")]
    Timestamp {
        /// What was being read.
        place: &'static str,
        /// What is wrong with the date.
        cause: TimestampError,
    },
    /// More bytes than the protocol allows there.
    #[error("{place} has {length} bytes, at most {maximum} are allowed")]
    TooLong {
        /// What was being read.
        place: &'static str,
        /// Bytes that it has.
        length: usize,
        /// Bytes that it may have.
        maximum: usize,
    },
    /// A byte above 127 where only 7-bit characters may stand.
    #[error("{place} has a byte above 127")]
    NotAscii {
        /// What was being read.
        place: &'static str,
    },
    /// A text that is not UTF-8.
    #[error("{place} is not UTF-8")]
    NotUtf8 {
        /// What was being read.
        place: &'static str,
    },
    /// Another type than the one, or those, that can be read here.
    #[error("{place} is {found}, expected {expected}")]
    Type {
        /// What was being read.
        place: &'static str,
        /// The type byte.
        found: u8,
        /// What would have been right.
        expected: &'static str,
    },
    /// A value that is well-formed but not the one that this protocol prescribes.
    #[error("{place} {rule}")]
    Value {
        /// What was being read.
        place: &'static str,
        /// What is wrong with it, such as `is not peer.config`.
        rule: &'static str,
    },
}

/// Puts a place to what is wrong with an encoding.
pub(super) fn encoding(place: &'static str) -> impl FnOnce(oer_codec::Error) -> Error {
    move |cause| Error::Encoding { place, cause }
}

/// Puts a place to what is wrong with an address.
pub(super) fn address(place: &'static str) -> impl FnOnce(AddressError) -> Error {
    move |cause| Error::Address { place, cause }
}

/// Puts a place to what is wrong with a date.
pub(super) fn timestamp(place: &'static str) -> impl FnOnce(TimestampError) -> Error {
    move |cause| Error::Timestamp { place, cause }
}

/// Refuses what is longer than its limit.
#[inline]
pub(super) fn at_most<'a>(
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
