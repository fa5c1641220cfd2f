//! Chooses the best route of each prefix, and records changes in the log.

use std::collections::BTreeMap;

use super::change_log::RouteChange;
use super::learned::LearnedRoute;
use super::{Ccp, CcpPeerState};
use crate::account::{AccountId, Relation};
use crate::link::Slot;
use crate::wire::Prefix;

/// The best route of a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BestRoute {
    /// This node itself.
    Own,
    /// A route that is not learned, over this connected peer.
    Local(Slot),
    /// A route that this peer advertised.
    Learned(Slot),
}

/// The rank of a learned route, lowest first. RFC 34 "Routing": of routes to one prefix, a child's is preferred to a
/// peer's, and a peer's to a parent's. [row 36] Then the shorter path wins, then the lower account id.
pub(super) type Rank<'a> = (u8, usize, &'a AccountId);

impl CcpPeerState {
    pub(super) fn rank<'a>(&'a self, route: &LearnedRoute) -> Rank<'a> {
        let relation = match self.settings.relation {
            Relation::Child => 0,
            Relation::Peer => 1,
            Relation::Parent => 2,
        };
        (relation, route.path.len(), &self.settings.id)
    }
}

impl Ccp {
    /// Chooses the best routes of these prefixes again: advertised routes become usable, withdrawn ones end. [row 105]
    /// Routes of `by` have changed, so a best route of that peer is recorded even if the peer is still the best one.
    pub(super) fn update_best(&mut self, changed: Vec<Prefix>, by: Option<Slot>) {
        for prefix in changed {
            let (old, new) = self.replace_best(&prefix);
            let another = matches!(new, Some(BestRoute::Learned(slot)) if Some(slot) == by);
            if old != new || another {
                self.record_change(prefix, new);
            }
        }
    }

    /// Records a change in the log, unless no peer may have such a route: other networks, whole
    /// networks, and addresses below our own.
    fn record_change(&mut self, prefix: Prefix, new: Option<BestRoute>) {
        let Some(own) = &self.settings.own_address else { return };
        let foreign = prefix.scheme() != Some(own.scheme());
        let whole_network = !prefix.as_str().contains('.');
        let covered = new != Some(BestRoute::Own) && Prefix::from(own).covers(&prefix);
        if !foreign && !whole_network && !covered {
            self.log.record(
                prefix,
                if new.is_some() { RouteChange::Reachable } else { RouteChange::Withdrawn },
            );
        }
    }

    /// Chooses the best routes of these prefixes again, and records all of them as changed.
    pub(super) fn readvertise(&mut self, mut changed: Vec<Prefix>) {
        changed.sort_unstable();
        changed.dedup();
        for prefix in changed {
            let (_, new) = self.replace_best(&prefix);
            self.record_change(prefix, new);
        }
    }

    /// Chooses the best route again; returns the best route before and now.
    fn replace_best(&mut self, prefix: &Prefix) -> (Option<BestRoute>, Option<BestRoute>) {
        let new = self.choose_best(prefix);
        let old = match new {
            Some(best) => self.best_routes.insert(prefix.clone(), best),
            None => self.best_routes.remove(prefix),
        };
        let learned = |best| matches!(best, Some(BestRoute::Learned(_)));
        if old != new && (learned(old) || learned(new)) {
            self.learned_changed = true;
        }
        (old, new)
    }

    fn choose_best(&self, prefix: &Prefix) -> Option<BestRoute> {
        if self.settings.own_address.as_ref().is_some_and(|own| own.as_str() == prefix.as_str()) {
            return Some(BestRoute::Own);
        }
        let locals = self.local_routes.get(prefix).into_iter().flatten();
        if let Some(slot) = locals.copied().find(|slot| self.connected.contains(slot)) {
            return Some(BestRoute::Local(slot));
        }
        let learned = self.learned_candidates(prefix);
        learned
            .min_by_key(|(_, peer, route)| peer.rank(route))
            .map(|(slot, ..)| BestRoute::Learned(slot))
    }

    /// The routes of all peers to a prefix.
    pub(super) fn learned_candidates<'a>(
        &'a self,
        prefix: &'a Prefix,
    ) -> impl Iterator<Item = (Slot, &'a CcpPeerState, &'a LearnedRoute)> {
        let peers = self.peers.iter();
        peers.filter_map(|(slot, peer)| Some((*slot, peer, peer.receiver.routes.get(prefix)?)))
    }

    /// Replaces the routes that are not learned; returns the prefixes whose best route may change.
    pub(super) fn replace_local_routes(&mut self) -> Vec<Prefix> {
        let mut new: BTreeMap<Prefix, Vec<Slot>> = BTreeMap::new();
        for route in &self.settings.local_routes {
            new.entry(route.prefix.clone()).or_default().push(route.next_hop);
        }
        let old = self.local_routes.drain().map(|(prefix, _)| prefix);
        let mut changed: Vec<Prefix> = old.chain(new.keys().cloned()).collect();
        changed.extend(self.settings.own_address.as_ref().map(Prefix::from));
        self.local_routes.extend(new);
        changed
    }

    /// Prefixes with a local route over this peer.
    pub(super) fn local_prefixes_over(&self, slot: Slot) -> Vec<Prefix> {
        let by = self.local_routes.iter().filter(|(_, hops)| hops.contains(&slot));
        by.map(|(prefix, _)| prefix.clone()).collect()
    }
}
