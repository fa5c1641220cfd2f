//! When a settlement begins, when its request goes out again, and what is reported. Random orders of steps are in
//! `settlement_model.rs`.

use std::collections::BTreeSet;

use super::virtual_store::VirtualStore;
use super::*;
use crate::account::{AccountId, SettlementMode, SettlementRules};
use crate::books::{BalanceChange, Settlement};
use crate::connector::settler::NotSettling;
use crate::connector::{Settler, SettlerAction, SettlerInput};
use crate::testing::change_request;

const MINUTE: Duration = Duration::from_secs(60);

/// A node that owes bob, whose packets come from alice.
struct Fixture {
    node: TestNode,
    alice: Peer,
    bob: Peer,
    settler: Settler,
    paused: BTreeSet<AccountId>,
    /// Whether the store works.
    may_begin: bool,
    random: u128,
}

impl Fixture {
    /// An engine pays bob by these rules.
    fn new(rules: SettlementRules) -> Self {
        let mut settings = connector_settings("node", &["alice", "bob"]);
        settings.accounts[1].settlement = rules;
        let node = node_with_books(settings, VirtualStore::default().books(true));
        let (node, alice, bob) = connect_both(node);
        let (settler, paused) = (Settler::default(), BTreeSet::new());
        let (may_begin, random) = (true, 0);
        let mut fixture = Self { node, alice, bob, settler, paused, may_begin, random };
        assert_eq!(fixture.look(), []);
        fixture
    }

    fn owe(&mut self, units: i128) {
        self.owe_to("bob", units);
    }

    fn owe_to(&mut self, account: &str, units: i128) {
        let mut request = change_request(account, BalanceChange::Adjust(-units));
        self.random += 1;
        request.id = format!("{:x}", self.random).parse().unwrap();
        self.node.connector.change_balance(&request, self.node.now.wall).unwrap();
    }

    fn balance(&self) -> i128 {
        self.node.balance("bob")
    }

    /// Bob rejects a packet with this code.
    fn reject(&self, code: ErrorCode) {
        let expires_in = self.node.now.wall.millis_since(Timestamp::from_millis(START_MS)) + 10_000;
        let expires_in = i64::try_from(expires_in).unwrap();
        let packet = payment_with("test.bob", 5, expires_in, b"", PREIMAGE.condition());
        self.node.send(&self.alice, 1, &packet);
        let id = self.node.prepare_id(&self.bob);
        self.node.answer(&self.bob, id, &reject(code, Some("test.bob"), "no", b""));
        assert_eq!(self.node.reject_code(&self.alice), code.to_string());
    }

    fn save(&self) {
        let cut = self.node.connector.take_cut(self.node.now.wall).unwrap();
        self.node.connector.publish_durable(cut.number);
    }

    /// Bob's rules from now on. `None`: he is no peer any more.
    fn apply(&self, rules: Option<SettlementRules>) {
        let mut settings = connector_settings("node", &["alice", "bob"]);
        match rules {
            Some(rules) => settings.accounts[1].settlement = rules,
            None => settings.accounts.truncate(1),
        }
        self.node.connector.apply_settings(settings).unwrap();
    }

    fn look(&mut self) -> Vec<SettlerAction> {
        self.with_input(|settler, connector, input| settler.look_at_all(connector, input))
    }

    fn look_at(&mut self, accounts: &[AccountId]) -> Vec<SettlerAction> {
        self.with_input(|settler, connector, input| settler.look_at(accounts, connector, input))
    }

