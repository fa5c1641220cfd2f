//! Decides when a node pays its peers outside of Interledger, and brings each settlement to its end.
//!
//! A settlement is debited first. Its request goes to the engine when the debit is durable, and is repeated with its
//! key until the engine accepts it. Until then no other one of the account begins. An engine that fails delays no other
//! account. [row 64] Only fulfilled packets count: what is held never settles.
//!
//! Like everything in this room it has no clock and no IO: `node/settlements.rs` calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::core::Connector;
use super::settlements::{SettleAmount, SettlementNote, SettlementView};
use crate::account::{AccountId, SettlementMode};
use crate::books::{Settlement, SettlementError, SettlementKey, SettlementState};
use crate::link::CutNumber;
use crate::time::{Backoff, MonoTime, Now};

/// The first pause after a request that failed.
const RETRY_MIN: Duration = Duration::from_secs(1);
/// RFC 38 "Retry behavior": a request is repeated for ever, with its key and growing pauses up to an hour. [row 134]
const RETRY_MAX: Duration = Duration::from_secs(3_600);
/// Rejects of a peer settle, or report that nothing settles, at most this often.
const T04_PAUSE: Duration = Duration::from_secs(60);
/// Who settles by these rules, in the books.
const BY: &str = "ilp-connector";

/// The settlements of all accounts.
#[derive(Debug, Default)]
pub struct Settler {
    accounts: BTreeMap<AccountId, Settling>,
}

/// What is known of one account beyond the books.
#[derive(Debug)]
struct Settling {
    stage: Stage,
    retries: Backoff,
    /// The last settlement by time, or the begin of the first interval.
    interval_from: MonoTime,
    /// The T04 that were counted at the last look.
    t04s: Option<u64>,
    /// When a T04 last began a settlement, or was the reason to report one.
    t04_noted_at: Option<MonoTime>,
    /// That a T04 came too soon after that one was reported.
    is_t04_pause_reported: bool,
    /// What is due and is not paid by an engine now was reported. A balance that varies at the threshold is one report.
    is_reported: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No settlement is under way.
    Idle,
    /// The request goes out when this cut is durable.
    Saving(CutNumber),
    /// The engine has the request.
    Asking,
    /// The request goes out, for the first time or again, at the first look after this time.
    Waiting(MonoTime),
}

/// What the caller passes in.
pub struct SettlerInput<'a> {
    /// The time.
    pub now: Now,
    /// The newest durable cut.
    pub durable: CutNumber,
    /// Whether the store works: otherwise nothing begins.
    pub may_begin: bool,
    /// The accounts that an operator has paused: nothing begins, and no request goes out.
    pub paused: &'a BTreeSet<AccountId>,
    /// Random bits for keys and pauses.
    pub random: &'a mut dyn FnMut() -> u128,
}

/// What the caller does, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettlerAction {
    /// Sends this settlement to the engine of its account, and calls [`Settler::note_answer`] with its answer.
    Ask(Settlement),
    /// A settlement has begun.
    Begun(Settlement),
    /// A settlement is due, and no engine pays it now.
    Due {
        /// The account.
        account: AccountId,
        /// Its balance.
        balance: i128,
        /// Why it is not paid now.
        reason: NotSettling,
    },
}

/// A settlement after an answer of its engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnsweredSettlement {
    /// Its new state.
    pub settlement: Settlement,
    /// When it is requested again; `None`: the engine has accepted it.
    pub next_attempt_in: Option<Duration>,
}

/// Why no engine pays what is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSettling {
    /// `settlement: manual`.
    #[error("the operator settles with this peer")]
    Manual,
    /// An operator has paused it.
    #[error("settlement with this peer is paused")]
    Paused,
    /// `settleMaxPerHour`.
    #[error("settleMaxPerHour is reached")]
    MaxPerHour,
    /// `settleOnT04` has settled, or reported, within the last minute.
    #[error(
        "settleOnT04 settles at most once a minute, and again in {next_in_s} s; a settleThreshold settles before the peer \
         rejects packets"
    )]
    AfterT04 {
        /// Seconds until it may settle again.
        next_in_s: u64,
    },
    /// The books cannot hold the sum.
    #[error("the settlements add up to more than the books can hold")]
    TooLarge,
}

impl Settling {
    fn new(now: MonoTime) -> Self {
        Self {
            stage: Stage::Idle,
            retries: Backoff::new(RETRY_MIN, RETRY_MAX),
            interval_from: now,
            t04s: None,
            t04_noted_at: None,
            is_t04_pause_reported: false,
            is_reported: false,
        }
    }
}

