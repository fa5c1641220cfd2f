//! Packets to the node's own address: ping with the known condition, and echo. No RFC describes them;
//! [`wire::ping`](crate::wire::ping) does.

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
        Self { echo: true, known_condition: true }
    }
}

/// What the node does with a packet to its own address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalDelivery<'a> {
    /// Fulfill with the ping preimage and the data of the Prepare.
    Ping {
        /// The data of the Fulfill.
        data: &'a [u8],
    },
    /// Send a pong with the same condition and amount.
    Echo {
        /// The destination of the pong.
        return_address: AddressRef<'a>,
    },
}

/// Why the node rejects a packet to its own address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocalError {
    /// The data begins like an echo request but is not one: F01.
    #[error(transparent)]
    BadEcho(Error),
    /// The packet is neither a ping nor an echo request: F06.
    #[error("nothing at this address understands the packet")]
    NotUnderstood,
}

/// Decides what to do with a packet to exactly the node's own address. [row 119]
pub fn decide_delivery<'a>(
    prepare: &Prepare<'a>,
    settings: PingSettings,
) -> Result<LocalDelivery<'a>, LocalError> {
    // A Prepare with the well-known condition is fulfilled. [row 121]
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
