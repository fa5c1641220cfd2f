//! Collects the data of the live view from the running nodes once a second, without delaying packets.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use super::view::{EVENTS_MAX, EventView, LinkView, NodeView, View, ViewState};
use crate::account::{AccountId, TOOL_ACCOUNT};
use crate::api::{HealthStatus, LastReload};
use crate::connector::{AccountReport, ConnectorReport};
use crate::console::per_second;
use crate::node::NodeHandle;
use crate::peers::{PeerChange, PeerEvent, PeerSnapshot, PeerState};
use crate::wire::Timestamp;

/// The parts of the view that stay the same.
#[derive(Debug, Clone)]
pub(super) struct ViewSettings {
    pub(super) file: String,
    /// The path of the log.
    pub(super) log: String,
    /// The URL of the page, if there is one.
    pub(super) page: Option<String>,
    /// Notes about ports that were in use.
    pub(super) notes: Vec<String>,
    /// BTP ports that differ from those in the file.
    pub(super) moved_btp_ports: Vec<(AccountId, u16)>,
}

/// Remembers the previous counters, for rates, and the events since the start.
pub(super) struct Collector {
    settings: ViewSettings,
    started: Instant,
    collected_at: Instant,
    /// Prepares sent and received by node and account, when they were last collected.
    counters: HashMap<(AccountId, AccountId), (u64, u64)>,
    subscriptions: HashMap<AccountId, Receiver<PeerEvent>>,
    /// When each node last read its configuration.
    reloads: HashMap<AccountId, SystemTime>,
    events: VecDeque<EventView>,
}

/// The state of one node at one moment.
struct NodeSample {
    handle: NodeHandle,
    report: ConnectorReport,
    peers: HashMap<AccountId, PeerSnapshot>,
}

impl NodeSample {
    fn accounts(&self) -> impl Iterator<Item = &AccountReport> {
        self.report.accounts.iter().filter(|account| !account.removed)
    }
}

impl Collector {
    pub(super) fn new(settings: ViewSettings, now: Instant) -> Self {
        Self {
            settings,
            started: now,
            collected_at: now,
            counters: HashMap::new(),
            subscriptions: HashMap::new(),
            reloads: HashMap::new(),
            events: VecDeque::new(),
        }
    }

    /// The view of this moment.
    pub(super) fn collect(&mut self, nodes: &[NodeHandle], now: Instant) -> View {
        self.collect_peer_events(nodes);
        self.collect_reloads(nodes);
        let surplus = self.events.len().saturating_sub(EVENTS_MAX);
        self.events.drain(..surplus);
        let samples: Vec<NodeSample> = nodes
            .iter()
            .map(|handle| NodeSample {
                report: handle.context.connector.report(),
                peers: handle
                    .context
                    .peers
                    .snapshot()
                    .into_iter()
                    .map(|peer| (peer.id.clone(), peer))
                    .collect(),
                handle: handle.clone(),
            })
            .collect();
        let ids: Vec<&AccountId> = nodes.iter().map(|node| &node.id).collect();
        let since = now.saturating_duration_since(self.collected_at);
        self.collected_at = now;
        View {
            file: self.settings.file.clone(),
            uptime: now.saturating_duration_since(self.started),
            nodes: samples.iter().map(|sample| node_view(sample, &ids)).collect(),
            links: self.links(&samples, since),
            events: self.events.iter().cloned().collect(),
            log: self.settings.log.clone(),
            hints: self.hints(&samples),
        }
    }

    /// Commands to try: from the first node to the last, if the tools have an account at the first.
    fn hints(&self, samples: &[NodeSample]) -> Vec<String> {
        let file = &self.settings.file;
        let mut hints = self.settings.notes.clone();
        if let (Some(first), Some(last)) = (samples.first(), samples.last())
            && first.accounts().any(|account| account.settings.id.as_str() == TOOL_ACCOUNT)
            && let Some(address) = &last.report.address
        {
            let node = &first.handle.id;
            let where_to = format!("--config {file} --node {node}");
            let port = self.settings.moved_btp_ports.iter().find(|(moved, _)| moved == node);
            let port = port.map(|(_, port)| format!("BTP_SERVER_PORT={port} ")).unwrap_or_default();
            hints.push(format!("try: {port}ilp-connector ping {address} {where_to}"));
            let mut receivers = last.accounts().filter(|account| account.settings.is_receiver());
            if let (Some(receiver), Some(_)) = (receivers.next(), last.handle.http_address) {
                let payee = format!("{address}.{}", receiver.settings.id);
                hints.push(format!("     {port}ilp-connector pay {payee} 1000000 {where_to}"));
            }
        }
        if let Some(page) = &self.settings.page {
            hints.push(format!("page: {page}"));
        }
        hints.push(format!("     edit {file} and save: the network follows"));
        hints
    }

