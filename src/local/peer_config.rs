//! `peer.config`: a child requests its address and the asset of its account (IL-DCP, RFC 31).

use crate::account::{AccountSettings, Relation};
use crate::wire::ilp::Prepare;
use crate::wire::{Address, Error, Timestamp, ildcp};

/// Why a `peer.config` request is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerConfigError {
    /// The peer is not a child: F00.
    #[error("only a child of this node may ask for its configuration")]
    NotAChild,
    /// The request breaks RFC 31: F01.
    #[error(transparent)]
    BadRequest(Error),
    /// The node waits for its own address: T00.
    #[error("this node has no address of its own yet; ask again soon")]
    NoAddressYet,
    /// The child's address would be longer than 1023 bytes: F00.
    #[error("the child's address would be too long")]
    AddressTooLong,
}

/// The data of the Fulfill that answers `prepare`, a request from the account `requester`.
///
/// RFC 31 "Procedure", RFC 34 "Special Addresses": a parent tells a child its address, asset code and scale. [row 93]
pub fn answer_peer_config(
    prepare: &Prepare<'_>,
    requester: &AccountSettings,
    own_address: Option<&Address>,
    now: Timestamp,
) -> Result<Vec<u8>, PeerConfigError> {
    // Only a child gets an answer. [row 94]
    if requester.relation != Relation::Child {
        return Err(PeerConfigError::NotAChild);
    }
    prepare.check_peer_request(now).map_err(PeerConfigError::BadRequest)?;
    let own_address = own_address.ok_or(PeerConfigError::NoAddressYet)?;
    let address = own_address
        .child(requester.address_segment())
        .map_err(|_| PeerConfigError::AddressTooLong)?;
    let response = ildcp::IldcpResponse {
        client_address: address.view(),
        asset_scale: requester.asset.scale,
        asset_code: &requester.asset.code,
    };
    let mut data = Vec::new();
    response.encode(&mut data);
    Ok(data)
}
