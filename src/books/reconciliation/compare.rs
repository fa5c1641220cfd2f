//! The two ends' books side by side.
//!
//! Both ends count the same packets and settlements, at different moments: what the asking node has counted before it
//! asked and after the answer came bounds what the other one can have counted in between. So each difference is known
//! between two bounds, and a difference that is within the bounds of an honest peer is never called one.

use crate::wire::reconcile::PeerAmounts;

/// One exchange of books, as the node that asked sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Our books when the request went out.
    pub before: PeerAmounts,
    /// Our books when the answer came.
    pub after: PeerAmounts,
    /// The peer's books in between.
    pub theirs: PeerAmounts,
    /// Our packets and their answers were on one session, and so were the request and its answer: what the peer had
    /// answered before, we have handled.
    pub is_asked_in_order: bool,
    /// The same of the peer's packets: what we had answered before, it had handled.
    pub is_answered_in_order: bool,
}

/// A value for each thing that both ends count.
///
/// The sum of the five differences is the sum of both balances, which is zero if the ends agree: each end has the
/// negative of the other's balance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts<T> {
    /// Our Prepares that the peer fulfilled. Above zero: the peer claims more than we accept.
    pub asked: T,
    /// The peer's Prepares that we fulfilled. Above zero: we claim more than the peer accepts.
    pub answered: T,
    /// Settlements to the peer. Above zero: it was not credited for all that we paid.
    pub paid: T,
    /// Settlements from the peer. Above zero: we were not credited for all that it says to have paid.
    pub received: T,
    /// Changes by operators, which cancel out if both ends made them.
    pub adjusted: T,
}

impl<T> Parts<T> {
    /// The result of `f` for each part of both.
    pub fn zip<U, V>(self, other: Parts<U>, f: impl Fn(T, U) -> V) -> Parts<V> {
        Parts {
            asked: f(self.asked, other.asked),
            answered: f(self.answered, other.answered),
            paid: f(self.paid, other.paid),
            received: f(self.received, other.received),
            adjusted: f(self.adjusted, other.adjusted),
        }
    }

    /// The result of `f` for each part.
    pub fn map<V>(self, f: impl Fn(T) -> V) -> Parts<V> {
        self.zip(Parts::<()>::default(), |part, ()| f(part))
    }
}

impl Parts<i128> {
    /// The sum of both balances.
    pub fn total(&self) -> i128 {
        let parts = [self.answered, self.paid, self.received, self.adjusted];
        parts.into_iter().fold(self.asked, i128::saturating_add)
    }
}

impl<T> Parts<Option<T>> {
    /// All parts, if each is known.
    pub fn all(self) -> Option<Parts<T>> {
        Some(Parts {
            asked: self.asked?,
            answered: self.answered?,
            paid: self.paid?,
            received: self.received?,
            adjusted: self.adjusted?,
        })
    }
}

/// What is known of a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// It is at least this.
    pub low: i128,
    /// It is at most this.
    pub high: i128,
    /// It is this if no packet is on its way by another session, where it would arrive in another order.
    pub in_order: Option<i128>,
}

impl Bounds {
    fn between(low: i128, high: i128, in_order: Option<i128>) -> Self {
        Self { low, high, in_order }
    }

    /// The difference beyond `offset`.
    #[must_use]
    pub fn beyond(self, offset: i128) -> Self {
        let beyond = |value: i128| value.saturating_sub(offset);
        Self { low: beyond(self.low), high: beyond(self.high), in_order: self.in_order.map(beyond) }
    }

    /// The difference, if the bounds leave one only.
    pub fn exact(&self) -> Option<i128> {
        (self.low == self.high).then_some(self.low)
    }

    /// The difference, also if it is known only because packets arrive in order.
    pub fn best(&self) -> Option<i128> {
        self.exact().or(self.in_order)
    }

    /// What is certain of it: nothing, or an amount above or below zero.
    pub fn certain(&self) -> i128 {
        self.low.max(0).saturating_add(self.high.min(0))
    }
}

