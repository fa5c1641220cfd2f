//! The task that pays peers outside of Interledger: it calls [`Settler`], which decides, and does what it says.
//!
//! It is not on the way of any packet. A cut names the accounts whose settlement is due; time, rejects of peers and
//! changes of the configuration are looked at every second.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::task::AbortOnDrop;
use crate::account::AccountId;
use crate::api::NodeStatus;
use crate::books::{EventKind, EventLevel, NewEvent, Settlement};
use crate::connector::{AnsweredSettlement, Settler, SettlerAction, SettlerInput};
use crate::machine;
use crate::peers::{NodeContext, SettlementProgress};

/// How often all accounts are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The pause between looks at accounts that cuts name, which may come every 0.2 ms.
const DUE_PAUSE: Duration = Duration::from_millis(20);
/// Of a settlement that fails again and again, one in so many attempts is an event.
const ATTEMPTS_PER_EVENT: u32 = 10;

/// Requests of operators to ask an engine again that may wait.
const RETRIES_MAX: usize = 64;

/// A request to an engine, with its settlement.
type Asked = Pin<Box<dyn Future<Output = (Settlement, Result<(), String>)> + Send>>;

/// Starts the task, which ends when this is dropped. `ask` sends the request of a settlement to the engine of its
/// account, once, and says why the engine has not accepted it.
pub(super) fn start<F>(
    context: Arc<NodeContext>,
    status: Arc<NodeStatus>,
    ask: impl Fn(Settlement) -> F + Send + 'static,
) -> AbortOnDrop
where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    let ask = move |settlement: Settlement| -> Asked {
        let answer = ask(settlement.clone());
        Box::pin(async move { (settlement, answer.await) })
    };
    let (sender, retries) = mpsc::channel(RETRIES_MAX);
    // Set once: this is called once, at the start of a node.
    let _ = context.settlement_retries.set(sender);
    let settlements = Settlements {
        context,
        status,
        ask: Box::new(ask),
        settler: Settler::default(),
        asked: FuturesUnordered::new(),
    };
    AbortOnDrop::spawn(settlements.run(retries))
}

struct Settlements {
    context: Arc<NodeContext>,
    status: Arc<NodeStatus>,
    ask: Box<dyn Fn(Settlement) -> Asked + Send>,
    settler: Settler,
    /// At most one for each account.
    asked: FuturesUnordered<Asked>,
}

/// What happened.
enum Step {
    Look(Vec<AccountId>),
    LookAtAll,
    Answered(Settlement, Result<(), String>),
}

impl Settlements {
    /// Runs until the node stops.
    async fn run(mut self, mut retries: mpsc::Receiver<AccountId>) {
        let context = Arc::clone(&self.context);
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut paused = context.paused_settlements.subscribe();
        let mut next_due = Instant::now();
        loop {
            let saving = self.settler.saving();
            let saved = async {
                let Some((cut, accounts)) = saving else { return pending().await };
                poll_fn(|cx| context.connector.poll_durable(cut, cx)).await;
                accounts
            };
            let due = async {
                sleep_until(next_due).await;
                poll_fn(|cx| context.connector.poll_settlements_due(cx)).await
            };
            let step = tokio::select! {
                biased;
                _ = looks.tick() => Step::LookAtAll,
                Ok(()) = paused.changed() => Step::LookAtAll,
                Some((settlement, answer)) = self.asked.next() => Step::Answered(settlement, answer),
                accounts = saved => Step::Look(accounts),
                accounts = due => {
                    next_due = Instant::now() + DUE_PAUSE;
                    Step::Look(accounts)
                }
                Some(account) = retries.recv() => {
                    self.settler.retry(&account);
                    Step::Look(vec![account])
                }
            };
            self.take(step);
        }
    }

