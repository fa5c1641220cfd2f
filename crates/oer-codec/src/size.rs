//! Sizes of encodings, so that a caller can reserve once and write outer lengths before content.

/// Bytes of the length determinant of `len`: 1 to 9.
#[must_use]
#[inline]
pub const fn length_size(len: usize) -> usize {
    if len < 0x80 { 1 } else { 1 + significant_bytes(len as u64) }
}

/// Bytes of a variable octet string of `len` bytes: the determinant and the content.
#[must_use]
#[inline]
pub const fn var_octet_string_size(len: usize) -> usize {
    length_size(len).saturating_add(len)
}

/// Bytes of a variable unsigned integer: 2 to 9.
#[must_use]
#[inline]
pub const fn var_uint_size(value: u64) -> usize {
    1 + significant_bytes(value)
}

/// Bytes of the shortest big-endian form; zero takes one.
#[inline]
pub(crate) const fn significant_bytes(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(8)
}
