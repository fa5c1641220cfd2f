//! CCP, the exchange of routes between neighbours: route control and route update.
//!
//! There is no RFC; this is what ilp-connector (JavaScript), interledger-rs and Java's connector put on the wire. Both
//! are the data of a Prepare of amount 0 to `peer.route.control` or `peer.route.update`, whose condition is
//! [`Condition::PEER_PROTOCOL`]; the answer is a Fulfill with 32 zero bytes and no data.
//!
//! What is read are views of the bytes. Every count is only a claim: items are read one by one, each takes at least one
//! byte, and nothing is reserved by it. Structure is checked here, and the addresses inside of routes are not: they come
//! from far away through neighbours that check less, and one bad address must not cost all the other routes of an
//! update. Surplus bytes are ignored.

mod items;
#[cfg(test)]
mod tests;
mod update;
mod write;

use std::fmt;

use oer_codec::{Reader, put_u8, put_u32, put_var_octet_string, put_var_uint};

use super::error::encoding;
use super::ilp::Prepare;
use super::{AddressRef, Amount, Condition, Error, Fulfillment, Timestamp};

pub use items::{NewRoute, NewRoutes, Prop, Props, Strings};
pub use update::{Epochs, RouteUpdate};
pub use write::{UpdateWriter, put_hop};

/// The largest payload that a speaker may send; ilp-connector splits below the same size.
pub const MAX_PAYLOAD: usize = super::ilp::MAX_DATA_EMITTED - 1;

/// The identity of a speaker's log of changes: 16 bytes of a UUID, new at every start. Another id means that nothing said
/// before counts any more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TableId(pub [u8; 16]);

impl TableId {
    /// All zero: "I know nothing of you".
    pub const NONE: Self = Self([0; 16]);
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            let dash = if matches!(place, 4 | 6 | 8 | 10) { "-" } else { "" };
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

/// What a forwarder puts in the place of a route's auth: its SHA-256.
#[must_use]
pub fn forwarded_auth(auth: &[u8; 32]) -> [u8; 32] {
    Fulfillment(*auth).condition().0
}

/// What a peer wants with regard to routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteRequest<'a> {
    /// It says whether it wants to hear of routes.
    Control(RouteControl<'a>),
    /// It tells of routes.
    Update(RouteUpdate<'a>),
}

impl<'a> RouteRequest<'a> {
    /// Whether a Prepare to this address is one of CCP.
    #[must_use]
    pub fn is_at(destination: AddressRef<'_>) -> bool {
        destination == AddressRef::PEER_ROUTE_CONTROL
            || destination == AddressRef::PEER_ROUTE_UPDATE
    }

    /// Reads a Prepare that can be answered at `now`. Since the answer moves no money, amounts above zero are refused.
    ///
    /// # Errors
    /// [`Error`] with the field that is wrong.
    pub fn read(prepare: &Prepare<'a>, now: Timestamp) -> Result<Self, Error> {
        let value = |place, rule| Err(Error::Value { place, rule });
        if !Self::is_at(prepare.destination) {
            value("CCP request: destination", "is neither peer.route.control nor peer.route.update")
        } else if prepare.condition != Condition::PEER_PROTOCOL {
            value("CCP request: executionCondition", "is not the SHA-256 of 32 zero bytes")
        } else if prepare.amount != Amount::ZERO {
            value("CCP request: amount", "is not 0")
        } else if prepare.expires_at <= now {
            value("CCP request: expiresAt", "has passed")
        } else if prepare.destination == AddressRef::PEER_ROUTE_CONTROL {
            RouteControl::parse(prepare.data).map(Self::Control)
        } else {
            RouteUpdate::parse(prepare.data).map(Self::Update)
        }
    }
}

/// The Prepare that carries a payload; `destination` is one of the two addresses of CCP.
#[must_use]
pub const fn request<'a>(
    destination: AddressRef<'a>,
    payload: &'a [u8],
    expires_at: Timestamp,
) -> Prepare<'a> {
    Prepare {
        amount: Amount::ZERO,
        expires_at,
        condition: Condition::PEER_PROTOCOL,
        destination,
        data: payload,
    }
}

/// Whether a neighbour wants updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RouteControlMode {
    /// Send none.
    Idle = 0,
    /// Send what changed since the epoch told, and what changes from now on.
    Sync = 1,
}

/// A route control: what its sender wants, and where it stands in our log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteControl<'a> {
    /// Whether it wants updates.
    pub mode: RouteControlMode,
    /// The log that it last heard from.
    pub last_known_table: TableId,
    /// How far in that log it has got.
    pub last_known_epoch: u32,
    /// Names of extensions. None exists.
    pub features: Strings<'a>,
}

impl RouteControl<'static> {
    /// One without features.
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
