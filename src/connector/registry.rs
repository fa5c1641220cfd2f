//! From settings to a snapshot: places for accounts, implied routes, rates.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::account::Account;
use super::own_account::{OwnAccountReport, OwnAccounts};
use super::settings::ConnectorSettings;
use super::snapshot::{AccountEntry, AssetNumber, Snapshot};
use crate::account::{
    AccountId, AccountSettings, Asset, Conversion, ConversionError, Rate, Relation,
};
use crate::link::Slot;
use crate::routing::{Candidate, HashSeed, Route, RouteOrigin, RouteTable};
use crate::wire::btp::RequestId;
use crate::wire::{Address, Prefix};

/// Different assets that one node may trade in; the conversions between them are made beforehand.
const ASSETS_MAX: usize = 256;

/// Why settings cannot be put in force. A validated configuration meets none of these, except the reload's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// Two accounts of one name.
    #[error("two peers or receivers have the id {0}")]
    DuplicateAccount(AccountId),
    /// A route to nobody.
    #[error("the route to {prefix:?} names the next hop {next_hop}, which is no peer")]
    UnknownNextHop {
        /// The route's prefix.
        prefix: String,
        /// Its next hop.
        next_hop: AccountId,
    },
    /// More different assets than one node trades in.
    #[error("more than {ASSETS_MAX} different assets and scales")]
    TooManyAssets,
    /// A factor without an exact value.
    #[error("from {from} to {to}: {source}")]
    Conversion {
        /// Incoming asset.
        from: String,
        /// Outgoing asset.
        to: String,
        /// What is wrong with it.
        source: ConversionError,
    },
    /// A reload cannot count an old balance in a new unit.
    #[error(
        "the asset of peer {0} cannot change while its balance is not zero or packets are in flight; restart, or use a new peer id"
    )]
    AssetInUse(AccountId),
    /// A balance with a peer is not one with a receiver.
    #[error(
        "{0} cannot become a peer where it was a receiver, or the other way around; restart, or use a new id"
    )]
    KindChanged(AccountId),
}

/// The accounts of the process, by name. Slots are given once and kept.
#[derive(Debug, Default)]
pub(super) struct Registry {
    by_id: HashMap<AccountId, Arc<Account>>,
    last_settings: Vec<AccountSettings>,
    own_accounts: OwnAccounts,
    /// Counts the times that something was built.
    generation: u64,
    /// All routes that are not learned; kept only while routes are exchanged, as learned ones are put behind them.
    static_routes: Option<StaticRoutes>,
}

/// Routes that are not learned.
pub(super) type StaticRoutes = Arc<Vec<(Prefix, Candidate)>>;

impl Registry {
    pub(super) fn account(&self, id: &str) -> Option<Arc<Account>> {
        self.by_id.get(id).cloned()
    }

    pub(super) fn own_account_reports(&self) -> Vec<OwnAccountReport> {
        self.own_accounts.report()
    }

    /// Makes the snapshot of `settings`. Accounts known from before keep their place and everything in them. An error
    /// changes nothing.
    pub(super) fn build_snapshot(
        &mut self,
        settings: &ConnectorSettings,
        seed: HashSeed,
    ) -> Result<Snapshot, RegistryError> {
        let assets = Assets::of(settings)?;
        self.check_accounts(settings)?;
        let mut last = settings.accounts.clone();
        // What is no longer configured follows behind, suspended.
        let new: HashSet<_> = settings.accounts.iter().map(|account| &account.id).collect();
        let kept: Vec<_> =
            self.last_settings.iter().filter(|old| !new.contains(&old.id)).cloned().collect();
        let configured = last.len();
        last.extend(kept);
        let known = self.by_id.len();
        let accounts: Vec<_> = last.iter().map(|one| self.place_account(one, seed)).collect();
        let table = match self.build_table(settings, seed) {
            Ok(table) => table,
            Err(error) => {
                self.by_id.retain(|_, account| (account.slot().0 as usize) < known);
                return Err(error);
            }
        };
        let mut entries: Vec<Option<AccountEntry>> = Vec::new();
        for (index, (account_settings, account)) in last.iter().zip(accounts).enumerate() {
            account.lock().set_limits(account_settings.limits.clone());
            let place = account.slot().0 as usize;
            if entries.len() <= place {
                entries.resize_with(place + 1, || None);
            }
            let entry = AccountEntry {
                account,
                asset: assets.number(&account_settings.asset),
                own_account: self.own_accounts.for_asset(&account_settings.asset),
                settings: account_settings.clone(),
                removed: index >= configured,
            };
            if let Some(free) = entries.get_mut(place) {
                *free = Some(entry);
            }
        }
        self.last_settings = last;
        let entries = entries.into_iter().flatten().collect();
        let first_receiver = settings.accounts.iter().find(|account| account.is_receiver());
        let first_receiver = first_receiver.and_then(|first| self.by_id.get(&first.id));
        Ok(Snapshot {
            node_id: settings.node_id.clone(),
            triggered_by: signature(settings),
            address: settings.address.clone(),
            scheme: settings.scheme,
            table,
            entries,
            conversions: assets.conversions,
            message_window_ms: whole_ms(settings.timing.min_message_window),
            max_hold_ms: whole_ms(settings.timing.max_hold),
            ping: settings.ping,
            first_receiver: first_receiver.map(|account| account.slot()),
        })
    }

