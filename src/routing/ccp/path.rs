//! The nodes that a route passes, as a peer told them.

use std::sync::Arc;

use super::import::RouteRefusal;
use crate::wire::ccp::Strings;
use crate::wire::{Address, AddressRef};

/// Nodes that a route may pass. Longer ways are no use, and cost everybody's memory.
pub const PATH_HOPS_MAX: usize = 32;
/// Bytes that their addresses may have together.
pub const PATH_BYTES_MAX: usize = 2_048;

/// The nodes of a route, the nearest one first, as they were encoded: they are passed on more often than read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePath {
    hops: usize,
    encoded: Arc<[u8]>,
}

impl RoutePath {
    /// Takes the path of an announcement to the node `own`. Neighbouring routes of an update often have the same
    /// one: `last` is then shared.
    pub(super) fn parse(
        strings: Strings<'_>,
        own: &Address,
        last: Option<&RoutePath>,
    ) -> Result<RoutePath, RouteRefusal> {
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
        Ok(RoutePath { hops, encoded: encoded.into() })
    }

    /// How many nodes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hops
    }

    /// The nodes.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        Strings::from_encoded(self.hops, &self.encoded)
            .filter_map(|hop| std::str::from_utf8(hop).ok())
    }

    /// The nodes as they stand in an update.
    pub(super) fn encoded(&self) -> &[u8] {
        &self.encoded
    }
}
