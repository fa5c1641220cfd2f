//! Which routes one peer may be told of, and as what.

use super::ranking::BestRoute;
use super::{Ccp, CcpPeerState};
use crate::account::Relation;
use crate::link::Slot;
use crate::wire::Prefix;
use crate::wire::ccp::forwarded_auth;

/// A route as it is told: the own address comes first, then this.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ExportedRoute<'a> {
    /// Hops behind this node.
    pub(super) hops: usize,
    /// Their addresses, encoded.
    pub(super) path: &'a [u8],
    pub(super) auth: [u8; 32],
}

impl ExportedRoute<'_> {
    /// Known without being told. Nobody verifies auth, so there is nothing to prove with it: zeros, as interledger-rs.
    const OWN: ExportedRoute<'static> = ExportedRoute { hops: 0, path: &[], auth: [0; 32] };
}

impl Ccp {
    /// The best route to a prefix of the log as this peer may know it; `None` = for this peer there is none.
    pub(super) fn exported_route(
        &self,
        prefix: &Prefix,
        to: Slot,
        peer: &CcpPeerState,
    ) -> Option<ExportedRoute<'_>> {
        let best = *self.best_routes.get(prefix)?;
        if !peer.settings.policy.announces(prefix) {
            return None;
        }
        let next_hop = match best {
            BestRoute::Own => return Some(ExportedRoute::OWN),
            BestRoute::Local(slot) | BestRoute::Learned(slot) => slot,
        };
        // Nobody is told what would lead back to themselves.
        if next_hop == to {
            return None;
        }
        let over = self.peers.get(&next_hop).map(|peer| peer.settings.relation);
        // Valley-free: a parent is not asked to pay for the way between our peers.
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
