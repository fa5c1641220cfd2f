//! The lists in CCP payloads: iterators over bytes that were checked when they were parsed.

use std::fmt;
use std::marker::PhantomData;

use oer_codec::{Error, Reader};

/// A list of items, which it iterates over.
#[derive(Clone, Copy)]
pub struct CcpList<'a, T> {
    left: usize,
    items: Reader<'a>,
    item: PhantomData<T>,
}

/// A list of strings, not checked to be text.
pub type Strings<'a> = CcpList<'a, &'a [u8]>;
/// The routes of an update.
pub type NewRoutes<'a> = CcpList<'a, NewRoute<'a>>;
/// The extensions of a route.
pub type Props<'a> = CcpList<'a, Prop<'a>>;

/// An item of a [`CcpList`], of at least one byte. Not exported: only this file implements it.
pub trait CcpItem<'a>: Copy + PartialEq + fmt::Debug {
    /// Reads one item.
    ///
    /// # Errors
    /// The mistake in its encoding.
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error>;
}

impl<'a, T: CcpItem<'a>> CcpList<'a, T> {
    /// The empty list.
    pub const EMPTY: Self = Self::of_checked(0, &[]);

    const fn of_checked(count: usize, bytes: &'a [u8]) -> Self {
        Self { left: count, items: Reader::new(bytes), item: PhantomData }
    }

    /// Reads a count and that many items.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let count = reader.var_uint()?;
        let bytes = reader.rest();
        for _ in 0..count {
            T::read(reader)?;
        }
        let count = usize::try_from(count).expect("no more items than bytes were read");
        Ok(Self::of_checked(count, bytes))
    }
}

impl<'a> Strings<'a> {
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
        Self::of_checked(count, encoded)
    }
}

impl<'a, T: CcpItem<'a>> Iterator for CcpList<'a, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        T::read(&mut self.items).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<'a, T: CcpItem<'a>> ExactSizeIterator for CcpList<'a, T> {}

/// Lists are equal if their items are.
impl<'a, T: CcpItem<'a>> PartialEq for CcpList<'a, T> {
    fn eq(&self, other: &Self) -> bool {
        Iterator::eq(*self, *other)
    }
}

impl<'a, T: CcpItem<'a>> Eq for CcpList<'a, T> {}

impl<'a, T: CcpItem<'a>> fmt::Debug for CcpList<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}

impl<'a> CcpItem<'a> for &'a [u8] {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        reader.var_octet_string()
    }
}

/// One route that an update advertises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRoute<'a> {
    /// The advertised prefix, not checked.
    pub prefix: &'a [u8],
    /// The nodes on the way, the nearest first; not checked.
    pub path: Strings<'a>,
    /// Meant as a proof of origin. No implementation verifies it; each hop replaces it by its hash.
    pub auth: &'a [u8; 32],
    /// Extensions; none exist.
    pub props: Props<'a>,
}

impl<'a> CcpItem<'a> for NewRoute<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(Self {
            prefix: reader.var_octet_string()?,
            path: Strings::read(reader)?,
            auth: reader.array()?,
            props: Props::read(reader)?,
        })
    }
}

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

impl<'a> CcpItem<'a> for Prop<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(Self { meta: reader.u8()?, id: reader.u16()?, value: reader.var_octet_string()? })
    }
}
