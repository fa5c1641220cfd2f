//! The nodes of a network as connectors in memory, joined by sessions without sockets, on a virtual clock.
//!
//! A network is judged by the code that runs it: the connectors ask their parents for addresses (IL-DCP) and exchange
//! routes (CCP) until nothing changes, and then [`Simulation::next_hop`] says where each of them sends a packet.
//!
//! Where the files leave something open, the simulation assumes it: a peer outside the network is connected and silent,
//! and a parent outside the network has given its child an address. Amounts play no role, so limits, assets and rates
//! are left out.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::account::{AccountId, Asset, Limits, Relation, Spread};
use crate::connector::{Account, Connector, ConnectorSettings, PeerAnswer, Refusal};
use crate::link::{Framing, Outbox, Outcome, PacketKind, SessionId, SessionKind, Slot};
use crate::routing::HashSeed;
use crate::routing::ccp::{CcpTiming, RequestTicket};
use crate::time::{MonoTime, Now};
use crate::wire::ilp::{Fulfill, Reply};
use crate::wire::{Address, AddressRef, Timestamp, ildcp};

/// Between two polls: longer than CCP waits after a session begins, and between two updates to one peer.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Polls after which routes count as never settling. A route passes one node per poll, and a path has far fewer nodes.
const POLLS_MAX: usize = 256;
/// No route expires and no heartbeat goes out while the simulation runs.
const BEYOND_SIMULATION: Duration = Duration::from_secs(3_600);

/// One end of a link: a node, by its number, and its account for the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LinkEnd<'n> {
    pub(super) node: usize,
    pub(super) account: &'n AccountId,
}

/// Two nodes of which one dials the other. Two that dial each other have two of these.
#[derive(Clone, Copy, Debug)]
pub(super) struct DialledLink<'n> {
    pub(super) dialler: LinkEnd<'n>,
    pub(super) listener: LinkEnd<'n>,
    /// Over HTTP only the dialling end can send Prepares.
    pub(super) http: bool,
}

/// A packet at a node, and the account that it came from; `None`: the node sends it itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Position {
    pub(super) node: usize,
    pub(super) from: Option<Slot>,
}

/// What a node does with a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hop {
    /// The packet has arrived.
    Arrived,
    /// The node forwards it to another node of the network.
    To(Position),
    /// The node forwards it out of the network; or has mistakes of its own, so that nothing is known.
    Outside,
    Refused(Refusal),
}

/// A network in memory.
pub(super) struct Simulation {
    nodes: Vec<Option<SimulatedNode>>,
    now: Now,
    is_settled: bool,
}

struct SimulatedNode {
    connector: Arc<Connector>,
    parent: Option<AccountId>,
    sessions: Vec<SimulatedSession>,
    /// Where packets to each connected account arrive; `None`: outside the network.
    arrivals: HashMap<Slot, Option<Position>>,
}

/// A session with another node of the network.
struct SimulatedSession {
    account: Arc<Account>,
    id: SessionId,
    outbox: Arc<Outbox>,
    /// The other node, and the index of its session.
    other_end: (usize, usize),
}

impl Simulation {
    /// Connects the nodes and lets them settle. A node without settings has mistakes that are reported elsewhere.
    pub(super) fn new(settings: Vec<Option<ConnectorSettings>>, links: &[DialledLink<'_>]) -> Self {
        let now = Now { wall: Timestamp::from_millis(0), mono: MonoTime(0) };
        let ids: HashSet<AccountId> =
            settings.iter().flatten().map(|settings| settings.node_id.clone()).collect();
        let linked: HashSet<LinkEnd<'_>> =
            links.iter().flat_map(|link| [link.dialler, link.listener]).collect();
        let nodes = settings.into_iter().enumerate().map(|(node, settings)| {
            let is_linked = |account: &AccountId| linked.contains(&LinkEnd { node, account });
            let is_outside = |account: &AccountId| !is_linked(account) && !ids.contains(account);
            let seed = HashSeed::Fixed(u64::try_from(node).unwrap_or(u64::MAX));
            SimulatedNode::new(routing_settings(settings?, is_linked), is_outside, seed, now)
        });
        let mut simulation = Self { nodes: nodes.collect(), now, is_settled: true };
        links.iter().for_each(|link| simulation.connect(link));
        simulation.fetch_addresses();
        simulation.exchange_routes();
        simulation
    }

    /// Whether the routes stopped changing within [`POLLS_MAX`] polls. If not, nothing can be said about them.
    pub(super) fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// The number of nodes.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// A node's address, if it has one.
    pub(super) fn address(&self, node: usize) -> Option<Address> {
        self.node(node)?.connector.address()
    }

    /// The prefixes of all routing tables.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = String> {
        self.nodes.iter().flatten().flat_map(|node| node.connector.prefixes())
    }

