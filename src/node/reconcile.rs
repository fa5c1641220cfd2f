//! Compares the books with those of each peer: shortly after a link-up, from time to time, when the two ends differ,
//! and when an operator wants it.
//!
//! A node without a store compares only when an operator wants it, because its books end with the process; it answers
//! its peers nevertheless. Exchanges with different peers run beside each other: a peer that is silent delays no other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior};

use super::task::{self, AbortOnDrop};
use crate::account::AccountId;
use crate::api::{NodeStatus, NotCompared, ReconcileOrder};
use crate::books::{BooksVerdict, ChangeId, EventKind, EventLevel, NewEvent, ReconcileState};
use crate::config::NodeSettings;
use crate::connector::{BooksAnswer, NotReconciled, Reconciled};
use crate::link::Rejection;
use crate::machine;
use crate::net::sanitize;
use crate::peers::NodeContext;
use crate::wire::ilp::ErrorClass;

/// How often due exchanges are looked for.
const TICK: Duration = Duration::from_millis(200);
/// After a link-up: what the lost session still carries comes first.
const AFTER_LINK_UP: Duration = Duration::from_secs(1);
/// The shortest time between two exchanges with a peer.
const PAUSE_MIN: Duration = Duration::from_millis(200);
/// The longest time between two exchanges while an earlier one has left questions open.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Exchanges at the same time; more peers than these wait for the next tick.
const EXCHANGES_MAX: usize = 64;
/// Characters of a peer's message.
const MESSAGE_MAX: usize = 200;

/// The running task, which ends when this is dropped.
pub(super) struct ReconcileTask {
    _task: AbortOnDrop,
    interval: watch::Sender<Duration>,
}

impl ReconcileTask {
    pub(super) fn start(
        context: Arc<NodeContext>,
        status: Arc<NodeStatus>,
        settings: &NodeSettings,
        has_store: bool,
    ) -> Self {
        let (interval, changes) = watch::channel(settings.reconcile_interval);
        let orders = status.accept_reconcile_orders();
        let (done_sender, done) = mpsc::channel(EXCHANGES_MAX);
        let reconciling = Reconciling {
            context,
            status,
            interval: changes,
            has_store,
            started_at: Instant::now(),
            peers: BTreeMap::new(),
            running: BTreeSet::new(),
            alarmed: BTreeSet::new(),
            waiting: BTreeMap::new(),
            done_sender,
        };
        Self { _task: AbortOnDrop::spawn(reconciling.run(orders, done)), interval }
    }

    pub(super) fn follow_config(&self, settings: &NodeSettings) {
        self.interval.send_if_modified(|interval| {
            let before = std::mem::replace(interval, settings.reconcile_interval);
            before != settings.reconcile_interval
        });
    }
}

/// When the books of a peer are looked at again.
#[derive(Debug, Default)]
struct Schedule {
    is_connected: bool,
    next_at: Option<Instant>,
    last_at: Option<Instant>,
    /// Exchanges in a row that have left questions open.
    open: u32,
}

type Reply = oneshot::Sender<Result<ReconcileState, NotCompared>>;
type Done = (AccountId, Result<Reconciled, NotCompared>);

struct Reconciling {
    context: Arc<NodeContext>,
    status: Arc<NodeStatus>,
    interval: watch::Receiver<Duration>,
    has_store: bool,
    started_at: Instant,
    peers: BTreeMap<AccountId, Schedule>,
    running: BTreeSet<AccountId>,
    /// Peers of which an alarm was reported, and not its end.
    alarmed: BTreeSet<AccountId>,
    /// Operators that wait for the next result of a peer.
    waiting: BTreeMap<AccountId, Vec<Reply>>,
    done_sender: mpsc::Sender<Done>,
}

