//! `ledger resolve` and `ledger adjust`: changes of a balance, each with its reason and who made it. The running node
//! makes them, or this process in the store of a node that does not run.

use std::io::{self, Write};

use super::super::args::{AdjustArguments, ChangeArguments, ResolveArguments};
use super::super::verbs::user_name;
use super::through_node;
use super::{NamedStore, failed};
use crate::books::{
    Adjustment, BalanceChange, ChangeError, ChangeId, ChangeRequest, Cut, CutRecords,
    RecoveredAccount, SavedBooks,
};
use crate::config::Environment;
use crate::console::{Failure, SourceArguments, error_chain, sanitize};
use crate::net::Clock;
use crate::observe::Scope;
use crate::store::{OpenError, Store, WriteError};
use crate::wire::Timestamp;

pub(super) fn resolve(
    arguments: &ResolveArguments,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let conceded = arguments.concede.unwrap_or(0);
    make_change(&arguments.change, BalanceChange::Resolve { conceded }, environment, out, err)
}

pub(super) fn adjust(
    arguments: &AdjustArguments,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    make_change(&arguments.change, BalanceChange::Adjust(arguments.amount), environment, out, err)
}

fn make_change(
    arguments: &ChangeArguments,
    change: BalanceChange,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    if arguments.reason.trim().is_empty() {
        return Err(Failure::Usage("--reason is empty; say why the balance changes".to_owned()));
    }
    let named = NamedStore::find(&arguments.store, environment)?;
    let request = ChangeRequest {
        id: arguments.id.clone().unwrap_or_else(|| ChangeId::from_random(rand::random())),
        account: arguments.account.clone(),
        asset: arguments.asset.clone(),
        change,
        reason: sanitize(&arguments.reason),
        by: sanitize(&user_name(environment)),
    };
    // Without this, a mistyped name would begin new books.
    Store::read(&named.place, &named.identity()).map_err(failed)?;
    let clock = Clock::start();
    let at = clock.now().wall;
    let text = match Store::open(&named.place, &named.identity(), clock) {
        Ok((store, books)) => change_store(&request, at, store, books, err)?.to_string(),
        Err(in_use) if in_use.is_in_use() => {
            let source = &arguments.store.source;
            change_in_node(&request, at, &named, &in_use, source, environment)?
        }
        Err(error) => return Err(failed(error)),
    };
    writeln!(out, "{text}")?;
    Ok(())
}

/// Has the running node make the change, if its configuration is known.
fn change_in_node(
    request: &ChangeRequest,
    at: Timestamp,
    named: &NamedStore,
    in_use: &OpenError,
    source: &SourceArguments,
    environment: &Environment,
) -> Result<String, Failure> {
    let in_use = error_chain(in_use);
    let Some(config) = &named.config else {
        return Err(Failure::Failed(format!(
            "{in_use}\nname the configuration of the node with --config instead of --store, so that the node makes the change; or stop it"
        )));
    };
    match config.token_with(Scope::Operate, at) {
        Some(token) => through_node::change(request, config, token),
        // The page of `up` takes changes of nodes without a token.
        None => through_node::change_at_up(request, source, environment)?.ok_or_else(|| {
            Failure::Failed(format!(
                "{in_use}\nset an apiToken in its configuration, so that the node makes the change; or stop it"
            ))
        }),
    }
}

/// A failure after which the change may have been made.
pub(super) fn unclear_failure(request: &ChangeRequest, what: &str) -> Failure {
    Failure::Failed(format!("{what}\nto repeat this change safely, add --id {}", request.id))
}

/// Makes the change in the store of a node that does not run.
fn change_store(
    request: &ChangeRequest,
    at: Timestamp,
    mut store: Store,
    mut books: SavedBooks,
    err: &mut dyn Write,
) -> Result<Adjustment, Failure> {
    let found = store.find_adjustment(&request.id);
    let found = found.map_err(|error| Failure::Failed(error_chain(&error)))?;
    let is_new = found.is_none();
    let made = match found {
        Some(made) => request.check_repeated(made),
        None => find_account(request, &mut books).and_then(|account| {
            let mut ledger = account.ledger();
            request.change.apply(&mut ledger)?;
            let row = &mut account.row;
            (row.totals, row.uncertain) = (ledger.totals(), ledger.uncertain());
            Ok(request.made(at, row.name.clone(), row.asset.clone(), ledger.balance()))
        }),
    };
    let adjustments = made.iter().filter(|_| is_new).cloned().collect();
    let records = CutRecords { adjustments, ..CutRecords::default() };
    let saved = save_records(&mut store, &books, at, records);
    saved.map_err(|error| unclear_failure(request, &error_chain(&error)))?;
    warn_of_uncertain(&books, err)?;
    made.map_err(|error| Failure::Failed(error.to_string()))
}

/// Saves the accounts of the store of a node that does not run, with these records. Also after a mistake, with none:
/// opening has made certain amounts uncertain, if the node had ended without a clean stop.
pub(in crate::cli) fn save_records(
    store: &mut Store,
    books: &SavedBooks,
    at: Timestamp,
    records: CutRecords,
) -> Result<(), WriteError> {
    let accounts = books.accounts.iter().map(|account| account.row.clone()).collect();
    let cut = Cut { number: books.cut.next(), at, accounts, ..Cut::default() };
    store.write_last(&cut.with_records(records))
}

/// Names the accounts that opening has made uncertain: the next start of the node finds a clean stop, and names none.
pub(in crate::cli) fn warn_of_uncertain(books: &SavedBooks, err: &mut dyn Write) -> io::Result<()> {
    for RecoveredAccount { row, newly_uncertain, .. } in &books.accounts {
        if *newly_uncertain != 0 && row.uncertain != 0 {
            writeln!(
                err,
                "warning: {} ({}): {newly_uncertain} is uncertain now: it was in flight when the node ended, and the peer may \
                 have fulfilled it",
                row.name, row.asset
            )?;
        }
    }
    Ok(())
}

/// The account that the request names.
fn find_account<'b>(
    request: &ChangeRequest,
    books: &'b mut SavedBooks,
) -> Result<&'b mut RecoveredAccount, ChangeError> {
    let accounts = books.accounts.iter_mut();
    let mut found = accounts.filter(|one| request.names(&one.row.name, &one.row.asset));
    match (found.next(), found.next()) {
        (Some(account), None) => Ok(account),
        (Some(one), Some(other)) => Err(ChangeError::SeveralAssets {
            account: request.account.clone(),
            one: one.row.asset.clone(),
            other: other.row.asset.clone(),
        }),
        (None, _) => Err(ChangeError::UnknownAccount(request.account.clone())),
    }
}
