//! Decides which routes are advertised to one peer.

use super::ranking::BestRoute;
use super::{Ccp, CcpPeerState};
use crate::account::Relation;
use crate::link::Slot;
use crate::wire::Prefix;
use crate::wire::ccp::forwarded_auth;

/// A route in an update, without our own address, which is put before its path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ExportedRoute<'a> {
    /// Nodes behind this one.
    pub(super) hops: usize,
    /// Their addresses, encoded.
    pub(super) path: &'a [u8],
    pub(super) auth: [u8; 32],
}

impl ExportedRoute<'_> {
    /// A route that is not learned. No implementation verifies `auth`: zeros, as interledger-rs sends.
    const OWN: ExportedRoute<'static> = ExportedRoute { hops: 0, path: &[], auth: [0; 32] };
}

impl Ccp {
    /// The best route of a prefix for one peer; `None` if the peer must not have it. A route is never advertised to its
    /// own next hop, and a parent gets only our own and our children's routes (valley-free). [row 115]
    pub(super) fn exported_route(
        &self,
        prefix: &Prefix,
        to: Slot,
        peer: &CcpPeerState,
    ) -> Option<ExportedRoute<'_>> {
        let best = *self.best_routes.get(prefix)?;
        if !peer.settings.policy.advertises(prefix) {
            return None;
        }
        let next_hop = match best {
            BestRoute::Own => return Some(ExportedRoute::OWN),
            BestRoute::Local(slot) | BestRoute::Learned(slot) => slot,
        };
        if next_hop == to {
            return None;
        }
        let over = self.peers.get(&next_hop).map(|peer| peer.settings.relation);
        if peer.settings.relation == Relation::Parent && over != Some(Relation::Child) {
            return None;
        }
        match best {
            BestRoute::Learned(slot) => {
                let route = self.peers.get(&slot)?.receiver.routes.get(prefix)?;
                Some(ExportedRoute {
                    hops: route.path.len(),
                    path: route.path.encoded(),
                    auth: forwarded_auth(&route.auth),
                })
            }
            _ => Some(ExportedRoute::OWN),
        }
    }
}
