//! What one comparison leads to, rule by rule.

use std::time::Duration;

use super::super::judge::{DifferenceCause, whole_ms};
use super::super::payments::Payment;
use super::*;
use crate::account::OnCrash;
use crate::books::BalanceChange;

const SETTLE: Duration = Duration::from_millis(100);
pub(super) const SOON: Duration = Duration::from_secs(1);
const DAY_MS: u64 = 86_400_000;

/// One comparison, as the node that asked sees it. By default, nothing was ever counted.
#[derive(Clone, Copy)]
pub(super) struct Comparison {
    /// `None`: nothing has changed between the request and the answer.
    pub(super) before: Option<PeerAmounts>,
    pub(super) after: PeerAmounts,
    pub(super) theirs: PeerAmounts,
    pub(super) is_in_order: bool,
    pub(super) peer: PeerBooks<'static>,
    pub(super) own: OwnEnd,
    pub(super) policy: ReconcilePolicy,
    pub(super) now_ms: u64,
}

impl Default for Comparison {
    fn default() -> Self {
        let peer = PeerBooks {
            books: &[1],
            run: 1,
            cut: 5,
            seen_cut: 3,
            is_recovering: false,
            is_durable: true,
            asset_code: "USD",
            asset_scale: 9,
            amounts: PeerAmounts::default(),
            credit_places: None,
        };
        let settings = ReconcileSettings {
            settlement_overdue: Duration::from_millis(OVERDUE_MS),
            ..ReconcileSettings::default()
        };
        Self {
            before: None,
            after: PeerAmounts::default(),
            theirs: PeerAmounts::default(),
            is_in_order: false,
            peer,
            own: OwnEnd { cut: 3, up_for: Duration::ZERO, balance: 0 },
            policy: ReconcilePolicy { settings, max_balance: None, settle_time: SETTLE },
            now_ms: 1_000,
        }
    }
}

impl Comparison {
    pub(super) fn judge(&self, state: &mut ReconcileState) -> Judgement {
        let exchange = Exchange {
            before: self.before.unwrap_or(self.after),
            after: self.after,
            theirs: self.theirs,
            is_asked_in_order: self.is_in_order,
            is_answered_in_order: self.is_in_order,
        };
        let peer = PeerBooks { amounts: self.theirs, ..self.peer };
        let now = Timestamp::from_millis(self.now_ms);
        state.judge(&exchange, &peer, &self.own, &self.policy, now)
    }

    /// The peer fulfilled this much more of our packets than we accepted.
    pub(super) fn with_asked(mut self, difference: i128) -> Self {
        (self.after.asked, self.theirs.answered) = (1_000, 1_000 + difference);
        self
    }

    /// We fulfilled this much more of the peer's packets than it accepts.
    pub(super) fn with_answered(mut self, difference: i128) -> Self {
        (self.after.answered, self.theirs.asked) = (1_000 + difference, 1_000);
        self
    }

    fn may_write_off(mut self, write_off_max: i128) -> Self {
        self.policy.settings.write_off_max = write_off_max;
        self
    }
}

/// Two books that were equal when they were first compared.
pub(super) fn compared() -> ReconcileState {
    let mut state = ReconcileState::default();
    assert_eq!(Comparison::default().judge(&mut state), Judgement::default());
    assert_eq!(state.verdict, BooksVerdict::Agrees);
    state
}

