//! Canonical OER as Interledger uses it ([RFC 30]): a reader over a byte slice, and functions that
//! append to a `Vec<u8>`.
//!
//! Six encodings occur in Interledger protocols, and only those are here: unsigned integers of fixed width, fixed octet
//! strings, the length determinant, the variable octet string, the variable unsigned integer, and the count of a
//! SEQUENCE OF (which is a variable unsigned integer). A SEQUENCE is its fields one after the other.
//!
//! Promises: no panic and no allocation on any input; a length is compared with the bytes left before it is used. RFC
//! 30 "CANONICAL-OER": a value has exactly one encoding, so every other one is refused (an indefinite length, a long
//! form where the short one fits, leading zero bytes). [rows 1, 3]
//!
//! Deliberately absent: tags, optional fields, signed and real numbers, a derive macro.
//!
//! ```
//! use oer_codec::{Error, Reader};
//!
//! let mut reader = Reader::new(b"\x03abc\x01\x07");
//! assert_eq!(reader.var_octet_string(), Ok(&b"abc"[..]));
//! assert_eq!(reader.var_uint(), Ok(7));
//! assert!(reader.is_empty());
//! assert_eq!(Reader::new(b"\x81\x7f").length(), Err(Error::LongFormForShortLength));
//!
//! # #[cfg(feature = "alloc")] {
//! let mut out = Vec::new();
//! oer_codec::put_var_octet_string(b"abc", &mut out);
//! oer_codec::put_var_uint(7, &mut out);
//! assert_eq!(out, b"\x03abc\x01\x07");
//! # }
//! ```
//!
//! [RFC 30]: https://interledger.org/rfcs/0030-notes-on-oer-encoding/

#![no_std]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod error;
mod reader;
mod size;
#[cfg(feature = "alloc")]
mod writer;

pub use error::Error;
pub use reader::Reader;
pub use size::{length_size, var_octet_string_size, var_uint_size};
#[cfg(feature = "alloc")]
pub use writer::{
    put_length, put_u8, put_u16, put_u32, put_u64, put_var_octet_string, put_var_uint,
};

#[cfg(test)]
#[cfg(feature = "alloc")]
mod tests;
