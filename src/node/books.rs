//! Opens the store of a node, and starts its thread.

use std::collections::HashSet;
use std::io;

use super::start::StartError;
use super::task;
use crate::account::AccountId;
use crate::books::{AccountKind, EventKind, EventLevel, NewEvent, RecoveredAccount, SavedBooks};
use crate::config::{NodeConfig, NodeSettings};
use crate::machine;
use crate::net::{Clock, StorePlace};
use crate::store::{OpenError, Store, StoreHandle, StoreIdentity, StoreWorker};

/// Accounts that one start names in the log; the others are counted.
const ACCOUNTS_LOGGED_MAX: usize = 20;

/// Events of one start about what is uncertain. The pages of the node show all accounts.
const UNCERTAIN_EVENTS_MAX: usize = 1_000;

/// An open store, and what it holds.
pub(super) struct OpenBooks {
    pub(super) store: StoreHandle,
    pub(super) books: SavedBooks,
}

/// Opens the store, if there is one. The directory of the stores of a network is created; that of a single file is not,
/// because a volume that is not mounted must not be taken for an empty one.
pub(super) async fn open(
    settings: &NodeSettings,
    clock: &Clock,
) -> Result<Option<OpenBooks>, StartError> {
    let Some(place) = settings.store_place() else { return Ok(None) };
    let is_in_directory = settings.store.as_ref() != Some(&place);
    let identity = StoreIdentity { node: Some(settings.node_id.clone()) };
    let (opened_place, clock, span) = (place.clone(), clock.clone(), tracing::Span::current());
    let open = move || {
        let _span = span.enter();
        if let (true, StorePlace::File(file)) = (is_in_directory, &opened_place)
            && let Some(directory) = file.parent()
        {
            // If this fails, the next line says why the store cannot be opened.
            let _ = std::fs::create_dir_all(directory);
        }
        let (store, books) = Store::open(&opened_place, &identity, clock).map_err(store_error)?;
        // Here, because a database's client must not end on a thread that moves packets.
        let store = start_thread(store, span.clone()).map_err(StartError::Thread)?;
        Ok::<_, StartError>(OpenBooks { store, books })
    };
    let opened = machine::with_disk(async { task::spawn_blocking(open).await }).await;
    let opened = opened.map_err(|error| StartError::Thread(io::Error::other(error)))??;
    log_opened(&place, &opened.books);
    Ok(Some(opened))
}

fn store_error(error: OpenError) -> StartError {
    StartError::Store(Box::new(error))
}

fn start_thread(store: Store, span: tracing::Span) -> io::Result<StoreHandle> {
    let (worker, handle) = StoreWorker::new(store);
    #[cfg(feature = "simulation")]
    if let Some(machine) = machine::simulated::current() {
        drop(task::spawn(worker.run_on(machine)));
        return Ok(handle);
    }
    std::thread::Builder::new().name("store".to_owned()).spawn(move || {
        let _span = span.entered();
        worker.run();
    })?;
    Ok(handle)
}

fn log_opened(place: &StorePlace, books: &SavedBooks) {
    let SavedBooks { books_id, cut, was_clean, accounts, .. } = books;
    tracing::info!(
        store = %place, books = %books_id, cut = cut.0, accounts = accounts.len(), clean = was_clean,
        "opened the store"
    );
    let uncertain = || accounts.iter().filter(|account| account.newly_uncertain != 0);
    for account in uncertain().take(ACCOUNTS_LOGGED_MAX) {
        tracing::warn!(
            peer = %account.row.name, amount = %account.newly_uncertain, asset = %account.row.asset,
            "the node ended without a clean stop while packets to this peer were in flight; the peer may have fulfilled them"
        );
    }
    let more = uncertain().count().saturating_sub(ACCOUNTS_LOGGED_MAX);
    if more > 0 {
        tracing::warn!(accounts = more, "more peers with packets in flight at the unclean end");
    }
}

