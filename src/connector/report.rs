//! A plain copy of what the node is doing, for `/peers`, `/routes` and `/metrics`. Nothing here is on the packet path.

use super::account::Account;
use super::core::{Batch, Connector};
use super::own_account::OwnAccountReport;
use super::refusal::Refusal;
use super::snapshot::{AccountEntry, Snapshot};
use super::stats::Stats;
use crate::account::{AccountId, AccountSettings, OverLimit};
use crate::link::{SessionId, SessionKind, Slot};
use crate::routing::ccp::LearnedReport;
use crate::routing::{Candidate, RouteOrigin};
use crate::wire::{Address, AddressRef, Scheme, Timestamp};

/// The node's accounts at one moment.
#[derive(Clone, Debug)]
pub struct ConnectorReport {
    /// The node's name.
    pub node_id: String,
    /// Its address, if it has one.
    pub address: Option<Address>,
    /// Number of prefixes in the routing table.
    pub routes: usize,
    /// All accounts, those removed by a reload too.
    pub accounts: Vec<AccountReport>,
    /// The node's own accounts that money went through.
    pub own_accounts: Vec<OwnAccountReport>,
}

/// One account at one moment.
#[derive(Clone, Debug)]
pub struct AccountReport {
    /// Its settings in force.
    pub settings: AccountSettings,
    /// The configuration no longer names it.
    pub removed: bool,
    /// Its sessions that are up.
    pub sessions: Vec<(SessionId, SessionKind)>,
    /// Prepares from the peer without an answer.
    pub in_flight_from: usize,
    /// Prepares to the peer without an answer.
    pub in_flight_to: usize,
    /// Bytes that wait to be written to it.
    pub outbox_bytes: usize,
    /// Positive: the peer owes us.
    pub balance: i128,
    /// Held for the peer's packets in flight.
    pub held_in: i128,
    /// Held for our packets in flight to the peer.
    pub held_out: i128,
    /// The last packet that a limit of the balance kept out, and when.
    pub last_refusal: Option<(Timestamp, OverLimit)>,
    /// How often more was to be released than was held: an error of this program.
    pub excess_releases: u32,
    /// What was counted.
    pub stats: Stats,
}

/// One prefix of the routing table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteReport {
    /// The prefix; empty = default route.
    pub prefix: String,
    /// Its next hops, best first.
    pub next_hops: Vec<NextHopReport>,
    /// What peers have told of it, the best first; the one that was chosen is among the next hops.
    pub learned: Vec<LearnedReport>,
}

/// One next hop of a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHopReport {
    /// The peer.
    pub account: AccountId,
    /// Higher is better.
    pub priority: i32,
    /// Where the route comes from.
    pub origin: RouteOrigin,
    /// Whether packets can go there now.
    pub usable: bool,
}

/// What would happen to a packet to one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Explanation {
    /// It is this node.
    Own,
    /// It would go to this peer, by this prefix.
    Forward {
        /// The peer.
        next_hop: AccountId,
        /// The prefix that matched, with all its next hops.
        route: RouteReport,
    },
    /// It would be rejected.
    Reject {
        /// ILP error code.
        code: String,
        /// Why.
        reason: String,
        /// The prefix that matched, if one did.
        route: Option<RouteReport>,
    },
}

impl Connector {
    /// The node's name.
    pub fn node_id(&self) -> AccountId {
        self.snapshot.load().node_id.clone()
    }

    /// Number of prefixes in the routing table.
    pub fn routes_total(&self) -> usize {
        self.snapshot.load().table.prefix_count()
    }

    /// The accounts whose ledger was to release more than it held, which an error of this program alone can cause.
    pub fn excess_releases(&self) -> Vec<(AccountId, u32)> {
        let snapshot = self.snapshot.load();
        let counts = snapshot.entries.iter().map(|entry| {
            let count = entry.account.lock().ledger.excess_releases();
            (entry.account.id(), count)
        });
        counts.filter(|(_, count)| *count > 0).map(|(id, count)| (id.clone(), count)).collect()
    }

    /// Copies what there is to see. Takes each account's lock once, one after the other.
    pub fn report(&self) -> ConnectorReport {
        let snapshot = self.snapshot.load();
        ConnectorReport {
            node_id: snapshot.node_id.to_string(),
            address: snapshot.address.clone(),
            routes: snapshot.table.prefix_count(),
            accounts: snapshot.entries.iter().map(account_report).collect(),
            own_accounts: self.registry.lock().0.own_account_reports(),
        }
    }

