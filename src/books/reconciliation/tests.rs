//! Settlements at two ends: what is on its way, lost, recorded by mistake, undone, or too small to be paid.

mod beginning;
mod rules;

use proptest::prelude::*;

use super::judge::DifferenceCause;
use super::*;
use crate::account::ReconcileSettings;
use crate::wire::Timestamp;
use crate::wire::reconcile::{PeerAmounts, PeerBooks};

const OVERDUE_MS: u64 = 1_000;

/// Two ends whose packets agree.
struct Ends {
    amounts: [PeerAmounts; 2],
    states: [ReconcileState; 2],
    now: u64,
    is_durable: bool,
    books: [u8; 2],
}

impl Ends {
    fn new() -> Self {
        let mut ends = Self {
            amounts: Default::default(),
            states: Default::default(),
            now: 1_000_000,
            is_durable: true,
            books: [1, 2],
        };
        ends.compare();
        ends
    }

    fn pay(&mut self, by: usize, units: i128) {
        self.amounts[by].paid += units;
        let total = self.amounts[by].paid;
        self.states[by].paid.note_settlement(units, total, Timestamp::from_millis(self.now));
    }

    fn credit(&mut self, at: usize, units: i128) {
        self.amounts[at].received += units;
    }

    fn pass(&mut self, ms: u64) {
        self.now += ms;
    }

    fn compare_at(&mut self, at: usize) -> Judgement {
        let settings = ReconcileSettings {
            settlement_overdue: std::time::Duration::from_millis(OVERDUE_MS),
            ..ReconcileSettings::default()
        };
        let policy = ReconcilePolicy {
            settings,
            max_balance: None,
            settle_time: std::time::Duration::from_millis(1),
        };
        let (ours, theirs) = (self.amounts[at], self.amounts[1 - at]);
        let exchange = Exchange {
            before: ours,
            after: ours,
            theirs,
            is_asked_in_order: true,
            is_answered_in_order: true,
        };
        let peer = PeerBooks {
            books: &[self.books[1 - at]],
            run: self.books[1 - at].into(),
            cut: 0,
            seen_cut: 0,
            is_recovering: false,
            is_durable: self.is_durable,
            asset_code: "USD",
            asset_scale: 9,
            amounts: theirs,
            credit_places: self.states[1 - at].credit_places,
        };
        let own = OwnEnd { cut: 0, up_for: std::time::Duration::from_secs(60), balance: 0 };
        let now = Timestamp::from_millis(self.now);
        self.states[at].judge(&exchange, &peer, &own, &policy, now)
    }

    fn compare(&mut self) {
        for at in [0, 1] {
            let judgement = self.compare_at(at);
            assert_eq!(judgement.corrections, []);
        }
    }

    /// Compares, and checks both verdicts.
    fn check(&mut self, verdict: BooksVerdict) {
        self.compare();
        for state in &self.states {
            assert_eq!(state.verdict, verdict, "{state:#?}");
        }
    }

    /// Both ends name these as missing: overdue, and on their way.
    fn check_missing(&mut self, payer: usize, overdue: i128, pending: i128) {
        let is_overdue = overdue != 0;
        self.check(if is_overdue { BooksVerdict::Overdue } else { BooksVerdict::Agrees });
        let (ours, theirs) = (&self.states[payer], &self.states[1 - payer]);
        assert_eq!((ours.difference.paid, theirs.difference.received), (overdue, overdue));
        assert_eq!((ours.pending.paid, theirs.pending.received), (pending, pending));
        assert_eq!((ours.pending.received, theirs.pending.paid), (0, 0));
    }
}

#[test]
fn what_a_crash_has_lost_is_named_until_it_is_corrected() {
    let mut ends = Ends::new();
    // The books have lost that the peer fulfilled this, and that it was sent at all.
    ends.amounts[1].answered = 4_220;
    ends.states[0].is_recovering = true;
    for _ in 0..2 {
        assert_eq!(ends.compare_at(0).corrections, []);
        let state = &ends.states[0];
        assert_eq!((state.verdict, state.difference.asked), (BooksVerdict::Differs, 4_220));
        assert_eq!(state.causes, [DifferenceCause::OwnPacketsForgotten]);
        // Also after another restart.
        ends.states[0] = ReconcileState::from_text(&state.to_text()).unwrap();
    }
    ends.amounts[0].adjusted = -4_220;
    ends.compare_at(0);
    assert_eq!((ends.states[0].verdict, ends.states[0].lost), (BooksVerdict::Agrees, 0));
    // Without a crash, it is another matter.
    ends.amounts[1].answered += 5;
    ends.compare_at(0);
    assert_eq!(ends.states[0].causes, [DifferenceCause::PeerOvercounts]);
}

#[test]
fn the_opposite_of_a_settlement_undoes_it_at_either_end() {
    let mut ends = Ends::new();
    ends.credit(1, 5);
    ends.check(BooksVerdict::Differs);
    assert_eq!((ends.states[1].difference.received, ends.states[0].difference.paid), (-5, -5));
    ends.pay(1, 5);
    ends.check(BooksVerdict::Agrees);
    // And it stays so, with all that follows.
    ends.pass(10 * OVERDUE_MS);
    ends.check(BooksVerdict::Agrees);
    ends.pay(0, 5);
    ends.check_missing(0, 0, 5);
    ends.credit(1, 5);
    ends.check(BooksVerdict::Agrees);
    ends.pay(1, 7);
    ends.check_missing(1, 0, 7);
    ends.pass(OVERDUE_MS);
    ends.check_missing(1, 7, 0);
    ends.credit(0, 7);
    ends.check(BooksVerdict::Agrees);
    // If it was no mistake after all, the books differ.
    ends.credit(0, 5);
    ends.check(BooksVerdict::Differs);
}

