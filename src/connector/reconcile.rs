//! `peer.reconcile`: the answer with this node's books, the exchange with a peer, and what is concluded from it.
//!
//! The books are read under the account's lock, and an answer goes into the outbox under the same lock: what is in
//! front of it there is in the books that it shows. That makes an exchange on a single session exact.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::account::{AccountState, sessions_for_requests};
use super::batch::{Batch, IncomingRequest};
use super::core::Connector;
use super::cuts::Cuts;
use super::packet_log::PacketEvent;
use super::refusal::Refusal;
use super::snapshot::{AccountEntry, Snapshot};
use crate::account::{AccountId, AccountSettings, Asset};
use crate::books::{
    Adjustment, ChangeId, ChangeRequest, Exchange, Judgement, OwnEnd, ReconcilePolicy,
    ReconcileState, ReconciliationRow,
};
use crate::link::{Cause, Outcome, Rejection, SessionId};
use crate::time::Now;
use crate::wire::ilp::{Fulfill, Prepare, Reply};
use crate::wire::reconcile::{self, PeerAmounts, PeerBooks};
use crate::wire::{Error, Fulfillment, Timestamp};

/// The time that a peer has to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// A reason in the records of what this node does by itself.
const BY_ITSELF: &str = "ilp-connector";

/// Identifies the books of this node, and this process.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnBooks {
    pub(super) id: Vec<u8>,
    pub(super) run: u64,
    /// No peer gets them.
    pub(super) is_hidden: bool,
}

/// What an account knows of the peer's books.
#[derive(Debug, Default)]
pub(super) struct PeerComparison {
    pub(super) state: ReconcileState,
    /// The store does not have it in this state.
    is_changed: bool,
    /// The process of the peer that last asked for our books.
    asked_by_run: Option<u64>,
    /// Our packets whose outcome was never learnt.
    unanswered: i128,
    /// What the peer said when it asked makes another exchange worth it.
    is_wanted: bool,
}

impl PeerComparison {
    /// Goes on with what the store has. `is_recovering`: the books may lack something.
    pub(super) fn restore(saved: Option<ReconcileState>, is_recovering: bool) -> Self {
        let mut state = saved.unwrap_or_default();
        let is_changed = is_recovering && !(state.is_recovering && state.may_lack);
        state.is_recovering |= is_recovering;
        state.may_lack |= is_recovering;
        Self { state, is_changed, ..Self::default() }
    }

    /// Whether a cut must have it.
    pub(super) fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// The next cut has it, if there is anything to save.
    pub(super) fn note(&mut self) {
        self.is_changed = self.state != ReconcileState::default();
    }

    /// The row of a cut, if it has changed since the last one.
    pub(super) fn take_row(
        &mut self,
        account: &AccountId,
        asset: &Asset,
    ) -> Option<ReconciliationRow> {
        std::mem::take(&mut self.is_changed).then(|| ReconciliationRow {
            account: account.into(),
            asset: asset.clone(),
            state: self.state.clone(),
        })
    }

    /// A settlement with the peer has begun, which brought the sum to `total`.
    pub(super) fn note_paid(&mut self, units: u128, total: i128, at: Timestamp) {
        let units = i128::try_from(units).unwrap_or(i128::MAX);
        self.state.paid.note_settlement(units, total, at);
        self.note();
    }

    /// Our engine has reported a settlement with so many decimal places. Returns whether that are more than before.
    fn note_credit_places(&mut self, places: u8) -> bool {
        // More say nothing else: no account has so many.
        let places = places.min(u8::MAX - 1);
        let is_more = self.state.credit_places < Some(places);
        if is_more {
            self.state.credit_places = Some(places);
            self.note();
        }
        is_more
    }

    /// A Prepare to the peer has ended, and it is not known how.
    pub(super) fn count_unanswered(&mut self, amount: u64) {
        self.unanswered = self.unanswered.saturating_add(amount.into());
    }
}

/// A peer's answer to the question for its books.
#[derive(Debug)]
pub enum BooksAnswer {
    /// Its books.
    Books(Box<BooksExchange>),
    /// It does not know the question, or refuses to answer.
    Rejected(Rejection),
    /// There is no answer.
    None(Cause),
    /// There is no such account.
    Gone,
}

/// Both ends' books.
#[derive(Debug)]
pub struct BooksExchange {
    before: PeerAmounts,
    after: PeerAmounts,
    /// The data of the answer.
    data: Vec<u8>,
    /// See [`Exchange`].
    is_asked_in_order: bool,
    /// See [`Exchange`]. `false` if an answer to the peer may have gone out beside the question.
    pub is_answered_in_order: bool,
}