impl Settler {
    /// Looks at all accounts.
    pub fn look_at_all(
        &mut self,
        connector: &Connector,
        input: &mut SettlerInput<'_>,
    ) -> Vec<SettlerAction> {
        let mut actions = Vec::new();
        for view in connector.settlement_views() {
            self.look(&view, connector, input, &mut actions);
        }
        actions
    }

    /// Looks at these accounts.
    pub fn look_at(
        &mut self,
        accounts: &[AccountId],
        connector: &Connector,
        input: &mut SettlerInput<'_>,
    ) -> Vec<SettlerAction> {
        let mut actions = Vec::new();
        for account in accounts {
            if let Some(view) = connector.settlement_view(account) {
                self.look(&view, connector, input, &mut actions);
            } else if let Some(one) = self.accounts.get_mut(account)
                && matches!(one.stage, Stage::Saving(cut) if cut <= input.durable)
            {
                // A reload has removed the peer. What is pending is durable, and goes on if it comes back.
                one.stage = Stage::Idle;
            }
        }
        actions
    }

    /// The accounts whose settlement waits for a cut, and the first of these cuts.
    pub fn saving(&self) -> Option<(CutNumber, Vec<AccountId>)> {
        let saving = self.accounts.iter().filter_map(|(account, one)| match one.stage {
            Stage::Saving(cut) => Some((cut, account.clone())),
            _ => None,
        });
        let saving: Vec<_> = saving.collect();
        let first = saving.iter().map(|(cut, _)| *cut).min()?;
        Some((first, saving.into_iter().map(|(_, account)| account).collect()))
    }

    fn look(
        &mut self,
        view: &SettlementView,
        connector: &Connector,
        input: &mut SettlerInput<'_>,
        actions: &mut Vec<SettlerAction>,
    ) {
        let new = || Settling::new(input.now.mono);
        let one = self.accounts.entry(view.account.clone()).or_insert_with(new);
        let is_paused = input.paused.contains(&view.account);
        let has_t04 = one.t04s.replace(view.t04s).is_some_and(|before| view.t04s > before);
        let Some(pending) = connector.settlement_under_way(&view.account) else {
            one.stage = Stage::Idle;
            if let Some(reason) = one.reason_to_settle(view, has_t04, input.now.mono) {
                one.begin(view, connector, is_paused, reason, input, actions);
            } else if view.rules.is_over(view.balance) {
                one.is_reported = false;
            }
            return;
        };
        // After a restart, a pending one is durable.
        if one.stage == Stage::Idle {
            one.stage = Stage::Saving(CutNumber::NONE);
        }
        let is_ready = match one.stage {
            Stage::Saving(cut) => cut <= input.durable || planted!(EarlySettlement),
            Stage::Waiting(until) => until <= input.now.mono,
            Stage::Idle | Stage::Asking => false,
        };
        if !is_ready {
            return;
        }
        if is_paused || view.rules.mode != SettlementMode::Engine {
            if !planted!(HeldUpSettlementSpins) {
                // It waits for an operator, and for no cut any more.
                one.stage = Stage::Waiting(input.now.mono);
            }
            return;
        }
        one.stage = Stage::Asking;
        actions.push(SettlerAction::Ask(pending));
    }

    /// The engine has accepted a settlement, or has not: then `Err` says why. `None`: it is not under way.
    pub fn note_answer(
        &mut self,
        asked: &Settlement,
        answer: &Result<(), String>,
        connector: &Connector,
        now: Now,
        random: u128,
    ) -> Option<AnsweredSettlement> {
        let account: AccountId = asked.account.parse().ok()?;
        let mut settlement =
            connector.settlement_under_way(&account).filter(|pending| pending.key == asked.key)?;
        let one = self.accounts.entry(account).or_insert_with(|| Settling::new(now.mono));
        settlement.attempts = settlement.attempts.saturating_add(1);
        settlement.updated_at = now.wall;
        let mut next_attempt_in = None;
        match answer {
            Ok(()) => {
                settlement.state = SettlementState::Done;
                one.retries.reset();
                one.stage = Stage::Idle;
            }
            Err(_) => {
                let pause = vary(one.retries.next_delay(), random);
                one.stage = Stage::Waiting(now.mono.after(pause));
                next_attempt_in = Some(pause);
            }
        }
        connector.note_settlement(&settlement);
        Some(AnsweredSettlement { settlement, next_attempt_in })
    }

    /// Repeats the request of a pending settlement at the next look.
    pub fn retry(&mut self, account: &AccountId) {
        if let Some(one) = self.accounts.get_mut(account)
            && matches!(one.stage, Stage::Waiting(_))
        {
            one.stage = Stage::Waiting(MonoTime::default());
        }
    }
}

