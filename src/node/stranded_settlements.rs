//! Says once of each settlement that is debited and that no engine pays any more, because a configuration has taken
//! the engine, or the whole peer, away.

use std::collections::BTreeSet;

use crate::api::NodeStatus;
use crate::books::{EventKind, EventLevel, NewEvent, Settlement, SettlementKey};
use crate::peers::{NodeContext, SettlementHoldUp};

/// The settlements that were reported.
#[derive(Debug, Default)]
pub(super) struct StrandedSettlements(BTreeSet<SettlementKey>);

impl StrandedSettlements {
    /// Looks at the configuration that the packet path has now.
    pub(super) fn follow_config(&mut self, context: &NodeContext, status: &NodeStatus) {
        let known = context.account_settlements().into_values();
        let stranded = known.filter(|known| known.held_up == Some(SettlementHoldUp::NoEngine));
        let stranded: Vec<Settlement> = stranded.filter_map(|known| known.pending).collect();
        for settlement in stranded.iter().filter(|one| !self.0.contains(&one.key)) {
            let Settlement { account, units, asset, key, .. } = settlement;
            tracing::warn!(
                peer = %account, %units, %asset, %key,
                "a settlement is debited and not paid, and its peer has no settlement engine any more"
            );
            status.record_event(NewEvent {
                level: EventLevel::Warn,
                kind: EventKind::SettlementFailing,
                text: format!(
                    "a settlement of {units} units ({asset}) with {account} is debited and not paid: the configuration \
                     gives it no settlement engine any more"
                ),
                peer: Some(account.to_string()),
                fields: vec![
                    ("units", units.to_string()),
                    ("asset", asset.to_string()),
                    ("key", key.to_string()),
                ],
            });
        }
        self.0 = stranded.into_iter().map(|one| one.key).collect();
    }
}
