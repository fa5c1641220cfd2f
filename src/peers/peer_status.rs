//! What becomes of each peer's connection: its state, its counters, and an event for every change.
//!
//! A peer may have two sessions at once (both sides dialled) and may be dialled while it is connected. All of that is
//! folded into one state here, so that events, health and metrics speak of *peers*: connected with the first session,
//! disconnected with the last. Every event is logged once, at the place where it happens. Listeners get copies through a
//! bounded channel: a slow one loses the oldest and is told how many; it holds nobody up.

mod snapshot;
mod wrong_answers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::{Mutex, RwLock};
use tokio::sync::broadcast;

pub use self::snapshot::{PeerCounts, PeerSnapshot, PeerState, RefusedLogin};
use self::wrong_answers::WrongAnswers;
use super::close_reason::CloseReason;
use crate::account::AccountId;
use crate::net::Throttle;
use crate::time::MonoTime;

/// Events that a listener may lag behind.
const EVENTS_MAX: usize = 1024;
/// A peer's mistakes, and its logging in twice, are logged this often at most.
const LINE_INTERVAL: Duration = Duration::from_secs(60);
/// That a peer swaps the types of its frames is logged this often at most.
const SWAPPED_LINE_INTERVAL: Duration = Duration::from_secs(3600);
/// What is wrong with such a peer, or with our settings for it.
const SWAPS_TYPES: &str = "it sends Prepares in RESPONSE frames and answers in MESSAGE frames, as interledger-rs does; \
                           set lenientBtpTypes: true for this peer";

/// One change of one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerEvent {
    /// Whose.
    pub peer: AccountId,
    /// What.
    pub change: PeerChange,
}

/// What can happen to a peer's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerChange {
    /// A series of attempts to reach the peer begins.
    Connecting,
    /// The first session is authenticated.
    Connected,
    /// The last session ended.
    Disconnected(CloseReason),
    /// The peer refused our name or token. Once until something else happens.
    AuthenticationFailed(String),
    /// We refused a login under the peer's name. Once until something else happens.
    LoginRefused(String),
    /// The quick attempts are used up; slow ones go on.
    RetriesExhausted,
}

/// All peers of a node.
#[derive(Debug)]
pub struct Peers {
    peers: RwLock<BTreeMap<AccountId, Arc<PeerStatus>>>,
    /// What names that are no account's cost, so that they cost the same as others. Nobody reads it.
    no_peer: Mutex<Inner>,
    events: broadcast::Sender<PeerEvent>,
}

/// One peer. Kept by its sessions and by the loop that dials it.
#[derive(Debug)]
pub struct PeerStatus {
    id: AccountId,
    events: broadcast::Sender<PeerEvent>,
    inner: Mutex<Inner>,
    unreadable_frames: AtomicU64,
    refused_frames: AtomicU64,
    /// Lines about its sessions. A peer may come and go as often as it likes.
    session_lines: Throttle,
    /// Lines about attempts to reach it. A server may let us in and close as often as it likes.
    attempt_lines: Throttle,
    /// Lines about what else it causes.
    other_lines: Throttle,
    /// What the readings of the clock for these lines count from.
    origin: Instant,
    /// Whether its latest HTTP answer was a wrong one.
    answers_wrongly: AtomicBool,
}

#[derive(Debug)]
struct Inner {
    state: PeerState,
    /// Its url is configured.
    dialled: bool,
    since: SystemTime,
    last_error: Option<String>,
    last_attempt_failure: Option<AttemptFailure>,
    last_refused_login: Option<RefusedLogin>,
    sessions: usize,
    was_connected: bool,
    counts: PeerCounts,
    /// When a line about its mistakes was logged last, and how many there were since.
    mistakes_logged_at: Option<MonoTime>,
    mistakes: u64,
    swapped_logged_at: Option<MonoTime>,
    wrong_answers: WrongAnswers,
    replaced_logged_at: Option<MonoTime>,
}

/// Why an attempt to connect failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptFailure {
    /// Nothing answers at that host and port.
    Unreachable,
    /// The peer refused our name or token.
    Refused,
    /// What answered cannot be used.
    Unusable,
}

/// A peer's mistake that costs it nothing but a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerMistake {
    /// A text message, or a frame that is not BTP.
    Unreadable,
    /// A frame that was answered with an ERROR.
    Refused,
}

