//! What a node keeps of the comparison of its books with those of a peer.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::compare::Parts;
use super::judge::DifferenceCause;
use super::payments::Payments;
use crate::account::Asset;
use crate::wire::Timestamp;

/// The row of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReconciliationRow {
    /// The account.
    pub account: Arc<str>,
    /// Its asset and scale.
    pub asset: Asset,
    /// What is known.
    pub state: ReconcileState,
}

/// What a node knows of a peer's books, from one exchange to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReconcileState {
    /// When the peer last answered with its books.
    pub at: Option<Timestamp>,
    /// The peer's books then.
    pub peer: Option<PeerBooksId>,
    /// What the differences were when the comparison of these two books began. They are none of its business.
    pub baseline: Option<Baseline>,
    /// Differences of settlements and of changes by operators that cancel each other out for good, such as a settlement
    /// that was recorded by mistake, and its opposite. Their total is zero.
    pub balanced: Parts<i128>,
    /// Our settlements to the peer, as far as it may not be credited for them.
    pub paid: Payments,
    /// The same of those that the peer says to have made.
    pub received: Payments,
    /// Settlements that are on their way.
    pub pending: NotCredited,
    /// What the settlement engines keep until the next settlement, because it is less than they can pay.
    pub dust: NotCredited,
    /// The most decimal places of a settlement that our engine has reported. `None`: it has reported none.
    pub credit_places: Option<u8>,
    /// This node has had an unclean end, or its books were restored, and it has not found out yet how much more of its
    /// packets the peer fulfilled.
    pub is_recovering: bool,
    /// The same, of what it fulfilled itself.
    pub may_lack: bool,
    /// What the peer fulfilled of our packets, and our books lack, since an unclean end of this node or a restore: more
    /// than was uncertain, and than the node may take over by itself.
    pub lost: i128,
    /// What was given up without an operator.
    pub given_up: GivenUp,
    /// The result.
    pub verdict: BooksVerdict,
    /// The lasting differences.
    pub difference: Parts<i128>,
    /// Why they differ, as far as both ends' numbers tell. Not saved.
    pub causes: Vec<DifferenceCause>,
    /// Differences that may be packets on their way. Not saved.
    pub suspected: Suspected,
}

/// Identifies the books of a peer, and their state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerBooksId {
    /// The id, as the peer gave it, in hexadecimal digits.
    pub books: String,
    /// The process.
    pub run: u64,
    /// Its newest durable cut.
    pub cut: u64,
}

/// What was different before two books were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// Since when they are compared.
    pub at: Timestamp,
    /// The differences then.
    pub parts: Parts<i128>,
}

/// Amounts that one end has paid, and the other end has not credited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotCredited {
    /// By this node to the peer.
    pub paid: i128,
    /// By the peer to this node.
    pub received: i128,
}

/// Amounts that this node gave up by itself on one day (UTC).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GivenUp {
    /// Days since 1970.
    pub day: u64,
    /// The sum on that day.
    pub amount: i128,
}

impl GivenUp {
    /// How much more may be given up at `now`.
    pub fn left(&self, max: i128, now: Timestamp) -> i128 {
        let used = if self.day == day_of(now) { self.amount } else { 0 };
        max.saturating_sub(used).max(0)
    }

    /// Notes that an amount was given up.
    pub fn add(&mut self, amount: i128, now: Timestamp) {
        let day = day_of(now);
        if self.day != day {
            *self = Self { day, amount: 0 };
        }
        self.amount = self.amount.saturating_add(amount);
    }
}

fn day_of(at: Timestamp) -> u64 {
    const DAY_MS: u64 = 86_400_000;
    at.as_millis() / DAY_MS
}

/// Differences of packets that were seen in order. One that lasts longer than any packet is none of packets on their
/// way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Suspected {
    pub(super) asked: Suspicion,
    pub(super) answered: Suspicion,
}

/// One of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Suspicion {
    /// What has lasted.
    confirmed: i128,
    /// What was there at `since`.
    candidate: i128,
    since: Option<Timestamp>,
}

impl Suspicion {
    /// The difference is `value` now. Returns the part of it that has lasted for `settle_ms`.
    pub(super) fn follow(&mut self, value: i128, now: Timestamp, settle_ms: u64) -> i128 {
        self.confirmed = smaller(self.confirmed, value);
        match self.since {
            Some(since) if now.as_millis() < since.as_millis().saturating_add(settle_ms) => {
                self.candidate = smaller(self.candidate, value);
            }
            since => {
                if since.is_some() {
                    self.confirmed = larger(self.confirmed, smaller(self.candidate, value));
                }
                (self.candidate, self.since) = (value, Some(now));
            }
        }
        if value == 0 {
            *self = Self::default();
        }
        self.confirmed
    }

