//! `peer.config`: a child asks for its address and what its amounts are counted in (IL-DCP, RFC 31).

use crate::account::{AccountSettings, Relation};
use crate::wire::ildcp;
use crate::wire::ilp::Prepare;
use crate::wire::{Address, Error, Timestamp};

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerConfigError {
    /// Only children are given an address: F00.
    #[error("only a child of this node may ask for its configuration")]
    NotAChild,
    /// Not a request as RFC 31 has it: F01.
    #[error(transparent)]
    BadRequest(Error),
    /// The node waits for an address of its own: T00.
    #[error("this node has no address of its own yet; ask again soon")]
    NoAddressYet,
    /// The child's address would be longer than an address may be: F00.
    #[error("the child's address would be too long")]
    AddressTooLong,
}

/// The data of the Fulfill that answers `prepare`, a request from the account `asker`.
pub fn answer_peer_config(
    prepare: &Prepare<'_>,
    asker: &AccountSettings,
    own_address: Option<&Address>,
    now: Timestamp,
) -> Result<Vec<u8>, PeerConfigError> {
    if asker.relation != Relation::Child {
        return Err(PeerConfigError::NotAChild);
    }
    ildcp::check_request(prepare, now).map_err(PeerConfigError::BadRequest)?;
    let own_address = own_address.ok_or(PeerConfigError::NoAddressYet)?;
    let address =
        own_address.child(asker.address_segment()).map_err(|_| PeerConfigError::AddressTooLong)?;
    let response = ildcp::IldcpResponse {
        client_address: address.view(),
        asset_scale: asker.asset.scale,
        asset_code: &asker.asset.code,
    };
    let mut data = Vec::new();
    response.encode(&mut data);
    Ok(data)
}
