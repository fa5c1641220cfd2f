//! One account, as the store keeps it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::account::{Asset, Totals, Unsettled};
use crate::wire::Timestamp;

/// What an account stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountKind {
    /// A peer.
    Peer,
    /// A receiver inside the node.
    Receiver,
    /// The node itself.
    Own,
}

impl AccountKind {
    /// The spelling in the store and in exports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Receiver => "receiver",
            Self::Own => "own",
        }
    }
}

impl fmt::Display for AccountKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AccountKind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Peer, Self::Receiver, Self::Own]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(())
    }
}

/// The state of one account at a cut. Amounts are in the account's units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// The account's id; `own:<asset>/<scale>` for an account of the node itself.
    pub name: Arc<str>,
    /// What it stands for.
    pub kind: AccountKind,
    /// Its asset and scale. The same name with another asset is another row.
    pub asset: Asset,
    /// What its balance is made of.
    pub totals: Totals,
    /// The sum of the packets in flight to the peer.
    pub held_out: i128,
    /// What was in flight to the peer when the process ended without a clean stop.
    pub uncertain: i128,
    /// The restart that made it uncertain. `None`: nothing is, or that restart is still to come.
    pub uncertain_since: Option<Timestamp>,
}

impl AccountRow {
    /// Whether the row says nothing: an account that never moved money, with nothing in flight.
    pub fn is_empty(&self) -> bool {
        self.totals == Totals::default() && (self.held_out, self.uncertain) == (0, 0)
    }

    /// The balance and the uncertain amount, unless both are zero.
    pub fn unsettled(&self) -> Option<Unsettled> {
        Unsettled::new(self.totals.balance(), self.uncertain)
    }
}

/// The name of the node's own account of an asset.
pub fn own_account_name(asset: &Asset) -> Arc<str> {
    format!("own:{asset}").into()
}

/// A row that was read from the store, with the balance that was saved beside its totals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    /// The account.
    pub row: AccountRow,
    /// The saved balance. By the rule of the books it is the balance of the totals.
    pub balance: i128,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_as_they_are_written() {
        for kind in [AccountKind::Peer, AccountKind::Receiver, AccountKind::Own] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert_eq!("bank".parse::<AccountKind>(), Err(()));
    }

    #[test]
    fn a_row_is_empty_if_nothing_was_booked_and_nothing_is_open() {
        let name = own_account_name(&Asset::default());
        assert_eq!(&*name, "own:USD/9");
        let empty = AccountRow {
            name,
            kind: AccountKind::Own,
            asset: Asset::default(),
            totals: Totals::default(),
            held_out: 0,
            uncertain: 0,
            uncertain_since: None,
        };
        let booked = |fulfilled_in, fulfilled_out| AccountRow {
            totals: Totals { fulfilled_in, fulfilled_out, ..Totals::default() },
            ..empty.clone()
        };
        let held = AccountRow { held_out: 1, ..empty.clone() };
        let uncertain = AccountRow { uncertain: 1, ..empty.clone() };
        for (row, is_empty, unsettled) in [
            (empty.clone(), true, None),
            (booked(5, 2), false, Some("a balance of 3")),
            (booked(5, 5), false, None),
            (held, false, None),
            (uncertain, false, Some("an uncertain amount of 1")),
        ] {
            let text = row.unsettled().map(|unsettled| unsettled.to_string());
            assert_eq!((row.is_empty(), text.as_deref()), (is_empty, unsettled), "{row:?}");
        }
    }
}
