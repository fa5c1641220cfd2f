//! What the books of a node have ever had, whatever crashes have taken from them since.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ilp_connector::internals::account::Totals;
use ilp_connector::internals::connector::ConnectorReport;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::disk_view::SavedAccount;

/// With `durability: batched`, a crash takes nothing that is older: the longest interval of cuts, and what a slow disk
/// has still to do when it is no longer slow.
const UNSAVED_MAX: Duration = Duration::from_secs(3);

/// Sums of fulfilled packets of an account, in its units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketSums {
    pub from_it: i128,
    pub to_it: i128,
}

/// By how much corrections have raised the balance of an account, and lowered it. Neither is below zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Corrections {
    pub up: i128,
    pub down: i128,
}

/// The sums of an account over all processes of its node.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccountHistory {
    /// What any process has booked.
    pub booked: PacketSums,
    /// What the next process did not know any more.
    pub lost: PacketSums,
    pub corrections: Corrections,
    newest: PacketSums,
    newest_adjusted: i128,
}

/// What looks at the books of one node have shown.
#[derive(Debug, Default)]
pub struct Witness(Mutex<Looks>);

#[derive(Debug, Default)]
struct Looks {
    accounts: BTreeMap<String, AccountHistory>,
    /// Of this process: the newest look that is old enough to be saved, and those after it.
    recent: VecDeque<(Instant, BTreeMap<String, PacketSums>)>,
}

impl PacketSums {
    fn of(totals: Totals) -> Self {
        Self { from_it: totals.fulfilled_in, to_it: totals.fulfilled_out }
    }

    /// What these have more than the others, never less than nothing.
    fn above(self, others: Self) -> Self {
        Self {
            from_it: (self.from_it - others.from_it).max(0),
            to_it: (self.to_it - others.to_it).max(0),
        }
    }

    fn add(&mut self, more: Self) {
        self.from_it += more.from_it;
        self.to_it += more.to_it;
    }
}

impl AccountHistory {
    fn note_adjusted(&mut self, adjusted: i128) {
        let change = adjusted - self.newest_adjusted;
        self.corrections.up += change.max(0);
        self.corrections.down += (-change).max(0);
        self.newest_adjusted = adjusted;
    }
}

impl Witness {
    /// Looks at the books of a process. `is_saving`: it works, and so does its disk.
    pub fn look(&self, report: &ConnectorReport, is_saving: bool) {
        let looks = &mut *self.0.lock();
        for account in &report.accounts {
            let id = account.settings.id.as_str();
            let now = PacketSums::of(account.totals);
            let history = looks.accounts.entry(id.to_owned()).or_default();
            let missing = history.newest.above(now);
            assert_eq!(missing, PacketSums::default(), "{}: {id} has less", report.node_id);
            history.booked.add(now.above(history.newest));
            history.newest = now;
            history.note_adjusted(account.totals.adjusted);
        }
        if !is_saving {
            looks.recent.clear();
        }
        let (now, accounts) = (Instant::now(), &looks.accounts);
        let sums = accounts.iter().map(|(id, history)| (id.clone(), history.newest));
        looks.recent.push_back((now, sums.collect()));
        while looks.recent.get(1).is_some_and(|(at, _)| *at + UNSAVED_MAX <= now) {
            looks.recent.pop_front();
        }
    }

    /// From now on, the node saves its books later than usual, or did so until now.
    pub fn expect_delay(&self) {
        self.0.lock().recent.clear();
    }

    /// The process has ended, and the next one finds this on the disk.
    pub fn restart(&self, saved: &[SavedAccount]) {
        let looks = &mut *self.0.lock();
        let totals = |id: &str| {
            let found = saved.iter().find(|one| one.name == id);
            found.map(|one| one.totals).unwrap_or_default()
        };
        if let (Some((at, old)), Some((ended_at, _))) = (looks.recent.front(), looks.recent.back())
            && *at + UNSAVED_MAX <= *ended_at
        {
            for (id, sums) in old {
                let missing = sums.above(PacketSums::of(totals(id)));
                assert_eq!(missing, PacketSums::default(), "{id}: {UNSAVED_MAX:?} are not saved");
            }
        }
        looks.recent.clear();
        for (id, history) in &mut looks.accounts {
            let totals = totals(id);
            let saved = PacketSums::of(totals);
            history.lost.add(history.newest.above(saved));
            history.booked.add(saved.above(history.newest));
            history.newest = saved;
            history.note_adjusted(totals.adjusted);
        }
    }

    /// The sums of an account.
    pub fn history(&self, account: &str) -> AccountHistory {
        self.0.lock().accounts.get(account).copied().unwrap_or_default()
    }
}
