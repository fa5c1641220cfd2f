//! Decides what a comparison means, and which of the two ends gives way.
//!
//! The number of the one that asked is final: a payment is due only for an answer that arrived in time (RFC 34). So a
//! lasting difference is given up by the one that answered, up to `writeOffMax`. Only after an unclean end the one that
//! asked gives way: it says so in its messages, and until it has, the other one waits. So for each difference there is
//! one end that may change its books. Nothing that a peer says changes more than what is uncertain here, and what is
//! left of `writeOffMax`; but for amounts that the peer admits to owe after *our* crash, which are bounded by
//! `maxBalance`.

use std::time::Duration;

use super::compare::{Bounds, Exchange, Parts};
use super::payments::Payments;
use super::state::{
    Baseline, BooksVerdict, NotCredited, PeerBooksId, ReconcileState, Suspected, Suspicion, larger,
};
use crate::account::{OnCrash, ReconcileSettings};
use crate::books::BalanceChange;
use crate::wire::Timestamp;
use crate::wire::reconcile::PeerBooks;

/// The shortest wait for another exchange.
const AGAIN_SOON: Duration = Duration::from_secs(1);

/// What the configuration allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReconcilePolicy {
    /// What the node may do by itself.
    pub settings: ReconcileSettings,
    /// The balance stays below this, if it is set.
    pub max_balance: Option<i128>,
    /// No packet takes longer.
    pub settle_time: Duration,
}

/// This end, when the answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnEnd {
    /// The newest durable cut.
    pub cut: u64,
    /// How long this process runs.
    pub up_for: Duration,
    /// The balance.
    pub balance: i128,
}

/// What follows from an exchange. The state has the verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Changes of our books, in this order.
    pub corrections: Vec<BalanceChange>,
    /// When to ask again, if not at the next regular time.
    pub again_after: Option<Duration>,
    /// What the peer's books are found to be.
    pub notice: Option<BooksNotice>,
}

/// Something about the books of one end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BooksNotice {
    /// The peer has other books than before.
    #[error("the peer has new books, so the comparison begins again")]
    NewBooks,
    /// The peer's books are older than they were.
    #[error("the peer's books went back from cut {from} to cut {to}: a backup was restored")]
    PeerRestored {
        /// The newest cut that it had.
        from: u64,
        /// What it has now.
        to: u64,
    },
    /// Our own books are older than the peer has seen them.
    #[error(
        "the peer has seen cut {seen} of our books, which are at cut {own}: a backup was restored"
    )]
    OwnRestored {
        /// What the peer has seen.
        seen: u64,
        /// What they are.
        own: u64,
    },
}

/// The likely cause of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DifferenceCause {
    /// Of our packets: the peer fulfilled more.
    #[error("answers of the peer were lost or came too late")]
    AnswersLost,
    /// Of our packets: this node has forgotten what the peer fulfilled.
    #[error(
        "the books of this node lack packets that the peer fulfilled: this node ended without a clean stop, or a backup was \
         restored here"
    )]
    OwnPacketsForgotten,
    /// The peer claims packets that did not remain without an answer here.
    #[error("the peer counts packets that have had another answer here, or that were never sent")]
    PeerOvercounts,
    /// Of our packets: the peer fulfilled fewer than we accepted.
    #[error("the peer's books lack what it fulfilled: it crashed, or restored a backup")]
    PeerForgot,
    /// Of the peer's packets: it accepts fewer than we fulfilled.
    #[error(
        "answers of this node were lost or came too late at the peer, or the peer has lost them in a crash or with a backup"
    )]
    OwnAnswersLost,
    /// Of the peer's packets: it accepts more than we fulfilled.
    #[error("the books of this node lack what it fulfilled: it crashed, or a backup was restored")]
    OwnForgot,
}

/// A difference of packets, as far as it lasts.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    amount: i128,
    /// No more is hidden behind packets in flight.
    is_exact: bool,
    /// Another exchange will tell more.
    is_open: bool,
}

impl ReconcileState {
    /// The peer counts in another unit: nothing can be compared.
    pub fn note_other_asset(&mut self, now: Timestamp) {
        self.at = Some(now);
        self.verdict = BooksVerdict::OtherAsset;
        self.difference = Parts::default();
        (self.pending, self.dust) = (NotCredited::default(), NotCredited::default());
        self.causes.clear();
    }

    /// The peer does not know this protocol.
    pub fn note_unsupported(&mut self) {
        if self.at.is_none() {
            self.verdict = BooksVerdict::Unsupported;
        }
    }

