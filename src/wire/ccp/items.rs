//! The lists in CCP payloads: iterators over bytes that were checked when they were parsed.

use std::fmt;

use oer_codec::{Error, Reader};

/// A list of strings, not checked to be text.
#[derive(Clone, Copy)]
pub struct Strings<'a> {
    left: usize,
    items: Reader<'a>,
}

impl<'a> Strings<'a> {
    /// The empty list.
    pub const EMPTY: Self = Self { left: 0, items: Reader::new(&[]) };

    /// Reads a count and that many strings.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let count = reader.var_uint()?;
        let items = *reader;
        for _ in 0..count {
            reader.var_octet_string()?;
        }
        Ok(Self { left: read_items(count), items })
    }

    /// The strings as they are encoded in the payload, each with its length.
    #[must_use]
    pub fn encoded(&self) -> &'a [u8] {
        let mut end = *self;
        end.by_ref().for_each(drop);
        let bytes = self.items.rest();
        let (read, _) = bytes.split_at(bytes.len().saturating_sub(end.items.remaining()));
        read
    }

    /// A list of `count` strings in the form of [`Strings::encoded`].
    #[must_use]
    pub const fn from_encoded(count: usize, encoded: &'a [u8]) -> Self {
        Self { left: count, items: Reader::new(encoded) }
    }
}

impl<'a> Iterator for Strings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        self.items.var_octet_string().ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Strings<'_> {}

/// One route that an update announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRoute<'a> {
    /// The announced prefix, not checked.
    pub prefix: &'a [u8],
    /// The nodes on the way, the nearest first; not checked.
    pub path: Strings<'a>,
    /// Meant as a proof of origin. No implementation verifies it; each hop replaces it by its hash.
    pub auth: &'a [u8; 32],
    /// Extensions; none exist.
    pub props: Props<'a>,
}

impl<'a> NewRoute<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(Self {
            prefix: reader.var_octet_string()?,
            path: Strings::read(reader)?,
            auth: reader.array()?,
            props: Props::read(reader)?,
        })
    }
}

/// The routes of an update.
#[derive(Clone, Copy)]
pub struct NewRoutes<'a> {
    left: usize,
    items: Reader<'a>,
}

impl<'a> NewRoutes<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let count = reader.var_uint()?;
        let items = *reader;
        for _ in 0..count {
            NewRoute::read(reader)?;
        }
        Ok(Self { left: read_items(count), items })
    }
}

impl<'a> Iterator for NewRoutes<'a> {
    type Item = NewRoute<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        NewRoute::read(&mut self.items).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for NewRoutes<'_> {}

/// An extension of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prop<'a> {
    /// Flags: `80` optional, `40` transitive, `20` partial, `10` the value is UTF-8.
    pub meta: u8,
    /// The kind of extension.
    pub id: u16,
    /// The value.
    pub value: &'a [u8],
}

impl<'a> Prop<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(Self { meta: reader.u8()?, id: reader.u16()?, value: reader.var_octet_string()? })
    }
}

/// The extensions of a route.
#[derive(Clone, Copy)]
pub struct Props<'a> {
    left: usize,
    items: Reader<'a>,
}

impl<'a> Props<'a> {
    /// The empty list.
    pub const EMPTY: Self = Self { left: 0, items: Reader::new(&[]) };

    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let count = reader.var_uint()?;
        let items = *reader;
        for _ in 0..count {
            Prop::read(reader)?;
        }
        Ok(Self { left: read_items(count), items })
    }
}

impl<'a> Iterator for Props<'a> {
    type Item = Prop<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Prop::read(&mut self.items).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Props<'_> {}

/// A count of items that were all read, of at least one byte each.
fn read_items(count: u64) -> usize {
    usize::try_from(count).expect("no more items than bytes were read")
}

/// Lists are equal if their items are.
macro_rules! as_list {
    ($($list:ident)*) => {$(
        impl PartialEq for $list<'_> {
            fn eq(&self, other: &Self) -> bool {
                Iterator::eq(*self, *other)
            }
        }

        impl Eq for $list<'_> {}

        impl fmt::Debug for $list<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_list().entries(*self).finish()
            }
        }
    )*};
}

as_list!(Strings NewRoutes Props);
