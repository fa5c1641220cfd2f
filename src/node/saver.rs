//! Saves the books of a node: takes a cut when accounts have changed, and waits until the store has it.
//!
//! One cut is under way at a time; what changes meanwhile is in the next one. While the store cannot be written, the
//! node admits no Prepares, and goes on trying.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::task;
use crate::api::NodeStatus;
use crate::books::{Cut, EventKind, EventLevel, NewEvent};
use crate::config::{Durability, NodeSettings};
use crate::net::error_chain;
use crate::peers::{NodeContext, StoreMeter};
use crate::store::{StoreHandle, WriteError};
use crate::time::MonoTime;

/// A batched cut waits at least this many times as long as the last one took, so that a slow disk is not always busy.
const PAUSE_FACTOR: u32 = 5;
/// The longest of these pauses: after a cut that hung, the next one must not wait for minutes.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// A cut that takes longer than this counts as a failure, until it ends.
const SLOW_BATCHED: Duration = Duration::from_secs(5);
/// The same with `durability: strict`, where packets wait for it.
const SLOW_STRICT: Duration = Duration::from_millis(500);
/// Pauses between attempts after a failure.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// How long a stopping node waits for its last cut.
const LAST_CUT_TIMEOUT: Duration = Duration::from_secs(10);

/// When cuts are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pace {
    durability: Durability,
    interval: Duration,
}

impl Pace {
    fn new(settings: &NodeSettings) -> Self {
        Self { durability: settings.durability, interval: settings.store_interval }
    }

    /// How long a cut may take.
    fn slow(&self) -> Duration {
        match self.durability {
            Durability::Batched => SLOW_BATCHED,
            Durability::Strict => SLOW_STRICT,
        }
    }
}

/// The running task.
#[derive(Debug)]
pub(super) struct Saver {
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
    pace: watch::Sender<Pace>,
}

impl Saver {
    pub(super) fn start(
        store: StoreHandle,
        context: Arc<NodeContext>,
        status: Arc<NodeStatus>,
        settings: &NodeSettings,
    ) -> Self {
        let (pace, changes) = watch::channel(Pace::new(settings));
        let (stop, stopped) = oneshot::channel();
        context.connector.set_strict(settings.durability == Durability::Strict);
        let last_cut_at = context.clock.mono();
        let saving = Saving {
            store,
            context,
            status,
            pace: changes,
            last_cut_at,
            last_took: Duration::ZERO,
            last_ended: Instant::now(),
        };
        // There from the first scrape on.
        saving.meter();
        Self { task: task::spawn(saving.run(stopped)), stop, pace }
    }

    pub(super) fn follow_config(&self, settings: &NodeSettings, context: &NodeContext) {
        context.connector.set_strict(settings.durability == Durability::Strict);
        self.pace.send_replace(Pace::new(settings));
    }

    /// Saves nothing more: another process has the books.
    pub(super) fn abort(self) {
        self.task.abort();
    }

    /// Saves the last cut and notes that the stop was clean. No packet may be handled any more.
    pub(super) async fn stop(self) {
        let _ = self.stop.send(());
        if timeout(LAST_CUT_TIMEOUT, self.task).await.is_err() {
            tracing::error!("the last balances are not saved: the store did not answer");
        }
    }
}

struct Saving {
    store: StoreHandle,
    context: Arc<NodeContext>,
    status: Arc<NodeStatus>,
    pace: watch::Receiver<Pace>,
    last_cut_at: MonoTime,
    last_took: Duration,
    last_ended: Instant,
}

