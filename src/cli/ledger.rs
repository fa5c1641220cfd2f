//! `ledger`: reads the books of a node, and changes them for an operator.

mod balances;
mod change;
mod export;
mod through_node;

use std::io::Write;
use std::path::PathBuf;

use super::args::{LedgerArguments, LedgerCommand, StoreArguments};
use crate::config::{Environment, NodeSettings};
use crate::console::{Failure, count, error_chain, load_local_node};
use crate::store::{OpenError, SqliteStore};

pub(super) fn run(
    arguments: &LedgerArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    match &arguments.command {
        LedgerCommand::Balances(arguments) => balances::run(arguments, environment, out),
        LedgerCommand::Verify(arguments) => verify(arguments, environment, out),
        LedgerCommand::Resolve(arguments) => change::resolve(arguments, environment, out),
        LedgerCommand::Adjust(arguments) => change::adjust(arguments, environment, out),
        LedgerCommand::Export(arguments) => export::run(arguments, environment, out),
        LedgerCommand::Backup(arguments) => {
            let file = store_file(&arguments.store, environment)?;
            SqliteStore::backup(&file, &arguments.file).map_err(failed)?;
            writeln!(out, "copied {} to {}", file.display(), arguments.file.display())?;
            Ok(())
        }
        LedgerCommand::Restore(arguments) => {
            let file = store_file(&arguments.store, environment)?;
            let (books, aside) = SqliteStore::restore(&file, &arguments.file).map_err(failed)?;
            let (file, backup) = (file.display(), arguments.file.display());
            writeln!(out, "restored cut {} from {backup} to {file}", books.cut.0)?;
            if let Some(aside) = aside {
                writeln!(out, "what was there is now {}", aside.display())?;
            }
            Ok(())
        }
    }
}

/// The file of the store that the arguments name.
fn store_file(arguments: &StoreArguments, environment: &Environment) -> Result<PathBuf, Failure> {
    if let Some(file) = &arguments.store {
        return Ok(file.clone());
    }
    let loaded = load_local_node(&arguments.source, environment)?;
    configured_store_file(Some(&loaded.config.settings))
}

fn configured_store_file(settings: Option<&NodeSettings>) -> Result<PathBuf, Failure> {
    settings.and_then(NodeSettings::store_file).ok_or_else(|| {
        Failure::Usage(
            "this node has no store: its configuration sets no `store`; name a file with --store"
                .to_owned(),
        )
    })
}

fn failed(error: OpenError) -> Failure {
    Failure::Failed(error_chain(&error))
}

fn verify(
    arguments: &StoreArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let file = store_file(arguments, environment)?;
    let books = SqliteStore::verify(&file).map_err(failed)?;
    let accounts = count(books.accounts.len(), "account");
    writeln!(out, "ok: {accounts}, cut {}, books {}", books.cut.0, books.books_id)?;
    Ok(())
}
