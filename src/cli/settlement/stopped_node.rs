//! `settlement record` in the store of a node that does not run. The lock of the store decides which process books it.

use std::io::Write;

use super::super::ledger::change::{save_records, warn_of_uncertain};
use super::super::verbs::user_name;
use crate::account::AccountId;
use crate::books::{
    AccountKind, CutRecords, Leftover, Quantity, RecoveredAccount, SavedBooks, Settlement,
    SettlementDirection, SettlementKey, SettlementState,
};
use crate::config::{Environment, NodeConfig};
use crate::console::{Failure, SourceArguments, error_chain, load_local_node, sanitize};
use crate::net::Clock;
use crate::observe::{RecordedSettlementBody, SettlementBody};
use crate::store::{Store, StoreIdentity};
use crate::tools::Money;
use crate::wire::Timestamp;

/// The open books of a node that does not run.
pub(super) struct StoppedNode {
    id: AccountId,
    peers: Vec<AccountId>,
    store: Store,
    books: SavedBooks,
    now: Timestamp,
    by: String,
}

/// What is known of the node of a configuration from its store.
pub(super) enum NodeStore {
    /// The node does not run, and its books are open.
    Stopped(Box<StoppedNode>),
    /// It has no store here, or the store is in use: only the running node can book the settlement.
    InUse,
    /// Why its store cannot be read. The node may run elsewhere.
    Unreadable(String),
}

/// A settlement to record.
pub(super) struct RecordRequest<'r> {
    pub(super) peer: &'r str,
    pub(super) direction: SettlementDirection,
    pub(super) amount: &'r Money,
    pub(super) reference: &'r str,
    pub(super) key: &'r SettlementKey,
}

impl NodeStore {
    /// Opens the books of the node of a configuration.
    pub(super) fn open(
        source: &SourceArguments,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        // What is wrong with the configuration is said when the node is asked.
        let Ok(loaded) = load_local_node(source, environment) else { return Ok(Self::InUse) };
        let NodeConfig { settings, peers, .. } = loaded.config;
        let peers = peers.into_iter().map(|peer| peer.account.id).collect();
        let id = settings.node_id.clone();
        let identity = StoreIdentity { node: Some(id.clone()) };
        let Some(place) = settings.store_place() else { return Ok(Self::InUse) };
        // Without this, a wrong path would begin new books.
        if let Err(error) = Store::read(&place, &identity) {
            return Ok(Self::Unreadable(error_chain(&error)));
        }
        let clock = Clock::start();
        let now = clock.now().wall;
        let by = sanitize(&user_name(environment));
        match Store::open(&place, &identity, clock) {
            Ok((store, books)) => {
                let node = StoppedNode { id, peers, store, books, now, by };
                Ok(Self::Stopped(Box::new(node)))
            }
            Err(error) if error.is_in_use() => Ok(Self::InUse),
            Err(error) => Err(Failure::Failed(error_chain(&error))),
        }
    }
}

impl StoppedNode {
    /// Books a settlement, once for its key.
    pub(super) fn record(
        mut self,
        request: &RecordRequest<'_>,
        err: &mut dyn Write,
    ) -> Result<RecordedSettlementBody, Failure> {
        let recorded = self.find_or_book(request);
        let new = recorded.iter().filter(|(_, was_known)| !was_known);
        let settlements = new.map(|(settlement, _)| settlement.clone()).collect();
        let records = CutRecords { settlements, ..CutRecords::default() };
        save_records(&mut self.store, &self.books, self.now, records).map_err(|error| {
            let (error, key) = (error_chain(&error), request.key);
            Failure::Failed(format!("{error}\nto repeat this safely, add --id {key}"))
        })?;
        warn_of_uncertain(&self.books, err)?;
        let (settlement, already_recorded) = recorded?;
        let settlement = SettlementBody::new(self.id.as_str(), &settlement);
        Ok(RecordedSettlementBody { settlement, already_recorded })
    }

    /// The settlement, and whether the books had it.
    fn find_or_book(&mut self, request: &RecordRequest<'_>) -> Result<(Settlement, bool), Failure> {
        let RecordRequest { peer, direction, amount, reference, key } = *request;
        let failed = |text: String| Failure::Failed(format!("{}: {text}", self.id));
        if !self.peers.iter().any(|known| known.as_str() == peer) {
            return Err(failed(format!("the configuration has no peer {}", sanitize(peer))));
        }
        let accounts = self.books.accounts.iter_mut();
        let mut found =
            accounts.filter(|one| &*one.row.name == peer && one.row.kind == AccountKind::Peer);
        let account = match (found.next(), found.next()) {
            (Some(account), None) => account,
            (None, _) => {
                return Err(failed(format!(
                    "the books have no peer {} yet; start the node, which then records it",
                    sanitize(peer)
                )));
            }
            (Some(_), Some(_)) => {
                return Err(failed(format!(
                    "{} has had several assets; start the node, which knows the one in force",
                    sanitize(peer)
                )));
            }
        };
        let asset = account.row.asset.clone();
        let units = amount.to_units(Ok(&asset)).map_err(Failure::Usage)?.0;
        let quantity = Quantity::of_units(units.into(), asset.scale);
        for way in [direction, direction.reversed()] {
            let known = self.store.find_settlement(way, peer, key);
            let known = known.map_err(|error| failed(error_chain(&error)))?;
            if let Some(known) = known {
                let checked = known.check_recorded(direction, &quantity);
                return Ok((checked.map_err(|error| failed(error.to_string()))?, true));
            }
        }
        let left_over = match direction {
            SettlementDirection::Incoming => newest_leftover(&self.books.settlements, account),
            SettlementDirection::Outgoing => Leftover::default(),
        };
        let mut ledger = account.ledger();
        let changed = match direction {
            SettlementDirection::Incoming => ledger.settle_in(units.into()),
            SettlementDirection::Outgoing => ledger.settle_out(units.into()),
        };
        changed.map_err(|error| failed(error.to_string()))?;
        account.row.totals = ledger.totals();
        let settlement = Settlement {
            key: key.clone(),
            account: account.row.name.clone(),
            asset,
            direction,
            quantity,
            units: units.into(),
            leftover: left_over,
            state: SettlementState::Done,
            attempts: 0,
            created_at: self.now,
            updated_at: self.now,
            reference: sanitize(reference),
            by: self.by.clone(),
        };
        Ok((settlement, false))
    }
}

/// What the settlements of an account have left over: whole units do not change it.
fn newest_leftover(settlements: &[Settlement], account: &RecoveredAccount) -> Leftover {
    let (name, asset) = (&account.row.name, &account.row.asset);
    let incoming = settlements.iter().filter(|one| one.direction == SettlementDirection::Incoming);
    let mut of_account = incoming.filter(|one| one.account == *name && one.asset == *asset);
    of_account.next_back().map(|one| one.leftover.clone()).unwrap_or_default()
}