#[test]
fn an_undone_mistake_beside_a_settlement_on_its_way_is_no_alarm() {
    let mut ends = Ends::new();
    ends.pay(0, 7);
    ends.credit(0, 5);
    ends.pay(0, 5);
    ends.check_missing(0, 0, 7);
    ends.credit(1, 7);
    ends.check(BooksVerdict::Agrees);
    ends.pass(10 * OVERDUE_MS);
    ends.check(BooksVerdict::Agrees);
}

#[test]
fn each_settlement_is_overdue_by_its_own_time_and_the_amount_follows() {
    let mut ends = Ends::new();
    ends.pay(0, 4);
    ends.pass(OVERDUE_MS - 1);
    // The other end learns of it now.
    ends.compare();
    assert_eq!(ends.states[0].verdict, BooksVerdict::Agrees);
    ends.pass(1);
    ends.pay(0, 3);
    ends.compare();
    assert_eq!((ends.states[0].difference.paid, ends.states[0].pending.paid), (4, 3));
    assert_eq!(ends.states[1].verdict, BooksVerdict::Agrees, "it has known for 1 ms");
    ends.pass(OVERDUE_MS);
    ends.check_missing(0, 7, 0);
    ends.credit(1, 4);
    ends.check_missing(0, 3, 0);
    ends.credit(1, 3);
    ends.check_missing(0, 0, 0);
}

#[test]
fn what_the_engines_cannot_pay_is_named_and_is_no_loss() {
    let mut ends = Ends::new();
    ends.pay(0, 1_500);
    ends.check_missing(0, 0, 1_500);
    ends.credit(1, 1_000);
    ends.states[1].credit_places = Some(6);
    ends.pass(10 * OVERDUE_MS);
    ends.check_missing(0, 0, 0);
    assert_eq!((ends.states[0].dust.paid, ends.states[1].dust.received), (500, 500));
    // A whole settlement that is lost is more than that.
    ends.pay(0, 2_000);
    ends.compare();
    ends.pass(OVERDUE_MS);
    ends.check_missing(0, 2_500, 0);
    ends.credit(1, 2_000);
    ends.check_missing(0, 0, 0);
}

#[test]
fn what_an_operator_has_balanced_stays_balanced_when_settlements_follow() {
    let mut ends = Ends::new();
    ends.credit(0, 5);
    ends.check(BooksVerdict::Differs);
    ends.amounts[0].adjusted = 5;
    ends.check(BooksVerdict::Agrees);
    ends.pay(1, 5);
    ends.check_missing(1, 0, 5);
    ends.credit(0, 5);
    ends.check(BooksVerdict::Agrees);
    ends.amounts[0].adjusted = 0;
    ends.check(BooksVerdict::Differs);
}

#[test]
fn a_settlement_that_is_on_its_way_when_books_are_first_compared_is_followed() {
    let mut ends = Ends::new();
    ends.pay(0, 18);
    ends.books = [3, 4];
    ends.check(BooksVerdict::Agrees);
    assert_eq!(ends.states[0].pending.paid, 18);
    ends.pass(OVERDUE_MS);
    ends.compare();
    assert_eq!(ends.states[0].verdict, BooksVerdict::Overdue);
}

#[test]
fn new_books_of_a_peer_are_news_only_if_it_keeps_them() {
    for is_durable in [true, false] {
        let mut ends = Ends::new();
        (ends.is_durable, ends.books) = (is_durable, [3, 4]);
        assert_eq!(ends.compare_at(0).notice.is_some(), is_durable);
    }
}

proptest! {
    /// What operators record by mistake and undo, and what engines pay and credit in order: no alarm, while all is
    /// young. And what is lost in the end is found to the unit.
    #[test]
    fn settlements_and_undone_mistakes_leave_no_difference_but_what_is_lost(
        steps in proptest::collection::vec((0..5_u8, 0..2_usize, 1..1_000_i128), 0..60),
        lost in 0..3_usize,
    ) {
        let mut ends = Ends::new();
        let mut on_their_way: [Vec<i128>; 2] = Default::default();
        for (kind, at, units) in steps {
            match kind {
                0 | 1 => {
                    ends.pay(at, units);
                    on_their_way[at].push(units);
                }
                2 | 3 => if !on_their_way[at].is_empty() {
                    let arrived = on_their_way[at].remove(0);
                    ends.credit(1 - at, arrived);
                },
                _ => {
                    // Between the mistake and its opposite, the books differ.
                    ends.credit(at, units);
                    ends.pay(at, units);
                }
            }
            ends.check(BooksVerdict::Agrees);
            let sum: i128 = on_their_way.iter().flatten().sum();
            for state in &ends.states {
                prop_assert_eq!(state.pending.paid + state.pending.received, sum);
            }
        }
        let mut sum = 0;
        for (payer, payments) in on_their_way.iter().enumerate() {
            let kept = payments.len().saturating_sub(lost);
            payments[..kept].iter().for_each(|units| ends.credit(1 - payer, *units));
            sum += payments[kept..].iter().sum::<i128>();
        }
        ends.compare();
        ends.pass(OVERDUE_MS);
        ends.check(if sum == 0 { BooksVerdict::Agrees } else { BooksVerdict::Overdue });
        for state in &ends.states {
            prop_assert_eq!(state.difference.total(), sum);
        }
    }
}
