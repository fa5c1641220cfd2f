//! Books the settlements that engines report, and answers when they are durable.
//!
//! A credit is made once for each key: a key is looked up among the settlements that are not saved yet, and then in the
//! store. Credits that arrive together are in one cut. Once a credit is made, only success is answered: an engine that
//! hears of a failure may report the same money under another key.

use std::future::poll_fn;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::store_waits::look_up;
use super::task::AbortOnDrop;
use crate::account::SettlementMode;
use crate::api::NodeStatus;
use crate::books::{EventKind, EventLevel, NewEvent, SettlementDirection};
use crate::connector::SettlementNote;
use crate::link::CutNumber;
use crate::peers::{CREDIT_ORDERS_MAX, CreditOrder, CreditRefusal, NodeContext};
use crate::store::StoreHandle;

/// Credits that are booked for one cut.
const BATCH_MAX: usize = 256;
/// Who made the credits, in the books.
const BY: &str = "engine";

type Reply = oneshot::Sender<Result<(), CreditRefusal>>;

/// Starts the task, which ends when this is dropped.
pub(super) fn start(
    store: StoreHandle,
    context: &Arc<NodeContext>,
    status: Arc<NodeStatus>,
) -> AbortOnDrop {
    let (sender, orders) = mpsc::channel(CREDIT_ORDERS_MAX);
    // Set once: this is called once, at the start of a node.
    let _ = context.credits.set(sender);
    let credits = Credits { store, context: Arc::clone(context), status };
    AbortOnDrop::spawn(credits.run(orders))
}

struct Credits {
    store: StoreHandle,
    context: Arc<NodeContext>,
    status: Arc<NodeStatus>,
}

impl Credits {
    /// Runs until the node stops.
    async fn run(self, mut orders: mpsc::Receiver<CreditOrder>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while orders.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let mut newest = CutNumber::NONE;
            let mut booked: Vec<Reply> = Vec::with_capacity(batch.len());
            for order in batch.drain(..) {
                match self.credit(&order).await {
                    Ok(cut) => {
                        newest = newest.max(cut);
                        booked.push(order.reply);
                    }
                    // The engine may not wait any more.
                    Err(refusal) => drop(order.reply.send(Err(refusal))),
                }
            }
            let connector = &self.context.connector;
            if !planted!(EarlyCredit) {
                poll_fn(|cx| connector.poll_durable(newest, cx)).await;
            }
            for reply in booked {
                let _ = reply.send(Ok(()));
            }
        }
    }

    /// Makes one credit. Returns the cut that has it, which may be durable already.
    async fn credit(&self, order: &CreditOrder) -> Result<CutNumber, CreditRefusal> {
        let CreditOrder { account, key, quantity, .. } = order;
        let connector = &self.context.connector;
        let direction = SettlementDirection::Incoming;
        if let Some((cut, booked)) = connector.find_unsaved_settlement(direction, account, key) {
            booked.check_repeated(quantity)?;
            return Ok(cut);
        }
        let lookup = self.store.find_settlement(direction, account.into(), key.clone());
        if let Some(booked) = look_up(lookup).await.map_err(CreditRefusal::StoreFails)?
            && !planted!(CreditedTwice)
        {
            booked.check_repeated(quantity)?;
            return Ok(CutNumber::NONE);
        }
        // Only now: what was credited before is confirmed.
        let view = connector.settlement_view(account);
        if view.is_some_and(|view| view.rules.mode != SettlementMode::Engine) {
            return Err(CreditRefusal::NoEngine(account.clone()));
        }
        if let Some(failure) = self.status.watch_store_failure().borrow().clone() {
            return Err(CreditRefusal::StoreFails(failure));
        }
        let note = SettlementNote { reference: String::new(), by: BY.to_owned() };
        let now = self.context.clock.now().wall;
        let (cut, booked) = connector.credit_settlement(account, key, quantity, note, now)?;
        connector.note_credit_places(account, quantity.scale);
        tracing::info!(
            peer = %account, units = %booked.units, asset = %booked.asset, %key,
            "a peer's settlement is credited"
        );
        self.status.record_event(NewEvent {
            level: EventLevel::Info,
            kind: EventKind::SettlementCredited,
            text: format!("{account} has paid {} units ({})", booked.units, booked.asset),
            peer: Some(account.to_string()),
            fields: vec![
                ("units", booked.units.to_string()),
                ("asset", booked.asset.to_string()),
                ("key", key.to_string()),
            ],
        });
        Ok(cut)
    }
}

#[cfg(test)]
mod tests;
