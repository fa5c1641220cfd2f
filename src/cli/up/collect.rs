//! Collects the data of the live view from the running nodes once a second, without delaying packets.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use super::super::network_view::{NodeRow, ViewState};
use super::view::{EVENTS_MAX, EventView, Hint, LinkView, NodeView, View};
use crate::account::{AccountId, TOOL_ACCOUNT};
use crate::api::{HealthStatus, LastReload};
use crate::connector::{AccountReport, ConnectorReport, code_labels};
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
    /// Of each account of each node, when they were last collected.
    counters: HashMap<(AccountId, AccountId), Counters>,
    /// Prepares on all links since the start.
    prepares: u64,
    subscriptions: HashMap<AccountId, Receiver<PeerEvent>>,
    /// When each node last read its configuration.
    reloads: HashMap<AccountId, SystemTime>,
    events: VecDeque<EventView>,
}

/// The packets of an account until a moment.
#[derive(Debug, Clone, Default)]
struct Counters {
    sent: u64,
    received: u64,
    /// By code, in the order of `code_labels`.
    rejects: Vec<u64>,
    /// The code whose count rose last.
    last_code: Option<String>,
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
            prepares: 0,
            subscriptions: HashMap::new(),
            reloads: HashMap::new(),
            events: VecDeque::new(),
        }
    }

    /// The view of this moment.
    pub(super) fn collect(&mut self, nodes: &[NodeHandle], now: Instant) -> View {
        // A node that the file no longer names waits to be named again, without links.
        let nodes: Vec<NodeHandle> =
            nodes.iter().filter(|node| node.status.is_listed()).cloned().collect();
        let nodes = nodes.as_slice();
        let ids: HashSet<&AccountId> = nodes.iter().map(|node| &node.id).collect();
        self.note_removed(&ids);
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
        let since = now.saturating_duration_since(self.collected_at);
        self.collected_at = now;
        View {
            file: self.settings.file.clone(),
            uptime: now.saturating_duration_since(self.started),
            nodes: samples.iter().map(|sample| node_view(sample, &ids)).collect(),
            links: self.links(&samples, since),
            refused_configuration: nodes.iter().find_map(|node| node.status.last_reload().error),
            prepares: self.prepares,
            events: self.events.iter().cloned().collect(),
            page: self.settings.page.clone(),
            log: self.settings.log.clone(),
            has_keys: false,
            hints: self.hints(&samples),
        }
    }

    /// Commands to try: from the first node to the last, if the tools have an account at the first.
    fn hints(&self, samples: &[NodeSample]) -> Vec<Hint> {
        let file = &self.settings.file;
        let mut hints: Vec<Hint> = self.settings.notes.iter().cloned().map(Hint::Note).collect();
        if let (Some(first), Some(last)) = (samples.first(), samples.last())
            && first.accounts().any(|account| account.settings.id.as_str() == TOOL_ACCOUNT)
            && let Some(address) = &last.report.address
        {
            let node = &first.handle.id;
            let where_to = format!("--config {file} --node {node}");
            let port = self.settings.moved_btp_ports.iter().find(|(moved, _)| moved == node);
            let port = port.map(|(_, port)| format!("BTP_SERVER_PORT={port} ")).unwrap_or_default();
            let ping = format!("try: {port}ilp-connector ping {address} {where_to}");
            hints.push(Hint::Command(ping));
            let mut receivers = last.accounts().filter(|account| account.settings.is_receiver());
            if let (Some(receiver), Some(_)) = (receivers.next(), last.handle.http_address) {
                let payee = format!("{address}.{}", receiver.settings.id);
                let pay = format!("     {port}ilp-connector pay {payee} 1000000 {where_to}");
                hints.push(Hint::Command(pay));
            }
        }
        hints.push(Hint::Note(format!("     edit {file} and save: the network follows")));
        hints
    }

    /// Adds an event for each node that was there before and is not among these.
    fn note_removed(&mut self, ids: &HashSet<&AccountId>) {
        let removed: Vec<AccountId> =
            self.subscriptions.keys().filter(|id| !ids.contains(id)).cloned().collect();
        for id in removed {
            self.subscriptions.remove(&id);
            self.reloads.remove(&id);
            self.events.push_back(EventView {
                at: time_of_day(),
                node: id.to_string(),
                text: "removed from the file".to_owned(),
            });
        }
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
                let rates = self.update_counters(&node.handle.id, account, since);
                let other = samples.iter().position(|other| other.handle.id == *id);
                let other = other.filter(|_| !account.settings.is_receiver());
                let state = match other.and_then(|other| samples.get(other)) {
                    Some(other) => link_state(node, other),
                    None if account.sessions.is_empty() && rates.prepares == 0 => continue,
                    None if account.settings.is_receiver() => {
                        ViewState::Good("receiver".to_owned())
                    }
                    // Tools disconnect when they are done.
                    None if account.sessions.is_empty() => ViewState::Pending("gone".to_owned()),
                    None => peer_state(node.peers.get(id)),
                };
                // Listed from the other end already.
                let known = other.and_then(|other| samples.get(other)).is_some_and(|other| {
                    other.accounts().any(|account| account.settings.id == node.handle.id)
                });
                if known && other.is_some_and(|other| other < number) {
                    continue;
                }
                self.prepares += rates.new_prepares;
                links.push(LinkView {
                    from: node.handle.id.to_string(),
                    to: id.to_string(),
                    state,
                    forward_per_second: rates.forward,
                    backward_per_second: rates.backward,
                    in_flight: account.in_flight_to + account.in_flight_from,
                    balance: account.balance,
                    asset: account.settings.asset.to_string(),
                    rejects: rates.rejects,
                    last_code: rates.last_code,
                });
            }
        }
        links
    }

    /// What happened on an account since the last call. Called for each account, whether or not it is shown: the sums
    /// must not rise again when a link is shown from its other end.
    fn update_counters(
        &mut self,
        node: &AccountId,
        account: &AccountReport,
        since: Duration,
    ) -> AccountRates {
        let (sent, received) = (&account.stats.sent, &account.stats.received);
        let key = (node.clone(), account.settings.id.clone());
        let is_new = !self.counters.contains_key(&key);
        let before = self.counters.entry(key).or_default();
        let rejects: Vec<u64> = sent
            .rejects
            .iter()
            .zip(&received.rejects)
            .map(|(sent, received)| sent + received)
            .collect();
        let code = code_labels().zip(&rejects).enumerate().find_map(|(number, (code, count))| {
            let known = before.rejects.get(number).copied().unwrap_or_default();
            (*count > known).then_some(code)
        });
        let now = Counters {
            sent: sent.prepares,
            received: received.prepares,
            last_code: code.or_else(|| before.last_code.take()),
            rejects,
        };
        let (there, back) =
            (now.sent.saturating_sub(before.sent), now.received.saturating_sub(before.received));
        let rate = |prepares: u64| if is_new { 0 } else { per_second(prepares, since) };
        let rates = AccountRates {
            forward: rate(there),
            backward: rate(back),
            new_prepares: there + back,
            prepares: now.sent + now.received,
            rejects: now.rejects.iter().sum(),
            last_code: now.last_code.clone(),
        };
        *before = now;
        rates
    }
}

