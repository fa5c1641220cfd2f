//! Tables of shares, and a model of hostile requesters beside an honest one.

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A next hop with shares, and the packets in flight to it.
struct Hop {
    shares: FairShares,
    in_flight_max: usize,
    min_balance: Option<i128>,
    balance: i128,
    held: i128,
    now: MonoTime,
    /// The real requester, the share it uses, the amount.
    in_flight: Vec<(u32, Slot, u64)>,
}

/// What the next hop has no more of for this requester.
#[derive(Debug, PartialEq, Eq)]
enum Exhausted {
    InFlight,
    Credit,
}

impl Hop {
    fn new(in_flight_max: usize, min_balance: Option<i128>) -> Self {
        Self {
            shares: FairShares::default(),
            in_flight_max,
            min_balance,
            balance: 0,
            held: 0,
            now: MonoTime(7_000_000_000),
            in_flight: Vec::new(),
        }
    }

    fn capacity(&self) -> Capacity {
        Capacity {
            in_flight_max: self.in_flight_max,
            min_balance: self.min_balance,
            balance: self.balance,
            held_out: self.held,
        }
    }

    fn left(&self) -> i128 {
        self.balance - self.held - self.min_balance.unwrap_or(i128::MIN / 4)
    }

    fn send(&mut self, requester: u32, amount: u64) -> Result<(), Exhausted> {
        let capacity = self.capacity();
        let index =
            self.shares.find_share(Slot(requester), self.now, self.in_flight_max, || capacity);
        let index = index.ok_or(Exhausted::InFlight)?;
        let left = self.left();
        if self.min_balance.is_some() && amount > 0 {
            let has_credit = self.shares.has_credit(index, Amount(amount), left);
            if !has_credit || left < i128::from(amount) {
                return Err(Exhausted::Credit);
            }
        }
        let share = self.shares.take_share(index, Amount(amount));
        self.held += i128::from(amount);
        self.in_flight.push((requester, share, amount));
        self.check();
        Ok(())
    }

    fn answer(&mut self, which: usize, fulfilled: bool) {
        if self.in_flight.is_empty() {
            return;
        }
        let (_, share, amount) = self.in_flight.swap_remove(which % self.in_flight.len());
        self.held -= i128::from(amount);
        if fulfilled {
            self.balance -= i128::from(amount);
        }
        self.shares.release_share(share, Amount(amount), fulfilled);
        self.check();
    }

    fn answer_all(&mut self, fulfilled: bool) {
        while !self.in_flight.is_empty() {
            self.answer(0, fulfilled);
        }
    }

    fn advance(&mut self, time: Duration) {
        self.now = self.now.after(time);
    }

    fn share_of(&self, requester: u32) -> Share {
        self.shares.table[self.shares.index_of(Slot(requester)).unwrap()]
    }

    /// Compares the running sums with the sums over all shares.
    fn check(&self) {
        let shares = || self.shares.table.iter().filter(|share| share.requester != Slot::NONE);
        assert_eq!(self.shares.in_flight_total, self.in_flight.len());
        assert!(self.shares.in_flight_total <= self.in_flight_max);
        let (used, length) = (self.shares.requesters, self.shares.table.len());
        assert_eq!(shares().count(), used);
        assert!(used * 2 <= length, "lookups are short");
        assert!(length < used.max(2) * 4, "no memory is wasted");
        let Division { share, unused, covered, .. } = self.shares.in_flight;
        let sum = |unused: &dyn Fn(&Share) -> u128, only: &dyn Fn(&Share) -> bool| -> u128 {
            shares().filter(|one| only(one)).map(unused).sum()
        };
        let of = |one: &Share| share.saturating_sub(one.in_flight as usize) as u128;
        assert_eq!(unused as u128, sum(&of, &|_| true));
        assert_eq!(covered as u128, sum(&of, &|one| one.in_flight_covered));
        assert!(covered <= self.in_flight_max - self.shares.in_flight_total);
        let Division { share, unused, covered, .. } = self.shares.credit;
        let of = |one: &Share| share.saturating_sub(one.credit_used);
        assert_eq!(unused, sum(&of, &|_| true));
        assert_eq!(covered, sum(&of, &|one| one.credit_covered));
        assert!(covered <= zero_if_negative(self.left()));
    }
}