    /// Where a packet goes from here.
    pub(super) fn next_hop(&self, at: Position, destination: AddressRef<'_>) -> Hop {
        let Some(node) = self.node(at.node) else { return Hop::Outside };
        match node.connector.start_batch(self.now).next_hop(destination, at.from) {
            Ok(None) => Hop::Arrived,
            Ok(Some(account)) => match node.arrivals.get(&account.slot()) {
                Some(Some(position)) => Hop::To(*position),
                Some(None) => Hop::Outside,
                // A receiver inside the node: each other next hop has a session.
                None => Hop::Arrived,
            },
            Err(refusal) => Hop::Refused(refusal),
        }
    }

    fn node(&self, number: usize) -> Option<&SimulatedNode> {
        self.nodes.get(number)?.as_ref()
    }

    fn connect(&mut self, link: &DialledLink<'_>) {
        let accepted = if link.http { SessionKind::Posted } else { SessionKind::Accepted };
        let find = |end: LinkEnd<'_>| {
            let node = self.node(end.node)?;
            let account = node.connector.account(end.account.as_str())?;
            Some((end.node, node.sessions.len(), account))
        };
        let (Some(dialler_end), Some(listener_end)) = (find(link.dialler), find(link.listener))
        else {
            return;
        };
        let ends = [
            (&dialler_end, &listener_end, SessionKind::Dialled),
            (&listener_end, &dialler_end, accepted),
        ];
        for ((number, _, account), (other, index, other_account), kind) in ends {
            let Some(Some(node)) = self.nodes.get_mut(*number) else { continue };
            let (id, outbox) = node.attach(account, kind, self.now);
            let (account, other_end) = (Arc::clone(account), (*other, *index));
            let arrival = Position { node: *other, from: Some(other_account.slot()) };
            node.arrivals.insert(account.slot(), Some(arrival));
            node.sessions.push(SimulatedSession { account, id, outbox, other_end });
        }
    }

    /// IL-DCP (RFC 31), until it gives no further node an address.
    fn fetch_addresses(&self) {
        loop {
            let mut requests = Vec::new();
            let nodes = self.nodes.iter().flatten();
            for node in nodes.filter(|node| node.connector.address().is_none()) {
                let Some(parent) = &node.parent else { continue };
                let answer = Arc::new(Mutex::new(None));
                let received = Arc::clone(&answer);
                let request = ildcp::request(self.now.wall.saturating_add(BEYOND_SIMULATION));
                node.connector.originate_prepare(parent, &request, self.now, move |outcome| {
                    *received.lock() = Some(outcome);
                });
                requests.push((&node.connector, answer));
            }
            self.deliver_packets();
            let adopted = requests.iter().filter(|(connector, answer)| {
                let address = answer.lock().as_ref().and_then(address_in_response);
                address.is_some_and(|address| connector.set_address(address).is_ok())
            });
            if adopted.count() == 0 {
                return;
            }
        }
    }

    /// CCP, until no peer accepts anything new.
    fn exchange_routes(&mut self) {
        if !self.nodes.iter().flatten().any(|node| node.connector.exchanges_routes()) {
            return;
        }
        for _ in 0..POLLS_MAX {
            self.now.mono = self.now.mono.after(POLL_INTERVAL);
            for node in self.nodes.iter().flatten() {
                // Weak: a silent peer's pending request holds it, and belongs to the connector itself.
                let (connector, now) = (Arc::downgrade(&node.connector), self.now);
                node.connector.poll_ccp(now, &move |ticket: RequestTicket, outcome: Outcome| {
                    if let Some(connector) = connector.upgrade() {
                        connector.handle_ccp_answer(ticket, &outcome, now);
                    }
                });
            }
            self.is_settled = !self.deliver_packets();
            if self.is_settled {
                break;
            }
        }
        self.nodes.iter().flatten().for_each(|node| node.connector.install_learned_routes());
    }

    /// Carries packets until every outbox is empty; returns whether a request was fulfilled.
    fn deliver_packets(&self) -> bool {
        let (mut fulfilled, mut delivered) = (false, true);
        while delivered {
            delivered = false;
            for session in self.nodes.iter().flatten().flat_map(|node| &node.sessions) {
                let Some(node) = self.node(session.other_end.0) else { continue };
                let Some(other) = node.sessions.get(session.other_end.1) else { continue };
                while let Some(taken) = session.outbox.take_packet() {
                    delivered = true;
                    let (batch, packet) =
                        (node.connector.start_batch(self.now), taken.packet.as_slice());
                    if taken.kind == PacketKind::Prepare {
                        batch.handle_prepare(&other.account, other.id, taken.id, packet);
                    } else {
                        fulfilled |= matches!(Reply::parse(packet), Ok(Reply::Fulfill(_)));
                        batch.handle_answer(&other.account, taken.id, PeerAnswer::Packet(packet));
                    }
                }
            }
        }
        fulfilled
    }
}

