//! Routes that peers tell (CCP): what they ask is answered at once; what is to be told and put into the table, whoever
//! runs the node asks for from time to time.
//!
//! The table that packets are routed by is made anew off the packet path, and swapped whole with everything else that a
//! snapshot holds. A reload and a learned route may come at the same moment: whoever is second sees it, and includes
//! what the first one brought.

use std::sync::Arc;

use super::account::Account;
use super::core::{Batch, Connector};
use super::refusal::Refusal;
use super::registry::{Registry, table_with_learned};
use super::settings::ConnectorSettings;
use super::snapshot::AccountEntry;
use crate::link::{Outcome, Slot};
use crate::routing::ccp::{
    Ccp, CcpNotice, CcpPeer, CcpSettings, LearnedReport, LocalRoute, PeerRoutesReport,
    RequestTicket, RouteRequestError,
};
use crate::routing::{HashSeed, RouteOrigin};
use crate::time::{MonoTime, Now};
use crate::wire::Prefix;
use crate::wire::ccp::{self, RouteRequest};
use crate::wire::ilp::Prepare;

/// How long a peer may take to answer, as other implementations allow. It is tried again before.
const EXPIRY_MS: u64 = 60_000;

/// The exchange of routes, and the latest reading of the clock that it has seen: a reload brings none of its own.
#[derive(Debug)]
pub(super) struct CcpState {
    ccp: Ccp,
    latest: MonoTime,
}

/// What a look at the exchange has brought.
#[derive(Debug, Default)]
pub struct CcpChanges {
    /// What an operator may want to know.
    pub notices: Vec<CcpNotice>,
    /// [`Connector::install_learned_routes`] has something to do.
    pub learned_changed: bool,
}

impl CcpState {
    pub(super) fn new(seed: HashSeed) -> Self {
        CcpState { ccp: Ccp::new(seed.hash_state()), latest: MonoTime::default() }
    }

    /// Puts settings in force; says which learned routes there are.
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

/// The part of the settings that the exchange must know; nothing while it is off, however many routes there are.
fn ccp_settings(registry: &Registry, settings: &ConnectorSettings) -> CcpSettings {
    let slot = |id| registry.account(id).map(|account| account.slot());
    let served = settings.accounts.iter().filter(|account| account.enabled);
    let members = served.filter_map(|account| {
        Some(CcpPeer {
            slot: slot(account.id.as_str())?,
            id: account.id.clone(),
            relation: account.relation,
            policy: account.routes.clone(),
        })
    });
    let members: Vec<CcpPeer> = members.collect();
    if !members.iter().any(|member| member.policy.send || member.policy.receive) {
        return CcpSettings::default();
    }
    let (_, own_routes) = registry.static_routes();
    let mut locals: Vec<_> = own_routes
        .iter()
        .flat_map(|routes| routes.iter())
        .filter(|(_, route)| route.origin != RouteOrigin::DefaultToParent)
        .collect();
    locals.sort_by_key(|(_, route)| (std::cmp::Reverse(route.priority), route.origin));
    let local = |(prefix, route): &(Prefix, crate::routing::Candidate)| LocalRoute {
        prefix: prefix.clone(),
        next_hop: route.next_hop,
    };
    CcpSettings {
        own_address: settings.address.clone(),
        timing: settings.ccp_timing,
        peers: members,
        local_routes: locals.into_iter().map(local).collect(),
    }
}

impl Batch<'_> {
    /// A route control or update of a peer. Small work, whatever the peer sends: one payload's worth of routes.
    #[cold]
    pub(super) fn handle_route_request(
        &self,
        from: &AccountEntry,
        prepare: &Prepare<'_>,
    ) -> Result<(), Refusal> {
        let request = RouteRequest::read(prepare, self.now.wall);
        let request =
            request.map_err(|error| Refusal::Routes(RouteRequestError::Malformed(error)))?;
        let mut exchanging = self.connector.ccp.lock();
        let exchange = exchanging.ccp_at(self.now);
        exchange
            .handle_request(from.account.slot(), &request, self.now.mono)
            .map_err(Refusal::Routes)
    }
}

impl Connector {
    /// A session of the account has begun or ended. What is told is what is true now, under the lock: with several
    /// threads the news of two sessions may come in the wrong order.
    pub(super) fn update_ccp_link(&self, account: &Account, now: Now) {
        let mut exchanging = self.ccp.lock();
        exchanging.ccp_at(now).set_connected(account.slot(), account.is_connected(), now.mono);
    }

    /// Tells and asks peers what is due. To be called often, such as every 50 ms, and after every answer; `answered` is
    /// called with each of them, and hands it to [`Connector::handle_ccp_answer`].
    pub fn poll_ccp<F>(&self, now: Now, answered: &F) -> CcpChanges
    where
        F: Fn(RequestTicket, Outcome) + Clone + Send + 'static,
    {
        let polled = self.ccp.lock().ccp_at(now).poll(now.mono);
        for request in polled.to_send {
            let expires_at = now.wall.saturating_add_millis(EXPIRY_MS);
            let prepare = ccp::request(request.destination, &request.payload, expires_at);
            let (answered, ticket) = (answered.clone(), request.ticket);
            self.originate_prepare(&request.to, &prepare, now, move |answer| {
                answered(ticket, answer)
            });
        }
        CcpChanges { notices: polled.notices, learned_changed: polled.learned_changed }
    }

    /// A peer's answer to a request of [`Connector::poll_ccp`].
    pub fn handle_ccp_answer(&self, ticket: RequestTicket, outcome: &Outcome, now: Now) {
        let accepted = matches!(outcome, Outcome::Fulfilled { .. });
        self.ccp.lock().ccp_at(now).record_answer(ticket, accepted, now.mono);
    }

    /// Puts the best learned routes into the table that packets are routed by, if they are not there. Takes as long as
    /// a table takes to build: to be called off the packet path, one call at a time.
    pub fn install_learned_routes(&self) {
        loop {
            let (generation, own_routes) = self.registry.lock().0.static_routes();
            let Some(learned) = self.ccp.lock().ccp.take_learned_routes() else { return };
            let table = own_routes.map(|own| table_with_learned(&own, learned, self.seed));
            let registry = self.registry.lock();
            if registry.0.static_routes().0 == generation {
                // Without one nobody exchanges routes any more, and none is missing.
                if let Some(table) = table {
                    self.snapshot.store(Arc::new(self.snapshot.load().with_table(table)));
                }
                return;
            }
            // A reload came between: its routes are missing here, and ours may be missing there.
            self.ccp.lock().ccp.mark_learned_changed();
        }
    }

    /// Whether routes are exchanged with anybody.
    pub fn exchanges_routes(&self) -> bool {
        self.ccp.lock().ccp.is_active()
    }

    /// Where the exchange with each peer stands.
    pub fn ccp_report(&self) -> Vec<PeerRoutesReport> {
        self.ccp.lock().ccp.report()
    }

    /// All learned routes to a prefix, the best one first.
    pub fn learned_routes(&self, prefix: &Prefix) -> Vec<LearnedReport> {
        self.ccp.lock().ccp.explain(prefix)
    }
}
