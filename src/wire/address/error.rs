//! Finds and explains the mistake in an address.

use super::scan::is_segment_byte;
use super::{MAX_ADDRESS, Scheme};

/// Why a text is not an ILP address, prefix or segment. Positions count from 1. The texts continue
/// a sentence that names the field or shows the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// An empty text.
    #[error("is empty, an ILP address looks like test.alice")]
    Empty,
    /// More than [`MAX_ADDRESS`] characters.
    #[error("has {length} characters, at most {MAX_ADDRESS} are allowed")]
    TooLong {
        /// Its number of characters.
        length: usize,
    },
    /// A character outside `A-Z a-z 0-9 _ ~ -` and the dot.
    #[error("has {found:?} as character {at}, only A-Z a-z 0-9 _ ~ - and dots are allowed")]
    Character {
        /// Its position, counted from 1.
        at: usize,
        /// The character; U+FFFD where the bytes are not UTF-8.
        found: char,
    },
    /// Nothing before the first dot, after the last dot, or between two dots.
    #[error("has an empty segment at character {at} (a dot too many)")]
    EmptySegment {
        /// The position where the segment should be, counted from 1.
        at: usize,
    },
    /// The first part is not a scheme of RFC 15.
    #[error(
        "does not begin with a known scheme (g, test, test1, test2, test3, example, private, local, self, peer)"
    )]
    UnknownScheme,
    /// Only a scheme: a prefix, but no address.
    #[error("is only a scheme, an address needs a segment after it, as in test.alice")]
    OnlyScheme,
}

/// What the text should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AddressKind {
    Address,
    Prefix,
}

/// The first mistake of a text that the fast check refused. A property test compares the two.
#[cold]
pub(super) fn first_mistake(bytes: &[u8], kind: AddressKind) -> AddressError {
    find_mistake(bytes, kind).unwrap_or(AddressError::UnknownScheme)
}

pub(super) fn find_mistake(bytes: &[u8], kind: AddressKind) -> Option<AddressError> {
    if bytes.is_empty() {
        return (kind == AddressKind::Address).then_some(AddressError::Empty);
    }
    if bytes.len() > MAX_ADDRESS {
        return Some(AddressError::TooLong { length: bytes.len() });
    }
    let mut segment_length = 0usize;
    for (at, &byte) in (1..).zip(bytes) {
        match byte {
            b'.' if segment_length == 0 => return Some(AddressError::EmptySegment { at }),
            b'.' => segment_length = 0,
            _ if is_segment_byte(byte) => segment_length += 1,
            _ => return Some(AddressError::Character { at, found: character_at(bytes, at) }),
        }
    }
    if segment_length == 0 {
        return Some(AddressError::EmptySegment { at: bytes.len() + 1 });
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let scheme = text.split('.').next().and_then(Scheme::from_name);
    match scheme {
        None => Some(AddressError::UnknownScheme),
        Some(_) if kind == AddressKind::Address && !text.contains('.') => {
            Some(AddressError::OnlyScheme)
        }
        Some(_) => None,
    }
}

/// The character at a position, counted from 1; all bytes before it are ASCII.
pub(super) fn character_at(bytes: &[u8], at: usize) -> char {
    let (_, rest) = bytes.split_at(at.saturating_sub(1).min(bytes.len()));
    let chunk = rest.utf8_chunks().next();
    chunk.and_then(|chunk| chunk.valid().chars().next()).unwrap_or(char::REPLACEMENT_CHARACTER)
}
