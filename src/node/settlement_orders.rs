//! Does what operators want of settlements, one order after the other, and answers when each is durable.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::store_waits::{look_up, wait_durable};
use super::task::AbortOnDrop;
use crate::account::AccountId;
use crate::api::{
    ManualSettlement, NodeStatus, RecordedSettlement, SettlementOrder, SettlementRefusal,
};
use crate::books::{
    EventKind, EventLevel, NewEvent, Quantity, Settlement, SettlementDirection, SettlementError,
    SettlementState,
};
use crate::connector::{SettleAmount, SettlementNote};
use crate::link::CutNumber;
use crate::observe::SettlementWay;
use crate::peers::NodeContext;
use crate::store::StoreHandle;

/// Starts the task, which ends when this is dropped.
pub(super) fn start(
    store: StoreHandle,
    context: &Arc<NodeContext>,
    status: Arc<NodeStatus>,
) -> AbortOnDrop {
    let orders = status.accept_settlement_orders();
    let task = SettlementOrders { store, context: Arc::clone(context), status };
    AbortOnDrop::spawn(task.run(orders))
}

struct SettlementOrders {
    store: StoreHandle,
    context: Arc<NodeContext>,
    status: Arc<NodeStatus>,
}

impl SettlementOrders {
    /// Runs until the node stops.
    async fn run(self, mut orders: mpsc::Receiver<SettlementOrder>) {
        while let Some(order) = orders.recv().await {
            // The client may not wait any more.
            match order {
                SettlementOrder::List { account, max, reply } => {
                    drop(reply.send(self.list(account, max).await));
                }
                SettlementOrder::Record { settlement, reply } => {
                    drop(reply.send(self.record(settlement).await));
                }
                SettlementOrder::Retry { account, reply } => {
                    drop(reply.send(self.retry(account)));
                }
            }
        }
    }

    async fn list(
        &self,
        account: Option<AccountId>,
        max: u32,
    ) -> Result<Vec<Settlement>, SettlementRefusal> {
        let account = account.map(|account| account.to_string());
        let listed = look_up(self.store.list_settlements(account, max)).await;
        listed.map_err(SettlementRefusal::StoreFails)
    }

    async fn record(
        &self,
        settlement: ManualSettlement,
    ) -> Result<RecordedSettlement, SettlementRefusal> {
        if let Some(settlement) = self.find_recorded(&settlement).await? {
            return Ok(RecordedSettlement { settlement, was_known: true });
        }
        let ManualSettlement { key, account, direction, units, reference, by } = settlement;
        let connector = &self.context.connector;
        if let Some(failure) = self.status.watch_store_failure().borrow().clone() {
            return Err(SettlementRefusal::StoreFails(failure));
        }
        let note = SettlementNote { reference, by };
        let at = self.context.clock.now().wall;
        let (cut, booked) = match direction {
            SettlementDirection::Incoming => {
                let quantity = Quantity::of_units(units, self.scale_of(&account)?);
                connector.credit_settlement(&account, &key, &quantity, note, at)?
            }
            SettlementDirection::Outgoing => {
                let state = SettlementState::Done;
                let amount = SettleAmount::Units(units);
                connector.begin_settlement(&account, &key, amount, state, note, at)?
            }
        };
        self.wait_durable(cut).await?;
        self.report(&booked);
        Ok(RecordedSettlement { settlement: booked, was_known: false })
    }

    /// The same settlement, if an earlier request has booked it.
    async fn find_recorded(
        &self,
        wanted: &ManualSettlement,
    ) -> Result<Option<Settlement>, SettlementRefusal> {
        let ManualSettlement { key, account, direction, units, .. } = wanted;
        let connector = &self.context.connector;
        let check = |booked: Settlement| {
            let quantity = Quantity::of_units(*units, booked.asset.scale);
            booked.check_recorded(*direction, &quantity)
        };
        let ways = [*direction, direction.reversed()];
        for way in ways {
            if let Some((cut, booked)) = connector.find_unsaved_settlement(way, account, key) {
                let booked = check(booked)?;
                self.wait_durable(cut).await?;
                return Ok(Some(booked));
            }
        }
        for way in ways {
            let found = self.store.find_settlement(way, account.into(), key.clone());
            if let Some(booked) = look_up(found).await.map_err(SettlementRefusal::Unknown)? {
                return Ok(Some(check(booked)?));
            }
        }
        Ok(None)
    }

    async fn wait_durable(&self, cut: CutNumber) -> Result<(), SettlementRefusal> {
        let durable = wait_durable(cut, &self.context.connector, &self.status).await;
        durable.map_err(SettlementRefusal::NotSaved)
    }

    fn scale_of(&self, account: &AccountId) -> Result<u8, SettlementError> {
        let unknown = || SettlementError::UnknownAccount(account.to_string());
        let known = self.context.connector.account(account.as_str()).ok_or_else(unknown)?;
        let batch = self.context.connector.start_batch(self.context.clock.now());
        Ok(batch.settings(&known).ok_or_else(unknown)?.asset.scale)
    }

    fn report(&self, booked: &Settlement) {
        let Settlement { key, account, asset, units, reference, by, .. } = booked;
        let (kind, what) = match booked.direction {
            SettlementDirection::Incoming => (EventKind::SettlementCredited, "has paid us"),
            SettlementDirection::Outgoing => (EventKind::SettlementSent, "was paid by us"),
        };
        let direction = SettlementWay::from(booked.direction).as_str();
        tracing::info!(
            %account, direction, %units, %asset, reference, by, %key,
            "an operator recorded a settlement"
        );
        self.status.record_event(NewEvent {
            level: EventLevel::Info,
            kind,
            text: format!("{account} {what} {units} units of {asset}, as {by} says"),
            peer: Some(account.to_string()),
            fields: vec![
                ("key", key.to_string()),
                ("amount", units.to_string()),
                ("reference", reference.clone()),
            ],
        });
    }

    fn retry(&self, account: AccountId) -> Result<Settlement, SettlementRefusal> {
        let known = self.context.account_settlements().remove(&account).unwrap_or_default();
        let retries = self.context.settlement_retries.get();
        let (Some(settlement), Some(retries)) = (known.pending, retries) else {
            return Err(SettlementRefusal::NothingUnderWay(account));
        };
        if let Some(why) = known.held_up {
            return Err(SettlementRefusal::HeldUp(settlement.key, account, why));
        }
        // If many wait, the engine of this one is asked soon, too.
        let _ = retries.try_send(account);
        Ok(settlement)
    }
}
