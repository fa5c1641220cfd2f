//! A model of two ends that send each other packets over links that lose some, crash, and compare their books.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::judge::whole_ms;
use super::*;
use crate::account::ReconcileSettings;
use crate::books::BalanceChange;
use crate::wire::Timestamp;
use crate::wire::reconcile::{PeerAmounts, PeerBooks};

/// A packet expires at its sender after this time, and earlier at its receiver.
const LIFE_MS: u64 = 100;
const LIFE_AT_RECEIVER_MS: u64 = 80;
const SETTLE: Duration = Duration::from_millis(LIFE_MS + 10);

/// What an end says of its books.
#[derive(Clone, Copy, Debug)]
struct Spoken {
    amounts: PeerAmounts,
    run: u64,
    cut: u64,
    seen_cut: u64,
    is_recovering: bool,
}

#[derive(Clone, Copy, Debug)]
enum Message {
    Prepare { id: u64, amount: i128, sent_at: u64 },
    Answer { id: u64, is_fulfilled: bool },
    Request(u64),
    Reply(u64, Spoken),
}

/// What survives a crash.
#[derive(Clone, Debug, Default)]
struct Saved {
    amounts: PeerAmounts,
    state: ReconcileState,
    cut: u64,
}

#[derive(Debug, Default)]
struct End {
    saved: Saved,
    amounts: PeerAmounts,
    state: ReconcileState,
    run: u64,
    cut: u64,
    started_at: u64,
    out: BTreeMap<u64, (i128, u64)>,
    incoming: Vec<(u64, i128, u64)>,
    /// What this end had counted when it asked.
    asked_with: Option<(u64, PeerAmounts)>,
    /// It saves each change before the other end can see it.
    is_strict: bool,
    lost_by_correction: i128,
}

impl End {
    fn balance(&self) -> i128 {
        let PeerAmounts { asked, answered, paid, received, adjusted, .. } = self.amounts;
        answered - asked + paid - received + adjusted
    }

    fn amounts(&self) -> PeerAmounts {
        let in_flight_out = self.out.values().map(|(amount, _)| amount).sum();
        let in_flight_in = self.incoming.iter().map(|(_, amount, _)| amount).sum();
        PeerAmounts { in_flight_out, in_flight_in, ..self.amounts }
    }

    fn save(&mut self) {
        self.cut += 1;
        self.saved = Saved { amounts: self.amounts(), state: self.state.clone(), cut: self.cut };
    }

    fn save_if_strict(&mut self) {
        if self.is_strict {
            self.save();
        }
    }

    fn crash(&mut self, now: u64) {
        let Saved { amounts, state, cut } = self.saved.clone();
        self.amounts = PeerAmounts {
            uncertain: amounts.uncertain + amounts.in_flight_out,
            in_flight_out: 0,
            in_flight_in: 0,
            unanswered: 0,
            ..amounts
        };
        self.state = ReconcileState { is_recovering: true, may_lack: true, ..state };
        (self.cut, self.started_at, self.run) = (cut, now, self.run + 1);
        self.out.clear();
        self.incoming.clear();
        self.asked_with = None;
        self.save();
    }

    fn speak(&self) -> Spoken {
        let seen_cut = self.state.peer.as_ref().map_or(0, |peer| peer.cut);
        let (run, is_recovering) = (self.run, self.state.is_recovering);
        Spoken { amounts: self.amounts(), run, cut: self.saved.cut, seen_cut, is_recovering }
    }

    fn expire(&mut self, now: u64) {
        self.incoming.retain(|(_, _, sent_at)| now < sent_at + LIFE_AT_RECEIVER_MS);
        let (due, out) =
            std::mem::take(&mut self.out).into_iter().partition(|(_, (_, at))| now >= at + LIFE_MS);
        let due: BTreeMap<u64, (i128, u64)> = due;
        self.amounts.unanswered += due.values().map(|(amount, _)| amount).sum::<i128>();
        self.out = out;
    }

