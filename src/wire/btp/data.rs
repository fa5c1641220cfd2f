//! The protocol data of a frame: a list of named entries, the first of which is *primary* and alone
//! decides what is asked for.

use std::collections::HashSet;
use std::fmt;

use oer_codec::Reader;

use crate::wire::Error;
use crate::wire::error::encoding;

/// The least that an entry takes: length of the name, content type, length of the data.
const ENTRY_MIN: usize = 3;

/// How an entry's data is to be read (RFC 23). 3 to 255 are unassigned but legal.
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

/// One entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ProtocolEntry<'a> {
    /// 7-bit text of the peer's choice, possibly empty. Escape it before it is logged.
    pub name: &'a str,
    /// How to read the data.
    pub content_type: ContentType,
    /// The data.
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

/// The name and how much data, but not the data: it may be a secret (`auth_token`).
impl fmt::Debug for ProtocolEntry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, content_type: ContentType(content_type), data } = self;
        write!(f, "{name:?} (type {content_type}, {} bytes)", data.len())
    }
}

/// The entries of a frame that was parsed: all of them have been checked.
#[derive(Clone, Copy)]
pub struct ProtocolData<'a> {
    /// Kept because nearly every frame has one entry, and that is the one that is wanted.
    primary: Option<ProtocolEntry<'a>>,
    /// All entries as they came, without the count.
    bytes: &'a [u8],
    count: usize,
}

impl<'a> ProtocolData<'a> {
    /// No entries.
    pub const EMPTY: Self = Self { primary: None, bytes: &[], count: 0 };

    /// One entry, and its bytes.
    #[inline]
    pub(super) const fn single(entry: ProtocolEntry<'a>, bytes: &'a [u8]) -> Self {
        Self { primary: Some(entry), bytes, count: 1 }
    }

    /// Reads the count and all entries. The count is a claim: nothing is allocated for it, and it is
    /// held against the bytes left first.
    #[inline]
    pub(super) fn parse(content: &mut Reader<'a>) -> Result<Self, Error> {
        let claimed = content.var_uint().map_err(encoding("BTP protocolData: count"))?;
        let fits = content.remaining() / ENTRY_MIN;
        let count = usize::try_from(claimed).ok().filter(|&count| count <= fits);
        let Some(count) = count else {
            let needed = claimed.saturating_mul(ENTRY_MIN as u64);
            let cause = oer_codec::Error::Overrun { claimed: needed, left: content.remaining() };
            return Err(Error::Encoding { place: "BTP protocolData: count", cause });
        };
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

    /// How many entries there are.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
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

    /// Whether two entries have the same name, which RFC 23 forbids. Takes time in proportion to the
    /// number of entries, so that a frame of 20,000 is no way to keep the node busy.
    #[must_use]
    pub fn has_duplicate_names(&self) -> bool {
        /// Up to here comparing all with all is cheaper than a table.
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
        // No larger than the frame allows: `parse` has seen all of these entries.
        let mut seen = HashSet::with_capacity(self.count);
        !self.iter().all(|entry| seen.insert(entry.name))
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

impl<'a> IntoIterator for ProtocolData<'a> {
    type Item = ProtocolEntry<'a>;
    type IntoIter = ProtocolEntries<'a>;

    fn into_iter(self) -> ProtocolEntries<'a> {
        self.iter()
    }
}

/// Goes through the entries of a frame.
#[derive(Debug, Clone)]
pub struct ProtocolEntries<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for ProtocolEntries<'a> {
    type Item = ProtocolEntry<'a>;

    fn next(&mut self) -> Option<ProtocolEntry<'a>> {
        // All of it was read once before, so an error is the end.
        read_entry(&mut self.reader).ok()
    }
}

#[inline]
fn read_entry<'a>(reader: &mut Reader<'a>) -> Result<ProtocolEntry<'a>, Error> {
    let name = reader.var_octet_string().map_err(encoding("BTP protocolData: protocolName"))?;
    let name = ia5(name, "BTP protocolData: protocolName")?;
    let content_type = reader.u8().map_err(encoding("BTP protocolData: contentType"))?;
    let data = reader.var_octet_string().map_err(encoding("BTP protocolData: data"))?;
    Ok(ProtocolEntry { name, content_type: ContentType(content_type), data })
}

/// An IA5String: seven bits.
#[inline]
pub(super) fn ia5<'a>(bytes: &'a [u8], place: &'static str) -> Result<&'a str, Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Ok(text),
        _ => Err(Error::NotAscii { place }),
    }
}
