//! Builds a snapshot from settings: slots for accounts, implied routes, conversions between assets.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::account::Account;
use super::asset_table::{ASSETS_MAX, AssetTable, PAYERS_MAX, PriceSettings};
use super::changed_accounts::ChangedAccounts;
use super::guest_slots::ForgottenGuests;
use super::own_account::{OwnAccountReport, OwnAccounts};
use super::reconcile::PeerComparison;
use super::settings::ConnectorSettings;
use super::snapshot::{AccountEntry, Snapshot};
use super::tracked_ledger::TrackedLedger;
use super::unused_ledgers::{SavedLedger, UnusedLedgers};
use crate::account::{
    AccountId, AccountSettings, Asset, ConversionError, Ledger, Limits, Relation, Unsettled,
};
use crate::books::{
    AccountKind, AccountRow, ChangeError, ChangeRequest, ReconcileState, ReconciliationRow,
    SavedBooks,
};
use crate::link::Slot;
use crate::rates::SourcedRates;
use crate::routing::{HashSeed, Route, RouteCandidate, RouteOrigin, RouteTable};
use crate::wire::btp::RequestId;
use crate::wire::{Address, Prefix};

/// Why settings cannot be applied. A validated configuration meets none of these, except those about a reload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// Two accounts have one id.
    #[error("two peers or receivers have the id {0}")]
    DuplicateAccount(AccountId),
    /// The next hop of a route is not an account.
    #[error("the route to {prefix:?} names the next hop {next_hop}, which is no peer")]
    UnknownNextHop {
        /// The route's prefix.
        prefix: String,
        /// Its next hop.
        next_hop: AccountId,
    },
    /// More than 256 different assets and scales.
    #[error("more than {ASSETS_MAX} different assets and scales")]
    TooManyAssets,
    /// More than 256 different spreads of peers.
    #[error("more than {PAYERS_MAX} different pairs of an asset and the spread of a peer")]
    TooManySpreads,
    /// The factor between two assets cannot be exact.
    #[error("from {from} to {to}: {error}")]
    Conversion {
        /// Incoming asset.
        from: String,
        /// Outgoing asset.
        to: String,
        /// Why the factor cannot be computed.
        error: ConversionError,
    },
    /// A reload changes the asset in which a balance is counted.
    #[error(
        "the asset of peer {0} cannot change while its balance is not zero, an amount is uncertain, or packets are in flight; settle it, or use a new peer id"
    )]
    AssetInUse(AccountId),
    /// The store has a balance in another asset.
    #[error(
        "the store has {unsettled} in {asset} for {id}, whose asset in the configuration is another; configure {asset}, or use a new id"
    )]
    SavedAsset {
        /// The peer or receiver.
        id: AccountId,
        /// Asset and scale of the balance.
        asset: String,
        /// What is in the way.
        unsettled: Unsettled,
    },
    /// The store has the balance of a peer for a receiver, or the other way around.
    #[error(
        "the store has {unsettled} for {id} from when it was a peer, not a receiver, or the other way around; use a new id"
    )]
    SavedKind {
        /// The peer or receiver.
        id: AccountId,
        /// What is in the way.
        unsettled: Unsettled,
    },
    /// A reload makes a receiver of a peer, or a peer of a receiver, and its balance has the other meaning.
    #[error(
        "{0} cannot become a peer where it was a receiver, or the other way around; use a new id"
    )]
    KindChanged(AccountId),
}