#[test]
fn the_end_that_answered_gives_up_a_lasting_difference_up_to_its_limits() {
    let base = Comparison::default().may_write_off(100);
    let below_max = |balance, max| {
        let mut one = base.with_answered(-100);
        (one.own.balance, one.policy.max_balance) = (balance, Some(max));
        one
    };
    let mut in_flight = base.with_answered(100);
    in_flight.before = Some(PeerAmounts { answered: 1_099, ..in_flight.after });
    let mut peer_recovers = base.with_answered(100);
    peer_recovers.peer.is_recovering = true;
    for (what, comparison, expected) in [
        ("all of it", base.with_answered(100), Some(100)),
        ("more than the limit of a day", base.with_answered(101), None),
        ("what the peer admits to owe", base.with_answered(-100), Some(-100)),
        ("more than the limit, the other way", base.with_answered(-101), None),
        ("up to the maximum balance", below_max(50, 150), Some(-100)),
        ("beyond the maximum balance", below_max(50, 149), None),
        ("while a packet may be in flight", in_flight, None),
        ("while the peer may give way", peer_recovers, None),
        ("of our own packets", base.with_asked(100), None),
    ] {
        let mut state = compared();
        let judgement = comparison.judge(&mut state);
        let expected: Vec<_> = expected.map(BalanceChange::WriteOff).into_iter().collect();
        assert_eq!(judgement.corrections, expected, "{what}");
        let has_given_up = !expected.is_empty();
        assert_eq!(judgement.again_after == Some(Duration::ZERO), has_given_up, "{what}");
        assert_eq!(state.given_up.amount, if has_given_up { 100 } else { 0 }, "{what}");
        assert_eq!(state.verdict, BooksVerdict::Differs, "{what}");
    }
}

#[test]
fn what_is_given_up_in_a_day_adds_up() {
    let mut state = compared();
    let mut comparison = Comparison::default().may_write_off(100).with_answered(60);
    for (difference, now_ms, is_given_up) in
        [(60, 1_000, true), (-41, 2_000, false), (-40, 2_000, true), (1, DAY_MS, true)]
    {
        (comparison, comparison.now_ms) = (comparison.with_answered(difference), now_ms);
        let corrections = comparison.judge(&mut state).corrections;
        assert_eq!(!corrections.is_empty(), is_given_up, "{difference} at {now_ms}");
    }
}

#[test]
fn after_an_unclean_end_this_end_gives_way() {
    use BalanceChange::{Concede, Resolve};
    let case = |uncertain, difference, write_off_max| {
        let mut one = Comparison::default().may_write_off(write_off_max).with_asked(difference);
        one.after.uncertain = uncertain;
        one
    };
    let resolve = |conceded| Resolve { conceded };
    for (comparison, corrections, lost) in [
        (case(50, 30, 0), vec![resolve(30)], 0),
        (case(50, 50, 0), vec![resolve(50)], 0),
        (case(50, 0, 0), vec![resolve(0)], 0),
        (case(50, -10, 0), vec![resolve(0)], 0),
        (case(50, 80, 30), vec![resolve(50), Concede(30)], 0),
        (case(50, 81, 30), vec![resolve(50)], 31),
        (case(0, 30, 30), vec![Concede(30)], 0),
        (case(0, 31, 30), vec![], 31),
        (case(0, 0, 30), vec![], 0),
    ] {
        let mut state = ReconcileState { is_recovering: true, ..compared() };
        let judgement = comparison.judge(&mut state);
        assert_eq!((&judgement.corrections, state.lost), (&corrections, lost));
        assert!(!state.is_recovering, "{corrections:?}");
        // The next comparison sees what the corrections leave.
        let (again, verdict) = match (corrections.is_empty(), lost) {
            (false, _) => (Some(Duration::ZERO), BooksVerdict::Recovering),
            (true, 0) => (None, BooksVerdict::Agrees),
            (true, _) => (None, BooksVerdict::Differs),
        };
        assert_eq!((judgement.again_after, state.verdict), (again, verdict), "{corrections:?}");
    }
}