    /// Concludes from an exchange, whose peer counts in our unit.
    pub fn judge(
        &mut self,
        exchange: &Exchange,
        peer: &PeerBooks<'_>,
        own: &OwnEnd,
        policy: &ReconcilePolicy,
        now: Timestamp,
    ) -> Judgement {
        let mut judgement =
            Judgement { notice: self.follow_books(peer, own), ..Judgement::default() };
        self.at = Some(now);
        self.causes.clear();
        (self.pending, self.dust) = (NotCredited::default(), NotCredited::default());
        let raw = exchange.bounds().zip(self.balanced, Bounds::beyond);
        let overdue_ms = whole_ms(policy.settings.settlement_overdue);
        let Some(base) = self.baseline(exchange, raw, policy, now) else {
            self.verdict = BooksVerdict::Begins;
            judgement.again_after = Some(AGAIN_SOON);
            return judgement;
        };
        let bounds = raw.zip(base, Bounds::beyond);
        let asked = find(&mut self.suspected.asked, bounds.asked, policy, now);
        let answered = find(&mut self.suspected.answered, bounds.answered, policy, now);
        if asked.is_open || answered.is_open {
            judgement.again_after = Some(policy.settle_time);
        }
        let is_over = self.recover((exchange, bounds), own, policy, now, &mut judgement);
        if !is_over || !judgement.corrections.is_empty() {
            // The next exchange sees what corrections leave.
            (self.verdict, self.difference) = (BooksVerdict::Recovering, Parts::default());
            if !judgement.corrections.is_empty() {
                judgement.again_after = Some(Duration::ZERO);
            }
            return judgement;
        }
        let (paid, received) =
            self.follow_settlements(exchange, bounds, base, peer, (now, overdue_ms));
        let difference = Parts {
            asked: asked.amount,
            answered: answered.amount,
            paid,
            received,
            adjusted: bounds.adjusted.certain(),
        };
        // What an operator has balanced at one end is none any more, also when settlements follow.
        let is_balanced = difference.adjusted != 0 && difference.total() == 0;
        let is_exact = asked.is_exact && answered.is_exact && bounds.adjusted.exact().is_some();
        if is_balanced && is_exact && (paid, received) != (0, 0) {
            self.balanced = self.balanced.zip(difference, i128::saturating_add);
        }
        let difference = if is_balanced { Parts::default() } else { difference };
        if answered.is_exact && difference.answered != 0 && !peer.is_recovering {
            let amount = difference.answered;
            let is_within =
                amount.saturating_abs() <= self.given_up.left(policy.settings.write_off_max, now);
            if is_within && fits_below_max(own.balance, amount.saturating_neg(), policy) {
                self.given_up.add(amount.saturating_abs(), now);
                judgement.corrections.push(BalanceChange::WriteOff(amount));
                judgement.again_after = Some(Duration::ZERO);
            }
        }
        if difference.asked <= 0 {
            self.lost = 0;
        }
        self.causes = causes(&difference, exchange, self.lost);
        self.difference = difference;
        let Parts { paid, received, .. } = difference;
        let settlements = Parts { paid, received, ..Parts::default() };
        self.verdict = if difference == Parts::default() {
            BooksVerdict::Agrees
        } else if difference == settlements && paid >= 0 && received >= 0 {
            BooksVerdict::Overdue
        } else {
            BooksVerdict::Differs
        };
        judgement
    }

    /// What of the settlements is missing for too long, or was credited without a settlement: of ours, and of the
    /// peer's.
    ///
    /// Only the net of both directions is a difference: one that was recorded by mistake, and its opposite, leave none.
    fn follow_settlements(
        &mut self,
        exchange: &Exchange,
        bounds: Parts<Bounds>,
        base: Parts<i128>,
        peer: &PeerBooks<'_>,
        (now, overdue_ms): (Timestamp, u64),
    ) -> (i128, i128) {
        let Exchange { after, theirs, .. } = exchange;
        let plus = i128::saturating_add;
        self.paid.note_total(after.paid, now);
        self.received.note_total(theirs.paid, now);
        let (mut paid, mut received) = (bounds.paid.certain(), bounds.received.certain());
        let mut cancelled = match (paid.signum(), received.signum()) {
            (1, -1) | (-1, 1) => paid.saturating_abs().min(received.saturating_abs()),
            _ => 0,
        };
        cancelled = cancelled.saturating_mul(paid.signum());
        (paid, received) = (paid.saturating_sub(cancelled), plus(received, cancelled));
        let offset = plus(base.paid, plus(self.balanced.paid, cancelled));
        let offset_received = plus(base.received, self.balanced.received.saturating_sub(cancelled));
        let is_exact = bounds.paid.exact().is_some() && bounds.received.exact().is_some();
        if is_exact && cancelled != 0 && (paid, received) == (0, 0) {
            self.balanced.paid = plus(self.balanced.paid, cancelled);
            self.balanced.received = self.balanced.received.saturating_sub(cancelled);
        }
        let places = self.credit_places.max(peer.credit_places);
        let smallest = smallest_payment(places, peer.asset_scale);
        let credited = (paid, plus(theirs.received, offset));
        let ours = self.paid.missing(credited, smallest, (now, overdue_ms));
        let credited = (received, plus(after.received, offset_received));
        let its = self.received.missing(credited, smallest, (now, overdue_ms));
        self.pending = NotCredited { paid: ours.pending, received: its.pending };
        self.dust = NotCredited { paid: ours.dust, received: its.dust };
        (plus(ours.overdue, paid.min(0)), plus(its.overdue, received.min(0)))
    }