    /// Adds the peer events since the last call.
    fn collect_peer_events(&mut self, nodes: &[NodeHandle]) {
        for node in nodes {
            let subscription = self
                .subscriptions
                .entry(node.id.clone())
                .or_insert_with(|| node.context.peers.subscribe());
            loop {
                match subscription.try_recv() {
                    Ok(event) => {
                        if let Some(text) = describe_event(&event) {
                            self.events.push_back(EventView {
                                at: time_of_day(),
                                node: node.id.to_string(),
                                text,
                            });
                        }
                    }
                    Err(TryRecvError::Lagged(_)) => {}
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                }
            }
        }
    }

    /// Adds the reloads since the last call. The same result at several nodes, such as an unreadable file, is one
    /// event.
    fn collect_reloads(&mut self, nodes: &[NodeHandle]) {
        let changed = nodes.iter().filter_map(|node| {
            let last = node.status.last_reload();
            let before = self.reloads.insert(node.id.clone(), last.at)?;
            (before != last.at).then(|| (node.id.to_string(), last))
        });
        let changed: Vec<_> = changed.collect();
        let at = time_of_day();
        self.events.extend(reload_events(&changed, nodes.len(), &at));
    }

    /// Every link between two nodes once, and every other account that is or was connected, such as that of `ping`.
    fn links(&mut self, samples: &[NodeSample], since: Duration) -> Vec<LinkView> {
        let mut links = Vec::new();
        for (number, node) in samples.iter().enumerate() {
            for account in node.accounts() {
                let id = &account.settings.id;
                let (forward_per_second, backward_per_second) =
                    self.packet_rates(&node.handle.id, account, since);
                let prepares = account.stats.sent.prepares + account.stats.received.prepares;
                let other = samples.iter().position(|other| other.handle.id == *id);
                let other = other.filter(|_| !account.settings.is_receiver());
                let state = match other.and_then(|other| samples.get(other)) {
                    Some(other) => link_state(node, other),
                    None if account.sessions.is_empty() && prepares == 0 => continue,
                    None if account.settings.is_receiver() => ViewState::Good("receiver"),
                    // Tools disconnect when they are done.
                    None if account.sessions.is_empty() => ViewState::Pending("gone"),
                    None => peer_state(node.peers.get(id)),
                };
                // Listed from the other end already.
                let known = other.and_then(|other| samples.get(other)).is_some_and(|other| {
                    other.accounts().any(|account| account.settings.id == node.handle.id)
                });
                if known && other.is_some_and(|other| other < number) {
                    continue;
                }
                links.push(LinkView {
                    from: node.handle.id.to_string(),
                    to: id.to_string(),
                    state,
                    forward_per_second,
                    backward_per_second,
                    in_flight: account.in_flight_to + account.in_flight_from,
                    balance: account.balance,
                    asset: account.settings.asset.to_string(),
                    prepares,
                });
            }
        }
        links
    }

    /// Prepares per second in both directions since the last call.
    fn packet_rates(
        &mut self,
        node: &AccountId,
        account: &AccountReport,
        since: Duration,
    ) -> (u64, u64) {
        let now = (account.stats.sent.prepares, account.stats.received.prepares);
        let key = (node.clone(), account.settings.id.clone());
        let before = self.counters.insert(key, now).unwrap_or(now);
        let rate = |now: u64, before: u64| per_second(now.saturating_sub(before), since);
        (rate(now.0, before.0), rate(now.1, before.1))
    }
}

fn node_view(sample: &NodeSample, linked: &[&AccountId]) -> NodeView {
    let status = sample.handle.status.observe_health();
    // An account that is no link, such as that of `ping`, counts only while it is connected.
    let is_connected = |account: &&AccountReport| !account.sessions.is_empty();
    let expected = |account: &&AccountReport| {
        linked.contains(&&account.settings.id) && !account.settings.is_receiver()
    };
    let connected = sample.accounts().filter(is_connected).count();
    let peers =
        sample.accounts().filter(|account| is_connected(account) || expected(account)).count();
    NodeView {
        id: sample.handle.id.to_string(),
        state: match status {
            HealthStatus::Healthy => ViewState::Good("healthy"),
            HealthStatus::Starting => ViewState::Pending("starting"),
            HealthStatus::Unhealthy => ViewState::Bad("unhealthy"),
            HealthStatus::Standby => ViewState::Pending("standby"),
            HealthStatus::Stopping => ViewState::Pending("stopping"),
        },
        peers_connected: connected,
        peers,
        address: sample.report.address.as_ref().map(ToString::to_string),
        btp: sample.handle.btp_address.to_string(),
        health: sample.handle.health_address.to_string(),
    }
}