#[test]
fn a_single_requester_may_use_everything() {
    for in_flight_max in [1, 2, 3, 16_384] {
        let mut hop = Hop::new(in_flight_max, Some(-1_000_000));
        for _ in 0..in_flight_max {
            assert_eq!(hop.send(0, 1), Ok(()));
        }
        assert_eq!(hop.send(0, 1), Err(Exhausted::InFlight));
        hop.answer_all(false);
        assert_eq!(hop.send(0, 1_000_000), Ok(()));
    }
}

/// How many packets one requester may have in flight while others are active, and how many each of them then may have.
fn check(in_flight_max: usize, others: u32, flood: usize, each: usize) {
    let mut hop = Hop::new(in_flight_max, None);
    for requester in 0..=others {
        assert_eq!(hop.send(requester, 1), Ok(()));
        hop.answer_all(true);
    }
    let mut granted = 0;
    while hop.send(0, 1).is_ok() {
        granted += 1;
    }
    assert_eq!(granted, flood, "{in_flight_max} packets, {others} others");
    for requester in 1..=others {
        for n in 0..each {
            assert_eq!(
                hop.send(requester, 1),
                Ok(()),
                "{in_flight_max} packets, {others} others: {n} of {requester}"
            );
            assert!(hop.send(0, 1).is_err());
        }
    }
}

#[test]
fn half_is_divided_and_a_share_is_reserved_for_a_newcomer() {
    check(1, 1, 1, 0);
    check(2, 1, 1, 1);
    check(2, 2, 2, 0);
    check(3, 1, 2, 1);
    check(4, 1, 3, 1);
    check(6, 1, 4, 1);
    check(100, 1, 100 - 25 - 16, 25);
    check(100, 3, 100 - 3 * 12 - 10, 12);
    check(100, 99, 1, 1);
    check(16_384, 1, 16_384 - 4_096 - 2_730, 4_096);
    check(16_384, 1_000, 16_384 - 1_000 * 8 - 8, 8);
}

#[test]
fn a_newcomer_gets_the_share_that_was_reserved_for_it() {
    let mut hop = Hop::new(120, None);
    hop.send(0, 1).unwrap();
    hop.send(1, 1).unwrap();
    while hop.send(0, 1).is_ok() {}
    for newcomer in 2..5 {
        for _ in 0..120 / (2 * (newcomer + 1)) {
            let requester = u32::try_from(newcomer).unwrap();
            assert_eq!(hop.send(requester, 1), Ok(()), "newcomer {newcomer}");
        }
        assert!(hop.send(0, 1).is_err());
        // Packets of the flood end, which frees the share of the next newcomer.
        let flood: Vec<_> = (0..hop.in_flight.len()).filter(|n| hop.in_flight[*n].0 == 0).collect();
        for which in flood.iter().rev().take(40) {
            hop.answer(*which, false);
        }
        while hop.send(0, 1).is_ok() {}
    }
}

#[test]
fn a_latecomer_gets_its_share_as_packets_of_others_end() {
    let mut hop = Hop::new(100, None);
    while hop.send(0, 1).is_ok() {}
    assert_eq!(hop.send(1, 1), Err(Exhausted::InFlight));
    for _ in 0..25 {
        hop.answer(0, false);
        assert!(hop.send(0, 1).is_err(), "the freed packet is reserved");
        assert_eq!(hop.send(1, 1), Ok(()));
        hop.in_flight.swap(0, 99);
        hop.in_flight.sort_unstable();
    }
}

#[test]
fn an_idle_requester_loses_its_share() {
    let mut hop = Hop::new(100, None);
    hop.send(1, 1).unwrap();
    hop.answer_all(false);
    hop.advance(ACTIVE_FOR - SECOND);
    while hop.send(0, 1).is_ok() {}
    assert!(hop.in_flight.len() < 80);
    hop.advance(REVIEW_INTERVAL + SECOND);
    while hop.send(0, 1).is_ok() {}
    assert_eq!((hop.in_flight.len(), hop.shares.requesters()), (100, 1));
    // A requester with packets in flight stays active, however old they are.
    hop.advance(ACTIVE_FOR * 2);
    hop.send(1, 1).unwrap_err();
    assert_eq!((hop.share_of(0).in_flight, hop.shares.requesters()), (100, 2));
}

#[test]
fn a_share_lasts_exactly_as_long_as_its_requester_is_active() {
    let left_after = |idle: Duration| {
        let mut hop = Hop::new(100, None);
        hop.send(1, 1).unwrap();
        hop.answer_all(false);
        hop.advance(idle);
        hop.send(0, 1).unwrap();
        hop.shares.requesters()
    };
    assert_eq!(left_after(ACTIVE_FOR - Duration::from_nanos(1)), 2);
    assert_eq!(left_after(ACTIVE_FOR), 1);
}

