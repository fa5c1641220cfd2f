//! The settlements that a running node has to know: those under way, those that no durable cut has, what is left over.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Leftover, Settlement, SettlementDirection, SettlementKey, SettlementState};
use crate::account::Asset;
use crate::link::CutNumber;
use crate::wire::Timestamp;

const HOUR_MS: u64 = 3_600_000;

/// The settlements of all accounts of a node.
#[derive(Debug, Default)]
pub struct SettlementBook {
    /// Those that have begun or changed, each with the first cut that has it in this state. A later cut repeats them,
    /// in case that an earlier one was not saved.
    unsaved: Vec<(CutNumber, Settlement)>,
    accounts: BTreeMap<Arc<str>, AccountSettlements>,
}

#[derive(Debug, Default)]
struct AccountSettlements {
    /// The one that the engine has not accepted.
    under_way: Option<Settlement>,
    /// For each asset that the account has had.
    left_over: HashMap<Asset, Leftover>,
    /// When and how many units the node settled within an hour before the last settlement or look.
    recent: Vec<(Timestamp, Asset, u128)>,
}

impl SettlementBook {
    /// Goes on with what the store has, in the order in which it was saved.
    pub fn new(saved: Vec<Settlement>) -> Self {
        let mut book = Self::default();
        saved.iter().for_each(|settlement| book.count(settlement));
        book
    }

    /// Has the next cut save a settlement that has begun.
    pub fn begin(&mut self, cut: CutNumber, settlement: &Settlement) {
        self.count(settlement);
        self.unsaved.push((cut, settlement.clone()));
    }

    /// Has the next cut save the new state of a settlement.
    pub fn update(&mut self, cut: CutNumber, settlement: &Settlement) {
        let account = self.accounts.entry(Arc::clone(&settlement.account)).or_default();
        let is_pending = settlement.state == SettlementState::Pending;
        if account.under_way.as_ref().is_some_and(|one| one.id() == settlement.id()) {
            account.under_way = is_pending.then(|| settlement.clone());
        }
        self.unsaved.retain(|(_, unsaved)| unsaved.id() != settlement.id());
        self.unsaved.push((cut, settlement.clone()));
    }

    fn count(&mut self, settlement: &Settlement) {
        let Settlement { asset, direction, leftover, state, created_at, units, .. } = settlement;
        let account = self.accounts.entry(Arc::clone(&settlement.account)).or_default();
        match direction {
            SettlementDirection::Incoming => {
                account.left_over.insert(asset.clone(), leftover.clone());
            }
            SettlementDirection::Outgoing => {
                account.forget_before_hour(*created_at);
                account.recent.push((*created_at, asset.clone(), *units));
                if *state == SettlementState::Pending {
                    account.under_way = Some(settlement.clone());
                }
            }
        }
    }

    /// The settlement of an account that the engine has not accepted.
    pub fn under_way(&self, account: &str) -> Option<&Settlement> {
        self.accounts.get(account)?.under_way.as_ref()
    }

    /// All settlements that engines have not accepted.
    pub fn all_under_way(&self) -> impl Iterator<Item = &Settlement> {
        self.accounts.values().filter_map(|account| account.under_way.as_ref())
    }

    /// What the incoming settlements of an account have left over.
    pub fn left_over(&self, account: &str, asset: &Asset) -> Leftover {
        let left_over = self.accounts.get(account).and_then(|one| one.left_over.get(asset));
        left_over.cloned().unwrap_or_default()
    }

    /// How many units of this asset the node has settled within an hour.
    pub fn settled_within_hour(&mut self, account: &str, asset: &Asset, now: Timestamp) -> u128 {
        let Some(account) = self.accounts.get_mut(account) else { return 0 };
        account.forget_before_hour(now);
        let recent = account.recent.iter().filter(|(_, of, _)| of == asset);
        recent.fold(0, |sum, (.., units)| sum.saturating_add(*units))
    }

    /// A settlement that no durable cut has, with the first cut that has it.
    pub fn find_unsaved(
        &self,
        direction: SettlementDirection,
        account: &str,
        key: &SettlementKey,
    ) -> Option<&(CutNumber, Settlement)> {
        self.unsaved.iter().find(|(_, unsaved)| unsaved.id() == (direction, account, key))
    }

    /// The settlements for a cut.
    pub fn unsaved(&self) -> Vec<Settlement> {
        self.unsaved.iter().map(|(_, settlement)| settlement.clone()).collect()
    }

    /// Forgets those that are in cuts up to this one. Returns whether others are left.
    pub fn forget_saved(&mut self, durable: CutNumber) -> bool {
        self.unsaved.retain(|(first, _)| *first > durable);
        !self.unsaved.is_empty()
    }
}