#[test]
fn what_was_sent_before_a_crash_may_still_be_fulfilled_for_a_while() {
    let mut comparison = Comparison::default().with_asked(30);
    comparison.after.uncertain = 50;
    let resolved = BalanceChange::Resolve { conceded: 30 };
    for (in_flight, up_for_ms, is_over) in
        [(0, 0, true), (5, 99, false), (5, 100, true), (5, 101, true)]
    {
        comparison.theirs.in_flight_in = in_flight;
        comparison.own.up_for = Duration::from_millis(up_for_ms);
        let mut state = ReconcileState { is_recovering: true, ..compared() };
        let judgement = comparison.judge(&mut state);
        let (corrections, again) =
            if is_over { (vec![resolved], Duration::ZERO) } else { (vec![], SOON) };
        assert_eq!(judgement.corrections, corrections, "{in_flight} after {up_for_ms} ms");
        assert_eq!(judgement.again_after, Some(again), "{in_flight} after {up_for_ms} ms");
        let expected = (BooksVerdict::Recovering, !is_over);
        assert_eq!((state.verdict, state.is_recovering), expected);
    }
}

#[test]
fn an_operator_who_decides_after_a_crash_is_waited_for() {
    let mut comparison = Comparison::default().may_write_off(100).with_asked(30);
    comparison.policy.settings.on_crash = OnCrash::Wait;
    comparison.after.uncertain = 50;
    let mut state = ReconcileState { is_recovering: true, ..compared() };
    assert_eq!(comparison.judge(&mut state), Judgement::default());
    assert_eq!((state.verdict, state.is_recovering), (BooksVerdict::Recovering, true));
    // The operator has resolved it, and nothing more is conceded without one.
    comparison.after.uncertain = 0;
    assert_eq!(comparison.judge(&mut state), Judgement::default());
    assert_eq!((state.verdict, state.lost), (BooksVerdict::Differs, 30));
    assert_eq!(state.causes, [DifferenceCause::OwnPacketsForgotten]);
    // Once nothing is missing, the loss is history.
    comparison.with_asked(0).judge(&mut state);
    assert_eq!((state.verdict, state.lost), (BooksVerdict::Agrees, 0));
}

#[test]
fn what_the_peer_admits_after_our_crash_is_taken_up_to_the_maximum_balance() {
    for (difference, max_balance, expected) in [
        (-40, None, Some(-40)),
        (-40, Some(140), Some(-40)),
        (-40, Some(139), None),
        (0, None, None),
        (40, None, None),
    ] {
        let mut comparison = Comparison::default().with_answered(difference);
        (comparison.own.balance, comparison.policy.max_balance) = (100, max_balance);
        let mut state = ReconcileState { may_lack: true, ..compared() };
        let corrections = comparison.judge(&mut state).corrections;
        let expected: Vec<_> = expected.map(BalanceChange::WriteOff).into_iter().collect();
        assert_eq!(corrections, expected, "{difference} below {max_balance:?}");
        assert!(!state.may_lack, "asked once");
        // It is not what an operator allows to give up.
        assert_eq!(state.given_up.amount, 0);
    }
    // The peer's answers may still be on their way.
    let mut comparison = Comparison::default().with_answered(-40);
    comparison.theirs.in_flight_out = 5;
    let mut state = ReconcileState { may_lack: true, ..compared() };
    let judgement = comparison.judge(&mut state);
    assert_eq!((judgement.corrections, judgement.again_after), (vec![], Some(SOON)));
    assert_eq!((state.verdict, state.may_lack), (BooksVerdict::Recovering, true));
}

#[test]
fn a_difference_behind_packets_in_flight_is_looked_at_again() {
    let mut comparison = Comparison { is_in_order: true, ..Comparison::default() }.with_asked(5);
    comparison.after.in_flight_out = 10;
    let mut state = compared();
    for (now_ms, found, again) in [(1_000, 0, true), (1_099, 0, true), (1_100, 5, false)] {
        comparison.now_ms = now_ms;
        let judgement = comparison.judge(&mut state);
        assert_eq!(
            (state.difference.asked, judgement.again_after),
            (found, again.then_some(SETTLE))
        );
        assert_eq!(state.verdict == BooksVerdict::Differs, found != 0);
    }
    // Without an order, as much as the packets in flight cannot explain.
    let mut comparison = Comparison::default().with_answered(15);
    comparison.theirs.in_flight_out = 10;
    let mut state = compared();
    assert_eq!(comparison.judge(&mut state).again_after, Some(SETTLE));
    assert_eq!((state.difference.answered, state.verdict), (5, BooksVerdict::Differs));
    // And nothing is open where they explain all of it.
    let mut state = compared();
    assert_eq!(comparison.with_answered(10).judge(&mut state).again_after, None);
    assert_eq!(state.verdict, BooksVerdict::Agrees);
}