/// An event for each peer that may have fulfilled what was in flight when the node ended.
pub(super) fn uncertain_events(books: &SavedBooks) -> Vec<NewEvent> {
    let uncertain = books.accounts.iter().filter(|one| one.is_changed && one.row.uncertain != 0);
    let event = |account: &RecoveredAccount| {
        let RecoveredAccount { row, newly_uncertain, .. } = account;
        // What a stop could not wait for is uncertain in the store already.
        let amount = if *newly_uncertain == 0 { row.uncertain } else { *newly_uncertain };
        let (peer, asset) = (row.name.to_string(), row.asset.to_string());
        NewEvent {
            level: EventLevel::Warn,
            kind: EventKind::AccountUncertain,
            text: format!(
                "{amount} units ({asset}) were in flight to {peer} when the node ended; it may have fulfilled them"
            ),
            peer: Some(peer),
            fields: vec![("amount", amount.to_string()), ("asset", asset)],
        }
    };
    uncertain.take(UNCERTAIN_EVENTS_MAX).map(event).collect()
}

/// Names the accounts in the store that the configuration does not have, unless they are settled.
pub(super) fn log_unknown_accounts(books: &SavedBooks, config: &NodeConfig) {
    let peers = config.peers.iter().map(|peer| &peer.account.id);
    let receivers = config.receivers.iter().map(|receiver| &receiver.id);
    let known: HashSet<&str> = peers.chain(receivers).map(AccountId::as_str).collect();
    let has_guests = config.settings.guests.is_some();
    // A guest is in no configuration. It finds its balance when it comes back.
    let is_known = |name: &str| known.contains(name) || (has_guests && is_guest(name));
    let unknown = || {
        let rows = books.accounts.iter().map(|account| &account.row);
        rows.filter(|row| {
            row.kind != AccountKind::Own && row.unsettled().is_some() && !is_known(&row.name)
        })
    };
    for row in unknown().take(ACCOUNTS_LOGGED_MAX) {
        tracing::warn!(
            peer = %row.name, balance = %row.totals.balance(), uncertain = %row.uncertain, asset = %row.asset,
            "the store has a balance or an uncertain amount of an account that is not configured"
        );
    }
    let more = unknown().count().saturating_sub(ACCOUNTS_LOGGED_MAX);
    if more > 0 {
        tracing::warn!(accounts = more, "more accounts that are not configured in the store");
    }
    let rows = books.accounts.iter().map(|account| &account.row);
    let guests = rows.filter(|row| is_guest(&row.name) && row.unsettled().is_some()).count();
    if has_guests && guests > 0 {
        tracing::info!(guests, "the store has balances of guests");
    }
}

fn is_guest(name: &str) -> bool {
    name.parse::<AccountId>().is_ok_and(|id| id.is_guest())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Asset, Totals};
    use crate::books::{AccountRow, StoredRow, recover_account};
    use crate::wire::Timestamp;

    #[test]
    fn what_became_uncertain_is_one_event_for_each_peer_and_once() {
        let account = |name: &str, held_out, uncertain, since| {
            let row = AccountRow {
                name: name.into(),
                kind: AccountKind::Peer,
                asset: Asset::default(),
                totals: Totals::default(),
                held_out,
                uncertain,
                uncertain_since: since,
            };
            recover_account(StoredRow { row, balance: 0 }, Timestamp::from_millis(9))
        };
        let before = Some(Timestamp::from_millis(3));
        let accounts = [
            account("crashed", 20, 5, before),
            account("stopped", 0, 7, None),
            account("known", 0, 9, before),
            account("settled", 0, 0, None),
        ];
        let accounts = accounts.map(Result::unwrap).into();
        let events = uncertain_events(&SavedBooks { accounts, ..SavedBooks::default() });
        let found = events.iter().map(|one| (one.peer.as_deref().unwrap(), &*one.fields[0].1));
        assert_eq!(found.collect::<Vec<_>>(), [("crashed", "20"), ("stopped", "7")]);
        assert!(events.iter().all(|event| event.kind == EventKind::AccountUncertain));
    }
}