    fn check_accounts(&self, settings: &ConnectorSettings) -> Result<(), RegistryError> {
        let mut news = HashMap::new();
        for account in &settings.accounts {
            if news.insert(&account.id, account).is_some() {
                return Err(RegistryError::DuplicateAccount(account.id.clone()));
            }
        }
        for old in &self.last_settings {
            let new = news.get(&old.id);
            if new.is_some_and(|new| new.is_receiver() != old.is_receiver()) {
                return Err(RegistryError::KindChanged(old.id.clone()));
            }
            if new.is_some_and(|new| new.asset != old.asset)
                && let Some(account) = self.by_id.get(&old.id)
            {
                let state = account.lock();
                let idle = state.in_flight == 0 && state.pending.count_payments() == 0;
                if state.ledger.balance() != 0 || !idle {
                    return Err(RegistryError::AssetInUse(old.id.clone()));
                }
            }
        }
        Ok(())
    }

    fn place_account(&mut self, settings: &AccountSettings, seed: HashSeed) -> Arc<Account> {
        let next = Slot(u32::try_from(self.by_id.len()).unwrap_or(u32::MAX));
        let account = self.by_id.entry(settings.id.clone()).or_insert_with(|| {
            // As random as the seed; with a fixed one, runs repeat.
            let [a, b, c, d, ..] = seed.hash_state().hash_one(&settings.id).to_be_bytes();
            let first = RequestId(u32::from_be_bytes([a, b, c, d]));
            Arc::new(Account::new(settings.id.clone(), next, settings.limits.clone(), first))
        });
        account.clone()
    }

    fn build_table(
        &mut self,
        settings: &ConnectorSettings,
        seed: HashSeed,
    ) -> Result<RouteTable, RegistryError> {
        let routes = self.route_candidates(settings)?;
        self.generation += 1;
        let exchanging = settings.accounts.iter().any(|one| one.routes.send || one.routes.receive);
        if !exchanging {
            self.static_routes = None;
            return Ok(RouteTable::new(routes, seed));
        }
        self.static_routes = Some(Arc::new(routes));
        Ok(self.table([], seed))
    }

    fn route_candidates(
        &self,
        settings: &ConnectorSettings,
    ) -> Result<Vec<(Prefix, Candidate)>, RegistryError> {
        let implied = implied_routes(settings);
        let mut routes = Vec::with_capacity(settings.routes.len() + implied.len());
        for route in settings.routes.iter().chain(&implied) {
            let account =
                self.by_id.get(&route.next_hop).ok_or_else(|| RegistryError::UnknownNextHop {
                    prefix: route.prefix.to_string(),
                    next_hop: route.next_hop.clone(),
                })?;
            let candidate = Candidate {
                next_hop: account.slot(),
                priority: route.priority,
                origin: route.origin,
            };
            routes.push((route.prefix.clone(), candidate));
        }
        Ok(routes)
    }

