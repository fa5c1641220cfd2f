//! The status of each peer: its state, its counters, and the events of its sessions and logins.
//!
//! A peer may have two sessions (both ends dialled), and may be dialled while it is connected. All of that becomes one
//! state here, so that events, health and metrics speak of *peers*: connected with the first session, disconnected with
//! the last. An event that is logged is logged once, where it happens. Subscribers get copies through a bounded
//! channel: a slow one loses the oldest and delays nothing.

mod lines;
mod mistakes;
mod snapshot;
mod wrong_answers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, RwLock};
use tokio::sync::broadcast;

use self::lines::PeerLines;
use self::mistakes::Mistakes;
pub use self::mistakes::{PeerMistake, SwappedType};
pub use self::snapshot::{PeerCounts, PeerSnapshot, PeerState, RefusedLogin};
use self::wrong_answers::WrongAnswers;
use super::close_reason::CloseReason;
use crate::account::AccountId;
use crate::machine;
use crate::time::MonoTime;

/// Events that a subscriber may lag behind.
const EVENTS_MAX: usize = 1024;
/// The shortest time between two lines about mistakes of a peer.
const LINE_INTERVAL: Duration = Duration::from_secs(60);
/// Logs a line about a peer with the number of suppressed ones, or at `DEBUG` if the throttle does not admit it.
macro_rules! throttled {
    ($status:ident.$lines:ident, tracing::$level:ident!($($field:ident $(= $value:expr)?),+; $message:literal)) => {
        match $status.lines.$lines.admit($status.lines.now()) {
            Some(suppressed) => {
                tracing::$level!(peer = %$status.id, $($field $(= $value)?,)+ suppressed, $message);
            }
            None => tracing::debug!(peer = %$status.id, $($field $(= $value)?,)+ $message),
        }
    };
}

/// One change of one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerEvent {
    pub peer: AccountId,
    pub change: PeerChange,
}

/// A change of a peer's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerChange {
    /// A series of attempts to reach the peer begins.
    Connecting,
    /// The first session is open.
    Connected,
    /// The last session ended.
    Disconnected(CloseReason),
    /// The peer refused our name or token. Only once until the state changes.
    AuthenticationFailed(String),
    /// We refused a login with the peer's name. Only once until the state changes.
    LoginRefused(String),
    /// The quick attempts have failed; slow ones follow.
    BecameDown,
}

/// All peers of a node.
#[derive(Debug)]
pub struct Peers {
    peers: RwLock<BTreeMap<AccountId, Arc<PeerStatus>>>,
    /// Updated for logins with an unknown name, so that they take the same time as others. Never read.
    unknown_peer: Mutex<Inner>,
    events: broadcast::Sender<PeerEvent>,
    /// For log lines about guests.
    guest_lines: Arc<PeerLines>,
}

/// The status of one peer. Its sessions and the loop that dials it hold it.
#[derive(Debug)]
pub struct PeerStatus {
    id: AccountId,
    events: broadcast::Sender<PeerEvent>,
    inner: Mutex<Inner>,
    unreadable_frames: AtomicU64,
    refused_frames: AtomicU64,
    /// For log lines about it. Guests share them.
    lines: Arc<PeerLines>,
    /// Whether its latest answer was wrong.
    has_wrong_answer: AtomicBool,
}

#[derive(Debug)]
struct Inner {
    state: PeerState,
    /// It has a url in the configuration.
    is_dialled: bool,
    since: SystemTime,
    last_error: Option<String>,
    last_attempt_failure: Option<AttemptFailure>,
    last_refused_login: Option<RefusedLogin>,
    sessions: usize,
    was_connected: bool,
    counts: PeerCounts,
    /// By what is wrong with the frames.
    mistakes: Mistakes,
    swapped_logged_at: Option<MonoTime>,
    wrong_answers: WrongAnswers,
}