impl AccountSettlements {
    fn forget_before_hour(&mut self, now: Timestamp) {
        let since = now.saturating_sub_millis(HOUR_MS);
        self.recent.retain(|(at, ..)| *at > since);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::settlement;

    #[test]
    fn a_settlement_is_under_way_until_it_is_done_also_after_a_restart() {
        use SettlementDirection::Outgoing;
        use SettlementState::{Done, Pending};
        let begun = settlement("k", Outgoing, Pending, 5);
        let mut book = SettlementBook::new(vec![begun.clone()]);
        assert_eq!(book.under_way("c"), Some(&begun));
        assert_eq!((book.under_way("d"), book.unsaved().len()), (None, 0));
        book.update(CutNumber(3), &Settlement { attempts: 1, ..begun.clone() });
        book.update(CutNumber(4), &Settlement { attempts: 2, ..begun.clone() });
        assert_eq!(book.under_way("c").map(|one| one.attempts), Some(2));
        book.forget_saved(CutNumber(3));
        assert_eq!(book.unsaved().len(), 1, "the first state is not the newest one");
        book.update(CutNumber(5), &Settlement { state: Done, ..begun.clone() });
        assert_eq!(book.under_way("c"), None);
        assert_eq!(book.find_unsaved(Outgoing, "c", &begun.key).map(|(cut, _)| cut.0), Some(5));
        book.forget_saved(CutNumber(5));
        assert_eq!(book.find_unsaved(Outgoing, "c", &begun.key), None);
    }

    #[test]
    fn an_hour_rolls_and_assets_are_apart() {
        use SettlementDirection::Outgoing;
        let mut book = SettlementBook::default();
        for at in [1, 1_000, HOUR_MS] {
            book.begin(CutNumber(1), &settlement("k", Outgoing, SettlementState::Done, at));
        }
        let mut settled =
            |at| book.settled_within_hour("c", &Asset::default(), Timestamp::from_millis(at));
        assert_eq!(settled(HOUR_MS), 30);
        assert_eq!(settled(HOUR_MS + 1), 20);
        assert_eq!(settled(3 * HOUR_MS), 0);
        // Also of a peer with which operators settle, of whom no engine asks.
        for hour in 3..100 {
            book.begin(
                CutNumber(1),
                &settlement("k", Outgoing, SettlementState::Done, hour * HOUR_MS),
            );
        }
        assert_eq!(book.accounts["c"].recent.len(), 1);
        let other = Asset::new("EUR", 2);
        assert_eq!(book.settled_within_hour("c", &other, Timestamp::EPOCH), 0);
        assert_eq!(book.left_over("c", &other), Leftover::default());
    }

    #[test]
    fn what_no_durable_cut_has_is_found_by_direction_account_and_key() {
        use SettlementDirection::{Incoming, Outgoing};
        let incoming = settlement("k", Incoming, SettlementState::Done, 5);
        let outgoing = settlement("k", Outgoing, SettlementState::Pending, 5);
        let mut book = SettlementBook::default();
        book.begin(CutNumber(1), &incoming);
        book.begin(CutNumber(2), &outgoing);
        for (direction, account, key, cut) in [
            (Incoming, "c", "k", Some(1)),
            (Outgoing, "c", "k", Some(2)),
            (Outgoing, "d", "k", None),
            (Outgoing, "c", "l", None),
        ] {
            let found = book.find_unsaved(direction, account, &key.parse().unwrap());
            assert_eq!(found.map(|(cut, _)| cut.0), cut, "{direction} {account} {key}");
        }
        assert_eq!(book.unsaved(), [incoming, outgoing.clone()]);
        assert_eq!(book.all_under_way().collect::<Vec<_>>(), [&outgoing]);
        assert!(book.forget_saved(CutNumber(1)));
        assert_eq!(book.unsaved(), [outgoing]);
        assert!(!book.forget_saved(CutNumber(2)));
    }

    #[test]
    fn the_newest_incoming_settlement_says_what_is_left_over() {
        let first = settlement("k", SettlementDirection::Incoming, SettlementState::Done, 5);
        let second = Settlement {
            key: "l".parse().unwrap(),
            leftover: "0.25".parse().unwrap(),
            ..first.clone()
        };
        let book = SettlementBook::new(vec![first, second]);
        assert_eq!(book.left_over("c", &Asset::default()).to_string(), "0.25");
        assert_eq!(book.left_over("d", &Asset::default()), Leftover::default());
        assert_eq!(book.under_way("c"), None);
    }

    #[test]
    fn another_settlement_ends_nothing_that_is_under_way() {
        use SettlementDirection::Outgoing;
        let begun = settlement("k", Outgoing, SettlementState::Pending, 5);
        let mut book = SettlementBook::default();
        book.begin(CutNumber(1), &begun);
        book.update(CutNumber(2), &settlement("l", Outgoing, SettlementState::Done, 6));
        assert_eq!((book.under_way("c"), book.unsaved().len()), (Some(&begun), 2));
    }
}
