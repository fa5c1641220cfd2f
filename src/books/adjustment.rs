//! Changes of a balance that no packet made, each with its reason.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::account::{AboveUncertain, Asset, Corrected, Ledger};
use crate::wire::Timestamp;

/// The longest id of a change, in bytes.
const CHANGE_ID_MAX: usize = 64;

/// The largest amount of a change, in units: far above every balance, and far below what a sum can hold.
const AMOUNT_MAX: i128 = 1 << 100;

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
    /// Of our packets, the peer fulfilled this much more than the books had: it is owed.
    Concede(i128),
    /// Of the peer's packets, this much is not owed to us, although we fulfilled it. Below zero: the peer owes more
    /// than the books had.
    WriteOff(i128),
}

impl BalanceChange {
    /// The spelling in the store.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Adjust(_) => "adjust",
            Self::Resolve { .. } => "resolve",
            Self::Concede(_) => "concede",
            Self::WriteOff(_) => "write_off",
        }
    }

    /// By how much the balance rises.
    pub fn amount(&self) -> i128 {
        match self {
            Self::Adjust(amount) => *amount,
            Self::Resolve { conceded } => conceded.saturating_neg(),
            Self::Concede(amount) | Self::WriteOff(amount) => amount.saturating_neg(),
        }
    }

    /// The change that is saved as this kind and amount. `None`: there is no such kind.
    pub fn from_saved(kind: &str, amount: i128) -> Option<Self> {
        match kind {
            "adjust" => Some(Self::Adjust(amount)),
            "resolve" => Some(Self::Resolve { conceded: amount.saturating_neg() }),
            "concede" => Some(Self::Concede(amount.saturating_neg())),
            "write_off" => Some(Self::WriteOff(amount.saturating_neg())),
            _ => None,
        }
    }

    /// Adds it to the corrections of an account, if it is one.
    pub fn add_to(self, corrected: &mut Corrected) {
        match self {
            Self::Adjust(_) => {}
            Self::Resolve { conceded } | Self::Concede(conceded) => {
                corrected.conceded = corrected.conceded.saturating_add(conceded);
            }
            Self::WriteOff(amount) => {
                corrected.written_off = corrected.written_off.saturating_add(amount);
            }
        }
    }

    /// Applies it to the ledger of an account.
    ///
    /// # Errors
    /// [`ChangeError::AmountTooLarge`], [`ChangeError::AboveUncertain`]; nothing has changed then.
    pub fn apply(self, ledger: &mut Ledger) -> Result<(), ChangeError> {
        match self {
            Self::Adjust(amount) | Self::Concede(amount) | Self::WriteOff(amount)
                if !(-AMOUNT_MAX..=AMOUNT_MAX).contains(&amount) =>
            {
                return Err(ChangeError::AmountTooLarge(amount));
            }
            Self::Adjust(amount) => ledger.adjust(amount),
            Self::Concede(amount) => ledger.concede(amount),
            Self::WriteOff(amount) => ledger.write_off(amount),
            // What is uncertain was in flight, so it is no larger than packets can make it.
            Self::Resolve { conceded } => ledger.resolve_uncertain(conceded)?,
        }
        Ok(())
    }
}

impl fmt::Display for BalanceChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Adjust(amount) => write!(f, "the balance changes by {amount}"),
            Self::Resolve { conceded } => write!(f, "{conceded} of the uncertain amount is owed"),
            Self::Concede(amount) => write!(f, "{amount} that the peer claims is conceded"),
            Self::WriteOff(amount @ ..0) => {
                write!(f, "{} that the peer admits to owe is added", amount.unsigned_abs())
            }
            Self::WriteOff(amount) => write!(f, "{amount} of what the peer owes is written off"),
        }
    }
}

/// Identifies a change: a request with the same id is the same change again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeId(Arc<str>);

/// Why a text does not identify a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the id of a change has 1 to {CHANGE_ID_MAX} characters, each a letter, a digit, '-', '_' or '.'"
)]
pub struct ChangeIdError;