/// All others cost a few comparisons.
#[test]
fn only_newcomers_and_reviews_look_at_the_capacity_again() {
    let mut hop = Hop::new(100, None);
    let looks = |hop: &mut Hop, requester| {
        let (capacity, mut looks) = (hop.capacity(), 0);
        let look = || {
            looks += 1;
            capacity
        };
        hop.shares.find_share(Slot(requester), hop.now, 100, look).unwrap();
        looks
    };
    assert_eq!((looks(&mut hop, 0), looks(&mut hop, 0)), (1, 0));
    hop.advance(REVIEW_INTERVAL - Duration::from_nanos(1));
    assert_eq!((looks(&mut hop, 0), looks(&mut hop, 1)), (0, 1));
    hop.advance(Duration::from_nanos(1));
    assert_eq!((looks(&mut hop, 0), looks(&mut hop, 1)), (1, 0));
}

#[test]
fn spent_credit_counts_as_used() {
    let mut hop = Hop::new(100, Some(-1_200));
    hop.send(1, 1).unwrap();
    hop.answer_all(false);
    let mut spent = 0;
    while hop.send(0, 10).is_ok() {
        hop.answer_all(true);
        spent += 10;
    }
    assert_eq!(spent, 1_200 - 300 - 200, "the shares of the other and of a newcomer are left");
    for _ in 0..30 {
        assert_eq!(hop.send(1, 10), Ok(()));
        hop.answer_all(true);
    }
    assert_eq!(hop.send(0, 10), Err(Exhausted::Credit));
    // Credit that returns (settled, or paid by the hop) is divided again.
    hop.balance += 700;
    hop.advance(REVIEW_INTERVAL);
    assert_eq!(hop.send(0, 10), Ok(()));
}

#[test]
fn one_packet_may_use_up_a_share_of_credit() {
    let mut hop = Hop::new(100, Some(-1_200));
    hop.send(1, 1).unwrap();
    hop.answer_all(false);
    hop.send(0, 1_200 - 300 - 200).unwrap();
    // The third of three has a sixth.
    assert_eq!(hop.send(2, 201), Err(Exhausted::Credit));
    assert_eq!(hop.send(2, 200), Ok(()));
    assert_eq!(hop.send(1, 200), Ok(()));
}

#[test]
fn credit_that_returns_as_fast_as_it_is_spent_slows_no_requester() {
    let mut hop = Hop::new(100, Some(-1_000));
    hop.send(1, 1).unwrap();
    hop.answer_all(false);
    for _ in 0..1_000 {
        assert_eq!(hop.send(0, 100), Ok(()));
        hop.answer_all(true);
        hop.balance += 100;
        hop.advance(SECOND);
    }
}

#[test]
fn spent_credit_counts_for_one_to_two_periods() {
    let reviews = u32::try_from(SPENT_PERIOD.as_secs() / REVIEW_INTERVAL.as_secs()).unwrap();
    for spent_at in 0..=reviews {
        let mut hop = Hop { now: MonoTime(0), ..Hop::new(100, Some(-1_000)) };
        let review = |hop: &mut Hop| {
            hop.advance(REVIEW_INTERVAL);
            hop.send(0, 0).unwrap();
            hop.answer_all(false);
        };
        hop.send(0, 0).unwrap();
        hop.answer_all(false);
        (0..spent_at).for_each(|_| review(&mut hop));
        hop.send(0, 100).unwrap();
        hop.answer_all(true);
        let counted = (0..100).take_while(|_| {
            review(&mut hop);
            hop.share_of(0).credit_used == 100
        });
        let counted = REVIEW_INTERVAL * u32::try_from(counted.count() + 1).unwrap();
        assert!((SPENT_PERIOD..=SPENT_PERIOD * 2).contains(&counted), "{spent_at}: {counted:?}");
        assert_eq!(hop.share_of(0).credit_used, 0);
    }
}

#[test]
fn credit_that_was_spent_before_a_quiet_time_no_longer_counts() {
    for (quiet, counted) in [(SPENT_PERIOD * 2 - SECOND, 100), (SPENT_PERIOD * 2, 0)] {
        let mut hop = Hop { now: MonoTime(0), ..Hop::new(100, Some(-1_000)) };
        hop.send(0, 100).unwrap();
        hop.answer_all(true);
        // A packet in flight keeps its requester's share.
        hop.send(0, 0).unwrap();
        hop.advance(quiet);
        hop.send(1, 0).unwrap();
        assert_eq!(hop.share_of(0).credit_used, counted);
    }
}