/// All accounts that the process ever had. Each keeps its slot, but for forgotten guests (`guest_slots.rs`).
#[derive(Debug, Default)]
pub(super) struct Registry {
    pub(super) by_id: Arc<HashMap<AccountId, Arc<Account>>>,
    /// The latest settings of each, those of accounts that a reload removed included.
    last_settings: Vec<AccountSettings>,
    /// The assets in `last_settings`.
    pub(super) last_assets: HashMap<AccountId, Asset>,
    pub(super) forgotten_guests: ForgottenGuests,
    pub(super) own_accounts: OwnAccounts,
    pub(super) unused_ledgers: UnusedLedgers,
    /// Accounts that get no packets while their asset changes, and their limits from then on.
    closed: Vec<(Arc<Account>, Limits)>,
    /// Present if the node has a store.
    pub(super) changed: Option<Arc<ChangedAccounts>>,
    /// Number of snapshots that were built.
    generation: u64,
    /// What the store has of peers' books, of accounts and assets that no account uses now.
    pub(super) comparisons: HashMap<(AccountId, Asset), ReconcileState>,
    /// The process before this one has not stopped in order.
    is_recovering: bool,
    /// Present while routes are exchanged, because learned routes are added to them.
    static_routes: Option<StaticRoutes>,
}

/// All routes but the learned ones.
pub(super) type StaticRoutes = Arc<Vec<(Prefix, RouteCandidate)>>;

impl Registry {
    /// A registry whose accounts go on with the books of a store.
    pub(super) fn with_books(books: SavedBooks, changed: Arc<ChangedAccounts>) -> Self {
        let mut registry =
            Self { changed: Some(changed), is_recovering: !books.was_clean, ..Self::default() };
        for ReconciliationRow { account, asset, state } in books.reconciliations {
            if let Ok(id) = account.parse() {
                registry.comparisons.insert((id, asset), state);
            }
        }
        for account in books.accounts {
            let (ledger, is_changed) = (account.ledger(), account.is_changed);
            let row = account.row;
            let is_receiver = match row.kind {
                AccountKind::Own => {
                    registry.own_accounts.restore(
                        &row.asset,
                        row.totals,
                        registry.changed.as_ref(),
                    );
                    continue;
                }
                AccountKind::Receiver => true,
                AccountKind::Peer => false,
            };
            // A name that is no id was not written here; the row stays as it is in the store.
            let Ok(id) = row.name.parse() else { continue };
            let saved = SavedLedger { ledger, is_receiver, is_changed };
            registry.unused_ledgers.insert(id, row.asset, saved);
        }
        registry
    }

    /// The rows of the ledgers that no account uses, and that have changed since the last cut.
    pub(super) fn take_changed_unused(&mut self) -> Vec<AccountRow> {
        self.unused_ledgers.take_changed()
    }

    /// The next cut has all ledgers that no account uses.
    pub(super) fn note_unused(&mut self) {
        self.unused_ledgers.note_all();
    }

    /// The assets in which a request may mean a ledger that no configured account uses, or an account of the node.
    pub(super) fn unused_assets(&self, request: &ChangeRequest) -> Vec<Asset> {
        let mut assets = self.unused_ledgers.assets(request);
        assets.extend(self.own_accounts.assets(request));
        assets
    }

    /// Changes one of [`Self::unused_assets`]. Returns its new balance.
    pub(super) fn change_unused(
        &mut self,
        request: &ChangeRequest,
        asset: &Asset,
    ) -> Result<i128, ChangeError> {
        match self.unused_ledgers.change(request, asset) {
            Some(changed) => changed,
            None => self.own_accounts.change(request, asset),
        }
    }

    /// The rows of the node's own accounts that have changed since the last cut.
    pub(super) fn take_changed_own_accounts(&self) -> Vec<AccountRow> {
        self.own_accounts.take_changed()
    }

    /// The next cut has all of the node's own accounts.
    pub(super) fn note_own_accounts(&self) {
        self.own_accounts.note_all();
    }

    pub(super) fn account(&self, id: &str) -> Option<&Arc<Account>> {
        self.by_id.get(id)
    }

    pub(super) fn own_account_reports(&self) -> Vec<OwnAccountReport> {
        self.own_accounts.report()
    }

