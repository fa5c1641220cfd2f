//! Which route to a prefix is the best one, and what follows when another one is.

use std::collections::BTreeMap;

use super::change_log::RouteChange;
use super::learned::Learned;
use super::{Ccp, Peer};
use crate::account::{AccountId, Relation};
use crate::link::Slot;
use crate::wire::Prefix;

/// The best route to a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Best {
    /// This node itself.
    Own,
    /// Without being told: over this peer, which is connected.
    Local(Slot),
    /// As this peer told.
    Learned(Slot),
}

/// What decides between two learned routes, the lesser the better: child before peer before parent, then the shorter
/// path, then the lesser account id.
pub(super) type Rank<'a> = (u8, usize, &'a AccountId);

impl Peer {
    pub(super) fn rank<'a>(&'a self, route: &Learned) -> Rank<'a> {
        let relation = match self.member.relation {
            Relation::Child => 0,
            Relation::Peer => 1,
            Relation::Parent => 2,
        };
        (relation, route.path.len(), &self.member.id)
    }
}

impl Ccp {
    /// Looks again for the best routes to these prefixes. `by`: whose routes have changed, so that a route that stays
    /// the best one may still be another one.
    pub(super) fn settle(&mut self, touched: Vec<Prefix>, by: Option<Slot>) {
        for prefix in touched {
            let (old, new) = self.rechoose(&prefix);
            let another = matches!(new, Some(Best::Learned(slot)) if Some(slot) == by);
            if old != new || another {
                self.record(prefix, new);
            }
        }
    }

    /// Notes a change in the log, unless nobody is ever told of such a prefix: other networks, whole networks, and
    /// what the own address covers.
    fn record(&mut self, prefix: Prefix, new: Option<Best>) {
        let Some(own) = &self.settings.own else { return };
        let foreign = prefix.scheme() != Some(own.scheme());
        let whole_network = !prefix.as_str().contains('.');
        let covered = new != Some(Best::Own) && Prefix::from(own).covers(&prefix);
        if !foreign && !whole_network && !covered {
            self.log
                .record(prefix, if new.is_some() { RouteChange::There } else { RouteChange::Gone });
        }
    }

    /// Looks again for the best routes to these prefixes, and tells of all of them as if they had changed.
    pub(super) fn retell(&mut self, mut touched: Vec<Prefix>) {
        touched.sort_unstable();
        touched.dedup();
        for prefix in touched {
            let (_, new) = self.rechoose(&prefix);
            self.record(prefix, new);
        }
    }

    /// The best route before and now.
    fn rechoose(&mut self, prefix: &Prefix) -> (Option<Best>, Option<Best>) {
        let new = self.choose(prefix);
        let old = match new {
            Some(best) => self.best.insert(prefix.clone(), best),
            None => self.best.remove(prefix),
        };
        let learned = |best| matches!(best, Some(Best::Learned(_)));
        if old != new && (learned(old) || learned(new)) {
            self.learned_changed = true;
        }
        (old, new)
    }

    fn choose(&self, prefix: &Prefix) -> Option<Best> {
        if self.settings.own.as_ref().is_some_and(|own| own.as_str() == prefix.as_str()) {
            return Some(Best::Own);
        }
        let locals = self.locals.get(prefix).into_iter().flatten();
        if let Some(slot) = locals.copied().find(|slot| self.linked.contains(slot)) {
            return Some(Best::Local(slot));
        }
        let learned = self.learned_from_all(prefix);
        learned
            .min_by_key(|(_, peer, route)| peer.rank(route))
            .map(|(slot, ..)| Best::Learned(slot))
    }

    /// What all peers have told of a prefix.
    pub(super) fn learned_from_all<'a>(
        &'a self,
        prefix: &'a Prefix,
    ) -> impl Iterator<Item = (Slot, &'a Peer, &'a Learned)> {
        let peers = self.peers.iter();
        peers.filter_map(|(slot, peer)| Some((*slot, peer, peer.hearing.routes.get(prefix)?)))
    }

    /// Takes the local routes of new settings; says which prefixes may have another route now.
    pub(super) fn replace_locals(&mut self) -> Vec<Prefix> {
        let mut new: BTreeMap<Prefix, Vec<Slot>> = BTreeMap::new();
        for route in &self.settings.locals {
            new.entry(route.prefix.clone()).or_default().push(route.next_hop);
        }
        let old = self.locals.drain().map(|(prefix, _)| prefix);
        let mut touched: Vec<Prefix> = old.chain(new.keys().cloned()).collect();
        touched.extend(self.settings.own.as_ref().map(Prefix::from));
        self.locals.extend(new);
        touched
    }

    /// Prefixes with a local route over this peer.
    pub(super) fn locals_by(&self, slot: Slot) -> Vec<Prefix> {
        let by = self.locals.iter().filter(|(_, hops)| hops.contains(&slot));
        by.map(|(prefix, _)| prefix.clone()).collect()
    }
}