#[cfg(test)]
impl BooksExchange {
    /// Whether packets to the peer, and from it, have kept their order beside the question.
    pub(super) fn order(&self) -> (bool, bool) {
        (self.is_asked_in_order, self.is_answered_in_order)
    }
}

/// What was concluded from an exchange, and done.
#[derive(Debug)]
pub struct Reconciled {
    /// The state before.
    pub before: ReconcileState,
    /// The state now.
    pub state: ReconcileState,
    /// The asset of the account.
    pub asset: Asset,
    /// The conclusions.
    pub judgement: Judgement,
    /// Changes of our books.
    pub made: Vec<Adjustment>,
    /// The unit of the peer's books, if it is another one.
    pub other_asset: Option<String>,
}

/// Why an exchange led to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReconciled {
    /// The data of the answer cannot be read.
    #[error("the answer cannot be read: {0}")]
    Unreadable(#[from] Error),
    /// The peer has started again in between.
    #[error("the peer has started again meanwhile")]
    Outdated,
    /// A reload has removed the account.
    #[error("the account is not configured any more")]
    Gone,
}

impl Batch<'_> {
    /// Answers a peer that asks for our books. A connector without books knows no such question.
    #[cold]
    pub(super) fn answer_reconcile(
        &self,
        from: &AccountEntry,
        incoming: &IncomingRequest,
        prepare: &Prepare<'_>,
    ) -> Result<(), Refusal> {
        if self.connector.own_books.is_hidden {
            return Err(Refusal::UnknownPeerProtocol);
        }
        let theirs =
            PeerBooks::from_prepare(prepare, self.now.wall).map_err(Refusal::BadReconcile)?;
        let mut data = Vec::new();
        let mut state = from.account.lock();
        let comparison = &mut state.comparison;
        let has_new_run = comparison.asked_by_run.replace(theirs.run) != Some(theirs.run);
        let seen_cut = match &comparison.state.peer {
            Some(peer) if peer.books == hex::encode(theirs.books) => peer.cut,
            _ => 0,
        };
        let ours = amounts(&state);
        if has_new_run || differs(&state.comparison.state, ours, theirs.amounts) {
            self.connector.want_reconciliation(&mut state);
        }
        let books = self.connector.own_books(&from.settings, &state, seen_cut);
        books.encode(&mut data);
        let fulfill = Fulfill { fulfillment: Fulfillment::ZERO, data: &data };
        self.answer_locked(&mut state, incoming, &Reply::Fulfill(fulfill));
        drop(state);
        self.record_local_answer(incoming, None, prepare, || PacketEvent::Fulfilled {
            destination: Some(prepare.destination.as_str().into()),
            incoming_amount: prepare.amount,
            outgoing_amount: None,
            outgoing_request_id: None,
            sent_at: self.now.mono,
        });
        Ok(())
    }
}

impl Connector {
    /// Asks a peer for its books. `answer` is called once. Returns whether the question went out before anything else
    /// could be answered to the peer; only then the exchange can be in order.
    pub fn ask_for_books(
        &self,
        to: &AccountId,
        now: Now,
        answer: impl FnOnce(BooksAnswer) + Send + 'static,
    ) -> bool {
        let snapshot = self.snapshot.load_full();
        let entry = snapshot.accounts_by_id.get(to).and_then(|one| snapshot.entry(one.slot()));
        let Some(entry) = entry else {
            answer(BooksAnswer::Gone);
            return false;
        };
        let mut data = Vec::new();
        let (before, session, only) = {
            let state = entry.account.lock();
            self.own_books(&entry.settings, &state, 0).encode(&mut data);
            (amounts(&state), session_for_requests(&state), only_session(&state))
        };
        let request = reconcile::request(&data, now.wall.saturating_add(ANSWER_TIMEOUT));
        let account = entry.account.clone();
        let handle = move |outcome| {
            answer(match outcome {
                Outcome::Fulfilled { data, .. } => {
                    let state = account.lock();
                    let is_same = session.is_some() && session_for_requests(&state) == session;
                    let exchange = BooksExchange {
                        before,
                        after: amounts(&state),
                        data,
                        is_asked_in_order: is_same && state.has_pending_on_this_session_only(),
                        is_answered_in_order: only.is_some() && only_session(&state) == only,
                    };
                    drop(state);
                    BooksAnswer::Books(Box::new(exchange))
                }
                Outcome::Rejected(rejection) => BooksAnswer::Rejected(rejection),
                Outcome::NotSent(cause) | Outcome::NoAnswer(cause) => BooksAnswer::None(cause),
            });
        };
        self.originate_prepare(to, &request, now, handle);
        amounts(&entry.account.lock()).answered == before.answered
    }

