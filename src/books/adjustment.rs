//! Changes of a balance that no packet made, each with its reason.

use std::fmt;
use std::sync::Arc;

use super::recovery::RecoveredAccount;
use super::row::AccountRow;
use crate::account::{AboveUncertain, Asset};
use crate::wire::Timestamp;

/// What is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BalanceChange {
    /// The balance rises by this amount: the peer owes more.
    Adjust(i128),
    /// Of the uncertain amount, the peer fulfilled this much, and the rest not.
    Resolve {
        /// The part that is owed to the peer.
        conceded: i128,
    },
}

impl BalanceChange {
    /// The spelling in the store.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Adjust(_) => "adjust",
            Self::Resolve { .. } => "resolve",
        }
    }

    /// The change of a saved row, of this kind, that raised the balance by `amount`.
    pub fn from_saved(kind: &str, amount: i128) -> Option<Self> {
        let changes = [Self::Adjust(amount), Self::Resolve { conceded: amount.saturating_neg() }];
        changes.into_iter().find(|change| change.kind() == kind)
    }

    /// Applies it to an account.
    ///
    /// # Errors
    /// [`AboveUncertain`]; nothing has changed then.
    pub fn apply(self, account: &RecoveredAccount) -> Result<AccountRow, AboveUncertain> {
        let mut ledger = account.ledger();
        match self {
            Self::Adjust(amount) => ledger.adjust(amount),
            Self::Resolve { conceded } => ledger.resolve_uncertain(conceded)?,
        }
        let (totals, uncertain) = (ledger.totals(), ledger.uncertain());
        Ok(AccountRow { totals, uncertain, ..account.row.clone() })
    }
}

impl fmt::Display for BalanceChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Adjust(amount) => write!(f, "the balance changes by {amount}"),
            Self::Resolve { conceded } => write!(f, "{conceded} of the uncertain amount is owed"),
        }
    }
}

/// A change, for the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adjustment {
    /// When it was made.
    pub at: Timestamp,
    /// The account.
    pub account: Arc<str>,
    /// Its asset and scale.
    pub asset: Asset,
    /// What was changed.
    pub change: BalanceChange,
    /// By how much the balance rose.
    pub amount: i128,
    /// Why, in the operator's words.
    pub reason: String,
    /// Who did it: the user of the system.
    pub by: String,
}