impl Reconciling {
    async fn run(
        mut self,
        mut orders: mpsc::Receiver<ReconcileOrder>,
        mut done: mpsc::Receiver<Done>,
    ) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = ticks.tick(), if self.has_store => self.begin_due(),
                Some((peer, result)) = done.recv() => self.end(peer, result),
                order = orders.recv() => {
                    let Some(ReconcileOrder { peer, reply }) = order else { return };
                    self.take_order(peer, reply);
                }
                Ok(()) = self.interval.changed() => {
                    let interval = *self.interval.borrow_and_update();
                    let latest = Instant::now() + interval;
                    for schedule in self.peers.values_mut() {
                        schedule.next_at = schedule.next_at.map(|at| at.min(latest));
                    }
                }
            }
        }
    }

    fn begin_due(&mut self) {
        let (now, connector) = (Instant::now(), Arc::clone(&self.context.connector));
        let connected = connector.reachable_peers();
        self.peers.retain(|peer, _| connected.contains_key(peer));
        for (peer, is_connected) in connected {
            let schedule = self.peers.entry(peer).or_default();
            if is_connected && !schedule.is_connected {
                (schedule.next_at, schedule.open) = (Some(now + AFTER_LINK_UP), 0);
            }
            schedule.is_connected = is_connected;
        }
        for peer in connector.take_wanted_reconciliations() {
            if let Some(schedule) = self.peers.get_mut(&peer) {
                let earliest = schedule.last_at.map_or(now, |last| last + AFTER_LINK_UP);
                let at = schedule.next_at.map_or(earliest, |next| next.min(earliest));
                schedule.next_at = Some(at);
            }
        }
        if store_failure(&self.status).is_some() {
            // What is concluded could not be saved. It is asked for when the store works again.
            return;
        }
        let is_due = |schedule: &Schedule| {
            schedule.is_connected && schedule.next_at.is_some_and(|at| at <= now)
        };
        let due = self.peers.iter().filter(|(_, schedule)| is_due(schedule));
        let due: Vec<_> = due.map(|(peer, _)| peer.clone()).collect();
        due.iter().for_each(|peer| self.begin(peer));
    }

    fn take_order(&mut self, peer: AccountId, reply: Reply) {
        if let Some(failure) = store_failure(&self.status) {
            // The client may not wait any more.
            let _ = reply.send(Err(failure));
            return;
        }
        self.waiting.entry(peer.clone()).or_default().push(reply);
        self.begin(&peer);
    }

    /// Begins an exchange, unless one with this peer runs.
    fn begin(&mut self, peer: &AccountId) {
        if self.running.len() >= EXCHANGES_MAX || !self.running.insert(peer.clone()) {
            return;
        }
        let (context, status) = (Arc::clone(&self.context), Arc::clone(&self.status));
        let up_since = self.started_at;
        let (peer, done) = (peer.clone(), self.done_sender.clone());
        let exchange = async move {
            let result = exchange(&context, &status, &peer, up_since).await;
            // The node stops if nothing takes it.
            let _ = done.send((peer, result)).await;
        };
        drop(task::spawn(exchange));
    }

    fn end(&mut self, peer: AccountId, result: Result<Reconciled, NotCompared>) {
        self.running.remove(&peer);
        if let Ok(reconciled) = &result {
            self.report(&peer, reconciled);
        }
        if let Some(schedule) = self.peers.get_mut(&peer) {
            let (now, interval) = (Instant::now(), *self.interval.borrow());
            let open = |schedule: &mut Schedule, pause: Duration| {
                let longer = pause * 2_u32.saturating_pow(schedule.open.min(10));
                schedule.open = schedule.open.saturating_add(1);
                longer.clamp(PAUSE_MIN, PAUSE_MAX.max(pause)).min(interval)
            };
            let pause = match &result {
                Ok(Reconciled { judgement, .. }) => match judgement.again_after {
                    Some(pause) => open(schedule, pause),
                    None => {
                        schedule.open = 0;
                        interval
                    }
                },
                Err(NotCompared::Unsupported(_)) => interval,
                Err(NotCompared::Unanswered(_) | NotCompared::Unusable(_)) => {
                    open(schedule, AFTER_LINK_UP)
                }
            };
            (schedule.last_at, schedule.next_at) = (Some(now), Some(now + pause));
        }
        for reply in self.waiting.remove(&peer).into_iter().flatten() {
            let result = result.as_ref().map(|reconciled| reconciled.state.clone());
            // The client may not wait any more.
            let _ = reply.send(result.map_err(NotCompared::clone));
        }
        // One that found no room.
        let next = self.waiting.keys().find(|peer| !self.running.contains(*peer)).cloned();
        if let Some(peer) = next {
            self.begin(&peer);
        }
    }

    /// Reports what has changed.
    fn report(&mut self, peer: &AccountId, reconciled: &Reconciled) {
        let Reconciled { before, state, asset, judgement, made, other_asset } = reconciled;
        if let Some(notice) = &judgement.notice {
            tracing::warn!(%peer, %notice, "the books of a peer were compared with ours");
        }
        for change in made {
            tracing::warn!(
                %peer, %change,
                "changed the books after they were compared with the peer's"
            );
        }
        let found = other_asset.as_ref().map_or_else(
            || state.describe(asset),
            |asset| format!("the peer counts in {}", sanitize(asset)),
        );
        let changed = (before.verdict, before.difference) != (state.verdict, state.difference);
        if before.verdict.is_alarm() {
            // Also if an earlier process has reported it.
            self.alarmed.insert(peer.clone());
        }
        let (level, text) = if state.verdict.is_alarm() && changed {
            tracing::warn!(%peer, %found, "the books of a peer differ from ours");
            self.alarmed.insert(peer.clone());
            (EventLevel::Error, format!("the books differ: {found}"))
        } else if state.verdict == BooksVerdict::Agrees && self.alarmed.remove(peer) {
            tracing::info!(%peer, "the books of a peer agree with ours again");
            (EventLevel::Info, "the books agree again".to_owned())
        } else {
            return;
        };
        let is_overdue = state.verdict == BooksVerdict::Overdue && state.difference.paid > 0;
        let total = state.difference.total().to_string();
        self.status.record_event(NewEvent {
            level,
            kind: match is_overdue {
                true => EventKind::SettlementOverdue,
                false => EventKind::ReconcileDrift,
            },
            text,
            peer: Some(peer.to_string()),
            fields: vec![("verdict", state.verdict.to_string()), ("difference", total)],
        });
    }
}

