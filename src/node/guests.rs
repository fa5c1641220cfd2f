//! Which guests a node has, which of them must leave, and which newcomers may come. No IO: times and the states of
//! accounts are arguments.
//!
//! A guest costs nothing to make, so everything about guests is bounded: how many there are, how long one that is away
//! is remembered, and how many balances of forgotten ones the node keeps. How many come in a second is bounded at the
//! door (`peers/guests.rs`), which each newcomer has passed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::account::{AccountId, Unsettled};
use crate::config::{GuestSettings, NodeConfig};
use crate::peers::GuestRefusal;
use crate::time::MonoTime;

/// Forgotten guests whose balances the node keeps. When there are so many, no further guest with a balance is
/// forgotten.
const BALANCES_KEPT_MAX: usize = 10_000;

/// How long a new guest keeps its place for the session that follows.
const ARRIVAL_TIME: Duration = Duration::from_secs(5);

/// What the packet path says of a guest's account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct GuestAccount {
    pub(super) is_connected: bool,
    /// Something of it is in flight.
    pub(super) is_busy: bool,
    pub(super) unsettled: Option<Unsettled>,
}

/// How a guest comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Admitted {
    /// Its account is there.
    Known,
    /// It gets an account.
    New(Newcomer),
}

/// A guest that gets an account, and what undoes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Newcomer {
    replaced: Option<(AccountId, Guest)>,
    was_owing: bool,
}