    /// Up to `limit` prefixes of the routing table in order of their names, from the first that is not before `after`.
    pub fn routes(&self, after: Option<&str>, limit: usize) -> Vec<RouteReport> {
        let snapshot = self.snapshot.load();
        let later = |prefix: &str| after.is_none_or(|after| prefix > after);
        let mut routes: Vec<_> =
            snapshot.table.iter().filter(|(prefix, _)| later(prefix)).collect();
        if routes.len() > limit {
            routes.select_nth_unstable_by_key(limit, |(prefix, _)| *prefix);
            routes.truncate(limit);
        }
        routes.sort_unstable_by_key(|(prefix, _)| *prefix);
        routes.iter().map(|(prefix, hops)| self.route_report(&snapshot, prefix, hops)).collect()
    }

    /// All prefixes of the routing table, in no order.
    pub fn prefixes(&self) -> Vec<String> {
        self.snapshot.load().table.iter().map(|(prefix, _)| prefix.to_owned()).collect()
    }

    /// What would happen to a packet to `destination` from somebody who is no next hop for it.
    pub fn explain(&self, destination: AddressRef<'_>, now: crate::time::Now) -> Explanation {
        let turn = self.start_batch(now);
        let snapshot = &*turn.snapshot;
        let route = snapshot.table.lookup(destination).map(|found| {
            let prefix = destination.as_str().get(..found.prefix_len).unwrap_or_default();
            self.route_report(snapshot, prefix, found.candidates)
        });
        match (turn.next_hop(destination, None), route) {
            (Ok(Some(next_hop)), Some(route)) => {
                Explanation::Forward { next_hop: next_hop.id().clone(), route }
            }
            (Ok(_), _) => Explanation::Own,
            (Err(refusal), route) => Explanation::Reject {
                code: refusal.code().to_string(),
                reason: refusal.to_string(),
                route,
            },
        }
    }
}

impl Batch<'_> {
    /// The account that a packet to `destination` would go to, had it come from `from`; `None`: it has arrived.
    pub fn next_hop(
        &self,
        destination: AddressRef<'_>,
        from: Option<Slot>,
    ) -> Result<Option<&Account>, Refusal> {
        match &self.snapshot.address {
            _ if destination.scheme() == Scheme::Peer => Err(Refusal::UnknownPeerProtocol),
            None => Err(Refusal::NoAddressYet),
            Some(own) if own.view() == destination => Ok(None),
            Some(_) => Ok(Some(&self.choose_next_hop(destination, from)?.account)),
        }
    }
}

fn account_report(entry: &AccountEntry) -> AccountReport {
    let state = entry.account.lock();
    AccountReport {
        settings: entry.settings.clone(),
        removed: entry.removed,
        sessions: state.sessions.iter().map(|session| (session.id, session.kind)).collect(),
        in_flight_from: state.in_flight,
        in_flight_to: state.pending.len(),
        outbox_bytes: state.sessions.iter().map(|session| session.outbox.waiting_bytes()).sum(),
        balance: state.ledger.balance(),
        held_in: state.ledger.held_in(),
        held_out: state.ledger.held_out(),
        last_refusal: state.last_refusal,
        excess_releases: state.ledger.excess_releases(),
        stats: state.stats.clone(),
    }
}

impl Connector {
    fn route_report(
        &self,
        snapshot: &Snapshot,
        prefix: &str,
        candidates: &[Candidate],
    ) -> RouteReport {
        let is_learned = |candidate: &Candidate| candidate.origin == RouteOrigin::Learned;
        let learned = match prefix.parse() {
            Ok(prefix) if candidates.iter().any(is_learned) => self.learned_routes(&prefix),
            _ => Vec::new(),
        };
        let next_hops = next_hops(snapshot, candidates);
        RouteReport { prefix: prefix.to_owned(), next_hops, learned }
    }
}

fn next_hops(snapshot: &Snapshot, candidates: &[Candidate]) -> Vec<NextHopReport> {
    let next_hops = candidates.iter().filter_map(|candidate| {
        let entry = snapshot.entry(candidate.next_hop)?;
        Some(NextHopReport {
            account: entry.account.id().clone(),
            priority: candidate.priority,
            origin: candidate.origin,
            usable: entry.is_reachable(),
        })
    });
    next_hops.collect()
}