impl ChangeId {
    /// The id that these random bits make.
    pub fn from_random(bits: u128) -> Self {
        Self(format!("{bits:032x}").into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ChangeId {
    type Err = ChangeIdError;

    fn from_str(text: &str) -> Result<Self, ChangeIdError> {
        let is_allowed =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        match (1..=CHANGE_ID_MAX).contains(&text.len()) && text.bytes().all(is_allowed) {
            true => Ok(Self(text.into())),
            false => Err(ChangeIdError),
        }
    }
}

impl fmt::Display for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The change that an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRequest {
    /// Its id.
    pub id: ChangeId,
    /// The name of the account.
    pub account: String,
    /// Asset and scale, such as `USD/9`. `None`: the account has only one.
    pub asset: Option<String>,
    /// What is changed.
    pub change: BalanceChange,
    /// Why, in the operator's words.
    pub reason: String,
    /// Who asks.
    pub by: String,
}

impl ChangeRequest {
    /// Whether the account with this name and asset is meant.
    pub fn names(&self, account: &str, asset: &Asset) -> bool {
        self.account == account
            && self.asset.as_ref().is_none_or(|wanted| *wanted == asset.to_string())
    }

    /// The record of this change, which has been made.
    pub fn made(
        &self,
        at: Timestamp,
        account: Arc<str>,
        asset: Asset,
        balance: i128,
    ) -> Adjustment {
        let Self { id, change, reason, by, .. } = self.clone();
        Adjustment { id, at, account, asset, change, balance, reason, by }
    }

    /// The record, if it is of this change. A change is the same if its account and its effect are.
    ///
    /// # Errors
    /// [`ChangeError::OtherChange`]: the id belongs to another change.
    pub fn check_repeated(&self, made: Adjustment) -> Result<Adjustment, ChangeError> {
        match self.names(&made.account, &made.asset) && self.change == made.change {
            true => Ok(made),
            false => Err(ChangeError::OtherChange(Box::new(made))),
        }
    }
}

/// Why a change cannot be made. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The node keeps no books.
    #[error("this node has no store, so a change would be lost with the process; set `store`")]
    NoStore,
    /// No account has this name and asset.
    #[error("there is no account {0}; `ledger balances` lists those that have moved money")]
    UnknownAccount(String),
    /// The account has had several assets.
    #[error("{account} has had several assets; name one, such as {one} or {other}")]
    SeveralAssets {
        /// The account.
        account: String,
        /// One of its assets.
        one: Asset,
        /// Another one.
        other: Asset,
    },
    /// The amount is beyond what a balance may change by at once.
    #[error("an amount of {0} units is too large; a change has at most {AMOUNT_MAX}, either way")]
    AmountTooLarge(i128),
    /// More would be conceded than is uncertain.
    #[error(transparent)]
    AboveUncertain(#[from] AboveUncertain),
    /// Another change has this id.
    #[error("the id {} belongs to another change: {_0}", _0.id)]
    OtherChange(Box<Adjustment>),
}

/// A change that was made, for the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adjustment {
    /// Its id. A store has it once.
    pub id: ChangeId,
    /// When it was made.
    pub at: Timestamp,
    /// The account.
    pub account: Arc<str>,
    /// Its asset and scale.
    pub asset: Asset,
    /// What was changed.
    pub change: BalanceChange,
    /// The balance after it.
    pub balance: i128,
    /// Why, in the operator's words.
    pub reason: String,
    /// Who did it: the user of the system, or what the client of the API gave.
    pub by: String,
}

impl Adjustment {
    /// The balance before it.
    pub fn balance_before(&self) -> i128 {
        self.balance.saturating_sub(self.change.amount())
    }
}

impl fmt::Display for Adjustment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, asset, change, balance, .. } = self;
        let before = self.balance_before();
        write!(f, "{account} ({asset}): {change}; the balance was {before} and is {balance}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Totals;
    use crate::testing::change_request;

    #[test]
    fn ids_are_short_and_plain() {
        let longest = "x".repeat(CHANGE_ID_MAX);
        for good in ["a", "2026-11-27.fee_1", &longest] {
            assert_eq!(good.parse::<ChangeId>().unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a/b", "ä", &"x".repeat(CHANGE_ID_MAX + 1)] {
            assert_eq!(bad.parse::<ChangeId>(), Err(ChangeIdError), "{bad}");
        }
        assert_eq!(ChangeId::from_random(255).as_str().len(), 32);
    }

    #[test]
    fn changes_are_read_as_they_are_saved() {
        for change in [
            BalanceChange::Adjust(-5),
            BalanceChange::Resolve { conceded: 7 },
            BalanceChange::Concede(3),
            BalanceChange::WriteOff(-4),
        ] {
            assert_eq!(BalanceChange::from_saved(change.kind(), change.amount()), Some(change));
            let mut ledger = Ledger::restore(Totals::default(), 10);
            let mut corrected = Corrected::default();
            change.apply(&mut ledger).unwrap();
            change.add_to(&mut corrected);
            assert_eq!((ledger.balance(), ledger.corrected()), (change.amount(), corrected));
        }
        assert_eq!(BalanceChange::from_saved("gift", 1), None);
    }

    #[test]
    fn an_amount_that_sums_cannot_hold_is_refused() {
        let mut ledger = Ledger::default();
        for amount in [AMOUNT_MAX, -AMOUNT_MAX] {
            BalanceChange::Adjust(amount).apply(&mut ledger).unwrap();
        }
        for amount in [AMOUNT_MAX + 1, -AMOUNT_MAX - 1, i128::MAX, i128::MIN] {
            let changes = [BalanceChange::Adjust, BalanceChange::Concede, BalanceChange::WriteOff];
            for change in changes {
                let error = change(amount).apply(&mut ledger).unwrap_err();
                assert_eq!(error, ChangeError::AmountTooLarge(amount));
            }
        }
        assert_eq!(ledger, Ledger::default());
        assert_eq!(
            ChangeError::AmountTooLarge(-5).to_string(),
            "an amount of -5 units is too large; a change has at most 1267650600228229401496703205376, either way"
        );
    }

    #[test]
    fn a_repeated_request_is_the_same_change_or_a_mistake() {
        let first = change_request("c", BalanceChange::Adjust(-5));
        let made = first.made(Timestamp::EPOCH, "c".into(), Asset::default(), 95);
        assert_eq!(
            made.to_string(),
            "c (USD/9): the balance changes by -5; the balance was 100 and is 95"
        );
        let again = ChangeRequest { reason: "the same fee".to_owned(), ..first };
        assert_eq!(again.check_repeated(made.clone()), Ok(made.clone()));
        for other in [
            change_request("d", BalanceChange::Adjust(-5)),
            change_request("c", BalanceChange::Adjust(-6)),
            ChangeRequest { asset: Some("EUR/2".to_owned()), ..again },
        ] {
            let error = other.check_repeated(made.clone()).unwrap_err().to_string();
            assert!(
                error.starts_with("the id one belongs to another change: c (USD/9)"),
                "{error}"
            );
        }
    }

    #[test]
    fn each_change_says_what_it_does_to_the_balance() {
        for (change, kind, amount, text) in [
            (BalanceChange::Adjust(-5), "adjust", -5, "the balance changes by -5"),
            (
                BalanceChange::Resolve { conceded: 7 },
                "resolve",
                -7,
                "7 of the uncertain amount is owed",
            ),
            (BalanceChange::Concede(3), "concede", -3, "3 that the peer claims is conceded"),
            (BalanceChange::WriteOff(4), "write_off", -4, "4 of what the peer owes is written off"),
            (BalanceChange::WriteOff(-4), "write_off", 4, "4 that the peer admits to owe is added"),
        ] {
            assert_eq!((change.kind(), change.amount()), (kind, amount));
            assert_eq!(change.to_string(), text);
        }
        assert_eq!("2026-11-27.fee_1".parse::<ChangeId>().unwrap().to_string(), "2026-11-27.fee_1");
    }
}
