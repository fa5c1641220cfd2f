//! Receives one peer's routes: its table id, the epoch reached, and when the routes expire.

use std::time::Duration;

use ahash::RandomState;

use super::control::ControlSender;
use super::import::check_route;
use super::learned::{InsertOutcome, LearnedRoutes};
use super::path::RoutePath;
use super::route_refusal::{RouteRefusal, RouteRefusalCounts};
use crate::account::RoutePolicy;
use crate::time::MonoTime;
use crate::wire::ccp::{RouteControl, RouteControlMode, RouteUpdate, TableId};
use crate::wire::{Address, Prefix};

/// The longest hold-down that a peer may set.
const HOLD_DOWN_MAX: Duration = Duration::from_secs(3_600);

/// The state of the routes received from one peer.
#[derive(Debug)]
pub(super) struct RouteReceiver {
    table: TableId,
    epoch: u32,
    /// When the routes expire; `None` before the first update.
    hold_down_until: Option<MonoTime>,
    /// When the peer is asked again if it has accepted a control, and no update has come.
    first_update_until: Option<MonoTime>,
    /// The hold-down has passed, and the peer was asked for an update.
    is_update_requested: bool,
    /// When the remaining routes of an earlier table are dropped.
    stale_until: Option<MonoTime>,
    pub(super) control_sender: ControlSender,
    pub(super) routes: LearnedRoutes,
    pub(super) refusals: RouteRefusalCounts,
    pub(super) updates_total: u64,
    /// Whether the peer has advertised more routes than its limit.
    overflow: Overflow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overflow {
    No,
    Unreported,
    Reported,
}

/// The update begins after the last known epoch: changes are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EpochGap {
    pub(super) from: u32,
    pub(super) known: u32,
}

impl RouteReceiver {
    pub(super) fn new(hash: RandomState) -> Self {
        Self {
            table: TableId::NONE,
            epoch: 0,
            hold_down_until: None,
            first_update_until: None,
            is_update_requested: false,
            stale_until: None,
            control_sender: ControlSender::default(),
            routes: LearnedRoutes::new(hash),
            refusals: RouteRefusalCounts::default(),
            updates_total: 0,
            overflow: Overflow::No,
        }
    }

