//! The errors of the reader.

use core::fmt;

/// Why bytes are not canonical OER. The texts continue a sentence that begins with the name of the
/// field: "data claims 5 bytes, 0 left".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A field of fixed size goes beyond the end.
    Underflow {
        /// Size of the field in bytes.
        needed: usize,
        /// Bytes that were left.
        left: usize,
    },
    /// A length determinant claims more bytes than are left.
    Overrun {
        /// The length that was read.
        claimed: u64,
        /// Bytes that were left after it.
        left: usize,
    },
    /// `80`: an indefinite length, which OER does not have.
    IndefiniteLength,
    /// A length below 128 in the long form.
    LongFormForShortLength,
    /// A length with leading zero bytes.
    LeadingZeroInLength,
    /// A length of more than eight bytes.
    LengthTooWide {
        /// Bytes of the length.
        bytes: u8,
    },
    /// A variable integer of no bytes; zero is `01 00`.
    EmptyInteger,
    /// A variable integer with leading zero bytes.
    LeadingZeroInInteger,
    /// A variable integer that does not fit 64 bits.
    IntegerTooWide {
        /// Bytes of the integer.
        bytes: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Underflow { needed, left } => write!(f, "needs {needed} bytes, {left} left"),
            Self::Overrun { claimed, left } => write!(f, "claims {claimed} bytes, {left} left"),
            Self::IndefiniteLength => f.write_str("has an indefinite length (80)"),
            Self::LongFormForShortLength => {
                f.write_str("has a length below 128 in the long form, which is not canonical")
            }
            Self::LeadingZeroInLength => {
                f.write_str("has a length with a leading zero byte, which is not canonical")
            }
            Self::LengthTooWide { bytes } => {
                write!(f, "has a length of {bytes} bytes, at most 8 are allowed")
            }
            Self::EmptyInteger => f.write_str("is an integer of zero bytes (zero is 01 00)"),
            Self::LeadingZeroInInteger => {
                f.write_str("is an integer with a leading zero byte, which is not canonical")
            }
            Self::IntegerTooWide { bytes } => {
                write!(f, "is an integer of {bytes} bytes, at most 8 are allowed")
            }
        }
    }
}

impl core::error::Error for Error {}
