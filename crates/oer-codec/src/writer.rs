//! Appends canonical OER to a `Vec<u8>`. Nothing here can fail: limits on sizes belong to the protocols.

use alloc::vec::Vec;

use crate::size::significant_bytes;

/// Appends a UInt8.
#[inline]
pub fn put_u8(value: u8, out: &mut Vec<u8>) {
    out.push(value);
}

/// Appends a UInt16, big-endian.
#[inline]
pub fn put_u16(value: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends a UInt32, big-endian.
#[inline]
pub fn put_u32(value: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends a UInt64. RFC 30 "Fixed-length unsigned integers": eight bytes, most significant first. [row 6]
#[inline]
pub fn put_u64(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends a length determinant. RFC 30 "Length determinant": the short form up to 127, and the
/// long form with as few bytes as possible from 128. [rows 1, 2]
#[inline(always)]
pub fn put_length(len: usize, out: &mut Vec<u8>) {
    let [.., low] = (len as u64).to_be_bytes();
    // Most lengths of the packet path: one store in its caller.
    if len <= 0x7f { out.push(low) } else { put_longer_length(len, out) }
}

#[inline(never)]
fn put_longer_length(len: usize, out: &mut Vec<u8>) {
    // The other two sizes of the packet path are written out, so that each is one store.
    let [.., high, low] = (len as u64).to_be_bytes();
    match len {
        ..=0xff => out.extend_from_slice(&[0x81, low]),
        0x100..=0xffff => out.extend_from_slice(&[0x82, high, low]),
        _ => put_long_length(len as u64, out),
    }
}

#[cold]
fn put_long_length(len: u64, out: &mut Vec<u8>) {
    let size = significant_bytes(len);
    let [.., low] = size.to_be_bytes();
    out.push(0x80 | low);
    put_significant(len, size, out);
}

/// Appends a variable octet string: its length, then its bytes.
#[inline]
pub fn put_var_octet_string(content: &[u8], out: &mut Vec<u8>) {
    put_length(content.len(), out);
    out.extend_from_slice(content);
}

/// Appends a variable unsigned integer, such as the count of a SEQUENCE OF: at least two bytes. [row 5]
#[inline]
pub fn put_var_uint(value: u64, out: &mut Vec<u8>) {
    let size = significant_bytes(value);
    put_length(size, out);
    put_significant(value, size, out);
}

#[inline]
fn put_significant(value: u64, size: usize, out: &mut Vec<u8>) {
    let bytes = value.to_be_bytes();
    let (_, significant) = bytes.split_at(bytes.len().saturating_sub(size));
    out.extend_from_slice(significant);
}