/// Why an attempt to connect failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptFailure {
    /// The host and port cannot be connected to.
    Unreachable,
    /// The peer refused our name or token.
    Refused,
    /// Something else failed, on our side or after the connection.
    Unusable,
}

impl Default for Peers {
    fn default() -> Self {
        let events = broadcast::Sender::new(EVENTS_MAX);
        let unknown_peer = Mutex::new(Inner::new());
        Self { peers: RwLock::default(), unknown_peer, events, guest_lines: Arc::default() }
    }
}

impl Peers {
    /// The status of this peer. A new one is [`PeerState::Waiting`].
    pub fn status(&self, id: &AccountId) -> Arc<PeerStatus> {
        if let Some(known) = self.peers.read().get(id) {
            return Arc::clone(known);
        }
        let mut peers = self.peers.write();
        let status = peers.entry(id.clone()).or_insert_with(|| {
            let lines = match id.is_guest() {
                true => Arc::clone(&self.guest_lines),
                false => Arc::default(),
            };
            Arc::new(PeerStatus::new(id.clone(), self.events.clone(), lines))
        });
        Arc::clone(status)
    }

    /// Records a refused login of any transport. `account`: the configured account of the claimed name, see
    /// [`super::LoginDirectory::find_by_name`]; unknown names must not enlarge the table. `None` takes the same time,
    /// so that timing does not reveal which names exist.
    pub fn record_refused_login(&self, account: Option<&AccountId>, remote: &str, reason: &str) {
        match account {
            Some(account) => self.status(account).record_refused_login(remote, reason),
            None => drop(self.unknown_peer.lock().record_refused_login(remote, reason)),
        }
    }

    /// Forgets a peer that was removed from the configuration.
    pub fn forget(&self, id: &AccountId) {
        self.peers.write().remove(id);
    }

    /// Snapshots of all peers, sorted by name.
    pub fn snapshot(&self) -> Vec<PeerSnapshot> {
        self.peers.read().values().map(|status| status.snapshot()).collect()
    }

    /// Logs how many lines about each peer, and about all guests, were suppressed, unless a later line has reported it.
    pub fn log_suppressed(&self) {
        for status in self.peers.read().values().filter(|status| !status.id.is_guest()) {
            status.log_suppressed(status.lines.now());
        }
        self.log_suppressed_of_guests(self.guest_lines.now());
    }

    fn log_suppressed_of_guests(&self, now: MonoTime) {
        if let Some(suppressed) = self.guest_lines.take_overdue(now) {
            tracing::info!(suppressed, "more happened with guests than was logged");
        }
    }

    /// Events from now on. A subscriber that is 1,024 events behind loses the oldest, and `recv` returns an error.
    pub fn subscribe(&self) -> broadcast::Receiver<PeerEvent> {
        self.events.subscribe()
    }
}

impl PeerStatus {
    fn new(id: AccountId, events: broadcast::Sender<PeerEvent>, lines: Arc<PeerLines>) -> Self {
        Self {
            id,
            events,
            inner: Mutex::new(Inner::new()),
            unreadable_frames: AtomicU64::new(0),
            refused_frames: AtomicU64::new(0),
            lines,
            has_wrong_answer: AtomicBool::new(false),
        }
    }

    /// `Some`: another line that the peer causes may be logged now, and so many were suppressed since the last one.
    pub fn admit_line(&self) -> Option<u64> {
        self.lines.others.admit(self.lines.now())
    }

    fn log_suppressed(&self, now: MonoTime) {
        if let Some(suppressed) = self.lines.take_overdue(now) {
            let state = self.inner.lock().state.as_str();
            tracing::info!(peer = %self.id, suppressed, state, "more happened with the peer than was logged");
        }
    }

