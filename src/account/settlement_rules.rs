//! When a node pays a peer outside of Interledger.

use std::time::Duration;

use serde::Serialize;

/// Who pays the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SettlementMode {
    /// No settlement is configured.
    #[default]
    None,
    /// The operator pays by other means, and records it.
    Manual,
    /// A settlement engine pays.
    Engine,
}

impl SettlementMode {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Manual => "manual",
            Self::Engine => "engine",
        }
    }
}

/// When and how much a node settles with one peer. Amounts are in the account's units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettlementRules {
    /// Who pays.
    pub mode: SettlementMode,
    /// A settlement is due when the balance is at or below this.
    pub threshold: Option<i128>,
    /// The balance after a settlement.
    pub target: i128,
    /// Settles this often, too, if the balance is below the target.
    pub interval: Option<Duration>,
    /// The most that is settled within an hour.
    pub max_per_hour: Option<u128>,
    /// Settles when the peer rejects a packet of ours because of a limit of its balance (T04).
    pub on_t04: bool,
}

impl SettlementRules {
    /// Whether the balance is so low that a settlement is due.
    pub fn is_due(&self, balance: i128) -> bool {
        self.mode != SettlementMode::None
            && self.threshold.is_some_and(|threshold| balance <= threshold)
            && self.missing(balance) > 0
    }

    /// Whether the balance is so far above the threshold, by a tenth of the way to the target, that it is news when a
    /// settlement is due again.
    pub fn is_over(&self, balance: i128) -> bool {
        self.threshold.is_none_or(|threshold| {
            let margin = self.target.saturating_sub(threshold) / 10;
            balance > threshold.saturating_add(margin)
        })
    }

    /// The units that the balance lacks to the target.
    pub fn missing(&self, balance: i128) -> u128 {
        let missing = self.target.saturating_sub(balance).max(0);
        missing.unsigned_abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_spelled_as_in_configurations() {
        for (mode, text) in [
            (SettlementMode::None, "none"),
            (SettlementMode::Manual, "manual"),
            (SettlementMode::Engine, "engine"),
        ] {
            assert_eq!(mode.as_str(), text);
            assert_eq!(serde_json::to_value(mode).unwrap(), text);
        }
    }

    #[test]
    fn a_settlement_is_due_at_the_threshold() {
        let rules = SettlementRules {
            mode: SettlementMode::Engine,
            threshold: Some(-100),
            target: -10,
            ..SettlementRules::default()
        };
        let check = |balance, due, missing| {
            assert_eq!((rules.is_due(balance), rules.missing(balance)), (due, missing));
        };
        check(-99, false, 89);
        check(-100, true, 90);
        check(-101, true, 91);
        check(-10, false, 0);
        check(5, false, 0);
        assert!(!rules.is_over(-91) && rules.is_over(-90));
        assert!(SettlementRules { threshold: None, ..rules.clone() }.is_over(-1_000));
        let off = SettlementRules { mode: SettlementMode::None, ..rules.clone() };
        assert!(!off.is_due(-1_000));
        let upside_down = SettlementRules { target: -500, ..rules };
        assert!(!upside_down.is_due(-200), "nothing is missing");
        assert_eq!(SettlementRules::default().missing(i128::MIN), i128::MAX.unsigned_abs());
    }
}
