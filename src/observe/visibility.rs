//! What a client may see. The operator of a peer sees what the node decides about the peer's own packets, their account
//! and their link, and nothing that names others or says how the node is configured.
//!
//! Objects are masked here, as they leave, and before filters are applied: a filter on a masked field would answer
//! questions about it. Each object is put together field by field, so that a new field does not compile until it is
//! decided who may see it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::model::{
    EventBody, NodeBody, NodeStats, PacketBody, PeerBody, ReasonBody, ReasonCountBody, StateBody,
    StepBody,
};
use crate::account::AccountId;
use crate::books::EventKind;
use crate::connector::ConnectorReport;

/// Events about a peer that its operator sees, too. Their texts name only this peer.
const EVENTS_OF_PEERS: [EventKind; 10] = [
    EventKind::PeerConnected,
    EventKind::PeerDisconnected,
    EventKind::PeerDialFailed,
    EventKind::PeerRefusedLogin,
    EventKind::PeerDown,
    EventKind::PeerUp,
    EventKind::LimitNear,
    EventKind::ExposureHigh,
    EventKind::ExposureLow,
    EventKind::ExposureNormal,
];
/// Replaces a name within a text.
const HIDDEN: &str = "***";

/// What a client may see of the nodes in its view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility<'p> {
    /// Everything.
    All,
    /// What concerns this peer of one node.
    Peer(&'p AccountId),
}

impl<'p> Visibility<'p> {
    fn peer(self) -> Option<&'p AccountId> {
        match self {
            Self::All => None,
            Self::Peer(peer) => Some(peer),
        }
    }

    /// Nodes and links.
    #[must_use]
    pub fn state(self, state: StateBody) -> StateBody {
        let Some(peer) = self.peer() else { return state };
        // Overrides name operators and their reasons.
        let StateBody { nodes, mut links, faults: _, overrides: _ } = state;
        links.retain(|link| link.a_peer == peer.as_str());
        let nodes = nodes.into_iter().map(|node| node_of(peer, node)).collect();
        StateBody { nodes, links, faults: Vec::new(), overrides: Vec::new() }
    }

    /// What figures are made of.
    #[must_use]
    pub fn reports(self, mut reports: Vec<ConnectorReport>) -> Vec<ConnectorReport> {
        let Some(peer) = self.peer() else { return reports };
        for report in &mut reports {
            report.routes = 0;
            report.own_accounts.clear();
            report.accounts.retain(|account| account.settings.id == *peer);
        }
        reports
    }

    /// An event; `None`: it is not for this client.
    pub fn event(self, event: &Arc<EventBody>) -> Option<&Arc<EventBody>> {
        let Some(peer) = self.peer() else { return Some(event) };
        let is_own = event.peer.as_deref() == Some(peer.as_str());
        (is_own && EVENTS_OF_PEERS.iter().any(|kind| kind.as_str() == event.kind)).then_some(event)
    }

    /// A record of a packet; `None`: it is not for this client.
    pub fn packet(self, packet: &Arc<PacketBody>) -> Option<Arc<PacketBody>> {
        let Some(peer) = self.peer() else { return Some(Arc::clone(packet)) };
        let is_own = packet.from.as_deref() == Some(peer.as_str());
        is_own.then(|| Arc::new(packet_of(peer, PacketBody::clone(packet))))
    }

    /// How often packets were rejected.
    #[must_use]
    pub fn reason_counts(self, counts: Vec<ReasonCountBody>) -> Vec<ReasonCountBody> {
        let Some(peer) = self.peer() else { return counts };
        let own = counts.into_iter().filter(|count| count.from.as_deref() == Some(peer.as_str()));
        // Counts that differ in what is masked become one.
        let mut merged: BTreeMap<(String, Option<String>), ReasonCountBody> = BTreeMap::new();
        for count in own.map(|count| count_of(peer, count)) {
            let key = (count.code.clone(), count.kind.clone());
            match merged.get_mut(&key) {
                None => drop(merged.insert(key, count)),
                Some(known) => {
                    known.count = known.count.saturating_add(count.count);
                    known.last_at = std::mem::take(&mut known.last_at).max(count.last_at);
                }
            }
        }
        let mut counts: Vec<_> = merged.into_values().collect();
        counts.sort_by_key(|count| std::cmp::Reverse(count.count));
        counts
    }

    /// What a node would do with a packet.
    #[must_use]
    pub fn step(self, step: StepBody) -> StepBody {
        let Some(peer) = self.peer() else { return step };
        StepBody {
            node: step.node,
            destination: step.destination,
            from: step.from,
            amount: step.amount,
            decision: step.decision,
            prefix: None,
            to: None,
            outgoing_amount: None,
            origin: None,
            why: None,
            code: step.code,
            reason: step.reason.map(|reason| reason_of(peer, reason)),
            candidates: Vec::new(),
        }
    }
}