impl Default for Peers {
    fn default() -> Self {
        let events = broadcast::Sender::new(EVENTS_MAX);
        Self { peers: RwLock::default(), no_peer: Mutex::new(Inner::new()), events }
    }
}

impl Peers {
    /// The peer of this name, which begins as [`PeerState::Waiting`].
    pub fn status(&self, id: &AccountId) -> Arc<PeerStatus> {
        if let Some(known) = self.peers.read().get(id) {
            return Arc::clone(known);
        }
        let mut peers = self.peers.write();
        let status = peers
            .entry(id.clone())
            .or_insert_with(|| Arc::new(PeerStatus::new(id.clone(), self.events.clone())));
        Arc::clone(status)
    }

    /// A login was refused, over whatever transport. `account` is the one of the configuration whose name was claimed, as
    /// [`super::Directory::account_named`] finds it: the table must not grow with what strangers claim. `None` takes the
    /// same time, so that the time of an answer does not tell which names exist.
    pub fn login_refused(&self, account: Option<&AccountId>, remote: &str, reason: &str) {
        match account {
            Some(account) => self.status(account).login_refused(remote, reason),
            None => drop(self.no_peer.lock().login_refused(remote, reason)),
        }
    }

    /// Forgets a peer that was removed from the configuration. Sessions that still end report to nobody.
    pub fn forget(&self, id: &AccountId) {
        self.peers.write().remove(id);
    }

    /// Everything about everyone, by name.
    pub fn snapshot(&self) -> Vec<PeerSnapshot> {
        self.peers.read().values().map(|status| status.snapshot()).collect()
    }

    /// Logs how many lines about each peer were left out, where nothing has happened since that would tell so.
    pub fn log_left_out(&self) {
        for status in self.peers.read().values() {
            status.log_left_out(status.mono());
        }
    }

    /// Events from now on. A listener that falls 1,024 events behind loses the oldest and is told so.
    pub fn subscribe(&self) -> broadcast::Receiver<PeerEvent> {
        self.events.subscribe()
    }
}

impl PeerStatus {
    fn new(id: AccountId, events: broadcast::Sender<PeerEvent>) -> Self {
        Self {
            id,
            events,
            inner: Mutex::new(Inner::new()),
            unreadable_frames: AtomicU64::new(0),
            refused_frames: AtomicU64::new(0),
            session_lines: Throttle::default(),
            attempt_lines: Throttle::default(),
            other_lines: Throttle::default(),
            origin: Instant::now(),
            answers_wrongly: AtomicBool::new(false),
        }
    }

    fn mono(&self) -> MonoTime {
        MonoTime(0).after(self.origin.elapsed())
    }

    /// Whether a line about what else the peer causes may be logged now, and how many were not since the last one.
    pub fn admit_line(&self) -> Option<u64> {
        self.other_lines.admit(self.mono())
    }

    fn log_left_out(&self, now: MonoTime) {
        let throttles = [&self.session_lines, &self.attempt_lines, &self.other_lines];
        let suppressed: u64 = throttles.into_iter().filter_map(|lines| lines.overdue(now)).sum();
        if suppressed > 0 {
            let state = self.inner.lock().state.as_str();
            tracing::info!(peer = %self.id, suppressed, state, "more happened with the peer than was logged");
        }
    }

    /// How the peer stands now.
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

    /// The peer was switched off, or on again (`enabled`). Its sessions are closed by whoever switches.
    pub fn suspend(&self, suspended: bool) {
        let mut inner = self.inner.lock();
        match (suspended, inner.state) {
            (true, _) => inner.go(PeerState::Suspended),
            (false, PeerState::Suspended) => inner.go(PeerState::Waiting),
            (false, _) => {}
        }
    }

    /// Whether this node is to reach the peer, and not only the other way around.
    pub fn set_dialled(&self, dialled: bool) {
        self.inner.lock().dialled = dialled;
    }

    /// As [`PeerStatus::set_dialled`] said last.
    pub fn is_dialled(&self) -> bool {
        self.inner.lock().dialled
    }

