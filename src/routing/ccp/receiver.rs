//! Hearing one peer's routes: its table, how far we have got in it, and how long it holds.

use std::time::Duration;

use ahash::RandomState;

use super::control::ControlSender;
use super::import::{RouteRefusal, RouteRefusalCounts, judge};
use super::learned::{Inserted, LearnedRoutes};
use super::path::RoutePath;
use crate::account::RoutePolicy;
use crate::time::MonoTime;
use crate::wire::ccp::{RouteControl, RouteControlMode, RouteUpdate, TableId};
use crate::wire::{Address, Prefix};

/// A peer may say how long its routes hold, but not for ever.
const HOLD_DOWN_MAX: Duration = Duration::from_secs(3_600);

/// What one peer has told.
#[derive(Debug)]
pub(super) struct RouteReceiver {
    table: TableId,
    epoch: u32,
    /// Until when the routes hold; `None` before the first update.
    holds_until: Option<MonoTime>,
    /// The peer was asked for a sign of life.
    reminded: bool,
    /// What is left of an earlier table is dropped then.
    stale_until: Option<MonoTime>,
    pub(super) asking: ControlSender,
    pub(super) routes: LearnedRoutes,
    pub(super) refused: RouteRefusalCounts,
    pub(super) updates_total: u64,
    /// Whether it has announced more than is kept, and whether that was said.
    full: Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Full {
    No,
    Untold,
    Told,
}

/// The update begins after the last epoch that we know: something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) from: u32,
    pub(super) known: u32,
}

impl RouteReceiver {
    pub(super) fn new(hash: RandomState) -> Self {
        RouteReceiver {
            table: TableId::NONE,
            epoch: 0,
            holds_until: None,
            reminded: false,
            stale_until: None,
            asking: ControlSender::default(),
            routes: LearnedRoutes::new(hash),
            refused: RouteRefusalCounts::default(),
            updates_total: 0,
            full: Full::No,
        }
    }

    /// The control that asks for what is missing.
    pub(super) fn control(&self) -> RouteControl<'static> {
        RouteControl::new(RouteControlMode::Sync, self.table, self.epoch)
    }

    /// The peer's table, and how far it is known.
    pub(super) fn position(&self) -> (TableId, u32) {
        (self.table, self.epoch)
    }

    /// Forgets everything that was told, and says which routes that were.
    pub(super) fn forget(&mut self) -> Vec<Prefix> {
        self.table = TableId::NONE;
        self.epoch = 0;
        self.holds_until = None;
        self.reminded = false;
        self.stale_until = None;
        self.full = Full::No;
        self.routes.take_all()
    }

    /// Takes an update; says of which prefixes the peer's route has changed.
    pub(super) fn update(
        &mut self,
        update: &RouteUpdate<'_>,
        own: &Address,
        policy: &RoutePolicy,
        now: MonoTime,
        grace: Duration,
    ) -> Result<Vec<Prefix>, Gap> {
        self.updates_total += 1;
        let holds = Duration::from_millis(update.hold_down_ms.into()).min(HOLD_DOWN_MAX);
        let until = now.after(holds);
        self.holds_until = Some(self.holds_until.map_or(until, |before| before.max(until)));
        self.reminded = false;
        if update.table != self.table {
            self.table = update.table;
            self.epoch = 0;
            // What was told before no longer counts. It is kept until the new table is told whole, so that packets
            // go on meanwhile.
            self.routes.new_generation();
            self.stale_until = Some(now.after(grace));
        }
        let epochs = update.epochs;
        if epochs.from > self.epoch {
            return Err(Gap { from: epochs.from, known: self.epoch });
        }
        if epochs.to < self.epoch {
            return Ok(Vec::new());
        }
        let mut changed = self.withdraw(update);
        self.announce(update, own, policy, &mut changed);
        self.epoch = epochs.to;
        if epochs.to >= epochs.current {
            self.drop_stale(&mut changed);
        }
        Ok(changed)
    }

    fn withdraw(&mut self, update: &RouteUpdate<'_>) -> Vec<Prefix> {
        let prefixes = update.withdrawn_routes.filter_map(|prefix| Prefix::parse(prefix).ok());
        prefixes.filter(|prefix| self.routes.remove(prefix)).collect()
    }

    fn announce(
        &mut self,
        update: &RouteUpdate<'_>,
        own: &Address,
        policy: &RoutePolicy,
        changed: &mut Vec<Prefix>,
    ) {
        let mut last_path: Option<RoutePath> = None;
        // Two nodes of one address: whatever the speaker says leads through "us".
        let impostor = update.speaker == own.view();
        for route in update.new_routes {
            let Ok(prefix) = Prefix::parse(route.prefix) else {
                self.refused.count(RouteRefusal::BadAddress);
                continue;
            };
            let judged = match impostor {
                true => Err(RouteRefusal::Loop),
                false => judge(&prefix, &route, own, policy, last_path.as_ref()),
            };
            let inserted = judged.map(|path| {
                last_path = Some(path.clone());
                self.insert(&prefix, path, route.auth, policy.routes_max, changed)
            });
            let why = match inserted {
                Ok(Inserted::Changed) => {
                    changed.push(prefix);
                    continue;
                }
                Ok(Inserted::Same) => continue,
                Ok(Inserted::NoRoom) => RouteRefusal::TooMany,
                Err(why) => why,
            };
            if why == RouteRefusal::TooMany && self.full == Full::No {
                self.full = Full::Untold;
            }
            self.refused.count(why);
            if self.routes.remove(&prefix) {
                changed.push(prefix);
            }
        }
    }

    fn insert(
        &mut self,
        prefix: &Prefix,
        path: RoutePath,
        auth: &[u8; 32],
        max: usize,
        changed: &mut Vec<Prefix>,
    ) -> Inserted {
        let inserted = self.routes.insert(prefix, path.clone(), *auth, max);
        if inserted == Inserted::NoRoom && self.routes.has_stale() {
            self.drop_stale(changed);
            return self.routes.insert(prefix, path, *auth, max);
        }
        inserted
    }

    fn drop_stale(&mut self, changed: &mut Vec<Prefix>) {
        self.stale_until = None;
        if self.routes.has_stale() {
            changed.extend(self.routes.take_stale());
        }
    }

    /// Whether the peer has announced more than is kept; `true` once until its link is lost.
    pub(super) fn is_full_untold(&mut self) -> bool {
        let untold = self.full == Full::Untold;
        if untold {
            self.full = Full::Told;
        }
        untold
    }

    /// Routes whose time is up: those of a table that the peer has left, and all of them when nothing was heard for
    /// the hold-down and as long again as `grace`. Before the latter the peer is asked once for a sign of life: an
    /// ilp-connector whose last update failed is silent until then.
    pub(super) fn expire(&mut self, now: MonoTime, grace: Duration) -> Expired {
        if self.stale_until.is_some_and(|until| now >= until) {
            let mut stale = Vec::new();
            self.drop_stale(&mut stale);
            return Expired { prefixes: stale, silent: false };
        }
        match self.holds_until {
            Some(until) if now > until.after(grace) => {
                let prefixes = self.forget();
                self.asking.soon(now);
                Expired { prefixes, silent: true }
            }
            Some(until) if now > until && !self.reminded => {
                self.reminded = true;
                self.asking.soon(now);
                Expired::default()
            }
            _ => Expired::default(),
        }
    }
}

/// What is dropped because its time is up.
#[derive(Debug, Default)]
pub(super) struct Expired {
    pub(super) prefixes: Vec<Prefix>,
    /// Because the peer is silent.
    pub(super) silent: bool,
}
