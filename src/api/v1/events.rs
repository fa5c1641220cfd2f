//! What happens to nodes and peers, as events.

use crate::account::AccountId;
use crate::api::OverrideEnd;
use crate::api::config_values::ConfigMistake;
use crate::api::health::HealthStatus;
use crate::api::status::NodeStatus;
use crate::books::{EventId, EventKind, EventLevel, NewEvent};
use crate::machine;
use crate::observe::{OverrideBody, OverrideKind};
use crate::peers::{PeerChange, PeerEvent};

/// RFC 6455 7.4.1: the client has done what it wanted.
const NORMAL_CLOSURE: u16 = 1000;

impl NodeStatus {
    /// Something happened: an event of `/api/v1/events`. If its kind is saved ([`EventKind::is_saved`]) and the node
    /// has a store, the next cut has it, and the webhooks that ask for it get it.
    pub fn record_event(&self, event: NewEvent) {
        if event.kind.is_saved() {
            let context = self.context();
            let id = EventId::from_random(machine::random());
            context.connector.note_event(id, &event, context.clock.now().wall);
        }
        self.log_event(event);
    }

    /// The same for an event that is noted for the store already: it is only in `/api/v1/events`.
    pub fn log_event(&self, event: NewEvent) {
        let node = self.context().connector.node_id();
        self.observer().events.record(node.as_str(), machine::time_of_day(), event);
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
            kind: EventKind::RoutesChanged,
            text: format!("learned routes have changed; {prefixes} prefixes are in the table"),
            peer: None,
            fields: vec![("prefixes", prefixes.to_string())],
        });
    }
}

impl NodeStatus {
    /// An operator has changed something for a time.
    pub fn record_override_set(&self, body: &OverrideBody) {
        let OverrideBody { by, reason, expires_at, .. } = body;
        let what = describe(body);
        self.record_event(NewEvent {
            level: EventLevel::Warn,
            kind: EventKind::OverrideSet,
            text: format!("{what} until {expires_at}, by {by}: {reason}"),
            peer: body.peer.clone(),
            fields: override_fields(body),
        });
    }

    /// What an operator has changed for a time is over.
    pub fn record_override_end(&self, body: &OverrideBody, end: OverrideEnd) {
        let what = describe(body);
        let (kind, why) = match end {
            OverrideEnd::Expired => (EventKind::OverrideExpired, "its time is over"),
            OverrideEnd::Undone => (EventKind::OverrideEnded, "an operator has ended it"),
            OverrideEnd::Replaced => (EventKind::OverrideEnded, "a later one replaces it"),
            OverrideEnd::ReplacedByOtherNode => {
                (EventKind::OverrideEnded, "another node of the process has set another log level")
            }
            OverrideEnd::PeerRemoved => {
                (EventKind::OverrideEnded, "the configuration has no such peer")
            }
        };
        let mut fields = override_fields(body);
        fields.push(("why", end.as_str().to_owned()));
        self.record_event(NewEvent {
            level: EventLevel::Info,
            kind,
            text: format!("over: {what} ({why})"),
            peer: body.peer.clone(),
            fields,
        });
    }

    /// An operator has closed the sessions of a peer.
    pub fn record_reconnect(&self, peer: &AccountId, sessions: usize, by: &str, reason: &str) {
        self.record_event(NewEvent {
            level: EventLevel::Warn,
            kind: EventKind::PeerReconnect,
            text: format!("{by} reconnects {peer}: {reason}"),
            peer: Some(peer.to_string()),
            fields: vec![("closedSessions", sessions.to_string()), ("by", by.to_owned())],
        });
    }
}

fn describe(body: &OverrideBody) -> String {
    let peer = body.peer.as_deref().unwrap_or_default();
    let value = body.value.as_deref().unwrap_or_default();
    match body.kind {
        OverrideKind::Suspend => format!("{peer} is suspended"),
        OverrideKind::Resume => format!("{peer} is enabled, which the configuration suspends"),
        OverrideKind::LogLevel => format!("the log level is {value}"),
        OverrideKind::PauseSettlement => format!("settlements with {peer} are paused"),
    }
}

fn override_fields(body: &OverrideBody) -> Vec<(&'static str, String)> {
    vec![("id", body.id.clone()), ("by", body.by.clone()), ("expiresAt", body.expires_at.clone())]
}

/// The configuration was applied, or refused for this reason.
pub(in crate::api) fn reload_event(refused: Option<(&str, Option<&ConfigMistake>)>) -> NewEvent {
    let (level, kind, text) = match refused {
        None => (EventLevel::Info, EventKind::ConfigReloaded, "configuration reloaded".to_owned()),
        Some((error, _)) => (
            EventLevel::Error,
            EventKind::ConfigRefused,
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
        kind: EventKind::NodeStatus,
        text: format!("the node is {}{why}", now.as_str()),
        peer: None,
        fields: vec![("before", before.as_str().to_owned()), ("now", now.as_str().to_owned())],
    }
}

/// `None` for the start of each attempt, and for guests: programs could fill the list by connecting again and again.
fn peer_event(event: &PeerEvent) -> Option<NewEvent> {
    let peer = &event.peer;
    if peer.is_guest() {
        return None;
    }
    let (level, kind, text, fields) = match &event.change {
        PeerChange::Connecting => return None,
        PeerChange::Connected => {
            (EventLevel::Info, EventKind::PeerConnected, format!("{peer} connected"), Vec::new())
        }
        PeerChange::Disconnected(close) => (
            // Tools say goodbye when they are done.
            if close.code() == NORMAL_CLOSURE { EventLevel::Info } else { EventLevel::Warn },
            EventKind::PeerDisconnected,
            format!("{peer} disconnected: {close}"),
            vec![("code", close.code().to_string())],
        ),
        PeerChange::AuthenticationFailed(answer) => (
            EventLevel::Error,
            EventKind::PeerDialFailed,
            format!("{peer} refuses our login: {answer}"),
            vec![("why", "login".to_owned())],
        ),
        PeerChange::LoginRefused(error) => {
            (EventLevel::Warn, EventKind::PeerRefusedLogin, format!("{peer}: {error}"), Vec::new())
        }
        PeerChange::BecameDown => (
            EventLevel::Warn,
            EventKind::PeerDialFailed,
            format!("{peer} is down; slow attempts go on"),
            vec![("why", "down".to_owned())],
        ),
    };
    Some(NewEvent { level, kind, text, peer: Some(peer.to_string()), fields })
}
