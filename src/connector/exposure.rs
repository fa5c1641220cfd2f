//! How much of its limits each account uses.

use super::core::Connector;
use crate::account::{AccountId, Asset};

/// What an account owes and is owed, with its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// The account.
    pub account: AccountId,
    /// Its asset.
    pub asset: Asset,
    /// What the peer owes us, with what is held for its packets.
    pub owed_to_us: u128,
    /// What we owe the peer, with what is held for ours and what is uncertain.
    pub owed_by_us: u128,
    /// `maxBalance`, if it is positive.
    pub max: Option<u128>,
    /// `minBalance` without its sign, if it is negative.
    pub min: Option<u128>,
    /// The share, in percent, from which on operators are alerted.
    pub alert_percent: u8,
}

impl Exposure {
    /// What the peer owes us, in percent of the limit.
    pub fn percent_of_max(&self) -> u128 {
        percent(self.owed_to_us, self.max)
    }

    /// What we owe the peer, in percent of the limit.
    pub fn percent_of_min(&self) -> u128 {
        percent(self.owed_by_us, self.min)
    }
}

fn percent(used: u128, limit: Option<u128>) -> u128 {
    limit.and_then(|limit| used.saturating_mul(100).checked_div(limit)).unwrap_or(0)
}

impl Connector {
    /// The exposures of accounts that have a limit and an alert. Locks one account at a time.
    pub fn exposures(&self) -> Vec<Exposure> {
        let snapshot = self.snapshot.load();
        let exposures = snapshot.entries.iter().filter_map(|entry| {
            let limits = &entry.settings.limits;
            let max = limits.max_balance.and_then(|max| u128::try_from(max).ok());
            let max = max.filter(|max| *max > 0);
            let min = limits.min_balance.filter(|min| *min < 0).map(i128::unsigned_abs);
            if limits.exposure_alert == 0 || (max.is_none() && min.is_none()) {
                return None;
            }
            let ledger = *entry.account.lock().ledger;
            let (balance, held_in) = (ledger.balance(), ledger.held_in());
            let out = ledger.held_out().saturating_add(ledger.uncertain());
            Some(Exposure {
                account: entry.account.id().clone(),
                asset: entry.settings.asset.clone(),
                owed_to_us: u128::try_from(balance.saturating_add(held_in)).unwrap_or(0),
                owed_by_us: u128::try_from(out.saturating_sub(balance)).unwrap_or(0),
                max,
                min,
                alert_percent: limits.exposure_alert,
            })
        });
        exposures.collect()
    }
}