    /// A copy of the current status.
    pub fn snapshot(&self) -> PeerSnapshot {
        let inner = self.inner.lock();
        PeerSnapshot {
            id: self.id.clone(),
            state: inner.state,
            since: inner.since,
            last_error: inner.last_error.clone().or_else(|| inner.wrong_answers.latest()),
            last_attempt_failure: inner.last_attempt_failure,
            last_refused_login: inner.last_refused_login.clone(),
            sessions: inner.sessions,
            counts: PeerCounts {
                unreadable_frames: self.unreadable_frames.load(Ordering::Relaxed),
                refused_frames: self.refused_frames.load(Ordering::Relaxed),
                ..inner.counts
            },
        }
    }

    /// The configuration has suspended the peer, or enabled it again. The caller closes its sessions.
    pub fn set_suspended(&self, suspended: bool) {
        let mut inner = self.inner.lock();
        match (suspended, inner.state) {
            (true, _) => inner.set_state(PeerState::Suspended),
            (false, PeerState::Suspended) => inner.set_state(PeerState::Waiting),
            (false, _) => {}
        }
    }

    /// Whether this node dials the peer, by the configuration.
    pub fn set_dialled(&self, dialled: bool) {
        self.inner.lock().is_dialled = dialled;
    }

    /// See [`PeerStatus::set_dialled`].
    pub fn is_dialled(&self) -> bool {
        self.inner.lock().is_dialled
    }

    /// An attempt to reach the peer begins. The first of a series is an event.
    pub fn record_attempt(&self, target: &str) {
        let mut inner = self.inner.lock();
        if matches!(inner.state, PeerState::Waiting | PeerState::Disconnected) {
            inner.set_state(PeerState::Connecting);
            throttled!(self.attempts, tracing::info!(target_url = target; "connecting"));
            self.send_event(PeerChange::Connecting);
        } else {
            tracing::debug!(peer = %self.id, target_url = target, "connecting again");
        }
    }

    /// An attempt failed.
    pub fn record_failed_attempt(&self, error: &str, failure: AttemptFailure, next: Duration) {
        let refused = failure == AttemptFailure::Refused;
        let mut inner = self.inner.lock();
        inner.last_attempt_failure = Some(failure);
        inner.counts.failed_attempts += 1;
        inner.counts.authentication_failures += u64::from(refused);
        inner.last_error = Some(error.to_owned());
        // Tenths of a random delay are enough in a log line.
        let next_attempt_s = (next.as_secs_f64() * 10.0).round() / 10.0;
        match (inner.state, refused) {
            (PeerState::Connecting | PeerState::AuthenticationFailed, false) => {
                inner.set_state(PeerState::Connecting);
                throttled!(self.attempts, tracing::warn!(error, next_attempt_s; "cannot connect"));
            }
            (PeerState::Connecting, true) => {
                inner.set_state(PeerState::AuthenticationFailed);
                throttled!(
                    self.attempts,
                    tracing::warn!(error, next_attempt_s; "authentication failed")
                );
                self.send_event(PeerChange::AuthenticationFailed(error.to_owned()));
            }
            // The peer is down, or refused us before, or has another session.
            _ => {
                tracing::debug!(peer = %self.id, error, refused, next_attempt_s, "cannot connect");
            }
        }
    }

    /// We refused a login with the peer's name, perhaps of another client. It becomes the peer's state only if the peer
    /// dials us and has no session: otherwise we know the state ourselves.
    fn record_refused_login(&self, remote: &str, reason: &str) {
        if let Some(error) = self.inner.lock().record_refused_login(remote, reason) {
            self.send_event(PeerChange::LoginRefused(error));
        }
    }

    /// The quick attempts have failed; called after each slow one, too. The first call while the peer has no session
    /// marks it down and sends an event.
    pub fn mark_down(&self) {
        let mut inner = self.inner.lock();
        if inner.sessions == 0 && !matches!(inner.state, PeerState::Suspended | PeerState::Down) {
            inner.set_state(PeerState::Down);
            tracing::warn!(
                peer = %self.id,
                error = inner.last_error.as_deref().unwrap_or_default(),
                "the peer is down; one attempt every 30 s from now on"
            );
            self.send_event(PeerChange::BecameDown);
        }
    }

