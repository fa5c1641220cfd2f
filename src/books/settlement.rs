//! Settlements: what was paid outside of Interledger, each with its key, which makes it happen once.
//!
//! A settlement is saved in the cut that has its effect on the balance, and is kept for ever: a request with its key is
//! the same settlement again.

mod book;
mod quantity;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub use self::book::SettlementBook;
pub use self::quantity::{Leftover, Quantity, QuantityError};
use crate::account::{AboveSettledMax, Asset};
use crate::wire::Timestamp;

/// The longest key of a settlement, in characters.
const KEY_MAX: usize = 255;

/// Identifies a settlement (RFC 38 "Idempotence"). For incoming ones the engine chooses it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SettlementKey(Arc<str>);

/// Why a text is not the key of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key of a settlement has 1 to {KEY_MAX} visible ASCII characters")]
pub struct KeyError;

impl SettlementKey {
    /// The key that these random bits make.
    pub fn from_random(bits: u128) -> Self {
        Self(format!("{bits:032x}").into())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SettlementKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let is_key =
            (1..=KEY_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_key { Ok(Self(text.into())) } else { Err(KeyError) }
    }
}

impl fmt::Display for SettlementKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SettlementDirection {
    /// The peer paid us: the balance falls.
    Incoming,
    /// We pay the peer: the balance rises.
    Outgoing,
}

impl SettlementDirection {
    /// The spelling in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Incoming => "in",
            Self::Outgoing => "out",
        }
    }

    /// The other one.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Incoming => Self::Outgoing,
            Self::Outgoing => Self::Incoming,
        }
    }
}

impl fmt::Display for SettlementDirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SettlementDirection {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let all = [Self::Incoming, Self::Outgoing];
        all.into_iter().find(|direction| direction.as_str() == text).ok_or(())
    }
}

/// How far a settlement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SettlementState {
    /// It counts in the balance, and the engine has not accepted it: the request is repeated with the same key.
    Pending,
    /// The engine has accepted it, or it needs no request: it came from an engine or from an operator.
    Done,
}

impl SettlementState {
    /// The spelling in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
        }
    }
}

impl fmt::Display for SettlementState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SettlementState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let all = [Self::Pending, Self::Done];
        all.into_iter().find(|state| state.as_str() == text).ok_or(())
    }
}

/// One settlement, as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Its key. A store has it once for each account and direction.
    pub key: SettlementKey,
    /// The account.
    pub account: Arc<str>,
    /// Its asset and scale.
    pub asset: Asset,
    /// Who paid.
    pub direction: SettlementDirection,
    /// What the request says, which an engine gets back.
    pub quantity: Quantity,
    /// By how many units the balance has changed.
    pub units: u128,
    /// What is left over of this and all earlier incoming settlements, below one unit.
    pub leftover: Leftover,
    /// How far it is.
    pub state: SettlementState,
    /// How often the engine was asked. A process that ends may not have saved the last ones.
    pub attempts: u32,
    /// When it began.
    pub created_at: Timestamp,
    /// When its state last changed.
    pub updated_at: Timestamp,
    /// The operator's own reference, such as that of a bank transfer. Empty: none.
    pub reference: String,
    /// Who settled: an operator, or `engine`, or `ilp-connector`.
    pub by: String,
}

impl Settlement {
    /// By how much it changed the balance.
    pub fn balance_change(&self) -> i128 {
        // Units are bounded by `SETTLED_MAX`.
        let units = i128::try_from(self.units).unwrap_or(i128::MAX);
        match self.direction {
            SettlementDirection::Incoming => units.saturating_neg(),
            SettlementDirection::Outgoing => units,
        }
    }

    /// This settlement, if a request with its key and this quantity is the same one again.
    ///
    /// # Errors
    /// [`SettlementError::OtherSettlement`]: the key belongs to another settlement.
    pub fn check_repeated(self, quantity: &Quantity) -> Result<Self, SettlementError> {
        match self.quantity == *quantity {
            true => Ok(self),
            false => Err(SettlementError::OtherSettlement(Box::new(self))),
        }
    }

    /// The same for an operator's request: its key is one settlement of the account, in either direction. Engines
    /// choose the keys of one direction, and the node those of the other, so theirs may be equal.
    ///
    /// # Errors
    /// As [`Self::check_repeated`].
    pub fn check_recorded(
        self,
        direction: SettlementDirection,
        quantity: &Quantity,
    ) -> Result<Self, SettlementError> {
        match self.direction == direction {
            true => self.check_repeated(quantity),
            false => Err(SettlementError::OtherSettlement(Box::new(self))),
        }
    }