    /// Concludes from an exchange, and makes the changes of our books that are allowed. They ride in the next cut.
    ///
    /// # Errors
    /// [`NotReconciled`]; nothing has changed then.
    pub fn conclude_exchange(
        &self,
        peer: &AccountId,
        exchange: &BooksExchange,
        up_for: Duration,
        now: Now,
        mut next_id: impl FnMut() -> ChangeId,
    ) -> Result<Reconciled, NotReconciled> {
        let theirs = PeerBooks::parse(&exchange.data)?;
        // The changes and their records are in the same cut.
        let _turn = self.cuts.as_ref().map(Cuts::begin_turn);
        let number = self.next_cut();
        let snapshot = self.snapshot.load();
        let entry = snapshot.accounts_by_id.get(peer).and_then(|one| snapshot.entry(one.slot()));
        let entry = entry.ok_or(NotReconciled::Gone)?;
        let asset = &entry.settings.asset;
        let mut guard = entry.account.lock();
        let state = &mut *guard;
        let asked_by = state.comparison.asked_by_run;
        // A peer without a store gives way to no old difference, and may never ask again after a restart.
        if theirs.is_durable && asked_by.is_some_and(|run| run != theirs.run) {
            // Another process has had our books since, and both ends could act on the same difference.
            self.want_reconciliation(state);
            return Err(NotReconciled::Outdated);
        }
        let before = state.comparison.state.clone();
        let mut reconciled = Reconciled {
            before,
            state: ReconcileState::default(),
            asset: asset.clone(),
            judgement: Judgement::default(),
            made: Vec::new(),
            other_asset: None,
        };
        if (theirs.asset_code, theirs.asset_scale) != (&*asset.code, asset.scale) {
            reconciled.other_asset = Some(format!("{}/{}", theirs.asset_code, theirs.asset_scale));
            state.comparison.state.note_other_asset(now.wall);
        } else {
            let own = OwnEnd { cut: self.durable_cut().0, up_for, balance: state.ledger.balance() };
            let exchange = Exchange {
                before: exchange.before,
                after: exchange.after,
                theirs: theirs.amounts,
                is_asked_in_order: exchange.is_asked_in_order,
                is_answered_in_order: exchange.is_answered_in_order,
            };
            let policy = policy(&snapshot, &entry.settings);
            let compared = &mut state.comparison.state;
            reconciled.judgement = compared.judge(&exchange, &theirs, &own, &policy, now.wall);
            for change in &reconciled.judgement.corrections {
                // Only if an operator has resolved it meanwhile.
                let Ok(()) = state.ledger.change(*change) else { continue };
                let request = ChangeRequest {
                    id: next_id(),
                    account: peer.to_string(),
                    asset: Some(asset.to_string()),
                    change: *change,
                    reason: "found by comparing the books with the peer's".to_owned(),
                    by: BY_ITSELF.to_owned(),
                };
                let balance = state.ledger.balance();
                reconciled.made.push(request.made(now.wall, peer.into(), asset.clone(), balance));
            }
        }
        state.comparison.note();
        state.ledger.note();
        reconciled.state = state.comparison.state.clone();
        drop(guard);
        if let (Some(cuts), Some(number)) = (&self.cuts, number) {
            reconciled.made.iter().for_each(|made| cuts.note_made(number, made.clone()));
        }
        Ok(reconciled)
    }

    /// The engine of a peer has reported a settlement with so many decimal places: it can pay amounts as small as that.
    pub fn note_credit_places(&self, peer: &AccountId, places: u8) {
        let _turn = self.cuts.as_ref().map(Cuts::begin_turn);
        let snapshot = self.snapshot.load();
        if let Some(account) = snapshot.accounts_by_id.get(peer) {
            let mut state = account.lock();
            if state.comparison.note_credit_places(places) {
                state.ledger.note();
            }
        }
    }

    /// The peer has no books to compare with.
    pub fn note_unsupported_reconciliation(&self, peer: &AccountId) {
        let snapshot = self.snapshot.load();
        if let Some(account) = snapshot.accounts_by_id.get(peer) {
            account.lock().comparison.state.note_unsupported();
        }
    }

