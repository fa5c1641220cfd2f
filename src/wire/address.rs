//! ILP addresses and prefixes (RFC 15).
//!
//! RFC 15 "Address Requirements": an address is a scheme and at least one segment, joined by dots, of the characters
//! `A-Z a-z 0-9 _ ~ -`. [row 22] A prefix, the key of a routing table, may also be a bare scheme or empty.
//!
//! [`AddressRef`] is a checked view of a packet's bytes. [`Address`] and [`Prefix`] are owned and cheap to clone.

use std::fmt;

mod error;
mod owned;
mod scan;
#[cfg(test)]
mod tests;

pub use error::AddressError;
pub use owned::{Address, Prefix};
pub use scan::is_segment;

/// RFC 15 "Address Requirements": an address has at most 1023 characters. [row 24]
pub const MAX_ADDRESS: usize = 1023;

/// A valid ILP address that borrows its text.
///
/// It holds checked ASCII. Forwarding compares bytes and never needs a `str`.
///
/// RFC 15 "Address Requirements": addresses that differ in case are different. [row 23]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRef<'a>(&'a [u8]);

impl AddressRef<'static> {
    /// `peer.config`: where IL-DCP requests go (RFC 31).
    pub const PEER_CONFIG: Self = Self(b"peer.config");
    /// `peer.route.control`: where a peer requests route updates (CCP).
    pub const PEER_ROUTE_CONTROL: Self = Self(b"peer.route.control");
    /// `peer.route.update`: where a peer advertises and withdraws routes (CCP).
    pub const PEER_ROUTE_UPDATE: Self = Self(b"peer.route.update");
    /// `peer.settle`: the settlement engines of two neighbours send each other messages (RFC 38).
    pub const PEER_SETTLE: Self = Self(b"peer.settle");
    /// Two neighbours compare their books.
    pub const PEER_RECONCILE: Self = Self(b"peer.reconcile");
}

impl<'a> AddressRef<'a> {
    /// Checks bytes from the wire.
    ///
    /// # Errors
    /// [`AddressError`], with the position of the mistake.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, AddressError> {
        if scan::is_dotted(bytes) && bytes.len() <= MAX_ADDRESS && leading_scheme(bytes).is_some() {
            return Ok(Self(bytes));
        }
        Err(error::first_mistake(bytes, error::AddressKind::Address))
    }

    /// Checks a text.
    ///
    /// # Errors
    /// [`AddressError`], with the position of the mistake.
    pub fn new(text: &'a str) -> Result<Self, AddressError> {
        Self::parse(text.as_bytes())
    }

    /// The whole address.
    #[must_use]
    #[inline]
    pub const fn as_str(self) -> &'a str {
        ascii(self.0)
    }

    /// The whole address as ASCII.
    #[must_use]
    #[inline]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The parts between the dots, the scheme first.
    #[must_use]
    pub fn segments(self) -> impl DoubleEndedIterator<Item = &'a str> + Clone + use<'a> {
        self.as_str().split('.')
    }

    /// The allocation scheme, the first part.
    #[must_use]
    #[inline]
    pub fn scheme(self) -> Scheme {
        leading_scheme(self.as_bytes()).expect("an address that was checked begins with a scheme")
    }

    /// The rest of an address below `parent`: `x.y` for `g.a.x.y` below `g.a`. `None` for `parent`
    /// itself and for addresses elsewhere.
    #[must_use]
    pub fn below(self, parent: AddressRef<'_>) -> Option<&'a str> {
        self.0.strip_prefix(parent.0)?.strip_prefix(b".").map(ascii)
    }

    /// An owned copy.
    #[must_use]
    pub fn to_address(self) -> Address {
        Address::from(self)
    }
}

impl fmt::Display for AddressRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for AddressRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text of an address, or of a part of one.
const fn ascii(address: &[u8]) -> &str {
    match std::str::from_utf8(address) {
        Ok(text) => text,
        Err(_) => unreachable!(),
    }
}

macro_rules! schemes {
    ($($scheme:ident $name:literal: $doc:literal;)*) => {
        /// The first part of an address. RFC 15 "Allocation Schemes": these ten exist.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Scheme {
            $(#[doc = concat!("`", $name, "`: ", $doc)] $scheme,)*
        }

        impl Scheme {
            /// All schemes.
            pub const ALL: [Self; 10] = [$(Self::$scheme),*];

            /// The scheme as text.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$scheme => $name,)*
                }
            }
        }
    };
}

schemes! {
    Global "g": "the live network.";
    Private "private": "a private subnet.";
    Example "example": "documentation.";
    Peer "peer": "the peer on the link; never forwarded.";
    Own "self": "this machine.";
    Test "test": "the test network.";
    Test1 "test1": "a test network.";
    Test2 "test2": "a test network.";
    Test3 "test3": "a test network.";
    Local "local": "inside one operator's cluster.";
}

/// The network of a scheme. RFC 34 "ILP Addresses": a node is on the live network or on a test network, never on both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// Real money: `g`.
    Live,
    /// `test`, `test1`, `test2`, `test3`.
    Test,
    /// Neither.
    Other,
}

impl Scheme {
    /// The scheme of that name; case matters.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.name() == name)
    }

    /// The network of the scheme.
    #[must_use]
    pub const fn network(self) -> Network {
        match self {
            Self::Global => Network::Live,
            Self::Test | Self::Test1 | Self::Test2 | Self::Test3 => Network::Test,
            _ => Network::Other,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The scheme at the beginning of a text, before a dot. Patterns, because each Prepare passes here;
/// a test compares it with [`Scheme::ALL`].
#[inline]
const fn leading_scheme(bytes: &[u8]) -> Option<Scheme> {
    match bytes {
        [b'g', b'.', ..] => Some(Scheme::Global),
        [b't', b'e', b's', b't', b'.', ..] => Some(Scheme::Test),
        [b't', b'e', b's', b't', b'1', b'.', ..] => Some(Scheme::Test1),
        [b't', b'e', b's', b't', b'2', b'.', ..] => Some(Scheme::Test2),
        [b't', b'e', b's', b't', b'3', b'.', ..] => Some(Scheme::Test3),
        [b'p', b'e', b'e', b'r', b'.', ..] => Some(Scheme::Peer),
        [b's', b'e', b'l', b'f', b'.', ..] => Some(Scheme::Own),
        [b'l', b'o', b'c', b'a', b'l', b'.', ..] => Some(Scheme::Local),
        [b'p', b'r', b'i', b'v', b'a', b't', b'e', b'.', ..] => Some(Scheme::Private),
        [b'e', b'x', b'a', b'm', b'p', b'l', b'e', b'.', ..] => Some(Scheme::Example),
        _ => None,
    }
}
