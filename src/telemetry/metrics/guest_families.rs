//! The metrics of guests: sums, because each new guest would be a new label for ever.

use std::fmt;

use super::account_families::units;
use super::family_encoder::FamilyEncoder;
use crate::connector::{AccountReport, ConnectorReport, GuestSums};

/// All guests together.
#[derive(Debug, Default)]
pub(super) struct GuestMetrics {
    accounts: u64,
    connected: u64,
    sums: GuestSums,
}

impl GuestMetrics {
    /// Takes the accounts of guests out of a report, and sums them up. `forgotten`: the sums of those that the report
    /// does not have.
    pub(super) fn split_off(report: &mut ConnectorReport, forgotten: GuestSums) -> Self {
        let mut sums = Self { sums: forgotten, ..Self::default() };
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
        self.sums.add(account.balance);
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
    let GuestSums { owe, owed } = guests.sums;
    for (name, help, sum) in [
        ("ilp_guests_owe", "What guests owe the node, in units of its asset", owe),
        ("ilp_guests_owed", "What the node owes to guests, in units of its asset", owed),
    ] {
        families.gauge(name, help, None, units(sum))?;
    }
    families.counter("ilp_guests_refused", "Guests that got no account", refused)
}
