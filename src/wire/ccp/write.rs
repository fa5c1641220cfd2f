//! Writes a route update: routes are added while they fit, then the header is put before them.

use oer_codec::{
    put_u8, put_u16, put_u32, put_var_octet_string, put_var_uint, var_octet_string_size,
    var_uint_size,
};

use super::{Epochs, MAX_PAYLOAD, Prop, TableId};
use crate::wire::{AddressRef, Prefix};

/// Bytes of table id, three epochs and hold-down.
const FIXED: usize = 16 + 4 * 4;
/// Most bytes of a count: a payload holds fewer than 2^16 items.
const COUNT: usize = 3;

/// Appends one node of a path for [`UpdateWriter::advertise`].
pub fn put_hop(address: AddressRef<'_>, out: &mut Vec<u8>) {
    put_var_octet_string(address.as_bytes(), out);
}

/// Builds a route update.
#[derive(Debug, Default)]
pub struct UpdateWriter {
    new_routes: Vec<u8>,
    new_routes_count: u64,
    withdrawn: Vec<u8>,
    withdrawn_count: u64,
}

impl UpdateWriter {
    /// An upper bound of the payload's bytes.
    #[must_use]
    pub fn len(&self, speaker: AddressRef<'_>) -> usize {
        FIXED
            + var_octet_string_size(speaker.as_bytes().len())
            + 2 * COUNT
            + self.new_routes.len()
            + self.withdrawn.len()
    }

    /// Whether it has no routes: a heartbeat.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.new_routes_count == 0 && self.withdrawn_count == 0
    }

    /// Whether an item of at most `item` bytes still fits.
    #[must_use]
    pub fn has_room(&self, speaker: AddressRef<'_>, item: usize) -> bool {
        self.len(speaker) + item <= MAX_PAYLOAD
    }

    /// Advertises a route. `path` holds `hops` encoded nodes, in one piece or several.
    pub fn advertise<'p>(
        &mut self,
        prefix: &[u8],
        hops: usize,
        path: impl IntoIterator<Item = &'p [u8]>,
        auth: &[u8; 32],
        props: impl ExactSizeIterator<Item = Prop<'p>>,
    ) {
        let out = &mut self.new_routes;
        put_var_octet_string(prefix, out);
        put_var_uint(hops as u64, out);
        path.into_iter().for_each(|part| out.extend_from_slice(part));
        out.extend_from_slice(auth);
        put_var_uint(props.len() as u64, out);
        for prop in props {
            put_u8(prop.meta, out);
            put_u16(prop.id, out);
            put_var_octet_string(prop.value, out);
        }
        self.new_routes_count += 1;
    }

    /// Withdraws a route.
    pub fn withdraw(&mut self, prefix: &[u8]) {
        put_var_octet_string(prefix, &mut self.withdrawn);
        self.withdrawn_count += 1;
    }

    /// Bytes of an advertisement without props.
    #[must_use]
    pub fn advertisement_len(prefix: &Prefix, hops: usize, path: usize) -> usize {
        let prefix = var_octet_string_size(prefix.as_str().len());
        prefix + var_uint_size(hops as u64) + path + 32 + var_uint_size(0)
    }

    /// Bytes of a withdrawal.
    #[must_use]
    pub fn withdrawal_len(prefix: &Prefix) -> usize {
        var_octet_string_size(prefix.as_str().len())
    }

    /// The payload.
    #[must_use]
    pub fn finish(
        self,
        table: TableId,
        epochs: Epochs,
        hold_down_ms: u32,
        speaker: AddressRef<'_>,
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len(speaker));
        out.extend_from_slice(&table.0);
        put_u32(epochs.current, &mut out);
        put_u32(epochs.from, &mut out);
        put_u32(epochs.to, &mut out);
        put_u32(hold_down_ms, &mut out);
        put_var_octet_string(speaker.as_bytes(), &mut out);
        put_var_uint(self.new_routes_count, &mut out);
        out.extend_from_slice(&self.new_routes);
        put_var_uint(self.withdrawn_count, &mut out);
        out.extend_from_slice(&self.withdrawn);
        out
    }
}
