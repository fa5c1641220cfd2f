//! The rules for the node's own address, which hold for `ilpAddress` and for an address from the parent (IL-DCP).

use super::settings::{NodeConfig, PeerConfig, ReceiverConfig};
use crate::account::{AccountId, Relation};
use crate::stream::{CONNECTION_ID_BYTES, encode_connection_id};
use crate::wire::{Address, AddressError, Network, Prefix, Scheme};

/// Why an address cannot be this node's own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnAddressError {
    /// Such addresses mean the direct neighbour; packets to them are never routed.
    #[error("the address is below peer.")]
    BelowPeer,
    /// A configured route belongs to another network.
    #[error("the route to {0:?} belongs to another network")]
    Network(Prefix),
    /// A configured route has the address itself, and the node answers packets to its own address.
    #[error("the route to {0:?} has the node's own address")]
    Route(Prefix),
    /// It gives a child an address that is not valid.
    #[error("the address of the child {0} {1}")]
    Child(AccountId, AddressError),
    /// It gives a receiver addresses that are not valid.
    #[error("an address of the receiver {0} {1}")]
    Receiver(AccountId, AddressError),
}

impl NodeConfig {
    /// Checks an address from the parent.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check_own_address(&self, own: &Address) -> Result<(), OwnAddressError> {
        not_below_peer(own)?;
        for route in &self.routes {
            let scheme = route.prefix.scheme().filter(|scheme| scheme.network() != Network::Other);
            let own_scheme = own.scheme();
            if own_scheme.network() != Network::Other && scheme.is_some_and(|one| one != own_scheme)
            {
                return Err(OwnAddressError::Network(route.prefix.clone()));
            }
            if route.prefix.as_str() == own.as_str() {
                return Err(OwnAddressError::Route(route.prefix.clone()));
            }
        }
        mistakes_below(own, &self.peers, &self.receivers).next().map_or(Ok(()), Err)
    }
}

/// Addresses below `peer.` mean the direct neighbour.
///
/// # Errors
/// The address is one of these.
pub fn not_below_peer(own: &Address) -> Result<(), OwnAddressError> {
    if own.scheme() == Scheme::Peer { Err(OwnAddressError::BelowPeer) } else { Ok(()) }
}

/// The addresses of children, and of connections to receivers, that are too long with the node's own in front.
pub fn mistakes_below(
    own: &Address,
    peers: &[PeerConfig],
    receivers: &[ReceiverConfig],
) -> impl Iterator<Item = OwnAddressError> {
    let children = peers.iter().filter(|peer| peer.account.relation == Relation::Child);
    let children = children.filter_map(|child| {
        let error = own.child(child.account.address_segment()).err()?;
        Some(OwnAddressError::Child(child.account.id.clone(), error))
    });
    let connection = encode_connection_id([0; CONNECTION_ID_BYTES]);
    children.chain(receivers.iter().filter_map(move |receiver| {
        let address = own.child(receiver.id.as_str()).and_then(|own| own.child(&connection));
        Some(OwnAddressError::Receiver(receiver.id.clone(), address.err()?))
    }))
}

#[cfg(test)]
mod tests {
    use crate::config::tests::node;

    #[test]
    fn an_address_from_outside_is_held_to_the_rules_of_the_file() {
        let config = node(
            "nodeId: n\npeers:\n  - {id: up, authToken: a, relation: parent}\n  - {id: bob, authToken: b}\n  \
               - {id: kid, authToken: c, relation: child}\n\
             receivers: [{id: wallet}]\nroutes: [{prefix: test.bob, nextHop: bob}]\n",
        );
        let check = |address: &str, expected: &str| {
            let checked = config.check_own_address(&address.parse().unwrap());
            let said = checked.err().map_or_else(String::new, |error| error.to_string());
            assert!(said.starts_with(expected) && said.is_empty() == expected.is_empty(), "{said}");
        };
        check("test.up.n", "");
        check("private.n", "");
        check("peer.n", "the address is below peer.");
        check("g.up.n", "the route to \"test.bob\" belongs to another network");
        check("test2.up.n", "the route to \"test.bob\" belongs to another network");
        check("test.bob", "the route to \"test.bob\" has the node's own address");
        check(&format!("test.{}", "x".repeat(1015)), "the address of the child kid");
        check(&format!("test.{}", "x".repeat(1005)), "an address of the receiver wallet");
    }
}