fn node_of(peer: &AccountId, node: NodeBody) -> NodeBody {
    let own = node.peers.into_iter().filter(|one| one.id == peer.as_str());
    // What the operator finds out by comparing books is not for the peer, nor is where the node settles.
    let hidden = |one| PeerBody { reconcile: None, settlement: None, ..one };
    let peers: Vec<_> = own.map(hidden).collect();
    let own = peers.iter().filter(|one| one.kind != "own");
    let mut stats = NodeStats::default();
    for account in own {
        stats.prepares += account.packets.received.prepares;
        stats.fulfills += account.packets.sent.fulfills;
        stats.rejects += account.packets.sent.rejects.values().sum::<u64>();
        stats.in_flight += account.packets_in_flight.received;
        stats.connected += usize::from(!account.sessions.is_empty());
    }
    NodeBody {
        seen_at: node.seen_at,
        id: node.id,
        status: node.status,
        // They name other peers, and files.
        reasons: Vec::new(),
        address: node.address,
        version: node.version,
        uptime_seconds: node.uptime_seconds,
        started_at: node.started_at,
        btp: None,
        api: None,
        stats,
        peers,
    }
}

fn packet_of(peer: &AccountId, packet: PacketBody) -> PacketBody {
    let other = packet.reason.as_ref().and_then(|reason| other_than(peer, reason));
    let message = packet.message.filter(|_| packet.decided_here);
    let message = message.map(|message| match &other {
        None => message,
        Some(other) => hide_word(&message, other),
    });
    PacketBody {
        sample_key: None,
        id: packet.id,
        at: packet.at,
        node: packet.node,
        phase: packet.phase,
        lane: packet.lane,
        condition: packet.condition,
        from: packet.from,
        request_id: packet.request_id,
        to: None,
        outgoing_request_id: None,
        destination: packet.destination,
        prefix: None,
        amount: packet.amount,
        outgoing_amount: None,
        expires_at: None,
        // Of the account that it was sent to.
        balance_after: None,
        latency_us: packet.latency_us,
        code: packet.code,
        decided_here: packet.decided_here,
        reason: packet.reason.map(|reason| reason_of(peer, reason)),
        // A Reject from elsewhere has reached the peer as it was, so nothing is lost here.
        triggered_by: packet.triggered_by.filter(|_| packet.decided_here),
        message,
    }
}

fn reason_of(peer: &AccountId, reason: ReasonBody) -> ReasonBody {
    let other = other_than(peer, &reason);
    let own_keys = format!("peers.{peer}.");
    let key = reason.key.filter(|key| key.starts_with(&own_keys));
    match other {
        None => ReasonBody {
            kind: reason.kind,
            text: reason.text,
            // Those of the peer's own limits.
            figures: reason.figures.filter(|_| key.is_some()),
            peer: reason.peer,
            key,
            advice: reason.advice,
        },
        Some(other) => ReasonBody {
            kind: reason.kind,
            text: hide_word(&reason.text, &other),
            figures: None,
            peer: None,
            key,
            advice: None,
        },
    }
}

/// The account that a reason is about, if it is not the peer's.
fn other_than(peer: &AccountId, reason: &ReasonBody) -> Option<String> {
    reason.peer.clone().filter(|about| about != peer.as_str())
}

fn count_of(peer: &AccountId, count: ReasonCountBody) -> ReasonCountBody {
    let masked = |text: String| match &count.peer {
        Some(other) if other != peer.as_str() => hide_word(&text, other),
        _ => text,
    };
    let own_keys = format!("peers.{peer}.");
    let is_of_other = count.peer.as_deref().is_some_and(|about| about != peer.as_str());
    ReasonCountBody {
        node: count.node,
        kind: count.kind,
        code: count.code,
        from: count.from,
        to: None,
        count: count.count,
        last_at: count.last_at,
        text: masked(count.text),
        peer: None,
        key: count.key.filter(|key| key.starts_with(&own_keys)),
        advice: count.advice.filter(|_| !is_of_other),
        summed: count.summed,
    }
}

/// The text with each occurrence of this name replaced; names that only contain it stay.
fn hide_word(text: &str, name: &str) -> String {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '~' | '-');
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        hidden.push_str(if word == name { HIDDEN } else { word });
        let between = after.find(is_of_name).unwrap_or(after.len());
        let (marks, after) = after.split_at(between);
        hidden.push_str(marks);
        rest = after;
    }
    hidden
}

#[cfg(test)]
mod tests;
