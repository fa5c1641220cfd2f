//! The metrics of guests: sums, because each new guest would be a new label for ever.

use std::fmt;

use super::account_families::units;
use super::family_encoder::FamilyEncoder;
use crate::connector::{AccountReport, ConnectorReport};

/// All guests together.
#[derive(Debug, Default)]
pub(super) struct GuestMetrics {
    accounts: u64,
    connected: u64,
    /// Units that guests owe, and that are owed to guests.
    owed: [i128; 2],
}

impl GuestMetrics {
    /// Takes the accounts of guests out of a report, and sums them up.
    pub(super) fn split_off(report: &mut ConnectorReport) -> Self {
        let mut sums = Self::default();
        report.accounts.retain(|account| {
            let is_guest = account.settings.id.is_guest();
            if is_guest {
                sums.add(account);
            }
            !is_guest
        });
        sums
    }

    fn add(&mut self, account: &AccountReport) {
        self.accounts += u64::from(!account.removed);
        self.connected += u64::from(!account.sessions.is_empty());
        let [by_guests, to_guests] = &mut self.owed;
        *by_guests = by_guests.saturating_add(account.balance.max(0));
        *to_guests = to_guests.saturating_add(account.balance.min(0).saturating_neg());
    }
}

pub(super) fn encode(
    guests: &GuestMetrics,
    refused: u64,
    families: &mut FamilyEncoder<'_, '_>,
) -> fmt::Result {
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    families.gauge("ilp_guests", "Guests that have an account", None, count(guests.accounts))?;
    families.gauge(
        "ilp_guests_connected",
        "Guests with a session",
        None,
        count(guests.connected),
    )?;
    let [by_guests, to_guests] = guests.owed;
    for (name, help, sum) in [
        ("ilp_guests_owe", "What guests owe the node, in units of its asset", by_guests),
        ("ilp_guests_owed", "What the node owes to guests, in units of its asset", to_guests),
    ] {
        families.gauge(name, help, None, units(sum))?;
    }
    families.counter("ilp_guests_refused", "Guests that got no account", refused)
}