#[test]
fn only_a_difference_that_lasts_as_a_whole_is_given_up_behind_packets_in_flight() {
    let mut base = Comparison { is_in_order: true, ..Comparison::default() }.may_write_off(1_000);
    base.theirs.in_flight_out = 10;
    for (difference, now_ms, given_up) in
        [(100, 1_099, None), (120, 1_100, None), (100, 1_100, Some(100))]
    {
        let mut state = compared();
        assert_eq!(base.with_answered(100).judge(&mut state).corrections, []);
        let corrections =
            Comparison { now_ms, ..base.with_answered(difference) }.judge(&mut state).corrections;
        let expected: Vec<_> = given_up.map(BalanceChange::WriteOff).into_iter().collect();
        assert_eq!(corrections, expected, "{difference} at {now_ms}");
    }
}

#[test]
fn changes_by_operators_balance_what_they_correct() {
    let with = |asked, answered, adjusted| {
        let mut one = Comparison::default().with_asked(asked).with_answered(answered);
        one.after.adjusted = adjusted;
        one
    };
    for (comparison, verdict) in [
        (with(5, 0, -5), BooksVerdict::Agrees),
        (with(5, 2, -7), BooksVerdict::Agrees),
        (with(5, 0, -4), BooksVerdict::Differs),
        (with(5, -5, 0), BooksVerdict::Differs),
        (with(0, 0, 1), BooksVerdict::Differs),
    ] {
        let mut state = compared();
        comparison.judge(&mut state);
        assert_eq!(state.verdict, verdict);
        assert_eq!(state.difference == Parts::default(), verdict == BooksVerdict::Agrees);
        assert_eq!(state.balanced, Parts::default(), "packets may still be corrected");
    }
}

#[test]
fn an_operator_balances_a_lost_settlement_for_good_once_nothing_is_in_doubt() {
    let mut base = Comparison::default();
    (base.after.paid, base.after.adjusted) = (5, -5);
    let with = |change: &dyn Fn(&mut Comparison)| {
        let mut one = base;
        change(&mut one);
        one
    };
    let before = Some(PeerAmounts { adjusted: -6, ..base.after });
    for (what, comparison, is_for_good) in [
        ("quiet", base, true),
        ("in flight", with(&|one| one.after.in_flight_out = 3), false),
        ("in flight at the peer", with(&|one| one.theirs.in_flight_out = 3), false),
        ("changed in between", with(&|one| one.before = before), false),
    ] {
        let mut state = compared();
        state.paid.note_settlement(5, 5, Timestamp::EPOCH);
        comparison.judge(&mut state);
        assert_eq!(state.verdict, BooksVerdict::Agrees, "{what}");
        let parts = Parts { paid: 5, adjusted: -5, ..Parts::default() };
        assert_eq!(state.balanced, if is_for_good { parts } else { Parts::default() }, "{what}");
    }
    // Without the operator, it is overdue, and nothing is balanced.
    let mut state = compared();
    state.paid.note_settlement(5, 5, Timestamp::EPOCH);
    with(&|one| one.after.adjusted = 0).judge(&mut state);
    assert_eq!((state.verdict, state.balanced), (BooksVerdict::Overdue, Parts::default()));
}