    fn correct(&mut self, change: BalanceChange) {
        let rise = change.amount();
        match change {
            BalanceChange::Resolve { conceded } => {
                assert!((0..=self.amounts.uncertain).contains(&conceded));
                self.amounts.uncertain = 0;
                self.amounts.asked += conceded;
            }
            BalanceChange::Concede(amount) => self.amounts.asked += amount,
            BalanceChange::WriteOff(amount) => self.amounts.answered -= amount,
            BalanceChange::Adjust(_) => panic!("no end adjusts by itself"),
        }
        self.lost_by_correction += (-rise).max(0);
    }
}

struct World {
    ends: [End; 2],
    /// To each end.
    wires: [Vec<Message>; 2],
    is_in_order: bool,
    now: u64,
    next_id: u64,
    policy: ReconcilePolicy,
    corrections: usize,
}

impl World {
    fn new(is_in_order: bool, is_strict: bool, write_off_max: i128) -> Self {
        let end = || End { is_strict, run: 1, ..End::default() };
        let policy = ReconcilePolicy {
            settings: ReconcileSettings { write_off_max, ..ReconcileSettings::default() },
            max_balance: None,
            settle_time: SETTLE,
        };
        let mut world = Self {
            ends: [end(), end()],
            wires: [Vec::new(), Vec::new()],
            is_in_order,
            now: 1_000,
            next_id: 0,
            policy,
            corrections: 0,
        };
        world.compare_quietly();
        world
    }

    fn sum(&self) -> i128 {
        self.ends.iter().map(End::balance).sum()
    }

    fn send(&mut self, from: usize, amount: i128) {
        self.next_id += 1;
        let (id, sent_at) = (self.next_id, self.now);
        self.ends[from].out.insert(id, (amount, sent_at));
        self.ends[from].save_if_strict();
        self.wires[1 - from].push(Message::Prepare { id, amount, sent_at });
    }

    fn answer(&mut self, by: usize, choice: usize, is_fulfilled: bool) {
        let end = &mut self.ends[by];
        if end.incoming.is_empty() {
            return;
        }
        let (id, amount, _) = end.incoming.remove(choice % end.incoming.len());
        if is_fulfilled {
            end.amounts.answered += amount;
            end.save_if_strict();
        }
        self.wires[1 - by].push(Message::Answer { id, is_fulfilled });
    }

    fn ask(&mut self, by: usize) {
        self.next_id += 1;
        let (id, end) = (self.next_id, &mut self.ends[by]);
        end.asked_with = Some((id, end.amounts()));
        self.wires[1 - by].push(Message::Request(id));
    }

    fn deliver(&mut self, to: usize, choice: usize) {
        if self.wires[to].is_empty() {
            return;
        }
        let at = if self.is_in_order { 0 } else { choice % self.wires[to].len() };
        match self.wires[to].remove(at) {
            Message::Prepare { id, amount, sent_at } => {
                if self.now < sent_at + LIFE_AT_RECEIVER_MS {
                    self.ends[to].incoming.push((id, amount, sent_at));
                }
            }
            Message::Answer { id, is_fulfilled } => {
                let end = &mut self.ends[to];
                if let (Some((amount, _)), true) = (end.out.remove(&id), is_fulfilled) {
                    end.amounts.asked += amount;
                }
                end.save_if_strict();
            }
            Message::Request(id) => {
                let reply = self.ends[to].speak();
                self.wires[1 - to].push(Message::Reply(id, reply));
            }
            Message::Reply(id, theirs) => self.conclude(to, id, theirs),
        }
    }