    /// The loop that dials the peer has stopped. The peer may still connect to us.
    pub fn record_stop_of_dialling(&self) {
        let mut inner = self.inner.lock();
        inner.wrong_answers.clear();
        self.has_wrong_answer.store(false, Ordering::Relaxed);
        if inner.sessions == 0 && inner.state != PeerState::Suspended {
            inner.last_error = None;
            inner.set_state(PeerState::Waiting);
        }
    }

    /// An authenticated session was opened.
    pub fn add_session(&self, side: &'static str, remote: &str) {
        let mut inner = self.inner.lock();
        inner.sessions += 1;
        inner.counts.sessions += 1;
        if inner.sessions > 1 {
            tracing::debug!(peer = %self.id, side, remote, sessions = inner.sessions, "another session");
            return;
        }
        inner.counts.reconnects += u64::from(inner.was_connected);
        inner.was_connected = true;
        inner.last_error = None;
        inner.set_state(PeerState::Connected);
        if self.id.is_guest() {
            // Programs come and go; the node logs the first time of each.
            tracing::debug!(peer = %self.id, side, remote, "connected");
        } else {
            throttled!(self.sessions, tracing::info!(side, remote; "connected"));
        }
        self.send_event(PeerChange::Connected);
    }

    /// An authenticated session ended.
    pub fn remove_session(&self, side: &'static str, close: &CloseReason) {
        let mut inner = self.inner.lock();
        inner.sessions = inner.sessions.saturating_sub(1);
        let (code, reason) = (close.code(), close.reason());
        if inner.sessions > 0 {
            if close.is_replaced_by_us() {
                throttled!(self.replaced, tracing::info!(side; "a later login replaced a session"));
            } else {
                tracing::debug!(peer = %self.id, side, code, reason, sessions = inner.sessions, "a session ended");
            }
            return;
        }
        inner.last_error = Some(close.to_string());
        if inner.state != PeerState::Suspended {
            inner.set_state(PeerState::Disconnected);
        }
        if self.id.is_guest() {
            tracing::debug!(peer = %self.id, side, code, reason, "disconnected");
        } else {
            throttled!(self.sessions, tracing::info!(side, code, reason; "disconnected"));
        }
        self.send_event(PeerChange::Disconnected(close.clone()));
    }

    fn send_event(&self, change: PeerChange) {
        // Fails only without subscribers.
        let _ = self.events.send(PeerEvent { peer: self.id.clone(), change });
    }
}

impl Inner {
    fn new() -> Self {
        Self {
            state: PeerState::Waiting,
            is_dialled: false,
            since: machine::time_of_day(),
            last_error: None,
            last_attempt_failure: None,
            last_refused_login: None,
            sessions: 0,
            was_connected: false,
            counts: PeerCounts::default(),
            mistakes: Mistakes::default(),
            swapped_logged_at: None,
            wrong_answers: WrongAnswers::default(),
        }
    }

    /// `Some`: the error of a new event.
    fn record_refused_login(&mut self, remote: &str, reason: &str) -> Option<String> {
        self.counts.refused_logins += 1;
        self.last_refused_login = Some(RefusedLogin {
            at: machine::time_of_day(),
            remote: remote.to_owned(),
            reason: reason.to_owned(),
        });
        if self.is_dialled || self.sessions > 0 || self.state == PeerState::Suspended {
            return None;
        }
        let error = format!("its login was refused: {reason} (from {remote})");
        self.last_error = Some(error.clone());
        let is_news = self.state != PeerState::AuthenticationFailed;
        self.set_state(PeerState::AuthenticationFailed);
        is_news.then_some(error)
    }

    fn set_state(&mut self, state: PeerState) {
        if self.state != state {
            self.state = state;
            self.since = machine::time_of_day();
        }
    }
}

#[cfg(test)]
mod tests;
