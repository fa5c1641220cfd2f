//! `ledger resolve` and `ledger adjust`: changes of a balance, each with its reason and who made it.

use std::io::Write;

use super::super::args::{AdjustArguments, ChangeArguments, ResolveArguments};
use super::{failed, store_file};
use crate::books::{Adjustment, BalanceChange, Cut, RecoveredAccount, SavedBooks};
use crate::config::{Environment, variable};
use crate::console::{Failure, error_chain, sanitize};
use crate::net::Clock;
use crate::store::{SqliteStore, StoreIdentity};

pub(super) fn resolve(
    arguments: &ResolveArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let conceded = arguments.concede.unwrap_or(0);
    make_change(&arguments.change, BalanceChange::Resolve { conceded }, environment, out)
}

pub(super) fn adjust(
    arguments: &AdjustArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    make_change(&arguments.change, BalanceChange::Adjust(arguments.amount), environment, out)
}

/// Makes the change in the file of a node that does not run.
fn make_change(
    arguments: &ChangeArguments,
    change: BalanceChange,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    if arguments.reason.trim().is_empty() {
        return Err(Failure::Usage("--reason is empty; say why the balance changes".to_owned()));
    }
    let file = store_file(&arguments.store, environment)?;
    // Without this, a mistyped name would begin new books.
    SqliteStore::read(&file).map_err(failed)?;
    let (mut store, mut books) =
        SqliteStore::open(&file, &StoreIdentity { node: None }).map_err(failed)?;
    let at = Clock::start().now().wall;
    let made = find_account(arguments, &books).and_then(|index| {
        let account = books.accounts.get_mut(index).expect("the index was found here");
        let before = account.row.totals.balance();
        let row = change.apply(account).map_err(|error| Failure::Failed(error.to_string()))?;
        let after = row.totals.balance();
        account.row = row;
        let adjustment = Adjustment {
            at,
            account: account.row.name.clone(),
            asset: account.row.asset.clone(),
            change,
            amount: after.saturating_sub(before),
            reason: sanitize(&arguments.reason),
            by: sanitize(variable(environment, "USER").unwrap_or("unknown")),
        };
        Ok((before, after, adjustment))
    });
    // Also after a mistake: opening has made certain amounts uncertain, if the node had ended without a clean stop.
    let accounts = books.accounts.into_iter().map(|account| account.row).collect();
    let adjustments = made.as_ref().map(|(.., adjustment)| adjustment.clone());
    let adjustments = adjustments.into_iter().collect();
    let cut = Cut { number: books.cut.next(), at, accounts, adjustments };
    store.write_last(&cut).map_err(|error| Failure::Failed(error_chain(&error)))?;
    let (before, after, Adjustment { account, asset, .. }) = made?;
    writeln!(out, "{account} ({asset}): {change}; the balance was {before} and is {after}")?;
    Ok(())
}

/// The index of the account that the arguments name.
fn find_account(arguments: &ChangeArguments, books: &SavedBooks) -> Result<usize, Failure> {
    let name = &arguments.account;
    let is_named = |account: &RecoveredAccount| {
        let row = &account.row;
        *row.name == **name
            && arguments.asset.as_ref().is_none_or(|asset| *asset == row.asset.to_string())
    };
    let mut found = books.accounts.iter().enumerate().filter(|(_, account)| is_named(account));
    match (found.next(), found.next()) {
        (Some((index, _)), None) => Ok(index),
        (Some((_, one)), Some((_, other))) => Err(Failure::Usage(format!(
            "{name} has had several assets; name one with --asset, such as {} or {}",
            one.row.asset, other.row.asset
        ))),
        (None, _) => Err(Failure::Failed(format!(
            "the store has no account {name} that has moved money; `ledger balances` lists them"
        ))),
    }
}
