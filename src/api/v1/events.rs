//! What happens to nodes and peers, as events.

use std::time::SystemTime;

use crate::api::config_values::ConfigMistake;
use crate::api::health::HealthStatus;
use crate::api::status::NodeStatus;
use crate::observe::{EventLevel, NewEvent};
use crate::peers::{PeerChange, PeerEvent};

/// RFC 6455 7.4.1: the client has done what it wanted.
const NORMAL_CLOSURE: u16 = 1000;

impl NodeStatus {
    /// Something happened to the node: an event of `/api/v1/events`.
    pub(in crate::api) fn record_event(&self, event: NewEvent) {
        let node = self.context().connector.node_id();
        self.observer().events.record(node.as_str(), SystemTime::now(), event);
    }

    /// Something happened to a peer.
    pub fn record_peer_event(&self, event: &PeerEvent) {
        if let Some(event) = peer_event(event) {
            self.record_event(event);
        }
    }

    /// The node has other routes in its table, which peers have sent.
    pub fn record_learned_routes(&self, prefixes: usize) {
        self.record_event(NewEvent {
            level: EventLevel::Info,
            kind: "routes.changed",
            text: format!("learned routes have changed; {prefixes} prefixes are in the table"),
            peer: None,
            fields: vec![("prefixes", prefixes.to_string())],
        });
    }
}

/// The configuration was applied, or refused for this reason.
pub(in crate::api) fn reload_event(refused: Option<(&str, Option<&ConfigMistake>)>) -> NewEvent {
    let (level, kind, text) = match refused {
        None => (EventLevel::Info, "config.reloaded", "configuration reloaded".to_owned()),
        Some((error, _)) => (
            EventLevel::Error,
            "config.refused",
            format!("configuration refused, the old one stays: {error}"),
        ),
    };
    let mut fields = Vec::new();
    if let Some(mistake) = refused.and_then(|(_, mistake)| mistake) {
        fields.extend(mistake.file.clone().map(|file| ("file", file)));
        fields.extend(mistake.line.map(|line| ("line", line.to_string())));
    }
    NewEvent { level, kind, text, peer: None, fields }
}

/// The health of the node has changed.
pub(in crate::api) fn status_event(
    before: HealthStatus,
    now: HealthStatus,
    reasons: &[String],
) -> NewEvent {
    let why = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) };
    let level = if now == HealthStatus::Unhealthy { EventLevel::Error } else { EventLevel::Info };
    NewEvent {
        level,
        kind: "node.status",
        text: format!("the node is {}{why}", now.as_str()),
        peer: None,
        fields: vec![("before", before.as_str().to_owned()), ("now", now.as_str().to_owned())],
    }
}

/// `None` for the start of each attempt.
fn peer_event(event: &PeerEvent) -> Option<NewEvent> {
    let peer = &event.peer;
    let (level, kind, text, fields) = match &event.change {
        PeerChange::Connecting => return None,
        PeerChange::Connected => {
            (EventLevel::Info, "peer.connected", format!("{peer} connected"), Vec::new())
        }
        PeerChange::Disconnected(close) => (
            // Tools say goodbye when they are done.
            if close.code() == NORMAL_CLOSURE { EventLevel::Info } else { EventLevel::Warn },
            "peer.disconnected",
            format!("{peer} disconnected: {close}"),
            vec![("code", close.code().to_string())],
        ),
        PeerChange::AuthenticationFailed(answer) => (
            EventLevel::Error,
            "peer.dialFailed",
            format!("{peer} refuses our login: {answer}"),
            vec![("why", "login".to_owned())],
        ),
        PeerChange::LoginRefused(error) => {
            (EventLevel::Warn, "peer.refusedLogin", format!("{peer}: {error}"), Vec::new())
        }
        PeerChange::BecameDown => (
            EventLevel::Warn,
            "peer.dialFailed",
            format!("{peer} is down; slow attempts go on"),
            vec![("why", "down".to_owned())],
        ),
    };
    Some(NewEvent { level, kind, text, peer: Some(peer.to_string()), fields })
}