#[test]
fn a_new_capacity_is_divided_at_once() {
    let mut hop = Hop::new(100, None);
    for requester in [1, 0] {
        hop.send(requester, 1).unwrap();
    }
    hop.in_flight_max = 10;
    hop.shares.schedule_review();
    while hop.send(0, 1).is_ok() {}
    assert_eq!(hop.in_flight.len(), 10 - 2 - 1 + 1, "1 of a share of 2, and 1 for a newcomer");
}

#[test]
fn requesters_beyond_the_maximum_have_one_share_together() {
    let mut hop = Hop::new(1_000_000, Some(-1_000_000));
    let requesters = u32::try_from(REQUESTERS_MAX).unwrap() + 500;
    for requester in 0..requesters {
        hop.send(requester, 1).unwrap();
    }
    assert_eq!(hop.shares.requesters(), REQUESTERS_MAX + 1);
    assert_eq!(hop.shares.table[hop.shares.index_of(OTHER_REQUESTERS).unwrap()].in_flight, 500);
    // Fewer requesters remain; each packet still releases the share that it used.
    hop.advance(ACTIVE_FOR);
    hop.in_flight.sort_unstable();
    for _ in 0..REQUESTERS_MAX {
        hop.answer(0, false);
        hop.in_flight.sort_unstable();
    }
    hop.advance(ACTIVE_FOR);
    hop.send(requesters - 1, 1).unwrap();
    hop.answer_all(true);
    hop.advance(ACTIVE_FOR * 2);
    hop.send(0, 1).unwrap();
    assert_eq!((hop.shares.requesters(), hop.share_of(0).in_flight), (1, 1));
}

#[derive(Clone, Debug)]
enum Op {
    Flood { requester: u32, count: usize, amount: u64 },
    Honest { amount: u64 },
    Answer { which: usize, fulfilled: bool },
    ReturnCredit { amount: u64 },
    Advance { seconds: u64 },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (1..6u32, 1..60usize, 0..3_000u64)
            .prop_map(|(requester, count, amount)| Op::Flood { requester, count, amount }),
        6 => (0..2_000u64).prop_map(|amount| Op::Honest { amount }),
        6 => (any::<usize>(), any::<bool>())
            .prop_map(|(which, fulfilled)| Op::Answer { which, fulfilled }),
        1 => (0..5_000u64).prop_map(|amount| Op::ReturnCredit { amount }),
        2 => (0..100u64).prop_map(|seconds| Op::Advance { seconds }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]
    /// An active requester is never refused below its share while five others flood, leave packets unanswered, spend
    /// credit, come and go.
    #[test]
    fn below_its_share_a_requester_is_never_refused(ops in prop::collection::vec(op(), 1..200)) {
        const HONEST: u32 = 0;
        let mut hop = Hop::new(60, Some(-30_000));
        hop.send(HONEST, 0).unwrap();
        for op in ops {
            match op {
                Op::Flood { requester, count, amount } => {
                    for _ in 0..count {
                        let _ = hop.send(requester, amount);
                    }
                }
                Op::Honest { amount } => {
                    // A review may be due.
                    let capacity = hop.capacity();
                    hop.shares.find_share(Slot(HONEST), hop.now, hop.in_flight_max, || capacity);
                    let share = hop.share_of(HONEST);
                    let (in_flight, credit) = (hop.shares.in_flight, hop.shares.credit);
                    let is_below_share = (share.in_flight as usize) < in_flight.share;
                    let has_credit =
                        share.credit_covered && share.credit_used + u128::from(amount) <= credit.share;
                    match hop.send(HONEST, amount) {
                        Ok(()) => {}
                        Err(Exhausted::InFlight) => prop_assert!(!is_below_share),
                        Err(Exhausted::Credit) => prop_assert!(!has_credit),
                    }
                }
                Op::Answer { which, fulfilled } => hop.answer(which, fulfilled),
                Op::ReturnCredit { amount } => hop.balance += i128::from(amount).min(-hop.balance),
                Op::Advance { seconds } => {
                    hop.advance(Duration::from_secs(seconds));
                    // It stays active.
                    let _ = hop.send(HONEST, 0);
                }
            }
        }
    }
}
