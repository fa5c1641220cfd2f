//! Reads a route update.

use oer_codec::Reader;

use super::{NewRoutes, Strings, TableId};
use crate::wire::error::{address, encoding};
use crate::wire::{AddressRef, Error};

/// A range of a speaker's log of changes. Entry i changed its table from epoch i to i + 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epochs {
    /// The length of the log.
    pub current: u32,
    /// The first entry in the update.
    pub from: u32,
    /// The end of the range, exclusive; equal to `from` in a heartbeat.
    pub to: u32,
}

/// A route update: changes of the speaker's routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteUpdate<'a> {
    /// The speaker's table.
    pub table: TableId,
    /// The range of the log.
    pub epochs: Epochs,
    /// How long the routes stay valid without another update, in milliseconds.
    pub hold_down_ms: u32,
    /// The speaker's own address.
    pub speaker: AddressRef<'a>,
    /// Routes that are new or changed.
    pub new_routes: NewRoutes<'a>,
    /// Prefixes that the speaker has no route to any longer; not checked.
    pub withdrawn_routes: Strings<'a>,
}

impl<'a> RouteUpdate<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`Error`] with the field that is wrong.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Error> {
        let mut payload = Reader::new(payload);
        let table = payload.array().map_err(encoding("route update: routingTableId"))?;
        let epochs = Epochs {
            current: payload.u32().map_err(encoding("route update: currentEpochIndex"))?,
            from: payload.u32().map_err(encoding("route update: fromEpochIndex"))?,
            to: payload.u32().map_err(encoding("route update: toEpochIndex"))?,
        };
        let hold_down_ms = payload.u32().map_err(encoding("route update: holdDownTime"))?;
        let text = payload.var_octet_string().map_err(encoding("route update: speaker"))?;
        let speaker = AddressRef::parse(text).map_err(address("route update: speaker"))?;
        let new_routes =
            NewRoutes::read(&mut payload).map_err(encoding("route update: newRoutes"))?;
        let withdrawn_routes =
            Strings::read(&mut payload).map_err(encoding("route update: withdrawnRoutes"))?;
        let table = TableId(*table);
        Ok(Self { table, epochs, hold_down_ms, speaker, new_routes, withdrawn_routes })
    }
}
