//! CCP, the exchange of routes between peers: route control and route update.
//!
//! There is no RFC. The layout is that of ilp-connector (JavaScript), interledger-rs and Java's
//! connector. [row 104] Both are the data of a Prepare of amount 0 to `peer.route.control` or
//! `peer.route.update` with the condition [`Condition::PEER_PROTOCOL`](super::Condition::PEER_PROTOCOL).
//!
//! Parsed values are views of the bytes. A count is only a claim: items are read one by one, each takes at least one
//! byte, and nothing is reserved. [row 4] The structure is checked here; the addresses inside routes are not, because
//! other connectors pass on unchecked ones, and one bad address must not cost all other routes of an update.

mod items;
#[cfg(test)]
mod tests;
mod update;
mod write;

use std::fmt;

pub use items::{CcpList, NewRoute, NewRoutes, Prop, Props, Strings};
use oer_codec::{Reader, put_u8, put_u32, put_var_octet_string, put_var_uint};
pub use update::{Epochs, RouteUpdate};
pub use write::{UpdateWriter, put_hop};

use super::error::encoding;
use super::ilp::Prepare;
use super::{AddressRef, Error, Fulfillment, Timestamp};

/// Bytes of the largest payload that we send; ilp-connector splits updates at the same size.
pub const MAX_PAYLOAD: usize = super::ilp::MAX_DATA_EMITTED - 1;

/// Identifies a speaker's table of routes: a UUID, new at each start. A new id makes all earlier
/// routes of the speaker invalid.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TableId(pub [u8; 16]);

impl TableId {
    /// All zeros, in a route control: the sender knows no table of the peer.
    pub const NONE: Self = Self([0; 16]);
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let dash = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The auth of a route that is passed on: the SHA-256 of the received one. [row 114]
#[must_use]
pub fn forwarded_auth(auth: &[u8; 32]) -> [u8; 32] {
    Fulfillment(*auth).condition().0
}

/// A request of CCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteRequest<'a> {
    /// Subscribes to route updates, or ends them.
    Control(RouteControl<'a>),
    /// Advertises and withdraws routes.
    Update(RouteUpdate<'a>),
}

impl<'a> RouteRequest<'a> {
    /// Whether a Prepare to this address is one of CCP.
    #[must_use]
    pub fn is_at(destination: AddressRef<'_>) -> bool {
        destination == AddressRef::PEER_ROUTE_CONTROL
            || destination == AddressRef::PEER_ROUTE_UPDATE
    }

    /// Reads a Prepare that would be answered at `now`.
    ///
    /// # Errors
    /// [`Error`] with the field that is wrong.
    pub fn read(prepare: &Prepare<'a>, now: Timestamp) -> Result<Self, Error> {
        prepare.check_peer_request(now)?;
        if prepare.destination == AddressRef::PEER_ROUTE_CONTROL {
            RouteControl::parse(prepare.data).map(Self::Control)
        } else if prepare.destination == AddressRef::PEER_ROUTE_UPDATE {
            RouteUpdate::parse(prepare.data).map(Self::Update)
        } else {
            let rule = "is neither peer.route.control nor peer.route.update";
            Err(Error::Value { place: "peer request: destination", rule })
        }
    }
}

/// Whether a peer wants updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RouteControlMode {
    /// Send no updates.
    Idle = 0,
    /// Send the changes since the last known epoch, and all further ones.
    Sync = 1,
}

/// A route control: asks a peer for updates from an epoch on, or for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteControl<'a> {
    /// Whether the sender wants updates.
    pub mode: RouteControlMode,
    /// The peer's table that the sender knows.
    pub last_known_table: TableId,
    /// The epoch of that table that the sender has reached.
    pub last_known_epoch: u32,
    /// Names of extensions; none exist.
    pub features: Strings<'a>,
}

impl RouteControl<'static> {
    /// A control without features.
    #[must_use]
    pub const fn new(
        mode: RouteControlMode,
        last_known_table: TableId,
        last_known_epoch: u32,
    ) -> Self {
        Self { mode, last_known_table, last_known_epoch, features: Strings::EMPTY }
    }
}

impl<'a> RouteControl<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`Error`] with the field that is wrong.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Error> {
        let mut payload = Reader::new(payload);
        let mode = match payload.u8().map_err(encoding("route control: mode"))? {
            0 => RouteControlMode::Idle,
            1 => RouteControlMode::Sync,
            found => {
                let expected = "0 (idle) or 1 (sync)";
                return Err(Error::Type { place: "route control: mode", found, expected });
            }
        };
        let table = payload.array().map_err(encoding("route control: lastKnownRoutingTableId"))?;
        let last_known_epoch = payload.u32().map_err(encoding("route control: lastKnownEpoch"))?;
        let features = Strings::read(&mut payload).map_err(encoding("route control: features"))?;
        Ok(Self { mode, last_known_table: TableId(*table), last_known_epoch, features })
    }

    /// Appends the payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_u8(self.mode as u8, out);
        out.extend_from_slice(&self.last_known_table.0);
        put_u32(self.last_known_epoch, out);
        put_var_uint(self.features.len() as u64, out);
        for feature in self.features {
            put_var_octet_string(feature, out);
        }
    }
}
