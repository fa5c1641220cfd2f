//! Opens the store of a node, and starts its thread.

use std::collections::HashSet;
use std::path::Path;

use super::start::StartError;
use crate::account::AccountId;
use crate::books::{AccountKind, SavedBooks};
use crate::config::{NodeConfig, NodeSettings};
use crate::store::{SqliteStore, StoreHandle, StoreIdentity, StoreWorker};

/// Accounts that one start names in the log; the others are counted.
const ACCOUNTS_LOGGED_MAX: usize = 20;

/// An open store, and what it holds.
pub(super) struct OpenBooks {
    pub(super) store: StoreHandle,
    pub(super) books: SavedBooks,
}

/// Opens the store, if there is one. The directory of the stores of a network is created; that of a single file is not,
/// because a volume that is not mounted must not be taken for an empty one.
pub(super) async fn open(settings: &NodeSettings) -> Result<Option<OpenBooks>, StartError> {
    let Some(path) = settings.store_file() else { return Ok(None) };
    let is_in_directory = settings.store.as_ref() != Some(&path);
    let identity = StoreIdentity { node: Some(settings.node_id.clone()) };
    let file = path.clone();
    let opened = tokio::task::spawn_blocking(move || {
        if let (true, Some(directory)) = (is_in_directory, file.parent()) {
            // If this fails, the next line says why the store cannot be opened.
            let _ = std::fs::create_dir_all(directory);
        }
        SqliteStore::open(&file, &identity)
    });
    let opened = opened.await.map_err(|error| StartError::Thread(std::io::Error::other(error)))?;
    let (store, books) = opened.map_err(|error| StartError::Store(Box::new(error)))?;
    let store = start_thread(store).map_err(StartError::Thread)?;
    log_opened(&path, &books);
    Ok(Some(OpenBooks { store, books }))
}

fn start_thread(store: SqliteStore) -> std::io::Result<StoreHandle> {
    let (worker, handle) = StoreWorker::new(store);
    let span = tracing::Span::current();
    std::thread::Builder::new().name("store".to_owned()).spawn(move || {
        let _span = span.entered();
        worker.run();
    })?;
    Ok(handle)
}

fn log_opened(path: &Path, books: &SavedBooks) {
    let SavedBooks { books_id, cut, was_clean, accounts } = books;
    tracing::info!(
        store = %path.display(), books = %books_id, cut = cut.0, accounts = accounts.len(), clean = was_clean,
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

/// Names the accounts in the store that the configuration does not have, unless they are settled.
pub(super) fn log_unknown_accounts(books: &SavedBooks, config: &NodeConfig) {
    let peers = config.peers.iter().map(|peer| &peer.account.id);
    let receivers = config.receivers.iter().map(|receiver| &receiver.id);
    let known: HashSet<&str> = peers.chain(receivers).map(AccountId::as_str).collect();
    let unknown = || {
        let rows = books.accounts.iter().map(|account| &account.row);
        rows.filter(|row| {
            row.kind != AccountKind::Own && row.unsettled().is_some() && !known.contains(&*row.name)
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
}
