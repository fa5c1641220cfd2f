//! Reports of CCP for metrics, and explanations of why a route was chosen.

use super::ranking::BestRoute;
use super::{Ccp, RouteRefusalCounts};
use crate::account::{AccountId, Relation};
use crate::wire::Prefix;

/// The state of CCP with one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRoutesReport {
    /// The peer.
    pub peer: AccountId,
    /// Number of the peer's routes.
    pub routes: usize,
    /// The peer's table and its known epoch, as `<id>/<epoch>`.
    pub received_table: String,
    /// Whether the peer wants updates.
    pub is_subscribed: bool,
    /// The epoch of our table that the peer has acknowledged.
    pub acknowledged_epoch: u32,
    /// Updates sent to the peer.
    pub updates_sent: u64,
    /// Updates received from the peer.
    pub updates_received: u64,
    /// Advertised routes that were refused.
    pub refused: RouteRefusalCounts,
}

/// One learned route to a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearnedReport {
    /// The peer that advertised it.
    pub from: AccountId,
    /// The relation of that peer to this node.
    pub relation: Relation,
    /// The nodes on the way, the nearest one first.
    pub path: Vec<String>,
    /// Whether it is in the routing table.
    pub chosen: bool,
    /// Why it was chosen, or why another route was.
    pub why: &'static str,
}

impl Ccp {
    /// The state of CCP with each peer.
    #[must_use]
    pub fn report(&self) -> Vec<PeerRoutesReport> {
        let exchanging = self.peers.values().filter(|peer| {
            let policy = &peer.settings.policy;
            policy.send || policy.receive
        });
        let report = exchanging.map(|peer| {
            let (table, epoch) = peer.receiver.table_and_epoch();
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

    /// All learned routes to a prefix, best first, each with the reason for its rank.
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