    /// Notes which books the peer has, and finds out whether those of either end were replaced.
    fn follow_books(&mut self, peer: &PeerBooks<'_>, own: &OwnEnd) -> Option<BooksNotice> {
        let books = hex::encode(peer.books);
        let found = PeerBooksId { books, run: peer.run, cut: peer.cut };
        let mut notice = None;
        match &self.peer {
            Some(before) if before.books != found.books => {
                (self.baseline, self.received, self.lost) = (None, Payments::default(), 0);
                self.balanced = Parts::default();
                self.suspected = Suspected::default();
                // Without a store, each process of the peer has new books.
                notice = peer.is_durable.then_some(BooksNotice::NewBooks);
            }
            Some(before) if before.run != peer.run => {
                self.suspected = Suspected::default();
                if peer.cut < before.cut {
                    notice = Some(BooksNotice::PeerRestored { from: before.cut, to: peer.cut });
                }
            }
            _ => {}
        }
        self.peer = Some(found);
        if peer.seen_cut > own.cut && !self.is_recovering {
            (self.is_recovering, self.may_lack) = (true, true);
            notice = Some(BooksNotice::OwnRestored { seen: peer.seen_cut, own: own.cut });
        }
        notice
    }

    /// The differences when the comparison began. `None`: packets in flight leave doubts, or an operator must say first
    /// what is owed.
    fn baseline(
        &mut self,
        exchange: &Exchange,
        raw: Parts<Bounds>,
        policy: &ReconcilePolicy,
        now: Timestamp,
    ) -> Option<Parts<i128>> {
        if let Some(baseline) = &mut self.baseline {
            // A settlement that was on its way at that time has arrived.
            let arrived = |base: &mut i128, bounds: Bounds| {
                *base = (*base).min(bounds.high.max(0).max((*base).min(0)));
            };
            arrived(&mut baseline.parts.paid, raw.paid);
            arrived(&mut baseline.parts.received, raw.received);
            return Some(baseline.parts);
        }
        let young = self.paid.young(now, whole_ms(policy.settings.settlement_overdue));
        let parts = match began_together(exchange, raw, young) {
            true => Parts::default(),
            false => self.known_differences(exchange, raw, policy, now)?,
        };
        self.suspected = Suspected::default();
        self.baseline = Some(Baseline { at: now, parts });
        Some(parts)
    }

    /// The differences of two books that were not compared before. `None`: packets in flight leave doubts, or an
    /// operator must say first what is owed.
    fn known_differences(
        &mut self,
        exchange: &Exchange,
        raw: Parts<Bounds>,
        policy: &ReconcilePolicy,
        now: Timestamp,
    ) -> Option<Parts<i128>> {
        let settle_ms = whole_ms(policy.settle_time);
        let known = |suspicion: &mut Suspicion, bounds: Bounds| {
            let exact = bounds.exact();
            exact.or_else(|| suspicion.follow_unchanged(bounds.in_order?, now, settle_ms))
        };
        let parts = Parts {
            asked: known(&mut self.suspected.asked, raw.asked),
            answered: known(&mut self.suspected.answered, raw.answered),
            paid: raw.paid.exact(),
            received: raw.received.exact(),
            adjusted: raw.adjusted.exact(),
        };
        let parts = parts.all()?;
        if exchange.after.uncertain != 0 || exchange.theirs.uncertain != 0 {
            // How much of it is owed would be missing in what the comparison begins with.
            return None;
        }
        (self.is_recovering, self.may_lack) = (false, false);
        Some(parts)
    }

