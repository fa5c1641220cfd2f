//! The metrics of settlements.

use std::collections::BTreeMap;
use std::fmt;

use super::account_families::units;
use super::family_encoder::{FamilyEncoder, by_direction, peer_label};
use crate::account::{AccountId, SettlementMode, Totals};
use crate::connector::AccountReport;
use crate::peers::{EngineAccount, EngineState};

/// What is known of the settlement engines.
#[derive(Debug)]
pub(super) struct EngineMetrics {
    /// The accounts at them, by peer.
    pub(super) accounts: BTreeMap<AccountId, EngineAccount>,
    /// Their requests that were refused.
    pub(super) refused_requests: u64,
}

/// Only of accounts that settle, or have settled.
pub(super) fn encode(
    accounts: &[AccountReport],
    engines: &EngineMetrics,
    families: &mut FamilyEncoder<'_, '_>,
) -> fmt::Result {
    let mode = |account: &AccountReport| account.settings.settlement.mode;
    let has_settled = |totals: &Totals| (totals.settled_in, totals.settled_out) != (0, 0);
    let settling = |account: &&AccountReport| {
        mode(account) != SettlementMode::None || has_settled(&account.totals)
    };
    families.gauges(
        "ilp_account_settled_units",
        "What was settled in all, in the asset's smallest unit: received from the peer, or sent to it",
        None,
        accounts.iter().filter(settling).flat_map(|account| {
            let Totals { settled_in, settled_out, .. } = account.totals;
            by_direction(&account.settings.id, units(settled_in), units(settled_out))
        }),
    )?;
    // Also one whose engine was taken away: the money is debited.
    let with_engine = accounts
        .iter()
        .filter(|one| mode(one) == SettlementMode::Engine || one.settlement_pending != 0);
    families.gauges(
        "ilp_settlement_pending_units",
        "The settlement that the engine of the peer has not accepted, in the same unit; 0: none",
        None,
        with_engine.map(|account| {
            let pending = i128::try_from(account.settlement_pending).unwrap_or(i128::MAX);
            (peer_label(&account.settings.id), units(pending))
        }),
    )?;
    let ready = |engine: &EngineAccount| i64::from(engine.state == EngineState::Ready);
    families.gauges(
        "ilp_settlement_engine_ready",
        "1 if the settlement engine of the peer has confirmed the peer's account, else 0",
        None,
        engines.accounts.iter().map(|(peer, engine)| (peer_label(peer), ready(engine))),
    )?;
    families.counters(
        "ilp_settlement_engine_failures",
        "Requests to the settlement engine of the peer that failed",
        engines.accounts.iter().map(|(peer, engine)| (peer_label(peer), engine.failures)),
    )?;
    let help = "Requests of settlement engines that were refused";
    families.counter("ilp_settlement_refused_requests", help, engines.refused_requests)
}
