//! Packets that a node sends over the network: as many as were asked for, at their rate, each with a real answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::link::Outcome;
use crate::observe::BurstBody;
use crate::peers::NodeContext;
use crate::wire::ilp::Prepare;
use crate::wire::{Address, Amount, Condition};

/// Packets of one burst.
pub(super) const COUNT_MAX: u64 = 100_000;
/// Packets of one burst in a second.
pub(super) const PER_SECOND_MAX: u32 = 10_000;
/// Packets of one burst without an answer. Further ones wait.
const WAITING_MAX: usize = 1_000;
/// For the answer to each.
const ANSWER_TIME: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(10);

/// Packets from one node.
#[derive(Debug)]
pub(super) struct Burst {
    pub(super) context: Arc<NodeContext>,
    pub(super) destination: Address,
    pub(super) amount: Amount,
    pub(super) count: u64,
    pub(super) per_second: u32,
    counts: Mutex<Counts>,
    is_stopped: AtomicBool,
}

#[derive(Debug, Default)]
struct Counts {
    sent: u64,
    fulfilled: u64,
    rejected: BTreeMap<String, u64>,
    is_done: bool,
}

impl Burst {
    pub(super) fn new(
        context: Arc<NodeContext>,
        destination: Address,
        (amount, count, per_second): (Amount, u64, u32),
    ) -> Arc<Self> {
        let (counts, is_stopped) = Default::default();
        Arc::new(Self { context, destination, amount, count, per_second, counts, is_stopped })
    }

    /// Sends no more.
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_done(&self) -> bool {
        self.counts.lock().is_done
    }

    pub(super) fn body(&self) -> BurstBody {
        let counts = self.counts.lock();
        let answered = counts.fulfilled + counts.rejected.values().sum::<u64>();
        BurstBody {
            sent: counts.sent,
            fulfilled: counts.fulfilled,
            rejected: counts.rejected.clone(),
            waiting: counts.sent.saturating_sub(answered),
        }
    }

    /// Sends all packets and counts their answers, unless it is stopped.
    pub(super) async fn run(self: Arc<Self>) {
        let mut waiting = FuturesUnordered::new();
        let began = Instant::now();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sent = 0;
        while !self.is_stopped.load(Ordering::Relaxed) {
            if sent == self.count && waiting.is_empty() {
                self.counts.lock().is_done = true;
                return;
            }
            tokio::select! {
                _ = ticks.tick() => {
                    let due = began.elapsed().as_micros() * u128::from(self.per_second) / 1_000_000;
                    let due = u64::try_from(due).unwrap_or(u64::MAX).saturating_add(1);
                    while sent < due.min(self.count) && waiting.len() < WAITING_MAX {
                        waiting.push(self.send());
                        sent += 1;
                    }
                }
                Some(outcome) = waiting.next() => self.count(outcome),
            }
        }
    }

    async fn send(&self) -> Result<(), String> {
        self.counts.lock().sent += 1;
        let now = self.context.clock.now();
        let connector = &self.context.connector;
        let hop = {
            let batch = connector.start_batch(now);
            let hop = batch.next_hop(self.destination.view(), None);
            hop.map(|hop| hop.map(|account| account.id().clone()))
        };
        let hop = match hop {
            Ok(Some(hop)) => hop,
            // The request was checked: the destination is no longer another node.
            Ok(None) => return Err("F02".to_owned()),
            Err(refusal) => return Err(refusal.code().to_string()),
        };
        let prepare = Prepare {
            amount: self.amount,
            expires_at: now.wall.saturating_add(ANSWER_TIME),
            condition: Condition::PING,
            destination: self.destination.view(),
            data: &[],
        };
        match self.context.send_prepare(&hop, &prepare, now).await {
            Outcome::Fulfilled { .. } => Ok(()),
            Outcome::Rejected(rejection) => Err(rejection.code.to_string()),
            Outcome::NotSent(cause) | Outcome::NoAnswer(cause) => Err(cause.code.to_string()),
        }
    }

    fn count(&self, outcome: Result<(), String>) {
        let mut counts = self.counts.lock();
        match outcome {
            Ok(()) => counts.fulfilled += 1,
            Err(code) => *counts.rejected.entry(code).or_default() += 1,
        }
    }
}