    /// Builds the snapshot of `settings`. Known accounts keep their slot and everything in them. An error changes
    /// nothing. Call [`Self::open_accounts`] when nothing uses the snapshot before it any more.
    pub(super) fn build_snapshot(
        &mut self,
        settings: &ConnectorSettings,
        sourced: &SourcedRates,
        seed: HashSeed,
    ) -> Result<Snapshot, RegistryError> {
        let mut assets = AssetTable::new(&PriceSettings::new(settings), sourced)?;
        self.check_accounts(settings)?;
        self.check_next_hops(settings)?;
        self.close_accounts_with_new_assets(settings)?;
        // Nothing fails from here on.
        let configured: HashSet<_> = settings.accounts.iter().map(|account| &account.id).collect();
        self.last_assets = self
            .last_settings
            .iter()
            .map(|account| (account.id.clone(), account.asset.clone()))
            .collect();
        let mut removed = std::mem::take(&mut self.last_settings);
        removed.retain(|account| !configured.contains(&account.id));
        self.free_slots_of_guests(&settings.accounts, &mut removed);
        let configured = settings.accounts.iter().map(|account| (account.clone(), false));
        let all = configured.chain(removed.into_iter().map(|account| (account, true)));
        let mut entries: Vec<AccountEntry> = Vec::new();
        for (settings, removed) in all {
            let account = self.find_or_add_account(&settings, seed);
            if !self.is_closed(&account) {
                account.lock().set_limits(settings.limits.clone());
            }
            let asset = assets.index_of(&settings.asset);
            let payer = assets.payer_of(&settings.asset, settings.spread);
            let own_account = self.own_accounts.find_or_add(&settings.asset, self.changed.as_ref());
            entries.push(AccountEntry { account, settings, asset, payer, own_account, removed });
        }
        entries.sort_unstable_by_key(|entry| entry.account.slot());
        let has_slot =
            |(index, entry): (usize, &AccountEntry)| entry.account.slot().index() == index;
        assert!(entries.iter().enumerate().all(has_slot), "a slot is the index of its entry");
        self.note_guests(&entries);
        self.last_settings = entries.iter().map(|entry| entry.settings.clone()).collect();
        let first_receiver = settings.accounts.iter().find(|account| account.is_receiver());
        let first_receiver =
            first_receiver.and_then(|first| Some(self.by_id.get(&first.id)?.slot()));
        Ok(Snapshot {
            node_id: settings.node_id.clone(),
            triggered_by: triggered_by(settings),
            address: settings.address.clone(),
            scheme: settings.scheme,
            table: Arc::new(self.build_static_table(settings, seed)),
            entries: entries.into(),
            first_receiver,
            accounts_by_id: Arc::clone(&self.by_id),
            prices: assets.prices,
            message_window_ms: whole_ms(settings.timing.min_message_window),
            max_hold_time_ms: whole_ms(settings.timing.max_hold_time),
            ping: settings.ping,
        })
    }

    fn check_accounts(&self, settings: &ConnectorSettings) -> Result<(), RegistryError> {
        let mut configured = HashMap::new();
        for account in &settings.accounts {
            if configured.insert(&account.id, account).is_some() {
                return Err(RegistryError::DuplicateAccount(account.id.clone()));
            }
        }
        for old in &self.last_settings {
            let Some(new) = configured.get(&old.id) else { continue };
            if new.is_receiver() != old.is_receiver() {
                return Err(RegistryError::KindChanged(old.id.clone()));
            }
        }
        for (id, asset, saved) in self.unused_ledgers.iter() {
            let Some((new, unsettled)) = configured.get(id).zip(saved.ledger.unsettled()) else {
                continue;
            };
            let id = id.clone();
            if new.asset != *asset {
                let asset = asset.to_string();
                return Err(RegistryError::SavedAsset { id, asset, unsettled });
            }
            if new.is_receiver() != saved.is_receiver {
                return Err(RegistryError::SavedKind { id, unsettled });
            }
        }
        Ok(())
    }