impl Exchange {
    /// What this exchange says of each difference.
    pub fn bounds(&self) -> Parts<Bounds> {
        let Self { before, after, theirs, is_asked_in_order, is_answered_in_order } = self;
        let minus = i128::saturating_sub;
        // What the peer has fulfilled is accepted here, or still pending, or lost; and we accept only what it has
        // fulfilled.
        let claimed = minus(theirs.answered, after.asked);
        let asked = Bounds::between(
            minus(claimed, after.in_flight_out),
            minus(theirs.answered, before.asked),
            is_asked_in_order.then_some(claimed),
        );
        // The same from the other end.
        let claimed = minus(before.answered, theirs.asked);
        let answered = Bounds::between(
            minus(claimed, theirs.in_flight_out),
            minus(after.answered, theirs.asked),
            is_answered_in_order.then_some(claimed),
        );
        let paid = Bounds::between(
            minus(before.paid, theirs.received),
            minus(after.paid, theirs.received),
            None,
        );
        let received = Bounds::between(
            minus(theirs.paid, after.received),
            minus(theirs.paid, before.received),
            None,
        );
        let with_ours = |ours: i128| ours.saturating_add(theirs.adjusted);
        let (one, other) = (with_ours(before.adjusted), with_ours(after.adjusted));
        let adjusted = Bounds::between(one.min(other), one.max(other), None);
        Parts { asked, answered, paid, received, adjusted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amounts(asked: i128, answered: i128) -> PeerAmounts {
        PeerAmounts { asked, answered, ..PeerAmounts::default() }
    }

    fn quiet(ours: PeerAmounts, theirs: PeerAmounts) -> Exchange {
        Exchange {
            before: ours,
            after: ours,
            theirs,
            is_asked_in_order: false,
            is_answered_in_order: false,
        }
    }

    #[test]
    fn on_a_quiet_link_each_difference_is_exact() {
        let check = |exchange: Exchange, expected: Parts<i128>| {
            let exact = exchange.bounds().map(|bounds| bounds.exact()).all().unwrap();
            assert_eq!(exact, expected);
        };
        let ours = PeerAmounts { paid: 30, received: 7, adjusted: -2, ..amounts(1_000, 500) };
        let theirs = PeerAmounts { paid: 7, received: 30, adjusted: 2, ..amounts(500, 1_000) };
        check(quiet(ours, theirs), Parts::default());
        let theirs = PeerAmounts { paid: 9, received: 25, adjusted: 0, ..amounts(450, 1_120) };
        let expected = Parts { asked: 120, answered: 50, paid: 5, received: 2, adjusted: -2 };
        check(quiet(ours, theirs), expected);
        // Our balance is 500 - 1000 + 30 - 7 - 2, and the peer's 1120 - 450 + 9 - 25.
        assert_eq!(expected.total(), -479 + 654);
    }

    #[test]
    fn what_is_in_flight_is_no_difference() {
        let before = PeerAmounts { in_flight_out: 100, ..amounts(1_000, 500) };
        let after = PeerAmounts { in_flight_out: 60, ..amounts(1_070, 530) };
        // Of our packets, it has fulfilled 40 whose answers are on their way, and it knows 510 of what we fulfilled.
        let theirs = PeerAmounts { in_flight_out: 25, ..amounts(490, 1_040) };
        let (is_asked_in_order, is_answered_in_order) = (false, false);
        let exchange = Exchange { before, after, theirs, is_asked_in_order, is_answered_in_order };
        let Parts { asked, answered, .. } = exchange.bounds();
        assert_eq!((asked.low, asked.high, asked.best()), (-90, 40, None));
        assert_eq!((answered.low, answered.high, answered.certain()), (-15, 40, 0));
        let lost = PeerAmounts { answered: theirs.answered + 120, ..theirs };
        let Parts { asked, .. } = Exchange { theirs: lost, ..exchange }.bounds();
        assert_eq!((asked.low, asked.high, asked.certain()), (30, 160, 30));
        assert_eq!(asked.beyond(160).certain(), 0);
        let forgotten = PeerAmounts { answered: 990, ..theirs };
        let Parts { asked, .. } = Exchange { theirs: forgotten, ..exchange }.bounds();
        assert_eq!((asked.low, asked.high, asked.certain()), (-140, -10, -10));
    }

    #[test]
    fn packets_in_order_leave_no_doubt() {
        let before = PeerAmounts { in_flight_out: 100, ..amounts(1_000, 500) };
        let after = PeerAmounts { in_flight_out: 60, ..amounts(1_070, 530) };
        let theirs = PeerAmounts { in_flight_out: 25, ..amounts(500, 1_070) };
        let (is_asked_in_order, is_answered_in_order) = (true, true);
        let exchange = Exchange { before, after, theirs, is_asked_in_order, is_answered_in_order };
        let Parts { asked, answered, .. } = exchange.bounds();
        assert_eq!((asked.best(), answered.best()), (Some(0), Some(0)));
    }
}