/// Why a settlement begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Threshold,
    Interval,
    T04,
    /// A T04 so soon after another one that nothing settles.
    AfterT04(Duration),
}

impl Settling {
    fn reason_to_settle(
        &self,
        view: &SettlementView,
        has_t04: bool,
        now: MonoTime,
    ) -> Option<Reason> {
        let SettlementView { rules, balance, .. } = view;
        if rules.missing(*balance) == 0 {
            return None;
        }
        if rules.is_due(*balance) {
            return Some(Reason::Threshold);
        }
        if rules.mode != SettlementMode::Engine {
            return None;
        }
        if rules.on_t04 && has_t04 && *balance < 0 {
            let left = self.t04_noted_at.map(|at| T04_PAUSE.saturating_sub(now.since(at)));
            match left.filter(|left| !left.is_zero()) {
                None => return Some(Reason::T04),
                Some(left) if !self.is_t04_pause_reported => return Some(Reason::AfterT04(left)),
                Some(_) => {}
            }
        }
        let interval = rules.interval?;
        (now.since(self.interval_from) >= interval).then_some(Reason::Interval)
    }

    fn begin(
        &mut self,
        view: &SettlementView,
        connector: &Connector,
        is_paused: bool,
        reason: Reason,
        input: &mut SettlerInput<'_>,
        actions: &mut Vec<SettlerAction>,
    ) {
        let SettlementView { account, rules, balance, .. } = view;
        let not_settling = match rules.mode {
            _ if is_paused => Some(NotSettling::Paused),
            SettlementMode::Engine => match reason {
                Reason::AfterT04(left) => {
                    let next_in_s = left.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX);
                    Some(NotSettling::AfterT04 { next_in_s })
                }
                Reason::Threshold | Reason::Interval | Reason::T04 => None,
            },
            SettlementMode::Manual | SettlementMode::None => Some(NotSettling::Manual),
        };
        let begun = match not_settling {
            Some(reason) => Err(reason),
            None if !input.may_begin || !view.is_enabled => return,
            None => self.debit(view, connector, input),
        };
        match reason {
            Reason::T04 => {
                self.t04_noted_at = Some(input.now.mono);
                // What was reported says enough.
                self.is_t04_pause_reported = begun.is_err();
            }
            Reason::AfterT04(_) => {
                (self.is_reported, self.is_t04_pause_reported) = (false, true);
            }
            Reason::Threshold | Reason::Interval => {}
        }
        match begun {
            Ok(Some((cut, settlement))) => {
                self.stage = Stage::Saving(cut);
                self.interval_from = input.now.mono;
                self.is_reported = false;
                actions.push(SettlerAction::Begun(settlement));
            }
            Ok(None) => {}
            Err(reason) if !self.is_reported => {
                self.is_reported = true;
                let (account, balance) = (account.clone(), *balance);
                actions.push(SettlerAction::Due { account, balance, reason });
            }
            Err(_) => {}
        }
    }

    /// Debits what is missing, within the limit of an hour. `None`: nothing is missing any more.
    ///
    /// RFC 38 "Account for outgoing settlements": the debit comes before the request to the engine, and stays when the
    /// request fails. [row 132]
    fn debit(
        &self,
        view: &SettlementView,
        connector: &Connector,
        input: &mut SettlerInput<'_>,
    ) -> Result<Option<(CutNumber, Settlement)>, NotSettling> {
        let SettlementView { account, asset, rules, .. } = view;
        let settled = connector.settled_within_hour(account, asset, input.now);
        let left = rules.max_per_hour.map_or(u128::MAX, |max| max.saturating_sub(settled));
        if left == 0 {
            return Err(NotSettling::MaxPerHour);
        }
        let key = SettlementKey::from_random((input.random)());
        let amount = SettleAmount::UpTo { target: rules.target, max: left };
        let note = SettlementNote { reference: String::new(), by: BY.to_owned() };
        let (state, at) = (SettlementState::Pending, input.now.wall);
        match connector.begin_settlement(account, &key, amount, state, note, at) {
            Ok(begun) => Ok(Some(begun)),
            Err(SettlementError::AboveMax(_)) => Err(NotSettling::TooLarge),
            // It has changed since it was looked at.
            Err(_) => Ok(None),
        }
    }
}

/// A pause that is up to a fifth shorter, so that settlements that failed together are not repeated together.
fn vary(pause: Duration, random: u128) -> Duration {
    let fifth = pause / 5;
    let share = u32::try_from(random % 1_000).unwrap_or_default();
    pause.saturating_sub(fifth * share / 1_000)
}