    fn take(&mut self, step: Step) {
        let connector = &self.context.connector;
        let now = self.context.clock.now();
        let paused = self.context.paused_settlements.borrow().keys().cloned().collect();
        let mut input = SettlerInput {
            now,
            durable: connector.durable_cut(),
            may_begin: self.status.watch_store_failure().borrow().is_none(),
            paused: &paused,
            random: &mut machine::random,
        };
        let actions = match step {
            Step::Look(accounts) => self.settler.look_at(&accounts, connector, &mut input),
            Step::LookAtAll => self.settler.look_at_all(connector, &mut input),
            Step::Answered(settlement, answer) => {
                let random = machine::random();
                let answered =
                    self.settler.note_answer(&settlement, &answer, connector, now, random);
                if let Some(answered) = answered {
                    self.report_answer(&answered, answer.err());
                }
                return;
            }
        };
        for action in actions {
            self.act(action);
        }
    }

    fn act(&mut self, action: SettlerAction) {
        match action {
            SettlerAction::Ask(settlement) => self.asked.push((self.ask)(settlement)),
            SettlerAction::Begun(settlement) => {
                let Settlement { account, asset, units, key, .. } = &settlement;
                tracing::info!(peer = %account, %units, %asset, %key, "a settlement begins");
                let text = format!("a settlement of {units} units ({asset}) with {account} begins");
                self.record(EventLevel::Info, EventKind::SettlementDue, text, &settlement);
            }
            SettlerAction::Due { account, balance, reason } => {
                tracing::warn!(
                    peer = %account, %balance, %reason,
                    "a settlement is due, and no engine pays it now"
                );
                self.status.record_event(NewEvent {
                    level: EventLevel::Warn,
                    kind: EventKind::SettlementDue,
                    text: format!("a settlement with {account} is due: {reason}"),
                    peer: Some(account.to_string()),
                    fields: vec![("balance", balance.to_string()), ("reason", reason.to_string())],
                });
            }
        }
    }

    fn report_answer(&self, answered: &AnsweredSettlement, why: Option<String>) {
        let settlement = &answered.settlement;
        let Settlement { account, asset, units, key, attempts, .. } = settlement;
        self.note_progress(answered, why.as_deref());
        let Some(why) = why else {
            tracing::info!(
                peer = %account, %units, %asset, attempts, %key,
                "the settlement engine has accepted a settlement"
            );
            let text = format!("the engine of {account} pays {units} units ({asset})");
            self.record(EventLevel::Info, EventKind::SettlementSent, text, settlement);
            return;
        };
        // The first pauses are shorter than a second, and none is 0.
        let next_in = answered.next_attempt_in.unwrap_or_default();
        let next_in_s = next_in.as_secs() + u64::from(next_in.subsec_nanos() > 0);
        if *attempts == 1 || attempts % ATTEMPTS_PER_EVENT == 0 {
            tracing::warn!(
                peer = %account, %units, %asset, attempts, %key, why, next_in_s,
                "the settlement engine has not accepted a settlement; it is requested again"
            );
            let text = format!("the engine of {account} has not accepted a settlement: {why}");
            self.record(EventLevel::Warn, EventKind::SettlementFailing, text, settlement);
        }
    }

    /// Shows operators what went wrong last, until the engine accepts the settlement.
    fn note_progress(&self, answered: &AnsweredSettlement, why: Option<&str>) {
        let Settlement { account, attempts, .. } = &answered.settlement;
        let Ok(account) = account.parse::<AccountId>() else { return };
        let mut progress = self.context.settlement_progress.lock();
        let (Some(why), Some(pause)) = (why, answered.next_attempt_in) else {
            progress.remove(&account);
            return;
        };
        let next_attempt_at = self.context.clock.now().wall.saturating_add(pause);
        let last_error = why.to_owned();
        progress.insert(
            account,
            SettlementProgress { attempts: *attempts, last_error, next_attempt_at },
        );
    }

    fn record(&self, level: EventLevel, kind: EventKind, text: String, settlement: &Settlement) {
        let Settlement { account, asset, units, key, attempts, .. } = settlement;
        let fields = vec![
            ("units", units.to_string()),
            ("asset", asset.to_string()),
            ("key", key.to_string()),
            ("attempts", attempts.to_string()),
        ];
        let peer = Some(account.to_string());
        self.status.record_event(NewEvent { level, kind, text, peer, fields });
    }
}

#[cfg(test)]
mod tests;