#[test]
fn a_mistake_and_its_opposite_cancel_out_for_good_once_nothing_is_in_doubt() {
    // We paid 5 that the peer has not credited, and were credited for 5 that it has not paid.
    let with = |before: (i128, i128), after: (i128, i128)| {
        let mut one = Comparison::default();
        (one.after.paid, one.after.received) = after;
        one.before = Some(PeerAmounts { paid: before.0, received: before.1, ..one.after });
        one
    };
    for (what, comparison, cancelled) in [
        ("quiet", with((5, 5), (5, 5)), 5),
        ("paid in between", with((5, 5), (6, 5)), 0),
        ("credited in between", with((5, 5), (5, 6)), 0),
        ("more was paid", with((7, 5), (7, 5)), 0),
    ] {
        let mut state = compared();
        state.paid.note_settlement(comparison.after.paid, comparison.after.paid, Timestamp::EPOCH);
        comparison.judge(&mut state);
        let parts = Parts { paid: cancelled, received: -cancelled, ..Parts::default() };
        assert_eq!(state.balanced, parts, "{what}");
    }
}

#[test]
fn each_difference_has_its_likely_cause() {
    use DifferenceCause::*;
    let with = |asked, answered, unanswered| {
        let mut one = Comparison::default().with_asked(asked).with_answered(answered);
        one.after.unanswered = unanswered;
        one
    };
    for (comparison, lost, causes) in [
        (with(0, 0, 9), 0, vec![]),
        (with(5, 0, 5), 4, vec![AnswersLost]),
        (with(5, 0, 4), 4, vec![PeerOvercounts]),
        (with(5, 0, 5), 5, vec![OwnPacketsForgotten]),
        (with(-5, 0, 0), 0, vec![PeerForgot]),
        (with(0, 5, 0), 0, vec![OwnAnswersLost]),
        (with(0, -5, 0), 0, vec![OwnForgot]),
        (with(5, 5, 5), 0, vec![AnswersLost, OwnAnswersLost]),
    ] {
        let mut state = ReconcileState { lost, ..compared() };
        comparison.judge(&mut state);
        assert_eq!(state.causes, causes);
    }
}

#[test]
fn without_a_common_unit_or_protocol_nothing_is_compared() {
    let now = Timestamp::from_millis(7);
    let mut state = compared();
    Comparison::default().with_asked(5).judge(&mut state);
    (state.pending.paid, state.dust.received) = (1, 2);
    state.note_unsupported();
    assert_eq!(state.verdict, BooksVerdict::Differs, "it has answered before");
    state.note_other_asset(now);
    assert_eq!((state.verdict, state.at), (BooksVerdict::OtherAsset, Some(now)));
    assert_eq!((state.difference, state.causes.len()), (Parts::default(), 0));
    assert_eq!((state.pending, state.dust), (NotCredited::default(), NotCredited::default()));
    let mut state = ReconcileState::default();
    state.note_unsupported();
    assert_eq!((state.verdict, state.at), (BooksVerdict::Unsupported, None));
}

#[test]
fn engines_of_few_decimal_places_keep_what_they_cannot_pay() {
    for (places, dust, pending) in
        [(None, 0, 500), (Some(9), 0, 500), (Some(7), 0, 500), (Some(6), 500, 0), (Some(0), 500, 0)]
    {
        let mut comparison = Comparison::default();
        (comparison.after.paid, comparison.theirs.received) = (1_500, 1_000);
        comparison.peer.credit_places = places;
        let mut state = compared();
        state.paid.note_settlement(1_500, 1_500, Timestamp::from_millis(1_000));
        comparison.judge(&mut state);
        assert_eq!((state.dust.paid, state.pending.paid), (dust, pending), "{places:?}");
        assert_eq!(
            state.paid.payments,
            [Payment { total: 1_500, at: Timestamp::from_millis(1_000) }]
        );
    }
    assert_eq!(whole_ms(Duration::from_millis(1_500)), 1_500);
    assert_eq!(whole_ms(Duration::MAX), u64::MAX);
}