    /// From now on no money of these accounts moves, whichever snapshot a batch uses: one that began before would book
    /// in the old asset.
    fn close_accounts_with_new_assets(
        &mut self,
        settings: &ConnectorSettings,
    ) -> Result<(), RegistryError> {
        let old: HashMap<_, _> =
            self.last_settings.iter().map(|account| (&account.id, account)).collect();
        for new in &settings.accounts {
            let Some(old) = old.get(&new.id).filter(|old| old.asset != new.asset) else { continue };
            let Some(account) = self.by_id.get(&new.id) else { continue };
            if !account.lock().close_if_settled() {
                for (closed, _) in self.closed.drain(..) {
                    let limits = self.last_settings.iter().find(|old| old.id == *closed.id());
                    if let Some(old) = limits {
                        closed.lock().set_limits(old.limits.clone());
                    }
                }
                return Err(RegistryError::AssetInUse(old.id.clone()));
            }
            self.closed.push((Arc::clone(account), new.limits.clone()));
        }
        Ok(())
    }

    fn is_closed(&self, account: &Arc<Account>) -> bool {
        self.closed.iter().any(|(closed, _)| Arc::ptr_eq(closed, account))
    }

    /// Whether accounts wait for [`Self::open_accounts`], because their asset has changed.
    pub(super) fn has_closed_accounts(&self) -> bool {
        !self.closed.is_empty()
    }

    /// Serves the accounts whose asset has changed again. Call it when nothing uses the old snapshot.
    pub(super) fn open_accounts(&mut self) {
        for (account, limits) in self.closed.drain(..) {
            account.lock().set_limits(limits);
        }
    }

    fn check_next_hops(&self, settings: &ConnectorSettings) -> Result<(), RegistryError> {
        let configured: HashSet<_> = settings.accounts.iter().map(|account| &account.id).collect();
        let is_known = |id| configured.contains(id) || self.by_id.contains_key(id);
        match settings.routes.iter().find(|route| !is_known(&route.next_hop)) {
            Some(Route { prefix, next_hop, .. }) => Err(RegistryError::UnknownNextHop {
                prefix: prefix.to_string(),
                next_hop: next_hop.clone(),
            }),
            None => Ok(()),
        }
    }

    /// The account with these settings, with a slot if it is new.
    fn find_or_add_account(&mut self, settings: &AccountSettings, seed: HashSeed) -> Arc<Account> {
        if let Some(known) = self.account(settings.id.as_str()) {
            let known = Arc::clone(known);
            self.follow_asset(&known, settings);
            return known;
        }
        // As random as the seed: with a fixed one, runs repeat.
        let [a, b, c, d, ..] = seed.hash_state().hash_one(&settings.id).to_be_bytes();
        let first_request_id = RequestId(u32::from_be_bytes([a, b, c, d]));
        let (id, slot) = (settings.id.clone(), self.next_slot(&settings.id));
        let saved = self.unused_ledgers.remove(&id, &settings.asset);
        let is_changed = saved.is_some_and(|saved| saved.is_changed);
        let comparison = self.comparison(&id, &settings.asset, saved);
        let kept = saved.filter(|_| !planted!(BalanceForgotten));
        let ledger = kept.map_or_else(Ledger::default, |saved| saved.ledger);
        let mut ledger = TrackedLedger::new(ledger, slot, self.changed.clone());
        if is_changed || comparison.is_changed() {
            ledger.note();
        }
        let limits = settings.limits.clone();
        let account = Account::new(id.clone(), slot, limits, ledger, first_request_id, comparison);
        let account = Arc::new(account);
        Arc::make_mut(&mut self.by_id).insert(id, Arc::clone(&account));
        account
    }

    /// What is known of a peer's books. After a crash, the own ones may lack something that the peer has.
    fn comparison(
        &mut self,
        id: &AccountId,
        asset: &Asset,
        saved: Option<SavedLedger>,
    ) -> PeerComparison {
        let known = self.comparisons.remove(&(id.clone(), asset.clone()));
        let may_lack = saved.is_some_and(|saved| {
            !saved.is_receiver && (self.is_recovering || saved.ledger.uncertain() != 0)
        });
        PeerComparison::restore(known, may_lack)
    }

