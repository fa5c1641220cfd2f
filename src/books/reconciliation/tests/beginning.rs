//! When a comparison begins, with which differences, and when it begins anew.

use std::time::Duration;

use super::super::judge::BooksNotice;
use super::super::state::Baseline;
use super::rules::{Comparison, SOON, compared};
use super::*;

#[test]
fn differences_of_before_the_first_comparison_are_none() {
    let mut state = ReconcileState::default();
    let comparison = Comparison::default().with_asked(7).with_answered(-3);
    comparison.judge(&mut state);
    assert_eq!((state.verdict, state.difference), (BooksVerdict::Agrees, Parts::default()));
    let parts = Parts { asked: 7, answered: -3, ..Parts::default() };
    assert_eq!(state.baseline, Some(Baseline { at: Timestamp::from_millis(1_000), parts }));
    // Only what is added later counts.
    comparison.with_asked(9).judge(&mut state);
    assert_eq!((state.verdict, state.difference.asked), (BooksVerdict::Differs, 2));
}

#[test]
fn a_comparison_begins_when_nothing_is_in_doubt() {
    let in_flight = PeerAmounts { in_flight_out: 5, ..PeerAmounts::default() };
    let with = |change: &dyn Fn(&mut Comparison)| {
        let mut one = Comparison::default().with_asked(7);
        change(&mut one);
        one
    };
    for (what, comparison, begins) in [
        ("quiet", with(&|_| {}), true),
        ("in flight", with(&|one| one.after.in_flight_out = 5), false),
        (
            "in flight at the peer",
            with(&|one| one.theirs.in_flight_out = in_flight.in_flight_out),
            false,
        ),
        ("uncertain here", with(&|one| one.after.uncertain = 3), false),
        ("uncertain at the peer", with(&|one| one.theirs.uncertain = 3), false),
    ] {
        let mut state =
            ReconcileState { is_recovering: true, may_lack: true, ..ReconcileState::default() };
        let judgement = comparison.judge(&mut state);
        assert_eq!(state.baseline.is_some(), begins, "{what}");
        let (again, verdict) = match begins {
            true => (None, BooksVerdict::Agrees),
            false => (Some(SOON), BooksVerdict::Begins),
        };
        assert_eq!((judgement.again_after, state.verdict), (again, verdict), "{what}");
        // What was lost before is part of what the comparison begins with.
        assert_eq!((state.is_recovering, state.may_lack), (!begins, !begins), "{what}");
    }
}

#[test]
fn a_comparison_begins_with_packets_in_flight_if_the_difference_stays() {
    let mut comparison = Comparison { is_in_order: true, ..Comparison::default() };
    (comparison.after.in_flight_out, comparison.after.asked) = (5, 1_000);
    let mut state = ReconcileState::default();
    for (answered, now_ms, begins) in
        [(1_007, 1_000, false), (1_008, 1_050, false), (1_008, 1_149, false), (1_008, 1_150, true)]
    {
        (comparison.theirs.answered, comparison.now_ms) = (answered, now_ms);
        comparison.judge(&mut state);
        assert_eq!(state.baseline.is_some(), begins, "at {now_ms}");
    }
    assert_eq!(state.baseline.map(|baseline| baseline.parts.asked), Some(8));
}

#[test]
fn books_that_can_have_been_equal_begin_without_a_difference() {
    // Of our packets, up to 5 are uncertain; of the peer's, 6; and 7 were paid a moment ago.
    let mut base = Comparison { is_in_order: true, ..Comparison::default() };
    (base.after.uncertain, base.theirs.uncertain, base.after.paid) = (5, 6, 7);
    let with = |asked: i128, answered: i128, paid: i128, received: i128, adjusted: i128| {
        let mut one = base.with_asked(asked).with_answered(answered);
        one.theirs.received = one.after.paid - paid;
        (one.theirs.paid, one.after.adjusted) = (received, adjusted);
        one
    };
    for (what, comparison, is_equal) in [
        ("all that may be on its way", with(5, 6, 7, 0, 0), true),
        ("nothing on its way", with(0, 0, 0, 0, 0), true),
        ("more than is uncertain here", with(6, 0, 0, 0, 0), false),
        ("more than we can owe", with(-1, 0, 0, 0, 0), false),
        ("more than is uncertain there", with(0, 7, 0, 0, 0), false),
        ("more than the peer can owe", with(0, -1, 0, 0, 0), false),
        ("more than was paid of late", with(0, 0, 8, 0, 0), false),
        ("credited without a payment", with(0, 0, -1, 0, 0), false),
        ("not credited here", with(0, 0, 0, 1, 0), false),
        ("changed by an operator", with(0, 0, 0, 0, 1), false),
    ] {
        let mut state = ReconcileState::default();
        state.paid.note_settlement(7, 7, Timestamp::from_millis(1));
        comparison.judge(&mut state);
        let parts = state.baseline.map(|baseline| baseline.parts);
        assert_eq!(parts, is_equal.then(Parts::default), "{what}");
    }
}

#[test]
fn replaced_books_of_either_end_are_noticed() {
    let seen = Comparison::default();
    let with = |change: &dyn Fn(&mut Comparison)| {
        let mut one = seen;
        change(&mut one);
        one
    };
    let (new, peer_restored, own_restored) = (
        Some(BooksNotice::NewBooks),
        Some(BooksNotice::PeerRestored { from: 5, to: 4 }),
        Some(BooksNotice::OwnRestored { seen: 4, own: 3 }),
    );
    for (what, comparison, notice) in [
        ("the same", seen, None),
        ("a later cut", with(&|one| one.peer.cut = 6), None),
        ("another process", with(&|one| one.peer.run = 2), None),
        ("other books", with(&|one| one.peer.books = &[2]), new),
        ("an earlier cut", with(&|one| (one.peer.run, one.peer.cut) = (2, 4)), peer_restored),
        ("one of the same process", with(&|one| one.peer.cut = 4), None),
        ("a later cut of ours", with(&|one| one.peer.seen_cut = 4), own_restored),
    ] {
        let mut state = compared();
        state.lost = 1;
        let is_own = matches!(notice, Some(BooksNotice::OwnRestored { .. }));
        let is_new = notice == Some(BooksNotice::NewBooks);
        let mut comparison = comparison.with_asked(1);
        (comparison.own.up_for, comparison.theirs.in_flight_in) = (Duration::ZERO, 5);
        assert_eq!(comparison.judge(&mut state).notice, notice, "{what}");
        assert_eq!((state.is_recovering, state.may_lack), (is_own, false), "{what}");
        // With other books, a comparison begins anew: what they differ in is no loss.
        let asked = state.baseline.map(|baseline| baseline.parts.asked);
        assert_eq!((asked, state.lost), (Some(is_new.into()), (!is_new).into()), "{what}");
    }
    // A node that recovers knows already that its books are older.
    let mut state = ReconcileState { is_recovering: true, ..compared() };
    let later = with(&|one| one.peer.seen_cut = 4);
    assert_eq!(later.judge(&mut state).notice, None);
}