    /// An attempt to reach the peer begins. The first of a series is an event.
    pub fn attempt(&self, target: &str) {
        let mut inner = self.inner.lock();
        if matches!(inner.state, PeerState::Waiting | PeerState::Disconnected) {
            inner.go(PeerState::Connecting);
            match self.attempt_lines.admit(self.mono()) {
                Some(suppressed) => {
                    tracing::info!(peer = %self.id, target_url = target, suppressed, "connecting");
                }
                None => tracing::debug!(peer = %self.id, target_url = target, "connecting"),
            }
            self.tell(PeerChange::Connecting);
        } else {
            tracing::debug!(peer = %self.id, target_url = target, "connecting again");
        }
    }

    /// An attempt failed.
    pub fn attempt_failed(&self, error: &str, failure: AttemptFailure, next: Duration) {
        let refused = failure == AttemptFailure::Refused;
        let mut inner = self.inner.lock();
        inner.last_attempt_failure = Some(failure);
        inner.counts.failed_attempts += 1;
        inner.counts.authentication_failures += u64::from(refused);
        inner.last_error = Some(error.to_owned());
        // Tenths are enough for eyes; it is spread at random anyway.
        let next_s = (next.as_secs_f64() * 10.0).round() / 10.0;
        match (inner.state, refused) {
            (PeerState::Connecting | PeerState::AuthenticationFailed, false) => {
                inner.go(PeerState::Connecting);
                match self.attempt_lines.admit(self.mono()) {
                    Some(suppressed) => {
                        tracing::warn!(peer = %self.id, error, next_attempt_s = next_s, suppressed, "cannot connect");
                    }
                    None => {
                        tracing::debug!(peer = %self.id, error, next_attempt_s = next_s, "cannot connect");
                    }
                }
            }
            (PeerState::Connecting, true) => {
                inner.go(PeerState::AuthenticationFailed);
                match self.attempt_lines.admit(self.mono()) {
                    Some(suppressed) => {
                        tracing::warn!(peer = %self.id, error, next_attempt_s = next_s, suppressed, "authentication failed");
                    }
                    None => {
                        tracing::debug!(peer = %self.id, error, next_attempt_s = next_s, "authentication failed");
                    }
                }
                self.tell(PeerChange::AuthenticationFailed(error.to_owned()));
            }
            // Down, or the same refusal again, or another session is up meanwhile.
            _ => {
                tracing::debug!(peer = %self.id, error, refused, next_attempt_s = next_s, "cannot connect");
            }
        }
    }

    /// A login under the peer's name was refused, perhaps a stranger's. It is shown as the peer's state only where the peer
    /// is to come to us and is not here: what we know by ourselves counts more.
    fn login_refused(&self, remote: &str, reason: &str) {
        if let Some(error) = self.inner.lock().login_refused(remote, reason) {
            self.tell(PeerChange::LoginRefused(error));
        }
    }

    /// The quick attempts are used up. Said after every attempt from then on, for the peer may be connected from its own
    /// side at first; an event the first time that it is not.
    pub fn exhausted(&self) {
        let mut inner = self.inner.lock();
        if inner.sessions == 0 && !matches!(inner.state, PeerState::Suspended | PeerState::Down) {
            inner.go(PeerState::Down);
            tracing::warn!(
                peer = %self.id,
                error = inner.last_error.as_deref().unwrap_or_default(),
                "retries exhausted: the peer is down, slow attempts go on"
            );
            self.tell(PeerChange::RetriesExhausted);
        }
    }

    /// Nobody tries to reach the peer any more: it may still come to us.
    pub fn dials_no_more(&self) {
        let mut inner = self.inner.lock();
        inner.wrong_answers.clear();
        self.answers_wrongly.store(false, Ordering::Relaxed);
        if inner.sessions == 0 && inner.state != PeerState::Suspended {
            inner.last_error = None;
            inner.go(PeerState::Waiting);
        }
    }

    /// A session was authenticated.
    pub fn session_up(&self, side: &'static str, remote: &str) {
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
        inner.go(PeerState::Connected);
        match self.session_lines.admit(self.mono()) {
            Some(suppressed) => {
                tracing::info!(peer = %self.id, side, remote, suppressed, "connected");
            }
            None => tracing::debug!(peer = %self.id, side, remote, "connected"),
        }
        self.tell(PeerChange::Connected);
    }

