//! Who gets what: tables, and a model of hostile requesters beside an honest one.

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A next hop with shares, and the packets in flight to it.
struct Hop {
    shares: Shares,
    places: usize,
    min_balance: Option<i128>,
    balance: i128,
    held: i128,
    now: MonoTime,
    /// The real requester, the share it uses, the amount.
    in_flight: Vec<(u32, Slot, u64)>,
}

/// What is refused.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    Place,
    Credit,
}

impl Hop {
    fn new(places: usize, min_balance: Option<i128>) -> Self {
        Hop {
            shares: Shares::default(),
            places,
            min_balance,
            balance: 0,
            held: 0,
            now: MonoTime(7_000_000_000),
            in_flight: Vec::new(),
        }
    }

    fn capacity(&self) -> Capacity {
        Capacity {
            places: self.places,
            min_balance: self.min_balance,
            balance: self.balance,
            held_out: self.held,
        }
    }

    fn left(&self) -> i128 {
        self.balance - self.held - self.min_balance.unwrap_or(i128::MIN / 4)
    }

    fn ask(&mut self, requester: u32, amount: u64) -> Result<(), Refused> {
        let capacity = self.capacity();
        let index = self.shares.find_share(Slot(requester), self.now, self.places, || capacity);
        let index = index.ok_or(Refused::Place)?;
        let left = self.left();
        if self.min_balance.is_some() && amount > 0 {
            let has_credit = self.shares.has_credit(index, Amount(amount), left);
            if !has_credit || left < i128::from(amount) {
                return Err(Refused::Credit);
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

    fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
    }

    fn share_of(&self, requester: u32) -> Share {
        self.shares.table[self.shares.find(Slot(requester)).unwrap()]
    }

    /// The sums that are kept up to date are those that adding up gives.
    fn check(&self) {
        let shares = || self.shares.table.iter().filter(|share| share.requester != Slot::NONE);
        assert_eq!(self.shares.places_used, self.in_flight.len());
        assert!(self.shares.places_used <= self.places);
        assert_eq!(shares().count(), self.shares.requesters);
        let Division { share, unused, covered, .. } = self.shares.places;
        let sum = |unused: &dyn Fn(&Share) -> u128, only: &dyn Fn(&Share) -> bool| -> u128 {
            shares().filter(|one| only(one)).map(unused).sum()
        };
        let of = |one: &Share| share.saturating_sub(one.places as usize) as u128;
        assert_eq!(unused as u128, sum(&of, &|_| true));
        assert_eq!(covered as u128, sum(&of, &|one| one.places_covered));
        assert!(covered <= self.places - self.shares.places_used);
        let Division { share, unused, covered, .. } = self.shares.credit;
        let of = |one: &Share| share.saturating_sub(one.used);
        assert_eq!(unused, sum(&of, &|_| true));
        assert_eq!(covered, sum(&of, &|one| one.credit_covered));
        assert!(covered <= positive(self.left()));
    }
}

#[test]
fn an_asker_alone_may_use_everything() {
    for places in [1, 2, 3, 16_384] {
        let mut hop = Hop::new(places, Some(-1_000_000));
        for _ in 0..places {
            assert_eq!(hop.ask(0, 1), Ok(()));
        }
        assert_eq!(hop.ask(0, 1), Err(Refused::Place));
        hop.answer_all(false);
        assert_eq!(hop.ask(0, 1_000_000), Ok(()));
    }
}

/// How many places one requester gets while others have asked of late, and how many each of them finds then.
fn check(places: usize, others: u32, flood: usize, each: usize) {
    let mut hop = Hop::new(places, None);
    for requester in 0..=others {
        assert_eq!(hop.ask(requester, 1), Ok(()));
        hop.answer_all(true);
    }
    let mut granted = 0;
    while hop.ask(0, 1).is_ok() {
        granted += 1;
    }
    assert_eq!(granted, flood, "{places} places, {others} others");
    for requester in 1..=others {
        for n in 0..each {
            assert_eq!(
                hop.ask(requester, 1),
                Ok(()),
                "{places} places, {others} others: {n} of {requester}"
            );
            assert!(hop.ask(0, 1).is_err());
        }
    }
}

#[test]
fn half_is_divided_and_a_share_is_kept_for_a_newcomer() {
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
fn a_newcomer_finds_the_share_that_was_kept_for_it() {
    let mut hop = Hop::new(120, None);
    hop.ask(0, 1).unwrap();
    hop.ask(1, 1).unwrap();
    while hop.ask(0, 1).is_ok() {}
    for newcomer in 2..5 {
        for _ in 0..120 / (2 * (newcomer + 1)) {
            let requester = u32::try_from(newcomer).unwrap();
            assert_eq!(hop.ask(requester, 1), Ok(()), "newcomer {newcomer}");
        }
        assert!(hop.ask(0, 1).is_err());
        // It goes on with the next one once this one has room for it.
        let places: Vec<_> =
            (0..hop.in_flight.len()).filter(|n| hop.in_flight[*n].0 == 0).collect();
        for which in places.iter().rev().take(40) {
            hop.answer(*which, false);
        }
        while hop.ask(0, 1).is_ok() {}
    }
}

#[test]
fn who_came_after_one_took_everything_gets_its_share_as_places_come_back() {
    let mut hop = Hop::new(100, None);
    while hop.ask(0, 1).is_ok() {}
    assert_eq!(hop.ask(1, 1), Err(Refused::Place));
    for _ in 0..25 {
        hop.answer(0, false);
        assert!(hop.ask(0, 1).is_err(), "what comes back is kept");
        assert_eq!(hop.ask(1, 1), Ok(()));
        hop.in_flight.swap(0, 99);
        hop.in_flight.sort_unstable();
    }
}

#[test]
fn an_asker_that_is_idle_keeps_nothing() {
    let mut hop = Hop::new(100, None);
    hop.ask(1, 1).unwrap();
    hop.answer_all(false);
    hop.pass(ACTIVE_FOR - SECOND);
    while hop.ask(0, 1).is_ok() {}
    assert!(hop.in_flight.len() < 80);
    hop.pass(REVIEW_INTERVAL + SECOND);
    while hop.ask(0, 1).is_ok() {}
    assert_eq!((hop.in_flight.len(), hop.shares.requesters()), (100, 1));
    // With packets in flight it is not forgotten, however old they are.
    hop.pass(ACTIVE_FOR * 2);
    hop.ask(1, 1).unwrap_err();
    assert_eq!((hop.share_of(0).places, hop.shares.requesters()), (100, 2));
}

#[test]
fn spent_credit_counts_as_used() {
    let mut hop = Hop::new(100, Some(-1_200));
    hop.ask(1, 1).unwrap();
    hop.answer_all(false);
    let mut spent = 0;
    while hop.ask(0, 10).is_ok() {
        hop.answer_all(true);
        spent += 10;
    }
    assert_eq!(spent, 1_200 - 300 - 200, "the other's share and a newcomer's are left");
    for _ in 0..30 {
        assert_eq!(hop.ask(1, 10), Ok(()));
        hop.answer_all(true);
    }
    assert_eq!(hop.ask(0, 10), Err(Refused::Credit));
    // What comes back (settled, or paid by the hop) is there for everybody.
    hop.balance += 700;
    hop.pass(REVIEW_INTERVAL);
    assert_eq!(hop.ask(0, 10), Ok(()));
}

#[test]
fn credit_that_comes_back_as_fast_as_it_is_spent_slows_nobody() {
    let mut hop = Hop::new(100, Some(-1_000));
    hop.ask(1, 1).unwrap();
    hop.answer_all(false);
    for _ in 0..1_000 {
        assert_eq!(hop.ask(0, 100), Ok(()));
        hop.answer_all(true);
        hop.balance += 100;
        hop.pass(SECOND);
    }
}

#[test]
fn spent_credit_is_forgotten_after_its_windows() {
    let mut hop = Hop::new(100, Some(-1_000));
    hop.ask(0, 100).unwrap();
    hop.answer_all(true);
    assert_eq!(hop.share_of(0).used, 100);
    for _ in 0..30 {
        hop.pass(REVIEW_INTERVAL);
        hop.ask(0, 0).unwrap();
        hop.answer_all(false);
    }
    assert_eq!(hop.share_of(0).used, 0);
}

#[test]
fn a_capacity_of_a_reload_is_divided_at_once() {
    let mut hop = Hop::new(100, None);
    for requester in [1, 0] {
        hop.ask(requester, 1).unwrap();
    }
    hop.places = 10;
    hop.shares.schedule_review();
    while hop.ask(0, 1).is_ok() {}
    assert_eq!(hop.in_flight.len(), 10 - 2 - 1 + 1, "1 of a share of 2, and 1 for a newcomer");
}

#[test]
fn more_askers_than_have_shares_have_one_together() {
    let mut hop = Hop::new(1_000_000, Some(-1_000_000));
    let requesters = u32::try_from(REQUESTERS_MAX).unwrap() + 500;
    for requester in 0..requesters {
        hop.ask(requester, 1).unwrap();
    }
    assert_eq!(hop.shares.requesters(), REQUESTERS_MAX + 1);
    assert_eq!(hop.shares.table[hop.shares.find(OTHERS).unwrap()].places, 500);
    // The others become few; whose share a packet used is remembered with the packet.
    hop.pass(ACTIVE_FOR);
    hop.in_flight.sort_unstable();
    for _ in 0..REQUESTERS_MAX {
        hop.answer(0, false);
        hop.in_flight.sort_unstable();
    }
    hop.pass(ACTIVE_FOR);
    hop.ask(requesters - 1, 1).unwrap();
    hop.answer_all(true);
    hop.pass(ACTIVE_FOR * 2);
    hop.ask(0, 1).unwrap();
    assert_eq!((hop.shares.requesters(), hop.share_of(0).places), (1, 1));
}

#[derive(Clone, Debug)]
enum Op {
    Flood { requester: u32, count: usize, amount: u64 },
    Honest { amount: u64 },
    Answer { which: usize, fulfilled: bool },
    ComesBack { amount: u64 },
    Pass { seconds: u64 },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (1..6u32, 1..60usize, 0..3_000u64)
            .prop_map(|(requester, count, amount)| Op::Flood { requester, count, amount }),
        6 => (0..2_000u64).prop_map(|amount| Op::Honest { amount }),
        6 => (any::<usize>(), any::<bool>())
            .prop_map(|(which, fulfilled)| Op::Answer { which, fulfilled }),
        1 => (0..5_000u64).prop_map(|amount| Op::ComesBack { amount }),
        2 => (0..100u64).prop_map(|seconds| Op::Pass { seconds }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]
    /// One requester that has used the hop and goes on using it is never refused below its share, whatever five others do:
    /// flood, let packets hang, spend, come and go.
    #[test]
    fn below_its_share_an_asker_is_never_refused(ops in prop::collection::vec(op(), 1..200)) {
        const HONEST: u32 = 0;
        let mut hop = Hop::new(60, Some(-30_000));
        hop.ask(HONEST, 0).unwrap();
        for op in ops {
            match op {
                Op::Flood { requester, count, amount } => {
                    for _ in 0..count {
                        let _ = hop.ask(requester, amount);
                    }
                }
                Op::Honest { amount } => {
                    // What is due comes before the look.
                    let capacity = hop.capacity();
                    hop.shares.find_share(Slot(HONEST), hop.now, hop.places, || capacity);
                    let share = hop.share_of(HONEST);
                    let (places, credit) = (hop.shares.places, hop.shares.credit);
                    let has_place = (share.places as usize) < places.share;
                    let has_credit =
                        share.credit_covered && share.used + u128::from(amount) <= credit.share;
                    match hop.ask(HONEST, amount) {
                        Ok(()) => {}
                        Err(Refused::Place) => prop_assert!(!has_place),
                        Err(Refused::Credit) => prop_assert!(!has_credit),
                    }
                }
                Op::Answer { which, fulfilled } => hop.answer(which, fulfilled),
                Op::ComesBack { amount } => hop.balance += i128::from(amount).min(-hop.balance),
                Op::Pass { seconds } => {
                    hop.pass(Duration::from_secs(seconds));
                    // It does not fall idle, and no packet lasts longer than this.
                    let _ = hop.ask(HONEST, 0);
                }
            }
        }
    }
}