    /// The value, once it has been the same for `settle_ms`.
    pub(super) fn follow_unchanged(
        &mut self,
        value: i128,
        now: Timestamp,
        settle_ms: u64,
    ) -> Option<i128> {
        match self.since {
            Some(since) if self.candidate == value => {
                (now.millis_since(since) >= settle_ms).then_some(value)
            }
            _ => {
                (self.candidate, self.since) = (value, Some(now));
                None
            }
        }
    }

    /// Whether it is not known yet how much of this value lasts.
    pub(super) fn is_waiting(&self, value: i128) -> bool {
        value != self.confirmed
    }
}

/// The one closer to zero, if both are on the same side of it; otherwise zero.
fn smaller(one: i128, other: i128) -> i128 {
    match (one.signum(), other.signum()) {
        (1, 1) => one.min(other),
        (-1, -1) => one.max(other),
        _ => 0,
    }
}

/// The one further from zero.
pub(super) fn larger(one: i128, other: i128) -> i128 {
    if one.unsigned_abs() >= other.unsigned_abs() { one } else { other }
}

/// The result of a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BooksVerdict {
    /// The peer has not answered yet.
    #[default]
    Unknown,
    /// The peer does not know this protocol.
    Unsupported,
    /// The comparison begins when packets in flight leave no doubt.
    Begins,
    /// The books agree, but for what is on its way.
    Agrees,
    /// They differ, and the difference lasts.
    Differs,
    /// Only a settlement is missing, for longer than it may take.
    Overdue,
    /// After an unclean end, this node waits for what is still in flight at the peer, or for its operator.
    Recovering,
    /// The two ends count in different units.
    OtherAsset,
}

impl BooksVerdict {
    const ALL: [Self; 8] = [
        Self::Unknown,
        Self::Unsupported,
        Self::Begins,
        Self::Agrees,
        Self::Differs,
        Self::Overdue,
        Self::Recovering,
        Self::OtherAsset,
    ];

    /// The spelling in the store and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Unsupported => "unsupported",
            Self::Begins => "begins",
            Self::Agrees => "agrees",
            Self::Differs => "differs",
            Self::Overdue => "overdue",
            Self::Recovering => "recovering",
            Self::OtherAsset => "otherAsset",
        }
    }

    /// Whether an operator must look.
    pub fn is_alarm(self) -> bool {
        matches!(self, Self::Differs | Self::Overdue | Self::OtherAsset)
    }
}

impl fmt::Display for BooksVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for BooksVerdict {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == text).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_read_as_they_are_written() {
        for verdict in BooksVerdict::ALL {
            assert_eq!(verdict.to_string().parse(), Ok(verdict));
        }
        assert_eq!("fine".parse::<BooksVerdict>(), Err(()));
        use BooksVerdict::{Differs, OtherAsset, Overdue};
        let alarms = BooksVerdict::ALL.into_iter().filter(|verdict| verdict.is_alarm());
        assert_eq!(alarms.collect::<Vec<_>>(), [Differs, Overdue, OtherAsset]);
    }

    #[test]
    fn a_difference_is_confirmed_when_it_outlasts_every_packet() {
        let mut suspicion = Suspicion::default();
        let mut follow = |value, at| suspicion.follow(value, Timestamp::from_millis(at), 100);
        assert_eq!((follow(120, 0), follow(120, 99)), (0, 0));
        assert_eq!(follow(130, 100), 120, "10 of it are new");
        assert_eq!((follow(130, 150), follow(125, 160)), (120, 120));
        assert_eq!(follow(130, 200), 125);
        assert_eq!((follow(0, 201), follow(50, 202)), (0, 0));
        assert_eq!((follow(-50, 400), follow(-50, 500)), (0, -50));
    }

    #[test]
    fn what_may_be_given_up_is_counted_by_day() {
        let at = |hours: u64| Timestamp::from_millis(hours * 3_600_000);
        let mut given_up = GivenUp::default();
        given_up.add(30, at(49));
        given_up.add(10, at(71));
        assert_eq!((given_up.left(50, at(71)), given_up.left(20, at(71))), (10, 0));
        assert_eq!(given_up.left(50, at(72)), 50);
        given_up.add(1, at(72));
        assert_eq!(given_up.left(50, at(72)), 49);
    }
}