impl SimulatedNode {
    /// A node with a session for each peer outside the network.
    fn new(
        settings: ConnectorSettings,
        is_outside: impl Fn(&AccountId) -> bool,
        seed: HashSeed,
        now: Now,
    ) -> Option<Self> {
        let peers = settings.accounts.iter().filter(|account| !account.is_receiver());
        let outside = peers.map(|peer| &peer.id).filter(|id| is_outside(id));
        let outside: Vec<AccountId> = outside.cloned().collect();
        let parent = parent(&settings).cloned();
        let connector = Connector::new(settings, seed).ok()?;
        let mut node = Self { connector, parent, sessions: Vec::new(), arrivals: HashMap::new() };
        for id in outside {
            let account = node.connector.account(id.as_str())?;
            node.attach(&account, SessionKind::Dialled, now);
            node.arrivals.insert(account.slot(), None);
        }
        Some(node)
    }

    fn attach(&self, account: &Account, kind: SessionKind, now: Now) -> (SessionId, Arc<Outbox>) {
        let outbox = Outbox::new(Framing::None, account.outbox_bytes_max());
        let id = self.connector.attach_session(account, kind, None, Arc::clone(&outbox), now);
        (id, outbox)
    }
}

/// The settings as far as they decide where packets go.
fn routing_settings(
    mut settings: ConnectorSettings,
    is_linked: impl Fn(&AccountId) -> bool,
) -> ConnectorSettings {
    settings.ccp_timing =
        CcpTiming { broadcast_interval: BEYOND_SIMULATION, hold_down: BEYOND_SIMULATION };
    settings.rates.clear();
    settings.spread = Spread::NONE;
    for account in &mut settings.accounts {
        account.asset = Asset::default();
        account.limits = Limits::default();
    }
    if settings.address.is_none()
        && let Some(parent) = parent(&settings).filter(|parent| !is_linked(parent))
    {
        let address = format!("{}.{parent}.{}", settings.scheme, settings.node_id);
        settings.address = address.parse().ok();
    }
    settings
}

fn parent(settings: &ConnectorSettings) -> Option<&AccountId> {
    let parent = settings.accounts.iter().find(|account| account.relation == Relation::Parent);
    parent.map(|parent| &parent.id)
}

/// The address in a parent's answer.
fn address_in_response(outcome: &Outcome) -> Option<Address> {
    let Outcome::Fulfilled { fulfillment, data } = outcome else { return None };
    let fulfill = Fulfill { fulfillment: *fulfillment, data };
    let response = ildcp::IldcpResponse::from_fulfill(&fulfill).ok()?;
    Some(response.client_address.to_address())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::node;

    #[test]
    fn addresses_come_from_parents_and_routes_from_peers() {
        let files = [
            "nodeId: top\npeers: [{id: mid, relation: child, childAddressSegment: m, authToken: s}, {id: far, authToken: s}]\nrouting: dynamic\n",
            "nodeId: mid\npeers: [{id: top, relation: parent, authToken: s}, {id: low, relation: child, authToken: s}]\n",
            "nodeId: low\npeers: [{id: mid, relation: parent, authToken: s}]\n",
            "nodeId: far\npeers: [{id: top, authToken: s}]\nrouting: dynamic\n",
            "nodeId: out\npeers: [{id: isp, relation: parent, authToken: s}]\n",
        ];
        let ids =
            ["top", "mid", "low", "far", "out", "isp"].map(|id| id.parse::<AccountId>().unwrap());
        let end = |node: usize, other: usize| LinkEnd { node, account: &ids[other] };
        let links = [(0, 1), (2, 1), (3, 0)].map(|(from, to)| DialledLink {
            dialler: end(from, to),
            listener: end(to, from),
            http: false,
        });
        let settings = files.map(|file| Some(node(file).connector_settings(&[0; 32])));
        let simulation = Simulation::new(settings.into(), &links);
        let addresses = (0..5).map(|node| simulation.address(node).unwrap().to_string());
        assert_eq!(
            addresses.collect::<Vec<_>>(),
            ["test.top", "test.top.m", "test.top.m.low", "test.far", "test.isp.out"]
        );
        let low: Address = "test.top.m.low".parse().unwrap();
        let (mut at, mut path) = (Position { node: 3, from: None }, Vec::new());
        while let Hop::To(next) = simulation.next_hop(at, low.view()) {
            path.push(next.node);
            at = next;
        }
        assert_eq!(path, [0, 1, 2]);
        assert_eq!(simulation.next_hop(at, low.view()), Hop::Arrived);
        let outside: Address = "test.other".parse().unwrap();
        assert_eq!(
            simulation.next_hop(Position { node: 4, from: None }, outside.view()),
            Hop::Outside
        );
    }
}
