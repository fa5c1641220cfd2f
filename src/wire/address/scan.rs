//! Checks the characters of an address, sixteen bytes per step, in safe code that compiles to
//! vector instructions: every Prepare passes here.

/// Bytes of one step: a vector register, or half of one for short addresses.
const WIDE: usize = 16;
const NARROW: usize = 8;

/// Whether `text` is one segment: one or more of `A-Z a-z 0-9 _ ~ -`.
#[must_use]
pub fn is_segment(text: &str) -> bool {
    !text.is_empty() && text.len() <= super::MAX_ADDRESS && text.bytes().all(is_segment_byte)
}

/// Whether `bytes` are segments joined by single dots. RFC 15 "Address Requirements": no segment is empty. [row 22]
#[inline]
pub(super) fn is_dotted(bytes: &[u8]) -> bool {
    let ([first, heads @ ..], [tails @ .., last]) = (bytes, bytes) else {
        return false;
    };
    // `tails` and `heads` are the same bytes shifted by one: byte i stands before byte i + 1.
    let (before, after) = (tails, heads);
    if *first == b'.' || !is_segment_byte(*last) {
        return false;
    }
    if before.len() >= WIDE {
        all_pairs_valid::<WIDE>(before, after)
    } else if before.len() >= NARROW {
        all_pairs_valid::<NARROW>(before, after)
    } else {
        before
            .iter()
            .zip(after)
            .fold(true, |good, (&before, &after)| good & is_valid_pair(before, after))
    }
}

/// Checks all pairs, `STEP` at a time. There must be at least one step of them.
#[inline]
fn all_pairs_valid<const STEP: usize>(before: &[u8], after: &[u8]) -> bool {
    let steps = before.as_chunks::<STEP>().0.iter().zip(after.as_chunks::<STEP>().0);
    let whole = steps.fold(true, |good, (before, after)| good & step_is_valid(before, after));
    // The last step overlaps the one before, which is faster than byte by byte.
    match (before.last_chunk::<STEP>(), after.last_chunk::<STEP>()) {
        (Some(before), Some(after)) => whole & step_is_valid(before, after),
        _ => false,
    }
}

#[inline]
fn step_is_valid<const STEP: usize>(before: &[u8; STEP], after: &[u8; STEP]) -> bool {
    let mut good = [0u8; STEP];
    for ((good, &before), &after) in good.iter_mut().zip(before).zip(after) {
        *good = u8::from(is_valid_pair(before, after));
    }
    good.iter().fold(1, |all, &good| all & good) == 1
}

/// Whether `before` may stand before `after`.
#[inline]
fn is_valid_pair(before: u8, after: u8) -> bool {
    is_segment_byte(before) | ((before == b'.') & (after != b'.'))
}

/// Every comparison is evaluated, because branches and tables do not vectorise.
#[inline]
pub(super) fn is_segment_byte(byte: u8) -> bool {
    ((byte | 0x20).wrapping_sub(b'a') < 26)
        | (byte.wrapping_sub(b'0') < 10)
        | (byte == b'-')
        | (byte == b'_')
        | (byte == b'~')
}
