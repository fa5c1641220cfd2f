//! Reads canonical OER from a slice, front to back, without copying.

use crate::Error;

/// A cursor over bytes. What it returns borrows from the input, not from the reader.
///
/// After an error the position is where the failed field began or somewhere inside it: stop.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
    total: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the first byte of `input`.
    #[must_use]
    #[inline]
    pub const fn new(input: &'a [u8]) -> Self {
        Self { rest: input, total: input.len() }
    }

    /// Bytes that have not been read.
    #[must_use]
    #[inline]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Whether everything has been read.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Bytes that have been read.
    #[must_use]
    #[inline]
    pub const fn position(&self) -> usize {
        self.total.saturating_sub(self.rest.len())
    }

    /// The bytes that have not been read; the position stays.
    #[must_use]
    #[inline]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads a UInt8.
    ///
    /// # Errors
    /// [`Error::Underflow`] at the end.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Error> {
        self.array::<1>().map(|&[byte]| byte)
    }

    /// Reads a UInt16.
    ///
    /// # Errors
    /// [`Error::Underflow`] when fewer than 2 bytes are left.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(|bytes| u16::from_be_bytes(*bytes))
    }

    /// Reads a UInt32.
    ///
    /// # Errors
    /// [`Error::Underflow`] when fewer than 4 bytes are left.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// Reads a UInt64.
    ///
    /// # Errors
    /// [`Error::Underflow`] when fewer than 8 bytes are left.
    #[inline]
    pub fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(|bytes| u64::from_be_bytes(*bytes))
    }

    /// Reads an octet string of `N` bytes.
    ///
    /// # Errors
    /// [`Error::Underflow`] when fewer than `N` bytes are left.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Error> {
        match self.rest.split_first_chunk() {
            Some((array, rest)) => {
                self.rest = rest;
                Ok(array)
            }
            None => Err(self.underflow(N)),
        }
    }

    /// Reads an octet string of `len` bytes.
    ///
    /// # Errors
    /// [`Error::Underflow`] when fewer than `len` bytes are left.
    #[inline]
    pub fn octets(&mut self, len: usize) -> Result<&'a [u8], Error> {
        match self.rest.split_at_checked(len) {
            Some((octets, rest)) => {
                self.rest = rest;
                Ok(octets)
            }
            None => Err(self.underflow(len)),
        }
    }

    /// Reads a length determinant. It is *not* compared with the bytes left: the caller must do so
    /// before it allocates anything.
    ///
    /// RFC 30 "Length determinant": a length below 128 is one byte, a longer one is preceded by the
    /// number of its bytes and has no leading zeros. [rows 2, 3]
    ///
    /// # Errors
    /// [`Error::Underflow`], or one of the errors for a length that is not canonical.
    #[inline]
    pub fn length(&mut self) -> Result<u64, Error> {
        match self.u8()? {
            short @ 0..=0x7f => Ok(u64::from(short)),
            0x81 => match self.u8()? {
                0..=0x7f => Err(Error::LongFormForShortLength),
                length => Ok(u64::from(length)),
            },
            0x82 => match self.u16()? {
                0..=0x7f => Err(Error::LongFormForShortLength),
                0x80..=0xff => Err(Error::LeadingZeroInLength),
                length => Ok(u64::from(length)),
            },
            other => self.long_length(other & 0x7f),
        }
    }

    #[cold]
    fn long_length(&mut self, bytes: u8) -> Result<u64, Error> {
        match bytes {
            0 => Err(Error::IndefiniteLength),
            1..=8 => {
                let octets = self.octets(usize::from(bytes))?;
                let length = big_endian(octets);
                match octets.first() {
                    _ if length < 0x80 => Err(Error::LongFormForShortLength),
                    Some(0) => Err(Error::LeadingZeroInLength),
                    _ => Ok(length),
                }
            }
            9.. => Err(Error::LengthTooWide { bytes }),
        }
    }

    /// Reads a variable octet string: its length, then as many bytes. A claimed length never
    /// allocates: only bytes that are there are returned. [row 4]
    ///
    /// # Errors
    /// Those of [`length`](Self::length), and [`Error::Overrun`] when fewer bytes are left.
    #[inline]
    pub fn var_octet_string(&mut self) -> Result<&'a [u8], Error> {
        let length = self.length()?;
        let split = usize::try_from(length).ok().and_then(|len| self.rest.split_at_checked(len));
        match split {
            Some((octets, rest)) => {
                self.rest = rest;
                Ok(octets)
            }
            None => Err(Error::Overrun { claimed: length, left: self.rest.len() }),
        }
    }

    /// Reads a variable unsigned integer.
    ///
    /// RFC 30 "Variable-length unsigned integer": the bytes of the number follow their length,
    /// without leading zeros. The count of a SEQUENCE OF is encoded in the same way; it is only a
    /// claim, which the caller compares with the bytes left. [row 5]
    ///
    /// # Errors
    /// Those of [`var_octet_string`](Self::var_octet_string), and the errors for an integer that
    /// is empty, has leading zeros, or does not fit 64 bits.
    #[inline]
    pub fn var_uint(&mut self) -> Result<u64, Error> {
        match *self.var_octet_string()? {
            [] => Err(Error::EmptyInteger),
            [byte] => Ok(u64::from(byte)),
            [0, ..] => Err(Error::LeadingZeroInInteger),
            ref octets if octets.len() > 8 => Err(Error::IntegerTooWide { bytes: octets.len() }),
            ref octets => Ok(big_endian(octets)),
        }
    }

    #[cold]
    fn underflow(&self, needed: usize) -> Error {
        Error::Underflow { needed, left: self.rest.len() }
    }
}

/// The value of at most eight big-endian bytes.
fn big_endian(octets: &[u8]) -> u64 {
    octets.iter().fold(0, |value, &byte| (value << 8) | u64::from(byte))
}
