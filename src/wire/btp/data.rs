//! The protocol data of a frame: a list of named entries. The first one is *primary* and decides what the request is.

use std::collections::HashSet;
use std::fmt;

use oer_codec::Reader;

use crate::wire::Error;
use crate::wire::error::{encoding, read_count};

/// Bytes of the shortest entry: length of the name, content type, length of the data.
const ENTRY_MIN: usize = 3;

/// The format of an entry's data. RFC 23 "Sub-Protocol Data Format": 3 to 255 are unassigned but legal. [row 84]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentType(pub u8);

impl ContentType {
    /// `application/octet-stream`.
    pub const OCTET_STREAM: Self = Self(0);
    /// `text/plain-utf8`.
    pub const TEXT: Self = Self(1);
    /// `application/json`.
    pub const JSON: Self = Self(2);
}

/// One named entry of a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ProtocolEntry<'a> {
    /// Any 7-bit text, possibly empty. Escape it before it is logged.
    pub name: &'a str,
    /// The format of the data.
    pub content_type: ContentType,
    /// The content.
    pub data: &'a [u8],
}

impl<'a> ProtocolEntry<'a> {
    /// An entry of bytes. `name` must be 7-bit text.
    #[must_use]
    pub const fn octets(name: &'a str, data: &'a [u8]) -> Self {
        Self { name, content_type: ContentType::OCTET_STREAM, data }
    }

    /// An entry of text. `name` must be 7-bit text.
    #[must_use]
    pub const fn text(name: &'a str, text: &'a str) -> Self {
        Self { name, content_type: ContentType::TEXT, data: text.as_bytes() }
    }
}

/// The data is not printed: it may be a secret (`auth_token`).
impl fmt::Debug for ProtocolEntry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, content_type: ContentType(content_type), data } = self;
        write!(f, "{name:?} (type {content_type}, {} bytes)", data.len())
    }
}

/// The checked entries of a parsed frame.
#[derive(Clone, Copy)]
pub struct ProtocolData<'a> {
    /// Kept, because nearly every frame has one entry, which is read next.
    primary: Option<ProtocolEntry<'a>>,
    /// All entries as they arrived, without the count.
    bytes: &'a [u8],
    count: usize,
}

impl<'a> ProtocolData<'a> {
    /// No entries.
    pub const EMPTY: Self = Self { primary: None, bytes: &[], count: 0 };

    /// One entry, given with its bytes.
    #[inline]
    pub(super) const fn single(entry: ProtocolEntry<'a>, bytes: &'a [u8]) -> Self {
        Self { primary: Some(entry), bytes, count: 1 }
    }

    /// Reads the count and all entries. Nothing is allocated for them.
    #[inline]
    pub(super) fn parse(content: &mut Reader<'a>) -> Result<Self, Error> {
        let count = read_count(ENTRY_MIN, content, "BTP protocolData: count")?;
        let all = content.rest();
        let mut primary = None;
        for index in 0..count {
            let entry = read_entry(content)?;
            if index == 0 {
                primary = Some(entry);
            }
        }
        let (bytes, _) = all.split_at(all.len().saturating_sub(content.remaining()));
        Ok(Self { primary, bytes, count })
    }

    /// The number of entries.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are no entries.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first entry.
    #[must_use]
    #[inline]
    pub const fn primary(&self) -> Option<ProtocolEntry<'a>> {
        self.primary
    }

    /// The first entry of that name, at any position.
    #[must_use]
    #[inline]
    pub fn get(&self, name: &str) -> Option<ProtocolEntry<'a>> {
        match self.primary {
            Some(primary) if primary.name == name => Some(primary),
            _ if self.count < 2 => None,
            _ => self.iter().find(|entry| entry.name == name),
        }
    }

    /// All entries in their order.
    #[must_use]
    pub const fn iter(&self) -> ProtocolEntries<'a> {
        ProtocolEntries { reader: Reader::new(self.bytes) }
    }

    /// Whether two entries have the same name. RFC 23 "Sub-protocols": a name occurs once in a frame. [row 68] The time
    /// is linear, so that a frame of 20,000 entries cannot keep the node busy.
    #[must_use]
    pub fn has_duplicate_names(&self) -> bool {
        /// Up to this number, comparing all pairs is cheaper than a hash set.
        const FEW: usize = 8;
        if self.count <= FEW {
            let mut rest = self.iter();
            while let Some(entry) = rest.next() {
                if rest.clone().any(|other| other.name == entry.name) {
                    return true;
                }
            }
            return false;
        }
        // The frame bounds the count: `parse` has read all of these entries.
        let mut names = HashSet::with_capacity(self.count);
        !self.iter().all(|entry| names.insert(entry.name))
    }

    /// All entries as they were encoded, without the count.
    pub(super) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl PartialEq for ProtocolData<'_> {
    fn eq(&self, other: &Self) -> bool {
        // One list of entries has one encoding.
        self.count == other.count && self.bytes == other.bytes
    }
}

impl Eq for ProtocolData<'_> {}

impl fmt::Debug for ProtocolData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Iterates over the entries of a frame.
#[derive(Debug, Clone)]
pub struct ProtocolEntries<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for ProtocolEntries<'a> {
    type Item = ProtocolEntry<'a>;

    fn next(&mut self) -> Option<ProtocolEntry<'a>> {
        // `parse` has read all entries, so an error is the end of the bytes.
        read_entry(&mut self.reader).ok()
    }
}

#[inline]
fn read_entry<'a>(reader: &mut Reader<'a>) -> Result<ProtocolEntry<'a>, Error> {
    let name = reader.var_octet_string().map_err(encoding("BTP protocolData: protocolName"))?;
    let name = check_ia5(name, "BTP protocolData: protocolName")?;
    let content_type = reader.u8().map_err(encoding("BTP protocolData: contentType"))?;
    let data = reader.var_octet_string().map_err(encoding("BTP protocolData: data"))?;
    Ok(ProtocolEntry { name, content_type: ContentType(content_type), data })
}

/// Checks an IA5String: 7-bit text.
#[inline]
pub(super) fn check_ia5<'a>(bytes: &'a [u8], place: &'static str) -> Result<&'a str, Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Ok(text),
        _ => Err(Error::NotAscii { place }),
    }
}