    fn conclude(&mut self, at: usize, id: u64, theirs: Spoken) {
        let Some((_, before)) = self.ends[at].asked_with.take_if(|(asked, _)| *asked == id) else {
            return;
        };
        // The peer notes which process it spoke to last; a decision about an earlier one is dropped.
        if theirs.run != self.ends[1 - at].run {
            return;
        }
        let end = &mut self.ends[at];
        let exchange = Exchange {
            before,
            after: end.amounts(),
            theirs: theirs.amounts,
            is_asked_in_order: self.is_in_order,
            is_answered_in_order: self.is_in_order,
        };
        let Spoken { amounts, run, cut, seen_cut, is_recovering } = theirs;
        let peer = PeerBooks {
            books: &[1],
            run,
            cut,
            seen_cut,
            is_recovering,
            is_durable: true,
            asset_code: "USD",
            asset_scale: 9,
            amounts,
            credit_places: None,
        };
        let own = OwnEnd {
            cut: end.saved.cut,
            up_for: Duration::from_millis(self.now - end.started_at),
            balance: end.balance(),
        };
        let now = Timestamp::from_millis(self.now);
        let judgement = end.state.judge(&exchange, &peer, &own, &self.policy, now);
        for change in judgement.corrections {
            end.correct(change);
            self.corrections += 1;
        }
        end.save();
    }

    fn pass(&mut self, ms: u64) {
        self.now += ms;
        self.ends.iter_mut().for_each(|end| end.expire(self.now));
    }

    fn compare_quietly(&mut self) {
        for by in [0, 1] {
            self.ask(by);
            for _ in 0..2 {
                self.deliver_all();
            }
        }
    }

    fn deliver_all(&mut self) {
        for to in [0, 1] {
            for _ in 0..self.wires[to].len() {
                self.deliver(to, 0);
            }
        }
    }

    /// Nothing is in flight any more, and both ends have compared their books often enough.
    fn end(&mut self) {
        for _ in 0..4 {
            self.deliver_all();
        }
        self.pass(2 * whole_ms(SETTLE));
        for _ in 0..6 {
            self.compare_quietly();
            self.pass(whole_ms(SETTLE));
        }
    }

    fn lose_session(&mut self) {
        self.wires = [Vec::new(), Vec::new()];
        self.ends.iter_mut().for_each(|end| end.asked_with = None);
    }

    fn step(&mut self, (kind, choice, amount): (u8, u8, u16), may_lose: bool, may_crash: bool) {
        let (at, choice) = (usize::from(choice % 2), usize::from(choice / 2));
        match kind % 16 {
            0..=3 => self.send(at, amount.into()),
            4..=6 => self.answer(at, choice, true),
            7 => self.answer(at, choice, false),
            8..=11 => self.deliver(at, choice),
            12 => self.ask(at),
            13 => self.pass(choice.try_into().unwrap()),
            14 if may_crash => {
                self.lose_session();
                self.ends[at].crash(self.now);
            }
            14 | 15 if may_lose => self.lose_session(),
            _ => self.ends[at].save(),
        }
    }
}

type Steps = Vec<(u8, u8, u16)>;

