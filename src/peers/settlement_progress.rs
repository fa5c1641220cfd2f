//! How far the settlement of an account is that its engine has not accepted, and what is in its way.

use std::collections::BTreeMap;

use super::engine_account::EngineAccount;
use super::node_context::NodeContext;
use crate::account::{AccountId, SettlementMode};
use crate::books::Settlement;
use crate::wire::Timestamp;

/// A settlement that an engine has not accepted at the last attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettlementProgress {
    /// How often the engine was asked since the start.
    pub attempts: u32,
    /// Why it was not accepted.
    pub last_error: String,
    /// When the engine is asked again.
    pub next_attempt_at: Timestamp,
}

/// Why no engine is asked to pay a settlement that is debited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettlementHoldUp {
    /// An operator wants it so, until this time.
    #[error("settlements with this peer are paused until {0}")]
    Paused(Timestamp),
    /// The configuration gives the peer none.
    #[error("the configuration gives this peer no settlement engine")]
    NoEngine,
}

/// What an operator should know of the settlements with one account, beyond its totals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountSettlements {
    /// The one that is debited and that no engine has accepted.
    pub pending: Option<Settlement>,
    /// How the last attempt failed.
    pub failure: Option<SettlementProgress>,
    /// Until when an operator lets none begin.
    pub paused_until: Option<Timestamp>,
    /// Why no engine is asked for the pending one.
    pub held_up: Option<SettlementHoldUp>,
    /// Its account at its engine. `None`: it has no engine.
    pub engine: Option<EngineAccount>,
}

impl AccountSettlements {
    /// When the engine is asked again. `None`: it is being asked, or is not asked at all.
    pub fn next_attempt_at(&self, now: Timestamp) -> Option<Timestamp> {
        let failure = self.failure.as_ref().filter(|_| self.held_up.is_none())?;
        Some(failure.next_attempt_at).filter(|at| *at > now)
    }
}

impl NodeContext {
    /// The accounts with an engine, with a settlement that no engine has accepted, or whose settlements are paused.
    /// Locks one account at a time.
    pub fn account_settlements(&self) -> BTreeMap<AccountId, AccountSettlements> {
        let mut found: BTreeMap<AccountId, AccountSettlements> = BTreeMap::new();
        for (account, until) in &*self.paused_settlements.borrow() {
            found.entry(account.clone()).or_default().paused_until = Some(*until);
        }
        for (account, engine) in self.engine_accounts.all() {
            found.entry(account).or_default().engine = Some(engine);
        }
        for settlement in self.connector.settlements_under_way() {
            let Ok(account) = settlement.account.parse::<AccountId>() else { continue };
            let view = self.connector.settlement_view(&account);
            let has_engine = view.is_some_and(|view| view.rules.mode == SettlementMode::Engine);
            let one = found.entry(account.clone()).or_default();
            one.held_up = match one.paused_until {
                _ if !has_engine => Some(SettlementHoldUp::NoEngine),
                Some(until) => Some(SettlementHoldUp::Paused(until)),
                None => None,
            };
            one.failure = self.settlement_progress.lock().get(&account).cloned();
            one.pending = Some(settlement);
        }
        found
    }
}