/// Why nothing is compared while the store fails: what is concluded could not be saved.
fn store_failure(status: &NodeStatus) -> Option<NotCompared> {
    let failure = status.watch_store_failure().borrow().clone()?;
    Some(NotCompared::Unusable(format!("books are not compared while the store fails: {failure}")))
}

/// Asks a peer for its books, and concludes from them.
async fn exchange(
    context: &NodeContext,
    status: &NodeStatus,
    peer: &AccountId,
    up_since: Instant,
) -> Result<Reconciled, NotCompared> {
    let (sender, answer) = oneshot::channel();
    // The receiver is gone if this future was dropped.
    let answered = move |answer| drop(sender.send(answer));
    let connector = &context.connector;
    let was_first = connector.ask_for_books(peer, context.clock.now(), answered);
    let mut books = match answer.await.expect("the packet path answers every request once") {
        BooksAnswer::Books(books) => books,
        BooksAnswer::Rejected(rejection) => return Err(rejected(context, peer, &rejection)),
        BooksAnswer::None(cause) => {
            return Err(NotCompared::Unanswered(format!("{}: {}", cause.code, cause.message)));
        }
        BooksAnswer::Gone => return Err(NotCompared::Unusable(NotReconciled::Gone.to_string())),
    };
    books.is_answered_in_order &= was_first;
    if let Some(failure) = store_failure(status) {
        return Err(failure);
    }
    let next_id = || ChangeId::from_random(machine::random());
    let (up_for, now) = (up_since.elapsed(), context.clock.now());
    let concluded = connector.conclude_exchange(peer, &books, up_for, now, next_id);
    concluded.map_err(|error| NotCompared::Unusable(error.to_string()))
}

fn rejected(context: &NodeContext, peer: &AccountId, rejection: &Rejection) -> NotCompared {
    let Rejection { code, message, .. } = rejection;
    let message: String = sanitize(message).chars().take(MESSAGE_MAX).collect();
    let text = format!("{code} {message}");
    if code.class() == Some(ErrorClass::Final) {
        context.connector.note_unsupported_reconciliation(peer);
        NotCompared::Unsupported(text)
    } else {
        NotCompared::Unanswered(text)
    }
}

#[cfg(test)]
mod tests;
