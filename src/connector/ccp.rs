//! Routes from peers (CCP): their requests are answered in the call that brings them; updates to peers and new routing
//! tables are made when the node polls.
//!
//! A routing table with learned routes is built off the packet path and swapped in. If a reload happens in between, the
//! table is built again, so that neither loses what the other brought.

use std::collections::HashSet;
use std::sync::Arc;

use super::account::Account;
use super::batch::Batch;
use super::core::Connector;
use super::refusal::Refusal;
use super::registry::{Registry, table_with_learned};
use super::settings::ConnectorSettings;
use super::snapshot::AccountEntry;
use crate::link::{Outcome, Slot};
use crate::routing::ccp::{
    Ccp, CcpNotice, CcpPeer, CcpSettings, LearnedReport, LocalRoute, PeerRoutesReport,
    RequestTicket, RouteRequestError,
};
use crate::routing::{HashSeed, RouteCandidate, RouteOrigin};
use crate::time::{MonoTime, Now};
use crate::wire::Prefix;
use crate::wire::ccp::RouteRequest;
use crate::wire::ilp::Prepare;

/// The time that a peer has to answer, as in other implementations. The request is sent again earlier.
const EXPIRY_MS: u64 = 60_000;

/// The state of CCP with all peers. A reload has no clock reading, so it uses the latest one.
#[derive(Debug)]
pub(super) struct CcpState {
    ccp: Ccp,
    latest: MonoTime,
}

/// What [`Connector::poll_ccp`] found.
#[derive(Debug, Default)]
pub struct CcpChanges {
    /// Events for the log.
    pub notices: Vec<CcpNotice>,
    /// Whether [`Connector::install_learned_routes`] must be called.
    pub learned_changed: bool,
}

impl CcpState {
    pub(super) fn new(seed: HashSeed) -> Self {
        Self { ccp: Ccp::new(seed.hash_state()), latest: MonoTime::default() }
    }

    /// Applies settings. Returns the learned routes that remain.
    pub(super) fn configure(
        &mut self,
        registry: &Registry,
        settings: &ConnectorSettings,
    ) -> Vec<(Prefix, Slot)> {
        self.ccp.apply_settings(ccp_settings(registry, settings), self.latest);
        self.ccp.learned_routes()
    }

    fn ccp_at(&mut self, now: Now) -> &mut Ccp {
        self.latest = self.latest.max(now.mono);
        &mut self.ccp
    }
}

/// The part of the settings that CCP needs; empty if no peer sends or receives routes.
pub(super) fn ccp_settings(registry: &Registry, settings: &ConnectorSettings) -> CcpSettings {
    let slot = |id| registry.account(id).map(|account| account.slot());
    let served = settings.accounts.iter().filter(|account| account.enabled);
    let peers = served.filter_map(|account| {
        Some(CcpPeer {
            slot: slot(account.id.as_str())?,
            id: account.id.clone(),
            relation: account.relation,
            policy: account.routes.clone(),
        })
    });
    let peers: Vec<CcpPeer> = peers.collect();
    if !peers.iter().any(|peer| peer.policy.send || peer.policy.receive) {
        return CcpSettings::default();
    }
    let (_, static_routes) = registry.static_routes();
    // The node's own prefix covers its guests. With a route for each, every guest that comes or goes would be an update
    // to all neighbours.
    let guests = settings.accounts.iter().filter(|account| account.id.is_guest());
    let guests: HashSet<Slot> = guests.filter_map(|guest| slot(guest.id.as_str())).collect();
    let is_sent = |route: &RouteCandidate| {
        route.origin != RouteOrigin::DefaultToParent && !guests.contains(&route.next_hop)
    };
    let mut locals: Vec<_> = static_routes
        .iter()
        .flat_map(|routes| routes.iter())
        .filter(|(_, route)| is_sent(route))
        .collect();
    locals.sort_by_key(|(_, route)| (std::cmp::Reverse(route.priority), route.origin));
    let local = |(prefix, route): &(Prefix, RouteCandidate)| LocalRoute {
        prefix: prefix.clone(),
        next_hop: route.next_hop,
    };
    CcpSettings {
        own_address: settings.address.clone(),
        timing: settings.ccp_timing,
        peers,
        local_routes: locals.into_iter().map(local).collect(),
    }
}