    /// `sent to bob, 10000000000 at scale 9`
    fn described(&self) -> String {
        let way = match self.direction {
            SettlementDirection::Incoming => "received from",
            SettlementDirection::Outgoing => "sent to",
        };
        format!("{way} {}, {}", self.account, self.quantity)
    }

    /// What identifies it in a store.
    pub fn id(&self) -> (SettlementDirection, &str, &SettlementKey) {
        (self.direction, &self.account, &self.key)
    }
}

/// Why a settlement cannot be booked. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettlementError {
    /// The node keeps no books.
    #[error("this node has no store, so a settlement would be lost with the process; set `store`")]
    NoStore,
    /// No peer has this name.
    #[error("there is no peer {0}")]
    UnknownAccount(String),
    /// The quantity, or what the settlements of the account would add up to.
    #[error(transparent)]
    Quantity(#[from] QuantityError),
    /// The sum would be too large.
    #[error(transparent)]
    AboveMax(#[from] AboveSettledMax),
    /// Another settlement has this key.
    #[error("the key {} belongs to another settlement: {}", _0.key, _0.described())]
    OtherSettlement(Box<Settlement>),
    /// A settlement of nothing.
    #[error("nothing is owed, so there is nothing to settle")]
    NothingOwed,
    /// A settlement of the account is under way.
    #[error("the settlement {0} of this account is under way; the next one can begin after it")]
    UnderWay(SettlementKey),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::settlement;

    #[test]
    fn keys_of_all_engines_are_accepted() {
        let longest = "k".repeat(KEY_MAX);
        for good in [
            "c12a0f2e-5f5c-4e0f-9d7c-0a1b2c3d4e5f",
            &"ab".repeat(32),
            &format!("0x{}", "0f".repeat(32)),
            &longest,
            "!~",
        ] {
            assert_eq!(good.parse::<SettlementKey>().unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a\n", "ä", "\u{7f}", &"k".repeat(KEY_MAX + 1)] {
            assert_eq!(bad.parse::<SettlementKey>(), Err(KeyError), "{bad}");
        }
        let random = SettlementKey::from_random(255);
        assert_eq!(random.to_string(), "000000000000000000000000000000ff");
    }

    #[test]
    fn words_of_the_store_are_read_as_they_are_written() {
        for direction in [SettlementDirection::Incoming, SettlementDirection::Outgoing] {
            assert_eq!(direction.to_string().parse(), Ok(direction));
        }
        for state in [SettlementState::Pending, SettlementState::Done] {
            assert_eq!(state.to_string().parse(), Ok(state));
        }
        assert_eq!("both".parse::<SettlementDirection>(), Err(()));
        assert_eq!("lost".parse::<SettlementState>(), Err(()));
    }

    #[test]
    fn a_key_is_one_settlement_of_its_direction_and_for_operators_of_either() {
        use SettlementDirection::{Incoming, Outgoing};
        let (same, other) = (Quantity::of_units(10, 9), Quantity::of_units(11, 9));
        for (direction, way) in [(Outgoing, "sent to"), (Incoming, "received from")] {
            let made = settlement("k", direction, SettlementState::Done, 5);
            let again = |quantity| made.clone().check_repeated(quantity);
            let recorded = |direction, quantity| made.clone().check_recorded(direction, quantity);
            assert_eq!(again(&same), Ok(made.clone()));
            assert_eq!(recorded(direction, &same), Ok(made.clone()));
            let mistakes =
                [again(&other), recorded(direction, &other), recorded(direction.reversed(), &same)];
            for mistake in mistakes {
                assert_eq!(
                    mistake.unwrap_err().to_string(),
                    format!("the key k belongs to another settlement: {way} c, 10 at scale 9")
                );
            }
            assert_eq!(made.id(), (direction, "c", &made.key));
        }
    }

    #[test]
    fn what_the_peer_pays_lowers_the_balance_and_what_we_pay_raises_it() {
        use SettlementDirection::{Incoming, Outgoing};
        for (direction, other, change) in [(Incoming, Outgoing, -10), (Outgoing, Incoming, 10)] {
            let made = settlement("k", direction, SettlementState::Done, 5);
            assert_eq!((made.balance_change(), direction.reversed()), (change, other));
        }
    }
}