    /// How often something was built, and the routes that are not learned. `None`: no routes are exchanged, and the
    /// table in force holds all there are.
    pub(super) fn static_routes(&self) -> (u64, Option<StaticRoutes>) {
        (self.generation, self.static_routes.clone())
    }

    /// A table of the routes that are not learned, and behind them those that are. To be asked for only while routes
    /// are exchanged.
    pub(super) fn table(
        &self,
        learned: impl IntoIterator<Item = (Prefix, Slot)>,
        seed: HashSeed,
    ) -> RouteTable {
        table_with_learned(self.static_routes.as_deref().map_or(&[], Vec::as_slice), learned, seed)
    }
}

/// A learned route gives way to every other one but the default route to the parent.
pub(super) fn table_with_learned(
    own_routes: &[(Prefix, Candidate)],
    learned: impl IntoIterator<Item = (Prefix, Slot)>,
    seed: HashSeed,
) -> RouteTable {
    let behind = |(prefix, next_hop)| {
        let (priority, origin) = (i32::MIN, RouteOrigin::Learned);
        (prefix, Candidate { next_hop, priority, origin })
    };
    RouteTable::new(own_routes.iter().cloned().chain(learned.into_iter().map(behind)), seed)
}

/// Routes that nobody has to write: the addresses of children and receivers, and the default route to the parent.
fn implied_routes(settings: &ConnectorSettings) -> Vec<Route> {
    let mut routes = Vec::new();
    for account in &settings.accounts {
        let next_hop = account.id.clone();
        match (account.relation, &settings.address) {
            (Relation::Child, Some(own)) => {
                if let Ok(address) = own.child(account.address_segment()) {
                    let (priority, origin) = if account.is_receiver() {
                        // Nobody else is to get what is meant for this node itself.
                        (i32::MAX, RouteOrigin::Receiver)
                    } else {
                        (0, RouteOrigin::Child)
                    };
                    let prefix = Prefix::from(&address);
                    routes.push(Route { prefix, next_hop, priority, origin });
                }
            }
            (Relation::Parent, _) => routes.push(Route {
                prefix: Prefix::default(),
                next_hop,
                priority: i32::MIN,
                origin: RouteOrigin::DefaultToParent,
            }),
            _ => {}
        }
    }
    routes
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What the node signs Rejects with while it waits for an address.
fn signature(settings: &ConnectorSettings) -> Address {
    settings.address.clone().unwrap_or_else(|| {
        let stand_in = format!("private.{}", settings.node_id);
        stand_in.parse().expect("a node id is an address segment")
    })
}

/// The different assets of a node and the factors between them.
struct Assets {
    numbers: HashMap<Asset, AssetNumber>,
    conversions: HashMap<(AssetNumber, AssetNumber), Conversion>,
}

impl Assets {
    fn of(settings: &ConnectorSettings) -> Result<Self, RegistryError> {
        let mut numbers = HashMap::new();
        for account in &settings.accounts {
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            numbers.entry(account.asset.clone()).or_insert(next);
        }
        if numbers.len() > ASSETS_MAX {
            return Err(RegistryError::TooManyAssets);
        }
        let mut conversions = HashMap::new();
        for (from, from_number) in &numbers {
            for (to, to_number) in numbers.iter().filter(|(to, _)| *to != from) {
                let Some(rate) = rate(settings, from, to) else { continue };
                let conversion = Conversion::new(from, to, rate).map_err(|source| {
                    RegistryError::Conversion { from: from.to_string(), to: to.to_string(), source }
                })?;
                conversions.insert((*from_number, *to_number), conversion);
            }
        }
        Ok(Assets { numbers, conversions })
    }

    /// Removed accounts may hold assets that no configured account has; no packet is converted for them.
    fn number(&self, asset: &Asset) -> AssetNumber {
        self.numbers.get(asset).copied().unwrap_or(AssetNumber::MAX)
    }
}

fn rate(settings: &ConnectorSettings, from: &Asset, to: &Asset) -> Option<Rate> {
    if from.code == to.code {
        return Some(Rate::ONE);
    }
    let known = settings.rates.iter().find(|(a, b, _)| *a == from.code && *b == to.code);
    known.map(|(_, _, rate)| *rate)
}