    fn with_input(
        &mut self,
        look: impl FnOnce(&mut Settler, &Connector, &mut SettlerInput<'_>) -> Vec<SettlerAction>,
    ) -> Vec<SettlerAction> {
        let Self { node, settler, paused, may_begin, random, .. } = self;
        let mut next = || {
            *random += 1;
            *random
        };
        let durable = node.connector.durable_cut();
        let (now, may_begin) = (node.now, *may_begin);
        let mut input = SettlerInput { now, durable, may_begin, paused, random: &mut next };
        look(settler, &node.connector, &mut input)
    }

    /// The units of the one settlement that begins.
    fn begin(&mut self) -> u128 {
        match self.look().as_slice() {
            [SettlerAction::Begun(settlement)] => settlement.units,
            other => panic!("{other:?}"),
        }
    }

    fn ask(&mut self) -> Settlement {
        match self.look().as_slice() {
            [SettlerAction::Ask(settlement)] => settlement.clone(),
            other => panic!("{other:?}"),
        }
    }

    /// The engine answers. Returns the pause until it is asked again.
    fn answer(&mut self, asked: &Settlement, accepts: bool, random: u128) -> Option<Duration> {
        let answer = if accepts { Ok(()) } else { Err("500".to_owned()) };
        let (connector, now) = (&self.node.connector, self.node.now);
        let answered = self.settler.note_answer(asked, &answer, connector, now, random).unwrap();
        answered.next_attempt_in
    }

    /// What is under way is saved, and the engine accepts it.
    fn finish(&mut self) {
        self.save();
        let asked = self.ask();
        assert_eq!(self.answer(&asked, true, 0), None);
    }

    /// Why the one settlement that is due is not paid; `None`: nothing is reported.
    fn reported(&mut self) -> Option<NotSettling> {
        match self.look().as_slice() {
            [] => None,
            [SettlerAction::Due { account, balance, reason }] => {
                assert_eq!((account.as_str(), *balance), ("bob", self.balance()));
                Some(*reason)
            }
            other => panic!("{other:?}"),
        }
    }
}

fn rules(mode: SettlementMode) -> SettlementRules {
    SettlementRules { mode, ..SettlementRules::default() }
}

#[test]
fn a_t04_settles_what_is_owed_at_once_and_at_most_once_a_minute() {
    let on_t04 = true;
    let mut fixture = Fixture::new(SettlementRules { on_t04, ..rules(SettlementMode::Engine) });
    fixture.reject(ErrorCode::T04);
    assert_eq!(fixture.look(), [], "nothing is owed");
    fixture.owe(50);
    fixture.reject(ErrorCode::F00);
    assert_eq!(fixture.look(), [], "another code");
    fixture.reject(ErrorCode::T04);
    assert_eq!((fixture.begin(), fixture.balance()), (50, 0));
    fixture.finish();
    fixture.owe(30);
    fixture.node.advance(MINUTE - Duration::from_millis(1));
    fixture.reject(ErrorCode::T04);
    assert_eq!(fixture.reported(), Some(NotSettling::AfterT04 { next_in_s: 1 }));
    fixture.reject(ErrorCode::T04);
    assert_eq!(fixture.reported(), None, "once");
    fixture.node.advance(Duration::from_millis(1));
    assert_eq!(fixture.look(), [], "that T04 is over");
    fixture.reject(ErrorCode::T04);
    assert_eq!(fixture.begin(), 30);
}

#[test]
fn a_t04_settles_nothing_without_settle_on_t04_or_while_the_peer_owes_us() {
    let mut fixture = Fixture::new(rules(SettlementMode::Engine));
    fixture.owe(50);
    fixture.reject(ErrorCode::T04);
    assert_eq!(fixture.look(), []);
    let (on_t04, target) = (true, 100);
    let owed = SettlementRules { on_t04, target, ..rules(SettlementMode::Engine) };
    let mut fixture = Fixture::new(owed);
    fixture.owe(-50);
    fixture.reject(ErrorCode::T04);
    assert_eq!(fixture.look(), []);
    fixture.owe(50);
    fixture.reject(ErrorCode::T04);
    assert_eq!(fixture.look(), [], "nothing is owed");
    fixture.owe(1);
    fixture.reject(ErrorCode::T04);
    assert_eq!(fixture.begin(), 101);
}

#[test]
fn a_request_has_one_key_and_growing_pauses_of_at_most_an_hour_rows_132_134() {
    const HOUR: Duration = Duration::from_secs(3_600);
    let threshold = Some(-100);
    let mut fixture = Fixture::new(SettlementRules { threshold, ..rules(SettlementMode::Engine) });
    fixture.owe(100);
    assert_eq!((fixture.begin(), fixture.balance()), (100, 0));
    assert_eq!(fixture.look(), [], "the debit is not durable yet");
    fixture.save();
    let first = fixture.ask();
    for attempt in 0..16_u32 {
        // A pause is up to a fifth shorter.
        let longest = Duration::from_secs(1 << attempt).min(HOUR);
        let random = u128::from(attempt) * 66;
        let pause = fixture.answer(&first, false, random).unwrap();
        assert!(pause <= longest && pause >= longest * 4 / 5, "{attempt}: {pause:?}");
        fixture.owe(1);
        fixture.node.advance(pause - Duration::from_millis(1));
        assert_eq!(fixture.look(), [], "attempt {attempt} is too early");
        fixture.node.advance(Duration::from_millis(1));
        let again = fixture.ask();
        assert_eq!((&again.key, again.units, again.attempts), (&first.key, 100, attempt + 1));
        assert_eq!(fixture.balance(), -1 - i128::from(attempt), "it stays debited");
    }
    assert_eq!(fixture.answer(&first, true, 0), None);
    // The next one begins with short pauses again.
    fixture.owe(100);
    assert_eq!(fixture.begin(), 116);
    fixture.save();
    let next = fixture.ask();
    assert_ne!(next.key, first.key);
    assert_eq!(fixture.answer(&next, false, 0), Some(Duration::from_secs(1)));
}

/// A look at others, whose cut is durable, is a look at it as well.
#[test]
fn a_peer_that_is_away_for_a_moment_is_not_paid_before_the_debit_is_durable() {
    let engine = SettlementRules { threshold: Some(-100), ..rules(SettlementMode::Engine) };
    let mut fixture = Fixture::new(engine.clone());
    fixture.owe(100);
    assert_eq!(fixture.begin(), 100);
    fixture.apply(None);
    assert_eq!(fixture.look_at(&[bob()]), []);
    fixture.apply(Some(engine));
    assert_eq!(fixture.look_at(&[bob()]), [], "a crash could still lose the debit");
    assert!(fixture.settler.saving().is_some());
    fixture.save();
    assert_eq!(fixture.ask().units, 100);
}

/// The task of settlements waits for the cut that [`Settler::saving`] names, and then looks. If that changed nothing,
/// it would never wait again.
#[test]
fn what_an_operator_holds_up_waits_for_no_cut_that_is_durable() {
    let holds: [fn(&mut Fixture); 3] = [
        |fixture| fixture.paused.extend([bob()]),
        |fixture| fixture.apply(Some(rules(SettlementMode::Manual))),
        |fixture| fixture.apply(None),
    ];
    for (case, hold) in holds.into_iter().enumerate() {
        let engine = SettlementRules { threshold: Some(-100), ..rules(SettlementMode::Engine) };
        let mut fixture = Fixture::new(engine.clone());
        fixture.owe(100);
        assert_eq!(fixture.begin(), 100);
        hold(&mut fixture);
        fixture.save();
        let (_, saving) = fixture.settler.saving().unwrap();
        assert_eq!(fixture.look_at(&saving), [], "case {case}");
        assert_eq!(fixture.settler.saving(), None, "case {case}");
        fixture.paused.clear();
        fixture.apply(Some(engine));
        assert_eq!(fixture.ask().units, 100, "case {case}: it goes on");
    }
}

#[test]
fn what_is_due_and_not_paid_is_reported_once_although_the_balance_varies() {
    let threshold = Some(-100);
    let mut fixture = Fixture::new(SettlementRules { threshold, ..rules(SettlementMode::Manual) });
    fixture.owe(99);
    assert_eq!(fixture.reported(), None);
    fixture.owe(1);
    assert_eq!(fixture.reported(), Some(NotSettling::Manual));
    for units in [0, -10, 10, 5] {
        fixture.owe(units);
        assert_eq!(fixture.reported(), None, "{units}");
    }
    // By more than a tenth of the way to 0.
    fixture.owe(-16);
    assert_eq!(fixture.reported(), None);
    fixture.owe(11);
    assert_eq!(fixture.reported(), Some(NotSettling::Manual));
}

#[test]
fn a_peer_that_rejects_packets_is_one_report_a_minute() {
    let rules = SettlementRules {
        threshold: Some(-1_000),
        max_per_hour: Some(40),
        on_t04: true,
        ..rules(SettlementMode::Engine)
    };
    let mut fixture = Fixture::new(rules);
    fixture.owe(100);
    fixture.paused.insert("bob".parse().unwrap());
    fixture.reject(ErrorCode::T04);
    assert_eq!(fixture.reported(), Some(NotSettling::Paused));
    for _ in 0..3 {
        assert_eq!(fixture.reported(), None);
        fixture.reject(ErrorCode::T04);
        assert_eq!(fixture.reported(), None);
    }
    fixture.paused.clear();
    fixture.node.advance(MINUTE);
    fixture.reject(ErrorCode::T04);
    assert_eq!(fixture.begin(), 40);
    fixture.finish();
    fixture.node.advance(MINUTE);
    fixture.reject(ErrorCode::T04);
    assert_eq!(fixture.reported(), Some(NotSettling::MaxPerHour));
}

fn bob() -> AccountId {
    "bob".parse().unwrap()
}

#[test]
fn nothing_begins_while_the_store_fails_or_the_peer_is_suspended() {
    let rules = SettlementRules { threshold: Some(-100), ..rules(SettlementMode::Engine) };
    let mut fixture = Fixture::new(rules.clone());
    fixture.owe(100);
    fixture.may_begin = false;
    assert_eq!(fixture.look(), []);
    fixture.may_begin = true;
    for enabled in [false, true] {
        let mut settings = connector_settings("node", &["alice", "bob"]);
        (settings.accounts[1].settlement, settings.accounts[1].enabled) = (rules.clone(), enabled);
        fixture.node.apply(settings);
        match enabled {
            false => assert_eq!(fixture.look(), []),
            true => assert_eq!(fixture.begin(), 100),
        }
    }
}

#[test]
fn an_interval_counts_from_the_last_settlement_and_settles_all_that_is_owed() {
    let interval = Some(30 * MINUTE);
    let mut fixture = Fixture::new(SettlementRules { interval, ..rules(SettlementMode::Engine) });
    for units in [1, 2] {
        fixture.node.advance(29 * MINUTE);
        fixture.owe(units);
        fixture.node.advance(MINUTE - Duration::from_millis(1));
        assert_eq!(fixture.look(), [], "{units}");
        fixture.node.advance(Duration::from_millis(1));
        assert_eq!(fixture.begin(), units.unsigned_abs());
        fixture.finish();
    }
    fixture.node.advance(60 * MINUTE);
    assert_eq!(fixture.look(), [], "nothing is owed");
    // With an operator who settles, only the threshold counts.
    let (on_t04, mode) = (true, SettlementMode::Manual);
    let mut fixture = Fixture::new(SettlementRules { interval, on_t04, ..rules(mode) });
    fixture.owe(1);
    fixture.node.advance(60 * MINUTE);
    fixture.reject(ErrorCode::T04);
    assert_eq!(fixture.look(), []);
}

#[test]
fn an_operator_repeats_a_request_before_its_pause_is_over() {
    let threshold = Some(-100);
    let mut fixture = Fixture::new(SettlementRules { threshold, ..rules(SettlementMode::Engine) });
    fixture.owe(100);
    assert_eq!(fixture.begin(), 100);
    fixture.settler.retry(&bob());
    assert_eq!(fixture.look(), [], "the debit is not durable yet");
    fixture.save();
    let asked = fixture.ask();
    fixture.settler.retry(&bob());
    assert_eq!(fixture.look(), [], "the engine has the request");
    assert!(fixture.answer(&asked, false, 0).is_some());
    assert_eq!(fixture.look(), []);
    fixture.settler.retry(&bob());
    assert_eq!(fixture.ask().key, asked.key);
}

/// The engine has the request for a settlement.
fn fixture_and_asked() -> (Fixture, Settlement) {
    let threshold = Some(-100);
    let mut fixture = Fixture::new(SettlementRules { threshold, ..rules(SettlementMode::Engine) });
    fixture.owe(100);
    fixture.begin();
    fixture.save();
    let asked = fixture.ask();
    (fixture, asked)
}

#[test]
fn pauses_are_shortened_by_up_to_a_fifth() {
    let (mut fixture, asked) = fixture_and_asked();
    for (random, micros) in [(0, 1_000_000), (500, 1_800_000), (999, 3_200_800), (1_500, 7_200_000)]
    {
        let pause = fixture.answer(&asked, false, random).unwrap();
        assert_eq!(pause.as_micros(), micros, "{random}");
    }
}

#[test]
fn no_more_is_settled_than_within_an_hour() {
    let rules = SettlementRules {
        threshold: Some(-10),
        max_per_hour: Some(40),
        ..rules(SettlementMode::Engine)
    };
    let mut fixture = Fixture::new(rules);
    for (owed, settled) in [(30, 30), (30, 10)] {
        fixture.owe(owed);
        assert_eq!(fixture.begin(), settled);
        fixture.finish();
    }
    assert_eq!(fixture.reported(), Some(NotSettling::MaxPerHour));
    fixture.node.advance(60 * MINUTE);
    assert_eq!(fixture.begin(), 20);
}

#[test]
fn the_first_of_the_cuts_that_settlements_wait_for_is_named() {
    let rules = SettlementRules { threshold: Some(-100), ..rules(SettlementMode::Engine) };
    let mut fixture = Fixture::new(rules.clone());
    let mut settings = connector_settings("node", &["alice", "bob"]);
    settings.accounts.iter_mut().for_each(|account| account.settlement = rules.clone());
    fixture.node.apply(settings);
    assert_eq!(fixture.settler.saving(), None);
    fixture.owe(100);
    fixture.begin();
    let first = fixture.node.connector.take_cut(fixture.node.now.wall).unwrap().number;
    fixture.owe_to("alice", 100);
    fixture.begin();
    let alice: AccountId = "alice".parse().unwrap();
    assert_eq!(fixture.settler.saving(), Some((first, vec![alice.clone(), bob()])));
    fixture.node.connector.publish_durable(first);
    assert_eq!(&*fixture.ask().account, "bob");
    assert_eq!(fixture.settler.saving(), Some((first.next(), vec![alice])));
}

#[test]
fn an_answer_counts_for_the_settlement_that_was_asked() {
    let (mut fixture, asked) = fixture_and_asked();
    let other = Settlement { key: "another".parse().unwrap(), ..asked.clone() };
    let (connector, now) = (&fixture.node.connector, fixture.node.now);
    let answered = fixture.settler.note_answer(&other, &Ok(()), connector, now, 0);
    assert_eq!(answered, None);
    assert_eq!(connector.settlement_under_way(&bob()).as_ref(), Some(&asked));
    let answered = fixture.settler.note_answer(&asked, &Ok(()), connector, now, 0).unwrap();
    assert_eq!((answered.settlement.attempts, answered.settlement.updated_at), (1, now.wall));
    assert_eq!(connector.settlement_under_way(&bob()), None);
}