impl Saving {
    async fn run(mut self, stopped: oneshot::Receiver<()>) {
        let mut stopped = pin!(stopped);
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                () = self.wait_and_save() => {}
            }
        }
        // An interrupted cut may have left rows that only a full one repeats.
        self.context.connector.note_all_accounts();
        let Some(cut) = self.take_cut() else { return };
        let mut saved = self.store.write_last(cut.clone()).await;
        if saved.is_err() && self.store.reopen().await.is_ok() {
            saved = self.store.write_last(cut).await;
        }
        if let Err(error) = saved {
            tracing::error!(error = error_chain(&error), "the last balances are not saved");
        }
    }

    /// Waits until a cut is due, and saves it. A store that fails meanwhile is treated like a failed cut.
    async fn wait_and_save(&mut self) {
        let store = self.store.clone();
        let saved = tokio::select! {
            biased;
            failure = store.failure() => Err(failure),
            () = self.wait_for_work() => self.write_next().await.map_err(|error| error_chain(&error)),
        };
        if let Err(failure) = saved {
            self.note_failure(failure);
            self.retry().await;
        }
    }

    /// Waits until an account has changed, and then until a cut is due.
    async fn wait_for_work(&mut self) {
        self.wait_for_change().await;
        let changed_at = Instant::now();
        loop {
            let pace = *self.pace.borrow_and_update();
            if pace.durability == Durability::Strict {
                return;
            }
            let pause = (self.last_took * PAUSE_FACTOR).min(PAUSE_MAX);
            let after_last = self.last_ended + pause;
            let interval =
                if planted!(SavedLate) { Duration::from_secs(60) } else { pace.interval };
            let due = after_last.max(changed_at + interval);
            tokio::select! {
                biased;
                () = sleep_until(due) => return,
                changed = self.pace.changed() => if changed.is_err() {
                    // The node is going away; the cut is taken now.
                    return;
                }
            }
        }
    }

    /// Waits until an account has changed. What changed during the last cut is at most as old as that cut.
    async fn wait_for_change(&self) {
        let mut since = self.last_cut_at;
        poll_fn(|cx| {
            let changed = self.context.connector.poll_changed(cx);
            if changed.is_pending() {
                since = MonoTime::MAX;
            }
            changed
        })
        .await;
        self.meter().note_change(since.min(self.context.clock.mono()));
    }

    fn meter(&self) -> &StoreMeter {
        self.context.store_meter.get_or_init(StoreMeter::default)
    }

    fn take_cut(&self) -> Option<Cut> {
        self.context.connector.take_cut(self.context.clock.now().wall)
    }

    /// Takes a cut and saves it. One that takes long counts as a failure, and ends nevertheless.
    async fn write_next(&mut self) -> Result<(), WriteError> {
        self.last_cut_at = self.context.clock.mono();
        let Some(cut) = self.take_cut() else { return Ok(()) };
        let (number, began) = (cut.number, Instant::now());
        let records = cut.records();
        let has_events = !(records.events.is_empty() && records.deliveries.is_empty());
        let rows = cut.accounts.len() + records.adjustments.len() + cut.payments.len();
        let slow = self.pace.borrow().slow();
        {
            let mut write = pin!(self.store.write(cut));
            match timeout(slow, &mut write).await {
                Ok(result) => result?,
                Err(_) => {
                    self.note_failure(format!("the store has not answered for {slow:?}"));
                    write.await?;
                }
            }
        }
        self.context.connector.publish_durable(number);
        if has_events {
            self.context.saved_events.send_replace(number);
        }
        (self.last_ended, self.last_took) = (Instant::now(), began.elapsed());
        self.meter().note_saved(self.last_took, rows);
        self.note_success();
        Ok(())
    }

    /// Opens the store again and saves all accounts, until it works.
    async fn retry(&mut self) {
        let mut pause = RETRY_MIN;
        loop {
            sleep(pause).await;
            pause = (pause * 2).min(RETRY_MAX);
            let result = match self.store.reopen().await {
                Ok(()) => {
                    if !planted!(UnsavedForgotten) {
                        self.context.connector.note_all_accounts();
                    }
                    self.write_next().await
                }
                Err(error) => Err(error),
            };
            match result {
                Ok(()) => return,
                Err(error) => self.note_failure(error_chain(&error)),
            }
        }
    }

    fn is_failing(&self) -> bool {
        self.status.watch_store_failure().borrow().is_some()
    }

    /// The status names the latest error. The log has only the first one, until the store works again.
    fn note_failure(&self, error: String) {
        if !self.is_failing() {
            tracing::error!(
                error,
                "cannot save the balances; new packets are rejected until it works"
            );
            self.status.record_event(NewEvent {
                level: EventLevel::Error,
                kind: EventKind::StoreFailing,
                text: format!("the books cannot be saved: {error}"),
                peer: None,
                fields: vec![("error", error.clone())],
            });
        }
        self.meter().note_failure();
        self.context.connector.set_store_failing(true);
        self.status.set_store_failure(Some(error));
    }

    fn note_success(&self) {
        if self.is_failing() {
            self.meter().note_recovery();
            self.context.connector.set_store_failing(false);
            self.status.set_store_failure(None);
            tracing::info!("the balances are saved again");
            self.status.record_event(NewEvent {
                level: EventLevel::Info,
                kind: EventKind::StoreRecovered,
                text: "the books are saved again".to_owned(),
                peer: None,
                fields: Vec::new(),
            });
        }
    }
}

#[cfg(test)]
mod tests;