    /// The control that requests all updates after the known epoch.
    pub(super) fn sync_request(&self) -> RouteControl<'static> {
        RouteControl::new(RouteControlMode::Sync, self.table, self.epoch)
    }

    /// The peer's table and the known epoch.
    pub(super) fn table_and_epoch(&self) -> (TableId, u32) {
        (self.table, self.epoch)
    }

    /// The peer has accepted a control. One that restarts before its first update has forgotten that, and over HTTP
    /// there is no session whose end would show it.
    pub(super) fn expect_update(&mut self, until: MonoTime) {
        self.first_update_until = self.hold_down_until.is_none().then_some(until);
    }

    /// Drops all routes and the known epoch; returns the prefixes.
    pub(super) fn clear(&mut self) -> Vec<Prefix> {
        self.table = TableId::NONE;
        self.epoch = 0;
        self.hold_down_until = None;
        self.first_update_until = None;
        self.is_update_requested = false;
        self.stale_until = None;
        self.overflow = Overflow::No;
        self.routes.take_all()
    }

    /// Applies an update; returns the prefixes whose route from this peer has changed.
    pub(super) fn apply_update(
        &mut self,
        update: &RouteUpdate<'_>,
        own: &Address,
        policy: &RoutePolicy,
        now: MonoTime,
        grace: Duration,
    ) -> Result<Vec<Prefix>, EpochGap> {
        self.updates_total += 1;
        let holds = Duration::from_millis(update.hold_down_ms.into()).min(HOLD_DOWN_MAX);
        let until = now.after(holds);
        self.hold_down_until = Some(self.hold_down_until.map_or(until, |before| before.max(until)));
        self.first_update_until = None;
        self.is_update_requested = false;
        if update.table != self.table {
            self.table = update.table;
            self.epoch = 0;
            // A new table id replaces all earlier routes. [row 109] They stay until the new table
            // is complete, so that packets continue.
            self.routes.begin_generation();
            self.stale_until = Some(now.after(grace));
        }
        let epochs = update.epochs;
        // An update that begins after the known epoch is refused, and a control requests the missing part. [row 108]
        if epochs.from > self.epoch && !planted!(GapAccepted) {
            return Err(EpochGap { from: epochs.from, known: self.epoch });
        }
        // An update of old epochs changes nothing; one that ends at the known epoch counts. [row 110]
        if epochs.to < self.epoch && !planted!(StaleEpochAccepted) {
            return Ok(Vec::new());
        }
        let mut changed = self.apply_withdrawals(update);
        self.apply_advertisements(update, own, policy, &mut changed);
        self.epoch = epochs.to;
        if epochs.to >= epochs.current {
            self.drop_stale(&mut changed);
        }
        Ok(changed)
    }

    fn apply_withdrawals(&mut self, update: &RouteUpdate<'_>) -> Vec<Prefix> {
        if planted!(WithdrawalIgnored) {
            return Vec::new();
        }
        let prefixes = update.withdrawn_routes.filter_map(|prefix| Prefix::parse(prefix).ok());
        prefixes.filter(|prefix| self.routes.remove(prefix)).collect()
    }

    fn apply_advertisements(
        &mut self,
        update: &RouteUpdate<'_>,
        own: &Address,
        policy: &RoutePolicy,
        changed: &mut Vec<Prefix>,
    ) {
        let mut last_path: Option<RoutePath> = None;
        // A speaker with our own address: all its routes lead through that address, a loop.
        let has_our_address = update.speaker == own.view();
        for route in update.new_routes {
            let Ok(prefix) = Prefix::parse(route.prefix) else {
                self.refusals.count(RouteRefusal::BadAddress);
                continue;
            };
            let checked = match has_our_address {
                true => Err(RouteRefusal::Loop),
                false => check_route(&prefix, &route, own, policy, last_path.as_ref()),
            };
            let inserted = checked.map(|path| {
                last_path = Some(path.clone());
                self.insert_route(&prefix, path, route.auth, policy.routes_max, changed)
            });
            let refusal = match inserted {
                Ok(InsertOutcome::Changed) => {
                    changed.push(prefix);
                    continue;
                }
                Ok(InsertOutcome::Same) => continue,
                Ok(InsertOutcome::LimitReached) => RouteRefusal::TooMany,
                Err(refusal) => refusal,
            };
            if refusal == RouteRefusal::TooMany && self.overflow == Overflow::No {
                self.overflow = Overflow::Unreported;
            }
            self.refusals.count(refusal);
            if self.routes.remove(&prefix) {
                changed.push(prefix);
            }
        }
    }

    fn insert_route(
        &mut self,
        prefix: &Prefix,
        path: RoutePath,
        auth: &[u8; 32],
        max: usize,
        changed: &mut Vec<Prefix>,
    ) -> InsertOutcome {
        let inserted = self.routes.insert(prefix, path.clone(), *auth, max);
        if inserted == InsertOutcome::LimitReached && self.routes.has_stale() {
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

    /// Whether the peer has advertised more routes than its limit; `true` only once per connection.
    pub(super) fn take_overflow(&mut self) -> bool {
        let is_unreported = self.overflow == Overflow::Unreported;
        if is_unreported {
            self.overflow = Overflow::Reported;
        }
        is_unreported
    }

    /// Drops expired routes: those of an earlier table, and all of them if no update came within
    /// the hold-down and `grace`. [row 112] After the hold-down the peer is asked once, because an
    /// ilp-connector whose last update failed sends nothing until then.
    pub(super) fn expire_routes(&mut self, now: MonoTime, grace: Duration) -> ExpiredRoutes {
        if self.first_update_until.take_if(|until| now > *until).is_some()
            && !planted!(FirstUpdateNotAwaited)
        {
            self.control_sender.schedule(now);
        }
        if self.stale_until.is_some_and(|until| now >= until) {
            let mut stale = Vec::new();
            self.drop_stale(&mut stale);
            return ExpiredRoutes { prefixes: stale, is_peer_silent: false };
        }
        match self.hold_down_until {
            Some(until) if now > until.after(grace) => {
                let prefixes = self.clear();
                self.control_sender.schedule(now);
                ExpiredRoutes { prefixes, is_peer_silent: true }
            }
            Some(until) if now > until && !self.is_update_requested => {
                self.is_update_requested = true;
                self.control_sender.schedule(now);
                ExpiredRoutes::default()
            }
            _ => ExpiredRoutes::default(),
        }
    }
}

/// Routes that have expired.
#[derive(Debug, Default)]
pub(super) struct ExpiredRoutes {
    pub(super) prefixes: Vec<Prefix>,
    /// The peer sent no update within the hold-down and grace.
    pub(super) is_peer_silent: bool,
}