fn steps() -> impl Strategy<Value = Steps> {
    proptest::collection::vec(any::<(u8, u8, u16)>(), 0..150)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_difference_is_found_where_there_is_none(
        (steps, is_in_order) in (steps(), any::<bool>()),
    ) {
        let mut world = World::new(is_in_order, false, 1 << 60);
        for (kind, choice, amount) in steps {
            // Time stands still: no packet expires, so that no answer comes too late.
            let kind = if kind % 16 == 13 { 12 } else { kind };
            world.step((kind, choice, amount), false, false);
            for end in &world.ends {
                prop_assert!(!end.state.verdict.is_alarm(), "{:?}", end.state);
            }
        }
        for _ in 0..6 {
            world.deliver_all();
            (0..200).for_each(|_| world.answer(0, 0, true));
            (0..200).for_each(|_| world.answer(1, 0, true));
        }
        world.end();
        prop_assert_eq!((world.sum(), world.corrections), (0, 0));
        for end in &world.ends {
            prop_assert_eq!(end.state.verdict, BooksVerdict::Agrees);
        }
    }

    #[test]
    fn lost_answers_are_found_to_the_unit((steps, is_in_order) in (steps(), any::<bool>())) {
        let mut world = World::new(is_in_order, false, 0);
        steps.into_iter().for_each(|step| world.step(step, true, false));
        world.end();
        let lost = world.sum();
        prop_assert!(lost >= 0, "no end accepts what the other one did not fulfill");
        for end in &world.ends {
            let agrees = end.state.verdict == BooksVerdict::Agrees;
            prop_assert_eq!((end.state.difference.total(), agrees), (lost, lost == 0));
        }
        prop_assert_eq!(world.corrections, 0, "none is allowed");
    }

    #[test]
    fn lost_answers_are_written_off_by_the_end_that_answered(
        (steps, is_in_order) in (steps(), any::<bool>()),
    ) {
        let mut world = World::new(is_in_order, false, 1 << 60);
        steps.into_iter().for_each(|step| world.step(step, true, false));
        let asked = world.ends.each_ref().map(|end| end.amounts.asked);
        world.end();
        prop_assert_eq!(world.sum(), 0);
        for (end, asked) in world.ends.iter().zip(asked) {
            prop_assert_eq!(end.state.verdict, BooksVerdict::Agrees);
            prop_assert!(end.amounts.asked >= asked, "the number of the one that asked is final");
            prop_assert!(end.amounts.conceded == 0);
        }
    }

    #[test]
    fn after_crashes_both_ends_are_equal_again(
        (steps, is_in_order, is_strict) in (steps(), any::<bool>(), any::<bool>()),
    ) {
        let mut world = World::new(is_in_order, is_strict, 1 << 60);
        steps.into_iter().for_each(|step| world.step(step, true, true));
        world.end();
        prop_assert_eq!(world.sum(), 0);
        for end in &world.ends {
            prop_assert_eq!((end.state.verdict, end.amounts.uncertain), (BooksVerdict::Agrees, 0));
        }
    }

    #[test]
    fn strict_books_concede_no_more_than_was_uncertain(steps in steps()) {
        let mut world = World::new(true, true, 0);
        steps.into_iter().for_each(|step| world.step(step, false, true));
        world.end();
        // What is left are answers of the crashed node that were lost with its session: the other one never saw them.
        prop_assert!(world.sum() >= 0);
        for end in &world.ends {
            prop_assert_eq!(end.amounts.uncertain, 0);
            prop_assert_eq!(end.state.difference.total(), world.sum());
        }
    }

    #[test]
    fn no_message_costs_more_than_is_allowed(
        lies in proptest::collection::vec(
            (any::<[i64; 5]>(), any::<[u32; 4]>(), any::<[bool; 4]>(), any::<u64>()),
            1..30,
        ),
        uncertain in 0..1_000_i128,
        write_off_max in 0..1_000_i128,
    ) {
        let mut world = World::new(true, false, write_off_max);
        world.ends[0].amounts.uncertain = uncertain;
        world.ends[0].state.is_recovering = true;
        for (index, (signed, unsigned, flags, number)) in lies.into_iter().enumerate() {
            let [asked, answered, paid, received, adjusted] = signed.map(i128::from);
            let [in_flight_out, in_flight_in, uncertain, unanswered] = unsigned.map(i128::from);
            let amounts = PeerAmounts {
                asked, answered, paid, received, adjusted, in_flight_out, in_flight_in, uncertain,
                unanswered, conceded: 0, written_off: 0,
            };
            let [is_recovering, same_run, quiet, in_order] = flags;
            let amounts = match quiet {
                true => PeerAmounts { in_flight_out: 0, in_flight_in: 0, ..amounts },
                false => amounts,
            };
            world.is_in_order = in_order;
            world.ends[1].run = if same_run { 1 } else { number };
            world.ask(0);
            let run = world.ends[1].run;
            let said = Spoken { amounts, run, cut: number, seen_cut: number, is_recovering };
            let id = world.next_id;
            world.conclude(0, id, said);
            world.pass(u64::try_from(index).unwrap() * 50);
        }
        prop_assert!(world.ends[0].lost_by_correction <= uncertain + write_off_max);
    }
}
