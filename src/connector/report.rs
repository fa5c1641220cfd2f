//! Copies of the node's state for `/peers`, `/routes` and `/metrics`. Nothing here is on the packet path.

use super::account::Account;
use super::batch::Batch;
use super::core::Connector;
use super::own_account::OwnAccountReport;
use super::refusal::Refusal;
use super::snapshot::{AccountEntry, Snapshot};
use super::stats::Stats;
use crate::account::{AccountId, AccountSettings, Asset, OverLimit, Totals};
use crate::books::ReconcileState;
use crate::link::{SessionId, SessionKind, Slot};
use crate::routing::ccp::LearnedReport;
use crate::routing::{RouteCandidate, RouteOrigin};
use crate::wire::{Address, AddressRef, Amount, Scheme, Timestamp};

/// A copy of the state of all accounts.
#[derive(Clone, Debug)]
pub struct ConnectorReport {
    /// The node's id.
    pub node_id: String,
    /// Its address, if it has one.
    pub address: Option<Address>,
    /// Number of prefixes in the routing table.
    pub routes: usize,
    /// All accounts, including those that a reload removed.
    pub accounts: Vec<AccountReport>,
    /// The node's own accounts that have moved money.
    pub own_accounts: Vec<OwnAccountReport>,
}

/// A copy of the state of one account.
#[derive(Clone, Debug)]
pub struct AccountReport {
    /// Its settings in force.
    pub settings: AccountSettings,
    /// Whether a reload removed it.
    pub removed: bool,
    /// Its open sessions.
    pub sessions: Vec<(SessionId, SessionKind)>,
    /// Prepares from the peer without an answer.
    pub in_flight_from: usize,
    /// Prepares to the peer without an answer.
    pub in_flight_to: usize,
    /// Bytes that wait to be written to it.
    pub outbox_bytes: usize,
    /// Positive: the peer owes us.
    pub balance: i128,
    /// What the balance is made of.
    pub totals: Totals,
    /// Held for the peer's packets in flight.
    pub held_in: i128,
    /// Held for our packets in flight to the peer.
    pub held_out: i128,
    /// The sum of the packets to the peer that were in flight at an unclean end of the process.
    pub uncertain: i128,
    /// How the peer's books compare with ours.
    pub comparison: ReconcileState,
    /// What we pay the peer with the settlement that no engine has accepted, also if the peer has none any more;
    /// 0: there is no such settlement.
    pub settlement_pending: u128,
    /// When a balance limit last refused a packet, and by how much it was over.
    pub last_refusal: Option<(Timestamp, OverLimit)>,
    /// How often a release was larger than the held amount, which is an error of this program.
    pub excess_releases: u32,
    /// The account's counters.
    pub stats: Stats,
}

/// One prefix of the routing table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteReport {
    /// The prefix; empty = default route.
    pub prefix: String,
    /// Its next hops, best first.
    pub next_hops: Vec<NextHopReport>,
    /// Routes to it that peers advertised, the best first. The chosen one is also among the next hops.
    pub learned: Vec<LearnedReport>,
}

/// One next hop of a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHopReport {
    /// The peer.
    pub account: AccountId,
    /// The highest priority wins.
    pub priority: i32,
    /// The origin of the route.
    pub origin: RouteOrigin,
    /// Whether packets can go there now.
    pub usable: bool,
}

/// What the node would do with a packet to one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Explanation {
    /// The address is this node's own.
    Own,
    /// This node answers requests of its neighbours to this address, and forwards none.
    PeerProtocol,
    /// The packet would be forwarded to this peer.
    Forward {
        /// The peer.
        next_hop: AccountId,
        /// The prefix that matched, with all its next hops.
        route: RouteReport,
    },
    /// The packet would be rejected.
    Reject {
        /// The ILP error code.
        code: String,
        /// The message of the Reject.
        reason: String,
        /// The prefix that matched, if one did.
        route: Option<RouteReport>,
    },
}

impl Connector {
    /// The node's id.
    pub fn node_id(&self) -> AccountId {
        self.snapshot.load().node_id.clone()
    }

    /// Number of prefixes in the routing table.
    pub fn routes_total(&self) -> usize {
        self.snapshot.load().table.prefix_count()
    }

    /// The asset of an account.
    pub fn asset_of(&self, account: &str) -> Option<Asset> {
        let snapshot = self.snapshot.load();
        let slot = snapshot.accounts_by_id.get(account)?.slot();
        Some(snapshot.entry(slot)?.settings.asset.clone())
    }

    /// The accounts with a release larger than the held amount, which only an error of this program can cause.
    pub fn excess_releases(&self) -> Vec<(AccountId, u32)> {
        let snapshot = self.snapshot.load();
        let counts = snapshot.entries.iter().map(|entry| {
            let count = entry.account.lock().ledger.excess_releases();
            (entry.account.id(), count)
        });
        counts.filter(|(_, count)| *count > 0).map(|(id, count)| (id.clone(), count)).collect()
    }

    /// The accounts with Fulfills that waited for a cut and then had no session to leave on, and their amount since the
    /// last call: our balance has it, and the peer has no proof of it.
    pub fn take_unproven(&self) -> Vec<(AccountId, Asset, u128)> {
        let snapshot = self.snapshot.load();
        let unproven = snapshot.entries.iter().map(|entry| {
            let amount = std::mem::take(&mut entry.account.lock().unproven);
            (entry.account.id(), &entry.settings.asset, amount)
        });
        let unproven = unproven.filter(|(.., amount)| *amount > 0);
        unproven.map(|(id, asset, amount)| (id.clone(), asset.clone(), amount)).collect()
    }