    /// If the account's asset changes, goes on with the ledger of the new one. The old one is kept: the asset may
    /// change back. Settings are checked, so there is no balance.
    fn follow_asset(&mut self, account: &Account, settings: &AccountSettings) {
        let before = self.last_assets.get(account.id()).filter(|before| **before != settings.asset);
        let Some(before) = before.cloned() else { return };
        let saved = self.unused_ledgers.remove(&settings.id, &settings.asset);
        let comparison = self.comparison(&settings.id, &settings.asset, saved);
        let mut state = account.lock();
        let known = std::mem::replace(&mut state.comparison, comparison).state;
        self.comparisons.insert((settings.id.clone(), before.clone()), known);
        let ledger = saved.map_or_else(Ledger::default, |saved| saved.ledger);
        let ledger = state.ledger.replace(ledger);
        state.ledger.note();
        let is_changed = self.changed.is_some();
        let old = SavedLedger { ledger, is_receiver: settings.is_receiver(), is_changed };
        self.unused_ledgers.insert(settings.id.clone(), before, old);
    }

    /// The table of all routes but the learned ones.
    fn build_static_table(&mut self, settings: &ConnectorSettings, seed: HashSeed) -> RouteTable {
        let routes = self.route_candidates(settings);
        self.generation += 1;
        let uses_ccp =
            settings.accounts.iter().any(|account| account.routes.send || account.routes.receive);
        if !uses_ccp {
            self.static_routes = None;
            return RouteTable::new(routes, seed);
        }
        self.static_routes = Some(Arc::new(routes));
        self.build_table([], seed)
    }

    fn route_candidates(&self, settings: &ConnectorSettings) -> Vec<(Prefix, RouteCandidate)> {
        let implied = implied_routes(settings);
        let candidate = |Route { prefix, next_hop, priority, origin }: &Route| {
            let account = self.account(next_hop.as_str()).expect("next hops were checked");
            let (next_hop, priority, origin) = (account.slot(), *priority, *origin);
            (prefix.clone(), RouteCandidate { next_hop, priority, origin })
        };
        settings.routes.iter().chain(&implied).map(candidate).collect()
    }

    /// How many snapshots were built, and the static routes; `None` if no routes are exchanged.
    pub(super) fn static_routes(&self) -> (u64, Option<StaticRoutes>) {
        (self.generation, self.static_routes.clone())
    }

    /// A table of the static and these learned routes. Only while routes are exchanged.
    pub(super) fn build_table(
        &self,
        learned: impl IntoIterator<Item = (Prefix, Slot)>,
        seed: HashSeed,
    ) -> RouteTable {
        let static_routes = self.static_routes.as_ref().expect("routes are exchanged");
        table_with_learned(static_routes, learned, seed)
    }
}

/// A table of static and learned routes. Learned ones have the lowest priority but for the default route to the parent.
pub(super) fn table_with_learned(
    static_routes: &[(Prefix, RouteCandidate)],
    learned: impl IntoIterator<Item = (Prefix, Slot)>,
    seed: HashSeed,
) -> RouteTable {
    let learned = learned.into_iter().map(|(prefix, next_hop)| {
        let (priority, origin) = (i32::MIN, RouteOrigin::Learned);
        (prefix, RouteCandidate { next_hop, priority, origin })
    });
    RouteTable::new(static_routes.iter().cloned().chain(learned), seed)
}

/// The routes that follow from the accounts: to children, to receivers, and the default route to the parent.
///
/// RFC 34 "Link Relations": a child has an address below the node's own.
fn implied_routes(settings: &ConnectorSettings) -> Vec<Route> {
    let mut routes = Vec::new();
    for account in &settings.accounts {
        let next_hop = account.id.clone();
        match (account.relation, &settings.address) {
            (Relation::Child, Some(own)) => {
                if let Ok(address) = own.child(account.address_segment()) {
                    let (priority, origin) = if account.is_receiver() {
                        // No other route takes packets for a receiver of this node.
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

/// The address in this node's Rejects. RFC 27 "ILP Reject": the field names the node that rejects, so a node without an
/// address has a stand-in. [row 19]
fn triggered_by(settings: &ConnectorSettings) -> Address {
    settings.address.clone().unwrap_or_else(|| {
        let stand_in = format!("private.{}", settings.node_id);
        stand_in.parse().expect("a node id is an address segment")
    })
}