/// What happened on an account.
struct AccountRates {
    /// Prepares to it and from it per second.
    forward: u64,
    backward: u64,
    /// Prepares since the last call, and since the start.
    new_prepares: u64,
    prepares: u64,
    /// Rejects since the start.
    rejects: u64,
    last_code: Option<String>,
}

fn node_view(sample: &NodeSample, linked: &HashSet<&AccountId>) -> NodeView {
    let (status, reasons) = sample.handle.status.observe_reasons();
    // An account that is no link, such as that of `ping`, counts only while it is connected.
    let is_connected = |account: &&AccountReport| !account.sessions.is_empty();
    let expected = |account: &&AccountReport| {
        linked.contains(&account.settings.id) && !account.settings.is_receiver()
    };
    let connected = sample.accounts().filter(is_connected).count();
    let peers =
        sample.accounts().filter(|account| is_connected(account) || expected(account)).count();
    NodeView {
        row: NodeRow {
            id: sample.handle.id.to_string(),
            state: ViewState::of_node(match status {
                HealthStatus::Healthy => "healthy",
                HealthStatus::Starting => "starting",
                HealthStatus::Unhealthy => "unhealthy",
                HealthStatus::Standby => "standby",
                HealthStatus::Stopping => "stopping",
            }),
            reasons,
            peers_connected: connected,
            peers,
            address: sample.report.address.as_ref().map(ToString::to_string),
        },
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
    ViewState::of_peer(peer.map_or(PeerState::Waiting, |peer| peer.state).as_str())
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
            mistakes: Vec::new(),
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