    /// Copies the state of all accounts. Locks one account at a time.
    pub fn report(&self) -> ConnectorReport {
        let snapshot = self.snapshot.load();
        ConnectorReport {
            node_id: snapshot.node_id.to_string(),
            address: snapshot.address.clone(),
            routes: snapshot.table.prefix_count(),
            accounts: snapshot
                .entries
                .iter()
                .map(|entry| self.account_report(entry))
                .filter(|account| !account.is_empty_place())
                .collect(),
            own_accounts: self.configuration.lock().registry.own_account_reports(),
        }
    }

    /// Up to `limit` prefixes of the routing table, sorted by name, from the first one after `after`.
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

    /// All prefixes of the routing table, in no particular order.
    pub fn prefixes(&self) -> Vec<String> {
        self.snapshot.load().table.iter().map(|(prefix, _)| prefix.to_owned()).collect()
    }

    /// What the node would do with a packet to `destination` from an account that is not a next hop for it.
    pub fn explain(&self, destination: AddressRef<'_>, now: crate::time::Now) -> Explanation {
        let batch = self.start_batch(now);
        let snapshot = &*batch.snapshot;
        let route = self.matching_route(snapshot, destination);
        match (batch.next_hop(destination, None), route) {
            (Ok(_), _) if destination.scheme() == Scheme::Peer => Explanation::PeerProtocol,
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

    /// The longest prefix that matches, with all its next hops.
    pub(super) fn matching_route(
        &self,
        snapshot: &Snapshot,
        destination: AddressRef<'_>,
    ) -> Option<RouteReport> {
        let found = snapshot.table.lookup_for_report(destination)?;
        let prefix = destination.as_str().get(..found.prefix_len);
        let prefix = prefix.expect("the prefix that matched begins the destination");
        Some(self.route_report(snapshot, prefix, found.candidates))
    }

    fn route_report(
        &self,
        snapshot: &Snapshot,
        prefix: &str,
        candidates: &[RouteCandidate],
    ) -> RouteReport {
        let is_learned = |candidate: &RouteCandidate| candidate.origin == RouteOrigin::Learned;
        let learned = match prefix.parse() {
            Ok(prefix) if candidates.iter().any(is_learned) => self.learned_routes(&prefix),
            _ => Vec::new(),
        };
        let next_hops = candidates.iter().filter_map(|candidate| {
            let entry = snapshot.entry(candidate.next_hop)?;
            Some(NextHopReport {
                account: entry.account.id().clone(),
                priority: candidate.priority,
                origin: candidate.origin,
                usable: entry.is_reachable(),
            })
        });
        RouteReport { prefix: prefix.to_owned(), next_hops: next_hops.collect(), learned }
    }
}

impl Batch<'_> {
    /// The account that a packet from `from` to `destination` would be sent to; `None`: this node answers it, which is
    /// the destination, or knows the protocol between neighbours.
    pub fn next_hop(
        &self,
        destination: AddressRef<'_>,
        from: Option<Slot>,
    ) -> Result<Option<&Account>, Refusal> {
        match &self.snapshot.address {
            _ if destination.scheme() == Scheme::Peer => {
                self.check_peer_protocol(None, destination, Amount::ZERO).map(|()| None)
            }
            None => Err(Refusal::NoAddressYet),
            Some(own) if own.view() == destination => Ok(None),
            Some(_) => Ok(Some(&self.choose_next_hop(destination, from)?.account)),
        }
    }
}

impl AccountReport {
    /// Whether it is that of a guest that was forgotten and has left nothing behind: only its slot is left.
    fn is_empty_place(&self) -> bool {
        let is_settled = (self.balance, self.uncertain, self.held_out) == (0, 0, 0);
        self.removed && self.settings.id.is_guest() && self.sessions.is_empty() && is_settled
    }
}

impl Connector {
    /// Bytes of Prepares that wait to be written to a peer; `None`: there is no such account.
    #[cfg(any(test, feature = "simulation"))]
    pub fn waiting_prepare_bytes(&self, id: &AccountId) -> Option<usize> {
        let snapshot = self.snapshot.load();
        let state = snapshot.accounts_by_id.get(id)?.lock();
        Some(state.sessions.iter().map(|session| session.outbox.waiting_prepare_bytes()).sum())
    }

    fn account_report(&self, entry: &AccountEntry) -> AccountReport {
        // Not while the account is locked: a settlement that begins takes the locks the other way round.
        let pending = self.settlement_under_way(entry.account.id());
        let state = entry.account.lock();
        AccountReport {
            settlement_pending: pending.map_or(0, |settlement| settlement.units),
            settings: entry.settings.clone(),
            removed: entry.removed,
            sessions: state.sessions.iter().map(|session| (session.id, session.kind)).collect(),
            in_flight_from: state.in_flight,
            in_flight_to: state.pending.len(),
            outbox_bytes: state.sessions.iter().map(|session| session.outbox.waiting_bytes()).sum(),
            balance: state.ledger.balance(),
            totals: state.ledger.totals(),
            held_in: state.ledger.held_in(),
            held_out: state.ledger.held_out(),
            uncertain: state.ledger.uncertain(),
            comparison: state.comparison.state.clone(),
            last_refusal: state.last_refusal,
            excess_releases: state.ledger.excess_releases(),
            stats: state.stats.clone(),
        }
    }
}