impl Batch<'_> {
    /// Handles a route control or update from a peer. The size of a packet bounds the work.
    #[cold]
    pub(super) fn handle_route_request(
        &self,
        from: &AccountEntry,
        prepare: &Prepare<'_>,
    ) -> Result<(), Refusal> {
        let request = RouteRequest::read(prepare, self.now.wall);
        let request =
            request.map_err(|error| Refusal::Routes(RouteRequestError::Malformed(error)))?;
        let mut state = self.connector.ccp.lock();
        let ccp = state.ccp_at(self.now);
        ccp.handle_request(from.account.slot(), &request, self.now.mono).map_err(Refusal::Routes)
    }
}

impl Connector {
    /// Call it when a session of the account has begun or ended. The state of the link is read under the lock, because
    /// with several threads the calls for two sessions may come in the wrong order.
    pub(super) fn update_ccp_link(&self, account: &Account, now: Now) {
        let mut state = self.ccp.lock();
        state.ccp_at(now).set_connected(account.slot(), account.is_connected(), now.mono);
    }

    /// Sends peers the requests that are due. Call it every 50 ms or so, and after every answer. `answered` is called
    /// with each answer and must pass it to [`Connector::handle_ccp_answer`].
    pub fn poll_ccp<F>(&self, now: Now, answered: &F) -> CcpChanges
    where
        F: Fn(RequestTicket, Outcome) + Clone + Send + 'static,
    {
        let polled = self.ccp.lock().ccp_at(now).poll(now.mono);
        for request in polled.to_send {
            let expires_at = now.wall.saturating_add_millis(EXPIRY_MS);
            let prepare = Prepare::peer_request(request.destination, &request.payload, expires_at);
            let (answered, ticket) = (answered.clone(), request.ticket);
            self.originate_prepare(&request.to, &prepare, now, move |answer| {
                answered(ticket, answer)
            });
        }
        CcpChanges { notices: polled.notices, learned_changed: polled.learned_changed }
    }

    /// Handles the answer to a request of [`Connector::poll_ccp`].
    pub fn handle_ccp_answer(&self, ticket: RequestTicket, outcome: &Outcome, now: Now) {
        let accepted = matches!(outcome, Outcome::Fulfilled { .. });
        self.ccp.lock().ccp_at(now).record_answer(ticket, accepted, now.mono);
    }

    /// Installs a routing table with the best learned routes, unless the table in force has them. Building it takes
    /// time: call this off the packet path, and never twice at once.
    pub fn install_learned_routes(&self) {
        loop {
            let (generation, static_routes) = self.configuration.lock().registry.static_routes();
            let Some(learned) = self.ccp.lock().ccp.take_learned_routes() else { return };
            let table = static_routes.map(|routes| table_with_learned(&routes, learned, self.seed));
            let configuration = self.configuration.lock();
            if configuration.registry.static_routes().0 == generation {
                // No static routes: a reload turned the exchange off, and the table in force is complete.
                if let Some(table) = table {
                    self.snapshot.store(Arc::new(self.snapshot.load().with_table(table)));
                }
                return;
            }
            // A reload happened in between: its routes are missing here, and learned ones may be missing there.
            self.ccp.lock().ccp.mark_learned_changed();
        }
    }

    /// Whether a control, or an update, of this account would be read.
    pub(super) fn check_route_request(
        &self,
        from: Slot,
        is_update: bool,
    ) -> Result<(), RouteRequestError> {
        let state = self.ccp.lock();
        if is_update { state.ccp.check_update(from) } else { state.ccp.check_control(from) }
    }

    /// Whether routes are exchanged with any peer.
    pub fn exchanges_routes(&self) -> bool {
        self.ccp.lock().ccp.is_active()
    }

    /// The state of CCP with each peer.
    pub fn ccp_report(&self) -> Vec<PeerRoutesReport> {
        self.ccp.lock().ccp.report()
    }

    /// All learned routes to a prefix, the best one first.
    pub fn learned_routes(&self, prefix: &Prefix) -> Vec<LearnedReport> {
        self.ccp.lock().ccp.explain(prefix)
    }
}
