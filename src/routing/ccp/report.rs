//! A plain copy of where the exchange stands, for metrics and for whoever asks why a route was chosen.

use super::ranking::BestRoute;
use super::{Ccp, RouteRefusalCounts};
use crate::account::{AccountId, Relation};
use crate::wire::Prefix;

/// One peer's share in the exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRoutesReport {
    /// Who.
    pub peer: AccountId,
    /// Routes of the peer that are kept.
    pub routes: usize,
    /// The peer's table and how far it is known, as `<id>/<epoch>`.
    pub received_table: String,
    /// The peer wants our routes.
    pub is_subscribed: bool,
    /// Up to which of our epochs the peer has acknowledged.
    pub acknowledged_epoch: u32,
    /// Updates that went to the peer.
    pub updates_sent: u64,
    /// Updates that came from the peer.
    pub updates_received: u64,
    /// Announced routes that were not taken.
    pub refused: RouteRefusalCounts,
}

/// One learned route to a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearnedReport {
    /// Who told.
    pub from: AccountId,
    /// What that peer is to this node.
    pub relation: Relation,
    /// The nodes on the way, the nearest one first.
    pub path: Vec<String>,
    /// Whether it is the one in the routing table.
    pub chosen: bool,
    /// Why it is, or why another one is.
    pub why: &'static str,
}

impl Ccp {
    /// Where the exchange with every peer stands.
    #[must_use]
    pub fn report(&self) -> Vec<PeerRoutesReport> {
        let exchanging = self.peers.values().filter(|peer| {
            let policy = &peer.settings.policy;
            policy.send || policy.receive
        });
        let report = exchanging.map(|peer| {
            let (table, epoch) = peer.receiver.position();
            PeerRoutesReport {
                peer: peer.settings.id.clone(),
                routes: peer.receiver.routes.len(),
                received_table: format!("{table}/{epoch}"),
                is_subscribed: peer.sender.is_subscribed(),
                acknowledged_epoch: peer.sender.acknowledged(),
                updates_sent: peer.sender.sent_total,
                updates_received: peer.receiver.updates_total,
                refused: peer.receiver.refusals,
            }
        });
        report.collect()
    }

    /// All learned routes to a prefix, the best one first, each with the reason for its place.
    #[must_use]
    pub fn explain(&self, prefix: &Prefix) -> Vec<LearnedReport> {
        let best = self.best_routes.get(prefix);
        let mut routes: Vec<_> = self.learned_candidates(prefix).collect();
        routes.sort_by(|(_, a, a_route), (_, b, b_route)| a.rank(a_route).cmp(&b.rank(b_route)));
        let first = routes.first().map(|(_, peer, route)| peer.rank(route));
        let second = routes.get(1).map(|(_, peer, route)| peer.rank(route));
        let reports = routes.iter().map(|(slot, peer, route)| {
            let rank = peer.rank(route);
            let chosen = best == Some(&BestRoute::Learned(*slot));
            let other = if Some(&rank) == first.as_ref() { second } else { first };
            let why = match (chosen, best, other) {
                (false, Some(BestRoute::Own | BestRoute::Local(_)), _) => {
                    "this node has a route of its own"
                }
                (_, _, None) => "the only one",
                (true, _, Some(other)) if rank.0 != other.0 => "nearer relation",
                (true, _, Some(other)) if rank.1 != other.1 => "shorter path",
                (true, ..) => "lesser account id",
                (false, _, Some(other)) if rank.0 != other.0 => "another relation is nearer",
                (false, _, Some(other)) if rank.1 != other.1 => "another path is shorter",
                (false, ..) => "another account id is lesser",
            };
            LearnedReport {
                from: peer.settings.id.clone(),
                relation: peer.settings.relation,
                path: route.path.iter().map(str::to_owned).collect(),
                chosen,
                why,
            }
        });
        reports.collect()
    }
}