    /// Each configured peer that is not suspended, and whether packets can go to it now.
    pub fn reachable_peers(&self) -> BTreeMap<AccountId, bool> {
        let snapshot = self.snapshot.load();
        let peers = snapshot
            .entries
            .iter()
            .filter(|entry| !entry.settings.is_receiver() && entry.is_served());
        peers.map(|entry| (entry.account.id().clone(), entry.is_reachable())).collect()
    }

    /// The peers that asked with books that differ from ours, since the last call.
    pub fn take_wanted_reconciliations(&self) -> Vec<AccountId> {
        if !self.has_wanted_reconciliations.swap(false, Ordering::Relaxed) {
            return Vec::new();
        }
        let snapshot = self.snapshot.load();
        let peers = snapshot.entries.iter().filter(|entry| !entry.settings.is_receiver());
        let wanted =
            peers.filter(|entry| std::mem::take(&mut entry.account.lock().comparison.is_wanted));
        wanted.map(|entry| entry.account.id().clone()).collect()
    }

    fn want_reconciliation(&self, state: &mut AccountState) {
        state.comparison.is_wanted = true;
        self.has_wanted_reconciliations.store(true, Ordering::Relaxed);
    }

    fn own_books<'a>(
        &'a self,
        settings: &'a AccountSettings,
        state: &AccountState,
        seen_cut: u64,
    ) -> PeerBooks<'a> {
        PeerBooks {
            books: &self.own_books.id,
            run: self.own_books.run,
            cut: self.durable_cut().0,
            seen_cut,
            is_recovering: state.comparison.state.is_recovering,
            is_durable: self.cuts.is_some(),
            asset_code: &settings.asset.code,
            asset_scale: settings.asset.scale,
            amounts: amounts(state),
            credit_places: state.comparison.state.credit_places,
        }
    }
}

/// The account's books as the peer may see them.
fn amounts(state: &AccountState) -> PeerAmounts {
    let (totals, corrected) = (state.ledger.totals(), state.ledger.corrected());
    let most = |amount: i128| amount.clamp(-reconcile::AMOUNT_MAX, reconcile::AMOUNT_MAX);
    let corrections = corrected.conceded.saturating_add(corrected.written_off);
    PeerAmounts {
        asked: most(totals.fulfilled_out.saturating_add(corrected.conceded)),
        answered: most(totals.fulfilled_in.saturating_sub(corrected.written_off)),
        paid: most(totals.settled_out),
        received: most(totals.settled_in),
        adjusted: most(totals.adjusted.saturating_add(corrections)),
        in_flight_out: most(state.ledger.held_out()),
        in_flight_in: most(state.ledger.held_in()),
        uncertain: most(state.ledger.uncertain()),
        unanswered: most(state.comparison.unanswered),
        conceded: most(corrected.conceded),
        written_off: most(corrected.written_off),
    }
}

/// The session, if it is the only one, and packets on it stay in order.
fn only_session(state: &AccountState) -> Option<SessionId> {
    match &*state.sessions {
        [only] if !only.outbox.is_unframed() => Some(only.id),
        _ => None,
    }
}

/// The session that requests to the peer go out on, if there is no choice, and packets on it stay in order.
fn session_for_requests(state: &AccountState) -> Option<SessionId> {
    let mut sessions = sessions_for_requests(&state.sessions);
    let first = sessions.next()?;
    (sessions.next().is_none() && !first.outbox.is_unframed()).then_some(first.id)
}

/// Whether books that a peer has shown differ from ours for certain.
fn differs(state: &ReconcileState, ours: PeerAmounts, theirs: PeerAmounts) -> bool {
    let Some(baseline) = state.baseline else { return false };
    let exchange = Exchange {
        before: ours,
        after: ours,
        theirs,
        is_asked_in_order: false,
        is_answered_in_order: false,
    };
    let bounds = exchange.bounds();
    bounds.asked.beyond(baseline.parts.asked).certain() != 0
        || bounds.answered.beyond(baseline.parts.answered).certain() != 0
}

fn policy(snapshot: &Snapshot, settings: &AccountSettings) -> ReconcilePolicy {
    ReconcilePolicy {
        settings: settings.reconcile,
        max_balance: settings.limits.max_balance,
        // The longest that a packet waits for its answer.
        settle_time: Duration::from_millis(snapshot.max_hold_time_ms),
    }
}