/// The end that is dialled only waits, so the state of the dialling end says more.
fn link_state(node: &NodeSample, other: &NodeSample) -> ViewState {
    let (mine, theirs) = (node.peers.get(&other.handle.id), other.peers.get(&node.handle.id));
    let waits = mine.is_none_or(|peer| peer.state == PeerState::Waiting);
    let is_known = |peer: &&PeerSnapshot| peer.state != PeerState::Waiting;
    peer_state(if waits { theirs.filter(is_known).or(mine) } else { mine })
}

fn peer_state(peer: Option<&PeerSnapshot>) -> ViewState {
    match peer.map(|peer| peer.state) {
        None => ViewState::Pending("waiting"),
        Some(state) => match state {
            PeerState::Waiting => ViewState::Pending("waiting"),
            PeerState::Connecting => ViewState::Pending("connecting"),
            PeerState::Connected => ViewState::Good("connected"),
            PeerState::Disconnected => ViewState::Bad("disconnected"),
            PeerState::AuthenticationFailed => ViewState::Bad("login refused"),
            PeerState::Down => ViewState::Bad("down"),
            PeerState::Suspended => ViewState::Pending("suspended"),
        },
    }
}

/// One event for all nodes with the same result.
fn reload_events(changed: &[(String, LastReload)], nodes: usize, at: &str) -> Vec<EventView> {
    let mut by_result: Vec<(&LastReload, Vec<&str>)> = Vec::new();
    for (id, last) in changed {
        match by_result.iter_mut().find(|(known, _)| known.error == last.error) {
            Some((_, ids)) => ids.push(id),
            None => by_result.push((last, vec![id])),
        }
    }
    let events = by_result.into_iter().map(|(last, ids)| EventView {
        at: at.to_owned(),
        node: match &*ids {
            [id] => (*id).to_owned(),
            ids if ids.len() == nodes => "all".to_owned(),
            ids => ids.join(" "),
        },
        text: match &last.error {
            None => "configuration reloaded".to_owned(),
            Some(error) => format!("configuration refused, the old one stays: {error}"),
        },
    });
    events.collect()
}

/// `16:14:32`, in UTC.
fn time_of_day() -> String {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp::EPOCH.saturating_add(since_epoch).to_string();
    // `2017-12-24T16:14:32.279Z`
    now.get(11..19).unwrap_or_default().to_owned()
}

/// The line of an event; `None` for the start of each attempt.
fn describe_event(event: &PeerEvent) -> Option<String> {
    let peer = &event.peer;
    match &event.change {
        PeerChange::Connecting => None,
        PeerChange::Connected => Some(format!("{peer} connected")),
        PeerChange::Disconnected(ended) => Some(format!("{peer} disconnected: {ended}")),
        PeerChange::AuthenticationFailed(answer) => {
            Some(format!("{peer} refuses our login: {answer}"))
        }
        PeerChange::LoginRefused(error) => Some(format!("{peer}: {error}")),
        PeerChange::BecameDown => Some(format!("{peer} is down; slow attempts go on")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_configuration_is_one_event() {
        let last = |error: Option<&str>| LastReload {
            at: SystemTime::UNIX_EPOCH,
            succeeded_at: SystemTime::UNIX_EPOCH,
            error: error.map(str::to_owned),
        };
        let check = |changed: &[(&str, Option<&str>)], expected: &[&str]| {
            let changed: Vec<_> =
                changed.iter().map(|(id, error)| ((*id).to_owned(), last(*error))).collect();
            let events = reload_events(&changed, 3, "12:00:00");
            let shown: Vec<_> =
                events.iter().map(|event| format!("{}: {}", event.node, event.text)).collect();
            assert_eq!(shown, expected);
        };
        let bad = Some("t.yaml:3: links: is no list");
        let refused = "configuration refused, the old one stays: t.yaml:3: links: is no list";
        check(&[], &[]);
        check(&[("a", bad), ("b", bad), ("c", bad)], &[&format!("all: {refused}")]);
        check(
            &[("a", None), ("b", bad), ("c", None)],
            &["a c: configuration reloaded", &format!("b: {refused}")],
        );
    }
}
