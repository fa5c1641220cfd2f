//! Which routes the nodes of a topology would tell each other (CCP), with everything connected: what `routing::ccp`
//! settles on, worked out in one go.

use std::collections::{BTreeSet, HashMap};

use crate::account::{AccountId, Relation};
use crate::wire::Prefix;

use super::network::Nodes;
use super::settings::{NodeConfig, PeerConfig};
use super::topology::Topology;

/// Who tells whom, by number.
pub(super) struct RouteForecast<'t> {
    nodes: Vec<Option<&'t NodeConfig>>,
    numbers: HashMap<&'t str, usize>,
}

/// A node's best route to a prefix.
#[derive(Clone, Debug, PartialEq)]
struct Known<'t> {
    /// Where packets go, and what that peer is; `None`: they have arrived.
    next: Option<(usize, Relation)>,
    /// Nodes behind this one.
    path: Vec<usize>,
    /// What decided, the lesser the better; `None`: not told, which is better than anything told.
    rank: Option<(Relation, usize, &'t AccountId)>,
}

impl<'t> RouteForecast<'t> {
    /// `None`: nobody tells anybody anything.
    pub(super) fn new(topology: &'t Topology, nodes: &'t Nodes) -> Option<Self> {
        let nodes: Vec<_> = nodes.configs.iter().map(Option::as_ref).collect();
        let peers = nodes.iter().flatten().flat_map(|config| &config.peers);
        let mut policies = peers.map(|peer| &peer.account.routes);
        policies.any(|routes| routes.send || routes.receive).then(|| {
            let numbers = topology.node_ids().enumerate().map(|(number, id)| (id, number));
            RouteForecast { nodes, numbers: numbers.collect() }
        })
    }

    /// For every node the prefixes that it learns, and the neighbour that packets to them go to.
    pub(super) fn learned(&self) -> Vec<Vec<(Prefix, usize)>> {
        let mut learned = vec![Vec::new(); self.nodes.len()];
        for prefix in self.prefixes() {
            let known = self.settle(&prefix);
            for (list, known) in learned.iter_mut().zip(known) {
                if let Some(Known { next: Some((next, _)), rank: Some(_), .. }) = known {
                    list.push((prefix.clone(), next));
                }
            }
        }
        learned
    }

    /// What anybody may announce: own addresses and configured routes.
    fn prefixes(&self) -> BTreeSet<Prefix> {
        let configs = || self.nodes.iter().flatten();
        let own = configs().filter_map(|config| config.address.as_ref()).map(Prefix::from);
        let routes = configs().flat_map(|config| &config.routes);
        let routes = routes.map(|route| route.prefix.clone());
        own.chain(routes.filter(|prefix| prefix.as_str().contains('.'))).collect()
    }

    fn settle(&self, prefix: &Prefix) -> Vec<Option<Known<'t>>> {
        let count = self.nodes.len();
        let mut known: Vec<_> = (0..count).map(|node| self.local(node, prefix)).collect();
        // A route passes one node a round; preferences may make it change its mind, which ends as it does in the
        // running network.
        for _ in 0..2 * count {
            let next: Vec<_> = (0..count).map(|node| self.choose(node, prefix, &known)).collect();
            if next == known {
                break;
            }
            known = next;
        }
        known
    }

    fn config(&self, node: usize) -> Option<&'t NodeConfig> {
        self.nodes.get(node).copied().flatten()
    }

    /// What a node knows without being told.
    fn local(&self, node: usize, prefix: &Prefix) -> Option<Known<'t>> {
        let config = self.config(node)?;
        let here = |next| Some(Known { next, path: Vec::new(), rank: None });
        if config.address.as_ref().is_some_and(|own| own.as_str() == prefix.as_str()) {
            return here(None);
        }
        let routes = config.routes.iter().filter(|route| route.prefix == *prefix);
        let best = routes.max_by_key(|route| route.priority)?;
        let peer = config.peer(best.next_hop.as_str())?;
        let next = self.numbers.get(peer.account.id.as_str())?;
        here(Some((*next, peer.account.relation)))
    }

    fn choose(
        &self,
        node: usize,
        prefix: &Prefix,
        known: &[Option<Known<'t>>],
    ) -> Option<Known<'t>> {
        if let Some(local) = self.local(node, prefix) {
            return Some(local);
        }
        let config = self.config(node)?;
        let foreign = prefix.scheme() != Some(config.scheme);
        let own = config.address.as_ref().map(Prefix::from);
        if foreign || own.is_none_or(|own| own.covers(prefix)) {
            return None;
        }
        let offers = config.peers.iter().filter_map(|peer| {
            let routes = &peer.account.routes;
            let from = *self.numbers.get(peer.account.id.as_str())?;
            let heard = peer.account.enabled && routes.receive && routes.accepts(prefix);
            let route = known.get(from)?.as_ref().filter(|_| heard)?;
            let to_us = self.config(from)?.peer(self.config(node)?.node_id.as_str())?;
            if !may_tell(to_us, node, prefix, route) || route.path.contains(&node) {
                return None;
            }
            let path: Vec<usize> =
                std::iter::once(from).chain(route.path.iter().copied()).collect();
            let rank = Some((peer.account.relation, path.len(), &peer.account.id));
            Some(Known { next: Some((from, peer.account.relation)), path, rank })
        });
        let order = |relation: Relation| match relation {
            Relation::Child => 0,
            Relation::Peer => 1,
            Relation::Parent => 2,
        };
        offers
            .min_by_key(|offer| offer.rank.map(|(relation, hops, id)| (order(relation), hops, id)))
    }
}

/// As `routing::ccp` exports.
fn may_tell(to: &PeerConfig, number: usize, prefix: &Prefix, route: &Known<'_>) -> bool {
    let routes = &to.account.routes;
    let allowed = to.account.enabled && routes.send && routes.announces(prefix);
    allowed
        && match route.next {
            None => true,
            Some((next, _)) if next == number => false,
            Some((_, relation)) => {
                to.account.relation != Relation::Parent || relation == Relation::Child
            }
        }
}
