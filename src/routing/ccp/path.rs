//! The path of a learned route: the addresses of the nodes on the way.

use std::sync::Arc;

use super::route_refusal::RouteRefusal;
use crate::wire::ccp::Strings;
use crate::wire::{Address, AddressRef};

/// Most nodes of a path.
pub const PATH_HOPS_MAX: usize = 32;
/// Most bytes of a path's encoded addresses.
pub const PATH_BYTES_MAX: usize = 2_048;

/// A path, nearest node first. Kept encoded, because it is passed on more often than read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePath {
    hops: usize,
    encoded: Arc<[u8]>,
}

impl RoutePath {
    /// Checks the path of an advertised route. A path with our own address is a loop and is refused.
    /// [row 106] `last` is shared if it is equal, as often for adjacent routes of an update.
    pub(super) fn parse(
        strings: Strings<'_>,
        own: &Address,
        last: Option<&Self>,
    ) -> Result<Self, RouteRefusal> {
        let (hops, encoded) = (strings.len(), strings.encoded());
        if let Some(last) = last.filter(|last| last.hops == hops && *last.encoded == *encoded) {
            return Ok(last.clone());
        }
        if hops > PATH_HOPS_MAX || encoded.len() > PATH_BYTES_MAX {
            return Err(RouteRefusal::LongPath);
        }
        for hop in strings {
            let hop = AddressRef::parse(hop).map_err(|_| RouteRefusal::BadAddress)?;
            if hop == own.view() {
                return Err(RouteRefusal::Loop);
            }
        }
        Ok(Self { hops, encoded: encoded.into() })
    }

    /// The number of nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hops
    }

    /// The addresses of the nodes.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        Strings::from_encoded(self.hops, &self.encoded)
            .filter_map(|hop| std::str::from_utf8(hop).ok())
    }

    /// The path as encoded in an update.
    pub(super) fn encoded(&self) -> &[u8] {
        &self.encoded
    }
}
