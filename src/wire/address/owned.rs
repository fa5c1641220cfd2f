//! Addresses and prefixes that own their text, for configuration and tables.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;

use super::error::{self, AddressKind};
use super::scan::is_segment_byte;
use super::{AddressError, AddressRef, MAX_ADDRESS, Scheme};

/// A valid ILP address that owns its text. Cloning copies a pointer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Address(Arc<str>);

impl Address {
    /// The address as a view.
    #[must_use]
    #[inline]
    pub fn view(&self) -> AddressRef<'_> {
        AddressRef(self.0.as_bytes())
    }

    /// The whole address.
    #[must_use]
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The allocation scheme, the first part.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.view().scheme()
    }

    /// The address one segment below: `test.node.alice` for the child `alice` of `test.node`.
    ///
    /// # Errors
    /// [`AddressError`] when `segment` is not one segment, or the result would be too long.
    pub fn child(&self, segment: &str) -> Result<Self, AddressError> {
        let wrong = |(at, _): (usize, u8)| AddressError::Character {
            at: at + 1,
            found: error::character_at(segment.as_bytes(), at + 1),
        };
        if segment.is_empty() {
            return Err(AddressError::EmptySegment { at: 1 });
        }
        if let Some(found) = segment.bytes().enumerate().find(|&(_, byte)| !is_segment_byte(byte)) {
            return Err(wrong(found));
        }
        let length = self.0.len() + 1 + segment.len();
        if length > MAX_ADDRESS {
            return Err(AddressError::TooLong { length });
        }
        Ok(Self(Arc::from(format!("{}.{segment}", self.0))))
    }
}

impl From<AddressRef<'_>> for Address {
    fn from(view: AddressRef<'_>) -> Self {
        Self(Arc::from(view.as_str()))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        AddressRef::new(text).map(Self::from)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The beginning of addresses: a key of a routing table. It may be a bare scheme, or empty, which
/// matches every address. A trailing dot is dropped: RFC 15 writes `g.`, ilp-connector `g`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Prefix(Arc<str>);

impl Prefix {
    /// Checks bytes from the wire, such as the prefix of an advertised route.
    ///
    /// # Errors
    /// [`AddressError`], with the position of the mistake.
    pub fn parse(bytes: &[u8]) -> Result<Self, AddressError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => text.parse(),
            Err(_) => Err(error::first_mistake(bytes, AddressKind::Prefix)),
        }
    }

    /// The whole prefix, without a trailing dot.
    #[must_use]
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the default route, which matches every address.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its number of segments, the scheme included; 0 for the empty prefix.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.segments().count()
    }

    /// The parts between the dots, the scheme first; none for the empty prefix.
    pub fn segments(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.split('.').filter(|segment| !segment.is_empty())
    }

    /// The scheme; `None` for the empty prefix.
    #[must_use]
    pub fn scheme(&self) -> Option<Scheme> {
        self.segments().next().and_then(Scheme::from_name)
    }

    /// Whether the address is the prefix or lies below it. Segments match as a whole: `g.al` does
    /// not match `g.alice`. [row 26]
    #[must_use]
    pub fn matches(&self, address: AddressRef<'_>) -> bool {
        self.covers_text(address.as_str())
    }

    /// Whether it matches every address that `other` matches.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.covers_text(&other.0)
    }

    fn covers_text(&self, text: &str) -> bool {
        let rest = text.strip_prefix(&*self.0);
        rest.is_some_and(|rest| self.is_empty() || rest.is_empty() || rest.starts_with('.'))
    }
}

impl Default for Prefix {
    /// The empty prefix.
    fn default() -> Self {
        Self(Arc::from(""))
    }
}

impl From<&Address> for Prefix {
    fn from(address: &Address) -> Self {
        Self(Arc::clone(&address.0))
    }
}

impl FromStr for Prefix {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        // A lone dot is a mistake, not the default route.
        let normal = text.strip_suffix('.').filter(|rest| !rest.is_empty()).unwrap_or(text);
        match error::find_mistake(normal.as_bytes(), AddressKind::Prefix) {
            Some(error) => Err(error),
            None => Ok(Self(Arc::from(normal))),
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}
