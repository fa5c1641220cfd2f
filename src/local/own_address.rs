//! Packets to the node's own address: ping with the known condition, and echo. Neither is in an RFC;
//! [`wire::ping`](crate::wire::ping) describes both.

use crate::wire::ilp::Prepare;
use crate::wire::ping::EchoRequest;
use crate::wire::{AddressRef, Condition, Error};

/// Which pings the node answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingSettings {
    /// Answer echo requests with a Prepare to the return address.
    pub echo: bool,
    /// Fulfill Prepares with the well-known ping condition.
    pub known_condition: bool,
}

impl Default for PingSettings {
    fn default() -> Self {
        PingSettings { echo: true, known_condition: true }
    }
}

/// What is to be done with a packet to the own address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalDelivery<'a> {
    /// Fulfill with the ping preimage; the data goes back as it came.
    Ping {
        /// Data of the Fulfill.
        data: &'a [u8],
    },
    /// Send a pong: same condition and amount, to this address.
    Echo {
        /// Where the asker wants the pong.
        return_address: AddressRef<'a>,
    },
}

/// Why nothing can be done with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocalError {
    /// It looks like an echo but cannot be read as a request: F01.
    #[error(transparent)]
    BadEcho(Error),
    /// No receiver understands it: F06.
    #[error("nothing at this address understands the packet")]
    NotUnderstood,
}

/// Decides what to do with a packet to the node's own address.
pub fn decide_delivery<'a>(
    prepare: &Prepare<'a>,
    settings: PingSettings,
) -> Result<LocalDelivery<'a>, LocalError> {
    if settings.known_condition && prepare.condition == Condition::PING {
        return Ok(LocalDelivery::Ping { data: prepare.data });
    }
    if settings.echo
        && let Some(request) = EchoRequest::parse(prepare.data).map_err(LocalError::BadEcho)?
    {
        return Ok(LocalDelivery::Echo { return_address: request.return_address });
    }
    Err(LocalError::NotUnderstood)
}