impl Newcomer {
    /// The guest whose place it has.
    pub(super) fn replaced(&self) -> Option<&AccountId> {
        self.replaced.as_ref().map(|(id, _)| id)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Guest {
    /// Rises from one to the next.
    number: u64,
    /// `None`: it is connected.
    away_since: Option<MonoTime>,
    /// Its first session is still to come, until this time.
    arrives_until: Option<MonoTime>,
}

/// What takes a closing back.
#[derive(Debug)]
pub(super) struct BeforeClosing {
    present: BTreeMap<AccountId, Guest>,
    was_closed: bool,
}

/// The guests of a node.
#[derive(Debug)]
pub(super) struct Guests {
    settings: Option<GuestSettings>,
    present: BTreeMap<AccountId, Guest>,
    last_number: u64,
    /// Forgotten with a balance.
    owing: BTreeSet<AccountId>,
    is_closed: bool,
}

impl Guests {
    /// No guests yet. Without settings there never are any.
    pub(super) fn new(settings: Option<GuestSettings>) -> Self {
        Self {
            settings,
            present: BTreeMap::new(),
            last_number: 0,
            owing: BTreeSet::new(),
            is_closed: false,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.present.len()
    }

    pub(super) fn contains(&self, id: &AccountId) -> bool {
        self.present.contains_key(id)
    }

    /// Adds the guests to the peers of a configuration.
    pub(super) fn add_to(&self, config: &mut NodeConfig) {
        let guests: Vec<_> = self.present.keys().filter_map(|id| config.guest(id)).collect();
        config.peers.extend(guests);
    }

    /// All guests leave, and none may come until [`Self::open`]. The caller may take it back.
    pub(super) fn close(&mut self) -> BeforeClosing {
        let present = std::mem::take(&mut self.present);
        BeforeClosing { present, was_closed: std::mem::replace(&mut self.is_closed, true) }
    }

    /// The guests do not leave after all.
    pub(super) fn undo_close(&mut self, BeforeClosing { present, was_closed }: BeforeClosing) {
        (self.present, self.is_closed) = (present, was_closed);
    }

    pub(super) fn open(&mut self) {
        self.is_closed = false;
    }

    /// A guest wants to log in. A newcomer gets a place, if there is one.
    pub(super) fn admit(
        &mut self,
        id: &AccountId,
        now: MonoTime,
        account: impl Fn(&AccountId) -> GuestAccount,
    ) -> Result<Admitted, GuestRefusal> {
        let settings = self.settings.as_ref().filter(|_| !self.is_closed);
        let max = settings.ok_or(GuestRefusal::Unavailable)?.max;
        if self.contains(id) {
            return Ok(Admitted::Known);
        }
        self.observe_sessions(now, |id| account(id).is_connected);
        let mut replaced = None;
        if self.present.len() >= max {
            let leaver = self.find_leaver(now, &account).ok_or(GuestRefusal::Full { max })?;
            replaced = self.present.remove_entry(&leaver);
        }
        self.last_number += 1;
        let arrives_until = Some(now.after(ARRIVAL_TIME));
        let guest = Guest { number: self.last_number, away_since: Some(now), arrives_until };
        self.present.insert(id.clone(), guest);
        let was_owing = self.owing.remove(id);
        Ok(Admitted::New(Newcomer { replaced, was_owing }))
    }

    /// These newcomers, in the order in which they came, get no accounts after all. The last one leaves first, because
    /// it may have the place of an earlier one, or be a guest that an earlier one has replaced.
    pub(super) fn undo_all(&mut self, newcomers: Vec<(AccountId, Newcomer)>) {
        for (id, Newcomer { replaced, was_owing }) in newcomers.into_iter().rev() {
            self.present.remove(&id);
            self.present.extend(replaced);
            if was_owing {
                self.owing.insert(id);
            }
        }
    }

    /// The guest that has been away for longest, of those whose accounts are settled.
    fn find_leaver(
        &self,
        now: MonoTime,
        account: &impl Fn(&AccountId) -> GuestAccount,
    ) -> Option<AccountId> {
        let away = self.present.iter().filter_map(|(id, guest)| {
            let since = guest.away_since?;
            let GuestAccount { is_connected, is_busy, unsettled } = account(id);
            let arrives = guest.arrives_until.is_some_and(|until| now < until);
            let may_leave = !arrives && !is_connected && !is_busy && unsettled.is_none();
            may_leave.then_some(((since, guest.number), id))
        });
        away.min_by_key(|(order, _)| *order).map(|(_, id)| id.clone())
    }

    /// Notes which guests are connected, because events of sessions may be lost.
    pub(super) fn observe_sessions(
        &mut self,
        now: MonoTime,
        is_connected: impl Fn(&AccountId) -> bool,
    ) {
        for (id, guest) in &mut self.present {
            guest.away_since = match is_connected(id) {
                true => None,
                false => Some(guest.away_since.unwrap_or(now)),
            };
        }
    }

    /// A session of a guest has begun or ended.
    pub(super) fn note_session(&mut self, id: &AccountId, now: MonoTime, is_connected: bool) {
        if let Some(guest) = self.present.get_mut(id) {
            guest.arrives_until = None;
            guest.away_since = (!is_connected).then_some(now);
        }
    }

    /// The guests that have been away for too long, each with what it leaves behind. No other accounts are looked at.
    pub(super) fn find_due(
        &self,
        now: MonoTime,
        account: impl Fn(&AccountId) -> GuestAccount,
    ) -> BTreeMap<AccountId, Option<Unsettled>> {
        let Some(settings) = &self.settings else { return BTreeMap::new() };
        let mut balances_left = BALANCES_KEPT_MAX.saturating_sub(self.owing.len());
        let mut due = BTreeMap::new();
        for (id, guest) in &self.present {
            let is_due =
                guest.away_since.is_some_and(|since| now.since(since) >= settings.forget_after);
            if !is_due {
                continue;
            }
            let GuestAccount { is_connected, is_busy, unsettled } = account(id);
            if is_connected || is_busy || (unsettled.is_some() && balances_left == 0) {
                continue;
            }
            balances_left -= usize::from(unsettled.is_some());
            due.insert(id.clone(), unsettled);
        }
        due
    }

    /// Forgets guests that [`Self::find_due`] has found.
    pub(super) fn forget(&mut self, due: &BTreeMap<AccountId, Option<Unsettled>>) {
        for (id, unsettled) in due {
            self.present.remove(id);
            if unsettled.is_some() {
                self.owing.insert(id.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::num::NonZeroU32;

    use super::super::tests::config;
    use super::*;
    use crate::peers::guest_id;

    /// A node with guests, and what its packet path would say of them.
    struct Door {
        guests: Guests,
        accounts: RefCell<BTreeMap<AccountId, GuestAccount>>,
        now: MonoTime,
    }

    fn id(token: &str) -> AccountId {
        guest_id(token.as_bytes())
    }

    fn door(settings: &str) -> Door {
        let config = config(&format!("nodeId: a\nguests: {{{settings}}}\n"));
        let guests = Guests::new(config.settings.guests);
        Door { guests, accounts: RefCell::default(), now: MonoTime(1_000_000_000) }
    }

    impl Door {
        fn wait(&mut self, seconds: u64) {
            self.now = self.now.after(Duration::from_secs(seconds));
        }

        /// `replaced`: the guest that leaves, as a token.
        fn comes(&mut self, token: &str) -> Result<Came, GuestRefusal> {
            let accounts = self.accounts.borrow();
            let account = |id: &AccountId| accounts.get(id).copied().unwrap_or_default();
            Ok(match self.guests.admit(&id(token), self.now, account)? {
                Admitted::Known => Came::Known,
                Admitted::New(newcomer) => Came::New { replaced: newcomer.replaced().cloned() },
            })
        }

        fn set(&mut self, token: &str, account: GuestAccount) {
            self.accounts.borrow_mut().insert(id(token), account);
            self.guests.note_session(&id(token), self.now, account.is_connected);
        }

        fn due(&mut self) -> Vec<(AccountId, Option<Unsettled>)> {
            let accounts = self.accounts.borrow();
            let account = |id: &AccountId| accounts.get(id).copied().unwrap_or_default();
            let due = self.guests.find_due(self.now, account);
            self.guests.forget(&due);
            due.into_iter().collect()
        }
    }

    const CONNECTED: GuestAccount =
        GuestAccount { is_connected: true, is_busy: false, unsettled: None };
    const AWAY: GuestAccount = GuestAccount { is_connected: false, ..CONNECTED };

    fn owing(balance: i128) -> GuestAccount {
        GuestAccount { unsettled: Unsettled::new(balance, 0), ..AWAY }
    }

    #[derive(Debug, PartialEq, Eq)]
    enum Came {
        Known,
        New { replaced: Option<AccountId> },
    }

    fn new(replaced: Option<&str>) -> Result<Came, GuestRefusal> {
        Ok(Came::New { replaced: replaced.map(id) })
    }

    #[test]
    fn newcomers_that_get_no_accounts_leave_no_trace() {
        let check = |max: usize, present: &[&str], batch: &[(&str, &str)]| {
            let mut door = door(&format!("max: {max}"));
            for token in present {
                assert_eq!(door.comes(token), new(None));
                door.set(token, AWAY);
                door.wait(9);
            }
            door.guests.owing.insert(id("a"));
            let before = (door.guests.present.clone(), door.guests.owing.clone());
            let mut newcomers = Vec::new();
            for (token, replaced) in batch {
                let admitted = door.guests.admit(&id(token), door.now, |_| AWAY).unwrap();
                let Admitted::New(newcomer) = admitted else { panic!("{token} has a place") };
                assert_eq!(newcomer.replaced(), Some(&id(replaced)));
                newcomers.push((id(token), newcomer));
            }
            door.guests.undo_all(newcomers);
            assert_eq!((door.guests.present, door.guests.owing), before);
        };
        check(1, &["x"], &[("a", "x")]);
        check(2, &["x", "y"], &[("a", "x"), ("b", "y")]);
        // x comes back, and takes the place of y.
        check(2, &["x", "y"], &[("a", "x"), ("x", "y")]);
    }

    #[test]
    fn the_guest_that_has_been_away_for_longest_makes_room() {
        let mut door = door("max: 3");
        for token in ["a", "b", "c"] {
            assert_eq!(door.comes(token), new(None));
            door.set(token, CONNECTED);
        }
        assert_eq!(door.comes("d"), Err(GuestRefusal::Full { max: 3 }));
        assert_eq!(door.comes("b"), Ok(Came::Known), "a guest is no newcomer");
        door.set("b", AWAY);
        door.wait(1);
        door.set("a", AWAY);
        door.wait(1);
        assert_eq!(door.comes("d"), new(Some("b")));
        assert_eq!(door.comes("e"), new(Some("a")));
        assert_eq!(door.comes("b"), Err(GuestRefusal::Full { max: 3 }), "their sessions follow");
        door.wait(5);
        assert_eq!(door.comes("b"), new(Some("d")), "it never had a session");
        assert_eq!((door.guests.count(), door.guests.contains(&id("d"))), (3, false));
    }

    #[test]
    fn a_guest_with_a_balance_or_a_packet_in_flight_keeps_its_place() {
        let mut door = door("max: 3");
        for token in ["a", "b", "c"] {
            assert_eq!(door.comes(token), new(None));
        }
        door.set("a", owing(5));
        door.set("b", GuestAccount { is_busy: true, ..AWAY });
        door.set("c", GuestAccount { unsettled: Unsettled::new(0, 7), ..AWAY });
        assert_eq!(door.comes("d"), Err(GuestRefusal::Full { max: 3 }));
        door.set("a", owing(0));
        assert_eq!(door.comes("d"), new(Some("a")));
    }

    #[test]
    fn a_guest_that_stays_away_is_forgotten_and_says_what_it_owes() {
        let mut door = door("forgetAfterMs: 60000");
        for token in ["a", "b", "c", "d"] {
            assert_eq!(door.comes(token), new(None));
        }
        door.set("a", CONNECTED);
        door.set("b", owing(12));
        door.set("d", GuestAccount { is_busy: true, ..AWAY });
        door.wait(59);
        assert_eq!(door.due(), []);
        door.wait(1);
        let expected = [(id("b"), Unsettled::new(12, 0)), (id("c"), None)];
        let mut due = door.due();
        due.sort_by_key(|(_, unsettled)| unsettled.is_none());
        assert_eq!(due, expected);
        assert_eq!(door.due(), [], "once");
        door.set("a", AWAY);
        door.accounts.borrow_mut().insert(id("d"), AWAY);
        door.wait(59);
        assert_eq!(door.due(), [(id("d"), None)], "the time of a begins when it leaves");
        assert_eq!(door.comes("b"), new(None), "it may come back");
    }

    #[test]
    fn only_accounts_of_guests_that_are_due_are_looked_at() {
        let mut door = door("forgetAfterMs: 60000");
        assert_eq!(door.comes("a"), new(None));
        door.wait(59);
        let none = |id: &AccountId| panic!("{id} is not due");
        assert!(door.guests.find_due(door.now, none).is_empty());
        // Its session began without an event.
        door.accounts.borrow_mut().insert(id("a"), CONNECTED);
        door.wait(1);
        assert_eq!(door.due(), []);
        door.guests.observe_sessions(door.now, |_| true);
        assert!(door.guests.find_due(door.now, none).is_empty());
        door.guests.observe_sessions(door.now, |_| false);
        door.accounts.borrow_mut().insert(id("a"), AWAY);
        door.wait(59);
        assert!(door.guests.find_due(door.now, none).is_empty());
        door.wait(1);
        assert_eq!(door.guests.find_due(door.now, |_| AWAY).len(), 1);
        assert_eq!(door.guests.count(), 1, "until it is forgotten");
        assert_eq!(door.due(), [(id("a"), None)]);
    }

    #[test]
    fn balances_of_forgotten_guests_are_bounded() {
        let mut door = door("forgetAfterMs: 1000, max: 1");
        let mut come_and_go = |token: &str| {
            door.wait(2);
            let comes = door.comes(token);
            door.set(token, owing(1));
            door.wait(2);
            (comes, door.due().len())
        };
        for number in 0..BALANCES_KEPT_MAX {
            assert_eq!(come_and_go(&number.to_string()), (new(None), 1));
        }
        assert_eq!(come_and_go("last"), (new(None), 0), "it stays, and its money with it");
        assert_eq!(come_and_go("one more").0, Err(GuestRefusal::Full { max: 1 }));
    }

    #[test]
    fn without_the_key_and_while_the_node_is_not_listed_no_guest_comes() {
        let mut closed = Guests::new(None);
        let comes = |guests: &mut Guests| guests.admit(&id("a"), MonoTime(0), |_| AWAY);
        assert_eq!(comes(&mut closed), Err(GuestRefusal::Unavailable));
        let mut door = door("");
        assert_eq!(door.comes("a"), new(None));
        let closed = door.guests.close();
        door.guests.undo_close(closed);
        assert_eq!((door.comes("a"), door.guests.count()), (Ok(Came::Known), 1));
        door.guests.close();
        assert_eq!(door.guests.count(), 0);
        assert_eq!(door.comes("a"), Err(GuestRefusal::Unavailable));
        // Once more, and back to that.
        let closed = door.guests.close();
        door.guests.undo_close(closed);
        assert_eq!(door.comes("a"), Err(GuestRefusal::Unavailable));
        door.guests.open();
        assert_eq!(door.comes("a"), new(None));
    }

    #[test]
    fn a_guest_is_a_child_with_the_limits_of_the_key() {
        let config =
            config("nodeId: a\nassetScale: 6\nguests: {maxBalance: 5, packetsPerSecond: 7}\n");
        let guest = config.guest(&id("t")).unwrap();
        let limits = &guest.account.limits;
        assert_eq!((limits.max_balance, limits.packets_per_second), (Some(5), NonZeroU32::new(7)));
        assert_eq!((guest.account.asset.scale, guest.required), (6, false));
        assert_eq!(limits.exposure_alert, 0, "a guest at its limits is no event");
        assert_eq!(guest.account.address_segment(), id("t").as_str());
        assert_eq!(guest.tokens().count(), 0, "no other listener accepts it");
        assert_eq!(super::super::tests::config("nodeId: a\n").guest(&id("t")), None);
    }
}