    /// An authenticated session ended.
    pub fn session_down(&self, side: &'static str, ended: &CloseReason) {
        let mut inner = self.inner.lock();
        inner.sessions = inner.sessions.saturating_sub(1);
        let (code, reason) = (ended.code(), ended.reason());
        if inner.sessions > 0 {
            if ended.is_replaced_by_us() && inner.may_log_replaced(self.mono()) {
                tracing::info!(peer = %self.id, side, "a later login replaced a session");
            } else {
                tracing::debug!(peer = %self.id, side, code, reason, sessions = inner.sessions, "a session ended");
            }
            return;
        }
        inner.last_error = Some(ended.to_string());
        if inner.state != PeerState::Suspended {
            inner.go(PeerState::Disconnected);
        }
        match self.session_lines.admit(self.mono()) {
            Some(suppressed) => {
                tracing::info!(peer = %self.id, side, code, reason, suppressed, "disconnected");
            }
            None => tracing::debug!(peer = %self.id, side, code, reason, "disconnected"),
        }
        self.tell(PeerChange::Disconnected(ended.clone()));
    }

    /// Counts a mistake. The first is logged, and then one line a minute tells how many there were.
    pub fn mistake(&self, mistake: PeerMistake, what: &str, now: MonoTime) {
        let counter = match mistake {
            PeerMistake::Unreadable => &self.unreadable_frames,
            PeerMistake::Refused => &self.refused_frames,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let mut inner = self.inner.lock();
        inner.mistakes += 1;
        if inner.mistakes_logged_at.is_none_or(|at| now.since(at) >= LINE_INTERVAL) {
            inner.mistakes_logged_at = Some(now);
            let count = std::mem::take(&mut inner.mistakes);
            tracing::debug!(peer = %self.id, count, what, "frames refused since the last such line");
        }
    }

    /// The peer has sent a Prepare in a RESPONSE, or an answer in a MESSAGE, and is not configured to do so.
    pub fn swaps_types(&self) {
        let now = self.mono();
        let mut inner = self.inner.lock();
        if inner.last_error.as_deref() != Some(SWAPS_TYPES) {
            inner.last_error = Some(SWAPS_TYPES.to_owned());
        }
        if inner.swapped_logged_at.is_none_or(|at| now.since(at) >= SWAPPED_LINE_INTERVAL) {
            inner.swapped_logged_at = Some(now);
            tracing::warn!(peer = %self.id, error = SWAPS_TYPES, "the peer's packets are not read");
        }
    }

    fn tell(&self, change: PeerChange) {
        // Fails only if nobody listens.
        let _ = self.events.send(PeerEvent { peer: self.id.clone(), change });
    }
}

impl Inner {
    fn new() -> Self {
        Inner {
            state: PeerState::Waiting,
            dialled: false,
            since: SystemTime::now(),
            last_error: None,
            last_attempt_failure: None,
            last_refused_login: None,
            sessions: 0,
            was_connected: false,
            counts: PeerCounts::default(),
            mistakes_logged_at: None,
            mistakes: 0,
            swapped_logged_at: None,
            wrong_answers: WrongAnswers::default(),
            replaced_logged_at: None,
        }
    }

    /// `Some`: it is an event.
    fn login_refused(&mut self, remote: &str, reason: &str) -> Option<String> {
        self.counts.refused_logins += 1;
        self.last_refused_login = Some(RefusedLogin {
            at: SystemTime::now(),
            remote: remote.to_owned(),
            reason: reason.to_owned(),
        });
        if self.dialled || self.sessions > 0 || self.state == PeerState::Suspended {
            return None;
        }
        let error = format!("its login was refused: {reason} (from {remote})");
        self.last_error = Some(error.clone());
        let is_news = self.state != PeerState::AuthenticationFailed;
        self.go(PeerState::AuthenticationFailed);
        is_news.then_some(error)
    }

    fn may_log_replaced(&mut self, now: MonoTime) -> bool {
        let may = self.replaced_logged_at.is_none_or(|at| now.since(at) >= LINE_INTERVAL);
        if may {
            self.replaced_logged_at = Some(now);
        }
        may
    }

    fn go(&mut self, state: PeerState) {
        if self.state != state {
            self.state = state;
            self.since = SystemTime::now();
        }
    }
}

#[cfg(test)]
mod tests;