    /// Gives way after an unclean end of this node, as far as that is allowed. `false`: not all is known yet, or an
    /// operator must decide.
    fn recover(
        &mut self,
        (exchange, bounds): (&Exchange, Parts<Bounds>),
        own: &OwnEnd,
        policy: &ReconcilePolicy,
        now: Timestamp,
        judgement: &mut Judgement,
    ) -> bool {
        if !self.is_recovering && !self.may_lack {
            return true;
        }
        let uncertain = exchange.after.uncertain;
        if policy.settings.on_crash == OnCrash::Wait && uncertain > 0 {
            return false;
        }
        // What was sent before the crash may still be fulfilled.
        let has_ended = exchange.theirs.in_flight_in == 0 || own.up_for >= policy.settle_time;
        if let (true, true, Some(asked)) = (self.is_recovering, has_ended, bounds.asked.best()) {
            let conceded =
                if planted!(AllConceded) { uncertain } else { asked.clamp(0, uncertain) };
            if uncertain > 0 {
                judgement.corrections.push(BalanceChange::Resolve { conceded });
            }
            let more = asked.saturating_sub(conceded);
            if policy.settings.on_crash == OnCrash::Concede
                && more > 0
                && (more <= self.given_up.left(policy.settings.write_off_max, now)
                    || planted!(LieConceded))
            {
                self.given_up.add(more, now);
                judgement.corrections.push(BalanceChange::Concede(more));
            } else {
                self.lost = more.max(0);
            }
            self.is_recovering = false;
        }
        if let (true, Some(answered)) = (self.may_lack, bounds.answered.best()) {
            // The peer admits what our books have lost.
            if answered < 0 && fits_below_max(own.balance, answered.saturating_neg(), policy) {
                judgement.corrections.push(BalanceChange::WriteOff(answered));
            }
            self.may_lack = false;
        }
        let is_over = !self.is_recovering && !self.may_lack;
        if !is_over {
            judgement.again_after = Some(AGAIN_SOON);
        }
        is_over
    }
}

/// Whether two books can have had no difference at first. What is uncertain at either end may be owed, and our `young`
/// settlements may be on their way.
fn began_together(exchange: &Exchange, raw: Parts<Bounds>, young: i128) -> bool {
    let (ours, theirs) = (exchange.after.uncertain, exchange.theirs.uncertain);
    let contains = |bounds: Bounds, uncertain: i128| {
        bounds.low.saturating_sub(uncertain) <= 0 && bounds.high >= 0
    };
    contains(raw.asked, ours)
        && contains(raw.answered, theirs)
        && contains(raw.paid, young)
        && contains(raw.received, 0)
        && contains(raw.adjusted, 0)
}

/// Whether the balance may rise by this amount.
fn fits_below_max(balance: i128, rise: i128, policy: &ReconcilePolicy) -> bool {
    rise <= 0 || policy.max_balance.is_none_or(|max| balance.saturating_add(rise) <= max)
}

/// What lasts of a difference of packets.
fn find(
    suspicion: &mut Suspicion,
    bounds: Bounds,
    policy: &ReconcilePolicy,
    now: Timestamp,
) -> Found {
    let certain = bounds.certain();
    let Some(value) = bounds.in_order.filter(|_| bounds.exact().is_none()) else {
        let is_exact = bounds.exact().is_some();
        return Found { amount: certain, is_exact, is_open: certain != 0 && !is_exact };
    };
    let lasting = suspicion.follow(value, now, whole_ms(policy.settle_time));
    let amount = larger(certain, lasting);
    Found { amount, is_exact: amount == value, is_open: suspicion.is_waiting(value) }
}

/// The smallest amount that the engines can pay, in units, as far as their credits show.
fn smallest_payment(places: Option<u8>, asset_scale: u8) -> i128 {
    let missing_places = places.map_or(0, |places| asset_scale.saturating_sub(places));
    10_i128.checked_pow(missing_places.into()).unwrap_or(1)
}

fn causes(difference: &Parts<i128>, exchange: &Exchange, lost: i128) -> Vec<DifferenceCause> {
    let pick = |amount: i128, above: DifferenceCause, below: DifferenceCause| match amount {
        0 => None,
        1.. => Some(above),
        _ => Some(below),
    };
    let claimed = match difference.asked {
        claimed if lost >= claimed => DifferenceCause::OwnPacketsForgotten,
        claimed if exchange.after.unanswered >= claimed => DifferenceCause::AnswersLost,
        _ => DifferenceCause::PeerOvercounts,
    };
    let found = [
        pick(difference.asked, claimed, DifferenceCause::PeerForgot),
        pick(difference.answered, DifferenceCause::OwnAnswersLost, DifferenceCause::OwnForgot),
    ];
    found.into_iter().flatten().collect()
}

pub(super) fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
